//! The compiled operator between a real API server and the simulated Azure, on real sockets.

use std::thread;
use std::time::Duration;

use azure_simulator::azure::Settings;
use controlplane::{Access, ControlPlane, Options};
use dicomenc::clock::{Clock as _, Monotonic, SystemClock};
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};

use crate::figures::{Figure, count, percentile};
use crate::jobs::Job;
use crate::naive::{self, Call};
use crate::process::{self, Used};
use crate::real::estate::Estate;
use crate::real::operator::{Operator, polled, within};
use crate::scale::Scale;
use crate::spot;

/// How often the way from apply to the key url is measured.
const SAMPLES: usize = 9;

const THOUSAND: usize = 1_000;

/// For how long the operator is looked at once everything is ready.
const A_MINUTE: Duration = Duration::from_mins(1);

/// The longest that a thousand objects may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(10);

/// All that is measured here, in one piece: what takes time must not be disturbed.
pub(crate) fn jobs() -> Vec<Job> {
    let about = "apply to key url, memory and processor time, on real sockets".to_owned();
    vec![Job {
        part: "sockets",
        about,
        work: Box::new(measure),
    }]
}

fn measure() -> Vec<Figure> {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    let access = plane.access();
    let mut figures = apply_to_key_url(access);
    figures.extend(a_thousand_objects(access));
    figures.extend(spot::check(access));
    figures
}

/// From `kubectl apply` until the PUT with the key url has reached Azure, which itself takes no
/// time; beside it the same calls, one after the other.
fn apply_to_key_url(access: &Access) -> Vec<Figure> {
    let scale = Scale {
        is_encrypted: false,
        foreign: 0,
        // or the last ones would wait for their share of what a vault is asked
        keys_in_vault: 1,
        ..Scale::of(SAMPLES)
    };
    let estate = Estate::at_pace("bench-apply", scale.world(), at_once());
    let (watched, unwatched) = (Namespace::new(access), Namespace::new(access));
    let flags = ["--propagation-wait=0s", "--namespace", &watched.name];
    let operator = Operator::start_at_pace(access, &estate, "bench-apply", &flags);
    operator.wait_until_ready();
    let mut took = Vec::new();
    let mut first = Vec::new();
    for object in scale.objects() {
        let mark = estate.exchanges(0).len();
        let watch = Watch::start();
        let calls = thread::scope(|scope| {
            scope.spawn(|| watched.apply("apply", &object));
            calls_until_key(&estate, mark)
        });
        took.push(watch.milliseconds());
        if first.is_empty() {
            first = calls;
        }
    }
    let object = &scale.objects()[0];
    let floors = (0..SAMPLES).map(|_| {
        let fresh = Estate::at_pace("bench-replay", scale.world(), at_once());
        let watch = Watch::start();
        unwatched.apply("apply", object);
        let apply = watch.milliseconds();
        unwatched.delete();
        apply + 1_000.0 * naive::replay(&fresh, &first)
    });
    let floor = median(floors.collect());
    vec![Figure::new(
        "apply_to_key_url_ms",
        median(took),
        "ms",
        floor,
    )]
}

/// The calls to ARM from this number on, up to the PUT of a DICOM service, once that is there.
fn calls_until_key(estate: &Estate, mark: usize) -> Vec<Call> {
    let mark = u64::try_from(mark).unwrap();
    // what is measured takes a few hundred milliseconds
    let pace = (Duration::from_millis(1), A_MINUTE);
    polled(pace, "the PUT with the key url", || {
        let exchanges = estate.exchanges(mark);
        let calls: Vec<Call> = exchanges.iter().filter_map(Call::from_exchange).collect();
        let last = calls.iter().position(Call::sets_key);
        let last = last.ok_or_else(|| format!("{} calls to Azure", calls.len()))?;
        Ok(calls.into_iter().take(last + 1).collect())
    })
}

/// A thousand objects beside one, and beside a client that reads five things and decides nothing.
fn a_thousand_objects(access: &Access) -> Vec<Figure> {
    let one = Stay::with(access, 1);
    let many = Stay::with(access, THOUSAND);
    let reads = naive::five_reads(&many.estate, THOUSAND);
    vec![
        Figure::new(
            "rss_mb_n1000",
            many.after.resident,
            "MB",
            one.after.resident,
        ),
        Figure::new("rss_peak_mb_n1000", many.after.peak, "MB", one.after.peak),
        Figure::new(
            "cpu_s_per_1000_reconciles",
            (many.ready.cpu - many.before.cpu) / many.reconciles * 1_000.0,
            "s",
            reads,
        ),
        Figure::new(
            "cpu_s_per_minute_settled_n1000",
            many.after.cpu - many.ready.cpu,
            "s",
            one.after.cpu - one.ready.cpu,
        ),
    ]
}

/// An operator that has brought so many objects to `Ready` and then watched them for a minute.
struct Stay {
    estate: Estate,
    before: Used,
    ready: Used,
    after: Used,
    /// Passes between `before` and `ready`.
    reconciles: f64,
}

impl Stay {
    fn with(access: &Access, services: usize) -> Self {
        let scale = Scale::of(services);
        let settings = Settings {
            page_size: 1_000,
            ..Settings::default()
        };
        let about = format!("bench-{services}");
        let estate = Estate::at_pace(&about, scale.world(), settings);
        estate.azure().keep_no_journal();
        let namespace = Namespace::new(access);
        let flags = ["--namespace", &namespace.name];
        let operator = Operator::start_at_pace(access, &estate, &about, &flags);
        operator.wait_until_ready();
        let before = process::used(operator.process());
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": scale.objects() });
        namespace.apply("create", &objects);
        wait_until_ready(&operator, services);
        let ready = process::used(operator.process());
        let reconciles = metric(&operator, "dicomenc_reconciles_total");
        thread::sleep(A_MINUTE);
        let after = process::used(operator.process());
        Self {
            estate,
            before,
            ready,
            after,
            reconciles,
        }
    }
}

/// Waits until so many objects are ready.
pub(crate) fn wait_until_ready(operator: &Operator, objects: usize) {
    within(LIMIT, "every object to be ready", || {
        let ready = metric(operator, "dicomenc_objects{ready=\"True\"}");
        let missing = format!("{ready} of {objects} are");
        (ready >= count(objects)).then_some(()).ok_or(missing)
    });
}

/// The sum of all series whose line begins like this.
fn metric(operator: &Operator, name: &str) -> f64 {
    let text = operator.metrics().unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// A namespace of one measurement.
pub(crate) struct Namespace<'access> {
    access: &'access Access,
    pub(crate) name: String,
}

impl<'access> Namespace<'access> {
    pub(crate) fn new(access: &'access Access) -> Self {
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "generateName": "bench-" },
        });
        let output = access.kubectl_with_input(
            &["create", "-o", "jsonpath={.metadata.name}", "-f", "-"],
            &manifest.to_string(),
        );
        let name = output.unwrap().into_stdout().unwrap();
        Self { access, name }
    }

    /// `kubectl apply` or `create` of an object, or a list of them.
    pub(crate) fn apply(&self, verb: &str, object: &Value) {
        let text = object.to_string();
        let text = text.replace(
            r#""namespace":"default""#,
            &format!(r#""namespace":"{}""#, self.name),
        );
        let arguments = [verb, "-f", "-"];
        let output = self.access.kubectl_with_input(&arguments, &text);
        output.unwrap().into_stdout().unwrap();
    }

    /// `kubectl wait` until an object has this condition.
    pub(crate) fn wait(&self, name: &str, condition: &str) {
        let (object, condition) = (
            format!("dicomencryption/{name}"),
            format!("--for=condition={condition}"),
        );
        let arguments = [
            "wait",
            &object,
            &condition,
            "--timeout=5m",
            "-n",
            &self.name,
        ];
        let output = self.access.kubectl(&arguments);
        output.unwrap().into_stdout().unwrap();
    }

    fn delete(&self) {
        let arguments = ["delete", "dicomencryptions", "--all", "-n", &self.name];
        let output = self.access.kubectl(&arguments);
        output.unwrap().into_stdout().unwrap();
    }
}

/// An Azure that takes no time for anything.
fn at_once() -> Settings {
    let none = SignedDuration::ZERO;
    Settings {
        role_effect: none,
        role_list_lag: none,
        principal_replication: none,
        operation: none,
        ..Settings::default()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}

/// Measures a time.
pub(crate) struct Watch {
    clock: SystemClock,
    began: Monotonic,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let clock = SystemClock::new();
        let began = clock.monotonic();
        Self { clock, began }
    }

    pub(crate) fn milliseconds(&self) -> f64 {
        1_000.0 * self.clock.monotonic().since(self.began).as_secs_f64()
    }
}
