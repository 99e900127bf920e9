//! The service can reach the key that it uses.

use crate::azure::KeyUrl;
use crate::crd::{KeyAccessState, Reason};

mod glance;
mod loss;
pub mod recovery;
mod risk;
pub mod signals;
mod voices;

pub use self::glance::ONE_LOOK;
pub use self::loss::{Loss, remembered};
pub use self::signals::{Signal, chain};

use super::{Case, Next};
use crate::domain::fact::Known;
use crate::domain::observed::{Encryption, Service};
use crate::domain::rollup::Why;
use crate::domain::verdict::Verdict;

use self::glance::is_one_look;
use self::signals::{Conclusion, Signals};

/// What is held of key access.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// What is held of it.
    pub verdict: Verdict,
    /// In one word.
    pub state: KeyAccessState,
    /// The loss that runs, or that the service recovers from.
    pub loss: Option<Loss>,
    /// What threatens it while it is good.
    pub risk: Option<Why>,
    /// What brings the service back, once what was lost is back.
    pub next: Next,
    /// What each source of knowledge says by itself.
    pub signals: Vec<Signal>,
}

/// Whether the service can reach the key that it uses now, which may be another one than the
/// object asks for.
///
/// A loss needs positive evidence about the key, the vault, the identity or the grant, and stays
/// until there is evidence of the contrary. Doubt is neither.
pub fn judge(case: &Case<'_>) -> Access {
    let service = match case.observed.service.known(case.now) {
        Known::Present(service) => service,
        Known::Absent => return absent(case),
        Known::Refused(denial) => return kept(case, Verdict::refused("the service", denial)),
        Known::Unknown(doubt) => return kept(case, Verdict::doubt("the service", &doubt)),
    };
    match &service.encryption {
        Encryption::MicrosoftManaged => {
            let reason = case
                .memory
                .applied
                .as_ref()
                .map_or(Reason::NotApplicable, |_| Reason::CmkRemoved);
            unknown(Verdict::unknown(
                reason,
                "the service is on Microsoft-managed keys",
            ))
        }
        Encryption::Unreadable(text) => kept(
            case,
            Verdict::unknown(
                Reason::EncryptedWithAnotherKey,
                format!("the key url of the service makes no sense: {text:?}"),
            ),
        ),
        Encryption::CustomerManaged(url) => encrypted(case, service, url),
    }
}

fn encrypted(case: &Case<'_>, service: &Service, url: &KeyUrl) -> Access {
    let Some(vault) = signals::vault_in_use(case, url) else {
        return kept(
            case,
            Verdict::unknown(
                Reason::EncryptedWithAnotherKey,
                format!(
                    "the vault of {url} is not known to this object, so access to it is not watched"
                ),
            ),
        );
    };
    let signals = Signals::read(case, service, (url, &vault));
    let access = match signals.conclude(case.memory, remembered(case)) {
        Conclusion::Accessible(message) => accessible(case, (url, &vault), message),
        Conclusion::Lost(verdict) => lost(case, url, &verdict),
        Conclusion::Doubt(verdict) => kept(case, verdict),
        Conclusion::Unwell(doubt) => match loss::just_ended(case) {
            Some(loss) => {
                // it takes back what ended that loss: with it, two signals agree
                let resumed = recovery::judge((case, loss), service, (url, &vault), &signals);
                // unless it tells of a new one, which the links would show
                if resumed.loss.is_some() && !is_one_look(case, (url, &vault)) {
                    Access {
                        next: Next::Look,
                        ..unknown(doubt)
                    }
                } else {
                    resumed
                }
            }
            None => unknown(doubt),
        },
        // what was lost has not been seen good again yet
        Conclusion::Restored(loss)
            if loss.restored_at.is_none() && !is_one_look(case, (url, &vault)) =>
        {
            again(case)
        }
        Conclusion::Restored(loss) => {
            recovery::judge((case, loss), service, (url, &vault), &signals)
        }
    };
    Access {
        signals: signals.list(),
        ..access
    }
}

/// All is good, by what was read at different times: the alarm stays until it was read at once.
fn again(case: &Case<'_>) -> Access {
    let doubt = Verdict::unknown(
        Reason::AwaitingRecovery,
        "vault, key, identity and grant look good, and are read once more, all at once",
    );
    Access {
        next: Next::Look,
        ..kept(case, doubt)
    }
}

/// The service is gone: then there is no key access to speak of, but what was lost stays known. If
/// Azure shows no vault either, it may be an outage that answers 404 to everything.
fn absent(case: &Case<'_>) -> Access {
    let doubt = Verdict::unknown(Reason::ServiceNotFound, "the DICOM service does not exist");
    let mut vaults = case.observed.vaults.values();
    if vaults.any(|fact| fact.value(case.now).is_some()) {
        Access {
            loss: remembered(case),
            ..unknown(doubt)
        }
    } else {
        kept(case, doubt)
    }
}

/// Nothing to lose, or nothing known.
fn unknown(verdict: Verdict) -> Access {
    Access {
        verdict,
        state: KeyAccessState::Unknown,
        loss: None,
        risk: None,
        next: Next::Nothing,
        signals: Vec::new(),
    }
}

/// Everything is good; something may threaten it.
fn accessible(
    case: &Case<'_>,
    (url, vault): (&KeyUrl, &crate::azure::VaultId),
    message: String,
) -> Access {
    let risk = risk::of(case, url, vault);
    Access {
        state: if risk.is_some() {
            KeyAccessState::AtRisk
        } else {
            KeyAccessState::Accessible
        },
        risk,
        ..unknown(Verdict::yes(message))
    }
}

fn lost(case: &Case<'_>, url: &KeyUrl, verdict: &Verdict) -> Access {
    let reason = verdict.reason();
    let loss = loss::of(case, reason, url);
    Access {
        state: if reason == Reason::GrantPending {
            KeyAccessState::Recovering
        } else {
            KeyAccessState::Lost
        },
        verdict: Verdict::no(
            reason,
            format!("{}; {}", verdict.message(), loss.deadline(case)),
        ),
        loss: Some(loss),
        ..unknown(verdict.clone())
    }
}

/// Doubt keeps an alarm that was raised before it, and keeps a recovery that has begun.
fn kept(case: &Case<'_>, doubt: Verdict) -> Access {
    let Some(loss) = remembered(case) else {
        return unknown(doubt);
    };
    let last = case.memory.access.as_ref();
    let is_recovering = last.is_some_and(|access| access.state == KeyAccessState::Recovering);
    // while a new grant takes effect, say, what was lost is not back: that alarm stays
    if is_recovering && loss.restored_at.is_some() {
        return Access {
            state: KeyAccessState::Recovering,
            loss: Some(loss),
            ..unknown(doubt)
        };
    }
    let reason = last
        .and_then(|access| access.reason)
        .unwrap_or_else(|| doubt.reason());
    let message = format!(
        "access was lost when it was last seen, and it is not known to be back: {}",
        doubt.message()
    );
    Access {
        verdict: Verdict::no(reason, message),
        state: if is_recovering {
            KeyAccessState::Recovering
        } else {
            KeyAccessState::Lost
        },
        loss: Some(loss),
        ..unknown(doubt)
    }
}
