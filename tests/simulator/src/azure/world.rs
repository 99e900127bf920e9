//! The estate that a simulation starts with, as people write it in YAML.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    authorization::{Assignment, built_in_roles},
    caller::matches,
    document::defaults,
    estate::{Estate, Plain, guid},
    service::{Binding, Service, encryption},
    settings::Settings,
    vault::{Key, KeyReference, Vault, Version},
};

/// What exists when a simulation begins. [`World::builtin`] is the estate of the documentation;
/// a YAML file may describe another one. Fields that are not known are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct World {
    /// The tenant's GUID.
    #[serde(default = "tenant")]
    pub tenant: String,
    /// The subscriptions; groups that name none lie in the first.
    #[serde(default = "subscriptions")]
    pub subscriptions: Vec<String>,
    /// The one client whose rights are limited; any other is an owner.
    #[serde(default)]
    pub operator: Operator,
    /// Resource groups.
    #[serde(default)]
    pub resource_groups: Vec<GroupSpec>,
    /// User-assigned identities.
    #[serde(default)]
    pub identities: Vec<NamedSpec>,
    /// Workspaces of Azure Health Data Services.
    #[serde(default)]
    pub workspaces: Vec<NamedSpec>,
    /// Key vaults with their keys.
    #[serde(default)]
    pub vaults: Vec<VaultSpec>,
    /// DICOM services.
    #[serde(default)]
    pub services: Vec<ServiceSpec>,
    /// Role assignments that are in effect from the start.
    #[serde(default)]
    pub role_assignments: Vec<AssignmentSpec>,
}

/// What the operator's client may do; the built-in one has what its custom role needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operator {
    /// The client id in its token requests.
    pub client_id: String,
    /// The object id of its service principal.
    pub principal_id: String,
    /// Allowed actions; a `*` stands for any text.
    pub actions: Vec<String>,
    /// Scopes where they are allowed; empty: everywhere.
    pub scopes: Vec<String>,
    /// GUIDs of the roles it may assign; empty: any.
    pub grantable_roles: Vec<String>,
    /// Principal types it may assign them to; empty: any.
    pub grantable_principal_types: Vec<String>,
}

/// A resource group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Its region, which everything in it shares.
    #[serde(default = "location")]
    pub location: String,
    /// Its subscription; absent: the first.
    pub subscription: Option<String>,
}

/// A resource that has a name in a group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedSpec {
    /// Its name.
    pub name: String,
    /// Its resource group; absent: the first.
    pub resource_group: Option<String>,
}

/// A key vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultSpec {
    /// Its name.
    pub name: String,
    /// Its resource group; absent: the first.
    pub resource_group: Option<String>,
    /// Properties as ARM has them, laid over those of a sound vault with roles, soft delete and
    /// purge protection; `null` removes one.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// Its keys.
    #[serde(default)]
    pub keys: Vec<KeySpec>,
}

/// A key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// Its name.
    pub name: String,
    /// `RSA`, `RSA-HSM`, `EC` or `EC-HSM`; absent: `RSA`.
    pub kty: Option<String>,
    /// Bits of an RSA key; absent: 2048.
    pub key_size: Option<u32>,
    /// Permitted operations; absent: all that the type has.
    pub key_ops: Option<Vec<String>>,
    /// How many versions it has; absent: one.
    pub versions: Option<usize>,
    /// Attributes of all versions: `enabled`, `nbf`, `exp` (seconds since 1970).
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// A DICOM service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// Its workspace; absent: the first.
    pub workspace: Option<String>,
    /// The name of a user-assigned identity, `SystemAssigned`, or absent.
    pub identity: Option<String>,
    /// `<vault>/<key>` of the key that encrypts it already, with its newest version; the service's
    /// identity is granted the use of it.
    pub key: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Map<String, Value>,
    /// More properties, also such as nobody knows.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// A role assignment.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssignmentSpec {
    /// A principal's GUID, or the name of a user-assigned identity.
    pub principal: String,
    /// A role's GUID or name.
    pub role: String,
    /// The scope: an ARM id, or a vault's name.
    pub scope: String,
}

impl World {
    /// Tenant 9999..., subscription 1111..., group `imaging`, workspace `clinic`, service
    /// `radiology`, vault `clinic-keys` with key `dicom-cmk`, identity `radiology-identity`.
    pub fn builtin() -> Self {
        let named = |name: &str| NamedSpec {
            name: name.to_owned(),
            resource_group: None,
        };
        Self {
            tenant: tenant(),
            subscriptions: subscriptions(),
            operator: Operator::default(),
            resource_groups: vec![GroupSpec {
                name: "imaging".to_owned(),
                location: location(),
                subscription: None,
            }],
            identities: vec![named("radiology-identity")],
            workspaces: vec![named("clinic")],
            vaults: vec![VaultSpec {
                name: "clinic-keys".to_owned(),
                resource_group: None,
                properties: Map::new(),
                keys: vec![KeySpec {
                    name: "dicom-cmk".to_owned(),
                    kty: None,
                    key_size: None,
                    key_ops: None,
                    versions: None,
                    attributes: Map::new(),
                }],
            }],
            services: vec![ServiceSpec {
                name: "radiology".to_owned(),
                workspace: None,
                identity: None,
                key: None,
                tags: Map::new(),
                properties: Map::new(),
            }],
            role_assignments: Vec::new(),
        }
    }

    /// Reads a YAML file's text.
    ///
    /// # Errors
    /// A sentence that says which line cannot be read and why.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// The estate as it is at `now`.
    pub(super) fn build(&self, settings: &Settings, now: Timestamp) -> Estate {
        let mut estate = Estate::default();
        estate.tenant.clone_from(&self.tenant);
        for (place, id) in self.subscriptions.iter().enumerate() {
            let name = format!("Simulated subscription {}", place.saturating_add(1));
            estate.subscriptions.insert(id.to_ascii_lowercase(), name);
        }
        for role in built_in_roles() {
            estate.roles.insert(role.guid.clone(), role);
        }
        estate.add_principal(&self.operator.principal_id, "operator".to_owned(), now);
        for group in &self.resource_groups {
            let mut plain = Plain::new(self.group_id(Some(&group.name)), &group.location);
            plain
                .properties
                .insert("provisioningState".to_owned(), json!("Succeeded"));
            estate.groups.insert(plain.id.to_ascii_lowercase(), plain);
        }
        for identity in &self.identities {
            let (id, place) = self.place(
                identity.resource_group.as_deref(),
                "Microsoft.ManagedIdentity/userAssignedIdentities",
                &identity.name,
            );
            estate.add_identity(id, &place, (settings, now));
        }
        for workspace in &self.workspaces {
            let (id, place) = self.place(
                workspace.resource_group.as_deref(),
                "Microsoft.HealthcareApis/workspaces",
                &workspace.name,
            );
            let mut plain = Plain::new(id, &place);
            plain
                .properties
                .insert("provisioningState".to_owned(), json!("Succeeded"));
            plain
                .properties
                .insert("publicNetworkAccess".to_owned(), json!("Enabled"));
            estate
                .workspaces
                .insert(plain.id.to_ascii_lowercase(), plain);
        }
        for vault in &self.vaults {
            let vault = self.vault(vault, now);
            estate
                .vaults
                .insert(vault.plain.id.to_ascii_lowercase(), vault);
        }
        for service in &self.services {
            self.add_service(&mut estate, service, (settings, now));
        }
        for spec in &self.role_assignments {
            self.assign(&mut estate, spec, now);
        }
        estate
    }

    fn group(&self, name: Option<&str>) -> Option<&GroupSpec> {
        let first = self.resource_groups.first();
        name.map_or(first, |name| {
            self.resource_groups
                .iter()
                .find(|group| group.name.eq_ignore_ascii_case(name))
                .or(first)
        })
    }

    fn group_id(&self, name: Option<&str>) -> String {
        let group = self.group(name);
        let subscription = group
            .and_then(|group| group.subscription.as_ref())
            .or_else(|| self.subscriptions.first())
            .map_or("", String::as_str);
        let name = group.map_or("", |group| group.name.as_str());
        format!("/subscriptions/{subscription}/resourceGroups/{name}")
    }

    /// Id and location of a resource.
    fn place(&self, group: Option<&str>, kind: &str, name: &str) -> (String, String) {
        let location = self
            .group(group)
            .map_or_else(location, |group| group.location.clone());
        (
            format!("{}/providers/{kind}/{name}", self.group_id(group)),
            location,
        )
    }

    fn vault(&self, spec: &VaultSpec, now: Timestamp) -> Vault {
        let (id, place) = self.place(
            spec.resource_group.as_deref(),
            "Microsoft.KeyVault/vaults",
            &spec.name,
        );
        let mut vault = Vault {
            plain: Plain::new(id, &place),
            keys: <_>::default(),
        };
        let sound = json!({
            "tenantId": self.tenant,
            "sku": { "family": "A", "name": "premium" },
            "accessPolicies": [],
            "enabledForDeployment": false,
            "enableSoftDelete": true,
            "softDeleteRetentionInDays": 90,
            "enablePurgeProtection": true,
            "enableRbacAuthorization": true,
            "publicNetworkAccess": "Enabled",
            "provisioningState": "Succeeded",
            "vaultUri": format!("{}/", vault.url()),
        });
        let mut properties = sound.as_object().cloned().unwrap_or_default();
        properties.extend(spec.properties.clone());
        properties.retain(|_, value| !value.is_null());
        vault.plain.properties = properties;
        for key in &spec.keys {
            let entry = Key {
                name: key.name.clone(),
                tags: None,
                versions: Vec::new(),
                deleted: None,
            };
            vault.keys.insert(key.name.to_ascii_lowercase(), entry);
            for _ in 0..key.versions.unwrap_or(1).max(1) {
                vault.add_version(&key.name, key.version(now));
            }
        }
        vault
    }

    fn add_service(
        &self,
        estate: &mut Estate,
        spec: &ServiceSpec,
        (settings, now): (&Settings, Timestamp),
    ) {
        let first = self.workspaces.first();
        let workspace = spec.workspace.as_ref().map_or(first, |name| {
            self.workspaces
                .iter()
                .find(|own| own.name.eq_ignore_ascii_case(name))
                .or(first)
        });
        let Some(workspace) = workspace else { return };
        let group = workspace.resource_group.as_deref();
        let kind = format!(
            "Microsoft.HealthcareApis/workspaces/{}/dicomservices",
            workspace.name
        );
        let (id, place) = self.place(group, &kind, &spec.name);
        let mut service = Service::new(id, &place, now);
        let mut properties = spec.properties.clone();
        for (name, value) in defaults() {
            properties.entry(name).or_insert(value);
        }
        let key = spec
            .key
            .as_ref()
            .and_then(|key| key.split_once('/'))
            .and_then(|(vault, key)| {
                let found = estate.vault_named(vault)?;
                let version = found.key(key)?.newest()?.name.clone();
                let url = format!("{}/keys/{key}/{version}", found.url());
                properties.insert("encryption".to_owned(), encryption(&url));
                let reference = KeyReference {
                    vault: vault.to_owned(),
                    key: key.to_owned(),
                    version: Some(version),
                };
                Some((reference, found.plain.id.clone()))
            });
        let mut document = Map::new();
        if !spec.tags.is_empty() {
            document.insert("tags".to_owned(), Value::Object(spec.tags.clone()));
        }
        if let Some(word) = &spec.identity {
            let own = estate
                .identities
                .values()
                .find(|own| own.plain.name.eq_ignore_ascii_case(word));
            let identity = own.map_or_else(
                || json!({ "type": "SystemAssigned" }),
                |own| {
                    let mut attached = Map::new();
                    attached.insert(own.plain.id.clone(), json!({}));
                    json!({ "type": "UserAssigned", "userAssignedIdentities": attached })
                },
            );
            document.insert("identity".to_owned(), identity);
        }
        document.insert("properties".to_owned(), Value::Object(properties));
        service.commit(document, estate, settings, now);
        if let (Some((key, vault)), Some(principal)) = (key, service.current_principal(estate)) {
            let role = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
            grant(estate, (&principal, role, &vault), now);
            service.binding = Some(Binding { key, principal });
            service.next_probe = settings.after(now, settings.key_probe);
        }
        estate
            .services
            .insert(service.id.to_ascii_lowercase(), service);
    }

    fn assign(&self, estate: &mut Estate, spec: &AssignmentSpec, now: Timestamp) {
        let own = estate
            .identities
            .values()
            .find(|own| own.plain.name.eq_ignore_ascii_case(&spec.principal));
        let principal = own.map_or_else(|| spec.principal.clone(), |own| own.principal.clone());
        let role = estate
            .roles
            .values()
            .find(|role| role.name.eq_ignore_ascii_case(&spec.role))
            .map_or_else(|| spec.role.to_ascii_lowercase(), |role| role.guid.clone());
        let scope = estate
            .vault_named(&spec.scope)
            .map_or_else(|| spec.scope.clone(), |vault| vault.plain.id.clone());
        grant(estate, (&principal, &role, &scope), now);
    }
}

impl KeySpec {
    fn version(&self, now: Timestamp) -> Version {
        let model = Version::rsa(now);
        let kind = self.kty.clone().unwrap_or(model.kind);
        let is_rsa = matches(&"rsa*".to_owned(), &kind);
        let signing = vec!["sign".to_owned(), "verify".to_owned()];
        let time = |name: &str| {
            let seconds = self.attributes.get(name)?.as_i64()?;
            Timestamp::from_second(seconds).ok()
        };
        Version {
            size: is_rsa.then(|| self.key_size.unwrap_or(2048)),
            curve: (!is_rsa).then(|| "P-256".to_owned()),
            operations: self.key_ops.clone().unwrap_or(if is_rsa {
                model.operations
            } else {
                signing
            }),
            enabled: self
                .attributes
                .get("enabled")
                .and_then(Value::as_bool)
                .unwrap_or(true),
            not_before: time("nbf"),
            expires: time("exp"),
            kind,
            ..Version::rsa(now)
        }
    }
}

impl Default for Operator {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Self {
            client_id: "22222222-2222-2222-2222-222222222222".to_owned(),
            principal_id: "33333333-3333-3333-3333-333333333333".to_owned(),
            actions: words(&ACTIONS),
            scopes: Vec::new(),
            grantable_roles: words(&[
                "e147488a-f6f5-4113-8e2d-b22465e65bf6",
                "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
            ]),
            grantable_principal_types: words(&["ServicePrincipal"]),
        }
    }
}

/// A role assignment that has been in effect for a long time.
fn grant(estate: &mut Estate, (principal, role, scope): (&str, &str, &str), now: Timestamp) {
    let name = guid(&format!("assignment/{scope}/{principal}/{role}"));
    let since = now
        .checked_sub(jiff::SignedDuration::from_hours(24))
        .unwrap_or(now);
    let assignment = Assignment {
        id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"),
        name,
        scope: scope.to_owned(),
        role: role.to_owned(),
        principal: principal.to_owned(),
        principal_type: "ServicePrincipal".to_owned(),
        kept: Map::new(),
        created: since,
        created_by: guid("owner/world"),
        effective: since,
        listed: since,
        ends: None,
    };
    estate
        .assignments
        .insert(assignment.id.to_ascii_lowercase(), assignment);
}

fn tenant() -> String {
    "99999999-9999-9999-9999-999999999999".to_owned()
}

fn subscriptions() -> Vec<String> {
    vec!["11111111-1111-1111-1111-111111111111".to_owned()]
}

fn location() -> String {
    "westeurope".to_owned()
}

/// What the operator's custom role allows.
const ACTIONS: [&str; 16] = [
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleDefinitions/read",
    "Microsoft.HealthcareApis/locations/operationresults/read",
    "Microsoft.HealthcareApis/workspaces/dicomservices/read",
    "Microsoft.HealthcareApis/workspaces/dicomservices/write",
    "Microsoft.HealthcareApis/workspaces/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/deletedVaults/read",
    "Microsoft.KeyVault/vaults/keys/read",
    "Microsoft.KeyVault/vaults/keys/versions/read",
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities/read",
    "Microsoft.ResourceHealth/availabilityStatuses/read",
    "Microsoft.Resources/subscriptions/read",
];

#[cfg(test)]
mod tests;
