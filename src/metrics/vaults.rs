//! Calls to vaults, and how keys are read.

use k8s_openapi::jiff::SignedDuration;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::labels::{CodeClass, KeySource, KeySourceLabels, VaultCallLabels};

/// Calls to the own hosts of vaults, and where keys are read.
#[derive(Clone, Debug)]
pub struct VaultMetrics {
    calls: Family<VaultCallLabels, Counter>,
    sources: Family<KeySourceLabels, Gauge>,
    intervals: Family<KeySourceLabels, Gauge>,
}

impl VaultMetrics {
    /// Makes these metrics known to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            sources: Family::default(),
            intervals: Family::default(),
        };
        registry.register(
            "vault_calls",
            "Calls to the own hosts of vaults by class of the answer",
            metrics.calls.clone(),
        );
        registry.register(
            "key_source_vaults",
            "Vaults by where their keys are read: at the vault, or through Azure Resource Manager",
            metrics.sources.clone(),
        );
        registry.register_with_unit(
            "key_read_interval",
            "The longest time between two reads of a key, by where it is read",
            Unit::Seconds,
            metrics.intervals.clone(),
        );
        metrics
    }

    /// A vault was called, and answered or did not.
    pub fn called(&self, code: CodeClass) {
        self.calls.get_or_create(&VaultCallLabels { code }).inc();
    }

    /// So many vaults have keys that are read there, the rarest this often.
    pub fn read(&self, source: KeySource, vaults: usize, interval: Option<SignedDuration>) {
        let labels = KeySourceLabels { source };
        let count = i64::try_from(vaults).unwrap_or(i64::MAX);
        self.sources.get_or_create(&labels).set(count);
        match interval {
            Some(interval) => {
                let begun = i64::from(interval.subsec_nanos() > 0);
                let seconds = interval.as_secs().saturating_add(begun);
                self.intervals.get_or_create(&labels).set(seconds);
            }
            None => {
                self.intervals.remove(&labels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{encode, registry};

    #[test]
    fn vaults_are_counted_by_where_their_keys_are_read_and_an_interval_of_none_goes() {
        let mut registry = registry();
        let metrics = VaultMetrics::register(&mut registry);
        metrics.called(CodeClass::of(Some(200)));
        metrics.called(CodeClass::of(Some(403)));
        let (short, long) = (
            SignedDuration::from_secs(10),
            SignedDuration::from_millis(70_001),
        );
        metrics.read(KeySource::Vault, 3, Some(short));
        metrics.read(KeySource::Arm, 1, Some(long));
        let shown = encode(&registry).unwrap();
        for line in [
            r#"dicomenc_vault_calls_total{code="2xx"} 1"#,
            r#"dicomenc_vault_calls_total{code="4xx"} 1"#,
            r#"dicomenc_key_source_vaults{source="vault"} 3"#,
            r#"dicomenc_key_source_vaults{source="arm"} 1"#,
            r#"dicomenc_key_read_interval_seconds{source="vault"} 10"#,
            r#"dicomenc_key_read_interval_seconds{source="arm"} 71"#,
        ] {
            assert!(shown.lines().any(|own| own == line), "{line} in {shown}");
        }
        metrics.read(KeySource::Arm, 0, None);
        let after = encode(&registry).unwrap();
        assert!(after.contains(r#"dicomenc_key_source_vaults{source="arm"} 0"#));
        assert!(!after.contains(r#"interval_seconds{source="arm"}"#));
    }
}
