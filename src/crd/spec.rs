//! What a user asks for.

#![expect(
    unreachable_pub,
    reason = "the schema derive repeats the type in a place of its own"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column has its type"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::status::DicomEncryptionStatus;

/// Makes one DICOM service (Azure Health Data Services) encrypt its data with a key of your own,
/// and watches that the service can still reach that key.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "dicomenc.io",
    version = "v1alpha1",
    kind = "DicomEncryption",
    plural = "dicomencryptions",
    shortname = "dicomenc",
    category = "azure",
    namespaced,
    status = "DicomEncryptionStatus",
    derive = "PartialEq",
    doc = "Makes one DICOM service (Azure Health Data Services) encrypt its data with a key of your own, and watches that the service can still reach that key.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
    ),
    printcolumn(
        name = "Key Access",
        type_ = "string",
        json_path = ".status.keyAccess.state"
    ),
    printcolumn(
        name = "Key Version",
        type_ = "string",
        json_path = ".status.key.version"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[cfg_attr(test, kube(cel))]
#[serde(rename_all = "camelCase")]
pub struct DicomEncryptionSpec {
    /// ARM id of the DICOM service. It cannot be changed.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new(rules::DICOM_SERVICE_ID).message(rules::DICOM_SERVICE_ID_MESSAGE))]
    #[x_kube(validation = Rule::new(rules::DICOM_SERVICE_ID_IMMUTABLE).message(rules::DICOM_SERVICE_ID_IMMUTABLE_MESSAGE))]
    pub dicom_service_id: String,

    /// The managed identity with which the service reads the key. A service has one.
    pub identity: IdentitySpec,

    /// The key that encrypts the service's data.
    pub key: KeySpec,

    /// How the identity gets the right to use the key.
    #[serde(default)]
    pub access: AccessSpec,

    /// What to do when somebody else changes what this object asked for. `Correct` switches the
    /// identity on again, makes the grant again and sets the key again; `Report` only tells. The
    /// key itself is never enabled, so disabling it is a way to revoke access on purpose.
    #[serde(default)]
    pub on_drift: OnDrift,

    /// What brings a service back that was without its key for too long.
    #[serde(default)]
    pub recovery: RecoverySpec,

    /// What is watched beside key, vault, identity, grant and Resource Health.
    #[serde(default)]
    pub watch: WatchSpec,

    /// `Manage` makes the service as asked. `Observe` never writes to Azure: it watches, and tells
    /// what it would do next.
    #[serde(default)]
    pub mode: Mode,

    /// Stops all writes to Azure. Key access is watched all the same.
    #[serde(default)]
    pub suspend: bool,

    /// What deleting this object does in Azure. `Detach`: nothing at all.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// The managed identity of the service.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::USER_ASSIGNED_NAMES_IDENTITY).message(rules::USER_ASSIGNED_NAMES_IDENTITY_MESSAGE))]
#[x_kube(validation = Rule::new(rules::SYSTEM_ASSIGNED_NAMES_NONE).message(rules::SYSTEM_ASSIGNED_NAMES_NONE_MESSAGE))]
pub struct IdentitySpec {
    /// `SystemAssigned`: the service's own identity, switched on when it is off. `UserAssigned`:
    /// the one that `userAssignedIdentityId` names, attached when the service has none.
    #[serde(rename = "type")]
    pub identity_type: IdentityType,

    /// ARM id of the user-assigned identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new(rules::IDENTITY_ID).message(rules::IDENTITY_ID_MESSAGE))]
    pub user_assigned_identity_id: Option<String>,
}

/// Kinds of managed identity.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum IdentityType {
    /// The identity that lives and ends with the service.
    SystemAssigned,
    /// An identity of its own, attached to the service.
    UserAssigned,
}

/// A key in Key Vault: `vaultId` with `name` (and `version`), or `vaultId` with `url`.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::KEY_NAMED_ONCE).message(rules::KEY_NAMED_ONCE_MESSAGE))]
#[x_kube(validation = Rule::new(rules::VERSION_WITH_NAME).message(rules::VERSION_WITH_NAME_MESSAGE))]
#[x_kube(validation = Rule::new(rules::URL_MATCHES_VAULT).message(rules::URL_MATCHES_VAULT_MESSAGE))]
pub struct KeySpec {
    /// ARM id of the vault. It must have soft delete and purge protection, be in the same tenant
    /// as the service, use Azure RBAC, and let trusted services through its firewall.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new(rules::VAULT_ID).message(rules::VAULT_ID_MESSAGE))]
    #[x_kube(validation = Rule::new(rules::NO_MANAGED_HSM_ID).message(rules::NO_MANAGED_HSM_MESSAGE))]
    pub vault_id: String,

    /// Name of the key: RSA or RSA-HSM, 2048 or 3072 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127))]
    #[x_kube(validation = Rule::new(rules::KEY_NAME).message(rules::KEY_NAME_MESSAGE))]
    pub name: Option<String>,

    /// Version of the key. Left out: the version of this key that the service uses already, else
    /// the newest usable one, chosen once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(rules::KEY_VERSION).message(rules::KEY_VERSION_MESSAGE))]
    pub version: Option<String>,

    /// The Key Identifier as the portal shows it, instead of `name` and `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new(rules::KEY_URL).message(rules::KEY_URL_MESSAGE))]
    #[x_kube(validation = Rule::new(rules::NO_MANAGED_HSM_URL).message(rules::NO_MANAGED_HSM_MESSAGE))]
    pub url: Option<String>,

    /// Whether a service that another key encrypts already may be taken over, at first contact.
    #[serde(default)]
    pub replace_existing: bool,
}

/// The right of the identity to use the key.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessSpec {
    /// The role to assign. The default is the least that suffices: read, wrap and unwrap.
    pub role: RoleName,

    /// Where to assign it: at the vault, or at the one key.
    pub scope: AssignmentScope,

    /// `Manage` makes the role assignment when there is none. `Observe` only checks that somebody
    /// else made it.
    pub management: AccessManagement,
}

/// The roles that may be assigned.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum RoleName {
    /// Key Vault Crypto Service Encryption User: read, wrap and unwrap.
    #[default]
    KeyVaultCryptoServiceEncryptionUser,
    /// Key Vault Crypto Officer: every action on keys.
    KeyVaultCryptoOfficer,
}

/// Where the role is assigned.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum AssignmentScope {
    /// The whole vault.
    #[default]
    Vault,
    /// This key only.
    Key,
}

/// Who makes the role assignment.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum AccessManagement {
    /// This operator.
    #[default]
    Manage,
    /// Somebody else.
    Observe,
}

/// What to do about changes by others.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum OnDrift {
    /// Put right what this object asked for.
    #[default]
    Correct,
    /// Only tell.
    Report,
}

/// What brings a service back that was without its key for too long.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecoverySpec {
    /// A service that was without its key for more than about 30 minutes does not come back by
    /// itself: it needs a PUT of itself, unchanged. `Automatic`: the operator sends it, at most once
    /// an hour, when key, vault, identity and grant are good again. `Manual`: it tells you to.
    pub revalidate: Revalidate,
}

/// Who sends the PUT that brings a service back.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum Revalidate {
    /// This operator.
    #[default]
    Automatic,
    /// A person.
    Manual,
}

/// What is watched beside key, vault, identity, grant and Resource Health.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WatchSpec {
    /// `Enabled`: the DICOM service itself is asked for the latest entry of its change feed, which
    /// needs the role DICOM Data Reader for the operator. An answer with data is the best evidence
    /// that the service can reach its key.
    pub canary: CanaryWatch,
}

/// Whether the DICOM service itself is asked for data.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum CanaryWatch {
    /// No.
    #[default]
    Disabled,
    /// Yes.
    Enabled,
}

/// Whether the operator may write to Azure.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// Make the service as asked, then watch.
    #[default]
    Manage,
    /// Watch only.
    Observe,
}

/// What deleting the object does in Azure.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum DeletionPolicy {
    /// Nothing: identity, grant and key url stay as they are.
    #[default]
    Detach,
}
