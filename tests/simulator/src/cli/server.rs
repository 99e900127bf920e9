//! `serve`: from the arguments to a running simulator, and its end.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};

use super::ServeArguments;
use crate::{
    azure::{Settings, World},
    serve::{Options, Running, serve},
};

pub(super) async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let ServeArguments {
        listen,
        tls_listen,
        tls_dir,
        world,
        speed,
        journal,
    } = arguments;
    let world = match world {
        Some(path) => read_world(&path)?,
        None => World::builtin(),
    };
    let settings = Settings {
        speed,
        ..Settings::default()
    };
    // before anything is announced: whoever reads `ready` may send the signal at once
    let mut terminate = signal(SignalKind::terminate()).context("failed to watch for SIGTERM")?;
    let tls_dir = std::path::absolute(&tls_dir)
        .with_context(|| format!("failed to resolve {}", tls_dir.display()))?;
    let options = Options {
        listen,
        tls_listen,
        tls_dir: Some(tls_dir.clone()),
        world,
        settings,
        journal,
    };
    let running = serve(options).await?;
    announce(&running, &tls_dir.join("ca.pem")).context("failed to print the addresses")?;
    tokio::select! {
        biased; // the order does not matter: both end the simulator
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("failed to watch for Ctrl-C")?,
    }
    running.shutdown().await;
    Ok(())
}

fn read_world(path: &Path) -> anyhow::Result<World> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to read the world {}", path.display()))?;
    World::from_yaml(&text)
        .map_err(|error| anyhow!("failed to understand the world {}: {error}", path.display()))
}

fn announce(running: &Running, ca: &Path) -> io::Result<()> {
    let lines = [
        format!("http http://{}", running.http),
        format!("https https://{}", running.https),
        format!("ca {}", ca.display()),
        "ready".to_owned(),
    ];
    let mut stdout = io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
    }
    Ok(())
}
