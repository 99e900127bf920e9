//! What the failure of a read says about the thing that was to be read.

use std::time::Duration;

use http::StatusCode;

use crate::{
    arm::{Advice, ArmError, Missing, Refusal},
    domain::fact::{Denial, Trouble, TroubleKind},
};

/// How a read ended that did not bring a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// Azure says that it is not there.
    Missing,
    /// Azure does not let us look.
    Refused(Denial),
    /// The answer of a list could not be read; a direct read may do better.
    Garbled(Trouble),
    /// Nothing was learned.
    Trouble {
        /// Why.
        trouble: Trouble,
        /// Not to be tried again before this time has passed.
        wait: Option<Duration>,
    },
}

impl Failure {
    /// An answer that says something else than its specification allows.
    pub(super) fn odd(message: impl Into<String>) -> Self {
        Self::Garbled(Trouble {
            kind: TroubleKind::Unreachable,
            message: message.into(),
        })
    }

    fn trouble(kind: TroubleKind, message: String, wait: Option<Duration>) -> Self {
        let trouble = Trouble { kind, message };
        Self::Trouble { trouble, wait }
    }
}

impl From<ArmError> for Failure {
    fn from(error: ArmError) -> Self {
        let message = error.what_now();
        match &error {
            ArmError::Credential { .. } => {
                Self::trouble(TroubleKind::NotAuthorised, message, wait(&error.advice()))
            }
            ArmError::Throttled { wait, .. } => {
                Self::trouble(TroubleKind::Throttled, message, Some(*wait))
            }
            ArmError::Undecodable { .. } => Self::odd(message),
            ArmError::Transport { .. }
            | ArmError::Redirected { .. }
            | ArmError::ForeignLink { .. }
            | ArmError::Paging { .. }
            | ArmError::Unsendable { .. } => {
                Self::trouble(TroubleKind::Unreachable, message, wait(&error.advice()))
            }
            ArmError::Refused(refusal) => refused(refusal, message),
        }
    }
}

fn refused(refusal: &Refusal, message: String) -> Failure {
    if refusal.status == StatusCode::UNAUTHORIZED {
        return Failure::trouble(TroubleKind::NotAuthorised, message, None);
    }
    let advice = refusal.advice();
    match advice {
        // a subscription that we do not see may well be there for others: no evidence of a loss
        Advice::NotFound(Missing::Subscription)
        | Advice::AskForPermission { .. }
        | Advice::FixRequest { .. } => Failure::Refused(Denial { message }),
        Advice::NotFound(Missing::Resource | Missing::Parent | Missing::ResourceGroup) => {
            Failure::Missing
        }
        Advice::Throttled { after } => {
            Failure::trouble(TroubleKind::Throttled, message, Some(after))
        }
        Advice::Reauthenticate => Failure::trouble(TroubleKind::NotAuthorised, message, None),
        Advice::Retry { .. }
        | Advice::WaitForPropagation
        | Advice::AlreadyExists
        | Advice::Conflict { .. }
        | Advice::Garbage => {
            let wait = wait(&advice);
            Failure::trouble(TroubleKind::Unreachable, message, wait)
        }
    }
}

const fn wait(advice: &Advice) -> Option<Duration> {
    match advice {
        Advice::Retry { after } | Advice::Conflict { after } => *after,
        Advice::Throttled { after } => Some(*after),
        Advice::Reauthenticate
        | Advice::WaitForPropagation
        | Advice::AskForPermission { .. }
        | Advice::AlreadyExists
        | Advice::NotFound(_)
        | Advice::FixRequest { .. }
        | Advice::Garbage => None,
    }
}
