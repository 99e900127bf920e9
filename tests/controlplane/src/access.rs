//! How to reach a running control plane: kubeconfig files and kubectl.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::certificates::Pair;

/// What a user of the control plane needs. Also written into the control plane's folder, so that
/// another process can open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    folder: PathBuf,
    server: String,
    ca: PathBuf,
    kubectl: PathBuf,
}

impl Access {
    /// Writes the admin's kubeconfig into `folder`, and what [`Access::open`] reads.
    pub(crate) fn create(
        folder: &Path,
        server: &str,
        ca: &Path,
        admin: &Pair,
        kubectl: &Path,
    ) -> Result<Self> {
        let access = Self {
            folder: folder.to_owned(),
            server: server.to_owned(),
            ca: ca.to_owned(),
            kubectl: kubectl.to_owned(),
        };
        let user = json!({ "client-certificate": admin.certificate, "client-key": admin.key });
        write_private(
            &access.kubeconfig(),
            &access.kubeconfig_of(&user, "default"),
        )?;
        let record = json!({ "server": access.server, "ca": access.ca, "kubectl": access.kubectl });
        write_private(&folder.join(RECORD), &record)?;
        Ok(access)
    }

    /// Opens the control plane that another process keeps running in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join(RECORD);
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "failed to read {}: is a control plane running there? Start one with `controlplane up --dir {}`",
                file.display(),
                folder.display()
            )
        })?;
        let record: Value = serde_json::from_str(&text)
            .with_context(|| format!("failed to understand {}", file.display()))?;
        let entry = |name: &str| {
            let value = record.get(name).and_then(Value::as_str);
            value
                .map(String::from)
                .with_context(|| format!("{} has no {name}", file.display()))
        };
        Ok(Self {
            folder: folder.to_owned(),
            server: entry("server")?,
            ca: entry("ca")?.into(),
            kubectl: entry("kubectl")?.into(),
        })
    }

    /// The API server, as `https://127.0.0.1:<port>`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The kubeconfig file of the admin.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The kubectl binary.
    pub fn kubectl_path(&self) -> &Path {
        &self.kubectl
    }

    /// Runs kubectl as the admin, to its end, with nothing to read.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<KubectlOutput> {
        self.kubectl_with_input(arguments, "")
    }

    /// Runs kubectl as the admin, to its end, with `input` on its stdin: `apply -f -`, say.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<KubectlOutput> {
        self.kubectl_as(&self.kubeconfig(), arguments, input)
    }

    /// Runs kubectl as the user of `kubeconfig`, to its end, with `input` on its stdin.
    pub fn kubectl_as(
        &self,
        kubeconfig: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<KubectlOutput> {
        let mut child = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(arguments)
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}", self.kubectl.display()))?;
        let stdin = child.stdin.take();
        let output = thread::scope(|scope| {
            // a kubectl that ends before it has read everything says why on stderr
            scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
            child.wait_with_output()
        });
        let output = output.context("failed to wait for kubectl")?;
        Ok(KubectlOutput {
            command: arguments.join(" "),
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A kubeconfig file with a token of the service account `namespace`/`name`, which must exist:
    /// who uses it has exactly that account's rights. The token is good for a day.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let arguments = [
            "create",
            "token",
            name,
            "--namespace",
            namespace,
            "--duration",
            "24h",
        ];
        let token = self.kubectl(&arguments)?.into_stdout()?;
        let user = json!({ "token": token.trim() });
        let file = self.folder.join(format!("kubeconfig-{namespace}-{name}"));
        write_private(&file, &self.kubeconfig_of(&user, namespace))?;
        Ok(file)
    }

    /// JSON is YAML, and every Kubernetes client reads it.
    fn kubeconfig_of(&self, user: &Value, namespace: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "default",
            "clusters": [{ "name": "default", "cluster": {
                "server": self.server,
                "certificate-authority": self.ca,
            }}],
            "users": [{ "name": "default", "user": user }],
            "contexts": [{ "name": "default", "context": {
                "cluster": "default",
                "user": "default",
                "namespace": namespace,
            }}],
        })
    }
}

/// What a run of kubectl left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubectlOutput {
    /// The arguments, for error messages.
    pub command: String,
    /// Whether kubectl ended with 0.
    pub success: bool,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

impl KubectlOutput {
    /// The stdout of a kubectl that succeeded; else an error with what it said.
    pub fn into_stdout(self) -> Result<String> {
        if !self.success {
            bail!(
                "`kubectl {}` failed: {}",
                self.command,
                self.stderr.trim_end()
            );
        }
        Ok(self.stdout)
    }
}

/// Renamed into place when whole: whoever waits for the file never reads half of it.
fn write_private(file: &Path, content: &Value) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    let mut open = OpenOptions::new();
    open.write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut opened| opened.write_all(format!("{content:#}\n").as_bytes()))
        .and_then(|()| fs::rename(&unfinished, file))
        .with_context(|| format!("failed to write {}", file.display()))
}

const RECORD: &str = "access.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_control_plane_is_told_with_the_command_that_starts_one() {
        let error = Access::open(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("controlplane up --dir /nowhere"), "{error}");
    }

    #[test]
    fn a_kubectl_that_fails_gives_its_own_words() {
        let output = KubectlOutput {
            command: "get pods".into(),
            success: false,
            stdout: String::new(),
            stderr: "no such thing\n".into(),
        };
        assert_eq!(
            output.into_stdout().unwrap_err().to_string(),
            "`kubectl get pods` failed: no such thing"
        );
    }
}
