//! What holds the operator back: objects that observe, that are suspended, that name a service twice;
//! other hands that apply the same; and Azure that does not answer.

use controlplane::{Access, KubectlOutput};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::estate::Estate;
use super::operator::{Operator, RADIOLOGY, apply, condition, eventually, object, wait_for_ready};
use crate::cluster::cluster;

const HEALTHY: [&str; 2] = ["True", "Healthy"];

#[test]
fn objects_that_observe_or_are_suspended_write_nothing_and_a_second_one_waits_for_the_first() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("restraint");
    let estate = Estate::start("restraint");
    let scope = ["--namespace", namespace.as_str()];
    let operator = Operator::start(access, &estate, "restraint", &scope);
    operator.wait_until_ready();
    let radiology = (namespace.as_str(), "radiology");

    apply(access, &namespace, &format!("{RADIOLOGY}  mode: Observe\n"));
    wait_for_ready(access, radiology, ["False", "NotAsSpecified"]);
    let [.., told] = condition(&object(access, &namespace, "radiology"), "Stalled");
    assert!(
        told.contains("enable the system-assigned identity"),
        "{told}"
    );

    apply(access, &namespace, &format!("{RADIOLOGY}  suspend: true\n"));
    wait_for_ready(access, radiology, ["False", "Suspended"]);
    assert_eq!(estate.writes(), Vec::<String>::new());

    // created a second later at least, for that is the grain of creation times
    let second = RADIOLOGY.replace("name: radiology,", "name: second,");
    eventually("a later second", || {
        let created = object(access, &namespace, "radiology");
        let created = time(&created, "/metadata/creationTimestamp");
        let now = server_time(access);
        if now > created {
            Ok(())
        } else {
            Err(now.to_string())
        }
    });
    apply(access, &namespace, &second);
    wait_for_ready(access, (&namespace, "second"), ["False", "DuplicateTarget"]);
    let [.., said] = condition(&object(access, &namespace, "second"), "Stalled");
    assert!(said.contains(&format!("{namespace}/radiology")), "{said}");
    assert_eq!(estate.writes(), Vec::<String>::new());

    cluster.run(&["delete", "dicomencryption", "radiology", "-n", &namespace]);
    wait_for_ready(access, (&namespace, "second"), HEALTHY);
    assert_eq!(estate.writes().len(), 3, "{:?}", estate.writes());
}

#[test]
fn applied_again_by_whatever_means_nothing_is_written_and_the_status_stays() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("again");
    let estate = Estate::start("again");
    let scope = ["--namespace", namespace.as_str()];
    let operator = Operator::start(access, &estate, "again", &scope);
    operator.wait_until_ready();
    apply(access, &namespace, RADIOLOGY);
    let before = wait_for_ready(access, (&namespace, "radiology"), HEALTHY);
    let writes = estate.writes();

    apply(access, &namespace, RADIOLOGY);
    // as Argo CD and Flux do it, with a status that somebody once exported along with the rest
    let mut exported: Value = before.clone();
    exported["metadata"] = json!({ "name": "radiology", "namespace": namespace });
    exported["metadata"]["labels"] = json!({ "app.kubernetes.io/instance": "clinic" });
    exported["status"] = json!({ "conditions": [], "keyVersions": [] });
    let by_another_hand = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=argocd-controller",
        "-f",
        "-",
    ];
    let output = access.kubectl_with_input(&by_another_hand, &exported.to_string());
    output.and_then(KubectlOutput::into_stdout).unwrap();

    let changed = estate.sweeps();
    eventually("two more rounds of reading", || {
        let now = estate.sweeps();
        if now >= changed + 2 {
            Ok(())
        } else {
            Err(now.to_string())
        }
    });
    let after = object(access, &namespace, "radiology");
    assert_eq!(
        after["metadata"]["labels"]["app.kubernetes.io/instance"],
        "clinic"
    );
    assert_eq!(after["status"], before["status"]);
    assert_eq!(
        after["metadata"]["generation"],
        before["metadata"]["generation"]
    );
    assert_eq!(estate.writes(), writes);
}

#[test]
fn with_azure_down_there_is_a_status_within_two_seconds_and_deletion_does_not_hang() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("down");
    let estate = Estate::start("down");
    estate.set("control-plane broken");
    let scope = ["--namespace", namespace.as_str()];
    let operator = Operator::start(access, &estate, "down", &scope);
    operator.wait_until_ready();
    apply(access, &namespace, RADIOLOGY);
    let first = eventually("a status", || {
        let object = object(access, &namespace, "radiology");
        let [status, ..] = condition(&object, "Ready");
        if status == "Unknown" {
            Ok(object)
        } else {
            Err(status)
        }
    });
    let created = time(&first, "/metadata/creationTimestamp");
    let told = first
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let told = told.and_then(|all| all.iter().find(|own| own["type"] == "Ready"));
    let told = time(told.unwrap_or(&Value::Null), "/lastTransitionTime");
    let passed = told.duration_since(created);
    // both are whole seconds
    assert!(passed <= SignedDuration::from_secs(2), "{passed}");

    let second = RADIOLOGY.replace("name: radiology,", "name: leaving,");
    apply(access, &namespace, &second);
    let leaving = ["delete", "dicomencryption", "leaving", "-n", &namespace];
    cluster.run(&[&leaving[..], &["--timeout=10s"]].concat());
    assert!(operator.probe("/livez").unwrap().contains(" 200 "));

    estate.set("control-plane ok");
    wait_for_ready(access, (&namespace, "radiology"), HEALTHY);
}

/// A time in an object.
fn time(object: &Value, pointer: &str) -> Timestamp {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().parse().unwrap_or(Timestamp::MIN)
}

/// The API server's clock, in whole seconds, read off what it would create now.
fn server_time(access: &Access) -> Timestamp {
    let probe = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: clock, namespace: default }\n";
    let dry = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let output = access.kubectl_with_input(&dry, probe);
    let text = output.and_then(KubectlOutput::into_stdout).unwrap();
    time(
        &serde_json::from_str(&text).unwrap(),
        "/metadata/creationTimestamp",
    )
}
