//! The command `dicomenc`: wires the library together, and nothing else.

use std::process::ExitCode;

use dicomenc::cli::{self, Command, Environment};
use dicomenc::{crd, operator};
use rustls::crypto::ring;

fn main() -> ExitCode {
    // reqwest, kube and the simulator's peers need one provider for the whole process
    if ring::default_provider().install_default().is_err() {
        return fail("a TLS provider is installed already");
    }
    let command = match cli::command(std::env::args_os(), &Environment::of_process()) {
        Ok(command) => command,
        Err(error) => error.exit(),
    };
    let done = match command {
        Command::Crd => crd::yaml()
            .map_err(anyhow::Error::from)
            .and_then(|text| print(&text)),
        Command::Operator(settings) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(operator::run(*settings))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

#[expect(clippy::print_stderr, reason = "the log may not be there yet")]
fn fail(message: &str) -> ExitCode {
    eprintln!("dicomenc: {message}");
    ExitCode::FAILURE
}
