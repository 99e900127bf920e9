//! Microsoft.Authorization: role definitions, those built into Azure and those that people add.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    authorization::filter_value,
    caller::matches,
    estate::Estate,
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
            (&Method::DELETE, true) => Ok(self.roles.remove(&guid).map_or_else(
                || Answer::empty(StatusCode::NO_CONTENT),
                |role| Answer::ok(role.show(scope)),
            )),
            _ => Err(Failure::method(ask.call)),
        }
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
