//! Groups, providers, and what belongs to no provider.

use serde_json::json;

use crate::azure::rig::{GROUP, Rig, SUBSCRIPTION};

fn at(path: &str) -> String {
    format!("{path}?api-version=2023-07-01")
}

#[test]
fn groups_are_created_found_and_deleted_with_all_that_is_in_them() {
    let mut rig = Rig::encrypted();
    let group = format!("{SUBSCRIPTION}/resourceGroups/other");
    assert_eq!(rig.call("HEAD", &at(&group), None).status, 404);
    assert_eq!(
        rig.put(&at(&group), json!({ "location": "northeurope" }))
            .status,
        201
    );
    assert_eq!(rig.call("HEAD", &at(&group), None).status, 204);
    assert_eq!(
        rig.get(&at(&format!("{SUBSCRIPTION}/resourcegroups")))
            .rows()
            .len(),
        2
    );
    assert_eq!(rig.call("DELETE", &at(GROUP), None).status, 200);
    assert_eq!(rig.get(&Rig::service()).status, 404);
    assert_eq!(rig.get(&at(GROUP)).code(), "ResourceGroupNotFound");
    let orphan = format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x");
    assert_eq!(
        rig.put(&at(&orphan), json!({ "location": "x" })).code(),
        "ResourceGroupNotFound"
    );
}

#[test]
fn subscriptions_that_do_not_exist_are_told() {
    let mut rig = Rig::new();
    let elsewhere = GROUP.replace("11111111-", "21111111-");
    assert_eq!(rig.get(&at(&elsewhere)).code(), "SubscriptionNotFound");
    rig.as_operator();
    assert_eq!(rig.get(&at("/subscriptions")).rows().len(), 1);
    assert_eq!(rig.get(&at("/tenants")).rows().len(), 1);
}

#[test]
fn providers_are_registered_and_name_their_types() {
    let mut rig = Rig::new();
    let one = format!("{SUBSCRIPTION}/providers/microsoft.keyvault");
    assert_eq!(rig.get(&at(&one)).text("/registrationState"), "Registered");
    assert_eq!(
        rig.call("POST", &at(&format!("{one}/register")), None)
            .status,
        200
    );
    let all = rig.get(&at(&format!("{SUBSCRIPTION}/providers"))).rows();
    assert!(
        all.iter()
            .any(|row| row["namespace"] == "Microsoft.HealthcareApis"),
        "{all:?}"
    );
    let strange = format!("{SUBSCRIPTION}/providers/Microsoft.Strange");
    assert_eq!(rig.get(&at(&strange)).code(), "InvalidResourceNamespace");
    let no_type = format!("{GROUP}/providers/Microsoft.Strange/things/x");
    assert_eq!(rig.get(&at(&no_type)).code(), "InvalidResourceType");
}

#[test]
fn all_resources_are_listed_and_filtered_by_type() {
    let mut rig = Rig::new();
    let list = at(&format!("{SUBSCRIPTION}/resources"));
    assert_eq!(rig.get(&list).rows().len(), 4);
    let filter = "resourceType%20eq%20%27Microsoft.KeyVault%2Fvaults%27%20and%20name%20eq%20%27clinic-keys%27";
    let vaults = rig.get(&format!("{list}&$filter={filter}"));
    assert_eq!(vaults.text("/value/0/id"), Rig::vault());
    assert_eq!(vaults.rows().len(), 1);
}

#[test]
fn availability_is_listed_by_group_and_subscription() {
    let mut rig = Rig::new();
    for scope in [GROUP, SUBSCRIPTION] {
        let list = format!("{scope}/providers/Microsoft.ResourceHealth/availabilityStatuses");
        let rows = rig.get(&format!("{list}?api-version=2024-02-01")).rows();
        assert_eq!(rows.len(), 2, "the service and the vault");
        assert!(
            rows.iter()
                .all(|row| row["properties"]["occuredTime"].is_string()),
            "{rows:?}"
        );
        assert!(
            rows.iter()
                .all(|row| row["properties"]["recommendedActions"].is_null())
        );
    }
    let nobody = format!(
        "{}-x/providers/Microsoft.ResourceHealth/availabilityStatuses/current",
        Rig::vault()
    );
    assert_eq!(
        rig.get(&format!("{nobody}?api-version=2024-02-01")).status,
        404
    );
}

#[test]
fn an_identity_made_again_is_another_principal() {
    let mut rig = Rig::new();
    let path = format!("{}?api-version=2023-01-31", Rig::identity());
    let first = rig.get(&path).text("/properties/principalId").to_owned();
    assert_eq!(rig.call("DELETE", &path, None).status, 200);
    let made = rig.put(&path, json!({ "location": "westeurope" }));
    assert_eq!(made.status, 201);
    assert_ne!(made.text("/properties/principalId"), first);
    assert_eq!(
        rig.put(&path, json!({ "location": "westeurope" })).status,
        200
    );
    let child = format!(
        "{}/federatedIdentityCredentials/k8s?api-version=2023-01-31",
        Rig::identity()
    );
    let body =
        json!({ "properties": { "issuer": "https://i", "subject": "s", "audiences": ["a"] } });
    assert_eq!(rig.put(&child, body.clone()).status, 201);
    assert_eq!(rig.get(&child).at("/properties"), &body["properties"]);
}
