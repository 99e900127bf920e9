//! What the status says of key access, and of the versions that it depends on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{VERIFIED_EVERY, whole_second};
use crate::azure::KeyUrl;
use crate::crd::{
    EndedLossStatus, KeyAccessState, KeyAccessStatus, KeyVersionStatus, RevalidationOutcome,
    RevalidationStatus, SignalStatus,
};
use crate::domain::judge::access::{self, Loss, recovery};
use crate::domain::judge::{Case, key};
use crate::domain::plan::Plan;

/// The longest message of a signal, in characters.
const LONGEST_SIGNAL: usize = 512;

/// Days before the end of a key version at which people are told of it.
const EXPIRY_NOTICES: [i32; 3] = [7, 30, 90];

/// Key access, and the clock of its loss.
pub(super) fn key_access(
    old: Option<&KeyAccessStatus>,
    plan: &Plan,
    case: &Case<'_>,
) -> KeyAccessStatus {
    let access = &plan.access;
    let is_good = |state| matches!(state, KeyAccessState::Accessible | KeyAccessState::AtRisk);
    let good = is_good(access.state);
    let loss = access.loss.as_ref();
    let time = |at: Timestamp| Time(whole_second(at));
    KeyAccessStatus {
        state: access.state,
        reason: match &access.risk {
            Some(risk) => Some(risk.reason.as_str().to_owned()),
            None => (!good).then(|| access.verdict.reason().as_str().to_owned()),
        },
        lost_since: loss.map(|loss| time(loss.since)),
        lost_seen_at: loss.map(|loss| time(loss.seen_at)),
        recoverable_until: loss.map(|loss| time(loss.until)),
        reminders: loss.and_then(|loss| reminders(old, loss, (access.state, case.now))),
        restored_at: loss.and_then(|loss| loss.restored_at).map(time),
        revalidation: revalidation(plan, case),
        verified_at: verified_at(old, (good, is_good), case.now),
        last_loss: last_loss(old, good, case),
        signals: access
            .signals
            .iter()
            .map(|signal| SignalStatus {
                name: signal.name,
                says: signal.says,
                message: signal
                    .message
                    .as_ref()
                    .map(|message| message.chars().take(LONGEST_SIGNAL).collect()),
            })
            .collect(),
    }
}

/// Reminders are sent while access is lost; what was sent stays known while it comes back.
fn reminders(
    old: Option<&KeyAccessStatus>,
    loss: &Loss,
    (state, now): (KeyAccessState, Timestamp),
) -> Option<i32> {
    let sent = old
        .filter(|old| old.lost_since.as_ref().map(|at| at.0) == Some(whole_second(loss.since)))
        .and_then(|old| old.reminders);
    if state != KeyAccessState::Lost {
        return sent;
    }
    let due = i32::try_from(loss.reminders_due(now)).unwrap_or_default();
    sent.max((due > 0).then_some(due))
}

fn revalidation(plan: &Plan, case: &Case<'_>) -> Option<RevalidationStatus> {
    let last = case
        .memory
        .access
        .as_ref()
        .and_then(|access| access.revalidation.as_ref());
    if plan.begin_revalidation {
        let since = plan.access.loss.map_or(case.now, |loss| loss.since);
        // one that was recorded and never sent is no attempt
        let unsent = i32::from(recovery::is_unsent(case));
        let before = last
            .filter(|last| last.at >= since)
            .map_or(0, |last| last.attempts.saturating_sub(unsent));
        return Some(RevalidationStatus {
            at: Time(whole_second(case.now)),
            attempts: before.saturating_add(1),
            outcome: RevalidationOutcome::Begun,
            details: None,
        });
    }
    last.map(|last| RevalidationStatus {
        at: Time(last.at),
        attempts: last.attempts,
        outcome: last.outcome,
        details: last.details.clone(),
    })
}

fn verified_at(
    old: Option<&KeyAccessStatus>,
    (good, is_good): (bool, impl Fn(KeyAccessState) -> bool),
    now: Timestamp,
) -> Option<Time> {
    let last = old.and_then(|access| access.verified_at.clone());
    let was_good = old.is_some_and(|access| is_good(access.state));
    let is_due = last
        .as_ref()
        .is_none_or(|at| now.duration_since(at.0) >= VERIFIED_EVERY);
    if good && (is_due || !was_good) {
        Some(Time(whole_second(now)))
    } else {
        last
    }
}

/// The loss that ends with this pass, else the one that ended before. One that had ended and was
/// taken up again keeps the moment of its first end: from that on its hour counts.
fn last_loss(
    old: Option<&KeyAccessStatus>,
    good: bool,
    case: &Case<'_>,
) -> Option<EndedLossStatus> {
    let time = |at: Timestamp| Time(whole_second(at));
    let before = old.and_then(|access| access.last_loss.clone());
    let Some(ended) = access::remembered(case).filter(|_| good) else {
        return before;
    };
    let lost_since = time(ended.since);
    let first = before.filter(|before| before.lost_since == lost_since);
    Some(first.unwrap_or_else(|| EndedLossStatus {
        lost_since,
        lost_seen_at: time(ended.seen_at),
        restored_at: time(ended.restored_at.unwrap_or(case.now)),
        ended_at: time(case.now),
    }))
}

/// Every version that the service is known to have used. The list only grows.
pub(super) fn key_versions(
    old: &[KeyVersionStatus],
    plan: &Plan,
    case: &Case<'_>,
) -> Vec<KeyVersionStatus> {
    let mut urls: Vec<KeyUrl> = old
        .iter()
        .filter_map(|version| version.url.parse().ok())
        .collect();
    let in_use = case
        .observed
        .service
        .value(case.now)
        .and_then(|service| service.encryption.url())
        .filter(|url| url.version().is_some() && plan.is_applied);
    for url in plan.record.iter().chain(in_use) {
        if !urls.contains(url) {
            urls.push(url.clone());
        }
    }
    urls.into_iter()
        .map(|url| {
            let text = url.to_string();
            let before = old.iter().find(|version| version.url == text);
            let expires = key::expires(case, &url)
                .map(Time)
                .or_else(|| before.and_then(|version| version.expires_on.clone()));
            KeyVersionStatus {
                state: key::state(case, &url),
                expiry_notice_days: expires.as_ref().and_then(|at| notice(at.0, case.now)),
                expires_on: expires,
                url: text,
            }
        })
        .collect()
}

fn notice(expires: Timestamp, now: Timestamp) -> Option<i32> {
    let left = expires.duration_since(now);
    EXPIRY_NOTICES
        .into_iter()
        .find(|days| left <= SignedDuration::from_hours(24) * *days)
}
