//! What is counted of the objects: their reconciles, and what their status says.
//!
//! Times are those of the status, in seconds since 1970, so that an alert counts from them whatever
//! became of the operator meanwhile. A time that the status does not have has no series.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    SECONDS,
    labels::{
        KeyAccess, KeyAccessLabels, ObjectLabels, Ready, ReadyLabels, ReasonLabels,
        ReconcileLabels, ReconcileOutcome,
    },
};

/// What the status of one object says, as far as it is measured. The reasons are words of this
/// program, never text that came from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ObjectReport {
    /// The status of the `Ready` condition.
    pub ready: Ready,
    /// Why a person is needed, while one is.
    pub stalled: Option<&'static str>,
    /// Key access in one word.
    pub key_access: KeyAccess,
    /// Why it is not `Accessible`.
    pub key_access_reason: Option<&'static str>,
    /// Since when access is lost.
    pub lost_since: Option<Timestamp>,
    /// Until when the service comes back by itself.
    pub recoverable_until: Option<Timestamp>,
    /// When everything was seen good last.
    pub verified_at: Option<Timestamp>,
    /// The earliest expiry among the key versions that older or newer data needs.
    pub key_expires: Option<Timestamp>,
    /// When the grant is in force, while that is awaited.
    pub grant_in_force: Option<Timestamp>,
}

impl ObjectReport {
    /// Nothing is known of the object.
    pub(super) const UNKNOWN: Self = Self {
        ready: Ready::Unknown,
        stalled: None,
        key_access: KeyAccess::Unknown,
        key_access_reason: None,
        lost_since: None,
        recoverable_until: None,
        verified_at: None,
        key_expires: None,
        grant_in_force: None,
    };
}

/// Reconciles, and what the objects' status says.
#[derive(Clone, Debug)]
pub struct ObjectMetrics {
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_time: Histogram,
    ready: Family<ReadyLabels, Gauge>,
    stalled: Family<ReasonLabels, Gauge>,
    key_access: Family<KeyAccessLabels, Gauge>,
    key_access_reason: Family<ReasonLabels, Gauge>,
    lost_since: Family<ObjectLabels, Gauge>,
    recoverable_until: Family<ObjectLabels, Gauge>,
    verified_at: Family<ObjectLabels, Gauge>,
    key_expires: Family<ObjectLabels, Gauge>,
    grant_in_force: Family<ObjectLabels, Gauge>,
    known: Arc<Mutex<BTreeMap<ObjectLabels, ObjectReport>>>,
}

impl ObjectMetrics {
    /// Makes these metrics known to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_time: Histogram::new(SECONDS),
            ready: Family::default(),
            stalled: Family::default(),
            key_access: Family::default(),
            key_access_reason: Family::default(),
            lost_since: Family::default(),
            recoverable_until: Family::default(),
            verified_at: Family::default(),
            key_expires: Family::default(),
            grant_in_force: Family::default(),
            known: Arc::default(),
        };
        metrics.register_states(registry);
        metrics.register_times(registry);
        metrics
    }

    fn register_states(&self, registry: &mut Registry) {
        registry.register(
            "reconciles",
            "Reconciles by outcome",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile",
            "Time a reconcile takes",
            Unit::Seconds,
            self.reconcile_time.clone(),
        );
        registry.register(
            "objects",
            "Objects by their Ready condition",
            self.ready.clone(),
        );
        registry.register(
            "stalled",
            "Why the object needs a person: 1 for the reason, while it does",
            self.stalled.clone(),
        );
        registry.register(
            "key_access",
            "Whether the object's service can reach its key: 1 for the state it is in",
            self.key_access.clone(),
        );
        registry.register(
            "key_access_reason",
            "Why key access is not in order: 1 for the reason, while it is not",
            self.key_access_reason.clone(),
        );
    }

    fn register_times(&self, registry: &mut Registry) {
        let times = [
            (
                "key_access_lost_timestamp",
                "Since when the service cannot reach its key, at the earliest",
                &self.lost_since,
            ),
            (
                "key_access_recoverable_until_timestamp",
                "Until when the service comes back by itself once its key is back",
                &self.recoverable_until,
            ),
            (
                "key_access_verified_timestamp",
                "When everything that key access needs was seen good, to the hour",
                &self.verified_at,
            ),
            (
                "key_expiry_timestamp",
                "When the first of the key versions in use and known expires",
                &self.key_expires,
            ),
            (
                "grant_in_force_timestamp",
                "When the new role assignment is taken to be in force, while that is awaited",
                &self.grant_in_force,
            ),
        ];
        for (name, help, family) in times {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
    }

    /// A reconcile ended.
    pub fn reconciled(&self, outcome: ReconcileOutcome, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels { outcome })
            .inc();
        self.reconcile_time.observe(took.as_secs_f64());
    }

    /// The status of an object was computed: it replaces what was said of it before.
    pub fn object_reported(&self, namespace: &str, name: &str, report: ObjectReport) {
        let object = ObjectLabels::new(namespace, name);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(object.clone(), report);
        if before != Some(report) {
            self.show(&object, report);
            self.forget(&object, before, Some(report));
        }
        drop(known);
    }

    /// An object was deleted: its series go.
    pub fn object_gone(&self, namespace: &str, name: &str) {
        let object = ObjectLabels::new(namespace, name);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.remove(&object);
        self.forget(&object, before, None);
        drop(known);
    }

    fn show(&self, object: &ObjectLabels, report: ObjectReport) {
        let ready = ReadyLabels {
            ready: report.ready,
        };
        self.ready.get_or_create(&ready).inc();
        self.key_access
            .get_or_create(&object.in_state(report.key_access))
            .set(1);
        for (family, reason) in self.reasons(report) {
            if let Some(reason) = reason {
                family.get_or_create(&object.because(reason)).set(1);
            }
        }
        for (family, at) in self.times(report) {
            if let Some(at) = at {
                family.get_or_create(object).set(at.as_second());
            }
        }
    }

    /// Takes away what was said before and is not said now. Last: a scrape in between must find two
    /// states of an object rather than none, or a loss would seem to be over.
    fn forget(
        &self,
        object: &ObjectLabels,
        before: Option<ObjectReport>,
        now: Option<ObjectReport>,
    ) {
        let Some(before) = before else {
            return;
        };
        let ready = ReadyLabels {
            ready: before.ready,
        };
        self.ready.get_or_create(&ready).dec();
        if now.map(|now| now.key_access) != Some(before.key_access) {
            self.key_access.remove(&object.in_state(before.key_access));
        }
        let kept = now.unwrap_or(ObjectReport::UNKNOWN);
        let reasons = self.reasons(before).into_iter().zip(self.reasons(kept));
        for ((family, was), (_, is)) in reasons {
            if let Some(reason) = was.filter(|_| was != is) {
                family.remove(&object.because(reason));
            }
        }
        for (family, at) in self.times(kept) {
            if at.is_none() {
                family.remove(object);
            }
        }
    }

    fn reasons(
        &self,
        report: ObjectReport,
    ) -> [(&Family<ReasonLabels, Gauge>, Option<&'static str>); 2] {
        [
            (&self.stalled, report.stalled),
            (&self.key_access_reason, report.key_access_reason),
        ]
    }

    fn times(
        &self,
        report: ObjectReport,
    ) -> [(&Family<ObjectLabels, Gauge>, Option<Timestamp>); 5] {
        let ObjectReport {
            ready: _,
            stalled: _,
            key_access: _,
            key_access_reason: _,
            lost_since,
            recoverable_until,
            verified_at,
            key_expires,
            grant_in_force,
        } = report;
        [
            (&self.lost_since, lost_since),
            (&self.recoverable_until, recoverable_until),
            (&self.verified_at, verified_at),
            (&self.key_expires, key_expires),
            (&self.grant_in_force, grant_in_force),
        ]
    }
}

#[cfg(test)]
mod tests;
