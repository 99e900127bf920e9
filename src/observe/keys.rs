//! Keys: where they are read, and what a list of versions at the vault's own host tells.
//!
//! One source for each key serves the list of its versions, each version that is wanted, and what
//! is known of its deletion. It is read at the vault, which is quick and cheap, as long as the vault
//! lets us; else through Azure Resource Manager, and the vault is tried again at the interval of
//! configuration.
//!
//! A refusal, a failure or a 404 of the vault's host is evidence of nothing, with two exceptions,
//! each looked at twice: the vault knows the key and has no such version, or knows no such key.

use super::{
    Observer,
    read::Why,
    schedule::Swept,
    source::{Item, Keyed, Source},
};
use crate::{
    azure::{KeyName, KeyVersion, VaultId},
    domain::{observed::KeySource, wants::Want},
};

pub(super) mod book;
mod closed;
mod direct;
mod through_arm;

use self::{
    book::{Lasts, Way},
    closed::Ending,
};

/// A key of a vault.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct KeyId {
    /// The vault.
    pub(super) vault: VaultId,
    /// The key's name, in lower case.
    pub(super) name: KeyName,
}

/// One look at a key.
struct Look<'look> {
    key: Keyed<KeyId>,
    items: &'look [Keyed<Item>],
    /// The one item that a probe asks for.
    focus: Option<&'look Item>,
    why: Why,
}

impl KeyId {
    /// The key that an item is about.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let (vault, name) = match item {
            Item::Want(Want::Version(vault, url)) => (vault, url.name()),
            Item::Want(Want::Listing(vault, name) | Want::DeletedKey(vault, name)) => (vault, name),
            Item::Want(
                Want::Tenant(_)
                | Want::Service(_)
                | Want::Identity(_)
                | Want::Vault(_)
                | Want::Assignments(_)
                | Want::DenyAssignments(_)
                | Want::Health(_)
                | Want::Canary(_),
            )
            | Item::Role { .. } => return None,
        };
        Some(Self {
            vault: vault.clone(),
            name: name.folded(),
        })
    }
}

impl Look<'_> {
    /// The items that are versions.
    fn versions(&self) -> impl Iterator<Item = (&Keyed<Item>, &KeyVersion)> {
        self.items.iter().filter_map(|item| match &item.of {
            Item::Want(Want::Version(_, url)) => Some((item, url.version()?)),
            Item::Want(_) | Item::Role { .. } => None,
        })
    }

    fn is_focus(&self, item: &Keyed<Item>) -> bool {
        self.focus == Some(&item.of)
    }
}

impl Observer {
    /// Reads a key for all its items, and says when it is due again.
    pub(super) async fn sweep_key(
        &self,
        source: &Keyed<Source>,
        id: &KeyId,
        items: &[Keyed<Item>],
    ) -> Swept {
        self.look_at_key(&Look {
            key: source.with(id.clone()),
            items,
            focus: None,
            why: Why::Sweep,
        })
        .await
    }

    /// Reads one item of a key for a write; what the same call tells of others is kept too.
    pub(super) async fn probe_key(&self, item: &Keyed<Item>, id: KeyId) {
        let mut items = self
            .lock()
            .schedule
            .items(&item.with(Source::Key(id.clone())));
        items.insert(item.of.clone());
        let items: Vec<_> = items.into_iter().map(|other| item.with(other)).collect();
        self.look_at_key(&Look {
            key: item.with(id),
            items: &items,
            focus: Some(&item.of),
            why: Why::Probe,
        })
        .await;
    }

    async fn look_at_key(&self, look: &Look<'_>) -> Swept {
        let now = self.clock.monotonic();
        let versions = look.versions().map(|(_, version)| version.clone());
        let versions = versions.collect();
        let way = {
            let mut inventory = self.lock();
            inventory.keys.watch(&look.key, &versions);
            inventory.keys.way(&look.key, now)
        };
        let is_trial = match way {
            Way::Arm { why } => return self.read_through_arm(look, &why).await,
            Way::Vault { is_trial } => is_trial,
        };
        match self.read_at_vault(look).await {
            Ok(swept) => swept,
            Err(Ending::Closed(why)) => self.turn_away(look, (why, Lasts::Long)).await,
            Err(Ending::Trouble { why, failure }) => {
                if is_trial || self.lock().keys.fail(&look.key) {
                    return self.turn_away(look, (why, Lasts::Short)).await;
                }
                let at = self.clock.now();
                let ticket = self.begin(true);
                let items = look.items.iter();
                let failed = items.map(|item| self.failed(item, &ticket, failure.clone(), at));
                failed.fold(Swept::GOOD, Swept::and)
            }
            // the second look decides on it
            Err(Ending::Missing) => Swept::GOOD,
        }
    }

    /// The vault is not asked any more for a while.
    async fn turn_away(&self, look: &Look<'_>, (why, lasts): (String, Lasts)) -> Swept {
        let now = self.clock.monotonic();
        let (before, is_new) = {
            let keys = &mut self.lock().keys;
            let before = keys.source(&look.key);
            (before, keys.close(&look.key, (why.clone(), lasts), now))
        };
        if is_new {
            let vault = look.key.of.vault.name();
            tracing::info!(%vault, %why, "reads keys through Azure Resource Manager, not at their vault");
        }
        self.tell_source(look, before.as_ref());
        self.read_through_arm(look, &why).await
    }

    /// Calls the objects that want a key when it is read elsewhere than before.
    fn tell_source(&self, look: &Look<'_>, before: Option<&KeySource>) {
        let watchers = {
            let inventory = self.lock();
            let after = inventory.keys.source(&look.key);
            if before.is_none() || before == after.as_ref() {
                return;
            }
            inventory.watchers(look.items)
        };
        for object in watchers {
            // nobody listens any more when the operator ends
            self.changed.send(object.to_string()).ok();
        }
    }
}
