//! Starts the servers, waits until they answer, and ends them.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};

use crate::access::{Access, KubectlOutput};
use crate::assets::{Assets, Tool};
use crate::certificates::Certificates;
use crate::clock::wait_until;
use crate::process::Process;

/// How a control plane is started. The default: API server and etcd, in a folder that is removed
/// afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Where state, logs and kubeconfig files go. A folder of a control plane before is used
    /// anew, without its state. `None`: one below `target/`, removed at the end, but kept when
    /// the thread that owns the control plane panics.
    pub folder: Option<PathBuf>,
    /// Also run the controllers for namespaces, garbage and service accounts, so that namespaces
    /// and owner references end as in a cluster.
    pub controllers: bool,
    /// Also write one JSON line for every answered request to [`ControlPlane::audit_log`].
    pub audit: bool,
}

/// A running control plane. Its processes end when it is dropped.
#[derive(Debug)]
#[must_use = "a control plane ends when it is dropped"]
pub struct ControlPlane {
    // dropped in this order: the API server before the etcd that it talks to
    controllers: Option<Process>,
    api_server: Process,
    etcd: Process,
    access: Access,
    folder: Folder,
}

impl ControlPlane {
    /// Starts one, and returns when it answers. Builds what it needs first, if it must: see
    /// [`Assets::find_or_build`].
    pub fn start(options: &Options) -> Result<Self> {
        let tools = if options.controllers {
            Tool::ALL.as_slice()
        } else {
            Tool::BASE.as_slice()
        };
        let assets = Assets::find_or_build(tools)?;
        let mut attempt = 1;
        loop {
            match Self::try_start(options, &assets) {
                // between asking for a free port and using it, somebody else may take it
                Err(error) if attempt < ATTEMPTS && is_port_taken(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    /// How to reach it: kubeconfig and kubectl.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Runs kubectl as the admin: see [`Access::kubectl`].
    pub fn kubectl(&self, arguments: &[&str]) -> Result<KubectlOutput> {
        self.access.kubectl(arguments)
    }

    /// A kubeconfig file of a service account: see [`Access::service_account_kubeconfig`].
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        self.access.service_account_kubeconfig(namespace, name)
    }

    /// The folder of logs, state and kubeconfig files.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The audit log, when [`Options::audit`] asked for one: `audit.k8s.io/v1` Events of level
    /// Metadata, stage `ResponseComplete`, one JSON object a line.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path.join(AUDIT_LOG)
    }

    /// What to tell people when one of the servers has ended by itself; `None` while all run.
    pub fn epitaph(&mut self) -> Result<Option<String>> {
        for process in [&mut self.etcd, &mut self.api_server]
            .into_iter()
            .chain(&mut self.controllers)
        {
            if let Some(epitaph) = process.epitaph()? {
                return Ok(Some(epitaph));
            }
        }
        Ok(None)
    }

    fn try_start(options: &Options, assets: &Assets) -> Result<Self> {
        let folder = Folder::open(options.folder.as_deref())?;
        let certificates = Certificates::create(&folder.path.join("certificates"))?;
        let [etcd_port, port] = free_ports()?;
        let launch = Launch {
            folder: &folder.path,
            certificates: &certificates,
            etcd_port,
            port,
        };
        let access = Access::create(
            &folder.path,
            &format!("https://127.0.0.1:{port}"),
            &certificates.ca,
            &certificates.admin,
            assets.path(Tool::Kubectl)?,
        )?;
        let etcd = launch.etcd(assets)?;
        let api_server = launch.api_server(assets, options.audit)?;
        let mut plane = Self {
            controllers: None,
            api_server,
            etcd,
            access,
            folder,
        };
        plane.wait_for("an API server that is ready", &["get", "--raw", "/readyz"])?;
        if options.controllers {
            let controllers = controllers(assets, &plane.access, &plane.folder.path)?;
            plane.controllers = Some(controllers);
            let account = ["get", "serviceaccount", "default", "--namespace", "default"];
            plane.wait_for("the controllers' first work", &account)?;
        }
        Ok(plane)
    }

    /// Waits until kubectl succeeds with `arguments`.
    fn wait_for(&mut self, what: &str, arguments: &[&str]) -> Result<()> {
        let mut last = String::new();
        let ready = wait_until(START_LIMIT, || {
            if let Some(epitaph) = self.epitaph()? {
                bail!("{epitaph}\n{}", self.remedy());
            }
            let output = self.kubectl(&[&["--request-timeout=5s"], arguments].concat())?;
            last = output.stderr;
            Ok::<_, Error>(output.success.then_some(()))
        })?;
        ready.ok_or_else(|| {
            let process = self.controllers.as_ref().unwrap_or(&self.api_server);
            anyhow!(
                "waited {} s in vain for {what}: {}\n{}\n{}",
                START_LIMIT.as_secs(),
                last.trim_end(),
                process.log_tail(),
                self.remedy()
            )
        })
    }

    fn remedy(&self) -> String {
        format!(
            "The logs of all servers are in {}. If a binary itself is broken, remove {} and start again: it is built anew",
            self.folder.path.display(),
            self.access
                .kubectl_path()
                .parent()
                .unwrap_or_else(|| Path::new("it"))
                .display()
        )
    }
}

/// What the command lines of the servers are made of.
#[derive(Debug)]
struct Launch<'a> {
    folder: &'a Path,
    certificates: &'a Certificates,
    etcd_port: u16,
    port: u16,
}

impl Launch<'_> {
    fn etcd(&self, assets: &Assets) -> Result<Process> {
        let url = format!("http://127.0.0.1:{}", self.etcd_port);
        let mut command = Command::new(assets.path(Tool::Etcd)?);
        command
            .arg("--unsafe-no-fsync")
            .arg("--log-level=warn")
            .arg(flag("data-dir", self.folder.join(ETCD_DATA).display()))
            .arg(flag("listen-client-urls", &url))
            .arg(flag("advertise-client-urls", &url))
            // nobody joins a cluster of one
            .arg("--listen-peer-urls=http://127.0.0.1:0");
        Process::spawn("etcd", command, &self.folder.join("etcd.log"))
    }

    fn api_server(&self, assets: &Assets, audit: bool) -> Result<Process> {
        let Certificates {
            ca,
            server,
            admin: _,
            service_accounts,
        } = self.certificates;
        let mut command = Command::new(assets.path(Tool::ApiServer)?);
        command
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .args([
                "--endpoint-reconciler-type=none",
                "--authorization-mode=RBAC",
            ])
            // it would wait for the controller that makes the accounts, which may not be there
            .arg("--disable-admission-plugins=ServiceAccount")
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
            .arg(flag(
                "service-account-key-file",
                service_accounts.certificate.display(),
            ))
            .arg(flag(
                "service-account-signing-key-file",
                service_accounts.key.display(),
            ))
            .arg(flag("secure-port", self.port))
            .arg(flag(
                "etcd-servers",
                format_args!("http://127.0.0.1:{}", self.etcd_port),
            ))
            .arg(flag("client-ca-file", ca.display()))
            .arg(flag("tls-cert-file", server.certificate.display()))
            .arg(flag("tls-private-key-file", server.key.display()));
        if audit {
            let policy = self.folder.join("audit-policy.json");
            fs::write(&policy, AUDIT_POLICY).context("failed to write the audit policy")?;
            command
                .arg(flag("audit-policy-file", policy.display()))
                .arg(flag(
                    "audit-log-path",
                    self.folder.join(AUDIT_LOG).display(),
                ));
        }
        Process::spawn(
            "kube-apiserver",
            command,
            &self.folder.join("kube-apiserver.log"),
        )
    }
}

fn controllers(assets: &Assets, access: &Access, folder: &Path) -> Result<Process> {
    let mut command = Command::new(assets.path(Tool::ControllerManager)?);
    command
        .arg("--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller")
        .args(["--leader-elect=false", "--secure-port=0"])
        .arg(flag("kubeconfig", access.kubeconfig().display()));
    let log = folder.join("kube-controller-manager.log");
    Process::spawn("kube-controller-manager", command, &log)
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// The folder of one control plane, for it alone.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    temporary: bool,
    /// Held, so that no other process starts a control plane in the same folder.
    _lock: File,
}

impl Folder {
    fn open(given: Option<&Path>) -> Result<Self> {
        let path = given.map_or_else(temporary_folder, Path::to_owned);
        let attempt = format!("failed to use the folder {}", path.display());
        fs::create_dir_all(&path).context(attempt.clone())?;
        let path = fs::canonicalize(path).context(attempt.clone())?;
        let lock = File::create(path.join("lock")).context(attempt.clone())?;
        if lock.try_lock().is_err() {
            bail!(
                "another control plane is running in {}: end it, or name another folder",
                path.display()
            );
        }
        // the API server would append to it, and a test would count what another run did
        let audit_log = path.join(AUDIT_LOG);
        if audit_log.exists() {
            fs::remove_file(audit_log).context(attempt.clone())?;
        }
        for leftover in [ETCD_DATA, "kubectl-cache"] {
            let leftover = path.join(leftover);
            if leftover.exists() {
                fs::remove_dir_all(leftover).context(attempt.clone())?;
            }
        }
        Ok(Self {
            path,
            temporary: given.is_none(),
            _lock: lock,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // after a panic the logs are worth keeping
        if self.temporary && !thread::panicking() {
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// Below `target/`, so that `cargo clean` finds what a panic left behind.
fn temporary_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/controlplane")
        .join(format!("{}-{count}", process::id()))
}

/// Free now; asked for together, so that they differ.
fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut listeners = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("failed to find a free port on 127.0.0.1")?;
        *port = listener
            .local_addr()
            .context("failed to read a port that was just bound")?
            .port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// As etcd and the API server say it in their logs.
fn is_port_taken(error: &Error) -> bool {
    error.to_string().contains("address already in use")
}

const ATTEMPTS: u32 = 3;
/// Ready takes 3 s on an idle machine; a busy one gets its time.
const START_LIMIT: Duration = Duration::from_mins(3);
const ETCD_DATA: &str = "etcd";
const AUDIT_LOG: &str = "audit.jsonl";
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived", "ResponseStarted"],
  "omitManagedFields": true,
  "rules": [{ "level": "Metadata" }]
}
"#;

#[cfg(test)]
mod tests;
