//! What a service does by itself as time goes by.

use serde_json::json;

use crate::azure::rig::{KEY, Rig};

fn state(rig: &mut Rig) -> String {
    rig.health()
        .text("/properties/availabilityState")
        .to_owned()
}

#[test]
fn a_lost_key_is_found_by_the_probe_and_told_by_resource_health() {
    let losses = [
        ("key clinic-keys/dicom-cmk disabled", "is disabled"),
        ("key clinic-keys/dicom-cmk deleted", "does not exist"),
        ("key clinic-keys/dicom-cmk expired", "has expired"),
        (
            "key clinic-keys/dicom-cmk not-yet-valid",
            "is not valid yet",
        ),
        ("vault clinic-keys deleted", "does not exist or is deleted"),
        (
            "identity imaging/clinic/radiology off",
            "does not exist any more",
        ),
        ("role-assignments clinic-keys removed", "has no role"),
        ("vault clinic-keys access-policies", "no access policy"),
    ];
    for (words, reason) in losses {
        let mut rig = Rig::encrypted();
        rig.pass(59);
        rig.set(words);
        assert_eq!(
            (rig.data_plane(), state(&mut rig).as_str()),
            (200, "Available"),
            "{words}"
        );
        rig.pass(1);
        assert_eq!(
            (rig.data_plane(), state(&mut rig).as_str()),
            (500, "Available"),
            "{words}"
        );
        rig.pass(30);
        let health = rig.health();
        assert_eq!(
            health.text("/properties/availabilityState"),
            "Degraded",
            "{words}"
        );
        assert_eq!(health.text("/properties/context"), "Customer Initiated");
        assert_eq!(
            health.text("/properties/occuredTime"),
            "2026-11-24T08:01:30Z"
        );
        let summary = health.text("/properties/summary");
        assert!(summary.contains(reason), "{words}: {summary}");
        assert!(
            !health
                .text("/properties/recommendedActions/0/action")
                .is_empty()
        );
    }
}

#[test]
fn a_firewall_hurts_only_without_the_bypass_for_trusted_services() {
    let mut rig = Rig::encrypted();
    rig.set("vault clinic-keys firewall-closed");
    rig.pass(300);
    assert_eq!(rig.data_plane(), 200);
    rig.set("vault clinic-keys bypass-off");
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500);
}

#[test]
fn a_key_that_returns_in_time_heals_the_service_five_minutes_later() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(29 * 60);
    rig.set("key clinic-keys/dicom-cmk enabled");
    rig.pass(60);
    assert_eq!(
        (rig.data_plane(), state(&mut rig).as_str()),
        (503, "Degraded")
    );
    rig.pass(299);
    assert_eq!(rig.data_plane(), 503);
    rig.pass(1);
    assert_eq!(rig.data_plane(), 200);
    rig.pass(30);
    let health = rig.health();
    assert_eq!(health.text("/properties/availabilityState"), "Available");
    assert_eq!(
        health.text("/properties/recentlyResolved/unavailableOccuredTime"),
        "2026-11-24T08:30:30Z"
    );
}

#[test]
fn a_key_lost_again_while_the_store_heals_is_lost_anew() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(20 * 60);
    rig.set("key clinic-keys/dicom-cmk enabled");
    rig.pass(60);
    assert_eq!(rig.data_plane(), 503);
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500);
    rig.pass(30 * 60 - 1);
    assert_eq!(
        rig.data_plane(),
        500,
        "the thirty minutes count from the second loss"
    );
    rig.pass(1);
    assert_eq!(rig.data_plane(), 424);
}

#[test]
fn a_key_that_returns_too_late_needs_a_put_of_the_resource() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk disabled");
    // the probe after one minute finds the loss, thirty minutes count from there
    rig.pass(31 * 60 - 1);
    assert_eq!(rig.data_plane(), 500);
    rig.pass(1);
    assert_eq!(rig.data_plane(), 424);
    rig.set("key clinic-keys/dicom-cmk enabled");
    rig.pass(24 * 3600);
    assert_eq!(
        (rig.data_plane(), state(&mut rig).as_str()),
        (424, "Unavailable")
    );
    let url = rig.get(&Rig::service()).text(KEY).to_owned();
    assert_eq!(rig.put_key(&url).status, 202);
    rig.pass(30);
    assert_eq!(rig.data_plane(), 200);
    rig.pass(30);
    assert_eq!(state(&mut rig), "Available");
}

#[test]
fn revalidation_while_the_key_is_away_fails_and_changes_nothing() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(3600);
    let url = rig.get(&Rig::service()).text(KEY).to_owned();
    let started = rig.put_key(&url);
    rig.pass(30);
    let operation = rig.get(started.header("azure-asyncoperation"));
    assert_eq!(
        (operation.text("/status"), operation.code()),
        ("Failed", "KeyDisabled")
    );
    assert_eq!(
        (rig.data_plane(), rig.get(&Rig::service()).text(KEY)),
        (424, url.as_str())
    );
}

#[test]
fn an_identity_switched_off_and_on_has_another_principal_that_owes_a_put() {
    let mut rig = Rig::encrypted();
    let old = rig
        .get(&Rig::service())
        .text("/identity/principalId")
        .to_owned();
    rig.set("identity radiology off");
    assert_eq!(rig.get(&Rig::service()).text("/identity/type"), "None");
    rig.set("identity radiology on");
    let new = rig
        .get(&Rig::service())
        .text("/identity/principalId")
        .to_owned();
    assert_ne!(old, new);
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500);
    assert_eq!(rig.grant(&new).status, 201);
    rig.pass(600);
    assert_eq!(
        rig.data_plane(),
        500,
        "a grant alone is not enough: the key is read as before"
    );
    let url = rig.get(&Rig::service()).text(KEY).to_owned();
    rig.put_key(&url);
    rig.pass(30);
    assert_eq!(rig.data_plane(), 200);
}

#[test]
fn another_version_is_not_followed_and_the_old_one_still_matters() {
    let mut rig = Rig::encrypted();
    let old = rig.key_url();
    rig.set("key clinic-keys/dicom-cmk new-version");
    let new = rig.key_url();
    assert_ne!(old, new);
    let version = old.rsplit('/').next().unwrap().to_owned();
    rig.set(&format!("key clinic-keys/dicom-cmk/{version} disabled"));
    rig.pass(60);
    assert_eq!(
        (rig.data_plane(), rig.get(&Rig::service()).text(KEY)),
        (500, old.as_str())
    );
    let started = rig.put_key(&new);
    rig.pass(30);
    let operation = rig.get(started.header("azure-asyncoperation"));
    assert_eq!(
        operation.code(),
        "KeyDisabled",
        "the data must be read with the old version first"
    );
}

#[test]
fn keys_that_do_not_fit_are_refused_at_the_end_of_the_operation() {
    let cases = [
        (
            json!({ "kty": "EC", "curveName": "P-256" }),
            "KeyTypeNotSupported",
        ),
        (
            json!({ "kty": "RSA", "keySize": 4096 }),
            "KeySizeNotSupported",
        ),
        (
            json!({ "kty": "RSA", "keyOps": ["sign"] }),
            "KeyOperationForbidden",
        ),
        (json!({ "kty": "RSA-HSM", "keySize": 3072 }), ""),
    ];
    for (properties, code) in cases {
        let mut rig = Rig::encrypted();
        let path = format!("{}/keys/other?api-version=2026-02-01", Rig::vault());
        let made = rig.put(&path, json!({ "properties": properties }));
        let url = made.text("/properties/keyUriWithVersion").to_owned();
        let started = rig.put_key(&url);
        rig.pass(30);
        assert_eq!(rig.get(started.header("azure-asyncoperation")).code(), code);
        let now = rig.get(&Rig::service()).text(KEY).to_owned();
        assert_eq!(now == url, code.is_empty(), "{code}");
    }
}

#[test]
fn vaults_without_purge_protection_or_of_another_tenant_are_refused() {
    let cases = [
        (
            "enablePurgeProtection",
            json!(null),
            "KeyVaultNotPurgeProtected",
        ),
        (
            "enableSoftDelete",
            json!(false),
            "KeyVaultNotPurgeProtected",
        ),
        (
            "tenantId",
            json!("88888888-8888-8888-8888-888888888888"),
            "KeyVaultInAnotherTenant",
        ),
    ];
    for (name, value, code) in cases {
        let mut world = crate::azure::World::builtin();
        world.services[0].identity = Some("SystemAssigned".to_owned());
        world.services[0].key = Some("clinic-keys/dicom-cmk".to_owned());
        world.vaults[0].properties.insert(name.to_owned(), value);
        let mut rig = Rig::with(world);
        let url = rig.key_url();
        let started = rig.put_key(&url);
        rig.pass(30);
        assert_eq!(rig.get(started.header("azure-asyncoperation")).code(), code);
    }
}

#[test]
fn going_back_to_microsofts_keys_takes_an_empty_url_and_a_readable_key() {
    let mut rig = Rig::encrypted();
    rig.put_key("");
    rig.pass(30);
    let service = rig.get(&Rig::service());
    assert_eq!(
        (
            service.text("/properties/provisioningState"),
            service.text(KEY)
        ),
        ("Succeeded", "")
    );
    rig.set("vault clinic-keys deleted");
    rig.pass(3600);
    assert_eq!(rig.data_plane(), 200, "nobody reads the key any more");
}

#[test]
fn health_set_by_hand_is_the_platforms_doing_until_it_is_automatic_again() {
    let mut rig = Rig::encrypted();
    rig.set("health radiology unavailable");
    let health = rig.health();
    assert_eq!(health.text("/properties/availabilityState"), "Unavailable");
    assert_eq!(health.text("/properties/context"), "Platform Initiated");
    assert_eq!(rig.data_plane(), 200);
    rig.set("health radiology automatic");
    assert_eq!(state(&mut rig), "Available");
}

#[test]
fn a_deleted_user_assigned_identity_is_a_lost_key() {
    let mut world = crate::azure::World::builtin();
    world.services[0].identity = Some("radiology-identity".to_owned());
    world.services[0].key = Some("clinic-keys/dicom-cmk".to_owned());
    let mut rig = Rig::with(world);
    rig.pass(120);
    assert_eq!(rig.data_plane(), 200);
    rig.set("identity radiology-identity deleted");
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500);
    assert_eq!(
        rig.get(&format!("{}?api-version=2023-01-31", Rig::identity()))
            .status,
        404
    );
}

#[test]
fn speed_divides_the_delays() {
    let mut rig = Rig::encrypted();
    let settings = crate::azure::Settings {
        speed: 60.0,
        ..<_>::default()
    };
    let mut world = crate::azure::World::builtin();
    world.services[0].identity = Some("SystemAssigned".to_owned());
    world.services[0].key = Some("clinic-keys/dicom-cmk".to_owned());
    rig.azure = crate::azure::Azure::new(world, settings, rig.now);
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(1);
    assert_eq!(rig.data_plane(), 500);
    rig.pass(30);
    assert_eq!(rig.data_plane(), 424);
}
