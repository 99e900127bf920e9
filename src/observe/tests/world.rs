//! A small Azure for these tests: answers by path, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    time::OffsetDateTime,
};
use bytes::Bytes;
use futures::{FutureExt, future, future::BoxFuture};
use http::{Request, Response};
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::estate::error;
use crate::{
    arm::{
        ArmClient, ArmSettings, Transport, TransportError,
        budget::{Budgets, CredentialId, Limit, Limits},
        credential::{CredentialFactory, TokenSource},
        data_plane::{DICOM_LIMIT, DataPlane, DataPlaneSettings, VAULT_LIMIT},
    },
    clock::{Clock, VirtualClock},
    observe::{Intervals, Observer, Planes},
};

/// What a path answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Json(Value),
    Status(u16, Value),
    Silence,
}

/// Where ARM is.
const ARM: &str = "management.azure.com";

#[derive(Default)]
struct Estate {
    replies: BTreeMap<String, Reply>,
    /// Answers that are given once, before the lasting one.
    once: BTreeMap<String, Vec<Reply>>,
    asked: Vec<String>,
    /// The same of other hosts, each with its host in front.
    asked_elsewhere: Vec<String>,
}

pub(super) struct FakeAzure {
    clock: Arc<dyn Clock>,
    estate: Mutex<Estate>,
    latency: Duration,
}

impl FakeAzure {
    pub(super) fn put(&self, path: &str, reply: Reply) {
        let mut estate = self.estate.lock().unwrap();
        estate.replies.insert(path.to_lowercase(), reply);
    }

    pub(super) fn json(&self, path: &str, value: Value) {
        self.put(path, Reply::Json(value));
    }

    pub(super) fn once(&self, path: &str, reply: Reply) {
        let mut estate = self.estate.lock().unwrap();
        estate
            .once
            .entry(path.to_lowercase())
            .or_default()
            .push(reply);
        drop(estate);
    }

    pub(super) fn remove(&self, path: &str) {
        let mut estate = self.estate.lock().unwrap();
        estate.replies.remove(&path.to_lowercase());
    }

    /// Puts up once more, in another subscription, all that is there.
    pub(super) fn mirror(&self, from: &str, to: &str) {
        let mut estate = self.estate.lock().unwrap();
        let other = |text: &str| text.replace(from, to);
        let copies = estate.replies.iter().map(|(path, reply)| {
            let Reply::Json(body) = reply else {
                panic!("only what is there can be put up again");
            };
            let body = serde_json::from_str(&other(&body.to_string())).unwrap();
            (other(path), Reply::Json(body))
        });
        let copies: Vec<_> = copies.collect();
        estate.replies.extend(copies);
    }

    /// The paths asked for since the last time, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.estate.lock().unwrap().asked)
    }

    /// What other hosts than ARM were asked for since the last time, host first.
    pub(super) fn asked_elsewhere(&self) -> Vec<String> {
        std::mem::take(&mut self.estate.lock().unwrap().asked_elsewhere)
    }

    /// How often a path was asked for since the last time anything was looked at.
    pub(super) fn count(&self, path: &str) -> usize {
        let path = path.to_lowercase();
        let estate = self.estate.lock().unwrap();
        estate.asked.iter().filter(|asked| **asked == path).count()
    }

    /// Nothing but ARM is open to us that was not put up.
    fn reply(&self, host: &str, path: &str) -> Reply {
        let mut estate = self.estate.lock().unwrap();
        let is_arm = host == ARM;
        let place = if is_arm {
            path.to_owned()
        } else {
            format!("{host}{path}")
        };
        if is_arm {
            estate.asked.push(place.clone());
        } else {
            estate.asked_elsewhere.push(place.clone());
        }
        let once = estate.once.get_mut(&place);
        let once = once.filter(|queue| !queue.is_empty());
        let once = once.map(|queue| queue.remove(0));
        let reply = once.or_else(|| estate.replies.get(&place).cloned());
        drop(estate);
        reply.unwrap_or_else(|| {
            if is_arm {
                Reply::Status(404, error("ResourceNotFound", "not there"))
            } else {
                forbidden("ForbiddenByRbac")
            }
        })
    }
}

/// How a vault refuses us.
pub(super) fn forbidden(inner: &str) -> Reply {
    let body = json!({"error": {
        "code": "Forbidden", "message": "no", "innererror": {"code": inner},
    }});
    Reply::Status(403, body)
}

impl fmt::Debug for FakeAzure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeAzure")
    }
}

impl Transport for FakeAzure {
    fn execute(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let host = request.uri().host().unwrap_or_default().to_lowercase();
        let path = request.uri().path().to_lowercase();
        async move {
            let (status, body) = match self.reply(&host, &path) {
                Reply::Json(body) => (200, body),
                Reply::Status(status, body) => (status, body),
                Reply::Silence => future::pending().await,
            };
            time::sleep(self.latency).await;
            let date = rfc2822::DateTimePrinter::new();
            let date = date.timestamp_to_rfc9110_string(&self.clock.now()).unwrap();
            let response = Response::builder().status(status).header("date", date);
            Ok(response.body(Bytes::from(body.to_string())).unwrap())
        }
        .boxed()
    }
}

#[derive(Debug)]
struct FakeCredential;

impl TokenCredential for FakeCredential {
    fn get_token<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        _scopes: &'b [&'c str],
        _options: Option<TokenRequestOptions<'d>>,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AccessToken>> + Send + 'e>>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
    {
        let end = OffsetDateTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 100);
        Box::pin(future::ready(Ok(AccessToken::new(
            Secret::new("token"),
            end,
        ))))
    }
}

/// An observer at work on a small Azure, in virtual time.
pub(super) struct World {
    pub(super) azure: Arc<FakeAzure>,
    pub(super) observer: Arc<Observer>,
    pub(super) clock: Arc<dyn Clock>,
    changes: mpsc::UnboundedReceiver<String>,
    shutdown: CancellationToken,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_limit(Limits::default().read)
    }

    pub(super) fn with_limit(read: Limit) -> Self {
        let start: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(start));
        let azure = Arc::new(FakeAzure {
            clock: Arc::clone(&clock),
            estate: Mutex::default(),
            latency: Duration::from_millis(50),
        });
        let tokens = || {
            let factory = CredentialFactory::fixed(Arc::new(FakeCredential));
            Arc::new(TokenSource::new(factory, "scope", Arc::clone(&clock)))
        };
        let data_plane = |suffix: &str, limit| {
            DataPlane::new(DataPlaneSettings {
                suffix: suffix.to_owned(),
                credential: CredentialId::new("operator"),
                tokens: tokens(),
                transport: Arc::<FakeAzure>::clone(&azure),
                limit,
                clock: Arc::clone(&clock),
                deadline: Duration::from_secs(5),
                instance: Uuid::from_u128(2),
                observer: Arc::new(|_| {}),
            })
        };
        let vaults = data_plane("vault.azure.net", VAULT_LIMIT);
        let services = data_plane("dicom.azurehealthcareapis.com", DICOM_LIMIT);
        let limits = Limits {
            read,
            ..Limits::default()
        };
        let arm = ArmClient::try_new(ArmSettings {
            endpoint: Url::parse("https://management.azure.com/").unwrap(),
            credential: CredentialId::new("operator"),
            tokens: tokens(),
            transport: Arc::<FakeAzure>::clone(&azure),
            budgets: Arc::new(Mutex::new(Budgets::new(limits))),
            clock: Arc::clone(&clock),
            deadline: Duration::from_secs(30),
            instance: Uuid::from_u128(1),
            observer: Arc::new(|_| {}),
        });
        let intervals = Intervals::default();
        let planes = Planes {
            arm: Arc::new(arm.unwrap()),
            vaults,
            services: Some(services),
        };
        let observer = Observer::new(planes, intervals, Arc::clone(&clock));
        Self {
            azure,
            changes: observer.changes().unwrap(),
            observer,
            clock,
            shutdown: CancellationToken::new(),
        }
    }

    /// Starts the sweeps.
    pub(super) fn sweeping(self) -> Self {
        let run = Arc::clone(&self.observer).run(self.shutdown.clone(), |_| {});
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        drop(tokio::spawn(run));
        self
    }

    /// Lets time pass, and says who was called in it.
    pub(super) async fn pass(&mut self, seconds: u64) -> Vec<String> {
        time::sleep(Duration::from_secs(seconds)).await;
        let mut called = Vec::new();
        while let Ok(object) = self.changes.try_recv() {
            called.push(object);
        }
        called.sort();
        called.dedup();
        called
    }

    pub(super) fn end(&self) {
        self.shutdown.cancel();
    }
}
