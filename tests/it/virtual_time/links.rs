//! The operator's ways out: to Azure, to its login and to the API server, each in this process.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use azure_simulator::azure::{Azure, Reply};
use azure_simulator::kube_api::{ConnectionLost, KubeApi, KubeBody, call};
use bytes::Bytes;
use dicomenc::arm::transport::{BODY_LIMIT, Transport, TransportError};
use dicomenc::clock::{Clock, VirtualClock};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response, header};
use kube::client::Body;
use serde_json::Value;
use tokio::time::sleep;

use super::trace::{AzureCall, KubeCall, Trace, Truth, What};

/// What an exchange with Azure takes.
const AZURE_LATENCY: Duration = Duration::from_millis(20);

/// What an exchange with the API server takes.
const KUBE_LATENCY: Duration = Duration::from_millis(5);

/// As long as the operator's own HTTP client would wait.
const DEADLINE: Duration = Duration::from_mins(1);

/// The world outside of the operator. It outlives every crash.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) azure: Arc<Mutex<Azure>>,
    pub(crate) kube: Arc<Mutex<KubeApi>>,
    pub(crate) clock: VirtualClock,
    pub(crate) trace: Trace,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
}

impl Outside {
    /// The world as it is now; nothing when the trace is to be light.
    pub(crate) fn truth(&self) -> Truth {
        if !self.trace.keeps_truth() {
            return Truth::default();
        }
        let kube = self.kube.lock().unwrap();
        Truth {
            estate: self.azure.lock().unwrap().show(self.clock.now()),
            objects: kube.objects("dicomencryptions").cloned().collect(),
        }
    }
}

/// When a process dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Moment {
    /// The call does not get out any more.
    Before,
    /// The call takes effect, and its answer is not seen.
    After,
}

/// Through here goes every call of one process, until it dies.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    calls: AtomicU64,
    is_dead: AtomicBool,
    death: Option<(u64, Moment)>,
}

impl Gate {
    /// A process that dies at the call with this number, if any.
    pub(crate) fn new(death: Option<(u64, Moment)>) -> Self {
        Self {
            death,
            ..Self::default()
        }
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether the process is dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Lets nothing through any more.
    pub(crate) fn close(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    async fn leave(&self) -> u64 {
        if self.is_dead() {
            return std::future::pending().await;
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        self.die_at(number, Moment::Before).await;
        number
    }

    async fn come_back(&self, number: u64) {
        self.die_at(number, Moment::After).await;
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn die_at(&self, number: u64, moment: Moment) {
        if self.death == Some((number, moment)) {
            self.close();
            std::future::pending::<()>().await;
        }
    }
}

/// The way to Azure, and the login that gets its tokens there.
#[derive(Clone, Debug)]
pub(crate) struct AzureLink {
    pub(crate) outside: Outside,
    pub(crate) gate: Arc<Gate>,
    /// Whom each token is for that came through here.
    pub(crate) issued: Arc<Mutex<BTreeMap<String, String>>>,
}

impl AzureLink {
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let number = self.gate.leave().await;
        let (place, keep) = self.enter(&request);
        sleep(AZURE_LATENCY / 2).await;
        let reply = {
            let mut azure = self.outside.azure.lock().unwrap();
            azure.handle(&request, self.outside.clock.now())
        };
        sleep(AZURE_LATENCY / 2).await;
        let answer = play(reply).await;
        if let Ok(answer) = &answer {
            let body = keep.then(|| serde_json::from_slice(answer.body()).unwrap_or_default());
            let status = answer.status().as_u16();
            let body = body.unwrap_or_default();
            self.outside.trace.answered(place, status, body);
        }
        self.gate.come_back(number).await;
        answer
    }

    /// The place in the trace, and whether it wants to have the answer's body.
    fn enter(&self, request: &Request<Bytes>) -> (usize, bool) {
        let mut call = AzureCall {
            method: request.method().clone(),
            url: request.uri().to_string(),
            audience: self.audience(request),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
            status: None,
            answer: Value::Null,
            truth: None,
        };
        if call.is_write() {
            call.truth = Some(self.outside.truth());
        }
        let trace = &self.outside.trace;
        let keep = trace.keeps_truth() && call.is_of_service() && !call.is_write();
        let now = self.outside.clock.now();
        (trace.enter(now, What::Azure(call)), keep)
    }

    fn audience(&self, request: &Request<Bytes>) -> Option<String> {
        let bearer = request
            .headers()
            .get(header::AUTHORIZATION)?
            .to_str()
            .ok()?;
        let token = bearer.trim_start_matches("Bearer ");
        let issued = self.issued.lock().unwrap();
        let audience = issued.get(token).cloned();
        drop(issued);
        Some(audience.unwrap_or_else(|| "nobody that is known".to_owned()))
    }

    async fn log_in(&self, scope: String) -> azure_core::Result<AccessToken> {
        let url = format!(
            "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
            self.outside.tenant
        );
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret=of-the-rig&scope={}",
            self.outside.client_id,
            scope.replace(':', "%3A").replace('/', "%2F")
        );
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .unwrap();
        let failed = |words: String| azure_core::Error::with_message(ErrorKind::Credential, words);
        let answer = self.exchange(request).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let token = said["access_token"].as_str();
        let token = token.ok_or_else(|| failed(format!("there is no token in {said}")))?;
        let audience = scope.trim_end_matches("/.default").to_owned();
        self.issued
            .lock()
            .unwrap()
            .insert(token.to_owned(), audience);
        let life = said["expires_in"].as_i64().unwrap_or_default();
        let end = self.outside.clock.now().as_second() + life;
        let end = OffsetDateTime::UNIX_EPOCH + azure_core::time::Duration::seconds(end);
        Ok(AccessToken::new(Secret::new(token.to_owned()), end))
    }
}

impl Transport for AzureLink {
    fn execute(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.exchange(request).boxed()
    }
}

impl TokenCredential for AzureLink {
    fn get_token<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        scopes: &'b [&'c str],
        _options: Option<TokenRequestOptions<'d>>,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AccessToken>> + Send + 'e>>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
    {
        Box::pin(self.log_in(scopes.concat()))
    }
}

/// What the operator's HTTP client would make of a reply.
async fn play(mut reply: Reply) -> Result<Response<Bytes>, TransportError> {
    while let Reply::Delayed(delay, later) = reply {
        sleep(delay.try_into().unwrap()).await;
        reply = *later;
    }
    let broken = |detail: &str| TransportError::Broken {
        detail: detail.to_owned(),
    };
    match reply {
        Reply::Answer(response) => Ok(response),
        Reply::Reset => Err(broken("connection reset by peer")),
        Reply::Truncated(_) => Err(broken("end of file before message length reached")),
        Reply::Endless(_) => Err(TransportError::TooLarge { limit: BODY_LIMIT }),
        Reply::Silence => {
            sleep(DEADLINE).await;
            Err(TransportError::Timeout)
        }
        Reply::Delayed(..) => panic!("the loop above took all delays off"),
    }
}

/// A client for the simulated API server.
pub(crate) fn kube_client(outside: &Outside, gate: &Arc<Gate>) -> kube::Client {
    let (outside, gate) = (outside.clone(), Arc::clone(gate));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (outside, gate) = (outside.clone(), Arc::clone(&gate));
        async move {
            let (parts, body) = request.into_parts();
            let whole = Request::from_parts(parts, body.collect_bytes().await?);
            kube_exchange(&outside, &gate, whole)
                .await
                .map_err(|lost| kube::Error::Service(Box::new(lost)))
        }
    });
    kube::Client::new(service, "default")
}

async fn kube_exchange(
    outside: &Outside,
    gate: &Gate,
    request: Request<Bytes>,
) -> Result<Response<KubeBody>, ConnectionLost> {
    let number = gate.leave().await;
    let entry = What::Kube(KubeCall {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        body: serde_json::from_slice(request.body()).unwrap_or_default(),
        status: None,
    });
    let place = outside.trace.enter(outside.clock.now(), entry);
    sleep(KUBE_LATENCY).await;
    let answer = call(&outside.kube, || outside.clock.now(), request).await;
    if let Ok(answer) = &answer {
        let status = answer.status().as_u16();
        outside.trace.answered(place, status, Value::Null);
    }
    gate.come_back(number).await;
    answer
}
