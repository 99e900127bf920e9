//! The service can reach the key that it uses.

use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use crate::azure::KeyUrl;
use crate::crd::{KeyAccessState, Reason};

use super::grant::{self, Grant};
use super::{Case, identity, key, vault};
use crate::domain::fact::Known;
use crate::domain::observed::{Attached, Encryption, Health, HealthState, Provisioning, Service};
use crate::domain::verdict::Verdict;
use crate::domain::wants::vault_of;

/// What is held of key access.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// What is held of it.
    pub verdict: Verdict,
    /// In one word.
    pub state: KeyAccessState,
    /// Since when it is lost.
    pub lost_since: Option<Timestamp>,
}

/// Whether the service can reach the key that it uses now, which may be another one than the
/// object asks for.
///
/// A loss needs positive evidence about the key, the vault, the identity or the grant, and stays
/// until there is evidence of the contrary. Doubt is neither.
pub fn judge(case: &Case<'_>) -> Access {
    let service = match case.observed.service.known(case.now) {
        Known::Present(service) => service,
        Known::Absent => {
            // an outage may answer 404 to everything: an alarm that was raised stays
            return kept(
                case,
                Verdict::unknown(Reason::ServiceNotFound, "the DICOM service does not exist"),
            );
        }
        Known::Refused(denial) => return kept(case, Verdict::refused("the service", denial)),
        Known::Unknown(doubt) => return kept(case, Verdict::doubt("the service", &doubt)),
    };
    let principal = identity::principal(case, service);
    let verdict = match &service.encryption {
        Encryption::MicrosoftManaged => {
            let reason = case.memory.applied.as_ref().map_or(Reason::NotApplicable, |_| Reason::CmkRemoved);
            return nothing_to_lose(reason, "the service is on Microsoft-managed keys");
        }
        Encryption::Unreadable(text) => Verdict::unknown(
            Reason::EncryptedWithAnotherKey,
            format!("the key url of the service makes no sense: {text:?}"),
        ),
        Encryption::CustomerManaged(url) => {
            chain(case, service, url, principal).unwrap_or_else(|| {
                Verdict::unknown(
                    Reason::EncryptedWithAnotherKey,
                    format!("the vault of {url} is not known to this object, so access to it is not watched"),
                )
            })
        }
    };
    settle(case, service, verdict)
}

/// Without a service, or a customer's key on it, no alarm makes sense.
fn nothing_to_lose(reason: Reason, message: &str) -> Access {
    Access {
        verdict: Verdict::unknown(reason, message),
        state: KeyAccessState::Unknown,
        lost_since: None,
    }
}

/// What the links between the service and a key say together: the first bad one, else the first
/// doubtful one, else yes. `None` if the key's vault is not known.
pub fn chain(
    case: &Case<'_>,
    service: &Service,
    url: &KeyUrl,
    principal: Option<Uuid>,
) -> Option<Verdict> {
    let holder = vault_of(url, case.desired, case.memory)?;
    let links = [
        vault::reachable(case, &holder),
        key::works(case, url),
        reader(case, service, url, principal),
        principal.map_or_else(
            || {
                Verdict::unknown(
                    Reason::NotApplicable,
                    "without an identity there is no grant",
                )
            },
            |principal| {
                granted(
                    case,
                    grant::find(case, principal, &holder, url.name()),
                    principal,
                )
            },
        ),
    ];
    let first = |wanted: fn(&Verdict) -> bool| links.iter().find(|link| wanted(link)).cloned();
    first(Verdict::is_no)
        .or_else(|| first(|link| !link.is_yes()))
        .or_else(|| {
            Some(Verdict::yes(format!(
                "vault, key, identity and grant of {url} are good"
            )))
        })
}

fn reader(case: &Case<'_>, service: &Service, url: &KeyUrl, principal: Option<Uuid>) -> Verdict {
    if matches!(service.identity, Attached::None) {
        return Verdict::no(
            Reason::IdentityDisabled,
            "the service has no identity any more, so it cannot read its key",
        );
    }
    if is_reader_deleted(case, service) {
        return Verdict::no(
            Reason::IdentityDeleted,
            "the user-assigned identity with which the service reads its key was deleted",
        );
    }
    let Some(principal) = principal else {
        return Verdict::unknown(
            Reason::NotRead,
            "the principal of the service's identity is not known",
        );
    };
    match case.memory.applied_principal(url) {
        Some(then) if then != principal => Verdict::no(
            Reason::PrincipalChanged,
            format!(
                "the key was set for the principal {then}, and the service now has {principal}; it reads its key again only after the key url has been set again"
            ),
        ),
        _ => Verdict::yes(format!("the principal {principal} reads the key")),
    }
}

/// Whether the one identity that is attached is the one asked for, and is gone.
fn is_reader_deleted(case: &Case<'_>, service: &Service) -> bool {
    let Attached::User(attached) = &service.identity else {
        return false;
    };
    let is_absent = case
        .observed
        .identity
        .as_ref()
        .is_some_and(|fact| fact.known(case.now) == Known::Absent);
    let [only] = attached.as_slice() else {
        return false;
    };
    is_absent && case.desired.identity.as_ref() == Some(&only.id)
}

fn granted(case: &Case<'_>, found: Grant<'_>, principal: Uuid) -> Verdict {
    match found {
        Grant::InForce(assignment) => Verdict::yes(format!("granted at {}", assignment.scope)),
        Grant::Pending(assignment, _) if case.memory.is_lost() => {
            Verdict::no(Reason::GrantPending, grant::pending(case, assignment))
        }
        Grant::Pending(assignment, _) => {
            Verdict::unknown(Reason::GrantPending, grant::pending(case, assignment))
        }
        // its effect cannot be told: no evidence of a loss
        Grant::Conditional(assignment) => {
            Verdict::unknown(Reason::GrantConditional, grant::conditional(assignment))
        }
        Grant::Missing => Verdict::no(
            Reason::GrantMissing,
            format!(
                "the principal {principal} has no role that lets it use the key; assign {} at {}",
                case.desired.role,
                case.desired.grant_scope()
            ),
        ),
        Grant::Unknown(verdict) => verdict,
    }
}

fn settle(case: &Case<'_>, service: &Service, verdict: Verdict) -> Access {
    let was_lost = case.memory.is_lost();
    match verdict {
        Verdict::No { reason, .. } => Access {
            state: if reason == Reason::GrantPending {
                KeyAccessState::Recovering
            } else {
                KeyAccessState::Lost
            },
            lost_since: Some(lost_since(case)),
            verdict,
        },
        Verdict::Unknown { .. } => kept(case, verdict),
        Verdict::Yes { message } => match (unwell(case), &service.provisioning) {
            (Some(sick), _) if was_lost => Access {
                verdict: sick,
                state: KeyAccessState::Recovering,
                lost_since: Some(lost_since(case)),
            },
            (Some(sick), _) => Access {
                verdict: sick,
                state: KeyAccessState::Unknown,
                lost_since: None,
            },
            (None, Provisioning::Busy(_)) if was_lost => Access {
                verdict: Verdict::unknown(
                    Reason::ServiceBusy,
                    "what was lost is back, and an operation on the service is under way",
                ),
                state: KeyAccessState::Recovering,
                lost_since: Some(lost_since(case)),
            },
            (None, _) => Access {
                verdict: Verdict::yes(format!("{message}{}", health_note(case))),
                state: KeyAccessState::Accessible,
                lost_since: None,
            },
        },
    }
}

/// Doubt keeps an alarm that was raised before it.
fn kept(case: &Case<'_>, doubt: Verdict) -> Access {
    let last = case.memory.access.as_ref();
    if !case.memory.is_lost() {
        return Access {
            verdict: doubt,
            state: KeyAccessState::Unknown,
            lost_since: None,
        };
    }
    let reason = last
        .and_then(|access| access.reason)
        .unwrap_or_else(|| doubt.reason());
    Access {
        verdict: Verdict::no(
            reason,
            format!(
                "access was lost when it was last seen, and it is not known to be back: {}",
                doubt.message()
            ),
        ),
        state: KeyAccessState::Lost,
        lost_since: Some(lost_since(case)),
    }
}

fn lost_since(case: &Case<'_>) -> Timestamp {
    case.memory
        .access
        .as_ref()
        .and_then(|access| access.lost_since)
        .unwrap_or(case.now)
}

/// What Resource Health holds against the service. It cannot tell the key from the platform or a
/// data lake, so it is doubt, not a loss.
fn unwell(case: &Case<'_>) -> Option<Verdict> {
    let Health {
        state,
        summary,
        actions,
        occurred: _,
    } = case.observed.health.value(case.now)?;
    let word = match state {
        HealthState::Available | HealthState::Unknown => return None,
        HealthState::Degraded => "degraded",
        HealthState::Unavailable => "unavailable",
    };
    let advice = if actions.is_empty() {
        String::new()
    } else {
        format!(" Azure recommends: {}", actions.join("; "))
    };
    Some(Verdict::unknown(
        Reason::ServiceUnhealthy,
        format!(
            "vault, key, identity and grant are good, but Resource Health says that the service is {word}: {summary}{advice}"
        ),
    ))
}

fn health_note(case: &Case<'_>) -> &'static str {
    match case.observed.health.known(case.now) {
        Known::Present(Health {
            state: HealthState::Available,
            ..
        }) => ", and Resource Health says that the service is available",
        Known::Present(_) => "; Resource Health does not know how the service is",
        Known::Absent => "; Resource Health has nothing on the service",
        Known::Refused(_) => "; Resource Health may not be read",
        Known::Unknown(_) => "; Resource Health could not be read",
    }
}
