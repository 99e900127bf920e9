use serde_json::json;

use super::*;

const SCOPE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/Imaging/providers/Microsoft.KeyVault/vaults/clinic-keys";

fn vault() -> ResourceId {
    SCOPE.parse().unwrap()
}

#[test]
fn an_assignment_is_read_with_role_principal_and_azures_times() {
    let read = decode(json!({
        "id": format!("{SCOPE}/providers/Microsoft.Authorization/roleAssignments/b0f43c54-e787-4862-89b1-a653fa9cf747"),
        "name": "b0f43c54-e787-4862-89b1-a653fa9cf747",
        "properties": {
            "roleDefinitionId": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/E147488A-f6f5-4113-8e2d-b22465e65bf6",
            "principalId": "00000000-0000-0000-0000-000000000002", "principalType": "ServicePrincipal",
            "condition": "", "createdOn": "2026-03-01T08:00:00.1234567Z",
        },
    }))
    .unwrap();
    assert_eq!(
        read.role,
        Uuid::try_parse("e147488a-f6f5-4113-8e2d-b22465e65bf6").ok()
    );
    assert_eq!(read.principal_id, Some(Uuid::from_u128(2)));
    assert_eq!(read.scope, SCOPE);
    assert_eq!(read.condition, None);
    assert_eq!(read.created_on, "2026-03-01T08:00:00.1234567Z".parse().ok());
    assert_eq!(
        decode(json!({"id": "/x", "properties": {}}))
            .unwrap_err()
            .path,
        "properties"
    );
}

#[test]
fn one_odd_row_does_not_hide_the_others() {
    let row = |principal: &str| json!({"id": "/x", "properties": {"roleDefinitionId": "odd", "principalId": principal, "createdOn": "never"}});
    let body = json!({"value": [row("not a guid"), row("00000000-0000-0000-0000-000000000009")]});
    let read = page(body.to_string().as_bytes(), decode).unwrap().items;
    assert_eq!(
        (read[0].principal_id, read[0].role, read[0].created_on),
        (None, None, None)
    );
    assert_eq!(read[1].principal_id, Some(Uuid::from_u128(9)));
}

#[test]
fn an_assignment_is_made_for_a_service_principal() {
    let assignment = NewAssignment {
        scope: vault(),
        name: Uuid::from_u128(7),
        role: Uuid::from_u128(8),
        principal_id: Uuid::from_u128(9),
    };
    let call = put(&assignment);
    assert_eq!(call.method, Method::PUT);
    assert_eq!(call.target, assignment_target(SCOPE, Uuid::from_u128(7)));
    let properties = &call.body.unwrap()["properties"];
    assert_eq!(properties["principalType"], json!("ServicePrincipal"));
    assert_eq!(
        properties["principalId"],
        json!("00000000-0000-0000-0000-000000000009")
    );
    assert_eq!(
        properties["roleDefinitionId"],
        json!(
            "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-000000000008"
        )
    );
}

#[test]
fn an_id_of_azure_is_followed_only_if_it_is_an_assignments() {
    let name = "b0f43c54-e787-4862-89b1-a653fa9cf747";
    let call = get_by_id(&format!(
        "{SCOPE}/PROVIDERS/microsoft.authorization/roleassignments/{name}"
    ))
    .unwrap();
    assert_eq!(
        call.target,
        assignment_target(SCOPE, Uuid::try_parse(name).unwrap())
    );
    for hostile in [
        "",
        SCOPE,
        &format!("{SCOPE}/providers/Microsoft.Authorization/roleAssignments/x"),
        &format!("//evil.example/providers/Microsoft.Authorization/roleAssignments/{name}"),
        &format!("/subscriptions/x/providers/Microsoft.Authorization/roleAssignments/{name}"),
        &format!("{SCOPE}/../..{ASSIGNMENTS}/{name}"),
        &format!("{SCOPE}?x={ASSIGNMENTS}/{name}"),
        &format!("{SCOPE}%2f{ASSIGNMENTS}/{name}"),
    ] {
        assert!(get_by_id(hostile).is_none(), "{hostile}");
    }
}

#[test]
fn each_entry_of_a_role_stands_for_itself() {
    let read = decode_role(&json!({
        "id": "/r", "properties": {"roleName": "Custom", "permissions": [
            {"actions": ["*"], "dataActions": ["Microsoft.KeyVault/vaults/keys/*"], "notDataActions": null}, {},
        ]},
    }))
    .unwrap();
    assert_eq!(read.role_name, "Custom");
    assert_eq!(
        read.permissions[0].data_actions,
        ["Microsoft.KeyVault/vaults/keys/*"]
    );
    assert_eq!(read.permissions[1], Permission::default());
    let odd = json!({"id": "/r", "properties": {"permissions": [{"dataActions": "*"}]}});
    assert_eq!(
        decode_role(&odd).unwrap_err().path,
        "properties.permissions[0].dataActions"
    );
}
