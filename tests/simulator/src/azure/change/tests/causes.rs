//! Each way in which a service loses its key, or nearly, made by hand.

use serde_json::json;

use super::parse;
use crate::azure::{
    Azure, Reply, Settings, World,
    rig::{GROUP, KEY, Rig, SUBSCRIPTION},
};

const HOST: &str = "https://clinic-keys.vault.azure.net";
const OPERATOR: &str = "33333333-3333-3333-3333-333333333333";

fn versions() -> String {
    format!("{HOST}/keys/dicom-cmk/versions?api-version=7.5")
}

fn statuses(scope: &str) -> String {
    format!(
        "{scope}/providers/Microsoft.ResourceHealth/availabilityStatuses?api-version=2024-02-01"
    )
}

fn denials(scope: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01")
}

/// Lets the service test its key, and says what its data plane answers then.
fn after_a_test(rig: &mut Rig) -> u16 {
    rig.pass(60);
    rig.data_plane()
}

#[test]
fn a_host_takes_so_many_calls_in_ten_seconds_and_no_more() {
    let mut rig = Rig::new();
    let settings = Settings {
        vault_calls: 20,
        ..Settings::default()
    };
    rig.azure = Azure::new(World::builtin(), settings, rig.now);
    for _ in 0..20 {
        assert_eq!(rig.get(&versions()).status, 200);
    }
    rig.pass(3);
    let refused = rig.get(&versions());
    assert_eq!(
        (
            refused.status,
            refused.code(),
            refused.header("retry-after")
        ),
        (429, "Throttled", "8")
    );
    rig.pass(7);
    assert_eq!(rig.get(&versions()).status, 200);
}

#[test]
fn a_host_may_be_out_of_the_operators_reach_alone() {
    let mut rig = Rig::encrypted();
    rig.set("role-assignments clinic-keys added operator Key Vault Reader");
    rig.pass(300);
    rig.as_operator();
    assert_eq!(rig.get(&versions()).status, 200);
    rig.set("vault clinic-keys data-plane-closed");
    let request = rig.request("GET", &versions(), None);
    let reply = rig.azure.handle(&request, rig.now);
    assert!(matches!(reply, Reply::Reset), "{reply:?}");
    let vault = format!("{}?api-version=2026-02-01", Rig::vault());
    assert_eq!(rig.get(&vault).status, 200);
    rig.client = "owner".to_owned();
    assert_eq!(rig.get(&versions()).status, 200);
    assert_eq!(after_a_test(&mut rig), 200);
    rig.set("vault clinic-keys data-plane-open");
    rig.as_operator();
    assert_eq!(rig.get(&versions()).status, 200);
}

#[test]
fn a_vault_whose_name_is_being_registered_has_no_host() {
    let mut rig = Rig::encrypted();
    rig.set("vault clinic-keys registering-dns");
    let vault = rig.get(&format!("{}?api-version=2026-02-01", Rig::vault()));
    assert_eq!(
        vault.text("/properties/provisioningState"),
        "RegisteringDns"
    );
    assert_eq!(rig.get(&versions()).status, 502);
    assert_eq!(after_a_test(&mut rig), 500);
    rig.set("vault clinic-keys registered");
    assert_eq!(rig.get(&versions()).status, 200);
}

#[test]
fn a_perimeter_keeps_trusted_services_out_too() {
    let mut rig = Rig::encrypted();
    rig.set("vault clinic-keys perimeter-closed");
    assert_eq!(after_a_test(&mut rig), 500);
    rig.set("vault clinic-keys perimeter-open");
    assert_eq!(after_a_test(&mut rig), 503);
}

#[test]
fn without_the_bypass_an_open_firewall_still_lets_the_service_pass() {
    let mut rig = Rig::encrypted();
    rig.set("vault clinic-keys bypass-off");
    assert_eq!(after_a_test(&mut rig), 200);
    rig.set("vault clinic-keys firewall-closed");
    assert_eq!(after_a_test(&mut rig), 500);
}

#[test]
fn a_deny_assignment_wins_over_every_role() {
    let mut rig = Rig::encrypted();
    rig.set("deny-assignments clinic-keys added");
    assert_eq!(after_a_test(&mut rig), 500);
    for scope in [GROUP, SUBSCRIPTION, Rig::vault().as_str()] {
        let rows = rig.get(&denials(scope)).rows();
        let denied = "/properties/permissions/0/dataActions/0";
        assert_eq!(rows.len(), 1, "{scope}");
        assert_eq!(
            rows[0].pointer(denied),
            Some(&json!("Microsoft.KeyVault/vaults/keys/*"))
        );
        let everybody = json!("00000000-0000-0000-0000-000000000000");
        assert_eq!(
            rows[0].pointer("/properties/principals/0/id"),
            Some(&everybody)
        );
        let id = rows[0]["id"].as_str().unwrap();
        assert_eq!(
            rig.get(&format!("{id}?api-version=2022-04-01")).body,
            rows[0]
        );
    }
    let above = rig.get(&format!("{}&$filter=atScope()", denials(GROUP)));
    assert_eq!(above.rows(), [json!(null); 0]);
    rig.set("deny-assignments clinic-keys removed");
    assert_eq!(after_a_test(&mut rig), 503);
    rig.set(&format!("deny-assignments clinic-keys added {OPERATOR}"));
    assert_eq!(after_a_test(&mut rig), 503, "that concerns somebody else");
}

#[test]
fn one_version_is_switched_off_or_lost_and_the_others_stay() {
    let mut rig = Rig::encrypted();
    let old = rig.get(&Rig::service()).text(KEY).to_owned();
    let old = old.rsplit('/').next().unwrap().to_owned();
    rig.set("key clinic-keys/dicom-cmk new-version");
    let path = format!("clinic-keys/dicom-cmk/{old}");
    rig.set(&format!("key {path} disabled"));
    let enabled = |own: &mut Rig| -> Vec<bool> {
        let rows = own.get(&versions()).rows();
        let switch = |row: &serde_json::Value| row["attributes"]["enabled"] == true;
        rows.iter().map(switch).collect()
    };
    assert_eq!(enabled(&mut rig), [false, true]);
    assert_eq!(after_a_test(&mut rig), 500);
    rig.set(&format!("key {path} enabled"));
    rig.set(&format!("key {path} deleted"));
    assert_eq!(enabled(&mut rig), [true]);
    let one = format!("{}/keys/dicom-cmk/versions/{old}", Rig::vault());
    let one = format!("{one}?api-version=2026-02-01");
    assert_eq!(rig.get(&one).code(), "KeyNotFound");
    let twice = parse(&format!("key {path} deleted")).unwrap();
    let refused = rig.azure.apply(&twice, rig.now).unwrap_err().to_string();
    assert!(refused.contains("gone already"), "{refused}");
    rig.set(&format!("key {path} recovered"));
    assert_eq!(enabled(&mut rig), [true, true]);
    assert_eq!(
        rig.get(&versions()).rows()[0]["kid"],
        format!("{HOST}/keys/dicom-cmk/{old}")
    );
}

#[test]
fn a_key_may_lose_the_permission_to_unwrap() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk unwrap-forbidden");
    let path = format!("{}/keys/dicom-cmk?api-version=2026-02-01", Rig::vault());
    let operations = rig.get(&path).at("/properties/keyOps").to_string();
    assert!(!operations.contains("unwrapKey"), "{operations}");
    assert_eq!(after_a_test(&mut rig), 500);
    rig.set("key clinic-keys/dicom-cmk unwrap-permitted");
    assert_eq!(after_a_test(&mut rig), 503);
}

#[test]
fn assignments_get_a_condition_and_lose_it() {
    let mut rig = Rig::encrypted();
    let list = "providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01";
    let list = format!("{}/{list}", Rig::vault());
    rig.set("role-assignments clinic-keys conditional");
    let condition = rig.get(&list).rows()[0]["properties"]["condition"].clone();
    assert!(condition.as_str().unwrap().contains("@Resource"));
    rig.set("role-assignments clinic-keys unconditional");
    let properties = rig.get(&list).rows()[0]["properties"].clone();
    assert_eq!(properties.get("condition"), None);
}

#[test]
fn a_key_expires_when_it_was_told_to() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk expires-in 20d");
    let expiry = rig.get(&versions()).rows()[0]["attributes"]["exp"].clone();
    assert_eq!(expiry, rig.now.as_second() + 20 * 86_400);
    assert_eq!(after_a_test(&mut rig), 200);
    rig.set("key clinic-keys/dicom-cmk expires-in 30s");
    assert_eq!(after_a_test(&mut rig), 500);
}

#[test]
fn a_service_may_stand_failed_until_an_operation_ends_well() {
    let mut rig = Rig::encrypted();
    let state = |own: &mut Rig| {
        let service = own.get(&Rig::service());
        service.text("/properties/provisioningState").to_owned()
    };
    rig.set("service radiology provisioning failed");
    assert_eq!(state(&mut rig), "Failed");
    let body = rig.get(&Rig::service()).body;
    assert_eq!(rig.put(&Rig::service(), body).status, 202);
    rig.pass(30);
    assert_eq!(state(&mut rig), "Succeeded");
    let odd = parse("service radiology provisioning tired").unwrap();
    let refused = rig.azure.apply(&odd, rig.now).unwrap_err().to_string();
    assert!(refused.contains("Succeeded, Failed"), "{refused}");
}

#[test]
fn a_revalidation_that_fails_or_is_canceled_works_the_next_time() {
    let mut rig = Rig::encrypted();
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(3600);
    rig.set("key clinic-keys/dicom-cmk enabled");
    rig.pass(3600);
    assert_eq!(rig.data_plane(), 424);
    for (state, answer) in [("Failed", 424), ("Canceled", 424), ("Succeeded", 200)] {
        match state {
            "Failed" => drop(rig.set("service radiology operation-fails")),
            "Canceled" => drop(rig.set("service radiology operation-canceled")),
            _ => {}
        }
        let body = rig.get(&Rig::service()).body;
        assert_eq!(rig.put(&Rig::service(), body).status, 202);
        rig.pass(30);
        let service = rig.get(&Rig::service());
        assert_eq!(service.text("/properties/provisioningState"), state);
        assert_eq!(rig.data_plane(), answer);
    }
}

#[test]
fn resource_health_may_be_late_or_stay_green() {
    let mut rig = Rig::encrypted();
    let word = |own: &mut Rig| {
        own.health()
            .text("/properties/availabilityState")
            .to_owned()
    };
    rig.set("health radiology late 10m");
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(600);
    assert_eq!(
        (word(&mut rig).as_str(), rig.data_plane()),
        ("Available", 500)
    );
    rig.pass(60);
    assert_eq!(word(&mut rig), "Degraded");
    rig.set("health radiology stuck");
    rig.set("key clinic-keys/dicom-cmk enabled");
    rig.pass(600);
    assert_eq!(
        (word(&mut rig).as_str(), rig.data_plane()),
        ("Degraded", 200)
    );
    rig.set("health radiology automatic");
    assert_eq!(word(&mut rig), "Available");
    rig.set("health radiology stuck");
    rig.set("key clinic-keys/dicom-cmk disabled");
    rig.pass(600);
    assert_eq!(
        (word(&mut rig).as_str(), rig.data_plane()),
        ("Available", 500)
    );
}

#[test]
fn other_resources_fill_the_pages_of_a_subscriptions_health_and_of_nothing_else() {
    let mut rig = Rig::new();
    assert_eq!(rig.get(&statuses(SUBSCRIPTION)).rows().len(), 2);
    rig.set("foreign-resources 2500");
    let mut path = statuses(SUBSCRIPTION);
    let mut sizes = Vec::new();
    let mut ours = 0;
    loop {
        let page = rig.get(&path);
        sizes.push(page.rows().len());
        let here = |row: &serde_json::Value| {
            let id = row["id"].as_str().unwrap_or_default();
            id.starts_with(GROUP)
        };
        ours += page.rows().iter().filter(|row| here(row)).count();
        path = page.text("/nextLink").to_owned();
        if path.is_empty() {
            break;
        }
    }
    assert_eq!((sizes, ours), (vec![1000, 1000, 502], 2));
    assert_eq!(rig.get(&statuses(GROUP)).rows().len(), 2);
}
