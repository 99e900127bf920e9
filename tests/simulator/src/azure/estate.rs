//! Everything that exists in this Azure, keyed by lower-case id.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    authorization::Assignment, denial::DenyAssignment, path::covers, roles::Role, service::Service,
    settings::Settings, vault::Vault,
};

/// A resource without behaviour of its own.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) location: String,
    pub(super) tags: Option<Value>,
    pub(super) properties: Map<String, Value>,
}

/// A user-assigned identity.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) plain: Plain,
    pub(super) principal: String,
    pub(super) client: String,
}

/// A principal that the directory has known.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    pub(super) label: String,
    /// From when on the role service finds it without being told its type.
    pub(super) replicated: Timestamp,
    pub(super) exists: bool,
}

#[derive(Clone, Debug)]
pub(super) struct DeletedVault {
    pub(super) vault: Vault,
    pub(super) at: Timestamp,
}

/// How an asynchronous operation stands.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) subscription: String,
    pub(super) location: String,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// `Running`, `Succeeded`, `Failed` or `Canceled`.
    pub(super) status: &'static str,
    pub(super) error: Option<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Estate {
    pub(super) tenant: String,
    /// Id to display name.
    pub(super) subscriptions: BTreeMap<String, String>,
    pub(super) groups: BTreeMap<String, Plain>,
    pub(super) workspaces: BTreeMap<String, Plain>,
    pub(super) identities: BTreeMap<String, Identity>,
    pub(super) federated: BTreeMap<String, Plain>,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) vaults: BTreeMap<String, Vault>,
    /// Soft-deleted vaults by lower-case name.
    pub(super) deleted_vaults: BTreeMap<String, DeletedVault>,
    /// Role definitions by GUID.
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) assignments: BTreeMap<String, Assignment>,
    pub(super) denials: BTreeMap<String, DenyAssignment>,
    pub(super) principals: BTreeMap<String, Principal>,
    pub(super) operations: BTreeMap<String, Operation>,
    /// Other resources of each subscription, of which only Resource Health tells.
    pub(super) foreign: u32,
    made: u64,
}

impl Estate {
    /// A GUID that no other call gave out and that every run gives out alike.
    pub(super) fn next_guid(&mut self, what: &str) -> String {
        self.made = self.made.saturating_add(1);
        guid(&format!("{what}/{}", self.made))
    }

    pub(super) fn add_principal(&mut self, id: &str, label: String, replicated: Timestamp) {
        self.principals.insert(
            id.to_owned(),
            Principal {
                label,
                replicated,
                exists: true,
            },
        );
    }

    pub(super) fn drop_principal(&mut self, id: &str) {
        if let Some(principal) = self.principals.get_mut(id) {
            principal.exists = false;
        }
    }

    pub(super) fn principal_exists(&self, id: &str) -> bool {
        self.principals
            .get(id)
            .is_some_and(|principal| principal.exists)
    }

    pub(super) fn vault_named(&self, name: &str) -> Option<&Vault> {
        self.vaults
            .values()
            .find(|vault| vault.plain.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn vault_named_mut(&mut self, name: &str) -> Option<&mut Vault> {
        self.vaults
            .values_mut()
            .find(|vault| vault.plain.name.eq_ignore_ascii_case(name))
    }

    /// Deletes a vault softly; its role assignments go for good.
    pub(super) fn delete_vault(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(vault) = self.vaults.remove(&id.to_ascii_lowercase()) else {
            return false;
        };
        self.drop_assignments_below(&vault.plain.id);
        let name = vault.plain.name.to_ascii_lowercase();
        self.deleted_vaults
            .insert(name, DeletedVault { vault, at: now });
        true
    }

    /// Brings a deleted vault back, without the role assignments that it had.
    pub(super) fn recover_vault(&mut self, name: &str) -> Option<String> {
        let vault = self
            .deleted_vaults
            .remove(&name.to_ascii_lowercase())?
            .vault;
        let id = vault.plain.id.clone();
        self.vaults.insert(id.to_ascii_lowercase(), vault);
        Some(id)
    }

    pub(super) fn drop_assignments_below(&mut self, scope: &str) {
        self.assignments
            .retain(|_, assignment| !covers(scope, &assignment.scope));
    }

    pub(super) fn delete_identity(&mut self, id: &str) -> bool {
        let Some(identity) = self.identities.remove(&id.to_ascii_lowercase()) else {
            return false;
        };
        self.federated
            .retain(|_, child| !covers(&identity.plain.id, &child.id));
        self.drop_principal(&identity.principal);
        true
    }

    /// Removes a group with everything in it; vaults go the soft way.
    pub(super) fn delete_group(&mut self, id: &str, now: Timestamp) {
        let inside = |key: &str| covers(id, key);
        let vaults: Vec<String> = self
            .vaults
            .keys()
            .filter(|key| inside(key))
            .cloned()
            .collect();
        for vault in vaults {
            self.delete_vault(&vault, now);
        }
        let identities: Vec<String> = self
            .identities
            .keys()
            .filter(|key| inside(key))
            .cloned()
            .collect();
        for identity in identities {
            self.delete_identity(&identity);
        }
        let principals: Vec<String> = self
            .services
            .iter()
            .filter(|(key, _)| inside(key))
            .filter_map(|(_, service)| service.system_principal.clone())
            .collect();
        for principal in principals {
            self.drop_principal(&principal);
        }
        self.services.retain(|key, _| !inside(key));
        self.workspaces.retain(|key, _| !inside(key));
        self.drop_assignments_below(id);
        self.groups.remove(&id.to_ascii_lowercase());
    }

    /// Lets every service live until `now`.
    pub(super) fn advance(&mut self, settings: &Settings, now: Timestamp) {
        let mut services = std::mem::take(&mut self.services);
        let mut removed = BTreeSet::new();
        for (id, service) in &mut services {
            if service.advance(self, settings, now) {
                removed.insert(id.clone());
            }
        }
        services.retain(|id, _| !removed.contains(id));
        self.services = services;
        self.assignments
            .retain(|_, assignment| assignment.ends.is_none_or(|ends| ends > now));
    }

    /// When something next happens that nobody asked for.
    pub(super) fn next_event(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let services = self
            .services
            .values()
            .filter_map(|service| service.next_time(settings));
        let grants = self
            .assignments
            .values()
            .flat_map(|assignment| [Some(assignment.effective), assignment.ends])
            .flatten();
        services.chain(grants).filter(|&at| at > now).min()
    }
}

impl Plain {
    pub(super) fn new(id: String, location: &str) -> Self {
        Self {
            name: id.rsplit('/').next().unwrap_or_default().to_owned(),
            id,
            location: location.to_owned(),
            tags: None,
            properties: Map::new(),
        }
    }

    /// The resource as ARM shows it; `kind` is its full type.
    pub(super) fn show(&self, kind: &str) -> Value {
        let mut shown = json!({ "id": self.id, "name": self.name, "type": kind });
        if let Some(fields) = shown.as_object_mut() {
            if !self.location.is_empty() {
                fields.insert("location".to_owned(), json!(self.location));
            }
            if let Some(tags) = &self.tags {
                fields.insert("tags".to_owned(), tags.clone());
            }
            fields.insert(
                "properties".to_owned(),
                Value::Object(self.properties.clone()),
            );
        }
        shown
    }
}

/// A GUID derived from its meaning: the same in every run.
pub(super) fn guid(meaning: &str) -> String {
    Uuid::new_v5(&NAMESPACE, meaning.to_ascii_lowercase().as_bytes()).to_string()
}

/// 32 hexadecimal digits derived from their meaning, as versions of keys have them.
pub(super) fn hex(meaning: &str) -> String {
    Uuid::new_v5(&NAMESPACE, meaning.to_ascii_lowercase().as_bytes())
        .simple()
        .to_string()
}

/// Root of all names that the simulator derives.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3b52_9c1a_4a53_8d0e_71a2_5bd1_c0de);
