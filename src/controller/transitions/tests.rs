//! Events come once a transition, and never for a message alone.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-03-01T09:00:00Z";

fn status(access: &Value, versions: &Value) -> DicomEncryptionStatus {
    serde_json::from_value(json!({
        "conditions": [{
            "type": "KeyAccessible", "status": "False", "reason": "KeyDisabled",
            "message": "the key is disabled", "lastTransitionTime": NOW,
        }],
        "keyAccess": access,
        "keyVersions": versions,
    }))
    .unwrap()
}

fn told(old: &Value, new: &Value) -> Vec<(bool, String)> {
    let versions = json!([]);
    let (old, new) = (status(old, &versions), status(new, &versions));
    let told = transitions(Some(&old), &new, NOW.parse().unwrap());
    told.into_iter()
        .map(|one| (one.warning, one.reason))
        .collect()
}

fn lost(reminders: Option<i32>) -> Value {
    json!({ "state": "Lost", "reason": "KeyDisabled", "lostSince": "2026-03-01T08:20:00Z", "reminders": reminders })
}

#[test]
fn a_loss_is_told_once_then_at_each_reminder_and_at_the_end_of_the_window() {
    let good = json!({ "state": "Accessible" });
    let warning = |reason: &str| vec![(true, reason.to_owned())];
    assert_eq!(told(&good, &lost(None)), warning("KeyAccessLost"));
    assert_eq!(told(&lost(None), &lost(None)), []);
    assert_eq!(
        told(&lost(None), &lost(Some(1))),
        warning("KeyAccessStillLost")
    );
    assert_eq!(told(&lost(Some(1)), &lost(Some(1))), []);
    assert_eq!(
        told(&lost(Some(3)), &lost(Some(4))),
        warning("SelfRecoveryOver")
    );
    // found out late: the loss itself says all there is to say
    assert_eq!(told(&good, &lost(Some(2))), warning("KeyAccessLost"));
}

#[test]
fn the_end_of_a_loss_is_told_with_the_length_of_the_outage() {
    let mut before = lost(Some(1));
    before["state"] = json!("Recovering");
    before["restoredAt"] = json!("2026-03-01T08:50:30Z");
    let versions = json!([]);
    let (old, new) = (
        status(&before, &versions),
        status(&json!({ "state": "Accessible" }), &versions),
    );
    let told = transitions(Some(&old), &new, NOW.parse().unwrap());
    let [over] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(!over.warning);
    assert!(
        over.note
            .contains("back after 30 min 30 s, and all is well after 40 min 0 s"),
        "{over:?}"
    );
}

#[test]
fn a_loss_that_had_not_ended_is_told_once() {
    let ended = json!({ "state": "Accessible", "lastLoss": {
        "lostSince": "2026-03-01T08:20:00Z", "lostSeenAt": "2026-03-01T08:20:05Z",
        "restoredAt": "2026-03-01T08:30:00Z", "endedAt": "2026-03-01T08:41:00Z",
    } });
    let mut again = lost(None);
    again["state"] = json!("Recovering");
    again["lastLoss"] = ended["lastLoss"].clone();
    again["signals"] = json!([
        { "name": "Key", "says": "Good" },
        { "name": "ResourceHealth", "says": "Bad", "message": "Azure calls it unavailable" },
    ]);
    let warning = vec![(true, "RecoveryResumed".to_owned())];
    assert_eq!(told(&ended, &again), warning);
    assert_eq!(told(&again, &again), []);
    assert_eq!(told(&lost(None), &again), []);
    let note = |after: &Value| {
        let versions = json!([]);
        let (old, new) = (status(&ended, &versions), status(after, &versions));
        let mut told = transitions(Some(&old), &new, NOW.parse().unwrap());
        told.remove(0).note
    };
    let why = "the loss since 2026-03-01T08:20:00Z is not over: Azure calls it unavailable; ";
    assert!(note(&again).starts_with(why), "{}", note(&again));
    again["signals"][1]["message"] = json!("the key is disabled");
    let once = "the loss since 2026-03-01T08:20:00Z is not over: the key is disabled";
    assert_eq!(note(&again), once);
}

#[test]
fn a_risk_is_told_when_it_comes_and_when_it_becomes_another() {
    let good = json!({ "state": "Accessible" });
    let risk = |reason: &str| json!({ "state": "AtRisk", "reason": reason });
    let warning = vec![(true, "KeyAccessAtRisk".to_owned())];
    assert_eq!(told(&good, &risk("KeyExpiring")), warning);
    assert_eq!(told(&risk("KeyExpiring"), &risk("KeyExpiring")), []);
    assert_eq!(
        told(&risk("KeyExpiring"), &risk("PurgeProtectionOff")),
        warning
    );
}

#[test]
fn an_expiry_is_told_at_90_30_and_7_days_and_not_again() {
    let at: Timestamp = NOW.parse().unwrap();
    let expires = (at + SignedDuration::from_hours(24 * 20)).to_string();
    let version = |days: Option<i32>| {
        json!([{ "url": "https://clinic-keys.vault.azure.net/keys/dicom-cmk/0123456789abcdef0123456789abcdef",
            "state": "Enabled", "expiresOn": expires, "expiryNoticeDays": days }])
    };
    let good = json!({ "state": "Accessible" });
    let count = |old: Option<i32>, new: Option<i32>| {
        let (old, new) = (status(&good, &version(old)), status(&good, &version(new)));
        transitions(Some(&old), &new, at).len()
    };
    assert_eq!(count(None, Some(90)), 1);
    assert_eq!(count(Some(90), Some(30)), 1);
    assert_eq!(count(Some(30), Some(30)), 0);
    assert_eq!(count(Some(7), None), 0);
}
