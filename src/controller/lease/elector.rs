//! The loop that holds or awaits the Lease.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use kube::{Api, Client, Config, api::PostParams};
use thiserror::Error;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Decision, Fence, Leadership, LeaseSettings, LeaseView, decide};
use crate::{
    clock::{Clock, Monotonic},
    metrics::{KubeMetrics, KubeWrite},
    telemetry::error_chain,
};

/// The annotation of the Lease with the time of the leader's last complete sweep.
pub const LAST_SWEEP_ANNOTATION: &str = "dicomenc.io/last-sweep";

/// A client for the Lease alone: nothing else queues before a renewal, no call is repeated behind
/// our back, and none hangs for longer than `limit`.
pub fn client(mut config: Config, limit: Duration) -> Result<Client, kube::Error> {
    config.connect_timeout = Some(limit);
    config.read_timeout = Some(limit);
    config.write_timeout = Some(limit);
    // else the time a pooled connection was idle counts against the next answer (kube 5)
    config.reset_reader_on_write = true;
    config.default_retry = false;
    Client::try_from(config)
}

/// Why a call about the Lease did not succeed. The next turn takes it up again.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// The Lease was not read.
    #[error("failed to read the lease")]
    Read(#[source] Box<kube::Error>),
    /// The Lease was not written; whether it was after all is not known before it is read again.
    #[error("failed to write the lease")]
    Write(#[source] Box<kube::Error>),
    /// The API server did not answer in time.
    #[error("the API server did not answer about the lease within {} ms", .0.as_millis())]
    Silent(Duration),
}

/// The time of the last complete sweep, to be carried by the next renewal. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SweepMark(Arc<watch::Sender<Option<Timestamp>>>);

impl SweepMark {
    /// All scopes were swept completely at `at`.
    pub fn swept(&self, at: Timestamp) {
        self.0.send_replace(Some(at));
    }

    /// When that was last.
    pub fn last(&self) -> Option<Timestamp> {
        *self.0.borrow()
    }
}

/// Takes part in the election and publishes who leads.
#[derive(Debug)]
pub struct Elector {
    api: Api<Lease>,
    settings: LeaseSettings,
    clock: Arc<dyn Clock>,
    metrics: KubeMetrics,
    mark: SweepMark,
    leadership: watch::Sender<Leadership>,
}

impl Elector {
    /// A candidate that does not run yet. `api` should come from [`client`].
    pub fn new(
        api: Api<Lease>,
        settings: LeaseSettings,
        clock: Arc<dyn Clock>,
        metrics: KubeMetrics,
    ) -> Self {
        let leadership = watch::Sender::new(Leadership::Standby);
        Self {
            api,
            settings,
            clock,
            metrics,
            mark: SweepMark::default(),
            leadership,
        }
    }

    /// Follows who leads. The value also changes with each renewal.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// The fence that every write to Azure asks.
    pub fn fence(&self) -> Fence {
        Fence::following(self.leadership())
    }

    /// Where the sweeps leave the time that renewals carry.
    pub fn sweep_mark(&self) -> SweepMark {
        self.mark.clone()
    }

    /// Runs until `shutdown`, then closes the fence and releases the lease. Order the shutdown
    /// after the last write to Azure has ended: the next leader may start at once.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut memory = Memory::default();
        loop {
            let pause = tokio::select! {
                // in order: no new call once the shutdown is ordered
                biased;
                () = shutdown.cancelled() => break,
                pause = self.step(&mut memory) => pause,
            };
            tokio::select! {
                // in order: a shutdown does not wait for the pause
                biased;
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.release(memory).await;
    }

    /// One turn, its failure told, and the pause until the next.
    async fn step(&self, memory: &mut Memory) -> Duration {
        let pause = match self.turn(memory).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "the lease is out of reach");
                self.settings.retry_period
            }
        };
        let Leadership::Leading {
            since: _,
            fence_until,
        } = *self.leadership.borrow()
        else {
            return pause;
        };
        let left = fence_until.since(self.clock.monotonic());
        if left.is_zero() {
            self.stand_by("no renewal was confirmed in time");
            return pause;
        }
        pause.min(left)
    }

    async fn turn(&self, memory: &mut Memory) -> Result<Duration, LeaseError> {
        if memory.doubtful || !self.leadership.borrow().is_leading() {
            self.read(memory).await?;
        }
        let now = self.clock.monotonic();
        match decide(memory.view.as_ref(), memory.changed, now, &self.settings) {
            Decision::Hold { recheck } => Ok(recheck),
            Decision::StandBy { recheck } => {
                self.stand_by("another replica holds the lease");
                Ok(recheck)
            }
            Decision::Acquire => {
                self.stand_by("the lease is no longer ours");
                self.claim(memory).await
            }
            Decision::Renew => self.claim(memory).await,
        }
    }

    async fn read(&self, memory: &mut Memory) -> Result<(), LeaseError> {
        let read = self.limited(self.api.get_opt(&self.settings.name)).await?;
        let lease = read.map_err(|error| LeaseError::Read(Box::new(error)))?;
        let view = lease.as_ref().map(LeaseView::from);
        if view != memory.view {
            memory.changed = self.clock.monotonic();
        }
        *memory = Memory {
            lease,
            view,
            changed: memory.changed,
            doubtful: false,
        };
        Ok(())
    }

    /// Writes our name and the time into the lease, on condition that nobody wrote since we read.
    async fn claim(&self, memory: &mut Memory) -> Result<Duration, LeaseError> {
        let (sent, wall) = (self.clock.monotonic(), self.clock.now());
        let next = self.claimed(memory.lease.as_ref(), wall);
        self.write(memory, &next, sent).await?;
        let fence_until = sent.after(self.settings.renew_deadline);
        let before = *self.leadership.borrow();
        let since = match before {
            Leadership::Leading {
                since,
                fence_until: _,
            } => since,
            Leadership::Standby => {
                tracing::info!(identity = %self.settings.identity, "this replica leads");
                self.metrics.leading(true);
                self.clock.now()
            }
        };
        self.leadership
            .send_replace(Leadership::Leading { since, fence_until });
        Ok(self.settings.retry_period)
    }

    async fn write(
        &self,
        memory: &mut Memory,
        next: &Lease,
        sent: Monotonic,
    ) -> Result<(), LeaseError> {
        memory.doubtful = true;
        let parameters = PostParams::default();
        let written = if memory.lease.is_some() {
            self.limited(self.api.replace(&self.settings.name, &parameters, next))
                .await?
        } else {
            self.limited(self.api.create(&parameters, next)).await?
        };
        let lease = written.map_err(|error| LeaseError::Write(Box::new(error)))?;
        self.metrics.kube_written(KubeWrite::Lease);
        let view = Some(LeaseView::from(&lease));
        *memory = Memory {
            lease: Some(lease),
            view,
            changed: sent,
            doubtful: false,
        };
        Ok(())
    }

    fn claimed(&self, before: Option<&Lease>, now: Timestamp) -> Lease {
        let mut lease = before.cloned().unwrap_or_default();
        lease.metadata.name = Some(self.settings.name.clone());
        if let Some(swept) = self.mark.last() {
            lease
                .metadata
                .annotations
                .get_or_insert_default()
                .insert(LAST_SWEEP_ANNOTATION.to_owned(), format!("{swept:.0}"));
        }
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(self.settings.identity.as_str()) {
            spec.holder_identity = Some(self.settings.identity.clone());
            spec.acquire_time = Some(MicroTime(now));
            let transitions = spec.lease_transitions.unwrap_or_default();
            let next = transitions.saturating_add(i32::from(before.is_some()));
            spec.lease_transitions = Some(next);
        }
        spec.lease_duration_seconds = Some(whole_seconds(self.settings.lease_duration));
        spec.renew_time = Some(MicroTime(now));
        lease
    }

    fn stand_by(&self, cause: &str) {
        let led = self.leadership.send_if_modified(|leadership| {
            let led = leadership.is_leading();
            *leadership = Leadership::Standby;
            led
        });
        if led {
            tracing::warn!(cause, "this replica no longer leads");
            self.metrics.leading(false);
        }
    }

    async fn release(&self, mut memory: Memory) {
        let led = self.leadership.borrow().is_leading();
        self.stand_by("the operator shuts down");
        if !led && !memory.doubtful {
            return;
        }
        match self.give_up(&mut memory).await {
            Ok(()) => tracing::info!("the lease is released"),
            Err(error) => {
                tracing::warn!(
                    error = %error_chain(&error),
                    "the lease is not released: the next leader waits until it expires"
                );
            }
        }
    }

    async fn give_up(&self, memory: &mut Memory) -> Result<(), LeaseError> {
        if memory.doubtful {
            self.read(memory).await?;
        }
        let holder = memory.view.as_ref().and_then(|view| view.holder.as_ref());
        let Some(mut lease) = memory.lease.clone() else {
            return Ok(());
        };
        if holder != Some(&self.settings.identity) {
            return Ok(());
        }
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(self.clock.now()));
        self.write(memory, &lease, self.clock.monotonic()).await
    }

    /// A call with its limit: half the deadline, so that there is time for another, and never
    /// beyond the fence.
    async fn limited<T>(&self, call: impl Future<Output = T>) -> Result<T, LeaseError> {
        let half = self.settings.renew_deadline / 2;
        let limit = match *self.leadership.borrow() {
            Leadership::Standby => half,
            Leadership::Leading {
                since: _,
                fence_until,
            } => half.min(fence_until.since(self.clock.monotonic())),
        };
        timeout(limit, call)
            .await
            .map_err(|_| LeaseError::Silent(limit))
    }
}

/// What we know of the Lease.
#[derive(Debug, Default)]
struct Memory {
    lease: Option<Lease>,
    view: Option<LeaseView>,
    /// When its record was seen to change.
    changed: Monotonic,
    /// A write of ours was sent and not confirmed: read before anything else.
    doubtful: bool,
}

/// Seconds as the Lease has them, rounded up: others rather wait too long.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
