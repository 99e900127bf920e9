//! What was seen in Azure that matters to one object.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::azure::{IdentityId, KeyName, KeyUrl, KeyVersion, VaultId};

use super::fact::Fact;

/// Everything that was seen for one object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// The tenant of the service's subscription.
    pub tenant: Fact<Uuid>,
    /// The DICOM service.
    pub service: Fact<Service>,
    /// The user-assigned identity, when one is asked for.
    pub identity: Option<Fact<UserIdentity>>,
    /// The vaults that matter: the one asked for, and the one in use, where its id is known.
    pub vaults: BTreeMap<VaultId, Fact<Vault>>,
    /// The key versions that matter.
    pub versions: BTreeMap<KeyUrl, Fact<KeyVersionFacts>>,
    /// All versions of each key that matters.
    pub listings: BTreeMap<(VaultId, KeyName), Fact<Vec<ListedVersion>>>,
    /// What is left of keys that were deleted; absent when there is nothing.
    pub deleted_keys: BTreeMap<(VaultId, KeyName), Fact<DeletedKey>>,
    /// How the keys of each vault are read.
    pub key_sources: BTreeMap<VaultId, KeySource>,
    /// The role assignments at or above the key or its vault, for any principal.
    pub assignments: BTreeMap<VaultId, Fact<Vec<Assignment>>>,
    /// The deny assignments at or above the vault, for any principal.
    pub denials: BTreeMap<VaultId, Fact<Vec<DenyAssignment>>>,
    /// What Resource Health says of the service.
    pub health: Fact<Health>,
    /// How the service itself answers, when the object asks for that to be watched.
    pub canary: Option<Fact<Canary>>,
}

impl Observed {
    /// Nothing has been read yet.
    pub const fn unread(interval: SignedDuration) -> Self {
        Self {
            tenant: Fact::unread(interval),
            service: Fact::unread(interval),
            identity: None,
            vaults: BTreeMap::new(),
            versions: BTreeMap::new(),
            listings: BTreeMap::new(),
            deleted_keys: BTreeMap::new(),
            key_sources: BTreeMap::new(),
            assignments: BTreeMap::new(),
            denials: BTreeMap::new(),
            health: Fact::unread(interval),
            canary: None,
        }
    }
}

/// A DICOM service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Whether an operation is under way.
    pub provisioning: Provisioning,
    /// When it was last written, by whomever; not every answer tells.
    pub modified_at: Option<Timestamp>,
    /// The identity that is attached.
    pub identity: Attached,
    /// The key that encrypts its data.
    pub encryption: Encryption,
}

impl Service {
    /// Whether an operation on it is under way.
    pub const fn is_busy(&self) -> bool {
        matches!(self.provisioning, Provisioning::Busy(_))
    }
}

/// The state of the latest operation on a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Provisioning {
    /// Ended well.
    Succeeded,
    /// Ended badly, with Azure's word for it.
    Failed(String),
    /// Not ended, with Azure's word for it.
    Busy(String),
}

/// The managed identities of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Attached {
    /// None.
    None,
    /// Its own.
    System {
        /// Object id in Entra.
        principal: Uuid,
    },
    /// Identities of their own. A service can use one only.
    User(Vec<UserAttached>),
    /// Both kinds at once.
    Both,
}

/// A user-assigned identity as the service shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserAttached {
    /// Which one.
    pub id: IdentityId,
    /// Object id in Entra; Azure leaves it out when the identity is gone.
    pub principal: Option<Uuid>,
}

/// How a service's data is encrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Encryption {
    /// With keys that Microsoft manages.
    MicrosoftManaged,
    /// With this key.
    CustomerManaged(KeyUrl),
    /// With a key whose url makes no sense to us.
    Unreadable(String),
}

impl Encryption {
    /// The key in use, if it can be named.
    pub const fn url(&self) -> Option<&KeyUrl> {
        match self {
            Self::CustomerManaged(url) => Some(url),
            Self::MicrosoftManaged | Self::Unreadable(_) => None,
        }
    }
}

/// A user-assigned managed identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserIdentity {
    /// Object id in Entra.
    pub principal: Uuid,
}

/// A key vault.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in Azure"
)]
pub struct Vault {
    /// The tenant whose principals may use it.
    pub tenant: Uuid,
    /// Whether deleted keys can be recovered.
    pub soft_delete: bool,
    /// Whether nobody can purge them before their time.
    pub purge_protection: bool,
    /// Whether Azure RBAC decides on access, not access policies.
    pub rbac: bool,
    /// Who gets through to its data plane.
    pub network: VaultNetwork,
    /// Whether trusted Microsoft services would get through, should its firewall close.
    pub bypass: bool,
    /// Whether its host name is known to the world yet: Azure tells `RegisteringDns` while not.
    pub resolvable: bool,
}

/// Who gets through to a vault's data plane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VaultNetwork {
    /// Everybody.
    Open,
    /// Chosen networks, and trusted Microsoft services.
    TrustedServices,
    /// Chosen networks only.
    Closed,
    /// Whom a network security perimeter lets through.
    Perimeter,
}

/// A version of a key, as the control plane shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyVersionFacts {
    /// Key type, such as `RSA`.
    pub key_type: String,
    /// Size in bits.
    pub size: Option<u32>,
    /// Permitted operations.
    pub operations: Vec<String>,
    /// Enabled or not, and from when to when.
    pub attributes: KeyAttributes,
}

/// Whether, from when and until when a key version may be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyAttributes {
    /// Whether it is enabled.
    pub enabled: bool,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Expires.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its attributes were changed last.
    pub updated: Option<Timestamp>,
    /// Whether it could be purged before its time, once deleted; `None` when Azure does not tell.
    pub purgeable: Option<bool>,
}

/// What is left of a key that was deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeletedKey {
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When Azure purges it.
    pub purge_at: Option<Timestamp>,
}

/// How the keys of a vault are read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// From the vault itself.
    VaultDataPlane,
    /// From Azure Resource Manager, which is slower and cannot tell a deleted key from a purged one.
    ControlPlane {
        /// Why not from the vault, and what would change that.
        why: String,
    },
}

/// A version as the list of a key's versions shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedVersion {
    /// Which one.
    pub version: KeyVersion,
    /// Enabled or not, and from when to when.
    pub attributes: KeyAttributes,
}

/// A role assignment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assignment {
    /// Its ARM id.
    pub id: String,
    /// Who has it.
    pub principal: Uuid,
    /// GUID of the role.
    pub role: Uuid,
    /// Whether the role gives read, wrap and unwrap; `None` while its definition is not known.
    pub gives_key_use: Option<bool>,
    /// ARM id of where it is assigned.
    pub scope: String,
    /// Whether it carries a condition.
    pub conditional: bool,
    /// When Azure created it.
    pub created: Option<Timestamp>,
    /// How old it was, by Azure's own clock, when it was read.
    pub age: Option<SignedDuration>,
}

/// A deny assignment: it takes away what roles give.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DenyAssignment {
    /// Its ARM id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// ARM id of where it is assigned.
    pub scope: String,
    /// Whom it denies; the nil id stands for everybody.
    pub principals: Vec<Uuid>,
    /// Whom it spares.
    pub excluded: Vec<Uuid>,
    /// Whether it takes away read, wrap or unwrap.
    pub takes_key_use: bool,
}

impl DenyAssignment {
    /// Whether it takes the use of keys from a principal.
    pub fn stops(&self, principal: Uuid) -> bool {
        let named = self.principals.contains(&principal) || self.principals.contains(&Uuid::nil());
        self.takes_key_use && named && !self.excluded.contains(&principal)
    }
}

/// How the DICOM service itself answers a request for data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Canary {
    /// With data.
    Serving,
    /// With trouble of its own: 500, 424 or 503.
    Failing {
        /// The status of the answer.
        status: u16,
    },
}

/// What Resource Health says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Health {
    /// Available, Degraded, Unavailable or Unknown.
    pub state: HealthState,
    /// Azure's words about it.
    pub summary: String,
    /// What Azure recommends.
    pub actions: Vec<String>,
    /// Since when it says so, by Azure's clock.
    pub occurred: Option<Timestamp>,
}

/// The states of Resource Health.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HealthState {
    /// Well.
    Available,
    /// Not quite well.
    Degraded,
    /// Not well.
    Unavailable,
    /// Azure does not know.
    Unknown,
}
