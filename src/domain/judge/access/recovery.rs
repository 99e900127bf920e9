//! From a loss back to access: first the service is given time, then it is given the PUT that makes
//! it look at its key again.
//!
//! Source: within about 30 minutes the service heals by itself, 5 to 10 minutes after access is
//! back; after that only a PUT of the unchanged resource brings it back.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::azure::{KeyUrl, VaultId};
use crate::crd::{KeyAccessState, Mode, Reason, Revalidate, RevalidationOutcome};

use super::loss::Loss;
use super::signals::{Signals, Word};
use super::{Access, accessible, unknown};
use crate::domain::judge::{Case, Next, identity};
use crate::domain::memory::Revalidation;
use crate::domain::observed::{Provisioning, Service};
use crate::domain::step::Step;
use crate::domain::verdict::Verdict;

/// How long after its record a revalidation may be sent.
const RECORD_HOLDS: SignedDuration = SignedDuration::from_mins(2);

/// The shortest time between two such PUTs of one service.
pub const REVALIDATION_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What to hold of a service whose vault, key, identity and grant are good again.
pub(super) fn judge(
    (case, loss): (&Case<'_>, Loss),
    service: &Service,
    (url, vault): (&KeyUrl, &VaultId),
    signals: &Signals,
) -> Access {
    let restored = loss.restored_at.unwrap_or(case.now);
    let loss = Loss {
        restored_at: Some(restored),
        ..loss
    };
    let road = Road {
        case,
        service,
        url,
        loss,
        restored,
        word: signals.since((loss.since, restored), case.memory),
    };
    match road.stage() {
        Stage::Over => accessible(
            case,
            (url, vault),
            format!(
                "vault, key, identity and grant are good again since {restored:.0}, after a loss since {:.0}",
                loss.since
            ),
        ),
        Stage::Wait {
            until,
            reason,
            message,
        } => road.recovering(reason, message, Next::Wait { until }),
        Stage::Due(why) => road.due(&why),
        Stage::Failed { again, why } => road.failed(again, &why),
    }
}

/// Whether the revalidation that is due was recorded by this process, so that it may be sent.
///
/// A record is good for a short while only, so that the hour counts from the PUT itself.
pub fn is_begun(case: &Case<'_>) -> bool {
    is_unsent(case) && last(case).is_some_and(|last| case.now <= later(last.at, RECORD_HOLDS))
}

/// Whether this process recorded the latest revalidation and surely did not send it.
pub fn is_unsent(case: &Case<'_>) -> bool {
    last(case).is_some_and(|last| {
        last.outcome == RevalidationOutcome::Begun && case.memory.intent == Some(last.at)
    })
}

fn last<'facts>(case: &Case<'facts>) -> Option<&'facts Revalidation> {
    case.memory.access.as_ref()?.revalidation.as_ref()
}

/// Where a service is on the way back.
enum Stage {
    /// It is back.
    Over,
    /// It needs time.
    Wait {
        until: Option<Timestamp>,
        reason: Reason,
        message: String,
    },
    /// It needs the PUT.
    Due(String),
    /// It had the PUT, which did not help.
    Failed { again: Timestamp, why: String },
}

struct Road<'case> {
    case: &'case Case<'case>,
    service: &'case Service,
    url: &'case KeyUrl,
    loss: Loss,
    restored: Timestamp,
    word: Word,
}

impl Road<'_> {
    fn stage(&self) -> Stage {
        let grace = self.case.settings.recovery_grace;
        let put = self.latest_put();
        // a service that answers with data is well, whatever runs and whatever lags behind
        if self.word == Word::Back && !self.case.memory.is_lost() {
            return Stage::Over;
        }
        if let Provisioning::Busy(word) = &self.service.provisioning {
            return Stage::Wait {
                until: None,
                reason: put.map_or(Reason::ServiceBusy, |_| Reason::Revalidating),
                message: format!(
                    "what was lost is back, and an operation on the service is under way ({word})"
                ),
            };
        }
        if self.word == Word::Back {
            return Stage::Over;
        }
        match put {
            Some(put) => self.after_put(put, grace),
            None if self.restored > self.loss.until || !self.was_ever_good() => {
                Stage::Due(format!(
                    "the service was without its key for more than the {} in which it heals by itself, or for a time that nobody knows",
                    spoken(self.case.settings.recovery_window)
                ))
            }
            None => self.within_window(grace),
        }
    }

    /// Inside the window the service heals by itself: it is given time, and the voices the last
    /// word. A voice that never noticed a short loss is believed sooner.
    fn within_window(&self, grace: SignedDuration) -> Stage {
        let short = grace.checked_div(3).unwrap_or(grace);
        let was_short = self.restored.duration_since(self.loss.since) < short;
        let wait = if self.word == Word::Unmoved && was_short {
            short
        } else {
            grace
        };
        let until = later(self.restored, wait);
        match &self.word {
            _ if self.case.now < until => Stage::Wait {
                until: Some(until),
                reason: Reason::AwaitingRecovery,
                message: format!(
                    "vault, key, identity and grant are good again since {:.0}; the service needs 5 to 10 minutes to see it, and is given until {until:.0}",
                    self.restored
                ),
            },
            Word::Ill(ill) => Stage::Due(format!(
                "access is back since {:.0}, and the service is not: {ill}",
                self.restored
            )),
            Word::Unheard { message, .. } if self.case.now < later(until, grace) => Stage::Wait {
                until: Some(later(until, grace)),
                reason: Reason::AwaitingRecovery,
                message: format!("access is back since {:.0}; {message}", self.restored),
            },
            Word::Unheard {
                message,
                was_ill: true,
            } => Stage::Due(format!(
                "access is back since {:.0}; the service was not well when that was last told, and since then {message}",
                self.restored
            )),
            Word::Back | Word::Unmoved | Word::Silent | Word::Unheard { .. } => Stage::Over,
        }
    }

    /// A PUT that ended well is believed, unless a voice says that the service is still ill.
    fn after_put(&self, put: Timestamp, grace: SignedDuration) -> Stage {
        let until = later(put, grace);
        let again = later(put, REVALIDATION_EVERY);
        // what is read right after a write proves nothing
        let effect = later(put, grace.checked_div(10).unwrap_or(grace));
        let is_too_early = self.case.memory.is_put_pending || self.case.now < effect;
        let why = match (&self.service.provisioning, &self.word) {
            (Provisioning::Failed(word), _) => {
                format!("the operation of the PUT ended {word}{}", self.details())
            }
            (_, Word::Ill(ill)) if self.case.now < until => {
                return Stage::Wait {
                    until: Some(until),
                    reason: Reason::Revalidating,
                    message: format!(
                        "the PUT that brings the service back was made at {put:.0}; it is given until {until:.0}: {ill}"
                    ),
                };
            }
            (_, Word::Ill(ill)) => format!("{ill}{}", self.details()),
            (_, Word::Unmoved | Word::Silent | Word::Unheard { .. }) if self.is_uncertain(put) => {
                return Stage::Due(
                    "it is not known whether Azure got the PUT that was to bring the service back"
                        .to_owned(),
                );
            }
            (_, Word::Unmoved | Word::Silent) if is_too_early => {
                return Stage::Wait {
                    until: Some(effect),
                    reason: Reason::Revalidating,
                    message: format!("the PUT that brings the service back was made at {put:.0}"),
                };
            }
            (_, Word::Unheard { message, .. }) if self.case.now < until => {
                return Stage::Wait {
                    until: Some(until),
                    reason: Reason::Revalidating,
                    message: format!(
                        "the PUT that brings the service back was made at {put:.0}; {message}"
                    ),
                };
            }
            (
                _,
                Word::Unheard {
                    message,
                    was_ill: true,
                },
            ) => format!("{message}, and the service was not well when that was last told"),
            (_, Word::Back | Word::Unmoved | Word::Silent | Word::Unheard { .. }) => {
                return Stage::Over;
            }
        };
        if self.case.now >= again {
            Stage::Due(why)
        } else {
            Stage::Failed { again, why }
        }
    }

    /// Whether all was ever seen good: else nobody knows how long the loss was.
    fn was_ever_good(&self) -> bool {
        let access = self.case.memory.access.as_ref();
        access.is_some_and(|access| access.verified_at.is_some())
    }

    /// Whether it is not known that the latest PUT reached Azure.
    fn is_uncertain(&self, put: Timestamp) -> bool {
        self.case
            .memory
            .put_at
            .is_none_or(|accepted| accepted < put)
            && last(self.case)
                .is_some_and(|last| last.at == put && last.outcome == RevalidationOutcome::Begun)
    }

    fn due(&self, why: &str) -> Access {
        let case = self.case;
        if case.desired.revalidate == Revalidate::Manual {
            let message = format!(
                "{why}; it needs a PUT of itself, unchanged, and recovery.revalidate is Manual: az resource update --ids {} --api-version 2024-03-31 --set properties.encryption.customerManagedKeyEncryption.keyEncryptionKeyUrl={}",
                case.desired.service, self.url
            );
            return self.recovering(Reason::RevalidationDue, message, Next::Person);
        }
        let free = last(case).map_or(case.now, |last| later(last.at, REVALIDATION_EVERY));
        if !is_unsent(case) && free > case.now {
            let message = format!(
                "{why}; it needs a PUT of itself, of which there is at most one an hour: the next is due at {free:.0}"
            );
            let next = Next::Wait { until: Some(free) };
            return self.recovering(Reason::DataStoreInaccessible, message, next);
        }
        let Some(principal) = identity::principal(case, self.service) else {
            let message = format!("{why}; the principal of the service is not known");
            return self.recovering(Reason::DataStoreInaccessible, message, Next::Look);
        };
        let step = Step::Revalidate {
            service: case.desired.service.clone(),
            url: self.url.clone(),
            principal,
        };
        let next = Next::Step {
            step: Box::new(step),
            drift: false,
        };
        self.recovering(
            Reason::DataStoreInaccessible,
            format!("{why}; it needs a PUT of itself, unchanged"),
            next,
        )
    }

    /// What support asks for stands in the message.
    fn failed(&self, again: Timestamp, why: &str) -> Access {
        let Loss { since, seen_at, .. } = self.loss;
        let message = format!(
            "the PUT that should have brought the service back did not: {why}. For support: service {}, key {}, lost since {since:.0} (seen at {seen_at:.0}), access restored at {:.0}. It is tried again at {again:.0}",
            self.case.desired.service, self.url, self.restored
        );
        self.recovering(Reason::RevalidationFailed, message, Next::Person)
    }

    fn recovering(&self, reason: Reason, message: String, next: Next) -> Access {
        Access {
            state: KeyAccessState::Recovering,
            loss: Some(self.loss),
            next,
            ..unknown(Verdict::unknown(reason, message))
        }
    }

    /// The latest PUT of this service since access was restored. One of somebody else counts where
    /// the object leaves it to people: any operation, because Azure does not tell them apart.
    fn latest_put(&self) -> Option<Timestamp> {
        let memory = self.case.memory;
        let ours = last(self.case)
            .filter(|_| !is_unsent(self.case))
            .map(|last| last.at);
        let desired = self.case.desired;
        let is_left_to_others = desired.revalidate == Revalidate::Manual
            || desired.mode == Mode::Observe
            || desired.suspend;
        let others = memory.operation_at.max(self.service.modified_at);
        let others = others.filter(|_| is_left_to_others);
        let since_restored = [ours, others].into_iter().flatten();
        let since_restored = since_restored.filter(|at| *at >= self.restored);
        // one that was itself what was missing, for a principal that changed, comes before
        let mending = memory.put_at.filter(|at| *at > self.loss.since);
        since_restored.chain(mending).max()
    }

    fn details(&self) -> String {
        last(self.case)
            .and_then(|last| last.details.as_ref())
            .map_or_else(String::new, |details| format!(" ({details})"))
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A time for people, in minutes where it has some.
fn spoken(time: SignedDuration) -> String {
    match time.as_mins() {
        0 => format!("{} seconds", time.as_secs()),
        minutes => format!("{minutes} minutes"),
    }
}
