//! The 30-minute clock: a service that was without its key for too long, and what brings it back.

use std::time::Duration;

use azure_simulator::azure::FaultAnswer;
use serde_json::{Value, json};

use super::estate::{encrypted_clinic, object_with};
use super::rig::{Rig, Settings};

const MINUTE: Duration = Duration::from_mins(1);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);
const KEY: &str = "key clinic-keys/dicom-cmk";
const PUT: &str = "PUT dicomservices/radiology";

async fn settled(spec: Value) -> Rig {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object_with("radiology", &spec)],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig
}

/// The key is disabled for so many minutes, and enabled again.
async fn lost_for(rig: &Rig, minutes: u32) {
    rig.change(&format!("{KEY} disabled"));
    rig.pass(MINUTE * minutes).await;
    assert!(
        rig.has("radiology", "KeyAccessible=False/KeyDisabled"),
        "{}",
        rig.tale()
    );
    rig.change(&format!("{KEY} enabled"));
}

/// The key is away for longer than the window, and the PUT that then brings the service back fails.
async fn revalidation_fails(rig: &Rig) {
    rig.change(&format!("{KEY} disabled"));
    rig.pass(40 * MINUTE).await;
    rig.change("service radiology operation-fails");
    rig.change(&format!("{KEY} enabled"));
    rig.until_condition("radiology", "Stalled=True/RevalidationFailed", 15 * MINUTE)
        .await;
}

fn access(rig: &Rig) -> Value {
    rig.status("radiology")["keyAccess"].clone()
}

#[tokio::test(start_paused = true)]
async fn within_the_window_the_service_heals_by_itself_and_nothing_is_written() {
    let rig = settled(json!({})).await;
    lost_for(&rig, 20).await;
    rig.until_condition(
        "radiology",
        "KeyAccessible=Unknown/AwaitingRecovery",
        2 * MINUTE,
    )
    .await;
    rig.until_ready("radiology", 12 * MINUTE).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    assert_eq!(access(&rig)["state"], "Accessible");
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn beyond_the_window_one_put_of_the_unchanged_service_brings_it_back() {
    let rig = settled(json!({})).await;
    rig.change(&format!("{KEY} disabled"));
    rig.pass(35 * MINUTE).await;
    let lost = access(&rig);
    assert_eq!(
        (&lost["state"], &lost["reminders"]),
        (&json!("Lost"), &json!(4))
    );
    assert!(lost["recoverableUntil"].is_string());
    rig.change(&format!("{KEY} enabled"));
    rig.until("the PUT", 2 * MINUTE, |rig| !rig.writes(0).is_empty())
        .await;
    rig.until_ready("radiology", 12 * MINUTE).await;
    assert_eq!(rig.writes(0), [PUT]);
    let back = access(&rig);
    assert_eq!(back["state"], "Accessible");
    assert_eq!(back["revalidation"]["outcome"], "Accepted");
    assert_eq!(back["lostSince"], Value::Null);
    rig.pass(Duration::from_hours(3)).await;
    assert_eq!(rig.writes(0), [PUT], "{}", rig.tale());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn with_manual_revalidation_the_put_is_left_to_a_person_and_its_effect_is_seen() {
    let rig = settled(json!({ "recovery": { "revalidate": "Manual" } })).await;
    lost_for(&rig, 40).await;
    rig.until_condition("radiology", "Stalled=True/RevalidationDue", 3 * MINUTE)
        .await;
    rig.pass(20 * MINUTE).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    // whatever that person does, Resource Health tells that it has helped
    rig.change("health radiology available");
    rig.until_ready("radiology", 2 * MINUTE).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_put_that_fails_is_told_for_support_and_repeated_after_an_hour() {
    let rig = settled(json!({})).await;
    revalidation_fails(&rig).await;
    let told = rig.condition("radiology", "Stalled").unwrap();
    let told = told["message"].as_str().unwrap().to_owned();
    for words in [
        "For support: service /subscriptions/",
        "x-ms-request-id",
        "x-ms-correlation-request-id",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(rig.writes(0), [PUT]);
    rig.until_ready("radiology", Duration::from_mins(75)).await;
    assert_eq!(rig.writes(0), [PUT, PUT]);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_falsely_called_well_is_brought_back_once_the_truth_is_told() {
    let mut rig = settled(json!({})).await;
    revalidation_fails(&rig).await;
    rig.change("health radiology available");
    rig.until_ready("radiology", 2 * MINUTE).await;
    let ended = access(&rig);
    let last = &ended["lastLoss"];
    assert!(last["endedAt"].is_string(), "{ended}");
    assert_eq!(ended["lostSince"], Value::Null);
    rig.restart();
    rig.pass(10 * MINUTE).await;
    rig.change("health radiology automatic");
    rig.until("it recovers", 2 * MINUTE, |rig| {
        access(rig)["state"] == "Recovering"
    })
    .await;
    let resumed = access(&rig);
    assert_eq!(resumed["lostSince"], last["lostSince"]);
    assert_eq!(resumed["lastLoss"], *last);
    rig.until_ready("radiology", Duration::from_mins(75)).await;
    assert_eq!(rig.writes(0), [PUT, PUT]);
    assert_eq!(access(&rig)["lastLoss"], *last, "the hour is not renewed");
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_falls_ill_long_after_a_loss_is_sent_no_put() {
    let rig = settled(json!({})).await;
    rig.change(&format!("{KEY} disabled"));
    rig.pass(MINUTE).await;
    rig.change(&format!("{KEY} enabled"));
    rig.until_ready("radiology", 15 * MINUTE).await;
    rig.pass(61 * MINUTE).await;
    rig.change("health radiology unavailable");
    rig.until_condition(
        "radiology",
        "KeyAccessible=Unknown/ServiceUnhealthy",
        2 * MINUTE,
    )
    .await;
    rig.pass(Duration::from_hours(3)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_is_lost_is_not_repeated() {
    let rig = settled(json!({})).await;
    rig.change(&format!("{KEY} disabled"));
    rig.pass(40 * MINUTE).await;
    rig.fault_some("PUT", "dicomservices", 1, FaultAnswer::DropAfter);
    rig.change(&format!("{KEY} enabled"));
    rig.until_ready("radiology", 20 * MINUTE).await;
    assert_eq!(rig.writes(0), [PUT]);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_loss_while_the_operator_was_down_is_treated_as_a_long_one() {
    let mut rig = settled(json!({})).await;
    let verified = access(&rig)["verifiedAt"].clone();
    rig.crash();
    rig.change(&format!("{KEY} disabled"));
    rig.pass(50 * MINUTE).await;
    rig.restart();
    rig.until_condition("radiology", "KeyAccessible=False/KeyDisabled", 2 * MINUTE)
        .await;
    let lost = access(&rig);
    assert!(
        lost["lostSince"].as_str() < lost["lostSeenAt"].as_str(),
        "{lost}"
    );
    assert!(lost["lostSince"].as_str() >= verified.as_str(), "{lost}");
    rig.change(&format!("{KEY} enabled"));
    rig.until_ready("radiology", 20 * MINUTE).await;
    assert_eq!(rig.writes(0), [PUT]);
    rig.assert_safe();
}

/// The events of one reason that were written anew, each with its own note.
fn notes(rig: &Rig, reason: &str) -> Vec<String> {
    let calls = rig.since(0);
    let written = calls.iter().filter_map(|entry| entry.kube());
    let events = written.filter(|call| call.path.ends_with("/events") && call.method == "POST");
    let told = events.filter(|call| call.body["reason"] == reason);
    told.map(|call| call.body["note"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_loss_and_each_end_of_one_has_an_event_with_its_own_words() {
    let rig = settled(json!({})).await;
    for losses in 1..=2 {
        rig.change(&format!("{KEY} disabled"));
        rig.until_condition("radiology", "KeyAccessible=False/KeyDisabled", 2 * MINUTE)
            .await;
        rig.change(&format!("{KEY} enabled"));
        rig.until_ready("radiology", 15 * MINUTE).await;
        let lost = notes(&rig, "KeyAccessLost");
        assert_eq!(lost.len(), losses, "{lost:?}");
        let ended = notes(&rig, "KeyAccessible");
        let outages = ended
            .iter()
            .filter(|note| note.contains("it was lost since"));
        assert_eq!(outages.count(), losses, "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_put_says_nothing_of_its_effect() {
    let rig = settled(json!({})).await;
    rig.change("identity radiology off");
    rig.change("identity radiology on");
    let slow = FaultAnswer::Delay {
        milliseconds: 1_500,
    };
    rig.fault_some("PUT", "dicomservices", 1, slow);
    rig.until("the PUT that is owed", HALF_AN_HOUR, |rig| {
        rig.writes(0).contains(&PUT.to_owned())
    })
    .await;
    // while its answer is on the way, Azure stops to answer all else
    let down = FaultAnswer::Status {
        status: 503,
        body: None,
    };
    rig.fault_some("GET", "management.azure.com", 12, down);
    for _ in 0..20 {
        rig.pass(Duration::from_secs(1)).await;
        assert!(
            rig.has("radiology", "KeyAccessible=False"),
            "{}",
            rig.tale()
        );
    }
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(rig.writes(0), ["PUT roleassignments", PUT]);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_cannot_be_read_does_not_hold_up_what_comes_next() {
    let rig = settled(json!({})).await;
    let down = FaultAnswer::Status {
        status: 503,
        body: None,
    };
    rig.fault("operationresults", down.clone());
    rig.fault("operationstatuses", down);
    rig.change("identity radiology off");
    rig.until("the whole repair", HALF_AN_HOUR, |rig| {
        rig.writes(0).len() == 3
    })
    .await;
    rig.until_ready("radiology", 15 * MINUTE).await;
    rig.assert_safe();
}
