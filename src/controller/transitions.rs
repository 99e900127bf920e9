//! What changed between two statuses that is worth an event. A new message alone is not.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::crd::{
    ConditionType, DicomEncryptionStatus, KeyAccessState, KeyAccessStatus, KeyVersionStatus,
    RevalidationOutcome, SignalWord,
};

/// Something that an event tells of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Transition {
    /// Whether a person should look.
    pub(super) warning: bool,
    /// For programs.
    pub(super) reason: String,
    /// What the operator was doing.
    pub(super) action: Action,
    /// For people.
    pub(super) note: String,
}

/// What the operator was doing when something changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// It watched key access. Each such event stands by itself: its words have the times of one loss,
    /// and none of them may be folded into an earlier one.
    Watch,
    /// It worked on the object. Equal ones within minutes become one series.
    Reconcile,
}

impl Action {
    /// The word in the event.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "Watch",
            Self::Reconcile => "Reconcile",
        }
    }
}

/// All that changed, in the order in which it is told.
pub(super) fn transitions(
    old: Option<&DicomEncryptionStatus>,
    new: &DicomEncryptionStatus,
    now: Timestamp,
) -> Vec<Transition> {
    let mut told = Vec::new();
    told.extend(access(old, new, now));
    told.extend(reminder(old, new));
    told.extend(revalidation(old, new));
    told.extend(expiries(old, new));
    told.extend(ready(old, new));
    told
}

/// A condition of a status.
pub(super) fn find(status: &DicomEncryptionStatus, kind: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

fn access(
    old: Option<&DicomEncryptionStatus>,
    new: &DicomEncryptionStatus,
    now: Timestamp,
) -> Vec<Transition> {
    let mut told = Vec::new();
    let before = old.and_then(|status| status.key_access.as_ref());
    let Some(after) = new.key_access.as_ref() else {
        return told;
    };
    let is_same_state = before.map(|before| before.state) == Some(after.state);
    let is_same_reason = before.map(|before| &before.reason) == Some(&after.reason);
    let note = message(new, ConditionType::KeyAccessible);
    let ended = before.and_then(|before| outage(before, now));
    match after.state {
        KeyAccessState::Lost if !is_same_state => told.push(watched(true, "KeyAccessLost", note)),
        KeyAccessState::Accessible if !is_same_state => {
            told.push(watched(false, "KeyAccessible", ended.unwrap_or(note)));
        }
        KeyAccessState::AtRisk if !is_same_state || !is_same_reason => {
            // a risk that comes with the end of a loss does not hide that end
            told.extend(ended.map(|ended| watched(false, "KeyAccessible", ended)));
            told.push(watched(true, "KeyAccessAtRisk", note));
        }
        KeyAccessState::Recovering if has_relapsed(before, after) => {
            told.push(watched(true, "RecoveryResumed", not_over(after, &note)));
        }
        KeyAccessState::Lost
        | KeyAccessState::Accessible
        | KeyAccessState::AtRisk
        | KeyAccessState::Recovering
        | KeyAccessState::Unknown => {}
    }
    told
}

/// Whether a loss that had ended runs again.
fn has_relapsed(before: Option<&KeyAccessStatus>, after: &KeyAccessStatus) -> bool {
    let before = before.filter(|before| before.lost_since.is_none());
    let ended = before.and_then(|before| before.last_loss.as_ref());
    ended.is_some_and(|ended| after.lost_since.as_ref() == Some(&ended.lost_since))
}

/// Who says that a loss is not over that had ended, and what follows.
fn not_over(after: &KeyAccessStatus, note: &str) -> String {
    let since = after.lost_since.as_ref().map(|since| since.0);
    let bad = after
        .signals
        .iter()
        .filter(|signal| signal.says == SignalWord::Bad);
    let told = bad.filter_map(|signal| signal.message.as_deref());
    let untold = told.filter(|message| !note.contains(message));
    let all: Vec<&str> = untold.chain([note]).collect();
    format!(
        "the loss since {:.0} is not over: {}",
        since.unwrap_or_default(),
        all.join("; ")
    )
}

/// How long access was away, when it was.
fn outage(before: &KeyAccessStatus, now: Timestamp) -> Option<String> {
    let since = before.lost_since.as_ref()?.0;
    let restored = before.restored_at.as_ref().map_or(now, |at| at.0);
    let minutes = |from: Timestamp, to: Timestamp| {
        let seconds = to.duration_since(from).as_secs();
        format!("{} min {} s", seconds / 60, seconds % 60)
    };
    Some(format!(
        "the service can reach its key again: it was lost since {since:.0}, what was lost was back after {}, and all is well after {}",
        minutes(since, restored),
        minutes(since, now)
    ))
}

fn reminder(
    old: Option<&DicomEncryptionStatus>,
    new: &DicomEncryptionStatus,
) -> Option<Transition> {
    let before = old.and_then(|status| status.key_access.as_ref())?;
    let after = new.key_access.as_ref()?;
    let same_loss = before.lost_since == after.lost_since;
    if !same_loss || after.reminders <= before.reminders || after.reminders.is_none() {
        return None;
    }
    let reason = if after.reminders >= Some(LAST_REMINDER) {
        "SelfRecoveryOver"
    } else {
        "KeyAccessStillLost"
    };
    let note = message(new, ConditionType::KeyAccessible);
    Some(watched(true, reason, note))
}

fn revalidation(
    old: Option<&DicomEncryptionStatus>,
    new: &DicomEncryptionStatus,
) -> Option<Transition> {
    let last = |status: &DicomEncryptionStatus| status.key_access.as_ref()?.revalidation.clone();
    let (before, after) = (old.and_then(last), last(new)?);
    if before.as_ref() == Some(&after) {
        return None;
    }
    let details = after.details.unwrap_or_default();
    let (warning, reason, note) = match after.outcome {
        RevalidationOutcome::Begun => return None,
        RevalidationOutcome::Accepted => (
            false,
            "Revalidating",
            format!("Azure accepted the PUT that is to bring the service back ({details})"),
        ),
        RevalidationOutcome::Failed => (
            true,
            "RevalidationFailed",
            format!("the PUT that was to bring the service back failed: {details}"),
        ),
    };
    Some(watched(warning, reason, note))
}

fn expiries<'status>(
    old: Option<&'status DicomEncryptionStatus>,
    new: &'status DicomEncryptionStatus,
) -> impl Iterator<Item = Transition> + 'status {
    let before = move |version: &KeyVersionStatus| {
        let known = old?
            .key_versions
            .iter()
            .find(|known| known.url == version.url)?;
        known.expiry_notice_days
    };
    new.key_versions.iter().filter_map(move |version| {
        let (days, at) = (version.expiry_notice_days?, version.expires_on.as_ref()?);
        let is_new = before(version).is_none_or(|told| days < told);
        is_new.then(|| {
            let Time(at) = at;
            let note = format!(
                "the key version {} expires at {at:.0}, in less than {days} days: move its expiry, or take a new version into use and keep this one",
                version.url
            );
            watched(true, "KeyExpiring", note)
        })
    })
}

fn ready(old: Option<&DicomEncryptionStatus>, new: &DicomEncryptionStatus) -> Option<Transition> {
    let ready = |status: &DicomEncryptionStatus| {
        find(status, ConditionType::Ready)
            .map(|condition| (condition.status.clone(), condition.reason.clone()))
    };
    let (status, reason) = ready(new)?;
    if old.and_then(ready).as_ref() == Some(&(status.clone(), reason.clone())) {
        return None;
    }
    Some(Transition {
        warning: find(new, ConditionType::Stalled).is_some(),
        reason,
        action: Action::Reconcile,
        note: if status == "True" {
            "the service is encrypted as asked and can reach its key".to_owned()
        } else {
            message(new, ConditionType::Ready)
        },
    })
}

fn message(status: &DicomEncryptionStatus, kind: ConditionType) -> String {
    find(status, kind).map_or_else(String::new, |condition| condition.message.clone())
}

fn watched(warning: bool, reason: &str, note: String) -> Transition {
    Transition {
        warning,
        reason: reason.to_owned(),
        action: Action::Watch,
        note,
    }
}

/// The reminder at the end of the window.
const LAST_REMINDER: i32 = 4;

#[cfg(test)]
mod tests;
