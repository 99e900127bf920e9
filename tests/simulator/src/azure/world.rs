//! The estate that a simulation starts with, as people write it in YAML.

use serde::Deserialize;
use serde_json::{Map, Value};

mod build;

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
    /// Other resources of each subscription, which Resource Health lists too.
    #[serde(default)]
    pub foreign_resources: u32,
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
    /// A principal's GUID, the name of a user-assigned identity, or `operator` for the one client
    /// whose rights are limited.
    pub principal: String,
    /// A role's GUID or name.
    pub role: String,
    /// The scope: an ARM id, or the name of a vault or a DICOM service.
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
            foreign_resources: 0,
        }
    }

    /// Lets the operator read keys at every vault, and data at every service, by roles on the
    /// subscriptions.
    pub fn open_data_planes(&mut self) {
        for subscription in &self.subscriptions {
            for role in ["Key Vault Reader", "DICOM Data Reader"] {
                self.role_assignments.push(AssignmentSpec {
                    principal: "operator".to_owned(),
                    role: role.to_owned(),
                    scope: format!("/subscriptions/{subscription}"),
                });
            }
        }
    }

    /// Reads a YAML file's text.
    ///
    /// # Errors
    /// A sentence that says which line cannot be read and why.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
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
const ACTIONS: [&str; 14] = [
    "Microsoft.Authorization/denyAssignments/read",
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleDefinitions/read",
    "Microsoft.HealthcareApis/locations/operationresults/read",
    "Microsoft.HealthcareApis/workspaces/dicomservices/read",
    "Microsoft.HealthcareApis/workspaces/dicomservices/write",
    "Microsoft.HealthcareApis/workspaces/read",
    "Microsoft.KeyVault/vaults/keys/versions/read",
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities/read",
    "Microsoft.ResourceHealth/availabilityStatuses/read",
    "Microsoft.Resources/subscriptions/read",
];

#[cfg(test)]
mod tests;
