//! What is counted of the calls to Azure.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use uuid::Uuid;

use super::{
    SECONDS,
    labels::{ArmCallLabels, CodeClass, Quota, QuotaLabels, WriteLabels},
};
use crate::clock::Monotonic;

/// Calls to Azure, and what Azure says is left.
#[derive(Clone, Debug)]
pub struct ArmMetrics {
    calls: Family<ArmCallLabels, Counter>,
    call_time: Histogram,
    writes: Family<WriteLabels, Counter>,
    remaining: Family<QuotaLabels, Gauge>,
    /// What was said last of each subscription, and when.
    told: Arc<Mutex<Vec<Told>>>,
}

/// How many requests of a kind were left in a subscription, and when that was said.
#[derive(Clone, Copy, Debug)]
struct Told {
    quota: Quota,
    subscription: Option<Uuid>,
    left: u32,
    at: Monotonic,
}

impl ArmMetrics {
    /// Makes these metrics known to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            call_time: Histogram::new(SECONDS),
            writes: Family::default(),
            remaining: Family::default(),
            told: Arc::default(),
        };
        registry.register(
            "arm_calls",
            "Calls to Azure by resource provider, method and class of the answer",
            metrics.calls.clone(),
        );
        registry.register_with_unit(
            "arm_call",
            "Time until a call to Azure is answered",
            Unit::Seconds,
            metrics.call_time.clone(),
        );
        registry.register(
            "azure_writes",
            "Writes that Azure accepted, by what they were for",
            metrics.writes.clone(),
        );
        registry.register(
            "arm_quota_remaining",
            "Requests that Azure Resource Manager says are left, in the subscription with the fewest",
            metrics.remaining.clone(),
        );
        metrics
    }

    /// A call was answered, or not. `provider` and `method` are words of this program, such as
    /// `Microsoft.KeyVault` and `GET`, never taken from an id.
    pub fn arm_called(
        &self,
        provider: &'static str,
        method: &'static str,
        code: CodeClass,
        took: Duration,
    ) {
        self.calls
            .get_or_create(&ArmCallLabels {
                provider,
                method,
                code,
            })
            .inc();
        self.call_time.observe(took.as_secs_f64());
    }

    /// Azure accepted a write.
    pub fn azure_written(&self, step: &'static str) {
        self.writes.get_or_create(&WriteLabels { step }).inc();
    }

    /// An answer said how many requests of this kind are left in a subscription. What was said of
    /// others a while ago does not count any more.
    pub fn arm_quota_left(
        &self,
        quota: Quota,
        subscription: Option<Uuid>,
        requests: u32,
        now: Monotonic,
    ) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|before| {
            let is_same = (before.quota, before.subscription) == (quota, subscription);
            !is_same && now.since(before.at) <= FORGOTTEN_AFTER
        });
        told.push(Told {
            quota,
            subscription,
            left: requests,
            at: now,
        });
        let of_kind = told.iter().filter(|said| said.quota == quota);
        let fewest = of_kind.map(|said| said.left).min();
        drop(told);
        self.remaining
            .get_or_create(&QuotaLabels { quota })
            .set(i64::from(fewest.unwrap_or(requests)));
    }
}

/// The buckets of Azure Resource Manager are full again long before.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
