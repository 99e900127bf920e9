//! The voices: sources that know how the service is, and not why.

use k8s_openapi::jiff::Timestamp;

use crate::crd::Reason;
use crate::domain::fact::{Fact, Known, Seen};
use crate::domain::judge::Case;
use crate::domain::memory::Memory;
use crate::domain::observed::{Canary, Health, HealthState};

/// What a source says that knows how the service is, and not why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Voice {
    /// It is well.
    Well {
        /// Since when it says so.
        since: Option<Timestamp>,
        /// What it says.
        message: &'static str,
    },
    /// It is not.
    Ill(String),
    /// It says nothing that could be used, and why not.
    Silent(String),
    /// It could not be read: what it said last may still hold.
    Unheard {
        /// What could not be read.
        message: &'static str,
        /// What it said last, as far as this process knows.
        last: Last,
    },
}

/// What a voice said last that cannot be heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Last {
    /// That the service is not well.
    Ill,
    /// Something else.
    Other,
    /// This process has not heard it once.
    Nothing,
}

impl Last {
    fn of<T>(fact: &Fact<T>, is_ill: impl Fn(&T) -> bool) -> Self {
        match &fact.seen {
            Seen::Unread => Self::Nothing,
            Seen::Present { value, .. } if is_ill(value) => Self::Ill,
            Seen::Present { .. } | Seen::Absent { .. } | Seen::Refused { .. } => Self::Other,
        }
    }
}

impl Voice {
    /// What could not be read, and whether the service was not well when that was last told, by this
    /// voice or, if this process never heard it, by the status. A voice that last said something
    /// else has nothing to take back.
    pub(super) fn unheard(&self, memory: &Memory) -> Option<(&'static str, bool)> {
        match self {
            Self::Unheard { message, last } => match last {
                Last::Ill => Some((message, true)),
                Last::Nothing => Some((message, was_told_ill(memory))),
                Last::Other => None,
            },
            Self::Well { .. } | Self::Ill(_) | Self::Silent(_) => None,
        }
    }

    /// Whether this process has not heard it once.
    pub(super) const fn was_never_heard(&self) -> bool {
        matches!(
            self,
            Self::Unheard {
                last: Last::Nothing,
                ..
            }
        )
    }
}

/// Whether the service was not well when that was last told.
fn was_told_ill(memory: &Memory) -> bool {
    let last = memory.access.as_ref().and_then(|access| access.reason);
    matches!(
        last,
        Some(Reason::ServiceUnhealthy | Reason::DataStoreInaccessible | Reason::RevalidationFailed)
    )
}

/// What Resource Health says. It cannot tell the key from the platform or a data lake.
pub(super) fn health(case: &Case<'_>) -> Voice {
    let Health {
        state,
        summary,
        actions,
        occurred,
    } = match case.observed.health.known(case.now) {
        Known::Present(health) => health,
        Known::Absent => {
            return Voice::Silent("Resource Health has nothing on the service".to_owned());
        }
        Known::Refused(_) => return Voice::Silent("Resource Health may not be read".to_owned()),
        Known::Unknown(_) => {
            return Voice::Unheard {
                message: "Resource Health could not be read",
                last: Last::of(&case.observed.health, |last| {
                    matches!(last.state, HealthState::Degraded | HealthState::Unavailable)
                }),
            };
        }
    };
    let word = match state {
        HealthState::Available => {
            return Voice::Well {
                since: *occurred,
                message: "Resource Health says that the service is available",
            };
        }
        HealthState::Unknown => {
            return Voice::Silent("Resource Health does not know how the service is".to_owned());
        }
        HealthState::Degraded => "degraded",
        HealthState::Unavailable => "unavailable",
    };
    let advice = if actions.is_empty() {
        String::new()
    } else {
        format!(" Azure recommends: {}", actions.join("; "))
    };
    Voice::Ill(format!(
        "Resource Health says that the service is {word}: {summary}{advice}"
    ))
}

/// What the answer to a request for data says.
pub(super) fn canary(case: &Case<'_>) -> Option<Voice> {
    let fact = case.observed.canary.as_ref()?;
    Some(match fact.known(case.now) {
        Known::Present(Canary::Serving) => Voice::Well {
            since: match fact.seen {
                Seen::Present { at, .. } => Some(at),
                Seen::Absent { .. } | Seen::Refused { .. } | Seen::Unread => None,
            },
            message: "the service answers with data",
        },
        Known::Present(Canary::Failing { status }) => Voice::Ill(format!(
            "the service answers a request for data with {status}"
        )),
        Known::Absent => Voice::Silent("the service's own host does not answer for it".to_owned()),
        Known::Refused(denial) => Voice::Silent(format!(
            "the service may not be asked for data: {}",
            denial.message
        )),
        Known::Unknown(_) => Voice::Unheard {
            message: "the service could not be asked for data",
            last: Last::of(fact, |last| matches!(last, Canary::Failing { .. })),
        },
    })
}
