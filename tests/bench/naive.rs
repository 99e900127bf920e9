//! What the operator is compared with: a client that makes given calls one after the other and
//! decides nothing.

use std::fs;

use azure_simulator::azure::World;
use reqwest::{Certificate, Client, Method, Proxy};
use rustls::crypto::ring;
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::figures::count;
use crate::process;
use crate::real::estate::Estate;
use crate::scale::Scale;

/// A call to ARM.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    url: String,
    body: Option<Value>,
}

impl Call {
    /// Reads it from the simulator's journal; none when it is not for ARM.
    pub(crate) fn from_exchange(exchange: &Value) -> Option<Self> {
        let request = &exchange["liveRequest"];
        let url = request["url"].as_str()?;
        url.starts_with("https://management.azure.com/")
            .then(|| Self {
                method: request["method"].as_str().unwrap_or_default().to_owned(),
                url: url.to_owned(),
                body: request.get("body").cloned(),
            })
    }

    /// Whether it is the PUT of a DICOM service.
    pub(crate) fn sets_key(&self) -> bool {
        let path = self.url.split('?').next().unwrap_or_default();
        let kind = path.rsplit('/').nth(1).unwrap_or_default();
        self.method == "PUT" && kind.eq_ignore_ascii_case("dicomservices")
    }
}

/// Makes the calls one after the other, and gives the seconds that they took together.
pub(crate) fn replay(estate: &Estate, calls: &[Call]) -> f64 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let login = Login::to(estate).await;
        let began = Instant::now();
        for call in calls {
            login.ask(call).await;
        }
        began.elapsed().as_secs_f64()
    })
}

/// The five reads are made for one in so many services: for all of them Azure would refuse most.
const ONE_IN: usize = 25;

/// Processor time, in seconds, of a client that reads five things for each of so many services:
/// the service, its vault, its key, its grants and its health.
pub(crate) fn five_reads(estate: &Estate, services: usize) -> f64 {
    let scale = Scale::of(services);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let login = Login::to(estate).await;
        let before = process::own_thread();
        for number in (0..services).step_by(ONE_IN) {
            for url in scale.place(number).reads() {
                let call = Call {
                    method: "GET".to_owned(),
                    url: format!("https://management.azure.com{url}"),
                    body: None,
                };
                login.ask(&call).await;
            }
        }
        count(ONE_IN) * (process::own_thread() - before)
    })
}

/// A client with a token.
struct Login {
    client: Client,
    token: String,
}

impl Login {
    async fn to(estate: &Estate) -> Self {
        // another measurement may have installed it
        ring::default_provider().install_default().ok();
        let ca = fs::read(estate.ca()).unwrap();
        let client = Client::builder()
            .proxy(Proxy::all(estate.proxy()).unwrap())
            .tls_certs_merge([Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        let World {
            tenant, operator, ..
        } = World::builtin();
        let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret=any&scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
            operator.client_id
        );
        let request = client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let said: Value = request.send().await.unwrap().json().await.unwrap();
        let token = said["access_token"].as_str().unwrap().to_owned();
        Self { client, token }
    }

    async fn ask(&self, call: &Call) -> Value {
        let method: Method = call.method.parse().unwrap();
        let mut request = self.client.request(method, &call.url);
        request = request.bearer_auth(&self.token);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap();
        assert!(
            status.is_success() || status.as_u16() == 404,
            "{status} for {call:?}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).unwrap_or_default()
    }
}
