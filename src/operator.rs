//! Puts the operator together and runs it. No decision is made here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::SignedDuration;
use kube::api::ListParams;
use kube::{Api, Client, Config};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::admin::{self, Progress, Readiness};
use crate::arm::budget::{Budgets, CredentialId, Limits};
use crate::arm::client::{ArmClient, ArmSettings, CallRecord};
use crate::arm::credential::{self, LoginNetwork, TokenSource};
use crate::arm::transport::{HttpSettings, HttpTransport, ProxySettings, Transport};
use crate::azure::Cloud;
use crate::cli::{AzureSettings, CloudSettings, CredentialSettings, LeaderElection, Settings};
use crate::clock::{Clock, SystemClock};
use crate::controller::lease::{self, Elector, Fence, Leadership, LeaseSettings};
use crate::controller::{self, Parts};
use crate::crd::DicomEncryption;
use crate::domain::plan;
use crate::metrics::{self, CodeClass, Metrics};
use crate::observe::{Intervals, Observer};

/// The longest that a call to Azure may take.
const ARM_DEADLINE: Duration = Duration::from_secs(60);

/// The longest that connecting, or an answer of the API server, may take.
const KUBE_DEADLINE: Duration = Duration::from_secs(30);

/// The watch is quiet for this long at most before it is begun anew.
const WATCH_SILENCE: Duration = Duration::from_secs(320);

/// The most that a worker may be silent before the process counts as stuck, in sweeps.
const SILENT_SWEEPS: u32 = 3;

/// Runs the operator until SIGTERM or SIGINT. A second signal ends it at once.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    crate::telemetry::install(&settings.log, Arc::clone(&clock))?;
    let mut registry = metrics::registry();
    let metrics = Metrics::register(&mut registry);
    let (progress, readiness) = (Progress::new(Arc::clone(&clock)), Readiness::default());
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());

    // not waited for at the end: it waits for a second signal
    let signals = TaskTracker::new().spawn(stop_on_signal(shutdown.clone()));
    serve(
        &settings,
        (&progress, &readiness),
        registry,
        (&tracker, &shutdown),
    )
    .await?;
    let config = kube_config(&settings).await?;
    let client =
        Client::try_from(config.clone()).context("failed to build the Kubernetes client")?;
    require_crd(&client, &readiness).await?;
    let arm = azure(
        &settings,
        Arc::clone(&clock),
        &metrics,
        (&tracker, &shutdown),
    )?;

    let election = elect(&settings, config, Arc::clone(&clock), &metrics)?;
    let stop_election = CancellationToken::new();
    let (fence, leadership) = match election {
        None => (Fence::always(), None),
        Some(elector) => {
            let (fence, leadership) = (elector.fence(), elector.leadership());
            tracker.spawn(elector.run(stop_election.clone()));
            readiness.stands_by(true);
            (fence, Some(leadership))
        }
    };
    if let Some(mut leadership) = leadership {
        tokio::select! {
            // in order: a shutdown wins over a lease that comes at the same moment
            biased;
            () = shutdown.cancelled() => {
                stop_election.cancel();
                tracker.close();
                tracker.wait().await;
                return Ok(());
            }
            led = leadership.wait_for(Leadership::is_leading) => {
                led.context("the election ended")?;
            }
        }
        readiness.stands_by(false);
        let lost = shutdown.clone();
        tracker.spawn(async move {
            let standby = leadership
                .wait_for(|leadership| !leadership.is_leading())
                .await;
            if standby.is_ok() && !lost.is_cancelled() {
                tracing::error!(
                    "the lease is lost: this process ends, and begins anew as a candidate"
                );
                lost.cancel();
            }
        });
    }
    metrics.kube.leading(true);

    let parts = parts(&settings, client, arm, (clock, fence, metrics));
    let sweeper = progress.worker("sweeper", sweep_limit(&settings));
    let observer = Arc::clone(&parts.observer);
    tracker.spawn(observer.run(shutdown.clone(), move || sweeper.beat()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the operator runs");
    controller::run(parts, readiness, shutdown.clone()).await;
    // a controller that ended by itself ends everything
    shutdown.cancel();
    stop_election.cancel();
    tracker.close();
    tracker.wait().await;
    signals.abort();
    tracing::info!("the operator has ended");
    Ok(())
}

fn parts(
    settings: &Settings,
    client: Client,
    arm: ArmClient,
    (clock, fence, metrics): (Arc<dyn Clock>, Fence, Metrics),
) -> Parts {
    let signed = |wait: Duration| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    let intervals = Intervals {
        health: signed(settings.timing.health_interval),
        configuration: signed(settings.timing.configuration_interval),
    };
    Parts {
        observer: Observer::new(Arc::new(arm.clone()), intervals, Arc::clone(&clock)),
        client,
        arm,
        leading_since: clock.now(),
        clock,
        fence,
        metrics,
        settings: controller::Settings {
            plan: plan::Settings {
                propagation_wait: signed(settings.timing.propagation_wait),
            },
            vault_suffix: cloud(&settings.azure).vault_suffix,
            recheck: intervals.health,
            namespace: settings.namespace.clone(),
            concurrency: settings.max_concurrent_reconciles.get(),
            instance: settings.host.clone(),
        },
    }
}

fn sweep_limit(settings: &Settings) -> Duration {
    (settings.timing.health_interval * SILENT_SWEEPS).max(Duration::from_secs(120))
}

async fn serve(
    settings: &Settings,
    (progress, readiness): (&Progress, &Readiness),
    registry: Registry,
    (tracker, shutdown): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<()> {
    let health = admin::health_routes(progress.clone(), readiness.clone());
    let scraped = admin::metrics_routes(Arc::new(registry));
    for (address, routes) in [
        (settings.health_address, health),
        (settings.metrics_address, scraped),
    ] {
        if let Some(listener) = admin::listen(address).await? {
            let stop = shutdown.clone();
            tracker.spawn(async move {
                if let Err(error) = admin::serve(listener, routes, stop).await {
                    tracing::error!(error = %crate::telemetry::error_chain(&error), "a server ended");
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

async fn kube_config(settings: &Settings) -> anyhow::Result<Config> {
    let mut config = Config::infer().await.context(
        "failed to find the API server: run in a cluster, or set KUBECONFIG to a kubeconfig file",
    )?;
    // kube takes HTTPS_PROXY for this and compares NO_PROXY with the proxy's own address: the
    // proxy is for Azure
    if settings.proxy.https.is_some()
        && config.proxy_url.as_ref().map(ToString::to_string)
            == settings.proxy.https.as_ref().map(ToString::to_string)
    {
        config.proxy_url = None;
    }
    config.connect_timeout = Some(KUBE_DEADLINE);
    config.read_timeout = Some(WATCH_SILENCE);
    config.write_timeout = Some(KUBE_DEADLINE);
    config.default_retry = false;
    // else the time that a pooled connection was idle counts against the next answer (kube 5)
    config.reset_reader_on_write = true;
    Ok(config)
}

/// The API server has to serve our resource: nothing works without.
async fn require_crd(client: &Client, readiness: &Readiness) -> anyhow::Result<()> {
    let api: Api<DicomEncryption> = Api::all(client.clone());
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {
            anyhow::bail!(
                "the API server does not know DicomEncryption: apply the folder crds/ of this release first (kubectl apply -f crds/)"
            );
        }
        // no right to list all namespaces, or no answer yet: the watch tells
        Err(error) => {
            tracing::warn!(error = %crate::telemetry::error_chain(&error), "whether the CRD is there cannot be told yet")
        }
    }
    readiness.resource_found(true);
    Ok(())
}

fn elect(
    settings: &Settings,
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
) -> anyhow::Result<Option<Elector>> {
    let Some(LeaderElection {
        namespace,
        id,
        lease_duration,
        renew_deadline,
        retry_period,
    }) = settings.leader_election.clone()
    else {
        return Ok(None);
    };
    let client = lease::client(config, retry_period.max(Duration::from_secs(5)))
        .context("failed to build the client for the lease")?;
    let api: Api<Lease> = match namespace {
        Some(namespace) => Api::namespaced(client, &namespace),
        None => Api::default_namespaced(client),
    };
    let election = LeaseSettings {
        name: id,
        identity: lease::identity(&settings.host),
        lease_duration,
        renew_deadline,
        retry_period,
    };
    Ok(Some(Elector::new(
        api,
        election,
        clock,
        metrics.kube.clone(),
    )))
}

fn azure(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
    (tracker, shutdown): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<ArmClient> {
    let cloud = cloud(&settings.azure);
    if let Some(host) = settings
        .azure
        .authority_host
        .as_ref()
        .filter(|host| host.origin() != cloud.authority.origin())
    {
        anyhow::bail!(
            "AZURE_AUTHORITY_HOST is {host}, but the cloud {cloud} logs in at {}: correct the variable, or choose the cloud with --azure-cloud",
            cloud.authority
        );
    }
    let network = network(settings)?;
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::try_new(&network)?);
    let metadata: Arc<dyn Transport> =
        Arc::new(HttpTransport::try_new(&network.for_metadata_endpoint())?);
    let login = LoginNetwork {
        authority: cloud.authority.clone(),
        transport: Arc::clone(&transport),
        metadata,
    };
    let credential = credential(&settings.azure.credential);
    let name = CredentialId::new(credential.as_str());
    let tokens = Arc::new(TokenSource::new(
        credential.factory(login),
        cloud.scope.clone(),
        Arc::clone(&clock),
    ));
    let (fresh, stop) = (Arc::clone(&tokens), shutdown.clone());
    tracker.spawn(async move { stop.run_until_cancelled(fresh.keep_fresh()).await });
    let counted = metrics.arm.clone();
    Ok(ArmClient::try_new(ArmSettings {
        endpoint: cloud.resource_manager,
        credential: name,
        tokens,
        transport,
        budgets: Arc::new(Mutex::new(Budgets::new(Limits::default()))),
        clock,
        deadline: ARM_DEADLINE,
        instance: Uuid::new_v4(),
        observer: Arc::new(move |record| count(&counted, record)),
    })?)
}

fn count(counted: &metrics::ArmMetrics, record: &CallRecord) {
    let provider = record.action.split('/').next().unwrap_or_default();
    let method = match record.method.as_str() {
        "GET" => "GET",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        _ => "other",
    };
    let code = CodeClass::of(record.status.map(|status| status.as_u16()));
    if record.client_request_id.is_some() {
        counted.arm_called(provider, method, code, record.elapsed);
    }
}

fn network(settings: &Settings) -> anyhow::Result<HttpSettings> {
    let ca_bundle = match &settings.azure.ca_bundle {
        None => None,
        Some(path) => Some(std::fs::read(path).with_context(|| {
            format!(
                "failed to read the CA bundle {}: correct --ca-bundle",
                path.display()
            )
        })?),
    };
    let proxy = match &settings.proxy.https {
        None => None,
        Some(url) => Some(ProxySettings::try_new(
            url.as_str(),
            &settings.proxy.bypass.join(","),
        )?),
    };
    Ok(HttpSettings {
        ca_bundle,
        proxy,
        deadline: ARM_DEADLINE,
        ..HttpSettings::default()
    })
}

fn credential(settings: &CredentialSettings) -> credential::CredentialSettings {
    match settings.clone() {
        CredentialSettings::WorkloadIdentity {
            principal,
            token_file,
        } => credential::CredentialSettings::WorkloadIdentity {
            tenant_id: principal.tenant_id,
            client_id: principal.client_id,
            token_file,
        },
        CredentialSettings::ManagedIdentity { client_id } => {
            credential::CredentialSettings::ManagedIdentity { client_id }
        }
        CredentialSettings::ClientSecret { principal, secret } => {
            credential::CredentialSettings::ClientSecret {
                tenant_id: principal.tenant_id,
                client_id: principal.client_id,
                secret: secret.expose().to_owned().into(),
            }
        }
        CredentialSettings::DeveloperCli => credential::CredentialSettings::DeveloperTools,
    }
}

fn cloud(settings: &AzureSettings) -> Cloud {
    match &settings.cloud {
        CloudSettings::Public => Cloud::public(),
        CloudSettings::UsGovernment => Cloud::us_government(),
        CloudSettings::China => Cloud::china(),
        CloudSettings::Custom(custom) => Cloud {
            name: "Custom".to_owned(),
            resource_manager: custom.endpoint.clone(),
            scope: format!("{}/.default", custom.audience.trim_end_matches('/')),
            authority: custom.authority.clone(),
            vault_suffix: custom.vault_suffix.clone(),
        },
    }
}
