//! The clock of a loss: since when, as far as the best evidence tells, and until when the service
//! comes back by itself.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::azure::KeyUrl;
use crate::crd::{Reason, Revalidate};
use crate::domain::fact::FRESH_INTERVALS;
use crate::domain::judge::Case;
use crate::domain::wants::vault_of;

/// A loss of key access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loss {
    /// The earliest that it can have begun.
    pub since: Timestamp,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// Until when the service comes back by itself once access is back.
    pub until: Timestamp,
    /// When vault, key, identity and grant were first seen good again.
    pub restored_at: Option<Timestamp>,
}

impl Loss {
    /// The moments at which people are reminded of it: a third and two thirds of the window, two
    /// minutes before its end (of thirty), and its end.
    pub fn reminders(&self) -> [Timestamp; 4] {
        let window = self.until.duration_since(self.since);
        let part = |numerator: i32, denominator: i32| {
            let passed = window
                .checked_mul(numerator)
                .and_then(|all| all.checked_div(denominator));
            passed
                .and_then(|passed| self.since.checked_add(passed).ok())
                .unwrap_or(self.until)
        };
        [part(1, 3), part(2, 3), part(14, 15), self.until]
    }

    /// How many reminders are due by now.
    pub fn reminders_due(&self, now: Timestamp) -> usize {
        self.reminders().iter().filter(|at| **at <= now).count()
    }

    /// When the next reminder is due.
    pub fn next_reminder(&self, now: Timestamp) -> Option<Timestamp> {
        self.reminders().into_iter().find(|at| *at > now)
    }

    /// Since when, and until when the service heals by itself, for people.
    pub(super) fn deadline(&self, case: &Case<'_>) -> String {
        let Self {
            since,
            seen_at,
            until,
            restored_at: _,
        } = self;
        let began = if seen_at.duration_since(*since) > unwatched_after(case) {
            format!("lost between {since:.0} and {seen_at:.0}")
        } else {
            format!("lost since {since:.0}")
        };
        if case.now <= *until {
            return format!(
                "{began}; the service comes back by itself only if access is back by {until:.0}"
            );
        }
        let then = match case.desired.revalidate {
            Revalidate::Automatic => "the operator sends the PUT that the service then needs",
            Revalidate::Manual => {
                "the service then needs a PUT, which is left to you (recovery.revalidate: Manual)"
            }
        };
        format!(
            "{began}; the time in which it comes back by itself ended at {until:.0}: once access is back, {then}"
        )
    }
}

/// The loss that was told before, if one was.
pub fn remembered(case: &Case<'_>) -> Option<Loss> {
    let last = case
        .memory
        .access
        .as_ref()
        .filter(|_| case.memory.is_lost())?;
    let since = last.lost_since.unwrap_or(case.now);
    Some(Loss {
        since,
        seen_at: last.lost_seen_at.unwrap_or(since),
        until: until(case, since),
        restored_at: last.restored_at,
    })
}

/// For how long the end of a loss is in doubt if a voice takes it back. An illness that comes later
/// is another one.
const END_HOLDS_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The loss that ended a short time ago.
pub(super) fn just_ended(case: &Case<'_>) -> Option<Loss> {
    let ended = case.memory.access.as_ref()?.last_loss?;
    let is_recent = case.now.duration_since(ended.ended_at) < END_HOLDS_AFTER;
    is_recent.then(|| Loss {
        since: ended.since,
        seen_at: ended.seen_at,
        until: until(case, ended.since),
        restored_at: Some(ended.restored_at),
    })
}

/// Whether a loss runs again that had ended.
fn is_taken_up(case: &Case<'_>, running: &Loss) -> bool {
    let access = case.memory.access.as_ref();
    let ended = access.and_then(|access| access.last_loss);
    ended.is_some_and(|ended| ended.since == running.since)
}

/// The loss that runs: the one that was told before, or one that begins now.
pub(super) fn of(case: &Case<'_>, reason: Reason, url: &KeyUrl) -> Loss {
    let known = remembered(case);
    // one that a voice took up again had ended: what is lost now is a loss of its own, of which that
    // voice may have told first
    if let Some(known) = known.filter(|known| !is_taken_up(case, known)) {
        // it is lost again before it came back: the same loss, as far as the service can tell
        return Loss {
            restored_at: None,
            ..known
        };
    }
    let since = began(case, reason, url);
    Loss {
        since,
        seen_at: case.now,
        until: until(case, since),
        restored_at: None,
    }
}

/// If somebody was watching, the moment that the evidence itself tells, else now. If not, the last
/// time that it was seen good, because it cannot have begun earlier.
fn began(case: &Case<'_>, reason: Reason, url: &KeyUrl) -> Timestamp {
    let verified = case
        .memory
        .access
        .as_ref()
        .and_then(|access| access.verified_at);
    let last_good = case.memory.watched_at.max(verified);
    let is_possible = |at: &Timestamp| *at <= case.now && last_good.is_none_or(|good| good <= *at);
    let told = told_by_evidence(case, reason, url).filter(is_possible);
    match last_good {
        // what is told is the latest change, and there may have been one before it; an expiry is exact
        Some(good) if case.now.duration_since(good) > unwatched_after(case) => told
            .filter(|_| reason == Reason::KeyExpired)
            .unwrap_or(good),
        Some(_) | None => told.unwrap_or(case.now),
    }
}

fn told_by_evidence(case: &Case<'_>, reason: Reason, url: &KeyUrl) -> Option<Timestamp> {
    let vault = vault_of(url, case.desired, case.memory)?;
    let attributes = case
        .observed
        .versions
        .get(url)
        .and_then(|fact| fact.value(case.now))
        .map(|version| &version.attributes);
    // of every other reason, nothing tells when it came to be
    #[expect(clippy::wildcard_enum_match_arm, reason = "three of very many")]
    match reason {
        Reason::KeyDisabled => attributes?.updated,
        Reason::KeyExpired => attributes?.expires,
        Reason::KeyDeleted => {
            let key = (vault, url.name().clone());
            case.observed
                .deleted_keys
                .get(&key)?
                .value(case.now)?
                .deleted_at
        }
        _ => None,
    }
}

fn until(case: &Case<'_>, since: Timestamp) -> Timestamp {
    let end = since.checked_add(case.settings.recovery_window);
    end.unwrap_or(Timestamp::MAX)
}

/// A pause between two good looks after which nobody can be said to have watched.
fn unwatched_after(case: &Case<'_>) -> SignedDuration {
    case.observed.service.interval * FRESH_INTERVALS
}
