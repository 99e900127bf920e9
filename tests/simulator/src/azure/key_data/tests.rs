//! The vault's own host.

use serde_json::json;

use crate::azure::rig::{KEY, Rig};

const HOST: &str = "https://clinic-keys.vault.azure.net";

fn at(path: &str) -> String {
    format!("{HOST}{path}?api-version=7.5")
}

#[test]
fn versions_are_listed_and_read_and_a_disabled_one_is_forbidden() {
    let mut rig = Rig::new();
    let listed = rig.get(&at("/keys/dicom-cmk/versions")).rows();
    let kid = listed[0]["kid"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["attributes"]["enabled"], json!(true));
    let read = rig.get(&format!("{kid}?api-version=7.5"));
    assert_eq!(
        (read.text("/key/kid"), read.text("/key/kty")),
        (kid.as_str(), "RSA")
    );
    rig.set("key clinic-keys/dicom-cmk disabled");
    let refused = rig.get(&format!("{kid}?api-version=7.5"));
    assert_eq!(
        (refused.status, refused.text("/error/innererror/code")),
        (403, "KeyDisabled")
    );
    let after = rig.get(&at("/keys/dicom-cmk/versions")).rows();
    assert_eq!(after[0]["attributes"]["enabled"], json!(false));
}

#[test]
fn the_operator_needs_a_role_there_that_has_taken_effect() {
    let mut rig = Rig::new();
    let reader = "21090545-7ca7-4776-b22c-e363652d74d2";
    let mut body = Rig::assignment_body("33333333-3333-3333-3333-333333333333");
    body["properties"]["roleDefinitionId"] = json!(format!(
        "/providers/Microsoft.Authorization/roleDefinitions/{reader}"
    ));
    let path = Rig::assignment(&Rig::vault(), &crate::azure::guid("reader"));
    assert_eq!(rig.put(&path, body).status, 201);
    rig.as_operator();
    let refused = rig.get(&at("/keys"));
    assert_eq!(
        (refused.status, refused.text("/error/innererror/code")),
        (403, "ForbiddenByRbac")
    );
    assert!(
        refused
            .text("/error/message")
            .contains("Action: 'Microsoft.KeyVault/vaults/keys/read'")
    );
    rig.pass(300);
    assert_eq!(rig.get(&at("/keys")).status, 200);
}

#[test]
fn a_closed_firewall_keeps_everybody_out() {
    let mut rig = Rig::new();
    rig.set("vault clinic-keys firewall-closed");
    let refused = rig.get(&at("/keys"));
    assert_eq!(
        (refused.status, refused.text("/error/innererror/code")),
        (403, "ForbiddenByFirewall")
    );
}

#[test]
fn keys_are_made_rotated_switched_deleted_and_recovered() {
    let mut rig = Rig::new();
    let body = json!({ "kty": "RSA", "key_size": 3072, "key_ops": ["wrapKey", "unwrapKey"] });
    let made = rig.call("POST", &at("/keys/own/create"), Some(body));
    assert_eq!(
        (made.status, made.at("/key/key_ops")),
        (200, &json!(["wrapKey", "unwrapKey"]))
    );
    let rotated = rig.call("POST", &at("/keys/own/rotate"), None);
    assert_ne!(made.at("/key/kid"), rotated.at("/key/kid"));
    assert_eq!(rotated.at("/key/key_ops"), made.at("/key/key_ops"));
    let off = json!({ "attributes": { "enabled": false } });
    let switched = rig.call("PATCH", &at("/keys/own"), Some(off));
    assert_eq!(switched.at("/attributes/enabled"), &json!(false));
    assert_eq!(rig.call("DELETE", &at("/keys/own"), None).status, 200);
    assert_eq!(rig.get(&at("/keys/own")).code(), "KeyNotFound");
    let deleted = rig.get(&at("/deletedkeys/own"));
    assert_eq!(
        deleted.text("/recoveryId"),
        format!("{HOST}/deletedkeys/own")
    );
    assert_eq!(rig.get(&at("/deletedkeys")).rows().len(), 1);
    assert_eq!(
        rig.call("POST", &at("/deletedkeys/own/recover"), None)
            .status,
        200
    );
    assert_eq!(rig.get(&at("/deletedkeys/own")).status, 404);
    assert_eq!(rig.get(&at("/keys/own/versions")).rows().len(), 2);
}

#[test]
fn hosts_that_do_not_exist_are_told_from_deleted_vaults() {
    let mut rig = Rig::encrypted();
    assert_eq!(
        rig.get("https://nobody.vault.azure.net/keys?api-version=7.5")
            .status,
        502
    );
    assert_eq!(
        rig.get("https://no-body.dicom.azurehealthcareapis.com/v2/changefeed/latest")
            .status,
        502
    );
    let key = rig.get(&Rig::service()).text(KEY).to_owned();
    rig.set("vault clinic-keys deleted");
    assert_eq!(
        rig.get(&format!("{key}?api-version=7.5")).code(),
        "VaultNotFound"
    );
}
