//! One real control plane for all tests of this binary: started by the first test that asks for
//! it, ended with the process. The operator's CRD is installed; tests keep out of each other's
//! way by working in namespaces of their own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use controlplane::{Access, ControlPlane, KubectlOutput, Options};

/// The control plane that the tests share.
#[derive(Debug)]
pub(crate) struct Cluster {
    plane: ControlPlane,
    namespaces: AtomicU32,
}

/// The control plane, started when it is asked for the first time.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    fn start() -> Self {
        let options = Options {
            folder: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster")),
            controllers: true,
            audit: true,
        };
        let plane = ControlPlane::start(&options).expect("a control plane starts on loopback");
        let cluster = Self {
            plane,
            namespaces: AtomicU32::new(0),
        };
        cluster.apply_definition();
        cluster
    }

    fn apply_definition(&self) {
        let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/dicomencryptions.yaml");
        self.run(&["apply", "--server-side", "-f", definition]);
        established(self.access());
    }

    /// How to reach it: kubeconfig files and kubectl.
    pub(crate) fn access(&self) -> &Access {
        self.plane.access()
    }

    /// One JSON line for every request that was answered.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.plane.audit_log()
    }

    /// A namespace that no other test uses; its name begins with `about`.
    pub(crate) fn namespace(&self, about: &str) -> String {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{about}-{number}");
        self.run(&["create", "namespace", &name]);
        name
    }

    /// Runs kubectl as the admin, and gives its stdout; fails the test with what it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.plane
            .kubectl(arguments)
            .and_then(KubectlOutput::into_stdout)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `kubectl apply` on a manifest, whether it succeeds or not.
    pub(crate) fn apply(&self, namespace: &str, manifest: &str) -> KubectlOutput {
        self.access()
            .kubectl_with_input(&["apply", "--namespace", namespace, "-f", "-"], manifest)
            .expect("kubectl can be started")
    }
}

/// Waits until the API server serves the operator's kind. A definition that has no condition at all
/// yet makes `kubectl wait` fail at once, so it is asked again.
pub(crate) fn established(access: &Access) {
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    let mut said = String::new();
    for _ in 0..20 {
        let output = access.kubectl(&wait).expect("kubectl can be started");
        if output.success {
            return;
        }
        said = output.stderr;
    }
    panic!("the definition is not established: {said}");
}
