//! Keys read at their vault: how soon a loss is told, what it costs, and what happens when the
//! vault is closed to the operator.

use std::time::Duration;

use azure_simulator::azure::{KeySpec, ServiceSpec, World};
use serde_json::{Map, Value, json};

use super::estate::{SERVICE, encrypted_clinic, object, object_with};
use super::rig::{Rig, Settings};

/// What is promised of a key that is read at its vault.
const QUICK: Duration = Duration::from_secs(12);

/// What is promised of a key that is read through ARM.
const SLOW: Duration = Duration::from_secs(66);

const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);

const VAULT_HOST: &str = "clinic-keys.vault.azure.net";

/// The clinic, with its data planes open to the operator.
fn open_clinic() -> World {
    let mut world = encrypted_clinic();
    world.open_data_planes();
    world
}

/// So many services in one workspace, each with a key of its own in one vault.
fn clinic_of(services: usize) -> (World, Vec<Value>) {
    let mut world = World::builtin();
    world.services.clear();
    world.vaults[0].keys.clear();
    let mut objects = Vec::new();
    for number in 0..services {
        let (name, key) = (format!("dicom{number}"), format!("key-{number}"));
        world.vaults[0].keys.push(KeySpec {
            name: key.clone(),
            kty: None,
            key_size: None,
            key_ops: None,
            versions: None,
            attributes: Map::new(),
        });
        world.services.push(ServiceSpec {
            name: name.clone(),
            workspace: None,
            identity: Some("SystemAssigned".to_owned()),
            key: Some(format!("clinic-keys/{key}")),
            tags: Map::new(),
            properties: Map::new(),
        });
        let mut own = object(&name);
        own["spec"]["dicomServiceId"] = json!(SERVICE.replace("radiology", &name));
        own["spec"]["key"]["name"] = json!(key);
        objects.push(own);
    }
    (world, objects)
}

/// The calls to a host since a mark.
fn calls(rig: &Rig, mark: usize, host: &str) -> usize {
    let entries = rig.since(mark);
    let calls = entries.iter().filter_map(|entry| entry.azure());
    calls.filter(|call| call.host() == host).count()
}

/// The reads of single key versions through ARM since a mark.
fn versions_through_arm(rig: &Rig, mark: usize) -> usize {
    let entries = rig.since(mark);
    let calls = entries.iter().filter_map(|entry| entry.azure());
    let is_version = |path: &str| path.contains("/keys/") && path.contains("/versions/");
    calls
        .filter(|call| call.host() == "management.azure.com" && is_version(&call.path()))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_disabled_or_deleted_key_is_told_within_twelve_seconds_with_twenty_keys_in_the_vault() {
    let (mut world, objects) = clinic_of(20);
    world.open_data_planes();
    let rig = Rig::with_objects(world, Settings::default(), &objects);
    for number in 0..20 {
        rig.until_ready(&format!("dicom{number}"), HALF_AN_HOUR)
            .await;
    }
    rig.pass(FIVE_MINUTES).await;
    let mark = rig.mark();
    for number in 0..20 {
        // at another moment within the interval each time
        rig.pass(Duration::from_millis(10_000 + 731 * number)).await;
        let (loss, reason) = if number % 2 == 0 {
            ("disabled", "KeyAccessible=False/KeyDisabled")
        } else {
            ("deleted", "KeyAccessible=False")
        };
        rig.change(&format!("key clinic-keys/key-{number} {loss}"));
        rig.until_condition(&format!("dicom{number}"), reason, QUICK)
            .await;
    }
    assert_eq!(versions_through_arm(&rig, mark), 0, "{}", rig.tale());
    assert_eq!(rig.writes(mark), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn twenty_keys_use_less_than_one_percent_of_what_their_vault_takes() {
    let (mut world, objects) = clinic_of(20);
    world.open_data_planes();
    let rig = Rig::with_objects(world, Settings::default(), &objects);
    for _ in 0..60 {
        let mark = rig.mark();
        rig.pass(Duration::from_secs(10)).await;
        let calls = calls(&rig, mark, VAULT_HOST);
        assert!(calls <= 40, "{calls} calls in ten seconds");
    }
    let mark = rig.mark();
    rig.pass(FIVE_MINUTES).await;
    let calls = calls(&rig, mark, VAULT_HOST);
    assert!(
        (600..=640).contains(&calls),
        "{calls} calls in five minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_is_closed_to_us_is_read_through_arm_until_it_is_open_again() {
    let rig = Rig::with_objects(open_clinic(), Settings::default(), &[object("radiology")]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.pass(FIVE_MINUTES).await;
    let mark = rig.mark();
    rig.pass(FIVE_MINUTES).await;
    assert_eq!(versions_through_arm(&rig, mark), 0);

    // trusted services still pass: nothing is lost
    rig.change("vault clinic-keys firewall-closed");
    rig.pass(Duration::from_secs(30)).await;
    let closed = rig.mark();
    rig.pass(Duration::from_mins(3)).await;
    assert!(rig.is_ready("radiology"), "{}", rig.tale());
    assert_eq!(calls(&rig, closed, VAULT_HOST), 0);
    assert!((2..=4).contains(&versions_through_arm(&rig, closed)));
    rig.change("key clinic-keys/dicom-cmk disabled");
    rig.until_condition("radiology", "KeyAccessible=False/KeyDisabled", SLOW)
        .await;
    rig.change("key clinic-keys/dicom-cmk enabled");
    rig.until_ready("radiology", HALF_AN_HOUR).await;

    rig.change("vault clinic-keys firewall-open");
    rig.pass(Duration::from_mins(7)).await;
    let open = rig.mark();
    rig.pass(FIVE_MINUTES).await;
    assert!(calls(&rig, open, VAULT_HOST) >= 30, "{}", rig.tale());
    rig.change("key clinic-keys/dicom-cmk disabled");
    rig.until_condition("radiology", "KeyAccessible=False/KeyDisabled", QUICK)
        .await;
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_falls_silent_is_no_loss_and_keeps_the_object_ready() {
    use azure_simulator::azure::FaultAnswer;
    for answer in [
        FaultAnswer::Silence,
        FaultAnswer::Reset,
        FaultAnswer::Malformed,
        FaultAnswer::Status {
            status: 404,
            body: None,
        },
        FaultAnswer::Status {
            status: 503,
            body: None,
        },
    ] {
        let rig = Rig::with_objects(open_clinic(), Settings::default(), &[object("radiology")]);
        rig.until_ready("radiology", HALF_AN_HOUR).await;
        rig.pass(FIVE_MINUTES).await;
        rig.fault(VAULT_HOST, answer.clone());
        for _ in 0..200 {
            rig.pass(Duration::from_secs(3)).await;
            assert!(rig.is_ready("radiology"), "{answer:?} {}", rig.tale());
        }
        rig.heal();
        let mark = rig.mark();
        rig.pass(FIVE_MINUTES).await;
        assert!(calls(&rig, mark, VAULT_HOST) >= 20, "{answer:?}");
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_set_on_what_its_vault_showed() {
    let mut world = super::estate::clinic();
    world.open_data_planes();
    let rig = Rig::with_objects(world, Settings::brisk(), &[object("radiology")]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(versions_through_arm(&rig, 0), 0);
    assert_eq!(rig.writes(0).len(), 3, "{:?}", rig.writes(0));
    rig.assert_safe();
}

/// What the canary says by itself.
fn canary(rig: &Rig) -> Value {
    let access = rig.status("radiology")["keyAccess"].clone();
    let signals = access["signals"].as_array().cloned().unwrap_or_default();
    let found = signals
        .into_iter()
        .find(|signal| signal["name"] == "Canary");
    found.unwrap_or_default()["says"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_canary_tells_a_service_that_fails_and_our_own_missing_right_is_only_doubt() {
    let watched = object_with("radiology", &json!({ "watch": { "canary": "Enabled" } }));
    let objects = [watched];
    let rig = Rig::with_objects(open_clinic(), Settings::default(), &objects);
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(canary(&rig), "Good", "{}", rig.tale());
    let mark = rig.mark();
    rig.pass(FIVE_MINUTES).await;
    let asked = calls(&rig, mark, "clinic-radiology.dicom.azurehealthcareapis.com");
    assert!((9..=11).contains(&asked), "{asked}");
    rig.change("key clinic-keys/dicom-cmk disabled");
    // the service itself finds out within a minute
    let limit = Duration::from_mins(2);
    rig.until("the canary tells it", limit, |rig| canary(rig) == "Bad")
        .await;
    rig.assert_safe();

    // without the role it is not known how the service answers, and nothing else suffers
    let closed = Rig::with_objects(encrypted_clinic(), Settings::default(), &objects);
    closed.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(canary(&closed), "Unknown");
    closed.assert_safe();
}
