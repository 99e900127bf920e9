//! Worlds as people write them.

use serde_json::json;

use super::World;
use crate::azure::rig::{GROUP, KEY, Rig};

#[test]
fn a_world_of_yaml_becomes_an_estate() {
    let text = r"
resourceGroups: [{ name: imaging, location: westeurope }]
identities: [{ name: reader }]
workspaces: [{ name: clinic }]
vaults:
  - name: clinic-keys
    properties: { networkAcls: { defaultAction: Deny, bypass: None } }
    keys: [{ name: dicom-cmk, kty: RSA-HSM, keySize: 3072, versions: 3 }]
services:
  - { name: radiology, identity: reader, key: clinic-keys/dicom-cmk, tags: { team: red } }
roleAssignments:
  - { principal: reader, role: Key Vault Crypto Officer, scope: clinic-keys }
";
    let mut rig = Rig::with(World::from_yaml(text).unwrap());
    let service = rig.get(&Rig::service());
    assert_eq!(service.at("/tags"), &json!({ "team": "red" }));
    assert_eq!(service.text(KEY), rig.key_url());
    let versions = format!(
        "{}/keys/dicom-cmk/versions?api-version=2026-02-01",
        Rig::vault()
    );
    assert_eq!(rig.get(&versions).rows().len(), 3);
    let roles =
        format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01");
    assert_eq!(rig.get(&roles).rows().len(), 2);
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500, "its vault is closed");
}

#[test]
fn fields_that_nobody_knows_are_refused() {
    let error = World::from_yaml("vaults: [{ name: a, purgeProtection: false }]").unwrap_err();
    assert!(error.contains("purgeProtection"), "{error}");
}

#[test]
fn the_estate_can_be_shown_with_who_reaches_which_key() {
    let mut rig = Rig::encrypted();
    let access = rig.azure.show(rig.now)["access"].clone();
    let who = |label: &str| {
        access
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["who"] == label)
            .unwrap()
            .clone()
    };
    assert_eq!(
        who("clinic/radiology (system identity)")["canUnwrap"],
        json!(true)
    );
    assert_eq!(who("radiology-identity")["canUnwrap"], json!(false));
    let services = rig.azure.show(rig.now)["services"].clone();
    assert_eq!(services[0]["store"], "open");
}

#[test]
fn a_world_may_let_the_operator_read_keys_and_data_at_their_own_hosts() {
    let mut world = World::builtin();
    world.open_data_planes();
    let mut rig = Rig::with(world);
    rig.as_operator();
    let versions = "https://clinic-keys.vault.azure.net/keys/dicom-cmk/versions?api-version=7.5";
    assert_eq!(rig.get(versions).rows().len(), 1);
    assert_eq!(rig.data_plane(), 200);

    let mut closed = Rig::with(World::builtin());
    closed.as_operator();
    assert_eq!(
        (closed.get(versions).status, closed.data_plane()),
        (403, 403)
    );
}
