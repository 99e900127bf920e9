//! What the metrics say of an object: what its status says, and nothing else.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::crd::{
    ConditionType, DicomEncryptionStatus, KeyAccessState, KeyAccessStatus, KeyVersionState, Reason,
};
use crate::metrics::{KeyAccess, ObjectReport, Ready};

use super::find;

/// The metrics of an object with this status. `propagation_wait` is how old a grant has to be.
pub(super) fn report(
    status: &DicomEncryptionStatus,
    propagation_wait: SignedDuration,
) -> ObjectReport {
    let access = status.key_access.as_ref();
    let time = |of: fn(&KeyAccessStatus) -> Option<&Time>| access.and_then(of).map(|at| at.0);
    ObjectReport {
        ready: match find(status, ConditionType::Ready).map(|ready| ready.status.as_str()) {
            Some("True") => Ready::True,
            Some("False") => Ready::False,
            _ => Ready::Unknown,
        },
        stalled: find(status, ConditionType::Stalled).and_then(|why| word(&why.reason)),
        key_access: access.map_or(KeyAccess::Unknown, |access| state(access.state)),
        key_access_reason: access
            .and_then(|access| access.reason.as_deref())
            .and_then(word),
        lost_since: time(|of| of.lost_since.as_ref()),
        recoverable_until: time(|of| of.recoverable_until.as_ref()),
        verified_at: time(|of| of.verified_at.as_ref()),
        key_expires: first_expiry(status),
        grant_in_force: grant_in_force(status, propagation_wait),
    }
}

const fn state(state: KeyAccessState) -> KeyAccess {
    match state {
        KeyAccessState::Accessible => KeyAccess::Accessible,
        KeyAccessState::AtRisk => KeyAccess::AtRisk,
        KeyAccessState::Lost => KeyAccess::Lost,
        KeyAccessState::Recovering => KeyAccess::Recovering,
        KeyAccessState::Unknown => KeyAccess::Unknown,
    }
}

/// A reason of ours: a status may hold the word of another release, which is no label value.
fn word(reason: &str) -> Option<&'static str> {
    Reason::from_name(reason).map(Reason::as_str)
}

/// The first expiry that is still to come: a version that has expired is told of by its own reason,
/// and would hide the next one here.
fn first_expiry(status: &DicomEncryptionStatus) -> Option<Timestamp> {
    let versions = status.key_versions.iter();
    versions
        .filter(|version| version.state != KeyVersionState::Expired)
        .filter_map(|version| version.expires_on.as_ref())
        .map(|at| at.0)
        .min()
}

fn grant_in_force(
    status: &DicomEncryptionStatus,
    propagation_wait: SignedDuration,
) -> Option<Timestamp> {
    let is_pending = [ConditionType::AccessGranted, ConditionType::KeyAccessible]
        .into_iter()
        .filter_map(|kind| find(status, kind))
        .any(|condition| condition.reason == Reason::GrantPending.as_str());
    let created = status.grant.as_ref()?.created_on.as_ref()?;
    is_pending.then(|| created.0.checked_add(propagation_wait).ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const WAIT: SignedDuration = SignedDuration::from_mins(10);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn reported(status: Value) -> ObjectReport {
        report(&serde_json::from_value(status).unwrap(), WAIT)
    }

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-02-02T08:00:00Z",
        })
    }

    #[test]
    fn an_object_without_anything_known_is_unknown_and_has_no_times() {
        let report = reported(json!({}));
        assert_eq!(
            (report.ready, report.key_access),
            (Ready::Unknown, KeyAccess::Unknown)
        );
        assert_eq!((report.stalled, report.key_access_reason), (None, None));
        assert_eq!((report.lost_since, report.recoverable_until), (None, None));
        assert_eq!((report.verified_at, report.key_expires), (None, None));
    }

    #[test]
    fn a_loss_is_measured_with_its_reason_its_beginning_and_its_deadline() {
        let report = reported(json!({
            "conditions": [
                condition("Ready", "False", "KeyDisabled"),
                condition("Stalled", "True", "KeyDisabled"),
            ],
            "keyAccess": {
                "state": "Lost",
                "reason": "KeyDisabled",
                "lostSince": "2026-02-02T08:00:00Z",
                "recoverableUntil": "2026-02-02T08:30:00Z",
                "verifiedAt": "2026-02-02T07:59:50Z",
            },
        }));
        assert_eq!(
            (report.ready, report.key_access),
            (Ready::False, KeyAccess::Lost)
        );
        assert_eq!(report.stalled, Some("KeyDisabled"));
        assert_eq!(report.key_access_reason, Some("KeyDisabled"));
        assert_eq!(report.lost_since, Some(at("2026-02-02T08:00:00Z")));
        assert_eq!(report.recoverable_until, Some(at("2026-02-02T08:30:00Z")));
        assert_eq!(report.verified_at, Some(at("2026-02-02T07:59:50Z")));
    }

    #[test]
    fn a_reason_that_this_release_does_not_know_is_no_label() {
        let report = reported(json!({
            "conditions": [condition("Stalled", "True", "SomethingNew")],
            "keyAccess": { "state": "Unknown", "reason": "x\ny" },
        }));
        assert_eq!((report.stalled, report.key_access_reason), (None, None));
    }

    #[test]
    fn the_first_expiry_to_come_counts_whichever_version_it_is_of() {
        let version = |name: &str, state: &str, expires: &str| json!({ "url": format!("https://clinic-keys.vault.azure.net/keys/k/{name}"), "state": state, "expiresOn": expires });
        let report = reported(json!({ "keyVersions": [
            version("a", "Expired", "2025-01-01T00:00:00Z"),
            version("b", "Enabled", "2028-01-01T00:00:00Z"),
            version("c", "Disabled", "2027-01-01T00:00:00Z"),
            { "url": "https://clinic-keys.vault.azure.net/keys/k/d", "state": "Enabled" },
        ] }));
        assert_eq!(report.key_expires, Some(at("2027-01-01T00:00:00Z")));
    }

    #[test]
    fn a_grant_has_a_time_only_while_it_is_awaited() {
        let status = |reason: &str| {
            json!({
                "conditions": [condition("AccessGranted", "Unknown", reason)],
                "grant": {
                    "id": "/subscriptions/x", "role": "r", "scope": "/subscriptions/x",
                    "createdOn": "2026-02-02T08:00:00Z", "origin": "Created",
                },
            })
        };
        let pending = reported(status("GrantPending"));
        assert_eq!(pending.grant_in_force, Some(at("2026-02-02T08:10:00Z")));
        assert_eq!(reported(status("AsSpecified")).grant_in_force, None);
    }
}
