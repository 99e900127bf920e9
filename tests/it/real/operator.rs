//! The compiled operator as a process, and what is asked about it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use controlplane::{Access, KubectlOutput};
use serde_json::Value;

use super::estate::Estate;
use crate::cluster::established;

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);
/// The same where two minutes have to pass first, as before an absent key counts as purged.
pub(crate) const LONG_LIMIT: Duration = Duration::from_mins(4);
const PAUSE: Duration = Duration::from_millis(100);

/// As quick as the simulated Azure of most tests.
const PACE: [&str; 6] = [
    "--propagation-wait=4s",
    "--health-interval=1s",
    "--service-interval=1s",
    "--resource-health-interval=1s",
    "--vault-interval=1s",
    "--configuration-interval=3s",
];

/// The object of the README: ten lines.
pub(crate) const RADIOLOGY: &str = include_str!("../../scripts/radiology.yaml");

/// A running operator. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Operator {
    /// Starts it with a token of its service account; `about` names its log.
    pub(crate) fn start(access: &Access, estate: &Estate, about: &str, flags: &[&str]) -> Self {
        let flags: Vec<&str> = PACE.iter().chain(flags).copied().collect();
        Self::start_at_pace(access, estate, about, &flags)
    }

    /// The same at its own pace, unless the flags say otherwise.
    pub(crate) fn start_at_pace(
        access: &Access,
        estate: &Estate,
        about: &str,
        flags: &[&str],
    ) -> Self {
        install(access);
        let kubeconfig = access
            .service_account_kubeconfig("dicomenc-system", "dicomenc-operator")
            .unwrap();
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{about}.log"));
        let (health, metrics) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_dicomenc"))
            .args(["operator", "--log-format", "text"])
            .arg(format!("--ca-bundle={}", estate.ca().display()))
            .arg(format!("--health-probe-bind-address={health}"))
            .arg(format!("--metrics-bind-address={metrics}"))
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .env("HTTPS_PROXY", estate.proxy())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("AZURE_TENANT_ID", "99999999-9999-9999-9999-999999999999")
            .env("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222")
            .env("AZURE_CLIENT_SECRET", "any")
            .stdin(Stdio::null())
            .stdout(File::create(log.with_extension("out")).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            health,
            metrics,
        }
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said.
    pub(crate) fn said(&self) -> String {
        let read = |file: &Path| fs::read_to_string(file).unwrap_or_default();
        read(&self.log) + &read(&self.log.with_extension("out"))
    }

    /// The answer to a GET of its probes.
    pub(crate) fn probe(&self, path: &str) -> Option<String> {
        get(self.health, path)
    }

    /// The answer to a GET of its metrics.
    pub(crate) fn metrics(&self) -> Option<String> {
        get(self.metrics, "/metrics")
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_until_ready(&self) {
        eventually("an operator that is ready", || {
            let answer = self.probe("/readyz").unwrap_or_default();
            answer.contains(" 200 ").then_some(()).ok_or(answer)
        });
    }

    /// Sends SIGTERM and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let process = self.process().to_string();
        let sent = Command::new("kill").args(["-TERM", &process]).status();
        assert!(sent.unwrap().success());
        eventually("the end after SIGTERM", || {
            let ended = self.child.try_wait().unwrap();
            ended.ok_or_else(|| "still running".to_owned())
        })
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.said());
        }
    }
}

/// Polls until `look` gives a value; fails with what it saw last.
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    within(LIMIT, what, look)
}

/// The same with a limit of its own.
pub(crate) fn within<T>(limit: Duration, what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    polled((PAUSE, limit), what, look)
}

/// The same with a pause of its own between two looks.
#[expect(
    clippy::disallowed_methods,
    reason = "processes and sockets keep the wall clock"
)]
pub(crate) fn polled<T>(
    (pause, limit): (Duration, Duration),
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    loop {
        let seen = match look() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(began.elapsed() < limit, "waited in vain for {what}: {seen}");
        thread::sleep(pause);
    }
}

/// The object as it is in the cluster.
pub(crate) fn object(access: &Access, namespace: &str, name: &str) -> Value {
    let arguments = [
        "get",
        "dicomencryption",
        name,
        "-n",
        namespace,
        "-o",
        "json",
    ];
    let text = access
        .kubectl(&arguments)
        .and_then(KubectlOutput::into_stdout);
    serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default()
}

/// Status, reason and message of a condition.
pub(crate) fn condition(object: &Value, kind: &str) -> [String; 3] {
    let conditions = object.pointer("/status/conditions");
    let found = conditions
        .and_then(Value::as_array)
        .and_then(|all| all.iter().find(|condition| condition["type"] == *kind));
    ["status", "reason", "message"].map(|field| {
        let text = found.and_then(|condition| condition[field].as_str());
        text.unwrap_or_default().to_owned()
    })
}

/// Waits until `Ready` has this status and reason, and gives the object.
pub(crate) fn wait_for_ready(access: &Access, place: (&str, &str), wanted: [&str; 2]) -> Value {
    eventually(&format!("Ready={wanted:?}"), || {
        let object = object(access, place.0, place.1);
        let [status, reason, message] = condition(&object, "Ready");
        if [status.as_str(), reason.as_str()] == wanted {
            Ok(object)
        } else {
            Err(format!("{status}/{reason}: {message}"))
        }
    })
}

/// Applies a manifest in a namespace.
pub(crate) fn apply(access: &Access, namespace: &str, manifest: &str) {
    let manifest = manifest.replace("namespace: imaging", &format!("namespace: {namespace}"));
    let output = access.kubectl_with_input(&["apply", "-f", "-"], &manifest);
    output.unwrap().into_stdout().unwrap();
}

/// `deploy/base` as it is; its Deployment rests, for there is no node.
fn install(access: &Access) {
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/base");
    let account = [
        "get",
        "serviceaccount",
        "dicomenc-operator",
        "-n",
        "dicomenc-system",
    ];
    if !access.kubectl(&account).unwrap().success {
        let output = access.kubectl(&["apply", "--server-side", "-k", base]);
        output.unwrap().into_stdout().unwrap();
        established(access);
    }
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}
