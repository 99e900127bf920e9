//! What metrics and logs are told of a call.

use std::time::Duration;

use http::{Method, StatusCode};
use uuid::Uuid;

use crate::arm::{
    budget::BudgetKey,
    error::{ArmError, Throttle},
};

/// One call, as metrics and logs see it. Holds no payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallRecord {
    /// The Azure action of the call.
    pub action: &'static str,
    /// GET, PUT or PATCH.
    pub method: Method,
    /// Which budget it counted against.
    pub key: BudgetKey,
    /// The status, if an answer came.
    pub status: Option<StatusCode>,
    /// How many more requests of its kind Azure would answer, if it said so.
    pub remaining: Option<u32>,
    /// How it ended.
    pub outcome: CallOutcome,
    /// How long it took.
    pub elapsed: Duration,
    /// Our name for the exchange; `None` when nothing was sent.
    pub client_request_id: Option<Uuid>,
    /// The name of the reconcile or sweep that it belongs to.
    pub correlation: Uuid,
    /// Azure's name for the exchange.
    pub request_id: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CallOutcome {
    /// With what was asked for.
    Succeeded,
    /// Azure answered with an error.
    Refused,
    /// Azure answered 429.
    Throttled,
    /// The budget held it back; nothing was sent.
    HeldBack,
    /// There was no token; nothing was sent.
    NotLoggedIn,
    /// No whole answer came.
    NoAnswer,
    /// The answer made no sense, or was a redirect.
    Garbage,
    /// It could not be put together, or named a foreign origin; nothing was sent.
    NotSent,
}

impl CallOutcome {
    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::HeldBack => "held-back",
            Self::NotLoggedIn => "not-logged-in",
            Self::NoAnswer => "no-answer",
            Self::Garbage => "garbage",
            Self::NotSent => "not-sent",
        }
    }
}

impl From<&ArmError> for CallOutcome {
    fn from(error: &ArmError) -> Self {
        match error {
            ArmError::Transport { .. } => Self::NoAnswer,
            ArmError::Credential { .. } => Self::NotLoggedIn,
            ArmError::Throttled { by, .. } => match by {
                Throttle::OurBudget => Self::HeldBack,
                Throttle::Azure => Self::Throttled,
            },
            ArmError::Refused(_) => Self::Refused,
            ArmError::Undecodable { .. }
            | ArmError::Redirected { .. }
            | ArmError::Paging { .. } => Self::Garbage,
            ArmError::ForeignLink { .. } | ArmError::Unsendable { .. } => Self::NotSent,
        }
    }
}
