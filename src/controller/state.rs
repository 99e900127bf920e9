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

use super::revalidation::Noted;

/// What is remembered of one object.
#[derive(Clone, Debug, Default)]
pub struct ObjectState {
    /// The status as the API server last gave it back: the watch may be behind.
    pub published: Option<DicomEncryptionStatus>,
    /// The latest write that Azure accepted, until its effect is seen.
    pub accepted: Option<AcceptedWrite>,
    /// The key that was set last, and for which principal, once that was seen to take effect.
    pub set: Option<(KeyUrl, Uuid)>,
    /// When the latest write was over, whatever became of it.
    pub wrote_at: Option<Timestamp>,
    /// When all of key access was last seen good.
    pub watched_at: Option<Timestamp>,
    /// The revalidation that was recorded and may be sent: its time in the status.
    pub intent: Option<Timestamp>,
    /// When the latest PUT of the service was accepted.
    pub put_at: Option<Timestamp>,
    /// When an operation on the service was last seen, whoever began it.
    pub operation_at: Option<Timestamp>,
    /// What became of the latest revalidation, until the status says it.
    pub revalidation: Option<Noted>,
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
