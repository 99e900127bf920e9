//! The command line, and the only reader of the environment.
//!
//! Flags and variables are read once, checked together and turned into [`Settings`]; a value that
//! cannot work is refused here, with a sentence that says what to write. Secrets come from the
//! environment only, never from a flag, which others could see.

mod azure;
mod environment;
mod flags;
mod settings;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};

pub use self::{
    azure::{
        AzureSettings, CloudSettings, CredentialSettings, CustomCloud, ProxySettings, Secret,
        ServicePrincipal,
    },
    environment::Environment,
    settings::{LeaderElection, Settings, SettingsError, Timing},
};

/// What the command line asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Run the operator.
    Operator(Box<Settings>),
    /// Print the custom resource definition.
    Crd,
}

/// Reads the command line. The error prints itself with usage, and is also how help and version
/// come out: call its `exit`.
pub fn command(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Command, clap::Error> {
    let matches = Program::command().try_get_matches_from(arguments)?;
    match Program::from_arg_matches(&matches)?.action {
        Action::Operator(flags) => match Settings::try_new(*flags, environment) {
            Ok(settings) => Ok(Command::Operator(Box::new(settings))),
            Err(error) => Err(Program::command().error(ErrorKind::ValueValidation, error)),
        },
        Action::Crd => Ok(Command::Crd),
    }
}

/// Keeps Azure DICOM services encrypted with the customer's own key, and watches that they can
/// reach it.
#[derive(Debug, Parser)]
#[command(name = "dicomenc", version)]
struct Program {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the operator.
    Operator(Box<flags::Flags>),
    /// Print the custom resource definition, for kubectl apply.
    Crd,
}

#[cfg(test)]
mod tests;
