//! Watches, on tokio's paused clock.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{OBJECT, OBJECTS, api, api_with_object, at};
use crate::kube_api::{ConnectionLost, Effect, Fault, KubeApi, KubeBody, call};

type Shared = Arc<Mutex<KubeApi>>;

async fn open(api: &Shared, query: &str) -> KubeBody {
    let request = http::Request::get(format!("{OBJECTS}?watch=true&{query}"));
    let request = request.body(bytes::Bytes::new()).unwrap();
    let response = call(api, || at(1), request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// The next event as `TYPE name`, or what else comes.
async fn next(body: &mut KubeBody) -> String {
    match body.frame().await {
        None => "end".to_owned(),
        Some(Err(ConnectionLost)) => "broken".to_owned(),
        Some(Ok(frame)) => {
            let line = frame.into_data().unwrap();
            assert!(line.ends_with(b"\n"));
            let event: Value = serde_json::from_slice(&line).unwrap();
            let object = &event["object"];
            let what = object["metadata"]["name"]
                .as_str()
                .or_else(|| object["reason"].as_str());
            format!(
                "{} {}",
                event["type"].as_str().unwrap(),
                what.unwrap_or("-")
            )
        }
    }
}

fn change(api: &Shared, method: &Method, path: &str, body: &Value) {
    api.lock().unwrap().ask(method, path, body, at(2)).unwrap();
}

fn make(api: &Shared, name: &str, tier: &str) {
    let object = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
    change(api, &Method::POST, OBJECTS, &object);
}

fn version(api: &Shared) -> String {
    let list = api
        .lock()
        .unwrap()
        .ask(&Method::GET, OBJECTS, &Value::Null, at(2))
        .unwrap();
    list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_happens_after_its_version() {
    let api = Arc::new(Mutex::new(api()));
    make(&api, "before", "gold");
    let since = version(&api);
    make(&api, "missed", "gold");
    let mut watch = open(&api, &format!("resourceVersion={since}")).await;
    assert_eq!(next(&mut watch).await, "ADDED missed");
    change(
        &api,
        &Method::PATCH,
        &format!("{OBJECTS}/before"),
        &json!({"spec": {"a": 1}}),
    );
    change(
        &api,
        &Method::PATCH,
        &format!("{OBJECTS}/before"),
        &json!({"spec": {"a": 1}}),
    );
    change(
        &api,
        &Method::DELETE,
        &format!("{OBJECTS}/before"),
        &Value::Null,
    );
    assert_eq!(next(&mut watch).await, "MODIFIED before");
    assert_eq!(
        next(&mut watch).await,
        "DELETED before",
        "the repetition changed nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_a_version_begins_with_what_is_there() {
    let api = Arc::new(Mutex::new(api_with_object()));
    for query in ["", "resourceVersion=0"] {
        assert_eq!(
            next(&mut open(&api, query).await).await,
            "ADDED radiology",
            "{query:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_ends_with_a_bookmark_that_says_so() {
    let api = Arc::new(Mutex::new(api_with_object()));
    let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let mut watch = open(&api, query).await;
    assert_eq!(next(&mut watch).await, "ADDED radiology");
    let line = watch.frame().await.unwrap().unwrap().into_data().unwrap();
    let bookmark: Value = serde_json::from_slice(&line).unwrap();
    let expected = json!({"type": "BOOKMARK", "object": {
        "apiVersion": "dicomenc.io/v1alpha1", "kind": "DicomEncryption", "metadata": {
            "resourceVersion": version(&api), "annotations": {"k8s.io/initial-events-end": "true"},
        },
    }});
    assert_eq!(bookmark, expected);
}

#[tokio::test(start_paused = true)]
async fn a_watch_lasts_for_its_timeout_and_ends_with_a_bookmark_where_they_are_allowed() {
    let api = Arc::new(Mutex::new(api()));
    let since = version(&api);
    let begin = Instant::now();
    let mut watch = open(
        &api,
        &format!("resourceVersion={since}&timeoutSeconds=290&allowWatchBookmarks=true"),
    )
    .await;
    assert_eq!(next(&mut watch).await, "BOOKMARK -");
    assert_eq!(next(&mut watch).await, "end");
    assert_eq!(begin.elapsed().as_secs(), 290);

    let mut plain = open(&api, &format!("resourceVersion={since}&timeoutSeconds=10")).await;
    assert_eq!(next(&mut plain).await, "end");
    assert_eq!(begin.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_version_ends_with_410() {
    let api = Arc::new(Mutex::new(api_with_object()));
    let old = version(&api);
    api.lock().unwrap().compact();
    let mut watch = open(&api, &format!("resourceVersion={old}")).await;
    assert_eq!(next(&mut watch).await, "ERROR Expired");
    assert_eq!(next(&mut watch).await, "end");
    let mut again = open(
        &api,
        &format!("resourceVersion={}&timeoutSeconds=5", version(&api)),
    )
    .await;
    assert_eq!(next(&mut again).await, "end");
}

#[tokio::test(start_paused = true)]
async fn an_object_enters_and_leaves_a_selection() {
    let api = Arc::new(Mutex::new(api()));
    let since = version(&api);
    let mut watch = open(
        &api,
        &format!("resourceVersion={since}&labelSelector=tier%3Dgold"),
    )
    .await;
    make(&api, "a", "silver");
    let path = format!("{OBJECTS}/a");
    let tier = |tier: &str| json!({"metadata": {"labels": {"tier": tier}}});
    change(&api, &Method::PATCH, &path, &tier("gold"));
    change(&api, &Method::PATCH, &path, &json!({"spec": {"a": 1}}));
    change(&api, &Method::PATCH, &path, &tier("silver"));
    change(&api, &Method::DELETE, &path, &Value::Null);
    make(&api, "b", "gold");
    for expected in ["ADDED a", "MODIFIED a", "DELETED a", "ADDED b"] {
        assert_eq!(next(&mut watch).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_hears_of_its_own_namespace_and_kind_only() {
    let api = Arc::new(Mutex::new(api()));
    change(
        &api,
        &Method::POST,
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "imaging"}}),
    );
    let mut watch = open(&api, &format!("resourceVersion={}", version(&api))).await;
    let object = json!({"metadata": {"name": "x"}});
    change(
        &api,
        &Method::POST,
        &OBJECTS.replace("default", "imaging"),
        &object,
    );
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    change(&api, &Method::POST, leases, &object);
    make(&api, "ours", "gold");
    assert_eq!(next(&mut watch).await, "ADDED ours");
}

#[tokio::test(start_paused = true)]
async fn watches_can_be_ended_and_broken_and_refused() {
    let api = Arc::new(Mutex::new(api_with_object()));
    let mut ended = open(&api, "").await;
    api.lock().unwrap().end_watches();
    assert_eq!(
        next(&mut ended).await,
        "ADDED radiology",
        "what was on its way arrives"
    );
    assert_eq!(next(&mut ended).await, "end");

    let mut broken = open(&api, "").await;
    api.lock().unwrap().break_watches();
    assert_eq!(next(&mut broken).await, "ADDED radiology");
    assert_eq!(next(&mut broken).await, "broken");

    api.lock()
        .unwrap()
        .add_fault(Fault::new(Effect::LoseRequest).watches().times(1));
    let request = || {
        http::Request::get(format!("{OBJECTS}?watch=1"))
            .body(bytes::Bytes::new())
            .unwrap()
    };
    assert!(call(&api, || at(1), request()).await.is_err());
    assert!(call(&api, || at(1), request()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn delays_pass_on_tokios_clock_and_silence_lasts() {
    let api = Arc::new(Mutex::new(api_with_object()));
    let get = || {
        http::Request::get(OBJECT)
            .body(bytes::Bytes::new())
            .unwrap()
    };
    let delay = jiff::SignedDuration::from_secs(7);
    api.lock()
        .unwrap()
        .add_fault(Fault::new(Effect::Delay(delay)).times(1));
    api.lock().unwrap().add_fault(Fault::new(Effect::Silence));
    let begin = Instant::now();
    assert_eq!(call(&api, || at(1), get()).await.unwrap().status(), 200);
    assert_eq!(begin.elapsed().as_secs(), 7);
    let silent = tokio::time::timeout(Duration::from_hours(1), call(&api, || at(1), get()));
    assert!(silent.await.is_err());
}
