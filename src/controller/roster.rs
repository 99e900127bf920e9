//! The objects that there are, by UID and by the service that they name. Of two that name the same
//! service the older one acts, and the other waits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;

use crate::crd::{DicomEncryption, Mode};

/// The objects that there are. Kept beside the store, which can only be searched from end to end:
/// at ten thousand objects most of the work would be that search.
#[derive(Debug, Default)]
pub(super) struct Roster(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_uid: HashMap<String, Entry>,
    by_service: HashMap<String, BTreeSet<String>>,
    /// The UIDs of a list that is under way.
    listed: Option<BTreeSet<String>>,
}

/// What counts of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    object: ObjectRef<DicomEncryption>,
    service: String,
    created: Option<Timestamp>,
    /// Whether it claims the service: suspended or not, as long as it is not being deleted.
    manages: bool,
}

/// A claim on a service. Of several the least counts.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Claim {
    created: Option<Timestamp>,
    uid: String,
}

/// What follows from an event of the watch.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Noted {
    /// What is gone, by UID.
    pub(super) gone: BTreeMap<String, ObjectRef<DicomEncryption>>,
    /// Other objects that name the same service as what changed or went.
    pub(super) namesakes: Vec<ObjectRef<DicomEncryption>>,
}

impl Roster {
    /// Takes note of an event. What a new list leaves out is gone: it was deleted while the watch
    /// was broken, and no event tells of it.
    pub(super) fn note(&self, event: &Event<DicomEncryption>) -> Noted {
        let mut entries = self.lock();
        match event {
            Event::Init => {
                entries.listed = Some(BTreeSet::new());
                Noted::default()
            }
            Event::InitApply(object) => {
                let uid = entries.put(object);
                if let Some(listed) = &mut entries.listed {
                    listed.insert(uid);
                }
                Noted::default()
            }
            Event::InitDone => {
                let listed = entries.listed.take().unwrap_or_default();
                let left_out = entries.by_uid.keys().filter(|uid| !listed.contains(*uid));
                let left_out: Vec<String> = left_out.cloned().collect();
                entries.remove(left_out)
            }
            Event::Apply(object) => {
                let uid = entries.put(object);
                Noted {
                    namesakes: entries.namesakes(&uid, &service(object)),
                    ..Noted::default()
                }
            }
            Event::Delete(object) => entries.remove(object.uid()),
        }
    }

    /// The object with this UID.
    pub(super) fn find(&self, uid: &str) -> Option<ObjectRef<DicomEncryption>> {
        let entries = self.lock();
        entries.by_uid.get(uid).map(|entry| entry.object.clone())
    }

    /// The object that acts on the service that `object` names, when that is another one: the oldest
    /// (then the one with the smallest UID) of those that manage it, suspended or not.
    pub(super) fn rival(&self, object: &DicomEncryption) -> Option<String> {
        if object.spec.mode != Mode::Manage {
            return None;
        }
        let (claim, acting) = self.lock().oldest_claim(&service(object))?;
        let own = Claim {
            created: created(object),
            uid: object.uid().unwrap_or_default(),
        };
        (claim < own).then(|| {
            let namespace = acting.namespace.as_deref().unwrap_or_default();
            format!("{namespace}/{}", acting.name)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn put(&mut self, object: &DicomEncryption) -> String {
        let uid = object.uid().unwrap_or_default();
        let entry = Entry {
            object: ObjectRef::from_obj(object),
            service: service(object),
            created: created(object),
            manages: object.spec.mode == Mode::Manage
                && object.metadata.deletion_timestamp.is_none(),
        };
        let named = self.by_service.entry(entry.service.clone()).or_default();
        named.insert(uid.clone());
        let service = entry.service.clone();
        if let Some(before) = self.by_uid.insert(uid.clone(), entry)
            && before.service != service
        {
            self.unname(&before.service, &uid);
        }
        uid
    }

    fn remove(&mut self, uids: impl IntoIterator<Item = String>) -> Noted {
        let mut noted = Noted::default();
        for uid in uids {
            if let Some(entry) = self.by_uid.remove(&uid) {
                self.unname(&entry.service, &uid);
                noted.namesakes.extend(self.namesakes(&uid, &entry.service));
                noted.gone.insert(uid, entry.object);
            }
        }
        noted
    }

    fn oldest_claim(&self, service: &str) -> Option<(Claim, ObjectRef<DicomEncryption>)> {
        let named = self.by_service.get(service)?.iter();
        let claims = named.filter_map(|uid| {
            let entry = self.by_uid.get(uid).filter(|entry| entry.manages)?;
            let claim = Claim {
                created: entry.created,
                uid: uid.clone(),
            };
            Some((claim, entry.object.clone()))
        });
        claims.min_by(|(one, _), (other, _)| one.cmp(other))
    }

    fn unname(&mut self, service: &str, uid: &str) {
        if let Some(named) = self.by_service.get_mut(service) {
            named.remove(uid);
            if named.is_empty() {
                self.by_service.remove(service);
            }
        }
    }

    fn namesakes(&self, uid: &str, service: &str) -> Vec<ObjectRef<DicomEncryption>> {
        let named = self.by_service.get(service).into_iter().flatten();
        let others = named.filter(|other| *other != uid);
        let others = others.filter_map(|other| self.by_uid.get(other));
        others.map(|entry| entry.object.clone()).collect()
    }
}

/// The id of the service that an object names, for comparison: ids differ in more than case only if
/// they name different services.
fn service(object: &DicomEncryption) -> String {
    object.spec.dicom_service_id.to_ascii_lowercase()
}

fn created(object: &DicomEncryption) -> Option<Timestamp> {
    let created = object.metadata.creation_timestamp.as_ref();
    created.map(|time| time.0)
}

#[cfg(test)]
mod tests;
