//! How the chain becomes `Ready`, `Reconciling` and `Stalled`: one table.

use k8s_openapi::jiff::Timestamp;

use crate::crd::{Mode, OnDrift, Reason};

use super::desired::Desired;
use super::judge::access::Access;
use super::plan::{Outlook, Setback, Standing};
use super::step::Step;
use super::verdict::Verdict;

/// `Ready`, and `Reconciling` and `Stalled` while they are true.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Whether all is as asked and healthy.
    pub ready: Verdict,
    /// A step is due or under way.
    pub reconciling: Option<Why>,
    /// A person is needed.
    pub stalled: Option<Why>,
}

/// A reason and a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Why {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// What keeps a due write from being made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// Nothing.
    Free,
    /// The object is suspended.
    Suspended,
    /// The object only observes.
    Observe,
    /// The write would put right what somebody changed, and the object only reports.
    Report,
    /// An older object names the same service.
    Rival(String),
    /// The API server drops fields of the status.
    CrdOutdated,
    /// The write was tried and did not work.
    Setback {
        reason: Reason,
        message: String,
        retry_at: Option<Timestamp>,
    },
}

/// What keeps a due write from being made, the weightiest first.
pub(crate) fn hold(
    desired: &Desired,
    standing: &Standing,
    outlook: &Outlook,
    now: Timestamp,
    fingerprint: &str,
) -> Hold {
    if let Some(rival) = &standing.rival {
        return Hold::Rival(rival.clone());
    }
    if standing.crd_outdated {
        return Hold::CrdOutdated;
    }
    if desired.mode == Mode::Observe {
        return Hold::Observe;
    }
    if desired.suspend {
        return Hold::Suspended;
    }
    let Outlook::Due { step, drift, .. } = outlook else {
        return Hold::Free;
    };
    if *drift && desired.on_drift == OnDrift::Report {
        return Hold::Report;
    }
    match &standing.setback {
        Some(setback) if setback.step == **step && holds_back(setback, now, fingerprint) => {
            Hold::Setback {
                reason: setback.reason,
                message: setback.message.clone(),
                retry_at: setback.retry_at,
            }
        }
        Some(_) | None => Hold::Free,
    }
}

fn holds_back(setback: &Setback, now: Timestamp, fingerprint: &str) -> bool {
    let is_unchanged = setback.fingerprint == fingerprint;
    match setback.retry_at {
        // a change is as good a ground for another try as time
        Some(at) if setback.reason == Reason::OperationFailed => now < at && is_unchanged,
        Some(at) => now < at,
        None => is_unchanged,
    }
}

/// The table of situations.
pub(crate) fn summarise(
    desired: &Desired,
    outlook: &Outlook,
    hold: &Hold,
    access: &Access,
) -> Summary {
    match hold {
        Hold::Rival(rival) => {
            return stalled(
                Reason::DuplicateTarget,
                format!(
                    "the older object {rival} names the same DICOM service and acts; delete one of the two"
                ),
            );
        }
        Hold::CrdOutdated => {
            return stalled(
                Reason::CrdOutdated,
                "the API server dropped a field of the status, so the installed CRD is older than the operator; apply the CRD of this release (crds/)".to_owned(),
            );
        }
        Hold::Free | Hold::Suspended | Hold::Observe | Hold::Report | Hold::Setback { .. } => {}
    }
    if let Verdict::No { reason, message } = &access.verdict {
        return lost(outlook, hold, *reason, message);
    }
    match outlook {
        Outlook::Settled => settled(access),
        Outlook::Doubt { reason, message } => Summary {
            ready: Verdict::unknown(*reason, message.clone()),
            reconciling: None,
            stalled: None,
        },
        Outlook::Person { message, .. } if *hold == Hold::Observe => differs(message),
        Outlook::Person { reason, message } => stalled(*reason, message.clone()),
        Outlook::Waiting {
            reason, message, ..
        } => reconciling(*reason, message.clone()),
        Outlook::Due { step, .. } => due(desired, step, hold),
    }
}

/// A write is due, and made or held back.
fn due(desired: &Desired, step: &Step, hold: &Hold) -> Summary {
    match hold {
        Hold::Observe => differs(&format!("the next step would be to {step}")),
        Hold::Suspended => Summary {
            ready: Verdict::no(
                Reason::Suspended,
                format!("left undone while the object is suspended: {step}"),
            ),
            reconciling: None,
            stalled: None,
        },
        Hold::Report => stalled(
            Reason::Drifted,
            format!(
                "somebody changed what was asked for, and onDrift is Report; what would put it right: {step}"
            ),
        ),
        Hold::Setback {
            reason,
            message,
            retry_at,
        } => {
            if retry_at.is_none() || is_for_people(*reason) {
                stalled(*reason, message.clone())
            } else {
                reconciling(*reason, message.clone())
            }
        }
        Hold::Free | Hold::Rival(_) | Hold::CrdOutdated => reconciling(
            step.reason(),
            format!("the step now is to {step} for {}", desired.service.name()),
        ),
    }
}

const fn is_for_people(reason: Reason) -> bool {
    matches!(reason, Reason::WriteRefused | Reason::OperationFailed)
}

fn settled(access: &Access) -> Summary {
    let ready = match &access.verdict {
        Verdict::Yes { message } => Verdict::yes(message.clone()),
        Verdict::Unknown { reason, message } => Verdict::unknown(*reason, message.clone()),
        Verdict::No { reason, message } => Verdict::no(*reason, message.clone()),
    };
    Summary {
        ready,
        reconciling: None,
        stalled: None,
    }
}

/// Lost: either we are mending it, or a person is needed.
fn lost(outlook: &Outlook, hold: &Hold, reason: Reason, message: &str) -> Summary {
    let mending = match (outlook, hold) {
        (Outlook::Due { step, .. }, Hold::Free) => {
            Some(format!("{message}; the operator mends it now: {step}"))
        }
        (
            Outlook::Due { .. },
            Hold::Setback {
                reason: cause,
                message: why,
                retry_at: Some(_),
            },
        ) if !is_for_people(*cause) => {
            Some(format!("{message}; mending it did not work yet: {why}"))
        }
        (Outlook::Waiting { .. }, Hold::Free) => Some(message.to_owned()),
        _ => None,
    };
    let ready = Verdict::no(reason, message);
    if let Some(mending) = mending {
        return Summary {
            ready,
            reconciling: Some(Why {
                reason,
                message: mending,
            }),
            stalled: None,
        };
    }
    let why = match (outlook, hold) {
        (Outlook::Due { step, .. }, Hold::Observe) => {
            format!("{message}; the next step would be to {step}")
        }
        (Outlook::Due { step, .. }, Hold::Suspended) => {
            format!("{message}; left undone while the object is suspended: {step}")
        }
        (Outlook::Due { step, .. }, Hold::Report) => {
            format!("{message}; onDrift is Report, so this is left to you: {step}")
        }
        (Outlook::Due { .. }, Hold::Setback { message: words, .. }) => {
            format!("{message}; mending it did not work: {words}")
        }
        (Outlook::Person { message: words, .. }, _) if words.contains(message) => words.clone(),
        (Outlook::Person { message: words, .. }, _) if message.contains(words) => {
            message.to_owned()
        }
        (Outlook::Person { message: words, .. }, _) => format!("{message}; {words}"),
        _ => message.to_owned(),
    };
    Summary {
        ready,
        reconciling: None,
        stalled: Some(Why {
            reason,
            message: why,
        }),
    }
}

fn stalled(reason: Reason, message: String) -> Summary {
    Summary {
        ready: Verdict::no(reason, message.clone()),
        reconciling: None,
        stalled: Some(Why { reason, message }),
    }
}

fn reconciling(reason: Reason, message: String) -> Summary {
    Summary {
        ready: Verdict::no(reason, message.clone()),
        reconciling: Some(Why { reason, message }),
        stalled: None,
    }
}

fn differs(message: &str) -> Summary {
    stalled(
        Reason::NotAsSpecified,
        format!(
            "the service is not as asked, and mode is Observe, so nothing is written: {message}"
        ),
    )
}
