//! When the operator is told to hold still, it does.

use std::time::Duration;

use azure_simulator::azure::FaultAnswer;
use serde_json::json;

use super::estate::{SERVICE, clinic, encrypted_clinic, object, object_with};
use super::rig::{Rig, Settings};
use super::trace::Entry;

const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);

#[tokio::test(start_paused = true)]
async fn an_object_that_observes_writes_nothing_and_tells_the_next_step() {
    let object = object_with("radiology", &json!({ "mode": "Observe" }));
    let rig = Rig::with_objects(clinic(), Settings::default(), &[object]);
    rig.until_condition("radiology", "Stalled=True/NotAsSpecified", FIVE_MINUTES)
        .await;
    let told = rig.condition("radiology", "Stalled").unwrap();
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("enable the system-assigned identity"),
        "{message}"
    );
    rig.pass(Duration::from_hours(3)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_observes_what_is_as_asked_is_ready_and_sees_a_loss() {
    let object = object_with("radiology", &json!({ "mode": "Observe" }));
    let rig = Rig::with_objects(encrypted_clinic(), Settings::default(), &[object]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.change("identity radiology off");
    let lost = "KeyAccessible=False/IdentityDisabled";
    rig.until_condition("radiology", lost, FIVE_MINUTES).await;
    rig.pass(Duration::from_hours(1)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_object_writes_nothing_but_its_health_goes_on() {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object_with("radiology", &json!({ "suspend": true }))],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.change("role-assignments clinic-keys removed");
    let lost = "KeyAccessible=False/GrantMissing";
    rig.until_condition("radiology", lost, FIVE_MINUTES).await;
    // beyond 30 minutes the service itself would need a PUT
    rig.pass(Duration::from_mins(15)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());

    rig.edit("radiology", &json!({ "suspend": false }));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(rig.writes(0), ["PUT roleassignments"]);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_object_says_what_is_left_undone() {
    let object = object_with("radiology", &json!({ "suspend": true }));
    let rig = Rig::with_objects(clinic(), Settings::default(), &[object]);
    rig.until_condition("radiology", "Ready=False/Suspended", FIVE_MINUTES)
        .await;
    rig.pass(Duration::from_hours(1)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn suspending_in_the_middle_stops_before_the_next_write() {
    let rig = Rig::with_objects(clinic(), Settings::brisk(), &[object("radiology")]);
    rig.until("the grant was made", FIVE_MINUTES, |rig| {
        rig.writes(0).len() == 2
    })
    .await;
    rig.edit("radiology", &json!({ "suspend": true }));
    rig.pass(Duration::from_hours(1)).await;
    assert_eq!(rig.writes(0).len(), 2, "{}", rig.tale());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn deleting_an_object_changes_nothing_in_azure_and_ends_its_reads() {
    let rig = Rig::with_objects(clinic(), Settings::brisk(), &[object("radiology")]);
    rig.until_ready("radiology", FIVE_MINUTES).await;
    let before = rig.outside.truth().estate["services"].clone();
    rig.delete("radiology");
    assert!(rig.status("radiology").is_null(), "nothing holds it back");
    let mark = rig.mark();
    rig.pass(Duration::from_hours(3)).await;

    assert_eq!(rig.writes(mark), Vec::<String>::new());
    assert_eq!(rig.outside.truth().estate["services"], before);
    let entries = rig.since(mark);
    let reads = entries.iter().filter(|entry| entry.azure().is_some());
    assert_eq!(reads.count(), 0);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_in_the_middle_causes_no_further_write() {
    let rig = Rig::with_objects(clinic(), Settings::brisk(), &[object("radiology")]);
    rig.until("the grant was made", FIVE_MINUTES, |rig| {
        rig.writes(0).len() == 2
    })
    .await;
    rig.delete("radiology");
    rig.pass(Duration::from_hours(1)).await;
    assert_eq!(rig.writes(0).len(), 2);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_during_a_pass_leaves_nothing_behind() {
    for moment in (100..2_000).step_by(200) {
        let rig = Rig::with_objects(clinic(), Settings::default(), &[]);
        let slowly = FaultAnswer::Delay { milliseconds: 300 };
        rig.fault("management.azure.com", slowly);
        rig.create(&object("radiology"));
        rig.pass(Duration::from_millis(moment)).await;
        rig.delete("radiology");
        rig.pass(FIVE_MINUTES).await;
        let mark = rig.mark();
        rig.pass(HALF_AN_HOUR).await;
        let entries = rig.since(mark);
        let calls = entries.iter().filter_map(Entry::azure).count();
        assert_eq!(calls, 0, "deleted after {moment} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_objects_for_one_service_the_older_acts_and_its_deletion_wakes_the_other() {
    let rig = Rig::with_objects(clinic(), Settings::brisk(), &[object("older")]);
    rig.pass(Duration::from_secs(2)).await;
    let shouted = json!({ "dicomServiceId": SERVICE.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions") });
    rig.create(&object_with("younger", &shouted));
    let duplicate = "Stalled=True/DuplicateTarget";
    rig.until_condition("younger", duplicate, FIVE_MINUTES)
        .await;
    rig.until_ready("older", FIVE_MINUTES).await;
    let told = rig.condition("younger", "Stalled").unwrap();
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("default/older"), "{message}");
    assert_eq!(rig.writes(0).len(), 3);

    rig.delete("older");
    rig.until_ready("younger", Duration::from_secs(10)).await;
    assert_eq!(rig.writes(0).len(), 3);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_went_while_the_watch_was_broken_is_let_go_and_wakes_the_other() {
    let rig = Rig::with_objects(encrypted_clinic(), Settings::default(), &[]);
    rig.create(&object("radiology"));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.create(&object_with("duplicate", &json!({})));
    rig.until_condition("duplicate", "Stalled=True/DuplicateTarget", FIVE_MINUTES)
        .await;
    delete_unseen(&rig, "radiology");
    rig.until_ready("duplicate", Duration::from_mins(2)).await;
    delete_unseen(&rig, "duplicate");
    rig.pass(FIVE_MINUTES).await;
    let mark = rig.mark();
    rig.pass(HALF_AN_HOUR).await;
    let entries = rig.since(mark);
    assert_eq!(entries.iter().filter_map(Entry::azure).count(), 0);
}

/// The watch breaks, and cannot be taken up where it broke.
fn delete_unseen(rig: &Rig, name: &str) {
    rig.outside.kube.lock().unwrap().break_watches();
    rig.delete(name);
    rig.outside.kube.lock().unwrap().compact();
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_leaves_the_others_alone() {
    let mut rig = Rig::new(clinic(), Settings::brisk());
    let mut malformed = object("malformed");
    malformed["spec"] = json!({ "dicomServiceId": 7, "identity": [], "key": "none" });
    rig.create(&malformed);
    rig.start();
    rig.create(&object("radiology"));
    rig.until_ready("radiology", FIVE_MINUTES).await;
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_older_crd_stops_all_writes_until_it_is_updated() {
    let mut rig = Rig::new(clinic(), Settings::brisk());
    rig.outside
        .kube
        .lock()
        .unwrap()
        .prune_status_field("keyVersions");
    rig.start();
    rig.create(&object("radiology"));
    rig.until_condition("radiology", "Stalled=True/CrdOutdated", FIVE_MINUTES)
        .await;
    let writes = rig.writes(0).len();
    assert!(writes <= 1, "{writes} writes");
    rig.pass(Duration::from_mins(30)).await;
    assert_eq!(rig.writes(0).len(), writes);
    rig.outside.kube.lock().unwrap().prune_nothing();
    rig.until_ready("radiology", Duration::from_mins(15)).await;
    rig.assert_safe();
}
