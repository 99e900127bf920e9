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
    /// Who set it first, as far as this object knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<KeyOrigin>,
    /// Object id of the identity for which it was set. A service whose identity has another object
    /// id now must be set again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_for: Option<String>,
}

/// Who encrypted a service first.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum KeyOrigin {
    /// This operator: the service was on Microsoft-managed keys before, so `keyVersions` has every
    /// version that it ever used.
    Applied,
    /// Somebody else: earlier versions may be in use for older data, so all are watched.
    Adopted,
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
    /// The latest event about its expiry was sent when fewer than this many days were left: 90, 30
    /// or 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_notice_days: Option<i32>,
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
    /// Deleted, and it can be recovered.
    Deleted,
    /// Not to be found: deleted, purged, or never made.
    NotFound,
    /// Not known at the moment.
    Unknown,
}

/// Whether the service can reach its key.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAccessStatus {
    /// In one word.
    pub state: KeyAccessState,
    /// Why, when it is not `Accessible`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when access is lost: the earliest that it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<Time>,
    /// When the loss was first seen. Long after `lostSince` when nobody was watching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_seen_at: Option<Time>,
    /// Until when the service comes back by itself once access is back; after that it needs a PUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoverable_until: Option<Time>,
    /// How many reminders of the running loss were sent as events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminders: Option<i32>,
    /// When vault, key, identity and grant were first seen good again after a loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Time>,
    /// The latest PUT that was to bring the service back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revalidation: Option<RevalidationStatus>,
    /// When all of it was last seen good. Rewritten at most once an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
    /// The latest loss that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_loss: Option<EndedLossStatus>,
    /// What each signal says by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub signals: Vec<SignalStatus>,
}

/// A loss that ended.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedLossStatus {
    /// Since when access was lost: the earliest that it can have been.
    pub lost_since: Time,
    /// When the loss was first seen.
    pub lost_seen_at: Time,
    /// When vault, key, identity and grant were first seen good again.
    pub restored_at: Time,
    /// When the service was first seen well again. A voice that calls it ill within an hour of that
    /// takes it back; the loss then runs again, and this stays.
    pub ended_at: Time,
}

/// A PUT of the unchanged service, which makes it look at its key again.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevalidationStatus {
    /// When it was decided on. There is at most one an hour.
    pub at: Time,
    /// How many there were in this loss.
    pub attempts: i32,
    /// What became of it.
    pub outcome: RevalidationOutcome,
    /// What support asks for: Azure's request id, our correlation id, and how the operation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// What became of a revalidation.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum RevalidationOutcome {
    /// It was decided on, and may have been sent.
    Begun,
    /// Azure accepted it.
    Accepted,
    /// Its operation ended without success.
    Failed,
}

/// One source of knowledge about key access.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalStatus {
    /// Which one.
    pub name: SignalName,
    /// What it says.
    pub says: SignalWord,
    /// Why, when it is not good; and when it was last read, when that is long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The sources of knowledge about key access.
#[derive(
    Clone, Copy, Debug, Deserialize, JsonSchema, Ord, PartialOrd, PartialEq, Eq, Serialize,
)]
pub enum SignalName {
    /// The key version in use.
    Key,
    /// Its vault.
    Vault,
    /// The identity with which the service reads it.
    Identity,
    /// The right of that identity to use it.
    Grant,
    /// Resource Health.
    ResourceHealth,
    /// A request for data to the service itself.
    Canary,
}

/// What a signal says.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum SignalWord {
    /// Nothing is wrong.
    Good,
    /// Something is wrong.
    Bad,
    /// It is not known.
    Unknown,
}

/// Key access in one word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum KeyAccessState {
    /// Every link between the service and its key is good.
    Accessible,
    /// The service can reach its key, and something threatens that.
    AtRisk,
    /// There is positive evidence that the service cannot use its key.
    Lost,
    /// What was lost is back, and needs time or a step before the service can use it.
    Recovering,
    /// Not known.
    Unknown,
}
