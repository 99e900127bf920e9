//! Server-side apply.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{OBJECT, OBJECTS, api, api_with_object, merge, send};
use crate::kube_api::{KubeApi, patch};

/// Applies fields to the object or (`/status`) its status.
fn apply(api: &mut KubeApi, path: &str, query: &str, fields: &Value) -> (StatusCode, Value) {
    let mut body = json!({"apiVersion": "dicomenc.io/v1alpha1", "kind": "DicomEncryption"});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    send(
        api,
        Method::PATCH,
        &format!("{OBJECT}{path}?{query}"),
        patch::APPLY,
        &body,
    )
}

fn apply_status(api: &mut KubeApi, status: &Value) -> (StatusCode, Value) {
    apply(
        api,
        "/status",
        "fieldManager=operator&force=true",
        &json!({ "status": status }),
    )
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status})
}

#[test]
fn a_status_is_applied_without_a_new_generation() {
    let mut api = api_with_object();
    let (status, after) = apply_status(&mut api, &json!({"observedGeneration": 1}));
    assert_eq!(status, 200);
    assert_eq!(after["status"], json!({"observedGeneration": 1}));
    assert_eq!(after["metadata"]["generation"], 1);
    assert_eq!(after["spec"], json!({"mode": "Manage"}));
}

#[test]
fn the_same_status_again_changes_nothing() {
    let mut api = api_with_object();
    let status = json!({"a": 1, "conditions": [condition("Ready", "True")]});
    let first = apply_status(&mut api, &status);
    assert_eq!(apply_status(&mut api, &status), first);
    assert!(!api.writes().last().unwrap().changed);
}

#[test]
fn what_a_manager_leaves_out_goes_and_what_others_wrote_stays() {
    let mut api = api_with_object();
    merge(
        &mut api,
        &format!("{OBJECT}/status"),
        &json!({"status": {"note": "by hand", "key": {"by": "hand"}}}),
    );
    apply_status(
        &mut api,
        &json!({"a": 1, "b": 2, "key": {"url": "u"}, "grant": {"id": "g"}}),
    );
    let (_, after) = apply_status(&mut api, &json!({"a": 1}));
    assert_eq!(
        after["status"],
        json!({"note": "by hand", "key": {"by": "hand"}, "a": 1})
    );
}

#[test]
fn conditions_are_merged_by_type_and_other_lists_replaced() {
    let mut api = api_with_object();
    let by_hand = json!({"status": {"conditions": [condition("Other", "True")]}});
    merge(&mut api, &format!("{OBJECT}/status"), &by_hand);
    let first = json!({
        "conditions": [condition("Ready", "False"), condition("Stalled", "True")], "plan": ["a", "b"],
    });
    apply_status(&mut api, &first);
    let second = json!({"conditions": [condition("Ready", "True")], "plan": ["c"]});
    let (_, after) = apply_status(&mut api, &second);
    let expected = json!({"conditions": [condition("Other", "True"), condition("Ready", "True")], "plan": ["c"]});
    assert_eq!(after["status"], expected);
}

#[test]
fn fields_of_two_managers_do_not_disturb_each_other() {
    let mut api = api_with_object();
    let labels = |labels: Value| json!({"metadata": {"labels": labels}});
    apply(
        &mut api,
        "",
        "fieldManager=flux",
        &labels(json!({"team": "x", "shared": "y"})),
    );
    apply(
        &mut api,
        "",
        "fieldManager=argo",
        &labels(json!({"shared": "y"})),
    );
    let (_, after) = apply(&mut api, "", "fieldManager=flux", &labels(json!({})));
    assert_eq!(
        after["metadata"]["labels"],
        json!({"shared": "y"}),
        "argo still wants it"
    );
    let (_, after) = apply(&mut api, "", "fieldManager=argo", &labels(json!({})));
    assert_eq!(after["metadata"].get("labels"), None);
}

#[test]
fn another_managers_field_is_overruled_by_force_only() {
    let mut api = api_with_object();
    let mode = |mode: &str| json!({"spec": {"mode": mode}});
    apply(&mut api, "", "fieldManager=flux", &mode("Observe"));
    let (status, refusal) = apply(&mut api, "", "fieldManager=argo", &mode("Manage"));
    assert_eq!(
        (status.as_u16(), &refusal["reason"]),
        (409, &json!("Conflict"))
    );
    assert!(
        refusal["message"]
            .as_str()
            .unwrap()
            .contains(r#"conflict with "flux": .spec.mode"#)
    );

    let (status, after) = apply(
        &mut api,
        "",
        "fieldManager=argo&force=true",
        &mode("Manage"),
    );
    assert_eq!(
        (status.as_u16(), &after["spec"]["mode"]),
        (200, &json!("Manage"))
    );
    // flux has lost the field, so leaving it out does not remove it
    let (_, after) = apply(&mut api, "", "fieldManager=flux", &json!({}));
    assert_eq!(after["spec"]["mode"], "Manage");
}

#[test]
fn applying_what_is_not_there_makes_it_but_not_by_its_status() {
    let mut api = api();
    let (status, _) = apply_status(&mut api, &json!({"a": 1}));
    assert_eq!(status, 404);
    let spec = json!({"spec": {"mode": "Manage"}});
    let (status, made) = apply(&mut api, "", "fieldManager=kubectl", &spec);
    assert_eq!(
        (status.as_u16(), &made["metadata"]["name"]),
        (201, &json!("radiology"))
    );
    let (_, after) = apply(&mut api, "", "fieldManager=kubectl", &json!({}));
    assert_eq!(
        after.get("spec"),
        None,
        "kubectl owned it from the beginning"
    );
    assert_eq!(after["metadata"]["generation"], 2);
}

#[test]
fn an_apply_without_manager_kind_or_name_is_refused() {
    let mut api = api_with_object();
    assert_eq!(apply(&mut api, "", "", &json!({})).0, 400);
    let other_name = json!({"metadata": {"name": "other"}});
    assert_eq!(apply(&mut api, "", "fieldManager=a", &other_name).0, 400);
    let managed = json!({"metadata": {"managedFields": []}});
    assert_eq!(apply(&mut api, "", "fieldManager=a", &managed).0, 400);
    let path = format!("{OBJECT}?fieldManager=a");
    assert_eq!(
        send(&mut api, Method::PATCH, &path, patch::APPLY, &json!({})).0,
        400
    );
    assert_eq!(
        send(&mut api, Method::PATCH, &path, "text/plain", &json!({})).0,
        415
    );
}

#[test]
fn an_old_version_in_the_body_is_a_conflict() {
    let mut api = api_with_object();
    let versioned = json!({"metadata": {"resourceVersion": "1"}, "status": {"a": 1}});
    let (status, _) = apply(&mut api, "/status", "fieldManager=a&force=true", &versioned);
    assert_eq!(status, 409);
}

#[test]
fn a_body_in_yaml_is_understood() {
    let mut api = api();
    let yaml = "apiVersion: dicomenc.io/v1alpha1\nkind: DicomEncryption\nspec: {size: 3}\n";
    let request = http::Request::patch(format!("{OBJECTS}/a?fieldManager=kubectl"))
        .header("content-type", patch::APPLY)
        .body(yaml.into())
        .unwrap();
    api.handle(&request, super::at(0));
    let made = api.object(&format!("{OBJECTS}/a")).unwrap();
    assert_eq!(made["spec"], json!({"size": 3}));
}

#[test]
fn an_older_crd_drops_a_status_field_until_it_is_updated() {
    let mut api = api_with_object();
    api.prune_status_field("keyAccess");
    let status = json!({"keyAccess": {"state": "Lost"}, "a": 1});
    assert_eq!(apply_status(&mut api, &status).1["status"], json!({"a": 1}));
    api.prune_nothing();
    assert_eq!(apply_status(&mut api, &status).1["status"], status);
}
