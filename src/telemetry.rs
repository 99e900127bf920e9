//! Logs: one line per event, as JSON for machines or as text for people.
//!
//! What stands in a log may come from anybody (a resource's name, Azure's error text), so every
//! value is cleaned before it is written: control, escape and text-direction characters are shown
//! as `\u{..}`, tokens as `***`, and lengths are capped. No line can imitate another one.
//!
//! [`error_chain`] is the one place that prints an error with its causes.

mod clean;
mod format;

use std::{error::Error, fmt, panic, str::FromStr, sync::Arc};

use kube::core::Status;
use thiserror::Error as ThisError;
use tracing::{Subscriber, level_filters::LevelFilter, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
};

pub use self::clean::clean;
use self::format::{Fields, Lines};
use crate::clock::Clock;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(text: &str) -> Result<Self, UnknownLogFormat> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(UnknownLogFormat),
        }
    }
}

/// The format asked for does not exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ThisError)]
#[error("write json or text")]
pub struct UnknownLogFormat;

/// What is logged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// How the lines look.
    pub format: LogFormat,
    /// A level, or directives as in `info,dicomenc::arm=debug`.
    pub filter: String,
}

/// Why logging could not be set up.
#[derive(Debug, ThisError)]
pub enum TelemetryError {
    /// The filter has a form that nothing understands.
    #[error(
        "failed to read the log filter {filter:?}: write a level (error, warn, info, debug, \
         trace) or directives such as info,dicomenc::arm=debug"
    )]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else set up logging in this process before.
    #[error("failed to install the log subscriber")]
    Installed(#[source] SetGlobalDefaultError),
}

/// Sends the process's events to standard error from now on, panics among them.
pub fn install(settings: &LogSettings, clock: Arc<dyn Clock>) -> Result<(), TelemetryError> {
    let filter = filter(&settings.filter)?;
    let layer = layer(settings.format, clock, std::io::stderr).with_filter(filter);
    tracing::subscriber::set_global_default(Registry::default().with(layer))
        .map_err(TelemetryError::Installed)?;
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(%place, panic = message, "a task panics");
    }));
    Ok(())
}

/// Reads a filter as `--log-level` takes it.
pub fn filter(directives: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives)
        .map_err(|source| TelemetryError::Filter {
            filter: directives.to_owned(),
            source,
        })
}

/// The layer that writes cleaned lines, stamped by `clock`, to `writer`.
pub fn layer<S, W>(
    format: LogFormat,
    clock: Arc<dyn Clock>,
    writer: W,
) -> impl Layer<S> + Send + Sync + 'static
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(Fields::new(format))
        .event_format(Lines::new(format, clock))
        .with_writer(writer)
}

/// Prints an error and what caused it, once: a cause whose text the error already repeats (as
/// kube's errors do) is not printed again, and an answer of the API server is printed without the
/// debug form that kube adds. The text is cleaned and capped.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = said(error);
    let mut cause = error.source();
    for _ in 0..CHAIN_DEPTH {
        let Some(source) = cause else { break };
        let next = said(source);
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = source.source();
    }
    clean(&text, CHAIN_LENGTH)
}

fn said(error: &(dyn Error + 'static)) -> String {
    // a boxed source is another type to downcast_ref than what is in the box
    let kube = error
        .downcast_ref::<kube::Error>()
        .or_else(|| error.downcast_ref::<Box<kube::Error>>().map(Box::as_ref));
    let status = match kube {
        Some(kube::Error::Api(status)) => Some(status.as_ref()),
        _ => error
            .downcast_ref::<Status>()
            .or_else(|| error.downcast_ref::<Box<Status>>().map(Box::as_ref)),
    };
    status.map_or_else(|| error.to_string(), |status| Answer(status).to_string())
}

/// An answer of the API server in one line.
struct Answer<'a>(&'a Status);

impl fmt::Display for Answer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status {
            code,
            reason,
            message,
            ..
        } = self.0;
        write!(out, "the API server answers {code} {reason}: {message}")
    }
}

/// Causes that are followed; a chain that is longer than this is a loop.
const CHAIN_DEPTH: usize = 16;
/// Characters of a printed chain.
const CHAIN_LENGTH: usize = 2048;

#[cfg(test)]
mod tests;
