//! The command `controlplane`: the crate for shells.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use controlplane::{Access, Assets, ControlPlane, Options, Tool};

fn main() -> Result<()> {
    match Arguments::parse().command {
        Verb::Assets { all } => assets(all),
        Verb::Up {
            dir,
            controllers,
            audit,
        } => up(&Options {
            folder: Some(dir),
            controllers,
            audit,
        }),
        Verb::Token {
            dir,
            namespace,
            name,
        } => {
            let kubeconfig = Access::open(&dir)?.service_account_kubeconfig(&namespace, &name)?;
            say(&kubeconfig.display().to_string())
        }
    }
}

/// A real kube-apiserver and etcd on 127.0.0.1, for tests and for trying things by hand.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build the binaries that are neither given nor in the cache, and print their folders
    Assets {
        /// The kube-controller-manager and the checkers of deploy/monitoring too
        #[arg(long)]
        all: bool,
    },
    /// Start a control plane, print how to reach it, and keep it running until Ctrl-C
    Up {
        /// The folder for its logs, state and kubeconfig files
        #[arg(long)]
        dir: PathBuf,
        /// Run the controllers for namespaces, garbage and service accounts too
        #[arg(long)]
        controllers: bool,
        /// Write one line for every request to DIR/audit.jsonl
        #[arg(long)]
        audit: bool,
    },
    /// Print the path of a kubeconfig file with a token of a service account
    Token {
        /// The folder of the running control plane
        #[arg(long)]
        dir: PathBuf,
        /// The namespace of the service account
        namespace: String,
        /// Its name
        name: String,
    },
}

fn assets(all: bool) -> Result<()> {
    let tools = if all {
        [Tool::ALL.as_slice(), &Tool::MONITORING].concat()
    } else {
        Tool::BASE.to_vec()
    };
    let assets = Assets::find_or_build(&tools)?;
    let folders: Vec<String> = assets
        .folders()
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    say(&folders.join(":"))
}

/// The servers end with this process, however it ends (see `process`): a signal needs no handler.
fn up(options: &Options) -> Result<()> {
    let mut plane = ControlPlane::start(options)?;
    say(&format!(
        "kubeconfig {}",
        plane.access().kubeconfig().display()
    ))?;
    say(&format!(
        "kubectl {}",
        plane.access().kubectl_path().display()
    ))?;
    say("ready")?;
    loop {
        if let Some(epitaph) = plane.epitaph()? {
            bail!(epitaph);
        }
        thread::sleep(LOOK_AROUND);
    }
}

fn say(line: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

const LOOK_AROUND: Duration = Duration::from_secs(1);
