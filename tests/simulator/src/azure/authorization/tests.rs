//! Role assignments and definitions as clients see them.

use serde_json::json;

use crate::azure::{
    estate::guid,
    rig::{ENCRYPTION_USER, GROUP, Rig, SUBSCRIPTION},
};

fn list(scope: &str, filter: &str) -> String {
    let filter = filter.replace(' ', "%20").replace('\'', "%27");
    let filter = if filter.is_empty() {
        filter
    } else {
        format!("&$filter={filter}")
    };
    format!(
        "{scope}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01{filter}"
    )
}

#[test]
fn an_assignment_is_created_once_and_confirmed_ever_after() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    let made = rig.grant(&principal);
    assert_eq!(made.status, 201);
    assert_eq!(made.text("/properties/createdOn"), "2026-11-24T08:00:30Z");
    assert_eq!(made.text("/properties/scope"), Rig::vault());
    assert_eq!(made.text("/properties/principalType"), "ServicePrincipal");
    let again = rig.grant(&principal);
    assert_eq!((again.status, &again.body), (200, &made.body));
    let name = Rig::assignment(&Rig::vault(), &guid("another name"));
    let twice = rig.put(&name, Rig::assignment_body(&principal));
    assert_eq!((twice.status, twice.code()), (409, "RoleAssignmentExists"));
    let bare = guid(&principal).replace('-', "");
    assert!(twice.text("/error/message").contains(&bare));
    let other = Rig::assignment_body("33333333-3333-3333-3333-333333333333");
    let changed = rig.put(&Rig::assignment(&Rig::vault(), &guid(&principal)), other);
    assert_eq!(
        (changed.status, changed.code()),
        (400, "RoleAssignmentUpdateNotPermitted")
    );
}

#[test]
fn lists_show_an_assignment_later_than_a_get_does() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    rig.grant(&principal);
    assert_eq!(
        rig.get(&Rig::assignment(&Rig::vault(), &guid(&principal)))
            .status,
        200
    );
    assert_eq!(rig.get(&list(&Rig::vault(), "")).rows().len(), 0);
    rig.pass(5);
    assert_eq!(rig.get(&list(&Rig::vault(), "")).rows().len(), 1);
    rig.set("role-assignments clinic-keys removed");
    assert_eq!(rig.get(&list(&Rig::vault(), "")).rows().len(), 0);
}

#[test]
fn filters_see_here_above_and_below_as_documented() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    let key = format!("{}/keys/dicom-cmk", Rig::vault());
    for scope in [
        SUBSCRIPTION.to_owned(),
        GROUP.to_owned(),
        Rig::vault(),
        key.clone(),
    ] {
        let path = Rig::assignment(&scope, &guid(&scope));
        assert_eq!(
            rig.put(&path, Rig::assignment_body(&principal)).status,
            201,
            "{scope}"
        );
    }
    rig.pass(5);
    let mine = format!("principalId eq '{principal}'");
    let other = "principalId eq '33333333-3333-3333-3333-333333333333'";
    let assigned = format!("atScope() and assignedTo('{principal}')");
    let cases = [
        (Rig::vault(), "", 4),
        (Rig::vault(), "atScope()", 3),
        (SUBSCRIPTION.to_owned(), "", 4),
        (SUBSCRIPTION.to_owned(), "atScope()", 1),
        (GROUP.to_owned(), mine.as_str(), 4),
        (GROUP.to_owned(), other, 0),
        (key.to_uppercase(), assigned.as_str(), 4),
    ];
    for (scope, filter, count) in cases {
        let answer = rig.get(&list(&scope, filter));
        assert_eq!(answer.rows().len(), count, "{scope} {filter}");
    }
    assert_eq!(
        rig.get(&list(GROUP, "type eq 'x'")).code(),
        "UnsupportedQuery"
    );
}

#[test]
fn principals_that_are_new_need_their_type_said() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    let path = Rig::assignment(&Rig::vault(), &guid("x"));
    let mut body = Rig::assignment_body(&principal);
    body["properties"]
        .as_object_mut()
        .unwrap()
        .remove("principalType");
    assert_eq!(rig.put(&path, body.clone()).code(), "PrincipalNotFound");
    body["properties"]["principalType"] = json!("Group");
    assert_eq!(
        rig.put(&path, body.clone()).code(),
        "UnmatchedPrincipalType"
    );
    body["properties"]
        .as_object_mut()
        .unwrap()
        .remove("principalType");
    rig.pass(15);
    assert_eq!(rig.put(&path, body.clone()).status, 201);
    body["properties"]["principalId"] = json!("00000000-0000-0000-0000-00000000dead");
    assert_eq!(rig.put(&path, body).code(), "PrincipalNotFound");
}

#[test]
fn the_operator_may_assign_its_two_roles_to_service_principals_only() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    rig.as_operator();
    let administrator = "00482a5a-887f-4fb3-b363-3b7fe8e74483";
    for (role, kind, status) in [
        (administrator, "ServicePrincipal", 403),
        (ENCRYPTION_USER, "User", 403),
        (ENCRYPTION_USER, "ServicePrincipal", 201),
    ] {
        let mut body = Rig::assignment_body(&principal);
        body["properties"]["roleDefinitionId"] = json!(format!(
            "/providers/Microsoft.Authorization/roleDefinitions/{role}"
        ));
        body["properties"]["principalType"] = json!(kind);
        let answer = rig.put(&Rig::assignment(&Rig::vault(), &guid(role)), body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(
            answer.text("/error/message").contains("ABAC"),
            status == 403
        );
    }
}

#[test]
fn unknown_roles_scopes_and_names_are_refused() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    let body = Rig::assignment_body(&principal);
    let mut strange = body.clone();
    strange["properties"]["roleDefinitionId"] = json!("/providers/x/roleDefinitions/nobody");
    let at = |scope: &str, name: &str| Rig::assignment(scope, name);
    let gone = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/gone");
    assert_eq!(
        rig.put(&at(&Rig::vault(), &guid("x")), strange).code(),
        "RoleDefinitionDoesNotExist"
    );
    assert_eq!(
        rig.put(&at(&gone, &guid("x")), body.clone()).code(),
        "ResourceNotFound"
    );
    assert_eq!(
        rig.put(&at(&Rig::vault(), "x"), body).code(),
        "InvalidRoleAssignmentId"
    );
}

#[test]
fn deleting_answers_with_what_was_there_and_then_with_nothing() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    rig.grant(&principal);
    let path = Rig::assignment(&Rig::vault(), &guid(&principal));
    let deleted = rig.call("DELETE", &path, None);
    assert_eq!(
        (deleted.status, deleted.text("/properties/principalId")),
        (200, principal.as_str())
    );
    assert_eq!(rig.call("DELETE", &path, None).status, 204);
    assert_eq!(rig.get(&path).code(), "RoleAssignmentNotFound");
}

#[test]
fn role_definitions_are_found_by_name_and_by_id_and_custom_ones_are_kept() {
    let mut rig = Rig::new();
    let base = "/providers/Microsoft.Authorization/roleDefinitions";
    let filter = "$filter=roleName%20eq%20%27Key%20Vault%20Crypto%20Service%20Encryption%20User%27";
    let found = rig.get(&format!(
        "{}{base}?api-version=2022-04-01&{filter}",
        Rig::vault()
    ));
    assert_eq!(found.rows().len(), 1);
    assert_eq!(found.text("/value/0/name"), ENCRYPTION_USER);
    assert_eq!(
        found.text("/value/0/id"),
        format!("{SUBSCRIPTION}{base}/{ENCRYPTION_USER}")
    );
    let by_id = rig.get(&format!("{base}/{ENCRYPTION_USER}?api-version=2022-04-01"));
    assert_eq!(by_id.text("/properties/type"), "BuiltInRole");
    let own = format!(
        "{SUBSCRIPTION}{base}/{}?api-version=2022-04-01",
        guid("own role")
    );
    assert_eq!(rig.get(&own).status, 404);
    let body = json!({ "properties": {
        "roleName": "operator",
        "permissions": [{ "actions": ["Microsoft.KeyVault/vaults/read"], "dataActions": [] }],
        "assignableScopes": [SUBSCRIPTION],
    }});
    assert_eq!(rig.put(&own, body).status, 201);
    let kept = rig.get(&own);
    assert_eq!(
        kept.at("/properties/permissions/0/actions"),
        &json!(["Microsoft.KeyVault/vaults/read"])
    );
}
