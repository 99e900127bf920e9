//! The command `azure-simulator`: wires the pieces, nothing else.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use azure_simulator::cli::Cli;
use clap::Parser;
use rustls::crypto::ring;

#[tokio::main]
async fn main() -> ExitCode {
    // an error means that there is a provider already, which is all we want
    ring::default_provider().install_default().ok();
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // with no stderr there is nobody to tell
            writeln!(io::stderr(), "azure-simulator: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}
