//! What a CRD other than ours lets through or prunes. These have a control plane of their own, for
//! they change the CRD.

use controlplane::{Access, ControlPlane, KubectlOutput, Options};
use serde_json::{Value, json};

use super::estate::Estate;
use super::operator::{Operator, RADIOLOGY, apply, condition, eventually, object, wait_for_ready};

const CRD: &str = "dicomencryptions.dicomenc.io";

#[test]
fn a_malformed_object_leaves_the_others_alone() {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    let access = plane.access();
    let estate = Estate::start("malformed");
    let first = Operator::start(access, &estate, "malformed-before", &[]);
    first.wait_until_ready();
    drop(first);
    let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let mut schema = json!({ "type": "object" });
    schema["properties"] = json!({ "spec": anything, "status": anything });
    change_schema(access, &schema);
    let malformed = "
apiVersion: dicomenc.io/v1alpha1
kind: DicomEncryption
metadata: { name: malformed, namespace: default }
spec: { dicomServiceId: 7, key: [nothing, that, anybody, knows] }
";
    eventually("the relaxed CRD", || {
        let output = access.kubectl_with_input(&["apply", "-f", "-"], malformed);
        output
            .unwrap()
            .into_stdout()
            .map_err(|error| error.to_string())
    });
    let operator = Operator::start(access, &estate, "malformed", &[]);
    apply(access, "default", RADIOLOGY);
    wait_for_ready(access, ("default", "radiology"), ["True", "Healthy"]);
    assert!(operator.probe("/livez").unwrap().contains(" 200 "));
    assert_eq!(
        object(access, "default", "malformed")["spec"]["dicomServiceId"],
        7
    );
}

#[test]
fn an_older_definition_that_lacks_a_status_field_stops_every_further_write() {
    let plane = ControlPlane::start(&Options::default()).unwrap();
    let access = plane.access();
    let estate = Estate::start("pruned");
    let operator = Operator::start(access, &estate, "pruned", &[]);
    operator.wait_until_ready();
    let arguments = ["get", "crd", CRD, "-o", "json"];
    let text = access
        .kubectl(&arguments)
        .and_then(KubectlOutput::into_stdout);
    let definition: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let declared = &mut schema["properties"]["status"]["properties"];
    assert!(
        declared
            .as_object_mut()
            .unwrap()
            .remove("keyAccess")
            .is_some()
    );
    change_schema(access, &schema);
    eventually("the pruning CRD", || {
        let path = "dicomencryption.status.keyAccess";
        let output = access.kubectl(&["explain", path]).unwrap();
        if output.success {
            Err(output.stdout)
        } else {
            Ok(())
        }
    });
    apply(access, "default", RADIOLOGY);
    eventually("Stalled/CrdOutdated", || {
        let [status, reason, message] =
            condition(&object(access, "default", "radiology"), "Stalled");
        if (status.as_str(), reason.as_str()) == ("True", "CrdOutdated") {
            Ok(())
        } else {
            Err(format!("{status}/{reason}: {message}"))
        }
    });
    // the answer to the first status comes after the first write; there is no other
    let first = ["PATCH dicomservices/radiology"];
    assert_eq!(estate.writes(), first);
    let status = &object(access, "default", "radiology")["status"];
    assert!(status["observedGeneration"].is_i64(), "{status}");
    assert!(operator.probe("/livez").unwrap().contains(" 200 "));
}

/// Puts another schema into the CRD.
fn change_schema(access: &Access, schema: &Value) {
    let place = "/spec/versions/0/schema/openAPIV3Schema";
    let patch = json!([{ "op": "replace", "path": place, "value": schema }]).to_string();
    let arguments = ["patch", "crd", CRD, "--type=json", "-p", &patch];
    access.kubectl(&arguments).unwrap().into_stdout().unwrap();
}
