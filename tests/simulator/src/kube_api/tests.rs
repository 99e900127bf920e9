//! The server's behaviour, request by request.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

mod apply;
mod client;
mod faults;
mod lifecycle;
mod watch;

pub(super) const OBJECTS: &str = "/apis/dicomenc.io/v1alpha1/namespaces/default/dicomencryptions";
pub(super) const OBJECT: &str =
    "/apis/dicomenc.io/v1alpha1/namespaces/default/dicomencryptions/radiology";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

/// A point in time, some seconds after the tests' beginning.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn api() -> KubeApi {
    KubeApi::new(at(0))
}

/// A server with one object, `radiology`.
pub(super) fn api_with_object() -> KubeApi {
    let mut api = api();
    let object = json!({"metadata": {"name": "radiology"}, "spec": {"mode": "Manage"}});
    api.ask(&Method::POST, OBJECTS, &object, at(0)).unwrap();
    api
}

/// Sends a request as the client under test does.
pub(super) fn send(
    api: &mut KubeApi,
    method: Method,
    path: &str,
    media_type: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let body = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("content-type", media_type)
        .body(body)
        .unwrap();
    match api.handle(&request, at(60)) {
        KubeReply::Answer(response) => (
            response.status(),
            serde_json::from_slice(response.body()).unwrap(),
        ),
        KubeReply::Watch(_) | KubeReply::Lost | KubeReply::Silence | KubeReply::Delayed(..) => {
            panic!("no answer to {request:?}")
        }
    }
}

fn get(api: &mut KubeApi, path: &str) -> (StatusCode, Value) {
    send(api, Method::GET, path, "", &Value::Null)
}

fn post(api: &mut KubeApi, path: &str, body: &Value) -> (StatusCode, Value) {
    send(api, Method::POST, path, "application/json", body)
}

fn put(api: &mut KubeApi, path: &str, body: &Value) -> (StatusCode, Value) {
    send(api, Method::PUT, path, "application/json", body)
}

pub(super) fn merge(api: &mut KubeApi, path: &str, body: &Value) -> (StatusCode, Value) {
    send(api, Method::PATCH, path, patch::MERGE, body)
}

fn json_patch(api: &mut KubeApi, path: &str, body: &Value) -> (StatusCode, Value) {
    send(api, Method::PATCH, path, patch::JSON, body)
}

fn delete(api: &mut KubeApi, path: &str) -> (StatusCode, Value) {
    send(api, Method::DELETE, path, "application/json", &Value::Null)
}

#[test]
fn a_new_object_gets_identity_time_and_generation_and_loses_its_status() {
    let mut api = api();
    let object = json!({
        "metadata": {"name": "radiology", "labels": {"a": "b"}}, "spec": {"x": 1}, "status": {"y": 2},
    });
    let (status, made) = post(&mut api, OBJECTS, &object);
    assert_eq!(status, 201);
    let expected = json!({
        "apiVersion": "dicomenc.io/v1alpha1",
        "kind": "DicomEncryption",
        "metadata": {
            "name": "radiology",
            "namespace": "default",
            "labels": {"a": "b"},
            "uid": made["metadata"]["uid"],
            "creationTimestamp": "2027-01-15T08:01:00Z",
            "generation": 1,
            "resourceVersion": made["metadata"]["resourceVersion"],
        },
        "spec": {"x": 1},
    });
    assert_eq!(made, expected);
    assert_eq!(get(&mut api, OBJECT), (StatusCode::OK, made));
}

#[test]
fn objects_that_cannot_be_made_are_refused() {
    let mut api = api_with_object();
    let named = |name: &str| json!({"metadata": {"name": name}});
    let elsewhere = OBJECTS.replace("default", "elsewhere");
    let refusals = [
        (
            post(&mut api, OBJECTS, &named("radiology")),
            409,
            "AlreadyExists",
        ),
        (post(&mut api, OBJECTS, &json!({})), 422, "Invalid"),
        (post(&mut api, OBJECTS, &json!([])), 400, "BadRequest"),
        (
            post(&mut api, &elsewhere, &named("radiology")),
            404,
            "NotFound",
        ),
        (
            post(
                &mut api,
                "/apis/dicomenc.io/v2/dicomencryptions",
                &named("a"),
            ),
            404,
            "NotFound",
        ),
        (
            post(
                &mut api,
                OBJECTS,
                &json!({"metadata": {"name": "a", "resourceVersion": "1"}}),
            ),
            400,
            "BadRequest",
        ),
    ];
    for ((status, body), expected, reason) in refusals {
        assert_eq!(
            (status.as_u16(), &body["reason"]),
            (expected, &json!(reason)),
            "{body}"
        );
        assert_eq!(
            (&body["kind"], &body["code"]),
            (&json!("Status"), &json!(expected))
        );
    }
}

#[test]
fn generated_names_differ() {
    let mut api = api();
    let object = json!({"metadata": {"generateName": "probe-"}});
    let first = post(&mut api, OBJECTS, &object).1["metadata"]["name"].clone();
    let second = post(&mut api, OBJECTS, &object).1["metadata"]["name"].clone();
    assert!(first.as_str().unwrap().starts_with("probe-"));
    assert_ne!(first, second);
}

#[test]
fn only_changes_of_the_spec_count_as_generations() {
    let mut api = api_with_object();
    let generation = |answer: (StatusCode, Value)| answer.1["metadata"]["generation"].clone();
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(generation(merge(&mut api, OBJECT, &labels)), 1);
    let status = json!({"status": {"seen": true}});
    assert_eq!(
        generation(merge(&mut api, &format!("{OBJECT}/status"), &status)),
        1
    );
    assert_eq!(
        generation(merge(
            &mut api,
            OBJECT,
            &json!({"spec": {"mode": "Observe"}})
        )),
        2
    );
}

#[test]
fn every_change_has_a_new_version_and_no_change_has_none() {
    let mut api = api_with_object();
    let version = |api: &mut KubeApi| get(api, OBJECT).1["metadata"]["resourceVersion"].clone();
    let first = version(&mut api);
    for unchanged in [
        json!({}),
        json!({"spec": {"mode": "Manage"}}),
        json!({"metadata": {"labels": {}}}),
    ] {
        assert_eq!(merge(&mut api, OBJECT, &unchanged).0, 200);
        assert_eq!(version(&mut api), first, "{unchanged}");
    }
    assert!(api.writes().iter().all(|write| !write.changed));
    merge(
        &mut api,
        OBJECT,
        &json!({"metadata": {"labels": {"a": "b"}}}),
    );
    assert_ne!(version(&mut api), first);
    assert!(api.writes().last().unwrap().changed);
}

#[test]
fn the_object_and_its_status_are_written_apart() {
    let mut api = api_with_object();
    let both = json!({"spec": {"mode": "Observe"}, "status": {"seen": true}});
    let status_path = format!("{OBJECT}/status");
    let (_, after) = merge(&mut api, &status_path, &both);
    assert_eq!(
        (&after["spec"]["mode"], &after["status"]),
        (&json!("Manage"), &json!({"seen": true}))
    );
    let (_, after) = merge(
        &mut api,
        OBJECT,
        &json!({"spec": {"mode": "Observe"}, "status": null}),
    );
    assert_eq!(
        (&after["spec"]["mode"], &after["status"]),
        (&json!("Observe"), &json!({"seen": true}))
    );
}

#[test]
fn a_client_cannot_change_what_the_server_owns() {
    let mut api = api_with_object();
    let (_, before) = get(&mut api, OBJECT);
    let change = json!({"kind": "Other", "metadata": {
        "name": "other", "generation": 7, "creationTimestamp": null, "deletionTimestamp": "2027-01-01T00:00:00Z",
    }});
    assert_eq!(merge(&mut api, OBJECT, &change), (StatusCode::OK, before));
}

#[test]
fn a_lease_is_written_by_the_one_who_saw_its_latest_version() {
    let mut api = api();
    let lease = json!({"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}});
    let (_, seen) = post(&mut api, LEASES, &lease);
    assert_eq!(seen["metadata"].get("generation"), None);
    let path = format!("{LEASES}/leader");

    let mut renewed = seen.clone();
    renewed["spec"]["renewTime"] = json!("2027-01-15T08:00:00.000000Z");
    assert_eq!(put(&mut api, &path, &renewed).0, 200);

    let mut late = seen;
    late["spec"]["holderIdentity"] = json!("b");
    for (status, body) in [put(&mut api, &path, &late), merge(&mut api, &path, &late)] {
        assert_eq!(
            (status.as_u16(), &body["reason"]),
            (409, &json!("Conflict"))
        );
    }
    late["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    assert_eq!(
        put(&mut api, &path, &late).0,
        422,
        "an update needs a version"
    );
    assert_eq!(get(&mut api, &path).1["spec"]["holderIdentity"], "a");
}

#[test]
fn events_are_made_and_made_into_series() {
    let mut api = api();
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    let event = json!({"metadata": {"name": "radiology.1"}, "reason": "KeyDisabled"});
    assert_eq!(post(&mut api, events, &event).0, 201);
    let series = json!({"metadata": {"name": "radiology.1"}, "series": {"count": 2}});
    let (status, after) = merge(&mut api, &format!("{events}/radiology.1"), &series);
    assert_eq!(
        (status.as_u16(), &after["series"]["count"]),
        (200, &json!(2))
    );
    assert_eq!(api.objects("events").count(), 1);
}

#[test]
fn a_json_patch_takes_an_absent_field_for_null_in_its_tests() {
    let mut api = api_with_object();
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["dicomenc.io/teardown"]},
    ]);
    let (status, after) = json_patch(&mut api, OBJECT, &patch);
    assert_eq!(
        (status.as_u16(), &after["metadata"]["finalizers"]),
        (200, &json!(["dicomenc.io/teardown"]))
    );
    assert_eq!(after["metadata"]["generation"], 1);

    let (status, refusal) = json_patch(&mut api, OBJECT, &patch);
    assert_eq!(
        (status.as_u16(), &refusal["reason"]),
        (422, &json!("Invalid"))
    );
    let (_, later) = get(&mut api, OBJECT);
    assert_eq!(later, after, "a refused patch changes nothing");
}

#[test]
fn writes_are_recorded_with_path_manager_body_and_outcome_and_reads_are_not() {
    let mut api = api_with_object();
    get(&mut api, OBJECT);
    merge(
        &mut api,
        &format!("{OBJECT}/status?fieldManager=operator"),
        &json!({"status": {"a": 1}}),
    );
    delete(&mut api, &OBJECT.replace("radiology", "other"));
    let expected = [
        Write {
            at: at(60),
            method: Method::PATCH,
            path: format!("{OBJECT}/status"),
            manager: Some("operator".to_owned()),
            body: json!({"status": {"a": 1}}),
            status: StatusCode::OK,
            changed: true,
        },
        Write {
            at: at(60),
            method: Method::DELETE,
            path: OBJECT.replace("radiology", "other"),
            manager: None,
            body: Value::Null,
            status: StatusCode::NOT_FOUND,
            changed: false,
        },
    ];
    assert_eq!(api.writes(), expected);
    assert_eq!(api.calls(), 3);
}
