//! What was observed.

#![expect(
    unreachable_pub,
    reason = "the schema derive repeats the type in a place of its own"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was observed of the service, its key and the way between them.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DicomEncryptionStatus {
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`; `Reconciling` and `Stalled` only while true; and one for each link of the chain:
    /// `IdentityReady`, `VaultProtected`, `KeyUsable`, `AccessGranted`, `EncryptionApplied`,
    /// `KeyAccessible`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The identity with which the service reads the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,

    /// The role assignment through which the identity may use the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantStatus>,

    /// The key that the service was last seen to use as asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyStatus>,

    /// The key version that was chosen and is to be set, recorded before it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_key: Option<PendingKeyStatus>,

    /// Every key version that the service is known to have used, or is about to. Data written
    /// under a version still needs it, so this list only grows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["url".into()]))]
    pub key_versions: Vec<KeyVersionStatus>,

    /// Whether the service can reach its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_access: Option<KeyAccessStatus>,
}

/// The identity with which the service reads the key.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStatus {
    /// Object id of the identity in Entra, as Azure told it.
    pub principal_id: String,
}

/// A role assignment.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantStatus {
    /// ARM id of the role assignment.
    pub id: String,
    /// Name of the role, or the GUID of one that is not among the known.
    pub role: String,
    /// ARM id of where it is assigned.
    pub scope: String,
    /// When Azure created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_on: Option<Time>,
    /// Who made it.
    pub origin: GrantOrigin,
}

/// Who made a role assignment.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum GrantOrigin {
    /// This operator: its name is the one that the operator derives.
    Created,
    /// Somebody else; it was found and is used.
    Adopted,
}

/// A key in use.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// The Key Identifier, with its version.
    pub url: String,
    /// The version alone.
    pub version: String,
    /// ARM id of the vault.
    pub vault_id: String,
    /// When it was first seen in use as asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Time>,
    /// Object id of the identity for which it was set. A service whose identity has another object
    /// id now must be set again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_for: Option<String>,
}

/// A key version that was chosen and is not in use yet.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingKeyStatus {
    /// The Key Identifier, with its version.
    pub url: String,
}

/// A key version that the service is known to have used.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyVersionStatus {
    /// The Key Identifier, with its version.
    pub url: String,
    /// What state the version is in.
    pub state: KeyVersionState,
    /// When it expires, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Time>,
}

/// The state of a key version.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum KeyVersionState {
    /// Enabled and within its dates.
    Enabled,
    /// Disabled.
    Disabled,
    /// Past its expiry.
    Expired,
    /// Before its activation date.
    NotYetValid,
    /// Not to be found: deleted or purged.
    NotFound,
    /// Not known at the moment.
    Unknown,
}

/// Whether the service can reach its key.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAccessStatus {
    /// In one word.
    pub state: KeyAccessState,
    /// Why, when it is not `Accessible`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when access is lost, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<Time>,
    /// When all of it was last seen good. Rewritten at most once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
}

/// Key access in one word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum KeyAccessState {
    /// Every link between the service and its key is good.
    Accessible,
    /// There is positive evidence that the service cannot use its key.
    Lost,
    /// What was lost is back, and needs time or a step before the service can use it.
    Recovering,
    /// Not known.
    Unknown,
}
