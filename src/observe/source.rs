//! What is kept and where it is read: items are facts, sources are the reads that bring them.
//!
//! One source serves many objects: the services of a workspace, the vaults, the role assignments
//! and the health of a subscription each come with one list.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::SignedDuration;
use uuid::Uuid;

use super::keys::KeyId;
use crate::{arm::budget::CredentialId, azure::WorkspaceId, domain::wants::Want};

/// Which login a fact was read with: what one may see, another may not. Cheap to clone.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CredentialKey(Arc<CredentialId>);

impl CredentialKey {
    /// The key of a login.
    pub fn new(credential: CredentialId) -> Self {
        Self(Arc::new(credential))
    }
}

/// Something that belongs to one login.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Keyed<T> {
    /// The login.
    pub(super) credential: CredentialKey,
    /// What belongs to it.
    pub(super) of: T,
}

impl<T> Keyed<T> {
    /// Another thing of the same login.
    pub(super) fn with<U>(&self, of: U) -> Keyed<U> {
        Keyed {
            credential: self.credential.clone(),
            of,
        }
    }
}

/// One fact that is kept.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Item {
    /// What a decision wants.
    Want(Want),
    /// A role whose effect is not known by heart, as seen from a subscription.
    Role {
        /// The subscription.
        subscription: Uuid,
        /// The role's GUID.
        role: Uuid,
    },
}

/// One read that is repeated.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Source {
    /// One item by itself.
    Single(Item),
    /// The DICOM services of a workspace.
    Services(WorkspaceId),
    /// The vaults of a subscription.
    Vaults(Uuid),
    /// The role assignments of a subscription.
    Assignments(Uuid),
    /// The deny assignments of a subscription.
    Denials(Uuid),
    /// The health of all resources of a subscription.
    Health(Uuid),
    /// A key: the list of its versions, each version that is wanted, its deletion.
    Key(KeyId),
}

/// How often things are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Intervals {
    /// For what a service needs to reach its key: key versions, vaults, role assignments,
    /// identities.
    pub health: SignedDuration,
    /// For DICOM services, which take one call for each workspace.
    pub services: SignedDuration,
    /// For what Resource Health says.
    pub resource_health: SignedDuration,
    /// For what changes seldom: tenants, role definitions, details of keys.
    pub configuration: SignedDuration,
    /// For keys, where the vault lets us read them.
    pub vault: SignedDuration,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            health: SignedDuration::from_mins(1),
            services: SignedDuration::from_mins(2),
            resource_health: SignedDuration::from_secs(30),
            configuration: SignedDuration::from_mins(5),
            vault: SignedDuration::from_secs(10),
        }
    }
}

impl Item {
    /// How often it is read.
    pub(super) const fn interval(&self, intervals: &Intervals) -> SignedDuration {
        match self {
            Self::Want(Want::Tenant(_) | Want::DenyAssignments(_)) | Self::Role { .. } => {
                intervals.configuration
            }
            Self::Want(Want::Listing(..) | Want::Version(..) | Want::DeletedKey(..)) => {
                intervals.vault
            }
            Self::Want(Want::Identity(_) | Want::Vault(_) | Want::Assignments(_)) => {
                intervals.health
            }
            Self::Want(Want::Service(_)) => intervals.services,
            Self::Want(Want::Health(_) | Want::Canary(_)) => intervals.resource_health,
        }
    }
}

impl Source {
    /// Where an item is read.
    pub(super) fn of(item: &Item) -> Self {
        if let Some(key) = KeyId::of(item) {
            return Self::Key(key);
        }
        match item {
            Item::Want(Want::Service(service)) => Self::Services(service.workspace()),
            Item::Want(Want::Vault(vault)) => Self::Vaults(vault.id().subscription()),
            Item::Want(Want::Assignments(vault)) => Self::Assignments(vault.id().subscription()),
            Item::Want(Want::DenyAssignments(vault)) => Self::Denials(vault.id().subscription()),
            Item::Want(Want::Health(service)) => Self::Health(service.id().subscription()),
            Item::Want(
                Want::Tenant(_)
                | Want::Identity(_)
                | Want::Version(..)
                | Want::Listing(..)
                | Want::DeletedKey(..)
                | Want::Canary(_),
            )
            | Item::Role { .. } => Self::Single(item.clone()),
        }
    }

    /// How often it is read.
    pub(super) fn interval(&self, intervals: &Intervals) -> SignedDuration {
        match self {
            Self::Single(item) => item.interval(intervals),
            Self::Services(_) => intervals.services,
            Self::Denials(_) => intervals.configuration,
            Self::Vaults(_) | Self::Assignments(_) => intervals.health,
            Self::Health(_) => intervals.resource_health,
            // at least: where and how it is read decides
            Self::Key(_) => intervals.vault.min(intervals.health),
        }
    }

    /// The word for sources of its kind, as metrics use it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Services(_) | Self::Single(Item::Want(Want::Service(_))) => "dicom_services",
            Self::Assignments(_) | Self::Single(Item::Want(Want::Assignments(_))) => {
                "role_assignments"
            }
            Self::Health(_) | Self::Single(Item::Want(Want::Health(_))) => "resource_health",
            Self::Single(Item::Want(Want::Tenant(_))) => "subscriptions",
            Self::Single(Item::Want(Want::Identity(_))) => "identities",
            Self::Vaults(_) | Self::Single(Item::Want(Want::Vault(_))) => "vaults",
            Self::Key(_)
            | Self::Single(Item::Want(
                Want::Version(..) | Want::Listing(..) | Want::DeletedKey(..),
            )) => "keys",
            Self::Denials(_) | Self::Single(Item::Want(Want::DenyAssignments(_))) => {
                "deny_assignments"
            }
            Self::Single(Item::Want(Want::Canary(_))) => "canaries",
            Self::Single(Item::Role { .. }) => "role_definitions",
        }
    }

    /// A number that is the same in every run and spreads sources evenly (FNV-1a).
    pub(super) fn spread(&self) -> u64 {
        let name = format!("{self:?}").to_ascii_lowercase();
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
        // the low bits alone are not even enough for a small modulus
        hash ^ (hash >> 32)
    }
}

/// An interval as a time to wait: at least one second.
pub(super) fn pause(interval: SignedDuration) -> Duration {
    Duration::try_from(interval)
        .unwrap_or_default()
        .max(Duration::from_secs(1))
}
