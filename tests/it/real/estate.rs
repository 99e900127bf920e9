//! One test's Azure: served on loopback, changed as a person in the portal would.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use azure_simulator::azure::Settings;
use azure_simulator::serve::{Options, Running, serve};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How much faster than Azure the simulation is: a role works after three seconds.
const SPEED: f64 = 100.0;

/// The built-in estate, for one test alone.
#[derive(Debug)]
pub(super) struct Estate {
    running: Running,
    // after `running`, whose tasks run on it
    _runtime: Runtime,
    ca: PathBuf,
}

impl Estate {
    /// Serves it; `about` names the test.
    pub(super) fn start(about: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = Options {
            settings: Settings {
                speed: SPEED,
                ..Settings::default()
            },
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
    pub(super) fn proxy(&self) -> String {
        format!("http://{}", self.running.http)
    }

    /// The CA that its certificates come from.
    pub(super) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Disables or enables the clinic's key.
    pub(super) fn set_key(&self, to: &str) {
        let change = json!({ "key": { "vault": "clinic-keys", "key": "dicom-cmk", "to": to } });
        let change = serde_json::from_value(change).unwrap();
        let mut azure = self
            .running
            .azure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        azure.apply(&change, now()).unwrap();
    }

    /// Method and last type and name of every write that reached ARM, as `PUT dicomservices/radiology`.
    pub(super) fn writes(&self) -> Vec<String> {
        let text = |exchange: &Value, pointer| {
            let found = exchange.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let exchanges = self.running.journal(0);
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
