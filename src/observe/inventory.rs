//! What was seen, for whom, and whom a change concerns.
//!
//! Pure: no network, time is an argument. An item is kept as long as an object wants it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    entry::{Entry, Finding, News, Ticket},
    keys::book::KeyBook,
    lists::Lists,
    schedule::Schedule,
    source::{CredentialKey, Intervals, Item, Keyed, pause},
    value::Value,
};
use crate::{
    clock::Monotonic,
    domain::{
        fact::{Fact, Seen},
        wants::Want,
    },
};

mod grants;
mod pace;

/// Everything that is known, and the schedule by which it is read.
#[derive(Debug)]
pub(super) struct Inventory {
    /// When each source is due.
    pub(super) schedule: Schedule,
    /// What is known of lists.
    pub(super) lists: Lists,
    /// Where and how often each key is read.
    pub(super) keys: KeyBook,
    intervals: Intervals,
    objects: BTreeMap<Arc<str>, Watched>,
    entries: BTreeMap<Keyed<Item>, Entry>,
    /// There may be items that a probe read and nobody watches.
    has_strays: bool,
    /// Counts reads and touches, so that their order is known whatever the clocks say.
    count: u64,
}

/// What an object needs.
#[derive(Debug)]
struct Watched {
    credential: CredentialKey,
    wants: BTreeSet<Want>,
    roles: BTreeSet<Item>,
}

impl Inventory {
    /// Nothing is known and nobody asks.
    pub(super) const fn new(intervals: Intervals) -> Self {
        Self {
            schedule: Schedule::new(intervals),
            keys: KeyBook::new(intervals),
            intervals,
            objects: BTreeMap::new(),
            entries: BTreeMap::new(),
            lists: Lists::new(),
            has_strays: false,
            count: 0,
        }
    }

    /// Replaces what an object wants.
    pub(super) fn watch(&mut self, object: &str, wants: Keyed<BTreeSet<Want>>, now: Monotonic) {
        let Keyed {
            credential,
            of: wants,
        } = wants;
        let uid: Arc<str> = Arc::from(object);
        let before = self.objects.remove(&uid);
        let (before, roles) = before
            .map(|watched| (watched.wants, watched.roles))
            .unwrap_or_default();
        let keyed = |want: &Want| Keyed {
            credential: credential.clone(),
            of: Item::Want(want.clone()),
        };
        for want in wants.difference(&before) {
            self.attach(&uid, keyed(want), now);
        }
        for want in before.difference(&wants) {
            self.detach(&uid, &keyed(want));
        }
        let is_new = before != wants;
        let watched = Watched {
            credential,
            wants,
            roles,
        };
        self.objects.insert(Arc::clone(&uid), watched);
        if is_new {
            self.refresh_roles(&uid, now);
            self.drop_strays();
        }
    }

    /// Whether it is known what an object wants.
    pub(super) fn is_watching(&self, object: &str) -> bool {
        self.objects.contains_key(object)
    }

    /// An object needs nothing any more.
    pub(super) fn forget(&mut self, object: &str) {
        let Some(watched) = self.objects.remove(object) else {
            return;
        };
        let wants = watched.wants.into_iter().map(Item::Want);
        for item in wants.chain(watched.roles) {
            let key = Keyed {
                credential: watched.credential.clone(),
                of: item,
            };
            self.detach(object, &key);
        }
    }

    /// A read that begins now.
    pub(super) fn begin(&mut self, started: Monotonic, direct: bool) -> Ticket {
        self.count = self.count.saturating_add(1);
        Ticket {
            number: self.count,
            started,
            direct,
        }
    }

    /// We wrote to it: what is being read, or was read before, is out of date.
    pub(super) fn touch(&mut self, key: &Keyed<Item>) {
        self.count = self.count.saturating_add(1);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.touched = self.count;
        }
    }

    /// Takes note of what a read brought, and says whom it concerns.
    pub(super) fn commit(
        &mut self,
        key: &Keyed<Item>,
        ticket: &Ticket,
        finding: Finding,
        now: (Timestamp, Monotonic),
    ) -> Vec<Arc<str>> {
        let Some(entry) = self.entries.get_mut(key) else {
            return Vec::new();
        };
        let news = entry.commit(ticket, finding, now.0);
        let wanted_by = || entry.wanted_by.iter().map(Arc::clone).collect();
        let concerned: Vec<_> = match &news {
            News::Nothing => Vec::new(),
            News::Known => wanted_by(),
            News::Changed { before } => self.concerned(key, before),
        };
        for object in &concerned {
            self.refresh_roles(object, now.1);
        }
        concerned
    }

    /// What is known of an item.
    pub(super) fn fact(&self, key: &Keyed<Item>) -> Option<&Fact<Value>> {
        self.entries.get(key).map(|entry| &entry.fact)
    }

    /// The value of an item when it was last there.
    pub(super) fn last_value(&self, key: &Keyed<Item>) -> Option<&Value> {
        self.fact(key).and_then(Fact::last_value)
    }

    /// Whether an item is known to be absent; with `recently`, by a direct read not long ago.
    pub(super) fn is_absent(&self, key: &Keyed<Item>, recently: Option<Monotonic>) -> bool {
        let Some(entry) = self.entries.get(key) else {
            return false;
        };
        let is_absent = matches!(entry.fact.seen, Seen::Absent { .. });
        let limit = pause(self.intervals.configuration);
        let is_recent =
            |now: Monotonic| entry.direct_at.is_some_and(|read| now.since(read) < limit);
        is_absent && recently.is_none_or(is_recent)
    }

    /// Whether a probe has to read an item: unread, too old, or touched since, and not tried since
    /// the read number `since`.
    pub(super) fn is_due(
        &self,
        key: &Keyed<Item>,
        since: u64,
        oldest: (SignedDuration, Monotonic),
    ) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.attempted <= since && entry.is_out_of_date(oldest))
    }

    /// The end of a sweep that is about to read an item for the first time.
    pub(super) fn first_read(
        &self,
        key: &Keyed<Item>,
        now: Monotonic,
    ) -> Option<CancellationToken> {
        let is_unread = self.fact(key).is_some_and(|fact| fact.seen == Seen::Unread);
        is_unread
            .then(|| self.schedule.end_of_sweep(key, now))
            .flatten()
    }

    /// The number of the latest read or touch.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Held by the probe that reads an item, so that others wait for it. An item that no object
    /// watches is kept until the objects change.
    pub(super) fn turn(&mut self, key: &Keyed<Item>) -> Arc<Mutex<()>> {
        let interval = key.of.interval(&self.intervals);
        let entry = self.entries.entry(key.clone());
        let entry = entry.or_insert_with(|| Entry::new(interval));
        self.has_strays |= entry.wanted_by.is_empty();
        Arc::clone(&entry.turn)
    }

    /// Takes note that we may not read a list: it is left alone for a while.
    pub(super) fn close(&mut self, list: Keyed<String>, now: Monotonic) {
        let pause = pause(self.intervals.configuration);
        self.lists.close(list, pause, now);
    }

    /// When the read began that brought what is known of an item.
    pub(super) fn read_at(&self, key: &Keyed<Item>) -> Option<Monotonic> {
        self.entries.get(key).and_then(Entry::read_at)
    }

    /// How often an item is to be read.
    pub(super) const fn interval(&self, item: &Item) -> SignedDuration {
        item.interval(&self.intervals)
    }

    /// Drops what nobody watches and no probe is at work on.
    fn drop_strays(&mut self) {
        if self.has_strays {
            let is_needed =
                |entry: &Entry| !entry.wanted_by.is_empty() || Arc::strong_count(&entry.turn) > 1;
            self.entries.retain(|_, entry| is_needed(entry));
            let mut entries = self.entries.values();
            self.has_strays = entries.any(|entry| entry.wanted_by.is_empty());
        }
    }

    fn attach(&mut self, object: &Arc<str>, key: Keyed<Item>, now: Monotonic) {
        let interval = key.of.interval(&self.intervals);
        self.schedule.add(&key, now);
        let entry = self.entries.entry(key);
        let entry = entry.or_insert_with(|| Entry::new(interval));
        entry.wanted_by.insert(Arc::clone(object));
    }

    fn detach(&mut self, object: &str, key: &Keyed<Item>) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.wanted_by.remove(object);
        if entry.wanted_by.is_empty() {
            self.entries.remove(key);
            self.schedule.remove(key);
            self.forget_key(key);
        }
    }

    /// Adds the role definitions that an object has come to need, and drops the others.
    fn refresh_roles(&mut self, object: &Arc<str>, now: Monotonic) {
        let Some(watched) = self.objects.get(object) else {
            return;
        };
        let credential = watched.credential.clone();
        let before = watched.roles.clone();
        let needed = self.roles_of(&credential, &watched.wants);
        for item in needed.difference(&before) {
            let key = Keyed {
                credential: credential.clone(),
                of: item.clone(),
            };
            self.attach(object, key, now);
        }
        for item in before.difference(&needed) {
            let key = Keyed {
                credential: credential.clone(),
                of: item.clone(),
            };
            self.detach(object, &key);
        }
        if let Some(changed) = self.objects.get_mut(object) {
            changed.roles = needed;
        }
    }
}
