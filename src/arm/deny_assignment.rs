//! `Microsoft.Authorization`: deny assignments, which take away what roles give. Azure makes them
//! (deployment stacks, managed applications); nobody can make one by hand.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    arm::{
        authorization::{API_VERSION, Permission},
        call::{Call, Decode, Page, Target, Undecodable, null_as_default, page, typed},
        error::Subject,
    },
    azure::ResourceId,
};

/// A deny assignment as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DenyAssignment {
    /// The id in Azure's spelling.
    pub id: String,
    /// What the portal calls it.
    pub name: String,
    /// Where it holds.
    pub scope: String,
    /// It does not hold below its scope.
    pub only_at_scope: bool,
    /// What it takes away. Each entry stands for itself: what one leaves, another may take.
    pub permissions: Vec<Permission>,
    /// Whose; the nil GUID stands for everybody.
    pub principals: Vec<Uuid>,
    /// Whose it does not take away.
    pub excluded: Vec<Uuid>,
    /// Whether it, or an entry of it, has a condition that narrows it.
    pub conditional: bool,
}

/// Lists the deny assignments that hold at the subscription, above it or anywhere below it.
pub fn list_in_subscription(subscription: Uuid) -> Call<Page<DenyAssignment>> {
    list(format!("/subscriptions/{subscription}"), subscription)
}

/// Lists the deny assignments that hold at a resource, above it or below it.
pub fn list_at(resource: &ResourceId) -> Call<Page<DenyAssignment>> {
    list(resource.to_string(), resource.subscription())
}

fn list(scope: String, subscription: Uuid) -> Call<Page<DenyAssignment>> {
    let target = Target::Path {
        path: format!("{scope}/providers/Microsoft.Authorization/denyAssignments"),
        api_version: API_VERSION,
        query: &[],
    };
    let subject = Subject {
        what: "list the deny assignments at",
        action: "Microsoft.Authorization/denyAssignments/read",
        target: scope,
    };
    Call::get(
        subject,
        target,
        Some(subscription),
        Decode(|_, bytes| page(bytes, decode)),
    )
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    properties: WireProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProperties {
    deny_assignment_name: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    permissions: Vec<WirePermission>,
    scope: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    do_not_apply_to_child_scopes: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    principals: Vec<WirePrincipal>,
    #[serde(default, deserialize_with = "null_as_default")]
    exclude_principals: Vec<WirePrincipal>,
    condition: Option<String>,
}

#[derive(Deserialize)]
struct WirePermission {
    #[serde(flatten)]
    permission: Permission,
    condition: Option<String>,
}

#[derive(Deserialize)]
struct WirePrincipal {
    #[serde(deserialize_with = "strict")]
    id: Uuid,
}

/// A wrong one is an error: whoever is spared must not look as if he were hit.
fn strict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    Uuid::try_parse(&text).map_err(|_| D::Error::custom("expected a GUID"))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of every row decoder"
)]
fn decode(raw: Value) -> Result<DenyAssignment, Undecodable> {
    let Wire { id, properties } = typed(&raw)?;
    let WireProperties {
        deny_assignment_name,
        permissions,
        scope,
        do_not_apply_to_child_scopes,
        principals,
        exclude_principals,
        condition,
    } = properties;
    let narrows =
        |words: &Option<String>| words.as_ref().is_some_and(|text| !text.trim().is_empty());
    let ids = |rows: Vec<WirePrincipal>| rows.into_iter().map(|row| row.id).collect();
    Ok(DenyAssignment {
        name: deny_assignment_name.unwrap_or_default(),
        scope: scope.unwrap_or_else(|| scope_of(&id)),
        only_at_scope: do_not_apply_to_child_scopes,
        conditional: narrows(&condition)
            || permissions.iter().any(|entry| narrows(&entry.condition)),
        permissions: permissions
            .into_iter()
            .map(|entry| entry.permission)
            .collect(),
        principals: ids(principals),
        excluded: ids(exclude_principals),
        id,
    })
}

/// What a deny assignment's own id says of its scope.
fn scope_of(id: &str) -> String {
    let position = id.to_ascii_lowercase().rfind(SUFFIX);
    position
        .and_then(|end| id.get(..end))
        .unwrap_or_default()
        .to_owned()
}

const SUFFIX: &str = "/providers/microsoft.authorization/denyassignments";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deny_assignment_is_read_with_whom_it_spares() {
        let everybody = Uuid::nil();
        let spared = Uuid::from_u128(7);
        let read = decode(json!({
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/denyAssignments/d",
            "name": "d",
            "properties": {
                "denyAssignmentName": "Deny assignment of a deployment stack",
                "permissions": [
                    {"actions": ["*/delete"], "notActions": [], "dataActions": null},
                    {"dataActions": ["Microsoft.KeyVault/*"], "condition": " "},
                ],
                "doNotApplyToChildScopes": true,
                "principals": [{"id": everybody.to_string(), "type": "SystemDefined"}],
                "excludePrincipals": [{"id": spared.to_string(), "type": "ServicePrincipal"}],
                "isSystemProtected": true,
            },
        }))
        .unwrap();
        assert_eq!(read.scope, "/subscriptions/s/resourceGroups/g");
        assert!(read.only_at_scope && !read.conditional);
        assert_eq!(
            (read.principals, read.excluded),
            (vec![everybody], vec![spared])
        );
        let [first, second] = &read.permissions[..] else {
            panic!("two entries");
        };
        assert_eq!(first.data_actions, Vec::<String>::new());
        assert_eq!(second.data_actions, ["Microsoft.KeyVault/*"]);
    }

    #[test]
    fn an_entry_with_a_condition_makes_it_conditional_and_a_principal_without_an_id_is_an_error() {
        let with = |permissions, principals| {
            decode(json!({"id": "/x", "properties": {
                "permissions": permissions, "principals": principals,
            }}))
        };
        let narrowed = with(json!([{"condition": "@Resource[x]"}]), json!([])).unwrap();
        assert!(narrowed.conditional && !narrowed.only_at_scope);
        let odd = with(json!([]), json!([{"id": "nobody"}])).unwrap_err();
        assert_eq!(odd.path, "properties.principals[0].id");
    }
}
