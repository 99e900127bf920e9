//! The rig: the world, and the operator in it, which can be started and killed.

mod watching;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use azure_simulator::azure::{self, Azure, Change, FaultAnswer, FaultRule, World};
use azure_simulator::kube_api::{Kind, KubeApi};
use dicomenc::admin::Readiness;
use dicomenc::arm::budget::{Budgets, CredentialId, Limits};
use dicomenc::arm::client::{ArmClient, ArmSettings};
use dicomenc::arm::credential::{CredentialFactory, TokenSource};
use dicomenc::arm::data_plane::{DICOM_LIMIT, DataPlane, DataPlaneSettings, VAULT_LIMIT};
use dicomenc::azure::Cloud;
use dicomenc::azure::cloud::DICOM_SCOPE;
use dicomenc::clock::{Clock, VirtualClock};
use dicomenc::controller::lease::Fence;
use dicomenc::controller::{self, Parts};
use dicomenc::crd::DicomEncryption;
use dicomenc::domain::plan;
use dicomenc::metrics::{self, Metrics};
use dicomenc::observe::{Intervals, Observer, Planes};
use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::CustomResourceExt as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::links::{AzureLink, Gate, Moment, Outside, kube_client};
use super::trace::{Keeping, Trace, What};

/// Where the objects of the tests live.
const OBJECTS: &str = "/apis/dicomenc.io/v1alpha1/namespaces/default/dicomencryptions";

/// What the CRD says, which takes a while to generate.
static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();

/// The waits of the operator and of Azure.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) azure: azure::Settings,
    pub(crate) propagation_wait: SignedDuration,
    pub(crate) intervals: Intervals,
    pub(crate) keeping: Keeping,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            azure: azure::Settings::default(),
            propagation_wait: SignedDuration::from_mins(10),
            intervals: Intervals::default(),
            keeping: Keeping::Everything,
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
        let mut azure = Azure::new(world, settings.azure.clone(), start);
        // the trace is our journal
        azure.keep_no_journal();
        Self {
            outside: Outside {
                azure: Arc::new(Mutex::new(azure)),
                kube: Arc::new(Mutex::new(kube)),
                clock: VirtualClock::starting_at(start),
                trace: Trace::new(settings.keeping),
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
        tasks.spawn(observer.run(shutdown.clone(), |_| ()));
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
            issued: Arc::default(),
        });
        let cloud = Cloud::public();
        let tokens = |scope: &str| {
            let factory = CredentialFactory::fixed(Arc::<AzureLink>::clone(&link));
            Arc::new(TokenSource::new(factory, scope, Arc::clone(&clock)))
        };
        let data_plane = |suffix: &str, scope: &str, limit| {
            DataPlane::new(DataPlaneSettings {
                suffix: suffix.to_owned(),
                credential: CredentialId::new("rig"),
                tokens: tokens(scope),
                transport: Arc::<AzureLink>::clone(&link),
                limit,
                clock: Arc::clone(&clock),
                deadline: Duration::from_secs(5),
                instance: Uuid::new_v4(),
                observer: Arc::new(|_| ()),
            })
        };
        let services = cloud.dicom_suffix.as_deref();
        let services = services.map(|suffix| data_plane(suffix, DICOM_SCOPE, DICOM_LIMIT));
        let vaults = data_plane(&cloud.vault_suffix, &cloud.vault_scope(), VAULT_LIMIT);
        let arm = ArmClient::try_new(ArmSettings {
            endpoint: cloud.resource_manager,
            credential: CredentialId::new("rig"),
            tokens: tokens(&cloud.scope),
            transport: Arc::<AzureLink>::clone(&link),
            budgets: Arc::new(Mutex::new(Budgets::new(Limits::default()))),
            clock: Arc::clone(&clock),
            deadline: Duration::from_mins(1),
            instance: Uuid::new_v4(),
            observer: Arc::new(|_| ()),
        });
        let arm = arm.unwrap();
        let intervals = self.settings.intervals;
        let planes = Planes {
            arm: Arc::new(arm.clone()),
            vaults,
            services,
        };
        Parts {
            observer: Observer::new(planes, intervals, Arc::clone(&clock)),
            client: kube_client(&self.outside, gate),
            arm,
            leading_since: clock.now(),
            clock,
            fence: Fence::always(),
            metrics: Metrics::register(&mut metrics::registry()),
            settings: controller::Settings {
                plan: plan::Settings {
                    propagation_wait: self.settings.propagation_wait,
                    ..plan::Settings::default()
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

    /// The same, where it may be impossible just now: what is deleted cannot be disabled.
    pub(crate) fn try_change(&self, words: &str) {
        let parts: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let change = Change::parse(&parts).unwrap();
        let truth = self.outside.truth();
        let done = self
            .outside
            .azure
            .lock()
            .unwrap()
            .apply(&change, self.now());
        let words = match done {
            Ok(_) => words.to_owned(),
            Err(error) => format!("{words}: {error}"),
        };
        let changed = What::Changed(words, truth);
        self.outside.trace.enter(self.now(), changed);
    }

    /// Changes the estate.
    pub(crate) fn apply(&self, words: &str, change: &Change) {
        let now = self.now();
        let changed = What::Changed(words.to_owned(), self.outside.truth());
        self.outside.trace.enter(now, changed);
        let mut azure = self.outside.azure.lock().unwrap();
        azure.apply(change, now).unwrap();
    }

    /// Every call whose URL contains this gets this answer, until [`Self::heal`].
    pub(crate) fn fault(&self, path: &str, answer: FaultAnswer) {
        let words = format!("from now on {path} gets {answer:?}");
        let rule = FaultRule {
            method: None,
            path: Some(path.to_owned()),
            skip: 0,
            times: None,
            answer,
        };
        self.apply(&words, &Change::Fault(rule));
    }

    /// The next calls of this method whose URL contains this get this answer.
    pub(crate) fn fault_some(&self, method: &str, path: &str, times: u32, answer: FaultAnswer) {
        let words = format!("the next {times} {method} {path} get {answer:?}");
        let rule = FaultRule {
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            skip: 0,
            times: Some(times),
            answer,
        };
        self.apply(&words, &Change::Fault(rule));
    }

    /// Every fault ends.
    pub(crate) fn heal(&self) {
        self.apply("all faults end", &Change::FaultsCleared);
    }
}
