//! What is known of one item, and when two such values are the same news.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    azure::VaultId,
    domain::{
        fact::Seen,
        observed::{
            Assignment, Attached, Canary, DeletedKey, DenyAssignment, Health, KeyVersionFacts,
            ListedVersion, Service, UserIdentity, Vault,
        },
    },
};

/// The value of an item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    /// The tenant of a subscription.
    Tenant(Uuid),
    /// A DICOM service.
    Service(Service),
    /// A user-assigned identity.
    Identity(UserIdentity),
    /// A vault.
    Vault(Vault),
    /// One version of a key.
    Version(KeyVersionFacts),
    /// All versions of a key.
    Listing(Vec<ListedVersion>),
    /// What is left of a deleted key.
    DeletedKey(DeletedKey),
    /// The deny assignments that cover a vault, ordered by id.
    DenyAssignments(Vec<DenyAssignment>),
    /// How a service answers.
    Canary(Canary),
    /// The role assignments that cover a vault, ordered by id.
    Assignments(Vec<Assignment>),
    /// What Resource Health says of a service.
    Health(Health),
    /// Whether a role lets its holder use keys.
    Role(bool),
}

impl Value {
    /// The principals that act for a service.
    pub(super) fn principals(&self) -> Vec<Uuid> {
        match self {
            Self::Service(service) => match &service.identity {
                Attached::None | Attached::Both => Vec::new(),
                Attached::System { principal } => vec![*principal],
                Attached::User(users) => users.iter().filter_map(|user| user.principal).collect(),
            },
            Self::Identity(identity) => vec![identity.principal],
            Self::Tenant(_)
            | Self::Vault(_)
            | Self::Version(_)
            | Self::Listing(_)
            | Self::DeletedKey(_)
            | Self::DenyAssignments(_)
            | Self::Canary(_)
            | Self::Assignments(_)
            | Self::Health(_)
            | Self::Role(_) => Vec::new(),
        }
    }

    /// The tenant, if it is such a value.
    pub(super) fn tenant(&self) -> Option<Uuid> {
        if let Self::Tenant(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The service, if it is such a value.
    pub(super) fn service(&self) -> Option<Service> {
        if let Self::Service(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// The identity, if it is such a value.
    pub(super) fn identity(&self) -> Option<UserIdentity> {
        if let Self::Identity(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// The vault, if it is such a value.
    pub(super) fn vault(&self) -> Option<Vault> {
        if let Self::Vault(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// The key version, if it is such a value.
    pub(super) fn version(&self) -> Option<KeyVersionFacts> {
        if let Self::Version(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// The versions, if it is such a value.
    pub(super) fn listing(&self) -> Option<Vec<ListedVersion>> {
        if let Self::Listing(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// What is left of a deleted key, if it is such a value.
    pub(super) fn deleted_key(&self) -> Option<DeletedKey> {
        if let Self::DeletedKey(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// The deny assignments, if it is such a value.
    pub(super) fn denials(&self) -> Option<Vec<DenyAssignment>> {
        if let Self::DenyAssignments(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// How a service answers, if it is such a value.
    pub(super) fn canary(&self) -> Option<Canary> {
        if let Self::Canary(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The health, if it is such a value.
    pub(super) fn health(&self) -> Option<Health> {
        if let Self::Health(value) = self {
            Some(value.clone())
        } else {
            None
        }
    }

    /// Whether the role lets its holder use keys, if it is such a value.
    pub(super) fn gives_key_use(&self) -> Option<bool> {
        if let Self::Role(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The role assignments, if it is such a value.
    pub(super) fn assignments(&self) -> Option<&[Assignment]> {
        if let Self::Assignments(assignments) = self {
            Some(assignments)
        } else {
            None
        }
    }

    /// Whether both say the same; the growing age of an assignment is no news.
    fn is_same(&self, other: &Self) -> bool {
        match (self.assignments(), other.assignments()) {
            (Some(old), Some(new)) => {
                old.len() == new.len()
                    && old
                        .iter()
                        .zip(new)
                        .all(|(old, new)| is_same_assignment(old, new))
            }
            (None, None) => self == other,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// Whether both say the same, whatever their times.
pub(super) fn is_same(old: &Seen<Value>, new: &Seen<Value>) -> bool {
    match (old, new) {
        (Seen::Present { value: old, .. }, Seen::Present { value: new, .. }) => old.is_same(new),
        (Seen::Absent { .. }, Seen::Absent { .. }) | (Seen::Unread, Seen::Unread) => true,
        (Seen::Refused { denial: old, .. }, Seen::Refused { denial: new, .. }) => old == new,
        (
            Seen::Present { .. } | Seen::Absent { .. } | Seen::Refused { .. } | Seen::Unread,
            Seen::Present { .. } | Seen::Absent { .. } | Seen::Refused { .. } | Seen::Unread,
        ) => false,
    }
}

/// The principals whose assignments differ.
pub(super) fn changed_principals(old: &[Assignment], new: &[Assignment]) -> BTreeSet<Uuid> {
    let by_id = |rows: &[Assignment]| -> BTreeMap<String, Assignment> {
        let keyed = rows.iter().map(|row| (folded(&row.id), row.clone()));
        keyed.collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |id: &&&String| match (old.get(**id), new.get(**id)) {
        (Some(old), Some(new)) => !is_same_assignment(old, new),
        (Some(_), None) | (None, Some(_)) => true,
        (None, None) => false,
    };
    let changed = ids.iter().filter(differs);
    changed
        .flat_map(|id| old.get(*id).into_iter().chain(new.get(*id)))
        .map(|row| row.principal)
        .collect()
}

/// Whether an assignment at this scope is at or above a vault, or at a key in it.
pub(super) fn covers(scope: &str, vault: &VaultId) -> bool {
    let scope = folded(scope);
    let scope = scope.trim_end_matches('/');
    let vault = vault.id().folded();
    let is_within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_within(vault, scope) || is_within(scope, vault)
}

/// An ARM id as it is compared.
pub(super) fn folded(id: &str) -> String {
    id.to_lowercase()
}

fn is_same_assignment(old: &Assignment, new: &Assignment) -> bool {
    let Assignment {
        id,
        principal,
        role,
        gives_key_use,
        scope,
        conditional,
        created,
        age: _,
    } = old;
    id.eq_ignore_ascii_case(&new.id)
        && scope.eq_ignore_ascii_case(&new.scope)
        && (principal, role, gives_key_use, conditional, created)
            == (
                &new.principal,
                &new.role,
                &new.gives_key_use,
                &new.conditional,
                &new.created,
            )
}
