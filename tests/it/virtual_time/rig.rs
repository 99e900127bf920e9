//! The rig: the world, and the operator in it, which can be started, killed and watched.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use azure_simulator::azure::{self, Azure, Change, FaultAnswer, FaultRule, Reply, World};
use azure_simulator::kube_api::{Kind, KubeApi};
use bytes::Bytes;
use dicomenc::admin::Readiness;
use dicomenc::arm::budget::{Budgets, CredentialId, Limits};
use dicomenc::arm::client::{ArmClient, ArmSettings};
use dicomenc::arm::credential::{CredentialFactory, TokenSource};
use dicomenc::azure::Cloud;
use dicomenc::clock::{Clock, VirtualClock};
use dicomenc::controller::lease::Fence;
use dicomenc::controller::{self, Parts};
use dicomenc::crd::DicomEncryption;
use dicomenc::domain::plan;
use dicomenc::metrics::{self, Metrics};
use dicomenc::observe::{Intervals, Observer};
use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::CustomResourceExt as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::invariants;
use super::links::{AzureLink, Gate, Moment, Outside, kube_client};
use super::trace::{Entry, Trace, What};

/// Where the objects of the tests live.
const OBJECTS: &str = "/apis/dicomenc.io/v1alpha1/namespaces/default/dicomencryptions";

/// How finely a wait looks.
const STEP: Duration = Duration::from_millis(200);

/// How many calls the message of a wait that failed shows.
const SHOWN: usize = 25;

/// What the CRD says, which takes a while to generate.
static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();

/// The waits of the operator and of Azure.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) azure: azure::Settings,
    pub(crate) propagation_wait: SignedDuration,
    pub(crate) intervals: Intervals,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            azure: azure::Settings::default(),
            propagation_wait: SignedDuration::from_mins(10),
            intervals: Intervals {
                health: SignedDuration::from_secs(60),
                configuration: SignedDuration::from_mins(5),
            },
        }
    }
}

impl Settings {
    /// Everything in Azure takes effect sooner, so that a run has fewer calls.
    pub(crate) fn brisk() -> Self {
        let mut own = Self::default();
        own.azure.role_effect = SignedDuration::from_secs(20);
        own.azure.operation = SignedDuration::from_secs(5);
        own.propagation_wait = SignedDuration::from_secs(30);
        own
    }
}

/// The world, and the operator in it.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) outside: Outside,
    settings: Settings,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    gate: Arc<Gate>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Rig {
    /// A world without an operator. Needs a runtime whose clock is paused.
    pub(crate) fn new(world: World, settings: Settings) -> Self {
        let start: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        let (tenant, client_id) = (world.tenant.clone(), world.operator.client_id.clone());
        let mut kube = KubeApi::new(start);
        let kinds = KINDS.get_or_init(|| {
            let crd = serde_json::to_value(DicomEncryption::crd()).unwrap();
            Kind::from_crd(&crd).unwrap()
        });
        for kind in kinds {
            kube.serve_kind(kind.clone());
        }
        Self {
            outside: Outside {
                azure: Arc::new(Mutex::new(Azure::new(world, settings.azure.clone(), start))),
                kube: Arc::new(Mutex::new(kube)),
                clock: VirtualClock::starting_at(start),
                trace: Trace::default(),
                tenant,
                client_id,
            },
            settings,
            process: None,
        }
    }

    /// A world with an operator that is about to start, and these objects.
    pub(crate) fn with_objects(world: World, settings: Settings, objects: &[Value]) -> Self {
        let mut rig = Self::new(world, settings);
        rig.start();
        for object in objects {
            rig.create(object);
        }
        rig
    }

    /// Starts the operator with an empty memory.
    pub(crate) fn start(&mut self) {
        self.start_to_die(None);
    }

    /// Starts an operator that dies at one of its calls, counted from 0.
    pub(crate) fn start_to_die(&mut self, death: Option<(u64, Moment)>) {
        self.crash();
        let gate = Arc::new(Gate::new(death));
        let parts = self.parts(&gate);
        let (shutdown, observer) = (CancellationToken::new(), Arc::clone(&parts.observer));
        let mut tasks = JoinSet::new();
        tasks.spawn(observer.run(shutdown.clone(), || ()));
        tasks.spawn(controller::run(parts, Readiness::default(), shutdown));
        self.process = Some(Process {
            gate,
            _tasks: tasks,
        });
    }

    /// Kills the operator: nothing of it gets out any more.
    pub(crate) fn crash(&mut self) {
        if let Some(process) = self.process.take() {
            process.gate.close();
        }
    }

    /// Kills the operator and starts it with an empty memory.
    pub(crate) fn restart(&mut self) {
        self.start();
    }

    /// Whether the operator has died by itself, as it was started to do.
    pub(crate) fn is_dead(&self) -> bool {
        self.process
            .as_ref()
            .is_none_or(|process| process.gate.is_dead())
    }

    /// The calls that this process has made.
    pub(crate) fn calls(&self) -> u64 {
        self.process
            .as_ref()
            .map_or(0, |process| process.gate.calls())
    }

    /// Put together as the real operator is.
    fn parts(&self, gate: &Arc<Gate>) -> Parts {
        let clock: Arc<dyn Clock> = Arc::new(self.outside.clock);
        let link = Arc::new(AzureLink {
            outside: self.outside.clone(),
            gate: Arc::clone(gate),
        });
        let cloud = Cloud::public();
        let factory = CredentialFactory::fixed(Arc::<AzureLink>::clone(&link));
        let tokens = TokenSource::new(factory, cloud.scope, Arc::clone(&clock));
        let arm = ArmClient::try_new(ArmSettings {
            endpoint: cloud.resource_manager,
            credential: CredentialId::new("rig"),
            tokens: Arc::new(tokens),
            transport: link,
            budgets: Arc::new(Mutex::new(Budgets::new(Limits::default()))),
            clock: Arc::clone(&clock),
            deadline: Duration::from_secs(60),
            instance: Uuid::new_v4(),
            observer: Arc::new(|_| ()),
        });
        let arm = arm.unwrap();
        let intervals = self.settings.intervals;
        Parts {
            observer: Observer::new(Arc::new(arm.clone()), intervals, Arc::clone(&clock)),
            client: kube_client(&self.outside, gate),
            arm,
            leading_since: clock.now(),
            clock,
            fence: Fence::always(),
            metrics: Metrics::register(&mut metrics::registry()),
            settings: controller::Settings {
                plan: plan::Settings {
                    propagation_wait: self.settings.propagation_wait,
                },
                vault_suffix: cloud.vault_suffix,
                recheck: intervals.health,
                namespace: None,
                concurrency: 4,
                instance: "rig".to_owned(),
            },
        }
    }

    /// Applies an object.
    pub(crate) fn create(&self, object: &Value) {
        self.user(&Method::POST, OBJECTS, object);
    }

    /// Edits an object.
    pub(crate) fn edit(&self, name: &str, spec: &Value) {
        let path = format!("{OBJECTS}/{name}");
        self.user(&Method::PATCH, &path, &json!({ "spec": spec }));
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, name: &str) {
        let path = format!("{OBJECTS}/{name}");
        self.user(&Method::DELETE, &path, &Value::Null);
    }

    fn user(&self, method: &Method, path: &str, body: &Value) {
        let now = self.now();
        let words = format!("{method} {path}");
        let changed = What::Changed(words, self.outside.truth());
        self.outside.trace.enter(now, changed);
        let mut kube = self.outside.kube.lock().unwrap();
        kube.ask(method, path, body, now).unwrap();
    }

    /// Changes the estate, in the words of `azure-simulator set`.
    pub(crate) fn change(&self, words: &str) {
        let parts: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        self.apply(words, &Change::parse(&parts).unwrap());
    }

    /// Changes the estate.
    pub(crate) fn apply(&self, words: &str, change: &Change) {
        let now = self.now();
        let changed = What::Changed(words.to_owned(), self.outside.truth());
        self.outside.trace.enter(now, changed);
        let mut azure = self.outside.azure.lock().unwrap();
        azure.apply(change, now).unwrap();
    }

    /// A resource as an owner would read it: not entered, not faulted before the operator starts.
    pub(crate) fn document(&self, id: &str) -> Value {
        let ask = |request: http::Request<Bytes>| {
            let mut azure = self.outside.azure.lock().unwrap();
            match azure.handle(&request, self.now()) {
                Reply::Answer(answer) => serde_json::from_slice(answer.body()).unwrap(),
                other => panic!("no answer: {other:?}"),
            }
        };
        let tenant = &self.outside.tenant;
        let form =
            "client_id=owner&client_secret=x&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
        let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        let login = http::Request::post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form));
        let token: Value = ask(login.unwrap());
        let token = token["access_token"].as_str().unwrap().to_owned();
        let url = format!("https://management.azure.com{id}?api-version=2024-03-31");
        let read = http::Request::get(url)
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new());
        ask(read.unwrap())
    }

    /// Every call to ARM whose URL contains this gets this answer, until [`Self::heal`].
    pub(crate) fn fault(&self, path: &str, answer: FaultAnswer) {
        let words = format!("from now on {path} gets {answer:?}");
        let rule = FaultRule {
            method: None,
            path: Some(format!("management.azure.com{path}")),
            skip: 0,
            times: None,
            answer,
        };
        self.apply(&words, &Change::Fault(rule));
    }

    /// Every fault ends.
    pub(crate) fn heal(&self) {
        self.apply("all faults end", &Change::FaultsCleared);
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.outside.clock.now()
    }

    /// Waits until something is so, or fails when it is not so in time.
    pub(crate) async fn until(&self, what: &str, limit: Duration, so: impl Fn(&Self) -> bool) {
        if !self.comes_true(limit, so).await {
            panic!("not within {limit:?}: {what}\n{}", self.tale());
        }
    }

    /// Waits until something is so; false when it is not so in time.
    pub(crate) async fn comes_true(&self, limit: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = self.outside.clock.monotonic().after(limit);
        while !so(self) {
            if self.outside.clock.monotonic() > end {
                return false;
            }
            sleep(STEP).await;
        }
        true
    }

    /// Waits until an object is ready.
    pub(crate) async fn until_ready(&self, name: &str, limit: Duration) {
        let what = format!("{name} is ready");
        self.until(&what, limit, |rig| rig.is_ready(name)).await;
    }

    /// Waits until a condition is so, such as `KeyAccessible=False/KeyDisabled`.
    pub(crate) async fn until_condition(&self, name: &str, condition: &str, limit: Duration) {
        let what = format!("{name} has {condition}");
        self.until(&what, limit, |rig| rig.has(name, condition))
            .await;
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    /// An object's status.
    pub(crate) fn status(&self, name: &str) -> Value {
        let kube = self.outside.kube.lock().unwrap();
        let object = kube.object(&format!("{OBJECTS}/{name}"));
        object.map_or(Value::Null, |object| object["status"].clone())
    }

    /// One condition of an object, as JSON.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> Option<Value> {
        let status = self.status(name);
        let conditions = status["conditions"].as_array()?;
        conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .cloned()
    }

    /// Whether an object has a condition: `Ready=True`, or with a reason `Ready=False/KeyDisabled`.
    pub(crate) fn has(&self, name: &str, condition: &str) -> bool {
        let (kind, rest) = condition.split_once('=').unwrap();
        let (status, reason) = rest.split_once('/').unwrap_or((rest, ""));
        self.condition(name, kind).is_some_and(|found| {
            found["status"] == status && (reason.is_empty() || found["reason"] == reason)
        })
    }

    /// Whether an object is ready.
    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.has(name, "Ready=True")
    }

    /// A place in the list of calls, for [`Self::writes`] and the like.
    pub(crate) fn mark(&self) -> usize {
        self.outside.trace.mark()
    }

    /// What happened since a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Entry> {
        self.outside.trace.since(mark)
    }

    /// The writes to ARM since a mark, each as `PUT <last two segments>`.
    pub(crate) fn writes(&self, mark: usize) -> Vec<String> {
        let entries = self.since(mark);
        let writes = entries.iter().filter_map(Entry::azure);
        writes
            .filter(|call| call.is_write())
            .map(|call| {
                let path = call.path();
                let mut end: Vec<&str> = path.rsplit('/').take(2).collect();
                end.reverse();
                // the name of an assignment is checked elsewhere
                let end = if call.is_of_assignment() {
                    end[0].to_owned()
                } else {
                    end.join("/")
                };
                format!("{} {end}", call.method)
            })
            .collect()
    }

    /// How many status patches there were since a mark.
    pub(crate) fn status_patches(&self, mark: usize) -> usize {
        let entries = self.since(mark);
        let patches = entries.iter().filter_map(Entry::kube);
        patches.filter(|call| call.is_status()).count()
    }

    /// Checks the safety rules on everything that happened.
    pub(crate) fn assert_safe(&self) {
        let broken = invariants::violations(&self.since(0), self.settings.propagation_wait);
        assert!(broken.is_empty(), "{}\n{}", broken.join("\n"), self.tale());
    }

    /// What a reader of a failed test wants to see.
    pub(crate) fn tale(&self) -> String {
        let kube = self.outside.kube.lock().unwrap();
        let objects = kube
            .objects("dicomencryptions")
            .map(|object| format!("{}: {:#}", object["metadata"]["name"], object["status"]));
        let objects: Vec<String> = objects.collect();
        drop(kube);
        let entries = self.since(0);
        let last = entries.iter().skip(entries.len().saturating_sub(SHOWN));
        let last: Vec<String> = last.map(ToString::to_string).collect();
        format!(
            "now: {}\n{}\nlast calls:\n{}",
            self.now(),
            objects.join("\n"),
            last.join("\n")
        )
    }
}
