//! Workspaces and services through ARM.

use serde_json::{Value, json};

use crate::azure::{
    rig::{GROUP, Rig},
    world::{NamedSpec, World},
};

fn workspace() -> String {
    format!("{GROUP}/providers/Microsoft.HealthcareApis/workspaces/clinic")
}

#[test]
fn operations_end_with_time_though_nobody_polls() {
    let mut rig = Rig::new();
    let started = rig.call(
        "PATCH",
        &Rig::service(),
        Some(json!({ "tags": { "a": "b" } })),
    );
    assert_eq!((started.status, started.header("retry-after")), (202, "10"));
    let poll = started.header("azure-asyncoperation").to_owned();
    let running = rig.get(&poll);
    assert_eq!(
        (running.text("/status"), running.header("retry-after")),
        ("Running", "10")
    );
    assert_eq!(running.at("/endTime"), &Value::Null);
    assert_eq!(rig.get(&Rig::service()).at("/tags"), &Value::Null);
    rig.pass(29);
    assert_eq!(
        rig.get(&Rig::service())
            .text("/properties/provisioningState"),
        "Updating"
    );
    rig.pass(1);
    let service = rig.get(&Rig::service());
    assert_eq!(service.text("/properties/provisioningState"), "Succeeded");
    assert_eq!(service.at("/tags"), &json!({ "a": "b" }));
    rig.pass(100);
    let ended = rig.get(&poll);
    assert_eq!(
        (ended.text("/status"), ended.text("/endTime")),
        ("Succeeded", "2026-11-24T08:00:30Z")
    );
}

#[test]
fn a_second_write_while_one_runs_and_a_write_on_an_old_etag_are_refused() {
    let mut rig = Rig::new();
    let old = rig.get(&Rig::service()).body;
    rig.call("PATCH", &Rig::service(), Some(json!({ "tags": {} })));
    let second = rig.put(&Rig::service(), old.clone());
    assert_eq!(
        (second.status, second.code()),
        (409, "AnotherOperationInProgress")
    );
    rig.pass(30);
    let stale = rig.put(&Rig::service(), old.clone());
    assert_eq!((stale.status, stale.code()), (412, "PreconditionFailed"));
    let mut silent = old;
    silent.as_object_mut().unwrap().remove("etag");
    assert_eq!(rig.put(&Rig::service(), silent).status, 202);
}

#[test]
fn a_put_ignores_what_is_read_only_and_keeps_what_nobody_knows_to_the_digit() {
    let mut rig = Rig::new();
    let body = r#"{
        "location": "West Europe", "id": "wrong", "name": "wrong", "systemData": {"createdBy": "x"},
        "tags": {"cost": "0042"},
        "properties": {
            "provisioningState": "Failed", "serviceUrl": "https://evil.example",
            "corsConfiguration": {"origins": ["https://a.example"], "maxAge": 7},
            "future": {"exact": 12345678901234567890.1234567890, "tiny": 1e-400}
        }
    }"#;
    let path = Rig::service();
    assert_eq!(
        rig.put(&path, serde_json::from_str(body).unwrap()).status,
        202
    );
    rig.pass(30);
    let service = rig.get(&path);
    assert_eq!(service.text("/name"), "radiology");
    assert_eq!(service.at("/tags"), &json!({ "cost": "0042" }));
    assert_eq!(service.at("/systemData/createdBy"), &Value::Null);
    assert_eq!(service.text("/properties/provisioningState"), "Succeeded");
    assert!(
        service
            .text("/properties/serviceUrl")
            .starts_with("https://clinic-radiology.dicom.")
    );
    assert_eq!(
        service.at("/properties/future").to_string(),
        r#"{"exact":12345678901234567890.1234567890,"tiny":1e-400}"#
    );
    assert_eq!(
        service.at("/properties/corsConfiguration"),
        &json!({ "origins": ["https://a.example"], "maxAge": 7 })
    );
}

#[test]
fn an_older_api_version_does_not_show_what_came_later() {
    let mut rig = Rig::new();
    let list = Rig::service().replace("/radiology", "");
    for (version, storage, partitions) in [
        ("2023-11-01", false, false),
        ("2024-03-01", true, false),
        ("2024-03-31", true, true),
    ] {
        let one = rig.get(&Rig::service().replace("2024-03-31", version)).body;
        let all = rig.get(&list.replace("2024-03-31", version)).body;
        for service in [&one, &all["value"][0]] {
            let properties = service["properties"].as_object().unwrap();
            let shown = |name| properties.contains_key(name);
            assert_eq!(shown("storageConfiguration"), storage, "{version}");
            assert_eq!(shown("enableDataPartitions"), partitions, "{version}");
            assert!(shown("corsConfiguration"), "{version}");
        }
    }
}

#[test]
fn a_patch_changes_tags_and_identity_only() {
    let mut rig = Rig::new();
    let properties = json!({ "properties": { "publicNetworkAccess": "Disabled" } });
    assert_eq!(
        rig.call("PATCH", &Rig::service(), Some(properties)).status,
        400
    );
    let mut ids = serde_json::Map::new();
    ids.insert(
        Rig::identity().replace("resourceGroups", "resourcegroups"),
        json!({}),
    );
    let body = json!({ "identity": { "type": "userAssigned", "userAssignedIdentities": ids } });
    assert_eq!(rig.call("PATCH", &Rig::service(), Some(body)).status, 202);
    rig.pass(30);
    let identity = rig.get(&Rig::service()).at("/identity").clone();
    assert_eq!(identity["type"], "UserAssigned");
    let attached = identity["userAssignedIdentities"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    let own = rig.get(&format!("{}?api-version=2023-01-31", Rig::identity()));
    assert_eq!(&attached["principalId"], own.at("/properties/principalId"));
}

#[test]
fn attaching_an_identity_needs_the_right_to_it_and_the_identity() {
    let mut world = World::builtin();
    world
        .operator
        .actions
        .retain(|action| !action.ends_with("assign/action"));
    let mut rig = Rig::with(world);
    let attach = |id: String| {
        let mut ids = serde_json::Map::new();
        ids.insert(id, json!({}));
        Some(json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": ids } }))
    };
    let missing = format!("{}-x", Rig::identity());
    assert_eq!(
        rig.call("PATCH", &Rig::service(), attach(missing)).code(),
        "FailedIdentityOperation"
    );
    rig.as_operator();
    let refused = rig.call("PATCH", &Rig::service(), attach(Rig::identity()));
    assert_eq!(
        (refused.status, refused.code()),
        (403, "LinkedAuthorizationFailed")
    );
}

#[test]
fn services_are_created_and_deleted_with_the_codes_of_the_specification() {
    let mut rig = Rig::new();
    let path = Rig::service().replace("radiology", "cardiology");
    let made = rig.put(&path, json!({ "location": "westeurope" }));
    assert_eq!(
        (made.status, made.text("/properties/provisioningState")),
        (201, "Creating")
    );
    assert_eq!(
        rig.get(&path).text("/properties/provisioningState"),
        "Creating"
    );
    rig.pass(30);
    assert_eq!(
        rig.get(&path).text("/properties/provisioningState"),
        "Succeeded"
    );
    let list = Rig::service().replace("/radiology", "");
    assert_eq!(rig.get(&list).rows().len(), 2);
    let deleting = rig.call("DELETE", &path, None);
    assert_eq!(deleting.status, 202);
    assert_eq!(rig.get(deleting.header("location")).status, 202);
    rig.pass(30);
    assert_eq!(rig.get(&path).status, 404);
    assert_eq!(rig.get(deleting.header("location")).status, 200);
    assert_eq!(rig.call("DELETE", &path, None).status, 204);
}

#[test]
fn bad_bodies_are_refused_before_anything_starts() {
    let mut rig = Rig::new();
    let key = |url: &str| json!({ "customerManagedKeyEncryption": { "keyEncryptionKeyUrl": url } });
    let cases = [
        (json!([]), "InvalidRequestContent"),
        (
            json!({ "identity": { "type": "Sometimes" } }),
            "InvalidIdentityType",
        ),
        (
            json!({ "identity": { "type": "UserAssigned" } }),
            "InvalidUserAssignedIdentities",
        ),
        (json!({ "location": "eastus" }), "InvalidResourceLocation"),
        (
            json!({ "properties": { "encryption": key("https://evil.example/keys/a") } }),
            "InvalidKeyEncryptionKeyUrl",
        ),
        (
            json!({ "properties": { "encryption": key("https://clinic-keys.vault.azure.net/keys/dicom-cmk") } }),
            "ManagedIdentityRequired",
        ),
    ];
    for (body, code) in cases {
        assert_eq!(rig.put(&Rig::service(), body).code(), code);
    }
    let orphan = Rig::service().replace("/clinic/", "/nobody/");
    assert_eq!(rig.put(&orphan, json!({})).code(), "ParentResourceNotFound");
    assert_eq!(
        rig.get(&Rig::service())
            .text("/properties/provisioningState"),
        "Succeeded"
    );
}

#[test]
fn an_operation_that_is_told_to_fail_leaves_everything_as_it_was() {
    let mut rig = Rig::new();
    rig.set("service radiology operation-fails");
    let started = rig.call(
        "PATCH",
        &Rig::service(),
        Some(json!({ "tags": { "a": "b" } })),
    );
    rig.pass(30);
    assert_eq!(
        rig.get(started.header("azure-asyncoperation"))
            .text("/status"),
        "Failed"
    );
    let service = rig.get(&Rig::service());
    assert_eq!(service.text("/properties/provisioningState"), "Failed");
    assert_eq!(service.at("/tags"), &Value::Null);
}

#[test]
fn workspaces_keep_their_services_from_being_orphaned() {
    let mut rig = Rig::new();
    let path = format!("{}?api-version=2024-03-31", workspace());
    assert_eq!(
        rig.call("DELETE", &path, None).code(),
        "CannotDeleteResource"
    );
    let other = path.replace("clinic", "second");
    assert_eq!(
        rig.put(&other, json!({ "location": "westeurope" })).status,
        201
    );
    assert_eq!(
        rig.put(&other, json!({ "location": "westeurope", "tags": {} }))
            .status,
        200
    );
    assert_eq!(rig.call("DELETE", &other, None).status, 200);
    assert_eq!(rig.call("DELETE", &other, None).status, 204);
}

#[test]
fn long_lists_come_in_pages_that_lead_on_from_the_host_that_was_called() {
    for (count, expected) in [
        (250, vec![100, 100, 50]),
        (200, vec![100, 100]),
        (0, vec![0]),
    ] {
        let mut world = World::builtin();
        let named = |number: usize| NamedSpec {
            name: format!("ws{number:03}"),
            resource_group: None,
        };
        world.services.clear();
        world.workspaces = (0..count).map(named).collect();
        let mut rig = Rig::with(world);
        let path = workspace().replace("/clinic", "");
        let mut next = format!("http://127.0.0.1:9/{path}?api-version=2024-03-31");
        let mut sizes = Vec::new();
        while !next.is_empty() {
            let page = rig.get(&next);
            sizes.push(page.rows().len());
            page.text("/nextLink").clone_into(&mut next);
            assert!(
                next.is_empty() || next.starts_with("http://127.0.0.1:9/"),
                "{next}"
            );
        }
        assert_eq!(sizes, expected);
    }
}
