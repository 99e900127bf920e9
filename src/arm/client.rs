//! Sends one call to ARM and reports what came back.
//!
//! It promises: a token goes to ARM's own https origin and nowhere else; every call has a
//! deadline; no call is made against the budget; nothing is sent twice; no redirect and no foreign
//! link is followed. It holds no state but budgets and the token: what an answer means is decided
//! elsewhere.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use k8s_openapi::jiff::Timestamp;
use tokio::time;
use url::Url;
use uuid::Uuid;

use self::answer::Exchange;
use crate::{
    arm::{
        budget::{self, BudgetKey, Budgets, CredentialId, Take},
        call::Call,
        credential::TokenSource,
        error::{ArmError, Throttle},
        text,
        transport::{Transport, TransportError},
    },
    clock::Clock,
};

mod answer;
mod list;
mod record;
mod request;

pub use record::{CallOutcome, CallRecord};

/// What a client is made of.
#[derive(Clone)]
pub struct ArmSettings {
    /// ARM's origin: https, of the configured cloud.
    pub endpoint: Url,
    /// Which login the tokens belong to.
    pub credential: CredentialId,
    /// Where tokens come from.
    pub tokens: Arc<TokenSource>,
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// The budgets, shared by all clients of the process.
    pub budgets: Arc<Mutex<Budgets>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The longest that a call may take, login included.
    pub deadline: Duration,
    /// Tells this process from others in the ids of its requests.
    pub instance: Uuid,
    /// Is told of each call, after it.
    pub observer: Arc<dyn Fn(&CallRecord) + Send + Sync>,
}

impl fmt::Debug for ArmSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArmSettings")
            .field("endpoint", &self.endpoint.as_str())
            .field("credential", &self.credential)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Speaks to ARM with one credential. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ArmClient {
    settings: Arc<ArmSettings>,
    sequence: Arc<AtomicU64>,
    correlation: Uuid,
}

/// A successful answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The status.
    pub status: StatusCode,
    /// Azure's clock when it answered.
    pub date: Option<Timestamp>,
    /// Our clock when the answer was asked for: the facts in it are at least as new.
    pub asked_at: Timestamp,
    /// How long to wait before looking at the operation.
    pub retry_after: Option<Duration>,
    /// Where to look at the operation; always of ARM's own origin.
    pub operation_url: Option<Url>,
    /// Azure's name for the exchange.
    pub request_id: Option<String>,
    /// The size of the body, in bytes.
    pub size: usize,
    /// How many calls it took: one for each page of a list.
    pub calls: usize,
}

impl ArmClient {
    /// A client for an https endpoint; any other endpoint is refused, for it would get tokens.
    pub fn try_new(settings: ArmSettings) -> Result<Self, TransportError> {
        if settings.endpoint.scheme() != "https" || settings.endpoint.host_str().is_none() {
            return Err(TransportError::Setup {
                what: "the ARM endpoint",
                detail: "write it as https://host/: tokens travel over https only".to_owned(),
            });
        }
        let correlation = settings.instance;
        Ok(Self {
            settings: Arc::new(settings),
            sequence: Arc::default(),
            correlation,
        })
    }

    /// The same client, its calls marked as belonging to one reconcile or sweep.
    #[must_use]
    pub fn correlated(&self, correlation: Uuid) -> Self {
        Self {
            correlation,
            ..self.clone()
        }
    }

    /// Which login this client uses.
    pub fn credential(&self) -> &CredentialId {
        &self.settings.credential
    }

    /// Sends a call once. ARM is called only if a token is there and the budget allows it.
    pub async fn send<T>(&self, call: Call<T>) -> Result<Answer<T>, ArmError> {
        let started = self.settings.clock.monotonic();
        let mut trace = Trace::default();
        let result = self.attempt(&call, &mut trace).await;
        let record = CallRecord {
            action: call.subject.action,
            key: self.key(&call),
            method: call.method,
            status: trace.status,
            remaining: trace.remaining,
            outcome: result
                .as_ref()
                .map_or_else(CallOutcome::from, |_| CallOutcome::Succeeded),
            elapsed: self.settings.clock.monotonic().since(started),
            client_request_id: trace.client_request_id,
            correlation: self.correlation,
            request_id: trace.request_id,
        };
        (self.settings.observer)(&record);
        result
    }

    async fn attempt<T>(&self, call: &Call<T>, trace: &mut Trace) -> Result<Answer<T>, ArmError> {
        let subject = || Box::new(call.subject.clone());
        let url = self.url(call)?;
        let exchange = async {
            // the token first: without one, the budget is not touched
            let token = self.settings.tokens.token().await;
            let token = token.map_err(|source| ArmError::Credential {
                subject: subject(),
                source,
            })?;
            self.take(call)?;
            let request = self.request(call, &url, &token, trace)?;
            let asked_at = self.settings.clock.now();
            let response = self.settings.transport.execute(request).await;
            let response = response.map_err(|source| ArmError::Transport {
                subject: subject(),
                source,
            })?;
            Ok((token, response, asked_at))
        };
        let in_time = time::timeout(self.settings.deadline, exchange).await;
        let (token, response, asked_at) = in_time.unwrap_or_else(|_| {
            Err(ArmError::Transport {
                subject: subject(),
                source: TransportError::Timeout,
            })
        })?;
        trace.status = Some(response.status());
        trace.remaining = budget::remaining(response.headers(), call.bucket());
        trace.request_id = header_text(response.headers(), "x-ms-request-id");
        self.read(
            call,
            Exchange {
                url,
                token,
                response,
                asked_at,
            },
        )
    }

    fn admitted(&self, key: &BudgetKey, headers: &HeaderMap) {
        let now = self.settings.clock.monotonic();
        self.budgets(|budgets| {
            budgets.note_admitted(key, now);
            budgets.note_remaining(key, headers, now);
        });
    }

    fn take<T>(&self, call: &Call<T>) -> Result<(), ArmError> {
        let now = self.settings.clock.monotonic();
        let key = self.key(call);
        match self.budgets(|budgets| budgets.try_take(&key, call.urgency, now)) {
            Take::Granted => Ok(()),
            Take::Wait(wait) => Err(ArmError::Throttled {
                subject: Box::new(call.subject.clone()),
                wait,
                by: Throttle::OurBudget,
            }),
        }
    }

    fn budgets<R>(&self, work: impl FnOnce(&mut Budgets) -> R) -> R {
        work(
            &mut self
                .settings
                .budgets
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn key<T>(&self, call: &Call<T>) -> BudgetKey {
        BudgetKey {
            credential: self.settings.credential.clone(),
            subscription: call.subscription,
            bucket: call.bucket(),
        }
    }
}

/// What is known of a call when it ends, however it ends.
#[derive(Debug, Default)]
struct Trace {
    client_request_id: Option<Uuid>,
    status: Option<StatusCode>,
    remaining: Option<u32>,
    request_id: Option<String>,
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(text::printable(value, ID_LIMIT, &[]))
}

const ID_LIMIT: usize = 120;

#[cfg(test)]
mod tests;
