//! From ten lines of YAML to a service that is encrypted and watched, and what deletion leaves.

use std::fs;

use azure_simulator::azure::World;
use serde_json::Value;

use super::estate::Estate;
use super::operator::{Operator, RADIOLOGY, apply, condition, eventually, object, wait_for_ready};
use crate::cluster::{Cluster, cluster};

const HEALTHY: [&str; 2] = ["True", "Healthy"];

#[test]
fn ten_lines_of_yaml_become_an_encrypted_and_watched_service() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("story");
    let mut world = World::builtin();
    world.open_data_planes();
    let estate = Estate::with("story", world);
    let scope = ["--namespace", namespace.as_str()];
    let mut operator = Operator::start(access, &estate, "story", &scope);
    operator.wait_until_ready();

    apply(access, &namespace, RADIOLOGY);
    let ready = wait_for_ready(access, (&namespace, "radiology"), HEALTHY);
    let three = [
        "PATCH dicomservices/radiology",
        "PUT roleAssignments/*",
        "PUT dicomservices/radiology",
    ];
    assert_eq!(estate.writes(), three);
    let patches = status_patches(cluster, &namespace);
    assert!((1..=6).contains(&patches), "{patches} status patches");
    let version = ready["status"]["key"]["version"].as_str().unwrap();
    let table = cluster.run(&["get", "dicomencryption", "-n", &namespace]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "NAME", "READY", "KEY", "ACCESS", "KEY", "VERSION", "REASON", "AGE"
        ]
    );
    assert_eq!(
        rows[1][..5],
        ["radiology", "True", "Accessible", version, "Healthy"]
    );

    estate.set("key clinic-keys/dicom-cmk disabled");
    let lost = wait_for_ready(access, (&namespace, "radiology"), ["False", "KeyDisabled"]);
    assert_eq!(lost["status"]["keyAccess"]["state"], "Lost");
    assert!(lost["status"]["keyAccess"]["lostSince"].is_string());
    let [.., remedy] = condition(&lost, "KeyAccessible");
    assert!(remedy.contains("--enabled true"), "{remedy}");
    estate.set("key clinic-keys/dicom-cmk enabled");
    let regained = wait_for_ready(access, (&namespace, "radiology"), HEALTHY);
    assert_eq!(regained["status"]["keyAccess"]["state"], "Accessible");
    assert_eq!(
        estate.writes(),
        three,
        "the operator has nothing to mend here"
    );

    eventually("the events of loss and health", || {
        let reasons = "-o=jsonpath={.items[*].reason}";
        let seen = cluster.run(&["get", "events", "-n", &namespace, reasons]);
        let told = ["KeyAccessLost", "Healthy"]
            .iter()
            .all(|reason| seen.contains(reason));
        told.then_some(()).ok_or(seen)
    });
    assert!(operator.probe("/livez").unwrap().contains(" 200 "));
    let metrics = operator.metrics().unwrap();
    assert!(metrics.contains("# EOF"), "{metrics}");
    // the key was read at its vault, over a real socket
    assert!(metrics.contains(r#"dicomenc_vault_calls_total{code="2xx"}"#));
    eventually("the metric of where keys are read", || {
        let now = operator.metrics().unwrap();
        let told = now.contains(r#"dicomenc_key_source_vaults{source="vault"} 1"#);
        told.then_some(()).ok_or(now)
    });
    assert!(operator.stop().success());
    let said = operator.said().to_lowercase();
    assert!(!said.contains("forbidden"), "{said}");
    assert!(!said.contains(" warn "), "{said}");
}

#[test]
fn a_deleted_namespace_ends_and_changes_nothing_in_azure() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("leaving");
    let estate = Estate::start("leaving");
    let scope = ["--namespace", namespace.as_str()];
    let operator = Operator::start(access, &estate, "leaving", &scope);
    operator.wait_until_ready();
    apply(access, &namespace, RADIOLOGY);
    wait_for_ready(access, (&namespace, "radiology"), HEALTHY);
    let before = estate.writes();
    cluster.run(&["delete", "namespace", &namespace, "--timeout=60s"]);
    assert_eq!(object(access, &namespace, "radiology"), Value::Null);
    assert!(operator.probe("/livez").unwrap().contains(" 200 "));
    assert_eq!(estate.writes(), before);
}

/// Status patches of the object, as the API server counted them.
fn status_patches(cluster: &Cluster, namespace: &str) -> usize {
    let path = format!("/namespaces/{namespace}/dicomencryptions/radiology/status");
    let log = fs::read_to_string(cluster.audit_log()).unwrap();
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| {
            let uri = event["requestURI"].as_str().unwrap_or_default();
            event["verb"] == "patch" && uri.contains(&path)
        })
        .count()
}
