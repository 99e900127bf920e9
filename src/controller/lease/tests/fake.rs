//! One Lease behind `kube::Client`, with optimistic locking, and faults per candidate.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, client::Body};
use serde_json::{Value, json};
use tower::service_fn;

/// What happens to the calls of a candidate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// 503, nothing done.
    Refuse,
    /// Nothing done, and never an answer.
    Hang,
    /// Reads are answered; writes are done, and never answered.
    LoseAnswer,
}

/// What a reader finds in the Lease.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) holder: Option<String>,
    pub(super) duration: Option<i64>,
    pub(super) transitions: Option<i64>,
    pub(super) renewed: Option<Timestamp>,
    pub(super) last_sweep: Option<String>,
}

#[derive(Clone, Default)]
pub(super) struct LeaseServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    faults: BTreeMap<String, Fault>,
    calls: Vec<String>,
}

impl LeaseServer {
    /// A client of its own for each candidate; `faults` know it by its user agent.
    pub(super) fn api(&self, candidate: &str) -> Api<Lease> {
        let (server, candidate) = (self.clone(), candidate.to_owned());
        let service = service_fn(move |request: Request<Body>| {
            let (server, candidate) = (server.clone(), candidate.clone());
            async move {
                let (head, sent) = request.into_parts();
                let bytes = sent.collect().await.unwrap().to_bytes();
                let method = head.method.as_str().to_owned();
                let fault = server.state().faults.get(&candidate).copied();
                let writes = method != "GET";
                let (code, answer) = match fault {
                    Some(Fault::Refuse) => (503, failure(503, "ServiceUnavailable")),
                    Some(Fault::Hang) => pending().await,
                    Some(Fault::LoseAnswer) | None => server.state().handle(&method, &bytes),
                };
                if fault == Some(Fault::LoseAnswer) && writes {
                    pending::<()>().await;
                }
                let body = Full::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        Api::namespaced(Client::new(service, "operators"), "operators")
    }

    pub(super) fn break_for(&self, candidate: &str, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.faults.insert(candidate.to_owned(), fault),
            None => state.faults.remove(candidate),
        };
    }

    /// Somebody else writes the lease.
    pub(super) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let mut lease = state.lease.clone().unwrap();
        change(&mut lease);
        state.store(lease);
    }

    pub(super) fn seen(&self) -> Seen {
        let lease = self.state().lease.clone().unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Seen {
            holder: text(&lease["spec"]["holderIdentity"]),
            duration: lease["spec"]["leaseDurationSeconds"].as_i64(),
            transitions: lease["spec"]["leaseTransitions"].as_i64(),
            renewed: text(&lease["spec"]["renewTime"]).map(|time| time.parse().unwrap()),
            last_sweep: text(&lease["metadata"]["annotations"]["dicomenc.io/last-sweep"]),
        }
    }

    /// The methods that were answered, with the code where it is a conflict.
    pub(super) fn calls(&self) -> String {
        self.state().calls.join(" ")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn handle(&mut self, method: &str, body: &[u8]) -> (u16, Value) {
        let (code, answer) = self.answer(method, body);
        let call = if code == 409 {
            format!("{method}(409)")
        } else {
            method.to_owned()
        };
        self.calls.push(call);
        (code, answer)
    }

    fn answer(&mut self, method: &str, body: &[u8]) -> (u16, Value) {
        match (method, &self.lease) {
            ("GET" | "PUT", None) => (404, failure(404, "NotFound")),
            ("GET", Some(lease)) => (200, lease.clone()),
            ("POST", Some(_)) => (409, failure(409, "AlreadyExists")),
            ("POST", None) => (201, self.store(serde_json::from_slice(body).unwrap())),
            ("PUT", Some(lease)) => {
                let sent: Value = serde_json::from_slice(body).unwrap();
                let version = "/metadata/resourceVersion";
                if sent.pointer(version) == lease.pointer(version) {
                    (200, self.store(sent))
                } else {
                    (409, failure(409, "Conflict"))
                }
            }
            _ => (405, failure(405, "MethodNotAllowed")),
        }
    }

    fn store(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.lease = Some(lease.clone());
        lease
    }
}

fn failure(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
           "reason": reason, "message": "as the test wants it"})
}
