//! The service uses the key asked for.

use uuid::Uuid;

use crate::azure::KeyUrl;
use crate::crd::Reason;

use super::{Case, Finding, Next, access};
use crate::domain::observed::{Encryption, HealthState, Provisioning, Service};
use crate::domain::step::Step;
use crate::domain::verdict::Verdict;

/// How the key in use relates to the one asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    /// It is the one asked for, set for the principal that reads it now.
    Same,
    /// It is the one asked for, but the principal has changed since it was set.
    OwesPut,
    /// No key of the customer's, and there never was one.
    None,
    /// No key of the customer's any more.
    Removed,
    /// One that this object had set, or another version of the same key.
    Ours,
    /// Somebody changed it after this object had set the one asked for.
    Foreign,
    /// A key of which this object knows nothing.
    Stranger,
}

/// Whether a service that another key encrypts has to be left alone: nothing is written to it then.
pub fn left_alone(case: &Case<'_>, service: &Service, target: Option<&KeyUrl>) -> Option<Verdict> {
    let is_stranger = match target {
        Some(target) => relation(case, service, target, None) == Relation::Stranger,
        // a version of the key asked for would have been the target
        None => service.encryption != Encryption::MicrosoftManaged && case.memory.applied.is_none(),
    };
    (is_stranger && !case.desired.replace_existing)
        .then(|| {
            Verdict::no(
                Reason::EncryptedWithAnotherKey,
                format!(
                    "the service is encrypted with {}, so it is left alone; to take it over, set key.replaceExisting to true; to keep that key, name it in spec.key",
                    shown(&service.encryption)
                ),
            )
        })
}

/// Whether the service uses the key asked for.
pub fn judge(
    case: &Case<'_>,
    service: &Service,
    target: &KeyUrl,
    principal: Option<Uuid>,
) -> Finding {
    if let Provisioning::Busy(word) = &service.provisioning {
        return Finding {
            verdict: Verdict::unknown(
                Reason::ServiceBusy,
                format!(
                    "an operation on the service is under way ({word}); nothing is written to it until that ends"
                ),
            ),
            next: Next::Wait { until: None },
        };
    }
    let relation = relation(case, service, target, principal);
    let (verdict, drift) = match relation {
        Relation::Same => return Finding::good(Verdict::yes(format!("the service uses {target}"))),
        Relation::OwesPut => (
            Verdict::no(
                Reason::PrincipalChanged,
                "the identity's principal changed after the key was set; the service reads its key again only after the key url has been set again",
            ),
            true,
        ),
        Relation::None => (
            Verdict::no(
                Reason::NotEncrypted,
                "the service is on Microsoft-managed keys; the key is not set yet",
            ),
            false,
        ),
        Relation::Removed => (
            Verdict::no(
                Reason::CmkRemoved,
                format!(
                    "somebody put the service back on Microsoft-managed keys; {target} was in use before"
                ),
            ),
            true,
        ),
        Relation::Ours | Relation::Foreign | Relation::Stranger => {
            if let Some(blocked) = current_unreachable(case, service) {
                return Finding::plain(blocked);
            }
            (
                Verdict::no(
                    Reason::ApplyingKey,
                    format!(
                        "the service uses {}, not {target}",
                        shown(&service.encryption)
                    ),
                ),
                relation == Relation::Foreign,
            )
        }
    };
    let next = principal.map_or(Next::Look, |principal| Next::Step {
        step: Box::new(Step::SetKeyUrl {
            service: case.desired.service.clone(),
            url: target.clone(),
            principal,
        }),
        drift,
    });
    Finding { verdict, next }
}

fn relation(
    case: &Case<'_>,
    service: &Service,
    target: &KeyUrl,
    principal: Option<Uuid>,
) -> Relation {
    let applied = case.memory.applied.as_ref();
    match &service.encryption {
        Encryption::MicrosoftManaged => match applied {
            Some(_) => Relation::Removed,
            None => Relation::None,
        },
        Encryption::CustomerManaged(url) if url.is_same(target) => {
            match (case.memory.applied_principal(url), principal) {
                (Some(then), Some(now)) if then != now => Relation::OwesPut,
                _ => Relation::Same,
            }
        }
        Encryption::CustomerManaged(url) => {
            if applied.is_some_and(|applied| applied.url.is_same(url)) {
                Relation::Ours
            } else if applied.is_some_and(|applied| applied.url.is_same(target)) {
                Relation::Foreign
            } else if url.is_same_key(target)
                // recorded by a take-over that was called off, it is still a stranger's
                || applied.is_some() && case.memory.versions.contains(url)
            {
                Relation::Ours
            } else {
                Relation::Stranger
            }
        }
        Encryption::Unreadable(_) => {
            if applied.is_some() {
                Relation::Foreign
            } else {
                Relation::Stranger
            }
        }
    }
}

/// Old data needs the key in use while it is written anew under another one, so a service that
/// cannot reach it must not change. Doubt counts as unreachable here.
fn current_unreachable(case: &Case<'_>, service: &Service) -> Option<Verdict> {
    let chain = service
        .encryption
        .url()
        .and_then(|url| access::chain(case, service, url));
    let why = match chain {
        Some(verdict) if verdict.is_yes() => return None,
        Some(verdict) => verdict.message().to_owned(),
        None => {
            let health = case.observed.health.value(case.now);
            if health.is_some_and(|health| health.state == HealthState::Available) {
                return None;
            }
            "the vault of the key in use is not known to this object, and Resource Health does not say that the service is available".to_owned()
        }
    };
    Some(Verdict::no(
        Reason::CurrentKeyUnreachable,
        format!(
            "the service cannot change its key while the key in use, {}, cannot be reached, or its data would be lost to sight: {why}",
            shown(&service.encryption)
        ),
    ))
}

fn shown(encryption: &Encryption) -> String {
    match encryption {
        Encryption::MicrosoftManaged => "Microsoft-managed keys".to_owned(),
        Encryption::CustomerManaged(url) => url.to_string(),
        Encryption::Unreadable(text) => format!("{text:?}"),
    }
}
