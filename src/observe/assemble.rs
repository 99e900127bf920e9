//! From the inventory to what one object is judged by.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    inventory::Inventory,
    keys::{KeyId, book::slower},
    source::{CredentialKey, Item, Keyed},
    value::Value,
};
use crate::{
    azure::VaultId,
    domain::{
        desired::Desired,
        fact::{Fact, Seen},
        observed::{Assignment, KeySource, Observed},
        wants::Want,
    },
};

/// What is known of the wants of an object.
pub(super) fn observed(
    inventory: &Inventory,
    credential: &CredentialKey,
    desired: &Desired,
    wants: &BTreeSet<Want>,
) -> Observed {
    let view = View {
        inventory,
        credential,
    };
    let service = &desired.service;
    let mut observed = Observed {
        tenant: view.fact(Want::Tenant(service.id().subscription()), Value::tenant),
        service: view.fact(Want::Service(service.clone()), Value::service),
        identity: desired
            .identity
            .clone()
            .map(|id| view.fact(Want::Identity(id), Value::identity)),
        health: view.fact(Want::Health(service.clone()), Value::health),
        // its maps are filled below; the interval plays no part there
        ..Observed::unread(inventory.interval(&Item::Want(Want::Service(service.clone()))))
    };
    for want in wants {
        match want {
            Want::Vault(vault) => {
                let fact = view.fact(want.clone(), Value::vault);
                observed.vaults.insert(vault.clone(), fact);
            }
            Want::Version(vault, url) => {
                view.source(&mut observed.key_sources, vault, want);
                let fact = view.fact(want.clone(), Value::version);
                observed.versions.insert(url.clone(), fact);
            }
            Want::Listing(vault, name) => {
                view.source(&mut observed.key_sources, vault, want);
                let fact = view.fact(want.clone(), Value::listing);
                let key = (vault.clone(), name.clone());
                observed.listings.insert(key, fact);
            }
            Want::DeletedKey(vault, name) => {
                let fact = view.fact(want.clone(), Value::deleted_key);
                let key = (vault.clone(), name.clone());
                observed.deleted_keys.insert(key, fact);
            }
            Want::DenyAssignments(vault) => {
                let fact = view.fact(want.clone(), Value::denials);
                observed.denials.insert(vault.clone(), fact);
            }
            Want::Canary(_) => {
                observed.canary = Some(view.fact(want.clone(), Value::canary));
            }
            Want::Assignments(vault) => {
                let mut fact = view.fact(want.clone(), |value| {
                    value.assignments().map(<[Assignment]>::to_vec)
                });
                view.explain(&mut fact, vault.id().subscription());
                observed.assignments.insert(vault.clone(), fact);
            }
            Want::Tenant(_) | Want::Service(_) | Want::Identity(_) | Want::Health(_) => {}
        }
    }
    observed
}

struct View<'all> {
    inventory: &'all Inventory,
    credential: &'all CredentialKey,
}

impl View<'_> {
    fn key(&self, item: Item) -> Keyed<Item> {
        Keyed {
            credential: self.credential.clone(),
            of: item,
        }
    }

    /// Notes where a key is read; of several keys of a vault the one that is read more slowly.
    fn source(&self, sources: &mut BTreeMap<VaultId, KeySource>, vault: &VaultId, want: &Want) {
        let item = Item::Want(want.clone());
        let Some(key) = KeyId::of(&item) else { return };
        let Some(source) = self.inventory.keys.source(&self.key(item).with(key)) else {
            return;
        };
        let slowest = match sources.remove(vault) {
            Some(before) => slower(before, source),
            None => source,
        };
        sources.insert(vault.clone(), slowest);
    }

    /// One fact in its own type; an item that nobody watches is unread.
    fn fact<T>(&self, want: Want, pick: impl Fn(&Value) -> Option<T>) -> Fact<T> {
        let key = self.key(Item::Want(want));
        let Some(fact) = self.inventory.fact(&key) else {
            return Fact::unread(self.inventory.interval(&key.of));
        };
        let seen = match &fact.seen {
            Seen::Present { value, at } => {
                pick(value).map_or(Seen::Unread, |value| Seen::Present { value, at: *at })
            }
            Seen::Absent { at } => Seen::Absent { at: *at },
            Seen::Refused { denial, at } => Seen::Refused {
                denial: denial.clone(),
                at: *at,
            },
            Seen::Unread => Seen::Unread,
        };
        Fact {
            seen,
            trouble: fact.trouble.clone(),
            interval: fact.interval,
        }
    }

    /// Says of each assignment whether its role gives key use, as far as that was read.
    fn explain(&self, assignments: &mut Fact<Vec<Assignment>>, subscription: Uuid) {
        let Seen::Present { value: rows, .. } = &mut assignments.seen else {
            return;
        };
        for row in rows.iter_mut().filter(|row| row.gives_key_use.is_none()) {
            let role = self.key(Item::Role {
                subscription,
                role: row.role,
            });
            row.gives_key_use = match self.inventory.fact(&role).map(|fact| &fact.seen) {
                Some(Seen::Present { value, .. }) => value.gives_key_use(),
                // a role that does not exist gives nothing
                Some(Seen::Absent { .. }) => Some(false),
                Some(Seen::Refused { .. } | Seen::Unread) | None => None,
            };
        }
    }
}
