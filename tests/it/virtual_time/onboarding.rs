//! From ten lines of YAML to an encrypted service, and what follows for ever after.

use std::time::Duration;

use azure_simulator::azure::{NamedSpec, ServiceSpec};
use serde_json::{Value, json};

use super::estate::{IDENTITY, SERVICE, clinic, encrypted_clinic, fields, object, object_with};
use super::invariants::unquiet;
use super::rig::{Rig, Settings};
use super::trace::{AzureCall, Entry};

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

/// The answers to the first direct read of the service, before any write, and to the latest.
fn first_and_latest_read(rig: &Rig) -> (Value, Value) {
    let entries = rig.since(0);
    let calls = entries.iter().filter_map(Entry::azure);
    let reads = calls.filter(|call| call.is_of_service() && call.answer.is_object());
    let reads: Vec<Value> = reads.map(|call| call.answer.clone()).collect();
    (reads[0].clone(), reads[reads.len() - 1].clone())
}

/// The service as it was before, but for what the operator may change.
fn unchanged_part(mut service: Value) -> Value {
    let fields = service.as_object_mut().unwrap();
    for ours in ["identity", "etag", "systemData"] {
        fields.shift_remove(ours);
    }
    let properties = fields["properties"].as_object_mut().unwrap();
    for ours in ["encryption", "provisioningState"] {
        properties.shift_remove(ours);
    }
    service
}

#[tokio::test(start_paused = true)]
async fn ten_lines_of_yaml_become_an_encrypted_service_by_three_writes_to_azure() {
    let rig = Rig::with_objects(clinic(), Settings::default(), &[object("radiology")]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;

    assert_eq!(
        rig.writes(0),
        [
            "PATCH dicomservices/radiology",
            "PUT roleassignments",
            "PUT dicomservices/radiology"
        ]
    );
    let patches = rig.status_patches(0);
    assert!(patches <= 6, "{patches} status patches\n{}", rig.tale());
    let status = rig.status("radiology");
    assert_eq!(status["keyAccess"]["state"], "Accessible");
    assert_eq!(status["grant"]["origin"], "Created");
    assert_eq!(status["keyVersions"].as_array().unwrap().len(), 1);
    let (first, latest) = first_and_latest_read(&rig);
    assert!(first["identity"].is_null() || first["identity"]["type"] == "None");
    assert_eq!(unchanged_part(first), unchanged_part(latest));
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_user_assigned_identity_is_attached_and_used() {
    let identity = json!({ "type": "UserAssigned", "userAssignedIdentityId": IDENTITY });
    let object = object_with("radiology", &json!({ "identity": identity }));
    let rig = Rig::with_objects(clinic(), Settings::default(), &[object]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;

    assert_eq!(
        rig.writes(0),
        [
            "PATCH dicomservices/radiology",
            "PUT roleassignments",
            "PUT dicomservices/radiology"
        ]
    );
    assert!(rig.status_patches(0) <= 6, "{}", rig.tale());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_settled_object_causes_nothing_for_a_day_but_the_hourly_sign_of_life() {
    let rig = Rig::with_objects(clinic(), Settings::default(), &[object("radiology")]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.pass(Duration::from_mins(10)).await;
    let mark = rig.mark();
    rig.pass(Duration::from_hours(24)).await;

    assert_eq!(unquiet(&rig.since(mark)), Vec::<String>::new());
    let patches = rig.status_patches(mark);
    assert!((20..=24).contains(&patches), "{patches} status patches");
    assert!(rig.is_ready("radiology"));
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn what_was_encrypted_by_hand_as_asked_is_adopted_without_a_write() {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object("radiology")],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.pass(Duration::from_hours(3)).await;

    assert_eq!(rig.writes(0), Vec::<String>::new());
    assert_eq!(rig.status("radiology")["grant"]["origin"], "Adopted");
    assert_eq!(rig.status("radiology")["keyAccess"]["state"], "Accessible");
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_and_applied_again_rotates_nothing() {
    let rig = Rig::with_objects(
        encrypted_clinic(),
        Settings::default(),
        &[object("radiology")],
    );
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.change("key clinic-keys/dicom-cmk new-version");
    rig.delete("radiology");
    rig.pass(Duration::from_mins(10)).await;
    rig.create(&object("radiology"));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    rig.pass(Duration::from_hours(1)).await;

    assert_eq!(rig.writes(0), Vec::<String>::new());
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_another_key_encrypts_is_left_alone_until_replacing_is_allowed() {
    let mut world = encrypted_clinic();
    let mut other = world.vaults[0].keys[0].clone();
    other.name = "another-key".to_owned();
    world.vaults[0].keys.push(other);
    world.services[0].key = Some("clinic-keys/another-key".to_owned());
    let rig = Rig::with_objects(world, Settings::default(), &[object("radiology")]);
    let stalled = "Stalled=True/EncryptedWithAnotherKey";
    rig.until_condition("radiology", stalled, HALF_AN_HOUR)
        .await;
    rig.pass(Duration::from_hours(1)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());

    rig.edit("radiology", &json!({ "key": { "replaceExisting": true } }));
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    assert_eq!(rig.writes(0), ["PUT dicomservices/radiology"]);
    assert!(
        rig.status("radiology")["key"]["url"]
            .to_string()
            .contains("dicom-cmk")
    );
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_managed_object_is_changed_by_editing_it() {
    let mut world = clinic();
    let mut other = world.vaults[0].clone();
    other.name = "newer-keys".to_owned();
    other.keys[0].name = "newer-cmk".to_owned();
    other.keys[0].kty = Some("RSA-HSM".to_owned());
    other.keys[0].key_size = Some(3072);
    other.properties = fields(json!({}));
    world.vaults.push(other);
    let rig = Rig::with_objects(world, Settings::default(), &[object("radiology")]);
    rig.until_ready("radiology", HALF_AN_HOUR).await;
    let mark = rig.mark();

    let vault = super::estate::VAULT.replace("clinic-keys", "newer-keys");
    rig.edit(
        "radiology",
        &json!({ "key": { "vaultId": vault, "name": "newer-cmk" } }),
    );
    rig.until("the newer key is in use", HALF_AN_HOUR, |rig| {
        rig.is_ready("radiology")
            && rig.status("radiology")["key"]["url"]
                .to_string()
                .contains("newer-cmk")
    })
    .await;

    assert_eq!(
        rig.writes(mark),
        ["PUT roleassignments", "PUT dicomservices/radiology"]
    );
    assert_eq!(
        rig.status("radiology")["keyVersions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_starts_among_many_objects_reads_them_by_lists() {
    const SERVICES: usize = 120;
    const WORKSPACES: usize = 12;
    let mut world = encrypted_clinic();
    world.workspaces = (0..WORKSPACES)
        .map(|number| NamedSpec {
            name: format!("clinic{number}"),
            resource_group: None,
        })
        .collect();
    let first = world.services.remove(0);
    let mut objects = Vec::new();
    for number in 0..SERVICES {
        let workspace = format!("clinic{}", number % WORKSPACES);
        let name = format!("service{number}");
        let id = SERVICE
            .replace("/clinic/", &format!("/{workspace}/"))
            .replace("radiology", &name);
        objects.push(object_with(&name, &json!({ "dicomServiceId": id })));
        world.services.push(ServiceSpec {
            name,
            workspace: Some(workspace),
            ..first.clone()
        });
    }
    let rig = Rig::with_objects(world, Settings::default(), &objects);
    for number in 0..SERVICES {
        let name = format!("service{number}");
        rig.until_ready(&name, HALF_AN_HOUR).await;
    }
    let entries = rig.since(0);
    let calls = entries.iter().filter_map(Entry::azure);
    let reads: Vec<&AzureCall> = calls.filter(|call| !call.is_write()).collect();
    let of_services = |call: &&&AzureCall| call.is_of_service();
    let lists = |call: &&&AzureCall| call.path().ends_with("/dicomservices");
    assert_eq!(reads.iter().filter(of_services).count(), 0);
    assert_eq!(reads.iter().filter(lists).count(), WORKSPACES);
}
