//! Microsoft.Authorization: role definitions and role assignments.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    caller::matches,
    estate::Estate,
    path::covers,
};

/// A role definition.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) built_in: bool,
    pub(super) actions: Vec<String>,
    pub(super) data_actions: Vec<String>,
    pub(super) assignable_scopes: Vec<String>,
}

/// A role assignment, with the times that make it eventually consistent.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scope: String,
    /// The role's GUID, lower case.
    pub(super) role: String,
    pub(super) principal: String,
    pub(super) principal_type: String,
    /// Writable properties that are only kept: `description`, `condition`, `conditionVersion`.
    pub(super) kept: Map<String, Value>,
    pub(super) created: Timestamp,
    pub(super) created_by: String,
    pub(super) effective: Timestamp,
    pub(super) listed: Timestamp,
    /// Set once removed: it may go on to take effect until then.
    pub(super) ends: Option<Timestamp>,
}

impl Assignment {
    pub(super) fn is_effective(&self, at: Timestamp) -> bool {
        self.effective <= at && self.ends.is_none_or(|ends| ends > at)
    }

    fn show(&self) -> Value {
        let subscription = self.scope.split('/').nth(2).unwrap_or_default();
        let mut properties = Map::new();
        let role = format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.role
        );
        properties.insert("roleDefinitionId".to_owned(), json!(role));
        properties.insert("principalId".to_owned(), json!(self.principal));
        properties.insert("principalType".to_owned(), json!(self.principal_type));
        properties.insert("scope".to_owned(), json!(self.scope));
        properties.extend(self.kept.clone());
        let created = self.created.to_string();
        properties.insert("createdOn".to_owned(), json!(created));
        properties.insert("updatedOn".to_owned(), json!(created));
        properties.insert("createdBy".to_owned(), json!(self.created_by));
        properties.insert("updatedBy".to_owned(), json!(self.created_by));
        json!({
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": properties,
        })
    }
}

impl Role {
    pub(super) fn permits_data(&self, action: &str) -> bool {
        self.data_actions
            .iter()
            .any(|pattern| matches(pattern, action))
    }

    fn show(&self, scope: &str) -> Value {
        let subscription = scope
            .split('/')
            .nth(2)
            .filter(|_| scope.starts_with("/subscriptions/"));
        let prefix = subscription
            .map(|id| format!("/subscriptions/{id}"))
            .unwrap_or_default();
        json!({
            "id": format!("{prefix}/providers/Microsoft.Authorization/roleDefinitions/{}", self.guid),
            "name": self.guid,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.name,
                "description": self.description,
                "type": if self.built_in { "BuiltInRole" } else { "CustomRole" },
                "assignableScopes": self.assignable_scopes,
                "permissions": [{
                    "actions": self.actions,
                    "notActions": [],
                    "dataActions": self.data_actions,
                    "notDataActions": [],
                }],
            },
        })
    }
}

impl Estate {
    pub(super) fn role_definitions(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let scope = &ask.path.scope;
        let guid = ask.path.name(0).to_ascii_lowercase();
        let missing = || {
            let message = format!("The specified role definition with ID '{guid}' does not exist.");
            Failure::missing("RoleDefinitionDoesNotExist", message)
        };
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => {
                let filter = ask.call.parameter("$filter").unwrap_or_default();
                let (name, kind) = (
                    filter_value(filter, "roleName"),
                    filter_value(filter, "type"),
                );
                let fits = |role: &&Role| {
                    let own = if role.built_in {
                        "BuiltInRole"
                    } else {
                        "CustomRole"
                    };
                    name.is_none_or(|name| role.name.eq_ignore_ascii_case(name))
                        && kind.is_none_or(|kind| kind.eq_ignore_ascii_case(own))
                };
                Ok(ask.page(
                    self.roles
                        .values()
                        .filter(fits)
                        .map(|role| role.show(scope))
                        .collect(),
                ))
            }
            (&Method::GET, true) => self
                .roles
                .get(&guid)
                .map(|role| Answer::ok(role.show(scope)))
                .ok_or_else(missing),
            (&Method::PUT, true) => {
                let role = read_role(&guid, &ask.call.object()?)?;
                let shown = role.show(scope);
                self.roles.insert(guid, role);
                Ok(Answer::with(StatusCode::CREATED, shown))
            }
            (&Method::DELETE, true) => Ok(self
                .roles
                .remove(&guid)
                .map_or(Answer::empty(StatusCode::NO_CONTENT), |role| {
                    Answer::ok(role.show(scope))
                })),
            _ => Err(Failure::method(ask.call)),
        }
    }

    pub(super) fn role_assignments(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let key = id.to_ascii_lowercase();
        let living = |assignment: &&Assignment| assignment.ends.is_none();
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => self.list_assignments(ask),
            (&Method::GET, true) => {
                let found = self.assignments.get(&key).filter(living);
                found.map(|found| Answer::ok(found.show())).ok_or_else(|| {
                    let name = ask.path.name(0);
                    let message = format!("The role assignment '{name}' is not found.");
                    Failure::missing("RoleAssignmentNotFound", message)
                })
            }
            (&Method::PUT, true) => self.put_assignment(ask, id),
            (&Method::DELETE, true) => {
                let Some(found) = self.assignments.get_mut(&key).filter(|a| a.ends.is_none())
                else {
                    return Ok(Answer::empty(StatusCode::NO_CONTENT));
                };
                let settings = ask.settings;
                found.ends = Some(settings.after(ask.call.now, settings.role_removal_effect));
                Ok(Answer::ok(found.show()))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    /// `atScope()`: here and above. `principalId eq` and no filter: here, above and below;
    /// `assignedTo` counts direct assignments only, there are no groups here.
    fn list_assignments(&self, ask: &Ask<'_>) -> Result<Answer> {
        let filter = ask.call.parameter("$filter").unwrap_or_default();
        let wanted = filter_value(filter, "principalId").or_else(|| {
            let inner = filter.split_once("assignedTo(")?.1;
            Some(inner.split(')').next()?.trim_matches('\''))
        });
        let at_scope = filter.to_ascii_lowercase().contains("atscope()");
        if !filter.is_empty() && wanted.is_none() && !at_scope {
            let message = format!("The filter '{filter}' is not supported.");
            return Err(Failure::bad("UnsupportedQuery", message));
        }
        let scope = &ask.path.scope;
        let here = |own: &str| covers(own, scope) || !at_scope && covers(scope, own);
        let rows = self
            .assignments
            .values()
            .filter(|found| found.ends.is_none() && found.listed <= ask.call.now)
            .filter(|found| here(&found.scope))
            .filter(|found| wanted.is_none_or(|id| id.eq_ignore_ascii_case(&found.principal)))
            .map(Assignment::show)
            .collect();
        Ok(ask.page(rows))
    }

    fn put_assignment(&mut self, ask: &Ask<'_>, id: String) -> Result<Answer> {
        let body = ask.call.object()?;
        let properties = body
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let (Some(role), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
            let message = "The role assignment needs roleDefinitionId and principalId.";
            return Err(Failure::bad("InvalidRoleAssignment", message));
        };
        let role = role
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let kind = text("principalType").unwrap_or("User");
        ask.caller
            .require_grantable((&role, kind), &id, ask.operator)?;
        if uuid::Uuid::parse_str(ask.path.name(0)).is_err() {
            let message = format!(
                "The role assignment ID '{}' is not valid. The role assignment ID \
                must be a GUID.",
                ask.path.name(0)
            );
            return Err(Failure::bad("InvalidRoleAssignmentId", message));
        }
        if !self.roles.contains_key(&role) {
            let message = format!("The specified role definition with ID '{role}' does not exist.");
            return Err(Failure::bad("RoleDefinitionDoesNotExist", message));
        }
        self.require_scope(&ask.path.scope)?;
        self.require_principal(principal, text("principalType"), ask.call.now)?;
        let same = |found: &Assignment| {
            found.role == role
                && found.principal.eq_ignore_ascii_case(principal)
                && found.scope.eq_ignore_ascii_case(&ask.path.scope)
        };
        let name = ask.path.name(0);
        let living = || {
            self.assignments
                .values()
                .filter(|found| found.ends.is_none())
        };
        if let Some(found) = living().find(|found| found.name.eq_ignore_ascii_case(name)) {
            if same(found) {
                return Ok(Answer::ok(found.show()));
            }
            let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be \
                           updated.";
            return Err(Failure::bad("RoleAssignmentUpdateNotPermitted", message));
        }
        if let Some(found) = living().find(|found| same(found)) {
            let message = format!(
                "The role assignment already exists. The ID of the conflicting \
                role assignment is {}.",
                found.name.replace('-', "")
            );
            return Err(Failure::conflict("RoleAssignmentExists", message));
        }
        let (now, settings) = (ask.call.now, ask.settings);
        let kept = ["description", "condition", "conditionVersion"];
        let assignment = Assignment {
            name: name.to_owned(),
            scope: ask.path.scope.clone(),
            principal: principal.to_owned(),
            principal_type: if text("principalType").is_some() {
                kind
            } else {
                "ServicePrincipal"
            }
            .to_owned(),
            kept: properties
                .iter()
                .filter(|(field, value)| kept.contains(&field.as_str()) && !value.is_null())
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect(),
            created: now,
            created_by: ask.caller.principal.clone(),
            effective: settings.after(now, settings.role_effect),
            listed: settings.after(now, settings.role_list_lag),
            ends: None,
            role,
            id,
        };
        let shown = assignment.show();
        self.assignments
            .insert(assignment.id.to_ascii_lowercase(), assignment);
        Ok(Answer::with(StatusCode::CREATED, shown))
    }

    /// The directory knows a principal at once when its type is said, a little later otherwise.
    fn require_principal(&self, id: &str, kind: Option<&str>, now: Timestamp) -> Result<()> {
        let known = self.principals.get(id).filter(|principal| principal.exists);
        let told = kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("User"));
        if let (Some(_), Some(kind)) = (known, kind)
            && !kind.eq_ignore_ascii_case("ServicePrincipal")
        {
            let message = format!(
                "The PrincipalId '{id}' has type 'ServicePrincipal', which is \
                different from specified PrincipalType '{kind}'."
            );
            return Err(Failure::bad("UnmatchedPrincipalType", message));
        }
        if told || known.is_some_and(|principal| principal.replicated <= now) {
            return Ok(());
        }
        let message = format!(
            "Principal {} does not exist in the directory {}. Check that you have the correct \
             principal ID. If you are creating this principal and then immediately assigning a \
             role, this error might be related to a replication delay. In this case, set the role \
             assignment principalType property to a value, such as ServicePrincipal, User, or \
             Group. See https://aka.ms/docs-principaltype",
            id.replace('-', ""),
            self.tenant
        );
        Err(Failure::bad("PrincipalNotFound", message))
    }
}

fn read_role(guid: &str, body: &Map<String, Value>) -> Result<Role> {
    let properties = body.get("properties").cloned().unwrap_or_default();
    let Some(name) = properties.get("roleName").and_then(Value::as_str) else {
        return Err(Failure::bad(
            "InvalidRoleDefinitionName",
            "The role needs a roleName.",
        ));
    };
    let words = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let permissions = |list: &str| -> Vec<String> {
        let all = properties
            .get("permissions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        all.flat_map(|permission| words(permission.get(list)))
            .collect()
    };
    let description = properties
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(Role {
        guid: guid.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        built_in: false,
        actions: permissions("actions"),
        data_actions: permissions("dataActions"),
        assignable_scopes: words(properties.get("assignableScopes")),
    })
}

/// The value in `name eq 'value'`, wherever that stands in an OData filter.
pub(super) fn filter_value<'a>(filter: &'a str, name: &str) -> Option<&'a str> {
    filter.split(" and ").find_map(|term| {
        let mut words = term.trim().splitn(3, ' ');
        let (field, operator, value) = (words.next()?, words.next()?, words.next()?);
        (field.eq_ignore_ascii_case(name) && operator.eq_ignore_ascii_case("eq"))
            .then(|| value.trim().trim_matches('\''))
    })
}

/// The built-in roles that have to do with keys, and DICOM's reader.
pub(super) fn built_in_roles() -> Vec<Role> {
    let keys = |verbs: &[&str]| -> Vec<String> {
        verbs
            .iter()
            .map(|verb| format!("Microsoft.KeyVault/vaults/keys/{verb}"))
            .collect()
    };
    let role = |guid: &str, name: &str, data_actions: Vec<String>| Role {
        guid: guid.to_owned(),
        name: name.to_owned(),
        description: format!("{name}, as built into Azure."),
        built_in: true,
        actions: Vec::new(),
        data_actions,
        assignable_scopes: vec!["/".to_owned()],
    };
    let metadata = ["*/read", "secrets/readMetadata/action"];
    let user = [
        "read",
        "update/action",
        "backup/action",
        "encrypt/action",
        "decrypt/action",
        "wrap/action",
        "unwrap/action",
        "sign/action",
        "verify/action",
    ];
    let owner = |guid: &str, name: &str| Role {
        actions: vec!["*".to_owned()],
        ..role(guid, name, Vec::new())
    };
    vec![
        role(
            "00482a5a-887f-4fb3-b363-3b7fe8e74483",
            "Key Vault Administrator",
            vec!["Microsoft.KeyVault/vaults/*".to_owned()],
        ),
        role(
            "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
            "Key Vault Crypto Officer",
            [
                keys(&["*"]),
                vec!["Microsoft.KeyVault/vaults/keyrotationpolicies/*".to_owned()],
            ]
            .concat(),
        ),
        role(
            "e147488a-f6f5-4113-8e2d-b22465e65bf6",
            "Key Vault Crypto Service Encryption User",
            keys(&["read", "wrap/action", "unwrap/action"]),
        ),
        role(
            "12338af0-0e69-4776-bea7-57ae8d297424",
            "Key Vault Crypto User",
            keys(&user),
        ),
        role(
            "21090545-7ca7-4776-b22c-e363652d74d2",
            "Key Vault Reader",
            metadata
                .map(|verb| format!("Microsoft.KeyVault/vaults/{verb}"))
                .to_vec(),
        ),
        role(
            "e89c7a3c-2f64-4fa1-a847-3e4c9ba4283a",
            "DICOM Data Reader",
            vec!["Microsoft.HealthcareApis/workspaces/dicomservices/resources/read".to_owned()],
        ),
        owner("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"),
        owner("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"),
    ]
}

#[cfg(test)]
mod tests;
