//! The two small servers for the cluster: probes on the health address, metrics on their own.
//!
//! `/livez` fails when a worker stopped making progress, not when HTTP stopped answering; `/readyz`
//! passes when the custom resource is there and its watch has caught up, or when this replica
//! stands by for the lease. Neither asks Azure: an outage there must not restart us.

mod progress;
mod readiness;

use std::{io, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    progress::{Progress, Worker},
    readiness::Readiness,
};
use crate::metrics;

/// Where a server listens, or that it does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BindAddress {
    /// There is no such server.
    Off,
    /// It listens here; port 0 takes any free one.
    At(SocketAddr),
}

impl FromStr for BindAddress {
    type Err = InvalidBindAddress;

    fn from_str(text: &str) -> Result<Self, InvalidBindAddress> {
        if text == "0" {
            return Ok(Self::Off);
        }
        let any = format!("0.0.0.0{text}");
        let address = if text.starts_with(':') {
            any.as_str()
        } else {
            text
        };
        address
            .parse()
            .map(Self::At)
            .map_err(|_| InvalidBindAddress)
    }
}

/// The text is not an address to listen on.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "write ADDRESS:PORT such as 0.0.0.0:8080 or [::]:8080, :PORT for all addresses, or 0 for off"
)]
pub struct InvalidBindAddress;

/// Why a server does not run.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("failed to serve")]
    Serve(#[source] io::Error),
}

/// Takes the address; `None` when the server is off.
pub async fn listen(address: BindAddress) -> Result<Option<TcpListener>, AdminError> {
    match address {
        BindAddress::Off => Ok(None),
        BindAddress::At(address) => TcpListener::bind(address)
            .await
            .map(Some)
            .map_err(|source| AdminError::Bind { address, source }),
    }
}

/// Serves until `shutdown`, then lets open requests end, but not for long.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    let graceful =
        axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        // in order: a server that ended wins over the end of our patience
        biased;
        ended = graceful => ended.map_err(AdminError::Serve),
        () = patience => Ok(()),
    }
}

/// The routes of the health address.
pub fn health_routes(progress: Progress, readiness: Readiness) -> Router {
    let live = get(live).with_state(progress);
    Router::new()
        .route("/livez", live.clone())
        .route("/healthz", live)
        .route("/readyz", get(ready).with_state(readiness))
}

async fn live(State(progress): State<Progress>) -> impl IntoResponse {
    answer(progress.report())
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    answer(readiness.report())
}

/// The route of the metrics address.
pub fn metrics_routes(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(registry)
}

async fn scrape(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    match metrics::encode(&registry) {
        Ok(body) => (
            StatusCode::OK,
            [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
            body,
        ),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            let body = "the metrics cannot be written".to_owned();
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(CONTENT_TYPE, "text/plain")],
                body,
            )
        }
    }
}

fn answer(report: Report) -> (StatusCode, String) {
    let code = if report.passed {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, report.lines)
}

/// What a probe answers: whether it passes, and one line per check, `[+]` or `[-]` first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Whether all checks pass.
    pub passed: bool,
    /// The checks, for people.
    pub lines: String,
}

impl Report {
    fn new() -> Self {
        Self {
            passed: true,
            lines: String::new(),
        }
    }

    fn check(&mut self, passes: bool, text: &str) {
        self.passed &= passes;
        self.lines.push_str(if passes { "[+]" } else { "[-]" });
        self.lines.push_str(text);
        self.lines.push('\n');
    }
}

/// How long open requests may go on after the order to shut down.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
