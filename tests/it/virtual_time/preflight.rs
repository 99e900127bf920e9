//! What does not pass the preflight is refused with its reason, and nothing is written.

use std::time::Duration;

use azure_simulator::azure::World;
use serde_json::json;

use super::estate::{IDENTITY, VAULT, clinic, fields, object, object_with};
use super::rig::{Rig, Settings};

const FIVE_MINUTES: Duration = Duration::from_mins(5);

type Flaw = fn(&mut World);

/// Reason, a word of the remedy, and what is wrong with the estate.
const FLAWS: [(&str, &str, Flaw); 13] = [
    ("KeyTypeUnsupported", "RSA", |world| {
        world.vaults[0].keys[0].kty = Some("EC".to_owned());
    }),
    ("KeySizeUnsupported", "2048", |world| {
        world.vaults[0].keys[0].key_size = Some(4096);
    }),
    ("NoUsableKeyVersion", "version", |world| {
        world.vaults[0].keys[0].attributes = fields(json!({ "enabled": false }));
    }),
    ("NoUsableKeyVersion", "version", |world| {
        world.vaults[0].keys[0].attributes = fields(json!({ "exp": 1_700_000_000 }));
    }),
    ("NoUsableKeyVersion", "version", |world| {
        world.vaults[0].keys[0].attributes = fields(json!({ "nbf": 1_900_000_000 }));
    }),
    ("KeyOperationMissing", "unwrapKey", |world| {
        world.vaults[0].keys[0].key_ops = Some(vec!["wrapKey".to_owned(), "sign".to_owned()]);
    }),
    ("SoftDeleteOff", "soft delete", |world| {
        world.vaults[0].properties = fields(json!({ "enableSoftDelete": false }));
    }),
    ("PurgeProtectionOff", "purge protection", |world| {
        world.vaults[0].properties = fields(json!({ "enablePurgeProtection": null }));
    }),
    ("VaultTenantMismatch", "tenant", |world| {
        let tenant = "77777777-7777-7777-7777-777777777777";
        world.vaults[0].properties = fields(json!({ "tenantId": tenant }));
    }),
    ("VaultFirewallClosed", "trusted", |world| {
        let rules = json!({ "defaultAction": "Deny", "bypass": "None" });
        world.vaults[0].properties = fields(json!({ "networkAcls": rules }));
    }),
    ("AccessPoliciesUnsupported", "RBAC", |world| {
        world.vaults[0].properties = fields(json!({ "enableRbacAuthorization": false }));
    }),
    ("VaultNotFound", "vaultId", |world| world.vaults.clear()),
    ("ServiceNotFound", "dicomServiceId", |world| {
        world.services.clear();
    }),
];

#[tokio::test(start_paused = true)]
async fn each_flaw_of_the_estate_has_its_reason_and_remedy_and_causes_no_write() {
    for (reason, remedy, flaw) in FLAWS {
        let mut world = clinic();
        flaw(&mut world);
        let rig = Rig::with_objects(world, Settings::default(), &[object("radiology")]);
        let stalled = format!("Stalled=True/{reason}");
        rig.until_condition("radiology", &stalled, FIVE_MINUTES)
            .await;
        assert!(rig.has("radiology", &format!("Ready=False/{reason}")));
        let told = rig.condition("radiology", "Stalled").unwrap();
        let message = told["message"].as_str().unwrap();
        assert!(message.contains(remedy), "{reason}: {message}");
        rig.pass(Duration::from_mins(10)).await;
        assert_eq!(rig.writes(0), Vec::<String>::new(), "{reason}");
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_named_is_refused_for_its_own_reason() {
    for (reason, attributes) in [
        ("KeyDisabled", json!({ "enabled": false })),
        ("KeyExpired", json!({ "exp": 1_700_000_000 })),
        ("KeyNotYetValid", json!({ "nbf": 1_900_000_000 })),
        ("KeyExpiresSoon", json!({ "exp": 1_772_524_800 })),
    ] {
        let mut world = clinic();
        world.vaults[0].keys[0].attributes = fields(attributes);
        let mut rig = Rig::new(world, Settings::default());
        let version = rig.outside.truth().estate["vaults"][0]["keys"][0]["versions"][0].clone();
        let key = json!({ "key": { "version": version["version"] } });
        rig.start();
        rig.create(&object_with("radiology", &key));
        let stalled = format!("Stalled=True/{reason}");
        rig.until_condition("radiology", &stalled, FIVE_MINUTES)
            .await;
        rig.pass(Duration::from_mins(10)).await;
        assert_eq!(rig.writes(0), Vec::<String>::new(), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_or_an_identity_that_never_existed_is_named() {
    let identity = IDENTITY.replace("radiology-identity", "nobody");
    let identity = json!({ "type": "UserAssigned", "userAssignedIdentityId": identity });
    for (reason, spec) in [
        ("KeyNotFound", json!({ "key": { "name": "nothing" } })),
        ("IdentityNotFound", json!({ "identity": identity })),
    ] {
        let object = object_with("radiology", &spec);
        let rig = Rig::with_objects(clinic(), Settings::default(), &[object]);
        let stalled = format!("Stalled=True/{reason}");
        rig.until_condition("radiology", &stalled, FIVE_MINUTES)
            .await;
        rig.pass(Duration::from_mins(10)).await;
        assert_eq!(rig.writes(0), Vec::<String>::new(), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flaw_that_is_mended_lets_the_object_go_on_by_itself() {
    let mut world = clinic();
    world.vaults[0].properties = fields(json!({ "enablePurgeProtection": null }));
    let rig = Rig::with_objects(world, Settings::brisk(), &[object("radiology")]);
    let stalled = "Stalled=True/PurgeProtectionOff";
    rig.until_condition("radiology", stalled, FIVE_MINUTES)
        .await;
    rig.change("vault clinic-keys purge-protection-on");
    rig.until_ready("radiology", FIVE_MINUTES).await;
    rig.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_service_with_another_identity_is_left_alone() {
    let mut world = clinic();
    world.services[0].identity = Some("radiology-identity".to_owned());
    let rig = Rig::with_objects(world, Settings::default(), &[object("radiology")]);
    let stalled = "Stalled=True/IdentityConflict";
    rig.until_condition("radiology", stalled, FIVE_MINUTES)
        .await;
    rig.pass(Duration::from_mins(10)).await;
    assert_eq!(rig.writes(0), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_key_in_hardware_with_3072_bits_goes_through_with_a_grant_at_the_key() {
    let mut world = clinic();
    world.vaults[0].keys[0].kty = Some("RSA-HSM".to_owned());
    world.vaults[0].keys[0].key_size = Some(3072);
    let access = json!({ "scope": "Key", "role": "KeyVaultCryptoOfficer" });
    let object = object_with("radiology", &json!({ "access": access }));
    let rig = Rig::with_objects(world, Settings::brisk(), &[object]);
    rig.until_ready("radiology", FIVE_MINUTES).await;
    let grant = &rig.status("radiology")["grant"];
    let scope = format!("{VAULT}/keys/dicom-cmk");
    assert_eq!(
        grant["scope"].as_str().unwrap().to_lowercase(),
        scope.to_lowercase()
    );
    assert_eq!(grant["role"], "Key Vault Crypto Officer");
    rig.assert_safe();
}
