//! The clients for the API server, and the election of the leader.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, Config};

use crate::admin::Readiness;
use crate::cli::{LeaderElection, Settings};
use crate::clock::Clock;
use crate::controller::lease::{self, Elector, LeaseSettings};
use crate::crd::DicomEncryption;
use crate::metrics::Metrics;
use crate::telemetry::error_chain;

/// The longest that connecting to the API server, or sending to it, may take.
const KUBE_DEADLINE: Duration = Duration::from_secs(30);

/// The watch is quiet for this long at most before it is begun anew.
const WATCH_SILENCE: Duration = Duration::from_secs(320);

/// How the API server is reached: as the cluster or the kubeconfig says, with limits of our own.
pub(super) async fn config(settings: &Settings) -> anyhow::Result<Config> {
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
pub(super) async fn require_crd(client: &Client, readiness: &Readiness) -> anyhow::Result<()> {
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
            tracing::warn!(error = %error_chain(&error), "whether the CRD is there cannot be told yet");
        }
    }
    readiness.resource_found(true);
    Ok(())
}

/// A candidate for the lease, if there is to be an election.
pub(super) fn elect(
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
