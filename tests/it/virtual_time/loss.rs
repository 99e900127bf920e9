//! Key access lost, told, and given back.

use std::time::Duration;

use azure_simulator::azure::FaultAnswer;
use serde_json::json;

use super::estate::{IDENTITY, clinic, encrypted_clinic, object, object_with};
use super::rig::{Rig, Settings};

/// A sweep, and what it takes to make sure of an absence.
const A_SWEEP: Duration = Duration::from_secs(65);

/// The same for the services of a workspace, which are listed less often.
const A_SWEEP_OF_SERVICES: Duration = Duration::from_secs(125);

/// The longest that Azure takes to know of it that access is back: a probe each minute, five
/// minutes to heal, and then our own sweep.
const AZURE_HEALS: Duration = Duration::from_mins(10);

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

/// A service that is encrypted, and an object for it that has settled.
async fn settled(spec: serde_json::Value) -> Rig {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object_with("radiology", &spec)],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig
}

fn is_lost(rig: &Rig, reason: &str) -> bool {
    let access = &rig.status("radiology")["keyAccess"];
    access["state"] == "Lost"
        && access["reason"] == reason
        && access["lostSince"].is_string()
        && rig.has("radiology", &format!("KeyAccessible=False/{reason}"))
        && rig.has("radiology", &format!("Ready=False/{reason}"))
        && rig.has("radiology", &format!("Stalled=True/{reason}"))
}

fn is_back(rig: &Rig) -> bool {
    let access = &rig.status("radiology")["keyAccess"];
    access["state"] == "Accessible"
        && access["lostSince"].is_null()
        && rig.is_ready("radiology")
        && rig.condition("radiology", "Stalled").is_none()
}

/// What is not the operator's job to mend: told with its reason, and told again when it is over.
#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_told_within_a_sweep_and_so_is_its_end() {
    for (loss, reason, repair) in [
        (
            "key clinic-keys/dicom-cmk disabled",
            "KeyDisabled",
            "key clinic-keys/dicom-cmk enabled",
        ),
        (
            "key clinic-keys/dicom-cmk expired",
            "KeyExpired",
            "key clinic-keys/dicom-cmk valid",
        ),
        (
            "key clinic-keys/dicom-cmk not-yet-valid",
            "KeyNotYetValid",
            "key clinic-keys/dicom-cmk valid",
        ),
        (
            "key clinic-keys/dicom-cmk deleted",
            "KeyNotFound",
            "key clinic-keys/dicom-cmk recovered",
        ),
    ] {
        let rig = settled(json!({})).await;
        rig.change(loss);
        rig.until(&format!("{reason} is told"), A_SWEEP, |rig| {
            is_lost(rig, reason)
        })
        .await;
        rig.pass(Duration::from_mins(5)).await;
        assert!(is_lost(&rig, reason), "{}", rig.tale());
        rig.change(repair);
        rig.until("it is back", AZURE_HEALS, is_back).await;
        assert_eq!(rig.writes(0), Vec::<String>::new(), "{loss}");
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_firewall_without_bypass_is_a_loss() {
    let rig = settled(json!({})).await;
    rig.change("vault clinic-keys bypass-off");
    rig.change("vault clinic-keys firewall-closed");
    rig.until("the loss is told", A_SWEEP, |rig| {
        is_lost(rig, "VaultFirewallClosed")
    })
    .await;
    rig.change("vault clinic-keys bypass-on");
    rig.until("it is back", AZURE_HEALS, is_back).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_is_a_loss_and_after_its_recovery_the_grant_is_made_again() {
    let rig = settled(json!({})).await;
    rig.change("vault clinic-keys deleted");
    rig.until("the loss is told", A_SWEEP, |rig| {
        is_lost(rig, "VaultDeleted")
    })
    .await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.change("vault clinic-keys recovered");
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    // the key itself stays set for the same principal
    assert_eq!(rig.writes(0), ["PUT roleassignments"]);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_removed_grant_is_made_again() {
    let rig = settled(json!({})).await;
    rig.change("role-assignments clinic-keys removed");
    rig.until("the loss is told", A_SWEEP, |rig| {
        rig.has("radiology", "KeyAccessible=False")
    })
    .await;
    assert!(rig.has("radiology", "Reconciling=True"), "{}", rig.tale());
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    assert_eq!(rig.writes(0), ["PUT roleassignments"]);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_is_switched_off_is_switched_on_granted_and_the_key_set_again() {
    let rig = settled(json!({})).await;
    let before = rig.status("radiology")["identity"].clone();
    rig.change("identity radiology off");
    rig.until("the loss is told", A_SWEEP_OF_SERVICES, |rig| {
        rig.has("radiology", "KeyAccessible=False")
    })
    .await;
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    assert_eq!(
        rig.writes(0),
        [
            "PATCH dicomservices/radiology",
            "PUT roleassignments",
            "PUT dicomservices/radiology"
        ]
    );
    assert_ne!(rig.status("radiology")["identity"], before);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_somebody_switched_off_and_on_again_owes_a_put() {
    let rig = settled(json!({})).await;
    rig.change("identity radiology off");
    rig.change("identity radiology on");
    rig.until("the loss is told", A_SWEEP_OF_SERVICES, |rig| {
        rig.has("radiology", "KeyAccessible=False")
    })
    .await;
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    assert_eq!(
        rig.writes(0),
        ["PUT roleassignments", "PUT dicomservices/radiology"]
    );
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_user_assigned_identity_is_a_loss() {
    let identity = json!({ "type": "UserAssigned", "userAssignedIdentityId": IDENTITY });
    let rig = Rig::with_objects(
        clinic(),
        Settings::brisk(),
        &[object_with("radiology", &json!({ "identity": identity }))],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    let mark = rig.mark();
    rig.change("identity radiology-identity deleted");
    rig.until("the loss is told", A_SWEEP, |rig| {
        is_lost(rig, "IdentityDeleted")
    })
    .await;
    rig.pass(Duration::from_mins(10)).await;
    assert_eq!(rig.writes(mark), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn with_report_drift_is_only_told() {
    for (drift, reason) in [
        ("identity radiology off", "IdentityDisabled"),
        ("role-assignments clinic-keys removed", "GrantMissing"),
    ] {
        let rig = settled(json!({ "onDrift": "Report" })).await;
        rig.change(drift);
        rig.until(&format!("{reason} is told"), A_SWEEP_OF_SERVICES, |rig| {
            is_lost(rig, reason)
        })
        .await;
        rig.pass(Duration::from_hours(1)).await;
        assert!(is_lost(&rig, reason), "{}", rig.tale());
        assert_eq!(rig.writes(0), Vec::<String>::new());
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_somebody_removed_from_the_service_is_set_again_or_told_as_asked() {
    let rig = settled(json!({})).await;
    rig.change("service radiology key removed");
    rig.until("it was seen", A_SWEEP_OF_SERVICES, |rig| {
        !rig.is_ready("radiology")
    })
    .await;
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    assert_eq!(rig.writes(0), ["PUT dicomservices/radiology"]);
    rig.assert_safe();

    let reported = settled(json!({ "onDrift": "Report" })).await;
    reported.change("service radiology key removed");
    reported
        .until_condition("radiology", "Stalled=True/Drifted", A_SWEEP_OF_SERVICES)
        .await;
    reported.pass(Duration::from_mins(30)).await;
    assert_eq!(reported.writes(0), Vec::<String>::new());
    reported.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn bad_resource_health_with_a_good_chain_is_doubt_and_not_a_loss() {
    for word in ["degraded", "unavailable"] {
        let rig = settled(json!({})).await;
        rig.change(&format!("health radiology {word}"));
        rig.until_condition("radiology", "Ready=Unknown/ServiceUnhealthy", A_SWEEP)
            .await;
        assert!(rig.has("radiology", "KeyAccessible=Unknown/ServiceUnhealthy"));
        assert_eq!(rig.status("radiology")["keyAccess"]["state"], "Unknown");
        let message = rig.condition("radiology", "KeyAccessible").unwrap();
        let message = message["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("nothing to do with the customer-managed key")
                && message.contains("contact support"),
            "{message}"
        );
        rig.change("health radiology automatic");
        rig.until("it is well again", A_SWEEP, is_back).await;
        assert_eq!(rig.writes(0), Vec::<String>::new());
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_survives_a_restart_and_its_time_stays() {
    let mut rig = settled(json!({})).await;
    rig.change("key clinic-keys/dicom-cmk disabled");
    rig.until("the loss is told", A_SWEEP, |rig| {
        is_lost(rig, "KeyDisabled")
    })
    .await;
    let since = rig.status("radiology")["keyAccess"]["lostSince"].clone();
    rig.change("control-plane broken");
    rig.restart();
    rig.pass(Duration::from_mins(20)).await;
    assert_eq!(rig.status("radiology")["keyAccess"]["lostSince"], since);
    assert!(
        rig.has("radiology", "KeyAccessible=False/KeyDisabled"),
        "{}",
        rig.tale()
    );
    rig.change("control-plane ok");
    rig.change("key clinic-keys/dicom-cmk enabled");
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_is_told_in_azures_words_and_not_tried_until_something_changes() {
    let mut rig = Rig::new(clinic(), Settings::brisk());
    rig.change("service radiology operation-fails");
    rig.start();
    rig.create(&object("radiology"));
    rig.until_condition("radiology", "Stalled=True/OperationFailed", HALF_AN_HOUR)
        .await;
    let message = rig.condition("radiology", "Stalled").unwrap();
    let message = message["message"].as_str().unwrap().to_owned();
    assert!(message.contains("failed inside the service"), "{message}");
    rig.pass(Duration::from_hours(2)).await;
    assert_eq!(rig.writes(0), ["PATCH dicomservices/radiology"]);

    // any change of what the step rests on will do
    rig.change("vault clinic-keys firewall-closed");
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(rig.writes(0).len(), 4);
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_during_a_loss_is_tried_again_after_a_quarter_of_an_hour() {
    let rig = settled(json!({})).await;
    rig.change("service radiology operation-fails");
    rig.change("identity radiology off");
    rig.until_condition("radiology", "Stalled=True/IdentityDisabled", HALF_AN_HOUR)
        .await;
    let stalled = rig.condition("radiology", "Stalled").unwrap();
    let message = stalled["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("mending it did not work")
            && message.contains("because key access is lost"),
        "{message}"
    );
    rig.pass(Duration::from_mins(14)).await;
    assert_eq!(rig.writes(0), ["PATCH dicomservices/radiology"]);
    rig.until("it is back", HALF_AN_HOUR, is_back).await;
    assert_eq!(
        rig.writes(0),
        [
            "PATCH dicomservices/radiology",
            "PATCH dicomservices/radiology",
            "PUT roleassignments",
            "PUT dicomservices/radiology"
        ]
    );
    rig.assert_safe();
}

/// Each link looks good by what was read last of it, and yet there was no moment without a loss.
#[tokio::test(start_paused = true)]
async fn an_alarm_stays_when_another_link_breaks_right_before_the_lost_one_mends() {
    for seconds in [0, 15, 30, 45] {
        let rig = settled(json!({ "access": { "management": "Observe" } })).await;
        rig.change("key clinic-keys/dicom-cmk disabled");
        rig.until("the loss is told", A_SWEEP, |rig| {
            is_lost(rig, "KeyDisabled")
        })
        .await;
        rig.pass(Duration::from_secs(seconds)).await;
        rig.change("role-assignments clinic-keys removed");
        rig.change("key clinic-keys/dicom-cmk enabled");
        let mark = rig.mark();
        rig.until("the second loss is told", 2 * A_SWEEP, |rig| {
            is_lost(rig, "GrantMissing")
        })
        .await;
        for entry in rig.since(mark) {
            let status = entry.kube().filter(|call| call.is_status());
            let state = status.map(|call| &call.body["status"]["keyAccess"]["state"]);
            assert!(state.is_none_or(|state| state == "Lost"), "{}", rig.tale());
        }
        rig.assert_safe();
    }
}

/// The end of an alarm rests on one look at everything, and an answer that is late is no look.
#[tokio::test(start_paused = true)]
async fn an_alarm_ends_only_when_everything_could_be_read_once_more() {
    let rig = settled(json!({})).await;
    rig.change("key clinic-keys/dicom-cmk disabled");
    rig.until("the loss is told", A_SWEEP, |rig| {
        is_lost(rig, "KeyDisabled")
    })
    .await;
    rig.fault(
        "roleAssignments",
        FaultAnswer::Status {
            status: 503,
            body: None,
        },
    );
    rig.change("key clinic-keys/dicom-cmk enabled");
    rig.pass(Duration::from_mins(2)).await;
    assert!(is_lost(&rig, "KeyDisabled"), "{}", rig.tale());
    rig.heal();
    rig.until("it is back", AZURE_HEALS, is_back).await;
    rig.assert_safe();
}
