//! What the operator counts, for Prometheus; every name begins with `dicomenc_`.
//!
//! Methods are named by what happened. Labels are enums, constants of the program, or the namespace
//! and name of an object; no label carries an Azure resource id, and the series of an object go
//! with it.

mod azure;
mod labels;
mod objects;
mod sweeps;
mod vaults;

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use self::labels::{BuildLabels, KubeWriteLabels};
pub use self::{
    azure::ArmMetrics,
    labels::{
        CodeClass, KeyAccess, KeySource, KubeWrite, Quota, Ready, ReconcileOutcome, SweepOutcome,
    },
    objects::{ObjectMetrics, ObjectReport},
    sweeps::SweepMetrics,
    vaults::VaultMetrics,
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
    /// Calls to vaults, and where keys are read.
    pub vaults: VaultMetrics,
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
            vaults: VaultMetrics::register(registry),
            sweeps: SweepMetrics::register(registry),
            kube: KubeMetrics::register(registry),
        }
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
