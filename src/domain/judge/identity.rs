//! The service has the identity asked for.

use uuid::Uuid;

use crate::azure::{IdentityId, KeyUrl};
use crate::crd::Reason;

use super::{Case, Finding, Next};
use crate::domain::fact::Known;
use crate::domain::observed::{Attached, Service, UserAttached, UserIdentity};
use crate::domain::step::Step;
use crate::domain::verdict::Verdict;

/// Whether the service has the identity asked for.
pub fn judge(case: &Case<'_>, service: &Service) -> Finding {
    match &case.desired.identity {
        None => system(case, service),
        Some(wanted) => user(case, service, wanted),
    }
}

/// The principal with which the service reads its key: what Azure shows, never what the object
/// says.
pub fn principal(case: &Case<'_>, service: &Service) -> Option<Uuid> {
    match &service.identity {
        Attached::System { principal } => Some(*principal),
        Attached::User(attached) => match attached.as_slice() {
            [UserAttached { id, principal }] => principal.or_else(|| {
                let wanted = case.desired.identity.as_ref()?;
                let fact = case.observed.identity.as_ref()?;
                (wanted == id)
                    .then(|| fact.value(case.now))?
                    .map(|identity| identity.principal)
            }),
            _ => None,
        },
        Attached::None | Attached::Both => None,
    }
}

fn system(case: &Case<'_>, service: &Service) -> Finding {
    match &service.identity {
        Attached::System { principal } => Finding::good(Verdict::yes(format!(
            "the system-assigned identity is on (principal {principal})"
        ))),
        Attached::None => missing(case, service, None),
        Attached::User(_) | Attached::Both => conflict(service),
    }
}

fn user(case: &Case<'_>, service: &Service, wanted: &IdentityId) -> Finding {
    let name = wanted.id().name();
    let known = case
        .observed
        .identity
        .as_ref()
        .map(|fact| fact.known(case.now));
    if matches!(known, Some(Known::Absent)) {
        return absent(case, service, wanted);
    }
    match &service.identity {
        Attached::User(attached) => match attached.as_slice() {
            [one] if one.id == *wanted => match principal(case, service) {
                Some(principal) => Finding::good(Verdict::yes(format!(
                    "the identity {name} is attached (principal {principal})"
                ))),
                None => unread(known, name),
            },
            _ => conflict(service),
        },
        Attached::None => match known {
            Some(Known::Present(_)) => missing(case, service, Some(wanted)),
            other => unread(other, name),
        },
        Attached::System { .. } | Attached::Both => conflict(service),
    }
}

fn unread(known: Option<Known<'_, UserIdentity>>, name: &str) -> Finding {
    let what = format!("the identity {name}");
    Finding::plain(match known {
        Some(Known::Refused(denial)) => Verdict::refused(&what, denial),
        Some(Known::Unknown(doubt)) => Verdict::doubt(&what, &doubt),
        None | Some(Known::Present(_) | Known::Absent) => {
            Verdict::unknown(Reason::NotRead, format!("{what} has not been read yet"))
        }
    })
}

/// Whether the one identity with which the service reads its key is there, and the one for which
/// the key was set.
pub fn reads(case: &Case<'_>, service: &Service, url: &KeyUrl, principal: Option<Uuid>) -> Verdict {
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
    // a deletion that was seen is over only when the identity is seen again
    if case.memory.lost_by(Reason::IdentityDeleted)
        && let Some(wanted) = is_asked_for(case, service)
        && let Some(doubt) = unseen(case, wanted)
    {
        return doubt;
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
    let fact = case.observed.identity.as_ref();
    let is_absent = fact.is_some_and(|fact| fact.known(case.now) == Known::Absent);
    is_absent && is_asked_for(case, service).is_some()
}

/// The one identity that is attached, if it is the one asked for.
fn is_asked_for<'facts>(case: &Case<'facts>, service: &Service) -> Option<&'facts IdentityId> {
    let Attached::User(attached) = &service.identity else {
        return None;
    };
    let [only] = attached.as_slice() else {
        return None;
    };
    let wanted = case.desired.identity.as_ref();
    wanted.filter(|wanted| **wanted == only.id)
}

/// Why the identity asked for cannot be seen, if it cannot.
fn unseen(case: &Case<'_>, wanted: &IdentityId) -> Option<Verdict> {
    let what = format!("the identity {}", wanted.id().name());
    let fact = case.observed.identity.as_ref();
    match fact.map_or(Known::UNREAD, |fact| fact.known(case.now)) {
        Known::Present(_) | Known::Absent => None,
        Known::Refused(denial) => Some(Verdict::refused(&what, denial)),
        Known::Unknown(doubt) => Some(Verdict::doubt(&what, &doubt)),
    }
}

fn absent(case: &Case<'_>, service: &Service, wanted: &IdentityId) -> Finding {
    let name = wanted.id().name();
    let was_used = case.memory.applied.is_some()
        && match &service.identity {
            Attached::User(attached) => attached.iter().any(|one| one.id == *wanted),
            Attached::None => true,
            Attached::System { .. } | Attached::Both => false,
        };
    Finding::plain(if was_used {
        Verdict::no(
            Reason::IdentityDeleted,
            format!(
                "the identity {name}, with which the service reads its key, was deleted; create another one, attach it to the service in place of the deleted one, and then name it in identity.userAssignedIdentityId: the operator gives it access to the key and sets the key again"
            ),
        )
    } else {
        Verdict::no(
            Reason::IdentityNotFound,
            format!(
                "there is no identity {name}; create it (az identity create) or correct identity.userAssignedIdentityId"
            ),
        )
    })
}

fn missing(case: &Case<'_>, service: &Service, wanted: Option<&IdentityId>) -> Finding {
    let was_used = service.encryption.url().is_some() || case.memory.applied.is_some();
    let verdict = if was_used {
        Verdict::no(
            Reason::IdentityDisabled,
            "the service has no identity any more, so it cannot read its key; enable the identity, then give it access to the key",
        )
    } else {
        Verdict::no(Reason::EnablingIdentity, "the service has no identity yet")
    };
    let step = Step::EnableIdentity {
        service: case.desired.service.clone(),
        identity: wanted.cloned(),
    };
    Finding {
        verdict,
        next: Next::Step {
            step: Box::new(step),
            drift: was_used,
        },
    }
}

fn conflict(service: &Service) -> Finding {
    let found = match &service.identity {
        Attached::None => "no identity".to_owned(),
        Attached::System { .. } => "its system-assigned identity".to_owned(),
        Attached::Both => "both kinds of identity".to_owned(),
        Attached::User(attached) => {
            let names: Vec<&str> = attached.iter().map(|one| one.id.id().name()).collect();
            format!("the identity {}", names.join(", "))
        }
    };
    Finding::plain(Verdict::no(
        Reason::IdentityConflict,
        format!(
            "the service has {found}, which something else may use, so it is left as it is; ask for that identity in spec.identity, or change the service's identity yourself"
        ),
    ))
}
