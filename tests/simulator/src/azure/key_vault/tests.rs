//! Vaults and keys through ARM.

use serde_json::{Value, json};

use crate::azure::rig::{GROUP, KEY, Rig, SUBSCRIPTION, TENANT};

fn at(path: &str) -> String {
    format!("{path}?api-version=2026-02-01")
}

#[test]
fn a_deleted_vault_comes_back_without_its_role_assignments() {
    let mut rig = Rig::encrypted();
    rig.pass(10);
    let roles = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01",
        Rig::vault()
    );
    assert_eq!(rig.get(&roles).rows().len(), 1);
    assert_eq!(rig.call("DELETE", &at(&Rig::vault()), None).status, 200);
    assert_eq!(rig.get(&at(&Rig::vault())).status, 404);
    let deleted = format!(
        "{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/clinic-keys"
    );
    let shown = rig.get(&at(&deleted));
    assert_eq!(shown.text("/properties/vaultId"), Rig::vault());
    assert_eq!(
        shown.text("/properties/scheduledPurgeDate"),
        "2027-02-22T08:00:10Z"
    );
    let all = format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults");
    assert_eq!(rig.get(&at(&all)).rows(), vec![shown.body]);
    let purge = rig.call("POST", &at(&format!("{deleted}/purge")), None);
    assert_eq!(purge.code(), "MethodNotAllowed");
    rig.set("vault clinic-keys recovered");
    assert_eq!(rig.get(&at(&Rig::vault())).status, 200);
    assert_eq!(rig.get(&roles).rows(), Vec::<Value>::new());
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500);
}

#[test]
fn a_vault_made_through_arm_has_azures_defaults_and_one_way_switches() {
    let mut rig = Rig::new();
    let path = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/second");
    let body = json!({ "location": "westeurope", "properties": {
        "tenantId": TENANT, "sku": { "family": "A", "name": "standard" }, "accessPolicies": [],
    }});
    let made = rig.put(&format!("{path}?api-version=2023-07-01"), body.clone());
    assert_eq!(
        (made.status, made.at("/properties/enableRbacAuthorization")),
        (201, &json!(false))
    );
    assert_eq!(
        made.text("/properties/vaultUri"),
        "https://second.vault.azure.net/"
    );
    assert_eq!(made.at("/properties/enablePurgeProtection"), &Value::Null);
    let newer = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/third");
    let newer = rig.put(&at(&newer), body);
    assert_eq!(
        newer.at("/properties/enableRbacAuthorization"),
        &json!(true)
    );
    let on = json!({ "properties": { "enablePurgeProtection": true } });
    assert_eq!(rig.call("PATCH", &at(&path), Some(on)).status, 200);
    let off = json!({ "properties": { "enablePurgeProtection": false } });
    assert_eq!(rig.call("PATCH", &at(&path), Some(off)).status, 400);
    assert_eq!(
        rig.get(&at(&path)).at("/properties/enablePurgeProtection"),
        &json!(true)
    );
    let all = rig.get(&at(&format!("{GROUP}/providers/Microsoft.KeyVault/vaults")));
    assert_eq!(all.rows().len(), 3);
}

#[test]
fn keys_show_their_newest_version_and_lists_show_less() {
    let mut rig = Rig::new();
    let base = format!("{}/keys/dicom-cmk", Rig::vault());
    let first = rig.get(&at(&base));
    assert_eq!(first.text("/properties/kty"), "RSA");
    assert_eq!(first.at("/properties/keySize"), &json!(2048));
    assert_eq!(
        first.text("/properties/attributes/recoveryLevel"),
        "Recoverable"
    );
    rig.set("key clinic-keys/dicom-cmk new-version");
    let second = rig.get(&at(&base));
    assert_ne!(
        first.at("/properties/keyUriWithVersion"),
        second.at("/properties/keyUriWithVersion")
    );
    let versions = rig.get(&at(&format!("{base}/versions"))).rows();
    assert_eq!(versions.len(), 2);
    for row in &versions {
        assert_eq!(row["type"], "Microsoft.KeyVault/vaults/keys/versions");
        assert_eq!(row["properties"]["kty"], Value::Null);
        let one = rig.get(&at(row["id"].as_str().unwrap()));
        assert_eq!(one.text("/properties/kty"), "RSA");
        assert_eq!(
            one.at("/properties/keyUriWithVersion"),
            &row["properties"]["keyUriWithVersion"]
        );
        let name = row["name"].as_str().unwrap();
        assert!(
            name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{name}"
        );
    }
}

#[test]
fn arm_tells_disabled_and_dated_keys_but_not_deleted_from_purged() {
    let mut rig = Rig::new();
    let base = at(&format!("{}/keys/dicom-cmk", Rig::vault()));
    rig.set("key clinic-keys/dicom-cmk disabled");
    assert_eq!(
        rig.get(&base).at("/properties/attributes/enabled"),
        &json!(false)
    );
    rig.set("key clinic-keys/dicom-cmk enabled");
    rig.set("key clinic-keys/dicom-cmk expired");
    let expires = rig
        .get(&base)
        .at("/properties/attributes/exp")
        .as_i64()
        .unwrap();
    assert!(expires < rig.now.as_second());
    rig.set("key clinic-keys/dicom-cmk valid");
    assert_eq!(
        rig.get(&base).at("/properties/attributes/exp"),
        &Value::Null
    );
    rig.set("key clinic-keys/dicom-cmk deleted");
    let deleted = rig.get(&base);
    rig.set("key clinic-keys/dicom-cmk purged");
    let purged = rig.get(&base);
    assert_eq!((deleted.status, deleted.code()), (404, "KeyNotFound"));
    assert_eq!(deleted.body, purged.body);
}

#[test]
fn a_put_of_a_key_makes_its_first_version_only() {
    let mut rig = Rig::new();
    let path = at(&format!("{}/keys/new", Rig::vault()));
    let body = json!({ "properties": { "kty": "RSA", "keySize": 3072, "keyOps": ["wrapKey"] } });
    let made = rig.put(&path, body);
    assert_eq!(
        (made.status, made.at("/properties/keySize")),
        (200, &json!(3072))
    );
    let again = rig.put(&path, json!({ "properties": { "kty": "EC" } }));
    assert_eq!(again.body, made.body);
    rig.set("key clinic-keys/new deleted");
    assert_eq!(rig.put(&path, json!({ "properties": {} })).status, 409);
}

#[test]
fn access_policies_count_when_the_vault_says_so() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    rig.set("vault clinic-keys access-policies");
    let policy = json!({ "properties": { "accessPolicies": [{
        "tenantId": TENANT,
        "objectId": principal,
        "permissions": { "keys": ["get", "wrapKey", "unwrapKey"] },
    }]}});
    let added = rig.put(&at(&format!("{}/accessPolicies/add", Rig::vault())), policy);
    assert_eq!(
        added
            .at("/properties/accessPolicies")
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let url = rig.key_url();
    rig.put_key(&url);
    rig.pass(30);
    assert_eq!(rig.get(&Rig::service()).text(KEY), url);
}
