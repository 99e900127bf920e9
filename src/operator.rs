//! Puts the operator together and runs it. No decision is made here.

mod azure;
mod heartbeat;
mod keys;
mod kube;

use std::sync::Arc;
use std::time::Duration;

use ::kube::Client;
use anyhow::Context as _;
use k8s_openapi::jiff::SignedDuration;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Progress, Readiness};
use crate::cli::Settings;
use crate::clock::{Clock, SystemClock};
use crate::controller::lease::{Elector, Fence, Leadership};
use crate::controller::{self, Parts};
use crate::domain::plan;
use crate::metrics::{self, Metrics};
use crate::observe::{Intervals, Observer, Planes};
use crate::telemetry;

use self::heartbeat::Heartbeat;

/// The most that a worker may be silent before the process counts as stuck, in sweeps.
const SILENT_SWEEPS: u32 = 3;

/// What every task of the process hangs on.
#[derive(Clone, Debug, Default)]
struct Tasks {
    tracker: TaskTracker,
    /// Everything shall end.
    shutdown: CancellationToken,
    /// The lease shall be released: only after the last write.
    resign: CancellationToken,
}

/// Runs the operator until SIGTERM or SIGINT. A second signal ends it at once.
///
/// # Errors
/// What cannot work: settings, the API server, the CRD. Each says what to do.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    telemetry::install(&settings.log, Arc::clone(&clock))?;
    let mut registry = metrics::registry();
    let metrics = Metrics::register(&mut registry);
    let (progress, readiness) = (Progress::new(Arc::clone(&clock)), Readiness::default());
    let tasks = Tasks::default();

    // not waited for at the end: it waits for a second signal
    let signals = TaskTracker::new().spawn(stop_on_signal(tasks.shutdown.clone()));
    serve(&settings, (&progress, &readiness), registry, &tasks).await?;
    let config = kube::config(&settings).await?;
    let client =
        Client::try_from(config.clone()).context("failed to build the Kubernetes client")?;
    kube::require_crd(&client, &readiness).await?;
    let planes = azure::planes(&settings, Arc::clone(&clock), &metrics, &tasks)?;
    let elector = kube::elect(&settings, config, Arc::clone(&clock), &metrics)?;

    let mark = elector.as_ref().map(Elector::sweep_mark);
    if let Some(fence) = lead(elector, &readiness, &metrics, &tasks).await? {
        let parts = parts(&settings, client, planes, (clock, fence, metrics));
        let heartbeat = Heartbeat::new(
            progress.worker("sweeper", sweep_limit(&settings)),
            parts.metrics.sweeps.clone(),
            mark.unwrap_or_default(),
        );
        let (observer, watched) = (Arc::clone(&parts.observer), Arc::clone(&parts.observer));
        let (shutdown, time) = (tasks.shutdown.clone(), Arc::clone(&parts.clock));
        tasks.tracker.spawn(observer.run(shutdown, move |ended| {
            heartbeat.beat(ended, time.now(), || watched.sweeps());
        }));
        let told = keys::tell(Arc::clone(&parts.observer), parts.metrics.vaults.clone());
        let stop = tasks.shutdown.clone();
        tasks
            .tracker
            .spawn(async move { stop.run_until_cancelled(told).await });
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "the operator runs");
        controller::run(parts, readiness, tasks.shutdown.clone()).await;
    }
    // a controller that ended by itself ends everything
    tasks.shutdown.cancel();
    tasks.resign.cancel();
    tasks.tracker.close();
    tasks.tracker.wait().await;
    signals.abort();
    tracing::info!("the operator has ended");
    Ok(())
}

/// Waits until this replica leads; `None` when it shall end before that. A lease that is lost ends
/// the process: it begins anew as a candidate.
async fn lead(
    elector: Option<Elector>,
    readiness: &Readiness,
    metrics: &Metrics,
    tasks: &Tasks,
) -> anyhow::Result<Option<Fence>> {
    let Some(elector) = elector else {
        metrics.kube.leading(true);
        return Ok(Some(Fence::always()));
    };
    let (fence, mut leadership) = (elector.fence(), elector.leadership());
    tasks.tracker.spawn(elector.run(tasks.resign.clone()));
    readiness.stands_by(true);
    tokio::select! {
        // in order: a shutdown wins over a lease that comes at the same moment
        biased;
        () = tasks.shutdown.cancelled() => return Ok(None),
        led = leadership.wait_for(Leadership::is_leading) => {
            led.context("the election ended")?;
        }
    }
    readiness.stands_by(false);
    let shutdown = tasks.shutdown.clone();
    tasks.tracker.spawn(async move {
        let standby = leadership
            .wait_for(|leadership| !leadership.is_leading())
            .await;
        if standby.is_ok() && !shutdown.is_cancelled() {
            tracing::error!("the lease is lost: this process ends, and begins anew as a candidate");
            shutdown.cancel();
        }
    });
    Ok(Some(fence))
}

fn parts(
    settings: &Settings,
    client: Client,
    planes: Planes,
    (clock, fence, metrics): (Arc<dyn Clock>, Fence, Metrics),
) -> Parts {
    let signed = |wait: Duration| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    let intervals = Intervals {
        health: signed(settings.timing.health_interval),
        services: signed(settings.timing.service_interval),
        resource_health: signed(settings.timing.resource_health_interval),
        configuration: signed(settings.timing.configuration_interval),
        vault: signed(settings.timing.vault_interval),
    };
    Parts {
        arm: (*planes.arm).clone(),
        observer: Observer::new(planes, intervals, Arc::clone(&clock)),
        client,
        leading_since: clock.now(),
        clock,
        fence,
        metrics,
        settings: controller::Settings {
            plan: plan::Settings {
                propagation_wait: signed(settings.timing.propagation_wait),
                recovery_window: signed(settings.timing.recovery_window),
                recovery_grace: signed(settings.timing.recovery_grace),
            },
            vault_suffix: azure::cloud(&settings.azure).vault_suffix,
            recheck: intervals.health,
            namespace: settings.namespace.clone(),
            concurrency: settings.max_concurrent_reconciles.get(),
            instance: settings.host.clone(),
        },
    }
}

fn sweep_limit(settings: &Settings) -> Duration {
    (settings.timing.health_interval * SILENT_SWEEPS).max(Duration::from_mins(2))
}

async fn serve(
    settings: &Settings,
    (progress, readiness): (&Progress, &Readiness),
    registry: Registry,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let health = admin::health_routes(progress.clone(), readiness.clone());
    let scraped = admin::metrics_routes(Arc::new(registry));
    for (address, routes) in [
        (settings.health_address, health),
        (settings.metrics_address, scraped),
    ] {
        if let Some(listener) = admin::listen(address).await? {
            let stop = tasks.shutdown.clone();
            tasks.tracker.spawn(async move {
                if let Err(error) = admin::serve(listener, routes, stop).await {
                    tracing::error!(error = %telemetry::error_chain(&error), "a server ended");
                }
            });
        }
    }
    Ok(())
}

/// The first signal asks to end, a second one ends.
async fn stop_on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received; end the process by SIGKILL");
        return;
    };
    for is_second in [false, true] {
        tokio::select! {
            // in order: either signal does the same
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = shutdown.cancelled(), if !is_second => return,
        }
        if is_second {
            tracing::warn!("a second signal: the process ends at once");
            #[expect(clippy::exit, reason = "a second signal asks for just that")]
            std::process::exit(130);
        }
        tracing::info!("a signal asks to end; running passes come to their end first");
        shutdown.cancel();
    }
}
