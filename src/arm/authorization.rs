//! `Microsoft.Authorization`: role assignments and role definitions.
//!
//! Lists are not filtered, so that one answer serves every principal below a scope. Nothing here
//! deletes.

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json as json_value};
use uuid::Uuid;

use crate::{
    arm::{
        call::{
            Call, Decode, Page, Target, Undecodable, guid, json, moment, null_as_default, page,
            typed,
        },
        error::Subject,
    },
    azure::ResourceId,
};

/// The version of the interface.
pub const API_VERSION: &str = "2022-04-01";

/// A role assignment as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleAssignment {
    /// The id in Azure's spelling.
    pub id: String,
    /// Where it holds, and below.
    pub scope: String,
    /// The GUID at the end of the role definition's id.
    pub role: Option<Uuid>,
    /// The principal that has the role.
    pub principal_id: Option<Uuid>,
    /// `ServicePrincipal`, `User`, `Group`..., as it came.
    pub principal_type: Option<String>,
    /// A condition that narrows it.
    pub condition: Option<String>,
    /// When it was made, by Azure's clock.
    pub created_on: Option<Timestamp>,
    /// When it was last changed, by Azure's clock.
    pub updated_on: Option<Timestamp>,
}

/// A role as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleDefinition {
    /// The id in Azure's spelling.
    pub id: String,
    /// What the portal calls it.
    pub role_name: String,
    /// What it permits. Each entry stands for itself: what one withholds, another may give.
    pub permissions: Vec<Permission>,
}

/// One entry of a role.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    /// Actions on data that are given, as patterns.
    #[serde(deserialize_with = "null_as_default")]
    pub data_actions: Vec<String>,
    /// Actions on data that are withheld, as patterns.
    #[serde(deserialize_with = "null_as_default")]
    pub not_data_actions: Vec<String>,
}

/// A role assignment to be made. Its name is derived by whoever decides to make it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewAssignment {
    /// Where it shall hold: a vault or a key.
    pub scope: ResourceId,
    /// Its name: unique within the tenant.
    pub name: Uuid,
    /// The role.
    pub role: Uuid,
    /// The principal of a managed identity.
    pub principal_id: Uuid,
}

/// Lists the assignments that hold at the subscription or anywhere below it.
pub fn list_in_subscription(subscription: Uuid) -> Call<Page<RoleAssignment>> {
    list(format!("/subscriptions/{subscription}"), subscription)
}

/// Lists the assignments that hold at a resource, those made above it included.
pub fn list_at(resource: &ResourceId) -> Call<Page<RoleAssignment>> {
    list(resource.to_string(), resource.subscription())
}

/// Reads one assignment by the id that Azure gave it; `None` if that is not such an id.
pub fn get_by_id(id: &str) -> Option<Call<RoleAssignment>> {
    let lower = id.to_ascii_lowercase();
    let (scope, name) = lower.rsplit_once(&ASSIGNMENTS.to_ascii_lowercase())?;
    let name = Uuid::try_parse(name.strip_prefix('/')?).ok()?;
    let subscription = scope.strip_prefix("/subscriptions/")?.split('/').next()?;
    let subscription = Uuid::try_parse(subscription).ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.()/".contains(&byte);
    if !scope.bytes().all(plain) || scope.contains("..") || scope.contains("//") {
        return None;
    }
    // the spelling of the scope is Azure's own
    let scope = id.get(..scope.len())?;
    let target = assignment_target(scope, name);
    Some(read(
        "read the role assignment",
        target,
        id.to_owned(),
        subscription,
    ))
}

/// Makes an assignment. Made twice, it is the same one.
pub fn put(assignment: &NewAssignment) -> Call<RoleAssignment> {
    let NewAssignment {
        scope,
        name,
        role,
        principal_id,
    } = assignment;
    let subscription = scope.subscription();
    let subject = Subject {
        what: "give the role at",
        action: "Microsoft.Authorization/roleAssignments/write",
        target: scope.to_string(),
    };
    let target = assignment_target(&scope.to_string(), *name);
    let body = json_value!({
        "properties": {
            "roleDefinitionId": role_definition_id(subscription, *role),
            "principalId": principal_id.to_string(),
            // without it Azure looks for a user, and does not find a new identity for minutes
            "principalType": "ServicePrincipal",
        }
    });
    Call::get(
        subject,
        target,
        Some(subscription),
        Decode(|_, bytes| decode(json(bytes)?)),
    )
    .write(Method::PUT, body)
}

/// Reads a role.
pub fn role_definition(subscription: Uuid, role: Uuid) -> Call<RoleDefinition> {
    let path = role_definition_id(subscription, role);
    let subject = Subject {
        what: "read the role",
        action: "Microsoft.Authorization/roleDefinitions/read",
        target: path.clone(),
    };
    let target = Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    };
    Call::get(
        subject,
        target,
        Some(subscription),
        Decode(|_, bytes| decode_role(&json(bytes)?)),
    )
}

/// The id of a role as seen from a subscription.
pub fn role_definition_id(subscription: Uuid, role: Uuid) -> String {
    format!(
        "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    )
}

fn list(scope: String, subscription: Uuid) -> Call<Page<RoleAssignment>> {
    let path = format!("{scope}{ASSIGNMENTS}");
    let target = Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    };
    let subject = Subject {
        what: "list the role assignments at",
        action: READ,
        target: scope,
    };
    Call::get(
        subject,
        target,
        Some(subscription),
        Decode(|_, bytes| page(bytes, decode)),
    )
}

fn read(
    what: &'static str,
    target: Target,
    shown: String,
    subscription: Uuid,
) -> Call<RoleAssignment> {
    let subject = Subject {
        what,
        action: READ,
        target: shown,
    };
    Call::get(
        subject,
        target,
        Some(subscription),
        Decode(|_, bytes| decode(json(bytes)?)),
    )
}

fn assignment_target(scope: &str, name: Uuid) -> Target {
    let path = format!("{scope}{ASSIGNMENTS}/{name}");
    Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    }
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    properties: WireProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProperties {
    scope: Option<String>,
    role_definition_id: String,
    #[serde(default, deserialize_with = "guid")]
    principal_id: Option<Uuid>,
    principal_type: Option<String>,
    condition: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    created_on: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    updated_on: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WireRole {
    id: String,
    properties: WireRoleProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRoleProperties {
    role_name: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    permissions: Vec<Permission>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of every row decoder"
)]
fn decode(raw: Value) -> Result<RoleAssignment, Undecodable> {
    let Wire { id, properties } = typed(&raw)?;
    let role = properties
        .role_definition_id
        .rsplit('/')
        .next()
        .unwrap_or_default();
    Ok(RoleAssignment {
        scope: properties.scope.unwrap_or_else(|| scope_of(&id)),
        role: Uuid::try_parse(role).ok(),
        principal_id: properties.principal_id,
        principal_type: properties.principal_type,
        condition: properties
            .condition
            .filter(|condition| !condition.trim().is_empty()),
        created_on: properties.created_on,
        updated_on: properties.updated_on,
        id,
    })
}

fn decode_role(raw: &Value) -> Result<RoleDefinition, Undecodable> {
    let WireRole { id, properties } = typed(raw)?;
    let WireRoleProperties {
        role_name,
        permissions,
    } = properties;
    Ok(RoleDefinition {
        id,
        role_name: role_name.unwrap_or_default(),
        permissions,
    })
}

/// What an assignment's own id says of its scope.
fn scope_of(id: &str) -> String {
    let position = id
        .to_ascii_lowercase()
        .rfind(&ASSIGNMENTS.to_ascii_lowercase());
    position
        .and_then(|end| id.get(..end))
        .unwrap_or_default()
        .to_owned()
}

const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";
const READ: &str = "Microsoft.Authorization/roleAssignments/read";

#[cfg(test)]
mod tests;
