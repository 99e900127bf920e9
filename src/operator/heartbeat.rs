//! Tells that the sweeps go on and how old what they see is: to the probes, to Prometheus, and for
//! a cluster without Prometheus in the Lease.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::{
    admin::Worker,
    controller::lease::SweepMark,
    metrics::{SweepMetrics, SweepOutcome},
    observe::{SweepAge, SweepEnd},
};

/// Whom to tell.
#[derive(Debug)]
pub(super) struct Heartbeat {
    sweeper: Worker,
    metrics: SweepMetrics,
    mark: SweepMark,
    /// When the ages were told last.
    told: Mutex<Option<Timestamp>>,
}

impl Heartbeat {
    pub(super) fn new(sweeper: Worker, metrics: SweepMetrics, mark: SweepMark) -> Self {
        Self {
            sweeper,
            metrics,
            mark,
            told: Mutex::default(),
        }
    }

    /// The sweep loop went round. `ages` is asked for once a second at most.
    pub(super) fn beat(
        &self,
        ended: Option<SweepEnd>,
        now: Timestamp,
        ages: impl FnOnce() -> Vec<SweepAge>,
    ) {
        self.sweeper.beat();
        self.metrics.beat(now);
        if let Some(SweepEnd {
            kind,
            began,
            complete,
            answered,
        }) = ended
        {
            let outcome = match (complete, answered) {
                (true, _) => SweepOutcome::Complete,
                (false, true) => SweepOutcome::Partial,
                (false, false) => SweepOutcome::Failed,
            };
            self.metrics.swept(kind, outcome, began);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|at| now.duration_since(at).abs() >= EVERY);
        if is_due {
            *told = Some(now);
            drop(told);
            self.tell(&ages(), now);
        }
    }

    fn tell(&self, ages: &[SweepAge], now: Timestamp) {
        let began = |age: &SweepAge| now.checked_sub(age.oldest).ok();
        let oldest: BTreeMap<_, _> = ages
            .iter()
            .filter_map(|age| Some((age.kind, began(age)?)))
            .collect();
        self.metrics.oldest_sweeps(&oldest);
        // before everything was read once there is nothing to vouch for
        if let Some(since) = oldest
            .values()
            .min()
            .filter(|_| ages.iter().all(|age| age.complete))
        {
            self.mark.swept(*since);
        }
    }
}

const EVERY: SignedDuration = SignedDuration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::{
        admin::Progress,
        clock::{Clock, SystemClock},
        metrics,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn age(kind: &'static str, seconds: i64, complete: bool) -> SweepAge {
        SweepAge {
            kind,
            oldest: SignedDuration::from_secs(seconds),
            complete,
        }
    }

    fn heartbeat(registry: &mut Registry) -> (Heartbeat, SweepMark) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let sweeper = Progress::new(clock).worker("sweeper", Duration::from_mins(2));
        let mark = SweepMark::default();
        let metrics = SweepMetrics::register(registry);
        (Heartbeat::new(sweeper, metrics, mark.clone()), mark)
    }

    #[tokio::test]
    async fn each_sweep_is_counted_by_how_it_ended_and_each_round_is_a_heartbeat() {
        let mut registry = metrics::registry();
        let (heartbeat, _) = heartbeat(&mut registry);
        for (second, (complete, answered)) in
            (0..).zip([(true, true), (true, true), (false, true), (false, false)])
        {
            let end = SweepEnd {
                kind: "vaults",
                began: at(second),
                complete,
                answered,
            };
            heartbeat.beat(Some(end), at(10 + second), Vec::new);
        }
        heartbeat.beat(None, at(20), Vec::new);
        let body = metrics::encode(&registry).unwrap();
        for line in [
            r#"dicomenc_sweeps_total{scope="vaults",outcome="complete"} 2"#,
            r#"dicomenc_sweeps_total{scope="vaults",outcome="partial"} 1"#,
            r#"dicomenc_sweeps_total{scope="vaults",outcome="failed"} 1"#,
            "dicomenc_heartbeat_timestamp_seconds{} 1800000020",
        ] {
            assert!(body.lines().any(|found| found == line), "{line} in {body}");
        }
    }

    #[tokio::test]
    async fn the_lease_carries_since_when_everything_was_read_and_nothing_before_that() {
        let mut registry = metrics::registry();
        let (heartbeat, mark) = heartbeat(&mut registry);
        heartbeat.beat(None, at(0), Vec::new);
        let half = || vec![age("vaults", 3, true), age("identities", 9, false)];
        heartbeat.beat(None, at(10), half);
        assert_eq!(mark.last(), None);
        let all = || vec![age("vaults", 3, true), age("identities", 9, true)];
        heartbeat.beat(None, at(20), all);
        assert_eq!(mark.last(), Some(at(11)));
        let body = metrics::encode(&registry).unwrap();
        let line =
            r#"dicomenc_sweep_oldest_success_timestamp_seconds{scope="identities"} 1800000011"#;
        assert!(body.contains(line), "{body}");
        // not more than once a second
        heartbeat.beat(None, at(20), || panic!("asked again"));
    }
}
