//! The command line: `serve`, `set` and `show`. The only place that reads arguments and environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

mod client;
mod server;
mod text;

/// Azure for people and tests that have none: ARM, Key Vault and DICOM services on this machine.
#[derive(Debug, Parser)]
#[command(name = "azure-simulator", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Does what was asked for.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(arguments) => server::run(arguments).await,
            Command::Set(arguments) => client::set(arguments).await,
            Command::Show(arguments) => client::show(arguments).await,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve Azure over http and https until Ctrl-C or SIGTERM.
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArguments),
    /// Change the world as a person in the portal would.
    #[command(after_help = SET_HELP)]
    Set(SetArguments),
    /// Print the estate and who can reach which key.
    Show(ShowArguments),
}

#[derive(Args, Debug)]
struct ServeArguments {
    /// Plain http, the proxy for Azure's host names (CONNECT) and the admin endpoint; port 0: any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,

    /// https; port 0: any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    tls_listen: SocketAddr,

    /// Directory of the private CA and its certificates: filled when empty, used when they are there.
    #[arg(long, value_name = "DIR", default_value = "azure-simulator-tls")]
    tls_dir: PathBuf,

    /// The initial estate as YAML; without it a built-in one.
    #[arg(long, value_name = "FILE.yaml")]
    world: Option<PathBuf>,

    /// Divides Azure's own delays (role effect, operations, key probe, the 30 minutes).
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    speed: f64,

    /// Append every exchange to this file, one JSON object a line.
    #[arg(long, value_name = "FILE.jsonl")]
    journal: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Endpoint {
    /// Where the simulator listens for plain http (the `http` line that `serve` prints).
    #[arg(
        long,
        value_name = "URL",
        env = "AZURE_SIMULATOR_URL",
        default_value = "http://127.0.0.1:8480"
    )]
    endpoint: String,
}

#[derive(Args, Debug)]
struct SetArguments {
    #[command(flatten)]
    endpoint: Endpoint,

    /// What to change, and how it is to be.
    #[arg(value_name = "WORDS", required = true, num_args = 1..)]
    words: Vec<String>,
}

#[derive(Args, Debug)]
struct ShowArguments {
    #[command(flatten)]
    endpoint: Endpoint,

    /// For people (text) or for programs (json).
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        Ok(_) | Err(_) => {
            Err("write a number above 0: 1 is Azure's own pace, 60 makes a minute a second".into())
        }
    }
}

const SERVE_HELP: &str = "\
When it is ready it prints, one a line:
  http http://127.0.0.1:8480
  https https://127.0.0.1:8443
  ca azure-simulator-tls/ca.pem
  ready

A program that shall believe it talks to Azure needs no more than:
  HTTPS_PROXY=http://127.0.0.1:8480  NO_PROXY=127.0.0.1,localhost
and the CA as one that it trusts (curl: --cacert, Python: REQUESTS_CA_BUNDLE, Node: NODE_EXTRA_CA_CERTS).";

const SET_HELP: &str = "\
Examples:
  azure-simulator set key clinic-keys/dicom-cmk disabled
      also: enabled, deleted, recovered, purged, expired, not-yet-valid, valid, new-version,
      unwrap-forbidden, unwrap-permitted
      a version after a third slash means that one alone
  azure-simulator set key clinic-keys/dicom-cmk expires-in 20d
  azure-simulator set vault clinic-keys firewall-closed
      also: firewall-open, bypass-off, bypass-on, deleted, recovered, purged, access-policies, rbac,
      purge-protection-off, purge-protection-on, soft-delete-off, soft-delete-on, perimeter-closed,
      perimeter-open, registering-dns, registered
  azure-simulator set vault clinic-keys data-plane-closed
      for the operator alone; also: data-plane-open
  azure-simulator set identity imaging/clinic/radiology off
  azure-simulator set identity radiology-identity deleted
  azure-simulator set role-assignments clinic-keys removed
      also: conditional, unconditional
  azure-simulator set role-assignments clinic-keys added operator Key Vault Reader
  azure-simulator set deny-assignments clinic-keys added
  azure-simulator set service radiology key removed
  azure-simulator set service radiology tags team=imaging
  azure-simulator set service radiology operation-fails
      also: operation-canceled, deleted
  azure-simulator set service radiology provisioning Failed
  azure-simulator set health radiology unavailable
      also: available, degraded, unknown, stuck, automatic
  azure-simulator set health radiology late 10m
  azure-simulator set foreign-resources 5000
  azure-simulator set throttling on 30
  azure-simulator set control-plane broken
  azure-simulator set faults PUT dicomservices drop-after times 1
  azure-simulator set faults any vault.azure.net status 503
  azure-simulator set faults off
Words that are not understood are answered with those that would be.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::azure::Change;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_example_of_the_help_is_understood() {
        let examples = SET_HELP
            .lines()
            .filter_map(|line| line.trim().strip_prefix("azure-simulator set "));
        let mut count = 0;
        for example in examples {
            let words: Vec<String> = example.split(' ').map(str::to_owned).collect();
            Change::parse(&words).unwrap_or_else(|error| panic!("{example}: {error}"));
            count += 1;
        }
        assert_eq!(count, 21);
    }

    #[test]
    fn a_speed_is_a_number_above_zero() {
        assert_eq!(speed("60"), Ok(60.0));
        assert_eq!(speed("0.5"), Ok(0.5));
        for text in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert!(speed(text).unwrap_err().contains("above 0"), "{text}");
        }
    }
}
