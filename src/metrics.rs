//! What the operator counts, for Prometheus; every name begins with `dicomenc_`.
//!
//! Methods are named by what happened. Labels are enums, constants of the program, or the namespace
//! and name of an object; no label carries an Azure resource id, and the series of an object go
//! with it.

mod azure;
mod labels;
mod sweeps;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use self::labels::{BuildLabels, KeyAccessLabels, KubeWriteLabels, ReadyLabels, ReconcileLabels};
pub use self::{
    azure::ArmMetrics,
    labels::{CodeClass, KeyAccess, KubeWrite, Quota, Ready, ReconcileOutcome, SweepOutcome},
    sweeps::SweepMetrics,
};

/// The media type of what [`encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An empty registry with the prefix of all our names.
pub fn registry() -> Registry {
    Registry::with_prefix("dicomenc")
}

/// All metrics of a registry as `OpenMetrics` text.
pub fn encode(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut body = String::new();
    text::encode(&mut body, registry)?;
    Ok(body)
}

/// Everything the operator counts. Clones count into the same series.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Reconciles, objects and their key access.
    pub objects: ObjectMetrics,
    /// Calls to Azure.
    pub arm: ArmMetrics,
    /// Sweeps over Azure scopes.
    pub sweeps: SweepMetrics,
    /// Writes to the API server and leadership.
    pub kube: KubeMetrics,
}

impl Metrics {
    /// Makes all metrics known to `registry`, the version of this build among them.
    pub fn register(registry: &mut Registry) -> Self {
        let build = Info::new(BuildLabels {
            version: env!("CARGO_PKG_VERSION"),
        });
        registry.register("build", "The version of this operator", build);
        Self {
            objects: ObjectMetrics::register(registry),
            arm: ArmMetrics::register(registry),
            sweeps: SweepMetrics::register(registry),
            kube: KubeMetrics::register(registry),
        }
    }
}

#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct ObjectName {
    namespace: String,
    name: String,
}

impl ObjectName {
    fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Reported {
    ready: Ready,
    key_access: KeyAccess,
}

/// Reconciles, and what the objects' status says.
#[derive(Clone, Debug)]
pub struct ObjectMetrics {
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_time: Histogram,
    key_access: Family<KeyAccessLabels, Gauge>,
    ready: Family<ReadyLabels, Gauge>,
    known: Arc<Mutex<BTreeMap<ObjectName, Reported>>>,
}

impl ObjectMetrics {
    /// Makes these metrics known to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_time: Histogram::new(SECONDS),
            key_access: Family::default(),
            ready: Family::default(),
            known: Arc::default(),
        };
        registry.register(
            "reconciles",
            "Reconciles by outcome",
            metrics.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile",
            "Time a reconcile takes",
            Unit::Seconds,
            metrics.reconcile_time.clone(),
        );
        registry.register(
            "key_access",
            "Whether the object's service can reach its key: 1 for the state it is in",
            metrics.key_access.clone(),
        );
        registry.register(
            "objects",
            "Objects by their Ready condition",
            metrics.ready.clone(),
        );
        metrics
    }

    /// A reconcile ended.
    pub fn reconciled(&self, outcome: ReconcileOutcome, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels { outcome })
            .inc();
        self.reconcile_time.observe(took.as_secs_f64());
    }

    /// The status of an object was computed: it replaces what was said of it before.
    pub fn object_reported(
        &self,
        namespace: &str,
        name: &str,
        ready: Ready,
        key_access: KeyAccess,
    ) {
        let object = ObjectName::new(namespace, name);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(object, Reported { ready, key_access });
        if before == Some(Reported { ready, key_access }) {
            return;
        }
        if let Some(before) = before {
            self.forget(namespace, name, before);
        }
        self.key_access
            .get_or_create(&KeyAccessLabels::new(namespace, name, key_access))
            .set(1);
        self.ready.get_or_create(&ReadyLabels { ready }).inc();
        drop(known);
    }

    /// An object was deleted: its series go.
    pub fn object_gone(&self, namespace: &str, name: &str) {
        let object = ObjectName::new(namespace, name);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.remove(&object) {
            self.forget(namespace, name, before);
        }
        drop(known);
    }

    fn forget(&self, namespace: &str, name: &str, before: Reported) {
        let Reported { ready, key_access } = before;
        self.key_access
            .remove(&KeyAccessLabels::new(namespace, name, key_access));
        self.ready.get_or_create(&ReadyLabels { ready }).dec();
    }
}

/// Writes to the API server, and leadership.
#[derive(Clone, Debug)]
pub struct KubeMetrics {
    writes: Family<KubeWriteLabels, Counter>,
    leader: Gauge,
}

impl KubeMetrics {
    /// Makes these metrics known to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            writes: Family::default(),
            leader: Gauge::default(),
        };
        registry.register(
            "kube_writes",
            "Writes to the Kubernetes API server by kind",
            metrics.writes.clone(),
        );
        registry.register(
            "leader",
            "1 while this replica leads",
            metrics.leader.clone(),
        );
        metrics
    }

    /// Something was written to the API server.
    pub fn kube_written(&self, kind: KubeWrite) {
        self.writes.get_or_create(&KubeWriteLabels { kind }).inc();
    }

    /// Leadership was gained or lost.
    pub fn leading(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }
}

/// Bucket bounds for times, in seconds: from a call on the same machine to Azure's slowest.
const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

#[cfg(test)]
mod tests;
