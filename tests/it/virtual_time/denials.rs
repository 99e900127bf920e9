//! Deny assignments take the key away, whatever the roles give.

use std::time::Duration;

use azure_simulator::azure::FaultAnswer;
use serde_json::json;

use super::estate::{encrypted_clinic, object};
use super::rig::{Rig, Settings};

/// Deny assignments are listed every five minutes, at a moment of their own.
const A_LIST: Duration = Duration::from_secs(335);

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

async fn settled() -> Rig {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object("radiology")],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig
}

fn is_denied(rig: &Rig) -> bool {
    rig.has("radiology", "KeyAccessible=False/DenyAssignment")
        && rig.status("radiology")["keyAccess"]["state"] == "Lost"
}

#[tokio::test(start_paused = true)]
async fn a_deny_assignment_is_a_loss_that_only_a_person_can_mend_and_so_is_its_end_told() {
    let rig = settled().await;
    rig.change("deny-assignments clinic-keys added");
    rig.until("the loss is told", A_LIST, is_denied).await;
    let message = rig.condition("radiology", "KeyAccessible").unwrap();
    let message = message["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("Keys of a managed application"),
        "{message}"
    );
    rig.pass(Duration::from_mins(10)).await;
    assert!(is_denied(&rig), "{}", rig.tale());
    rig.change("deny-assignments clinic-keys removed");
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn one_that_hits_somebody_else_is_no_loss() {
    let rig = settled().await;
    rig.change("deny-assignments clinic-keys added 77777777-7777-7777-7777-777777777777");
    rig.pass(A_LIST).await;
    assert!(rig.is_ready("radiology"), "{}", rig.tale());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn where_they_may_not_be_read_they_are_neither_a_loss_nor_in_the_way() {
    let rig = Rig::new(encrypted_clinic(), Settings::default());
    let denied = json!({"error": {"code": "AuthorizationFailed", "message":
        "The client 'x' does not have authorization to perform action \
         'Microsoft.Authorization/denyAssignments/read' over scope '/s'."}});
    let answer = FaultAnswer::Status {
        status: 403,
        body: Some(denied),
    };
    rig.fault("denyAssignments", answer);
    let mut rig = rig;
    rig.start();
    rig.create(&object("radiology"));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.pass(Duration::from_hours(1)).await;
    assert!(rig.is_ready("radiology"), "{}", rig.tale());
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}
