//! The closed sets of condition types and reasons.

use std::fmt;

/// The conditions of an object's status.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ConditionType {
    /// Everything is as asked and healthy.
    Ready,
    /// A step is due or under way. Present only while true.
    Reconciling,
    /// A person is needed. Present only while true.
    Stalled,
    /// The service has the identity asked for.
    IdentityReady,
    /// The vault is safe to depend on.
    VaultProtected,
    /// The key version can be used.
    KeyUsable,
    /// The identity may use the key.
    AccessGranted,
    /// The service uses the key asked for.
    EncryptionApplied,
    /// The service can reach the key that it uses.
    KeyAccessible,
}

impl ConditionType {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::IdentityReady,
        Self::VaultProtected,
        Self::KeyUsable,
        Self::AccessGranted,
        Self::EncryptionApplied,
        Self::KeyAccessible,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::IdentityReady => "IdentityReady",
            Self::VaultProtected => "VaultProtected",
            Self::KeyUsable => "KeyUsable",
            Self::AccessGranted => "AccessGranted",
            Self::EncryptionApplied => "EncryptionApplied",
            Self::KeyAccessible => "KeyAccessible",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($name:ident: $doc:literal,)*) => {
        /// Why a condition is as it is: part of the API, unlike the message beside it.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Reason {
            $(#[doc = $doc] $name,)*
        }

        impl Reason {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                }
            }

            /// The page that explains it, from the root of the repository; none for a reason that
            /// asks for nothing.
            pub fn page(self) -> Option<String> {
                let is_quiet = matches!(self, Self::Healthy | Self::AsSpecified | Self::NotApplicable);
                (!is_quiet).then(|| format!("docs/reasons/{self}.md"))
            }

            /// Reads the name back, as an older status holds it.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }
        }
    };
}

reasons! {
    Healthy: "Everything is as asked, and the service can reach its key.",
    AsSpecified: "The link is as asked.",
    NotRead: "Nothing has been read from Azure yet.",
    AzureUnreachable: "Azure could not be reached.",
    Throttled: "Azure asked to wait.",
    NotAuthorised: "Azure refused the operator's own request.",
    NotApplicable: "This link has nothing to say until an earlier one is in place.",
    Invalid: "The object itself cannot be carried out as written.",
    DuplicateTarget: "An older object names the same service.",
    CrdOutdated: "The installed CRD drops fields of the status.",
    Suspended: "Work is left undone because the object is suspended.",
    NotAsSpecified: "The service is not as asked, and the object only observes.",
    Drifted: "Somebody changed what was asked for, and the object only reports.",
    ServiceNotFound: "The DICOM service does not exist.",
    ServiceBusy: "An operation on the service is under way.",
    ServiceFailed: "The last operation on the service, which was not this operator's, ended without success.",
    ServiceUnhealthy: "Resource Health says that the service is not well, or the service itself answers with an error, for a reason that the chain does not show.",
    DataStoreInaccessible: "The service was without its key for too long, and its data store has not come back.",
    AwaitingRecovery: "What was lost is back, and the service needs time to see it.",
    RevalidationDue: "The service needs a PUT of itself to come back, and a person is to send it.",
    Revalidating: "The PUT that brings the service back is being sent, or takes effect.",
    RevalidationFailed: "The PUT that should have brought the service back did not.",
    OperationFailed: "The last operation on the service ended without success.",
    WriteRefused: "Azure refused a write.",
    EnablingIdentity: "The identity is being enabled on the service.",
    IdentityNotFound: "The user-assigned identity does not exist.",
    IdentityDeleted: "The user-assigned identity existed and is gone.",
    IdentityDisabled: "The identity with which the service read its key is off.",
    IdentityConflict: "The service has another identity than the one asked for.",
    PrincipalChanged: "The identity has another object id than when the key was set.",
    VaultNotFound: "The vault does not exist.",
    VaultDeleted: "The vault was in use and is gone.",
    VaultRecoveredWithoutGrants: "The vault was deleted and recovered, and its role assignments did not come back.",
    VaultNotReachable: "The vault's host name is not known to the world yet.",
    VaultTenantMismatch: "The vault is in another tenant than the service.",
    SoftDeleteOff: "The vault has no soft delete.",
    PurgeProtectionOff: "The vault has no purge protection.",
    VaultFirewallClosed: "The vault's firewall does not let trusted services through.",
    TrustedServicesBypassOff: "The vault's firewall is open, and would shut trusted services out once it closes.",
    PerimeterBlocks: "The vault is closed by a network security perimeter.",
    AccessPoliciesUnsupported: "The vault uses access policies instead of Azure RBAC.",
    KeyNotFound: "The key, or this version of it, does not exist.",
    KeyDeleted: "The key is deleted, and can be recovered.",
    KeyPurged: "The key is gone for good.",
    KeyVersionMissing: "The key is there, and this version of it is not.",
    KeyDisabled: "The key version is disabled.",
    KeyExpired: "The key version has expired.",
    KeyExpiring: "A key version in use expires within 30 days.",
    OldKeyVersionUnusable: "An older key version, which older data may need, cannot be used.",
    KeyExpiresSoon: "The key version expires too soon to be taken into use.",
    KeyNotYetValid: "The key version's activation date has not come.",
    KeyTypeUnsupported: "The key is not an RSA key.",
    KeySizeUnsupported: "The key has neither 2048 nor 3072 bits.",
    KeyOperationMissing: "The key does not permit wrapKey and unwrapKey.",
    NoUsableKeyVersion: "The key has no version that could be used.",
    GrantMissing: "The identity may not use the key.",
    GrantConditional: "The only grant carries a condition.",
    DenyAssignment: "A deny assignment takes the use of the key from the identity.",
    CreatingGrant: "The role is being assigned.",
    GrantPending: "The grant exists and may not be in force yet.",
    ApplyingKey: "The key url is being set on the service.",
    EncryptedWithAnotherKey: "Another key encrypts the service.",
    CurrentKeyUnreachable: "The key in use cannot be reached, so the service cannot change to another one.",
    CmkRemoved: "The service was put back on Microsoft-managed keys.",
    NotEncrypted: "The service is on Microsoft-managed keys.",
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../docs/conditions.md");

    /// The cells of each row of each table of the page.
    fn rows() -> impl Iterator<Item = Vec<&'static str>> {
        PAGE.lines().filter_map(|line| {
            let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
            Some(row.split(" | ").collect())
        })
    }

    #[test]
    fn the_page_explains_every_reason_once_with_its_meaning() {
        for reason in Reason::ALL {
            let name = format!("`{reason}`");
            let meanings: Vec<&str> = rows()
                .filter(|cells| cells.len() == 4 && cells[0] == name)
                .map(|cells| cells[1])
                .collect();
            assert_eq!(meanings, [reason.meaning()], "{reason}");
        }
    }

    #[test]
    fn the_page_explains_every_condition_type_once() {
        for kind in ConditionType::ALL {
            let name = format!("`{kind}`");
            let count = rows().filter(|cells| cells[0] == name).count();
            assert_eq!(count, 1, "{kind}");
        }
    }

    #[test]
    fn the_page_explains_no_reason_that_does_not_exist() {
        let section = PAGE.split("\n## ").find(|text| text.starts_with("Reasons"));
        let told: BTreeSet<&str> = section
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let known: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(told, known);
    }

    #[test]
    fn a_reason_is_read_back_by_its_name_and_nothing_else_is() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::from_name("healthy"), None);
        assert_eq!(Reason::from_name(""), None);
    }
}
