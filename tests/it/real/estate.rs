//! One test's Azure: served on loopback, changed as a person in the portal would.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use azure_simulator::azure::{Azure, Change, Settings, World};
use azure_simulator::serve::{Options, Running, serve};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Runtime;

/// How much faster than Azure the simulation is: a role works after three seconds.
const SPEED: f64 = 100.0;

/// The built-in estate, for one test alone.
#[derive(Debug)]
pub(crate) struct Estate {
    running: Running,
    // after `running`, whose tasks run on it
    _runtime: Runtime,
    ca: PathBuf,
}

impl Estate {
    /// Serves the built-in one; `about` names the test.
    pub(crate) fn start(about: &str) -> Self {
        Self::with(about, World::builtin())
    }

    /// Serves this one.
    pub(crate) fn with(about: &str, world: World) -> Self {
        let settings = Settings {
            speed: SPEED,
            ..Settings::default()
        };
        Self::at_pace(about, world, settings)
    }

    /// Serves this one, at a pace of its own.
    pub(crate) fn at_pace(about: &str, world: World, settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = Options {
            world,
            settings,
            ..Options::loopback()
        };
        let running = runtime.block_on(serve(options)).unwrap();
        let ca = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{about}-ca.pem"));
        fs::write(&ca, &running.ca_pem).unwrap();
        Self {
            running,
            _runtime: runtime,
            ca,
        }
    }

    /// The proxy that leads Azure's host names here.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.running.http)
    }

    /// The CA that its certificates come from.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Changes it as `azure-simulator set` does.
    pub(crate) fn set(&self, words: &str) {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let change = Change::parse(&words).unwrap();
        self.azure().apply(&change, now()).unwrap();
    }

    /// The estate itself.
    pub(crate) fn azure(&self) -> MutexGuard<'_, Azure> {
        let azure = self.running.azure.lock();
        azure.unwrap_or_else(PoisonError::into_inner)
    }

    /// The exchanges from this number on.
    pub(crate) fn exchanges(&self, since: u64) -> Vec<Value> {
        self.running.journal(since)
    }

    /// How often Resource Health was asked: once in each round of reading.
    pub(crate) fn sweeps(&self) -> usize {
        let exchanges = self.exchanges(0);
        let asked = exchanges.iter().filter(|exchange| {
            let url = exchange.pointer("/liveRequest/url").and_then(Value::as_str);
            url.is_some_and(|url| url.to_lowercase().contains("availabilitystatuses"))
        });
        asked.count()
    }

    /// The key url that the service has.
    pub(crate) fn key_url(&self) -> Option<String> {
        let shown = self.show();
        let url = shown.pointer("/services/0/keyUrl")?.as_str()?;
        Some(url.to_owned())
    }

    /// The estate as `azure-simulator show -o json` prints it.
    pub(crate) fn show(&self) -> Value {
        self.azure().show(now())
    }

    /// Method and last type and name of every write that reached ARM, as `PUT dicomservices/radiology`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let text = |exchange: &Value, pointer| {
            let found = exchange.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let exchanges = self.exchanges(0);
        let writes = exchanges.iter().filter_map(|exchange| {
            let method = text(exchange, "/liveRequest/method");
            let url = text(exchange, "/liveRequest/url");
            let path = url.strip_prefix("https://management.azure.com")?;
            let path = path.split('?').next()?;
            let mut names = path.rsplit('/');
            let (name, kind) = (names.next()?, names.next()?);
            // the name of an assignment is derived, and not the point here
            let name = if kind == "roleAssignments" { "*" } else { name };
            (method != "GET").then(|| format!("{method} {kind}/{name}"))
        });
        writes.collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator on sockets keeps the wall clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
