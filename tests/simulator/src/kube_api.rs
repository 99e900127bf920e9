//! A Kubernetes API server as a synchronous state machine, for tests in virtual time.
//!
//! It keeps what clients such as kube rely on: resource versions, generations, watches, finalizers,
//! server-side apply, conflicts. It has no clock and no randomness: time is an argument, and names and
//! uids are counted. It does not validate (no CEL), authenticate or authorise: the real server is the
//! judge of these. Only server-side apply claims fields for its manager; other writes own nothing.

use std::fmt;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use self::{
    address::Address,
    failure::Failure,
    fault::{Faults, Verdict},
    store::{Key, Store},
};

mod address;
mod apply;
mod delete;
mod failure;
mod fault;
mod kind;
mod patch;
mod schema;
mod selector;
mod store;
mod update;
mod verbs;
mod watch;
mod wire;

#[cfg(test)]
#[expect(clippy::shadow_unrelated, reason = "answer after answer in each test")]
mod tests;

pub use self::{
    fault::{Call, Effect, Fault},
    kind::Kind,
    watch::{WatchEvent, WatchEventKind, WatchId, WatchSignal, WatchStream},
    wire::{ConnectionLost, KubeBody, call},
};

/// The API server with everything it stores.
pub struct KubeApi {
    kinds: Vec<Kind>,
    store: Store,
    faults: Faults,
    writes: Vec<Write>,
    /// Fields of any `status` that this server's CRD does not know.
    unknown_status_fields: Vec<String>,
    /// Objects made so far, for uids and generated names.
    made: u64,
}

/// What comes back for a request.
#[derive(Debug)]
pub enum KubeReply {
    /// An answer, complete.
    Answer(Response<Bytes>),
    /// A watch that is open now; its first events wait in the stream already.
    Watch(WatchStream),
    /// The connection breaks without an answer; whether the request took effect, the client cannot know.
    Lost,
    /// No answer ever comes.
    Silence,
    /// The reply, later.
    Delayed(jiff::SignedDuration, Box<Self>),
}

/// A request that could have changed something, for assertions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Write {
    /// When it came.
    pub at: Timestamp,
    /// POST, PUT, PATCH or DELETE.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The field manager, when one was named.
    pub manager: Option<String>,
    /// The body; null when there was none or it was no JSON.
    pub body: Value,
    /// The status that it was (or would have been) answered with.
    pub status: StatusCode,
    /// Whether anything stored is different since.
    pub changed: bool,
}

impl KubeApi {
    /// A server with the namespaces `default` and `kube-system` and the kinds that controllers use:
    /// namespaces, config maps, CRDs, events, leases, and those of `dicomenc.io/v1alpha1`.
    pub fn new(now: Timestamp) -> Self {
        let mut api = Self {
            kinds: Kind::built_in(),
            store: Store::new(),
            faults: Faults::default(),
            writes: Vec::new(),
            unknown_status_fields: Vec::new(),
            made: 0,
        };
        for name in ["default", "kube-system"] {
            let namespace = serde_json::json!({"metadata": {"name": name}});
            // the store is empty: nothing to conflict with
            api.ask(&Method::POST, "/api/v1/namespaces", &namespace, now)
                .ok();
        }
        api
    }

    /// Handles a request of the client under test: faults apply, and writes are recorded.
    pub fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> KubeReply {
        let is_watch = address::is_watch(request.uri());
        match self
            .faults
            .judge(request.method(), request.uri().path(), is_watch)
        {
            Verdict::Proceed => self.handle_and_record(request, now),
            Verdict::Lost => KubeReply::Lost,
            Verdict::Silence => KubeReply::Silence,
            Verdict::Refuse(status) => KubeReply::Answer(Failure::injected(status).into_response()),
            Verdict::ProceedThenLose => {
                // dropping a watch's stream here closes it again
                drop(self.handle_and_record(request, now));
                KubeReply::Lost
            }
            Verdict::ProceedLater(delay) => {
                KubeReply::Delayed(delay, Box::new(self.handle_and_record(request, now)))
            }
        }
    }

    /// What somebody else does: no fault applies and nothing is recorded. `path` may have a query. A
    /// PATCH is a merge patch. Gives the answer's body; the error is the `Status` object.
    pub fn ask(
        &mut self,
        method: &Method,
        path: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<Value, Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, patch::MERGE)
            .body(Bytes::from(body.to_string()));
        let done = match request {
            Ok(request) => self.dispatch(&request, now),
            Err(error) => Err(Failure::bad_request(format!("{path} is no path: {error}"))),
        };
        match done {
            Ok(Done::Object(_, object)) => Ok(object),
            Ok(Done::Watch(_)) => Err(Failure::bad_request("ask opens no watches").to_status()),
            Err(failure) => Err(failure.to_status()),
        }
    }

    /// Serves one more kind, or another form of a known one.
    pub fn serve_kind(&mut self, kind: Kind) {
        self.kinds.retain(|known| !known.is_same_resource(&kind));
        self.kinds.push(kind);
    }

    /// Plays an older CRD: this field of any `status` is dropped from what is written from now on.
    pub fn prune_status_field(&mut self, name: &str) {
        self.unknown_status_fields.push(name.to_owned());
    }

    /// Plays the CRD's update: no status field is dropped any more.
    pub fn prune_nothing(&mut self) {
        self.unknown_status_fields.clear();
    }

    /// The requests so far that could have changed something, oldest first.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The requests handled so far, reads and watches included.
    pub fn calls(&self) -> u64 {
        self.faults.calls()
    }

    /// The stored object at a path such as `/api/v1/namespaces/default`.
    pub fn object(&self, path: &str) -> Option<&Value> {
        let address = Address::parse(&path.parse().ok()?, &self.kinds).ok()?;
        self.store.object(&address.key()?)
    }

    /// All stored objects of a resource (its plural name), by namespace and name.
    pub fn objects(&self, plural: &str) -> impl Iterator<Item = &Value> {
        self.store
            .objects()
            .filter(move |(key, _)| key.plural == plural)
            .map(|(_, object)| object)
    }

    /// Adds a fault; of several that match a request, the one added first counts.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Asks `judge` about each request before the faults that were added.
    pub fn intercept(&mut self, judge: impl FnMut(&Call<'_>) -> Option<Effect> + Send + 'static) {
        self.faults.intercept(Box::new(judge));
    }

    /// Removes all faults and the interceptor.
    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// Forgets the history: a watch or a page from an older version is answered 410.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// Ends all open watches, as a server does that is going away.
    pub fn end_watches(&mut self) {
        self.store.watches.close_all(None);
    }

    /// Breaks all open watches in the middle of their bodies.
    pub fn break_watches(&mut self) {
        self.store.watches.close_all(Some(&WatchSignal::Broken));
    }

    fn handle_and_record(&mut self, request: &Request<Bytes>, now: Timestamp) -> KubeReply {
        let before = self.store.version();
        let done = self.dispatch(request, now);
        let status = match &done {
            Ok(Done::Object(status, _)) => *status,
            Ok(Done::Watch(_)) => StatusCode::OK,
            Err(failure) => failure.status(),
        };
        if request.method() != Method::GET {
            self.writes.push(Write {
                at: now,
                method: request.method().clone(),
                path: request.uri().path().to_owned(),
                manager: address::query(request.uri(), "fieldManager"),
                body: serde_json::from_slice(request.body()).unwrap_or_default(),
                status,
                changed: self.store.version() != before,
            });
        }
        match done {
            Ok(Done::Object(_, object)) => KubeReply::Answer(failure::json(status, &object)),
            Ok(Done::Watch(stream)) => KubeReply::Watch(stream),
            Err(failure) => KubeReply::Answer(failure.into_response()),
        }
    }
}

/// What a verb comes to.
enum Done {
    Object(StatusCode, Value),
    Watch(WatchStream),
}

impl fmt::Debug for KubeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeApi")
            .field("version", &self.store.version())
            .field("writes", &self.writes.len())
            .finish_non_exhaustive()
    }
}
