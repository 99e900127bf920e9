//! What is read at a pace of its own, and who is to know.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::jiff::SignedDuration;

use super::Inventory;
use crate::{
    clock::Monotonic,
    observe::{
        keys::KeyId,
        source::{Item, Keyed, Source},
    },
};

impl Inventory {
    /// From now on an item is read this often.
    pub(in crate::observe) fn set_interval(&mut self, key: &Keyed<Item>, interval: SignedDuration) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.fact.interval = interval;
        }
    }

    /// Whether an item is unread, or was read longer than so ago.
    pub(in crate::observe) fn is_older(
        &self,
        key: &Keyed<Item>,
        than: (SignedDuration, Monotonic),
    ) -> bool {
        let entry = self.entries.get(key);
        entry.is_some_and(|entry| entry.is_out_of_date(than))
    }

    /// The objects that want any of these items.
    pub(in crate::observe) fn watchers(&self, items: &[Keyed<Item>]) -> BTreeSet<Arc<str>> {
        let entries = items.iter().filter_map(|item| self.entries.get(item));
        entries
            .flat_map(|entry| &entry.wanted_by)
            .map(Arc::clone)
            .collect()
    }

    /// Forgets the key of an item, if that was the last one that needs it.
    pub(super) fn forget_key(&mut self, item: &Keyed<Item>) {
        if let Some(id) = KeyId::of(&item.of)
            && !self.schedule.has(&item.with(Source::Key(id.clone())))
        {
            self.keys.forget(&item.with(id));
        }
    }
}
