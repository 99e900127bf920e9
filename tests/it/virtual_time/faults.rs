//! Azure answers in every way in which it should not.

use std::time::Duration;

use azure_simulator::azure::FaultAnswer;
use serde_json::json;

use super::estate::{clinic, encrypted_clinic, object};
use super::invariants::busiest_minute;
use super::rig::{Rig, Settings};

const ARM: &str = "management.azure.com";
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);

/// A fact is good for three intervals of a minute.
const STILL_GOOD: Duration = Duration::from_secs(115);
const NOT_ANY_MORE: Duration = Duration::from_secs(150);

/// The most calls within any minute, however badly they end.
const CALLS_IN_A_MINUTE: usize = 100;

fn status(status: u16) -> FaultAnswer {
    FaultAnswer::Status { status, body: None }
}

fn throttled(retry_after: Option<&str>) -> FaultAnswer {
    FaultAnswer::Throttled {
        retry_after: retry_after.map(str::to_owned),
    }
}

fn foreign() -> String {
    "https://management.azure.com.attacker.example/subscriptions".to_owned()
}

/// Answers that say nothing of what they were asked about.
fn troubles() -> Vec<(&'static str, &'static str, FaultAnswer)> {
    vec![
        ("401", "NotAuthorised", status(401)),
        ("409", "AzureUnreachable", status(409)),
        ("412", "AzureUnreachable", status(412)),
        ("429 with Retry-After", "Throttled", throttled(Some("17"))),
        ("429 with nonsense", "Throttled", throttled(Some("soon"))),
        ("429 without", "Throttled", throttled(None)),
        ("500", "AzureUnreachable", status(500)),
        ("503", "AzureUnreachable", status(503)),
        ("silence", "AzureUnreachable", FaultAnswer::Silence),
        ("a reset", "AzureUnreachable", FaultAnswer::Reset),
        ("half a body", "AzureUnreachable", FaultAnswer::Truncated),
        ("broken JSON", "AzureUnreachable", FaultAnswer::Malformed),
        ("no end", "AzureUnreachable", FaultAnswer::Endless),
        (
            "a redirect",
            "AzureUnreachable",
            FaultAnswer::Redirect {
                location: foreign(),
            },
        ),
        (
            "a foreign link",
            "AzureUnreachable",
            FaultAnswer::NextLink {
                location: foreign(),
            },
        ),
    ]
}

async fn settled() -> Rig {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object("radiology")],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig
}

fn assert_bounded(rig: &Rig, what: &str) {
    let most = busiest_minute(&rig.since(0));
    assert!(
        most <= CALLS_IN_A_MINUTE,
        "{what}: {most} calls in a minute"
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_azure_answers_the_last_health_is_kept_for_three_intervals_and_then_unknown() {
    for (what, reason, answer) in troubles() {
        let rig = settled().await;
        rig.fault(ARM, answer);
        rig.pass(STILL_GOOD).await;
        assert!(rig.is_ready("radiology"), "{what}: {}", rig.tale());
        let unknown = format!("Ready=Unknown/{reason}");
        rig.until(&format!("{what} makes {unknown}"), NOT_ANY_MORE, |rig| {
            rig.has("radiology", &unknown) && rig.has("radiology", "KeyAccessible=Unknown")
        })
        .await;
        let message = rig.condition("radiology", "Ready").unwrap();
        let message = message["message"].as_str().unwrap();
        assert!(message.contains("was last read at"), "{what}: {message}");
        rig.pass(FIVE_MINUTES).await;
        assert!(
            rig.has("radiology", "Ready=Unknown"),
            "{what}: {}",
            rig.tale()
        );
        rig.heal();
        rig.until_ready("radiology", FIVE_MINUTES).await;
        assert_eq!(rig.writes(0), Vec::<String>::new(), "{what}");
        assert_bounded(&rig, what);
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_stays_whatever_azure_answers() {
    let others = [("403", "", status(403)), ("404", "", status(404))];
    for (what, _, answer) in troubles().into_iter().chain(others) {
        let rig = settled().await;
        rig.change("key clinic-keys/dicom-cmk disabled");
        let lost = "KeyAccessible=False/KeyDisabled";
        rig.until_condition("radiology", lost, FIVE_MINUTES).await;
        let since = rig.status("radiology")["keyAccess"]["lostSince"].clone();
        rig.fault(ARM, answer);
        for _ in 0..8 {
            rig.pass(Duration::from_mins(1)).await;
            assert!(
                rig.has("radiology", "KeyAccessible=False"),
                "{what}: {}",
                rig.tale()
            );
            assert_eq!(rig.status("radiology")["keyAccess"]["lostSince"], since);
        }
        rig.heal();
        rig.change("key clinic-keys/dicom-cmk enabled");
        rig.until_ready("radiology", Duration::from_mins(15)).await;
        assert_eq!(rig.writes(0), Vec::<String>::new(), "{what}");
        assert_bounded(&rig, what);
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_told_with_the_action_and_is_doubt() {
    let rig = settled().await;
    let body = json!({ "error": {
        "code": "AuthorizationFailed",
        "message": "The client 'x' with object id 'y' does not have authorization to perform action 'Microsoft.HealthcareApis/workspaces/dicomservices/read' over scope 'z' or the scope is invalid.",
    } });
    let refused = FaultAnswer::Status {
        status: 403,
        body: Some(body),
    };
    rig.fault("dicomservices", refused);
    rig.until_condition("radiology", "Ready=Unknown/NotAuthorised", FIVE_MINUTES)
        .await;
    assert!(rig.has("radiology", "KeyAccessible=Unknown"));
    let message = rig.condition("radiology", "Ready").unwrap();
    let message = message["message"].as_str().unwrap();
    assert!(
        message.contains("Microsoft.HealthcareApis/workspaces/dicomservices/read"),
        "{message}"
    );
    rig.heal();
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_seems_gone_is_no_loss_of_the_key_and_is_never_made_again() {
    let rig = settled().await;
    rig.fault("dicomservices", status(404));
    rig.until_condition("radiology", "Stalled=True/ServiceNotFound", FIVE_MINUTES)
        .await;
    assert!(rig.has("radiology", "KeyAccessible=Unknown/ServiceNotFound"));
    rig.pass(HALF_AN_HOUR).await;
    rig.heal();
    rig.until_ready("radiology", FIVE_MINUTES).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_404_that_comes_once_is_not_believed() {
    for path in [
        "/dicomservices/radiology?",
        "/versions/",
        "/vaults/clinic-keys?",
        "availabilityStatuses",
    ] {
        let rig = settled().await;
        rig.fault_some("GET", path, 1, status(404));
        for _ in 0..120 {
            rig.pass(Duration::from_secs(5)).await;
            assert!(rig.is_ready("radiology"), "{path}: {}", rig.tale());
        }
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn with_azure_down_at_the_start_there_is_a_status_within_two_seconds() {
    for answer in [FaultAnswer::Silence, status(503), FaultAnswer::Reset] {
        let mut rig = Rig::new(clinic(), Settings::brisk());
        rig.fault(ARM, answer);
        rig.start();
        rig.create(&object("radiology"));
        let unknown = "Ready=Unknown";
        rig.until_condition("radiology", unknown, Duration::from_secs(2))
            .await;
        rig.pass(FIVE_MINUTES).await;
        assert!(rig.has("radiology", unknown), "{}", rig.tale());
        rig.heal();
        rig.until_ready("radiology", FIVE_MINUTES).await;
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_login_nothing_is_known_and_it_recovers() {
    let rig = settled().await;
    // the token lives for an hour
    rig.fault("login.microsoftonline.com", status(401));
    rig.pass(Duration::from_mins(45)).await;
    rig.until_condition("radiology", "Ready=Unknown/NotAuthorised", HALF_AN_HOUR)
        .await;
    rig.heal();
    rig.until_ready("radiology", Duration::from_mins(10)).await;
    assert_bounded(&rig, "no login");
    rig.assert_safe();
}

/// Each write meets trouble twice and then none.
#[tokio::test(start_paused = true)]
async fn a_write_that_meets_trouble_is_made_in_the_end_and_not_often() {
    let drops = [
        ("lost before", "", FaultAnswer::DropBefore),
        ("lost after", "", FaultAnswer::DropAfter),
        (
            "a late answer",
            "",
            FaultAnswer::Delay {
                milliseconds: 20_000,
            },
        ),
    ];
    for (what, _, answer) in troubles().into_iter().chain(drops) {
        let mut rig = Rig::new(clinic(), Settings::brisk());
        for (method, path) in [
            ("PATCH", "/dicomservices/"),
            ("PUT", "/roleAssignments/"),
            ("PUT", "/dicomservices/"),
        ] {
            rig.fault_some(method, path, 2, answer.clone());
        }
        rig.start();
        rig.create(&object("radiology"));
        rig.until(
            &format!("it is ready in spite of {what}"),
            HALF_AN_HOUR,
            |rig| rig.is_ready("radiology"),
        )
        .await;
        let writes = rig.writes(0).len();
        assert!(writes <= 9, "{what}: {:?}", rig.writes(0));
        assert_bounded(&rig, what);
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_azure_refuses_is_told_and_tried_again_without_haste() {
    for refusal in [status(400), status(403), status(404)] {
        let mut rig = Rig::new(clinic(), Settings::brisk());
        rig.fault_some("PATCH", "/dicomservices/", 1_000, refusal);
        rig.start();
        rig.create(&object("radiology"));
        rig.until_condition("radiology", "Stalled=True/WriteRefused", FIVE_MINUTES)
            .await;
        rig.pass(Duration::from_hours(1)).await;
        let writes = rig.writes(0).len();
        assert!((2..=61).contains(&writes), "{writes} tries in an hour");
        rig.heal();
        rig.until_ready("radiology", Duration::from_mins(10)).await;
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn no_write_rests_on_a_read_that_took_long() {
    let mut rig = Rig::new(clinic(), Settings::brisk());
    let slow = FaultAnswer::Delay {
        milliseconds: 10_000,
    };
    rig.fault_some("GET", "/dicomservices/radiology?", 12, slow);
    rig.start();
    rig.create(&object("radiology"));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_foreign_polling_link_is_not_followed() {
    let mut rig = Rig::new(clinic(), Settings::brisk());
    for method in ["PUT", "PATCH"] {
        let link = FaultAnswer::PollLink {
            location: foreign(),
        };
        rig.fault_some(method, "/dicomservices/", 10, link);
    }
    rig.start();
    rig.create(&object("radiology"));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.assert_safe();
}
