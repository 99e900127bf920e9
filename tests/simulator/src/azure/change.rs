//! What a person in the portal does to the estate, as words and as values.

use serde::{Deserialize, Serialize};

use super::fault::FaultRule;

mod apply;
mod keys;
mod rights;
mod words;

/// A change of the world from outside. As JSON: `{"key": {"vault": .., "key": .., "to": ..}}`;
/// as words, see [`Change::parse`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Change {
    /// Something happens to a key, or to one version of it.
    Key {
        /// The vault's name.
        vault: String,
        /// The key's name.
        key: String,
        /// One version; absent: all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// What happens.
        to: KeyChange,
    },
    /// Something happens to a vault.
    Vault {
        /// Its name.
        vault: String,
        /// What happens.
        to: VaultChange,
    },
    /// An identity goes, or a service's own is switched.
    Identity {
        /// `group/workspace/service` (or the service's name), or a user-assigned identity's name.
        name: String,
        /// What happens.
        to: IdentityChange,
    },
    /// Role assignments at or below a scope go.
    RoleAssignmentsRemoved {
        /// A vault's name, or an ARM id.
        scope: String,
        /// Only this principal's; absent: everybody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal: Option<String>,
    },
    /// Somebody assigns a role; it takes effect after Azure's usual delay.
    RoleAssignmentAdded {
        /// A vault's or service's name, or an ARM id.
        scope: String,
        /// `operator`, the name of a user-assigned identity, or a principal's GUID.
        principal: String,
        /// The role's name or GUID.
        role: String,
    },
    /// Role assignments at or below a scope get a condition, or lose it.
    RoleAssignmentsConditional {
        /// A vault's or service's name, or an ARM id.
        scope: String,
        /// Whether they have one.
        on: bool,
    },
    /// A deny assignment takes the use of keys at or below a scope away, at once.
    DenyAssignmentAdded {
        /// A vault's name, or an ARM id.
        scope: String,
        /// Only from this principal; absent: from everybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal: Option<String>,
    },
    /// Deny assignments at or below a scope go.
    DenyAssignmentsRemoved {
        /// A vault's name, or an ARM id.
        scope: String,
    },
    /// Something happens to a DICOM service.
    Service {
        /// Its name, or `group/workspace/service`.
        service: String,
        /// What happens.
        to: ServiceChange,
    },
    /// Resource Health says this from now on.
    Health {
        /// The service.
        service: String,
        /// The word.
        to: HealthWord,
    },
    /// Resource Health lists so many more resources in each subscription.
    ForeignResources {
        /// How many.
        count: u32,
    },
    /// ARM refuses everything with 429, or no longer.
    Throttling {
        /// Seconds in `Retry-After`; absent: off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// ARM answers everything with 503, or no longer.
    ControlPlane {
        /// Whether it is broken.
        broken: bool,
    },
    /// A fault rule comes into force.
    Fault(FaultRule),
    /// All fault rules go.
    FaultsCleared,
}

/// What may happen to a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChange {
    /// Its versions are switched off.
    Disabled,
    /// Its versions are switched on.
    Enabled,
    /// It is soft-deleted. One version: it is missing, as after a restore from an older backup.
    Deleted,
    /// It comes back from soft deletion. One version: it is there again.
    Recovered,
    /// It goes for good.
    Purged,
    /// It expires after so many seconds.
    ExpiresIn(u32),
    /// Its expiry date passes.
    Expired,
    /// Its start date moves an hour ahead.
    NotYetValid,
    /// It loses its dates.
    Valid,
    /// It permits unwrapKey no more.
    UnwrapForbidden,
    /// It permits unwrapKey.
    UnwrapPermitted,
    /// It gets another version.
    NewVersion,
}

/// What may happen to a vault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultChange {
    /// It is soft-deleted; its role assignments go for good.
    Deleted,
    /// It comes back, without them.
    Recovered,
    /// It goes for good.
    Purged,
    /// Its firewall denies by default.
    FirewallClosed,
    /// Its firewall allows by default.
    FirewallOpen,
    /// Trusted services no longer pass a closed firewall.
    BypassOff,
    /// They do again.
    BypassOn,
    /// A network security perimeter keeps everybody out, trusted services too.
    PerimeterClosed,
    /// The perimeter is gone.
    PerimeterOpen,
    /// The operator's network has no way to the vault's own host any more.
    DataPlaneClosed,
    /// It has one.
    DataPlaneOpen,
    /// The name of its host is being registered: nobody can resolve it.
    RegisteringDns,
    /// The name of its host is registered.
    Registered,
    /// Access policies count instead of roles.
    AccessPolicies,
    /// Roles count instead of access policies.
    Rbac,
    /// It lacks purge protection, as a vault made long ago may.
    PurgeProtectionOff,
    /// It has purge protection.
    PurgeProtectionOn,
    /// It lacks soft delete, as a vault made long ago may.
    SoftDeleteOff,
    /// It has soft delete.
    SoftDeleteOn,
}

/// What may happen to an identity.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityChange {
    /// A service's system identity is switched off; its principal goes.
    Off,
    /// It is switched on: with a new principal.
    On,
    /// A user-assigned identity is deleted.
    Deleted,
}

/// What may happen to a DICOM service.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServiceChange {
    /// Somebody goes back to Microsoft's keys.
    KeyRemoved,
    /// Somebody sets this key URL, checked by nobody.
    Key(String),
    /// Somebody sets a tag.
    Tag(String, String),
    /// Somebody deletes it.
    Deleted,
    /// Its next operation ends Failed.
    OperationFails,
    /// Its next operation ends Canceled.
    OperationCanceled,
    /// `provisioningState` shows this word until an operation ends.
    Provisioning(String),
}

/// What Resource Health says about a service.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthWord {
    /// What the service's own test finds.
    Automatic,
    /// Available, whatever the test finds.
    Available,
    /// Degraded, by the platform.
    Degraded,
    /// Unavailable, by the platform.
    Unavailable,
    /// No signal.
    Unknown,
    /// What it shows now, whatever the test finds.
    Stuck,
    /// What the test finds, so many seconds (of Azure's own pace) later.
    Late(u32),
}

/// Why a change cannot be made, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ChangeError(pub(super) String);

#[cfg(test)]
mod tests;
