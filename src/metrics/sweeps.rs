//! What is counted of the sweeps: whether the watcher itself is alive, and how old what it sees is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::labels::{NoLabels, ScopeLabels, SweepLabels, SweepOutcome};

/// Sweeps over Azure. A scope is a word of this program for what is read, such as
/// `role_assignments`.
#[derive(Clone, Debug)]
pub struct SweepMetrics {
    sweeps: Family<SweepLabels, Counter>,
    last: Family<ScopeLabels, Gauge>,
    oldest: Family<ScopeLabels, Gauge>,
    /// A replica that stands by has none, rather than one from 1970.
    heartbeat: Family<NoLabels, Gauge>,
    known: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl SweepMetrics {
    /// Makes these metrics known to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            sweeps: Family::default(),
            last: Family::default(),
            oldest: Family::default(),
            heartbeat: Family::default(),
            known: Arc::default(),
        };
        registry.register(
            "sweeps",
            "Sweeps by what was read and how they ended",
            metrics.sweeps.clone(),
        );
        registry.register_with_unit(
            "sweep_last_success_timestamp",
            "When the latest sweep of this kind that read everything began",
            Unit::Seconds,
            metrics.last.clone(),
        );
        registry.register_with_unit(
            "sweep_oldest_success_timestamp",
            "Since when everything of this kind has been read: the scope that waits longest counts",
            Unit::Seconds,
            metrics.oldest.clone(),
        );
        registry.register_with_unit(
            "heartbeat_timestamp",
            "When the sweeper completed its latest round",
            Unit::Seconds,
            metrics.heartbeat.clone(),
        );
        metrics
    }

    /// The sweeper completed a round at `at`.
    pub fn beat(&self, at: Timestamp) {
        self.heartbeat
            .get_or_create(&NoLabels {})
            .set(at.as_second());
    }

    /// A sweep that began at `at` ended.
    pub fn swept(&self, scope: &'static str, outcome: SweepOutcome, at: Timestamp) {
        self.sweeps
            .get_or_create(&SweepLabels { scope, outcome })
            .inc();
        match outcome {
            SweepOutcome::Complete => {
                self.last
                    .get_or_create(&ScopeLabels { scope })
                    .set(at.as_second());
            }
            SweepOutcome::Partial | SweepOutcome::Failed => {}
        }
    }

    /// Since when everything of each kind has been read. The times of a kind that nobody needs any
    /// more go: they would look like a sweeper that stands still.
    pub fn oldest_sweeps(&self, oldest: &BTreeMap<&'static str, Timestamp>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for scope in known.iter().filter(|scope| !oldest.contains_key(*scope)) {
            self.last.remove(&ScopeLabels { scope });
            self.oldest.remove(&ScopeLabels { scope });
        }
        *known = oldest.keys().copied().collect();
        drop(known);
        for (scope, at) in oldest {
            self.oldest
                .get_or_create(&ScopeLabels { scope })
                .set(at.as_second());
        }
    }
}
