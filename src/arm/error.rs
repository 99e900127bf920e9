//! Why a call to Azure did not bring what was asked for, and what to do about it.
//!
//! One enum, one exhaustive method [`ArmError::advice`]. Every text from outside in it has gone
//! through [`text::printable`](crate::arm::text::printable); no variant can hold a token.

use std::{fmt, time::Duration};

use http::StatusCode;
use thiserror::Error;

use crate::arm::{credential::CredentialError, transport::TransportError};

mod advice;
mod code;
mod refusal;

pub use advice::{Advice, Missing};
pub use code::ErrorCode;
pub use refusal::{Refusal, RefusalContext};

/// What a call was about: for messages, for metrics and for advice about permissions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// What was attempted, for people: `read the vault`.
    pub what: &'static str,
    /// The Azure action that the call needs: `Microsoft.KeyVault/vaults/read`.
    pub action: &'static str,
    /// The ARM id or scope that the call names.
    pub target: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.target)
    }
}

/// The failure of one call.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ArmError {
    /// No whole answer came back.
    #[error("failed to {subject}: Azure did not answer")]
    Transport {
        /// What was attempted.
        subject: Box<Subject>,
        /// What went wrong on the way.
        source: TransportError,
    },
    /// There is no token to call with; nothing was sent.
    #[error("failed to {subject}: the operator cannot log in to Azure")]
    Credential {
        /// What was attempted.
        subject: Box<Subject>,
        /// Why there is no token.
        source: CredentialError,
    },
    /// Our own budget is used up, or a 429 is still in force; nothing was sent.
    #[error("held back the call to {subject} for {} s: {by}", wait.as_secs())]
    Throttled {
        /// What was attempted.
        subject: Box<Subject>,
        /// How long to stay away, from now.
        wait: Duration,
        /// Who said so.
        by: Throttle,
    },
    /// Azure answered with an error.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Azure answered with success, but not with what its specification says.
    #[error(
        "failed to understand the answer to the call to {subject}: {}",
        garbage
    )]
    Undecodable {
        /// What was attempted.
        subject: Box<Subject>,
        /// What was wrong with the answer.
        garbage: Box<Garbage>,
    },
    /// A redirect, which is never followed.
    #[error("failed to {subject}: the answer is a redirect ({status}), which is not followed")]
    Redirected {
        /// What was attempted.
        subject: Box<Subject>,
        /// The status of the answer.
        status: StatusCode,
    },
    /// A link to another origin, which is never followed.
    #[error("failed to {subject}: the answer links to another origin ({host})")]
    ForeignLink {
        /// What was attempted.
        subject: Box<Subject>,
        /// The host that the link names, made printable.
        host: String,
    },
    /// A list that does not end, repeats itself or is too large.
    #[error("failed to {subject}: the list {problem}")]
    Paging {
        /// What was attempted.
        subject: Box<Subject>,
        /// What is wrong with the list.
        problem: PagingProblem,
    },
    /// The request could not be put together; nothing was sent.
    #[error("failed to put together the call to {subject}: {detail}")]
    Unsendable {
        /// What was attempted.
        subject: Box<Subject>,
        /// Why, made printable.
        detail: String,
    },
}

impl ArmError {
    /// The refusal, when Azure answered with an error.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Transport { .. }
            | Self::Credential { .. }
            | Self::Throttled { .. }
            | Self::Undecodable { .. }
            | Self::Redirected { .. }
            | Self::ForeignLink { .. }
            | Self::Paging { .. }
            | Self::Unsendable { .. } => None,
        }
    }

    /// What is missing, when Azure says that something does not exist.
    pub fn missing(&self) -> Option<Missing> {
        self.refusal().and_then(Refusal::missing)
    }

    /// Whether a write may have taken effect although it failed: look again before the next one.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Self::Transport { source, .. } => match source {
                TransportError::Timeout
                | TransportError::TooLarge { .. }
                | TransportError::Broken { .. } => true,
                TransportError::Connect { .. } | TransportError::Setup { .. } => false,
            },
            Self::Refused(refusal) => {
                refusal.status.is_server_error() || refusal.status == StatusCode::REQUEST_TIMEOUT
            }
            Self::Undecodable { .. } | Self::ForeignLink { .. } | Self::Paging { .. } => true,
            Self::Credential { .. }
            | Self::Throttled { .. }
            | Self::Redirected { .. }
            | Self::Unsendable { .. } => false,
        }
    }
}

impl From<Refusal> for ArmError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Who asked us to stay away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Throttle {
    /// Our own budget, before anything was sent.
    OurBudget,
    /// Azure, with a 429.
    Azure,
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OurBudget => "the budget of such calls is used up for now",
            Self::Azure => "Azure throttles such calls (429)",
        })
    }
}

/// What was wrong with an answer, and as much of it as is safe and useful to keep.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Garbage {
    /// The status of the answer.
    pub status: StatusCode,
    /// Where in the JSON: `properties.encryption.x`; `.` for the document as a whole.
    pub path: String,
    /// What was found there instead of what was expected.
    pub problem: String,
    /// The beginning of the body, made printable.
    pub excerpt: String,
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {}: {} (status {}, body: {})",
            self.path,
            self.problem,
            self.status.as_u16(),
            self.excerpt
        )
    }
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PagingProblem {
    /// More pages than are read.
    TooManyPages,
    /// A page links to one that was read before.
    RepeatedLink,
    /// More bytes than are held.
    TooLarge,
}

impl fmt::Display for PagingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyPages => "has too many pages",
            Self::RepeatedLink => "links back to a page that was read before",
            Self::TooLarge => "is larger than we are willing to hold",
        })
    }
}

#[cfg(test)]
mod tests;
