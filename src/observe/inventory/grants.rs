//! What the inventory knows of role assignments, and whom they concern.

use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use super::Inventory;
use crate::{
    azure::VaultId,
    domain::{fact::Seen, observed::Assignment, wants::Want},
    observe::{
        source::{CredentialKey, Item, Keyed},
        value::{Value, changed_principals, covers, folded},
    },
};

impl Inventory {
    /// The items of these wants that a role definition is needed for.
    pub(in crate::observe) fn roles_of(
        &self,
        credential: &CredentialKey,
        wants: &BTreeSet<Want>,
    ) -> BTreeSet<Item> {
        let principals = self.principals(credential, wants);
        let mut roles = BTreeSet::new();
        for want in wants {
            let Want::Assignments(vault) = want else {
                continue;
            };
            let rows = self.assignments(credential, vault).iter();
            let unknown = rows
                .filter(|row| row.gives_key_use.is_none() && principals.contains(&row.principal));
            roles.extend(unknown.map(|row| Item::Role {
                subscription: vault.id().subscription(),
                role: row.role,
            }));
        }
        roles
    }

    /// The assignments that matter to somebody and were seen, but are not among these rows.
    pub(in crate::observe) fn vanished(
        &self,
        credential: &CredentialKey,
        vault: &VaultId,
        rows: &[Assignment],
    ) -> Vec<Assignment> {
        let present: BTreeSet<String> = rows.iter().map(|row| folded(&row.id)).collect();
        let want = Item::Want(Want::Assignments(vault.clone()));
        let key = Keyed {
            credential: credential.clone(),
            of: want,
        };
        let watchers = self.entries.get(&key).map(|entry| &entry.wanted_by);
        let watched = watchers
            .into_iter()
            .flatten()
            .filter_map(|object| self.objects.get(object));
        let principals: BTreeSet<Uuid> = watched
            .flat_map(|watched| self.principals(credential, &watched.wants))
            .collect();
        let gone = self.assignments(credential, vault).iter().filter(|row| {
            principals.contains(&row.principal)
                && covers(&row.scope, vault)
                && !present.contains(&folded(&row.id))
        });
        gone.cloned().collect()
    }

    /// The objects that a change concerns: with role assignments, those whose principals they are.
    pub(super) fn concerned(&self, key: &Keyed<Item>, before: &Seen<Value>) -> Vec<Arc<str>> {
        let Some(entry) = self.entries.get(key) else {
            return Vec::new();
        };
        let rows = |seen: &Seen<Value>| match seen {
            Seen::Present { value, .. } => value.assignments().map(<[Assignment]>::to_vec),
            Seen::Absent { .. } | Seen::Refused { .. } | Seen::Unread => None,
        };
        let changed = rows(before).zip(rows(&entry.fact.seen));
        let changed = changed.map(|(old, new)| changed_principals(&old, &new));
        let is_concerned = |object: &&Arc<str>| match (&changed, self.objects.get(*object)) {
            (Some(changed), Some(watched)) => !self
                .principals(&watched.credential, &watched.wants)
                .is_disjoint(changed),
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        };
        let objects = entry.wanted_by.iter().filter(is_concerned);
        objects.map(Arc::clone).collect()
    }

    /// The principals that act for the services of these wants.
    fn principals(&self, credential: &CredentialKey, wants: &BTreeSet<Want>) -> BTreeSet<Uuid> {
        let acting = wants
            .iter()
            .filter(|want| matches!(want, Want::Service(_) | Want::Identity(_)));
        let values = acting.filter_map(|want| {
            self.last_value(&Keyed {
                credential: credential.clone(),
                of: Item::Want(want.clone()),
            })
        });
        values.flat_map(Value::principals).collect()
    }

    fn assignments(&self, credential: &CredentialKey, vault: &VaultId) -> &[Assignment] {
        let key = Keyed {
            credential: credential.clone(),
            of: Item::Want(Want::Assignments(vault.clone())),
        };
        self.last_value(&key)
            .and_then(Value::assignments)
            .unwrap_or_default()
    }
}
