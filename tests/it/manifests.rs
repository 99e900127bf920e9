//! What `deploy/` holds, judged without a cluster where that suffices: rights, the pod's posture,
//! the network, the flags, the image. The rest is judged by the real API server.

mod azure;
mod image;
mod monitoring;
mod pod;
mod rights;
mod samples;
mod teams;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use controlplane::{Assets, Tool};
use serde_json::Value;

use crate::cluster::cluster;

/// A file or folder of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of the project.
fn text(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `deploy/base` as it is installed.
fn base() -> &'static [Value] {
    static BASE: OnceLock<Vec<Value>> = OnceLock::new();
    BASE.get_or_init(|| rendered("deploy/base"))
}

/// The objects that kustomize makes of a folder.
fn rendered(folder: &str) -> Vec<Value> {
    let assets = Assets::find_or_build(&[Tool::Kubectl]).expect("there is a kubectl");
    let kubectl = assets.path(Tool::Kubectl).expect("kubectl was asked for");
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(project(folder))
        .output()
        .expect("kubectl can be started");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{folder}: {words}");
    let manifests = String::from_utf8(output.stdout).expect("YAML is UTF-8");
    serde_saphyr::from_multiple(&manifests).expect("kustomize writes YAML")
}

/// The only object of a kind among `objects`.
fn only<'objects>(objects: &'objects [Value], kind: &str) -> &'objects Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there are several of {kind}");
    first
}

/// The strings of a JSON array.
fn strings(array: &Value) -> Vec<&str> {
    let items = array.as_array().into_iter().flatten();
    items
        .map(|item| item.as_str().unwrap_or_else(|| panic!("no text: {item}")))
        .collect()
}

#[test]
fn the_api_server_takes_the_base_and_admits_its_pod_under_the_restricted_profile() {
    let base_folder = project("deploy/base");
    let folder = base_folder.to_str().expect("the path is UTF-8");
    let applied = cluster().run(&["apply", "--server-side", "--validate=strict", "-k", folder]);
    assert!(applied.contains("deployment.apps/dicomenc-operator"));

    let template = &only(base(), "Deployment")["spec"]["template"];
    let mut pod = template.clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "admitted".into();
    let admitted = |manifest: &Value| {
        let create = [
            "create",
            "--dry-run=server",
            "--namespace",
            "dicomenc-system",
            "-f",
            "-",
        ];
        let access = cluster().access();
        let output = access.kubectl_with_input(&create, &manifest.to_string());
        output.expect("kubectl can be started").into_stdout()
    };
    admitted(&pod).expect("the pod meets the profile");

    // the namespace's label is in force: the same pod with one right more is refused
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refusal = admitted(&pod)
        .expect_err("the profile is enforced")
        .to_string();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
}
