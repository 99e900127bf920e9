//! Faults.

use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::json;

use super::{OBJECT, OBJECTS, api, api_with_object, at};
use crate::kube_api::{Effect, Fault, KubeApi, KubeReply};

/// Makes an object as the client under test; what came back, in one word.
fn make(api: &mut KubeApi, name: &str) -> String {
    let body = json!({"metadata": {"name": name}}).to_string();
    let request = http::Request::post(OBJECTS).body(body.into()).unwrap();
    word(&api.handle(&request, at(1)))
}

fn word(reply: &KubeReply) -> String {
    match reply {
        KubeReply::Answer(response) => response.status().as_str().to_owned(),
        KubeReply::Watch(_) => "watch".to_owned(),
        KubeReply::Lost => "lost".to_owned(),
        KubeReply::Silence => "silence".to_owned(),
        KubeReply::Delayed(delay, reply) => format!("{} after {delay:#}", word(reply)),
    }
}

#[test]
fn each_effect_answers_and_takes_effect_as_it_says() {
    for (effect, answer, takes_effect) in [
        (Effect::LoseRequest, "lost", false),
        (Effect::LoseAnswer, "lost", true),
        (Effect::Silence, "silence", false),
        (
            Effect::Delay(SignedDuration::from_secs(3)),
            "201 after 3s",
            true,
        ),
        (
            Effect::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
            "500",
            false,
        ),
    ] {
        let mut api = api();
        api.add_fault(Fault::new(effect));
        assert_eq!(make(&mut api, "radiology"), answer);
        assert_eq!(api.object(OBJECT).is_some(), takes_effect, "{effect:?}");
    }
}

#[test]
fn a_rule_picks_requests_by_method_path_and_count() {
    let mut api = api_with_object();
    let refuse = Effect::Refuse(StatusCode::SERVICE_UNAVAILABLE);
    api.add_fault(
        Fault::new(refuse)
            .on(Method::POST)
            .path("dicomencryptions")
            .after(1)
            .times(2),
    );
    let get = http::Request::get(OBJECT)
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(word(&api.handle(&get, at(1))), "200");
    let answers: Vec<String> = ["a", "b", "c", "d"].map(|name| make(&mut api, name)).into();
    assert_eq!(answers, ["201", "503", "503", "201"]);
}

#[test]
fn the_interceptor_comes_first_and_healing_removes_all() {
    let mut api = api();
    api.add_fault(Fault::new(Effect::Silence));
    api.intercept(|call| (call.number == 1 && call.path == OBJECTS).then_some(Effect::LoseAnswer));
    assert_eq!(make(&mut api, "a"), "silence");
    assert_eq!(make(&mut api, "b"), "lost");
    assert_eq!(make(&mut api, "c"), "silence");
    api.heal();
    assert_eq!(make(&mut api, "d"), "201");
    assert_eq!(api.objects("dicomencryptions").count(), 2);
}

#[test]
fn somebody_else_is_not_hit_by_faults_and_not_recorded() {
    let mut api = api();
    api.add_fault(Fault::new(Effect::LoseRequest));
    let object = json!({"metadata": {"name": "radiology"}});
    assert!(api.ask(&Method::POST, OBJECTS, &object, at(1)).is_ok());
    let refused = api.ask(&Method::POST, OBJECTS, &object, at(1)).unwrap_err();
    assert_eq!(refused["reason"], "AlreadyExists");
    assert!(api.writes().is_empty());
    assert_eq!(api.calls(), 0);
}
