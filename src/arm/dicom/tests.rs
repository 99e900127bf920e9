use serde_json::json;

use super::*;

fn workspace_id() -> WorkspaceId {
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic"
        .parse()
        .unwrap()
}

#[test]
fn a_service_is_read_from_the_example_of_its_specification() {
    let read = decode(json!({
        "name": "blue",
        "systemData": {"createdAt": "2026-01-02T03:04:05Z", "lastModifiedAt": "2026-02-03T04:05:06.7654321+00:00"},
        "id": "/subscriptions/subid/resourceGroups/testRG/providers/Microsoft.HealthcareApis/workspaces/workspace1/dicomservices/blue",
        "properties": {
            "authenticationConfiguration": {"authority": "https://login", "audiences": []},
            "provisioningState": "Succeeded",
            "serviceUrl": "https://workspace1-blue.dicom.azurehealthcareapis.com",
            "eventState": "Disabled",
            "encryption": {"customerManagedKeyEncryption": {
                "keyEncryptionKeyUrl": "https://mykeyvault.vault.azure.net/keys/myEncryptionKey/myKeyVersion"
            }},
        },
        "identity": {
            "principalId": "2f1f372f-edcf-43f5-aedb-173da3cc5c1e",
            "tenantId": "abfde7b2-df0f-47e6-aabf-2462b07508dc",
            "type": "SystemAssigned"
        }
    }))
    .unwrap();
    assert!(read.identity.system_assigned);
    assert_eq!(
        read.identity.principal_id,
        Uuid::try_parse("2f1f372f-edcf-43f5-aedb-173da3cc5c1e").ok()
    );
    assert_eq!(read.provisioning_state, ProvisioningState::Succeeded);
    assert_eq!(
        read.key_url.as_deref(),
        Some("https://mykeyvault.vault.azure.net/keys/myEncryptionKey/myKeyVersion")
    );
    assert_eq!((read.location, read.etag), (None, None));
    let modified = read.modified_at.map(|at| at.to_string());
    assert_eq!(modified.as_deref(), Some("2026-02-03T04:05:06.7654321Z"));
}

#[test]
fn missing_null_and_empty_encryption_all_mean_microsofts_keys() {
    for encryption in [
        json!(null),
        json!({}),
        json!({"customerManagedKeyEncryption": null}),
        json!({"customerManagedKeyEncryption": {}}),
        json!({"customerManagedKeyEncryption": {"keyEncryptionKeyUrl": " "}}),
    ] {
        let read = decode(json!({"id": "/x", "properties": {"encryption": encryption}})).unwrap();
        assert_eq!(read.key_url, None);
        assert_eq!(read.provisioning_state, ProvisioningState::Absent);
    }
}

#[test]
fn wrong_types_are_named_by_their_place() {
    let place = |value| decode(value).unwrap_err().path;
    assert_eq!(
        place(json!({"id": "/x", "properties": {"encryption": 5}})),
        "properties.encryption"
    );
    let deep = json!({"id": "/x", "properties": {"encryption": {"customerManagedKeyEncryption": {"keyEncryptionKeyUrl": []}}}});
    assert_eq!(
        place(deep),
        "properties.encryption.customerManagedKeyEncryption.keyEncryptionKeyUrl"
    );
    let identity = json!({"id": "/x", "properties": {}, "identity": {"userAssignedIdentities": {"/a": {"principalId": 1}}}});
    assert_eq!(
        place(identity),
        "identity.userAssignedIdentities.principalId"
    );
}

#[test]
fn the_kinds_of_identity_are_read_without_regard_to_case_and_blanks() {
    let read = |kind: &str| {
        let attached = json!({"/UPPER/id": {"principalId": "00000000-0000-0000-0000-000000000005"}, "/b": null});
        let identity = json!({"type": kind, "principalId": "00000000-0000-0000-0000-000000000006", "userAssignedIdentities": attached});
        decode(json!({"id": "/x", "properties": {}, "identity": identity}))
            .unwrap()
            .identity
    };
    let both = read("systemassigned, userAssigned");
    assert!(both.system_assigned && both.unknown_kind.is_none());
    assert_eq!(both.principal_id, Some(Uuid::from_u128(6)));
    assert_eq!(both.user_assigned.len(), 2);
    assert_eq!(both.user_assigned[0].id, "/UPPER/id");
    assert_eq!(both.user_assigned[0].principal_id, Some(Uuid::from_u128(5)));
    let user = read("userAssigned");
    assert_eq!((user.system_assigned, user.principal_id), (false, None));
    assert_eq!(read("Martian").unknown_kind.as_deref(), Some("Martian"));
}

#[test]
fn only_ended_operations_allow_a_write() {
    let state = |word| ProvisioningState::parse(Some(word));
    for word in ["Succeeded", "failed", "CANCELED", "cancelled"] {
        assert!(state(word).is_terminal(), "{word}");
    }
    for word in [
        "Updating",
        "Creating",
        "Accepted",
        "Verifying",
        "Moving",
        "SystemMaintenance",
        "NewWord",
    ] {
        assert_eq!(state(word), ProvisioningState::Busy(word.to_owned()));
        assert!(!state(word).is_terminal());
    }
    assert!(!state("Suspended").is_terminal());
    assert!(!ProvisioningState::Absent.is_terminal());
}

#[test]
fn calls_are_named_paths_of_the_one_version() {
    let service = workspace_id().service("radiology").unwrap();
    let call = get(&service);
    assert_eq!(call.target, target(service.id().as_str().to_owned()));
    assert_eq!(call.method, Method::GET);
    let Target::Path {
        path,
        api_version,
        query: [],
    } = list(&workspace_id()).target
    else {
        panic!()
    };
    assert!(path.ends_with("/workspaces/clinic/dicomservices"), "{path}");
    assert_eq!(api_version, "2024-03-31");
    let write = put(&service, json!({"location": "westeurope"}));
    assert_eq!(
        (write.method, write.body),
        (Method::PUT, Some(json!({"location": "westeurope"})))
    );
}
