//! The objects, their history, and the one counter that orders it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::{
    Failure, update,
    watch::{Filter, WatchEvent, Watches},
};

/// Names an object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) plural: String,
    /// Empty for cluster-scoped objects.
    pub(super) namespace: String,
    pub(super) name: String,
}

/// Who applied something: a field manager, to the object or to its status.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Owner {
    pub(super) manager: String,
    pub(super) is_status: bool,
}

/// What each owner applied last.
pub(super) type Applied = BTreeMap<Owner, Value>;

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Value>,
    /// The object after the change; for a removal, as it was last, with the removal's version.
    pub(super) object: Value,
    pub(super) is_removal: bool,
}

#[derive(Debug)]
struct Stored {
    object: Value,
    applied: Applied,
}

/// Everything stored.
#[derive(Debug)]
pub(super) struct Store {
    version: u64,
    objects: BTreeMap<Key, Stored>,
    history: VecDeque<Change>,
    /// The version after which the history is complete.
    complete_since: u64,
    pub(super) watches: Watches,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            // not 0: to a client, version 0 means "any"
            version: 1,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            complete_since: 1,
            watches: Watches::default(),
        }
    }

    /// The version of the latest change.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn object(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(|stored| &stored.object)
    }

    pub(super) fn applied(&self, key: &Key) -> Applied {
        self.objects
            .get(key)
            .map(|stored| stored.applied.clone())
            .unwrap_or_default()
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects
            .iter()
            .map(|(key, stored)| (key, &stored.object))
    }

    /// Stores an object at the next version, and tells the watches. Gives it as stored.
    pub(super) fn put(&mut self, key: &Key, mut object: Value) -> Value {
        self.version += 1;
        update::set_metadata(
            &mut object,
            "resourceVersion",
            self.version.to_string().into(),
        );
        let applied = self.applied(key);
        let before = self
            .objects
            .insert(
                key.clone(),
                Stored {
                    object: object.clone(),
                    applied,
                },
            )
            .map(|stored| stored.object);
        self.publish(Change {
            version: self.version,
            key: key.clone(),
            before,
            object: object.clone(),
            is_removal: false,
        });
        object
    }

    /// Remembers who applied what; not a change that anybody sees.
    pub(super) fn set_applied(&mut self, key: &Key, applied: Applied) {
        if let Some(stored) = self.objects.get_mut(key) {
            stored.applied = applied;
        }
    }

    /// Removes an object, and tells the watches.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(Stored { object, applied: _ }) = self.objects.remove(key) else {
            return;
        };
        self.version += 1;
        let mut last = object.clone();
        update::set_metadata(
            &mut last,
            "resourceVersion",
            self.version.to_string().into(),
        );
        self.publish(Change {
            version: self.version,
            key: key.clone(),
            before: Some(object),
            object: last,
            is_removal: true,
        });
    }

    /// What a watch from this version on missed so far.
    pub(super) fn since(&self, version: u64, filter: &Filter) -> Result<Vec<WatchEvent>, Failure> {
        self.require(version)?;
        let missed = self
            .history
            .iter()
            .filter(|change| change.version > version);
        Ok(missed.filter_map(|change| filter.event(change)).collect())
    }

    /// Whether everything since a version is still known.
    pub(super) fn require(&self, version: u64) -> Result<(), Failure> {
        if version < self.complete_since {
            Err(Failure::expired())
        } else {
            Ok(())
        }
    }

    /// Forgets the history.
    pub(super) fn compact(&mut self) {
        // one version further, so that even the latest version handed out is too old
        self.version += 1;
        self.complete_since = self.version;
        self.history.clear();
    }

    fn publish(&mut self, change: Change) {
        self.watches.publish(&change);
        self.history.push_back(change);
        if self.history.len() > KEPT
            && let Some(oldest) = self.history.pop_front()
        {
            self.complete_since = oldest.version;
        }
    }
}

/// How many changes a watch may lag behind. The real server keeps five minutes.
const KEPT: usize = 10_000;
