//! What the shell remembers of each object between passes. All of it can be lost: a restart only
//! looks again, and tries a write that failed once more.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use crate::azure::KeyUrl;
use crate::crd::DicomEncryptionStatus;
use crate::domain::plan::Setback;
use crate::domain::step::Step;

/// What is remembered of one object.
#[derive(Clone, Debug, Default)]
pub struct ObjectState {
    /// The status as the API server last gave it back: the watch may be behind.
    pub published: Option<DicomEncryptionStatus>,
    /// The latest write that Azure accepted, until its effect is seen.
    pub accepted: Option<AcceptedWrite>,
    /// The key that was set last, and for which principal, once that was seen to take effect.
    pub set: Option<(KeyUrl, Uuid)>,
    /// When the latest write was begun, whatever became of it.
    pub wrote_at: Option<Timestamp>,
    /// The latest write that did not work.
    pub setback: Option<Setback>,
    /// How often in a row writes did not work.
    pub failures: u32,
    /// How often in a row an operation was looked at.
    pub polls: u32,
    /// The API server drops fields of the status.
    pub crd_outdated: bool,
}

/// A write that Azure accepted.
#[derive(Clone, Debug)]
pub struct AcceptedWrite {
    /// The write.
    pub step: Step,
    /// Where to ask how the operation went.
    pub operation: Option<Url>,
    /// When it was accepted.
    pub at: Timestamp,
}

/// What is remembered of all objects, by UID: nothing learned from one is applied to another of
/// the same name.
#[derive(Debug, Default)]
pub struct States(Mutex<BTreeMap<String, ObjectState>>);

impl States {
    /// A copy of what is remembered of an object.
    pub fn of(&self, uid: &str) -> ObjectState {
        self.lock().get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of an object.
    pub fn change(&self, uid: &str, change: impl FnOnce(&mut ObjectState)) {
        change(self.lock().entry(uid.to_owned()).or_default());
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ObjectState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
