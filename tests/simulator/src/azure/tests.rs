//! The whole flow, and what all calls share.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

mod anything;

use super::{
    Reply,
    rig::{GROUP, KEY, Rig, SUBSCRIPTION, TENANT},
};

#[test]
fn the_operators_client_takes_a_service_from_microsofts_keys_to_the_customers() {
    let mut rig = Rig::new();
    rig.as_operator();
    let principal = rig.switch_identity_on();
    assert_eq!(rig.grant(&principal).status, 201);
    let url = rig.key_url();
    rig.pass(300);
    let answer = rig.put_key(&url);
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        rig.get(&Rig::service())
            .text("/properties/provisioningState"),
        "Updating"
    );
    rig.pass(30);
    let service = rig.get(&Rig::service());
    assert_eq!(service.text("/properties/provisioningState"), "Succeeded");
    assert_eq!(service.text(KEY), url);
    rig.pass(600);
    assert_eq!(
        rig.health().text("/properties/availabilityState"),
        "Available"
    );
}

#[test]
fn a_key_url_before_the_role_takes_effect_ends_failed_and_changes_nothing() {
    let mut rig = Rig::new();
    let principal = rig.switch_identity_on();
    rig.grant(&principal);
    let url = rig.key_url();
    let started = rig.put_key(&url);
    rig.pass(30);
    let operation = rig.get(started.header("azure-asyncoperation"));
    assert_eq!(operation.text("/status"), "Failed");
    assert_eq!(operation.code(), "ForbiddenByRbac");
    let service = rig.get(&Rig::service());
    assert_eq!(service.text("/properties/provisioningState"), "Failed");
    assert_eq!(service.at(KEY), &Value::Null);
    rig.pass(300);
    rig.put_key(&url);
    rig.pass(30);
    assert_eq!(rig.get(&Rig::service()).text(KEY), url);
}

#[test]
fn arm_demands_an_api_version_that_is_a_date() {
    let mut rig = Rig::new();
    let vault = Rig::vault();
    assert_eq!(rig.get(&vault).code(), "MissingApiVersionParameter");
    assert_eq!(
        rig.get(&format!("{vault}?api-version=latest")).code(),
        "InvalidApiVersionParameter"
    );
    assert_eq!(
        rig.get(&format!("{vault}?api-version=2025-05-31-preview"))
            .status,
        200
    );
}

#[test]
fn paths_are_read_in_any_case_and_with_doubled_slashes() {
    let mut rig = Rig::new();
    let odd = Rig::service()
        .replace("resourceGroups", "RESOURCEGROUPS")
        .replace("/workspaces", "//WorkSpaces");
    let answer = rig.get(&odd);
    assert_eq!(answer.status, 200);
    let plain = rig.get(&Rig::service());
    assert_eq!(answer.body, plain.body);
}

#[test]
fn tokens_that_are_missing_expired_or_for_another_audience_are_refused() {
    let mut rig = Rig::new();
    let url = format!("https://management.azure.com{}", Rig::service());
    let bare = Request::get(&url).body(Bytes::new()).unwrap();
    let answer = rig.send(&bare);
    assert_eq!(
        (answer.status, answer.code()),
        (401, "AuthenticationFailed")
    );
    assert!(answer.header("www-authenticate").contains(TENANT));
    let operator = super::Operator::default();
    let with = |audience: &str, now: jiff::Timestamp, hours: i64| {
        let ends = now
            .checked_add(jiff::SignedDuration::from_hours(hours))
            .unwrap();
        let token = super::caller::token("owner", TENANT, &operator, (audience, now, ends));
        let request = Request::get(&url).header("authorization", format!("Bearer {token}"));
        request.body(Bytes::new()).unwrap()
    };
    let late = with("https://management.azure.com", rig.now, 0);
    assert_eq!(rig.send(&late).code(), "ExpiredAuthenticationToken");
    let vault = with("https://vault.azure.net", rig.now, 1);
    assert_eq!(
        rig.send(&vault).code(),
        "InvalidAuthenticationTokenAudience"
    );
}

#[test]
fn a_token_request_with_a_secret_or_an_assertion_gets_a_token_that_works() {
    for proof in ["client_secret=s3cret", "client_assertion=ey.y.z"] {
        let mut rig = Rig::new();
        let form = format!(
            "grant_type=client_credentials&client_id=someone&{proof}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
        );
        let url = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
        let asked = Request::post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .unwrap();
        let token = rig.send(&asked).text("/access_token").to_owned();
        let request = Request::get(format!("https://management.azure.com{}", Rig::service()))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .unwrap();
        assert_eq!(rig.send(&request).status, 200);
        let journal = serde_json::to_string(&rig.azure.journal()).unwrap();
        assert!(
            !journal.contains("s3cret") && !journal.contains(&token),
            "{journal}"
        );
    }
}

#[test]
fn a_token_request_without_a_proof_or_for_another_tenant_is_refused_in_oauths_shape() {
    let mut rig = Rig::new();
    for (tenant, status, code) in [
        (TENANT, 401, "invalid_client"),
        ("elsewhere", 400, "invalid_request"),
    ] {
        let url = format!("http://127.0.0.1:1/{tenant}/oauth2/v2.0/token");
        let body = Bytes::from("grant_type=client_credentials&client_id=someone");
        let answer = rig.send(&Request::post(url).body(body).unwrap());
        assert_eq!((answer.status, answer.text("/error")), (status, code));
    }
}

#[test]
fn on_loopback_everything_is_found_by_path_and_links_lead_back_there() {
    let mut rig = Rig::new();
    let base = "http://127.0.0.1:8080";
    let clouds = Request::get(format!("{base}/metadata/endpoints?api-version=2022-09-01"));
    let clouds = rig.send(&clouds.body(Bytes::new()).unwrap());
    assert_eq!(clouds.text("/resourceManager"), "http://127.0.0.1:8080/");
    let openid = Request::get(format!(
        "{base}/{TENANT}/v2.0/.well-known/openid-configuration"
    ));
    let openid = rig.send(&openid.body(Bytes::new()).unwrap());
    assert!(openid.text("/token_endpoint").starts_with(base));
    let body = json!({ "tags": { "a": "b" } });
    let patched = rig.call("PATCH", &format!("{base}{}", Rig::service()), Some(body));
    assert!(patched.header("azure-asyncoperation").starts_with(base));
    let lookup = format!("{base}/v1.0/directoryObjects/getByIds");
    assert_eq!(rig.call("POST", &lookup, Some(json!({}))).status, 405);
}

#[test]
fn reads_and_writes_come_out_of_buckets_that_refill() {
    let mut rig = Rig::new();
    let first = rig.get(&Rig::service());
    assert_eq!(
        first.header("x-ms-ratelimit-remaining-subscription-reads"),
        "249"
    );
    for _ in 0..249 {
        assert_eq!(rig.get(&Rig::service()).status, 200);
    }
    let refused = rig.get(&Rig::service());
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    rig.pass(1);
    let again = rig.get(&Rig::service());
    assert_eq!(
        again.header("x-ms-ratelimit-remaining-subscription-reads"),
        "24"
    );
    rig.as_operator();
    let other = rig.get(&Rig::service());
    assert_eq!(
        other.header("x-ms-ratelimit-remaining-subscription-reads"),
        "249"
    );
}

#[test]
fn the_operators_client_is_held_to_its_role() {
    let mut rig = Rig::new();
    rig.as_operator();
    let cases = [
        (
            "DELETE",
            Rig::service(),
            "Microsoft.HealthcareApis/workspaces/dicomservices/delete",
        ),
        (
            "DELETE",
            format!("{}?api-version=2026-02-01", Rig::vault()),
            "Microsoft.KeyVault/vaults/delete",
        ),
        (
            "PUT",
            format!("{}?api-version=2026-02-01", Rig::vault()),
            "Microsoft.KeyVault/vaults/write",
        ),
        (
            "GET",
            format!("{GROUP}?api-version=2021-04-01"),
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ),
        (
            "DELETE",
            Rig::assignment(&Rig::vault(), &super::guid("x")),
            "Microsoft.Authorization/roleAssignments/delete",
        ),
    ];
    for (method, path, action) in cases {
        let answer = rig.call(method, &path, Some(json!({})));
        assert_eq!(
            (answer.status, answer.code()),
            (403, "AuthorizationFailed"),
            "{method} {path}"
        );
        let message = answer.text("/error/message");
        assert!(message.contains(&format!("'{action}'")), "{message}");
        let scope = path.split('?').next().unwrap();
        assert!(
            message.contains(&format!("over scope '{scope}'")),
            "{message}"
        );
    }
    assert_eq!(
        rig.get(&format!("{SUBSCRIPTION}?api-version=2022-12-01"))
            .status,
        200
    );
}

#[test]
fn the_journal_has_both_sides_in_the_shape_that_oav_reads() {
    let mut rig = Rig::new();
    let body = json!({ "tags": { "a": "1.10" } });
    rig.call("PATCH", &Rig::service(), Some(body.clone()));
    let journal = serde_json::to_value(rig.azure.journal()).unwrap();
    let request = &journal[0]["liveRequest"];
    assert_eq!(request["method"], "PATCH");
    assert_eq!(
        request["url"],
        format!("https://management.azure.com{}", Rig::service())
    );
    assert_eq!(request["query"], json!({ "api-version": "2024-03-31" }));
    assert_eq!(request["headers"]["authorization"], "REDACTED");
    assert_eq!(request["body"], body);
    let response = &journal[0]["liveResponse"];
    assert_eq!(response["statusCode"], "202");
    assert_eq!(response["headers"]["date"], "Tue, 24 Nov 2026 08:00:00 GMT");
    assert_eq!(response["body"]["tags"], json!({ "a": "1.10" }));
    assert_eq!(rig.azure.journal(), Vec::new());
}

#[test]
fn two_runs_of_the_same_story_have_the_same_journal() {
    let story = || {
        let mut rig = Rig::new();
        let principal = rig.switch_identity_on();
        rig.grant(&principal);
        rig.pass(300);
        let url = rig.key_url();
        rig.put_key(&url);
        rig.set("key clinic-keys/dicom-cmk disabled");
        rig.pass(4000);
        rig.health();
        (rig.azure.journal(), rig.azure.show(rig.now))
    };
    assert_eq!(story(), story());
}

#[test]
fn the_next_event_is_the_end_of_what_runs() {
    let mut rig = Rig::new();
    assert_eq!(rig.azure.next_event(), None);
    rig.call("PATCH", &Rig::service(), Some(json!({ "tags": {} })));
    let end = rig
        .now
        .checked_add(jiff::SignedDuration::from_secs(30))
        .unwrap();
    assert_eq!(rig.azure.next_event(), Some(end));
}

#[test]
fn faults_hit_the_calls_they_name_and_no_others() {
    let mut rig = Rig::new();
    rig.set("faults GET dicomservices status 503 skip 1 times 1");
    assert_eq!(rig.get(&Rig::service()).status, 200);
    assert_eq!(
        rig.get(&format!("{}?api-version=2026-02-01", Rig::vault()))
            .status,
        200
    );
    assert_eq!(rig.get(&Rig::service()).status, 503);
    assert_eq!(rig.get(&Rig::service()).status, 200);
    rig.set("faults any any throttled soon");
    let throttled = rig.get(&Rig::service());
    assert_eq!(
        (throttled.status, throttled.header("retry-after")),
        (429, "soon")
    );
    rig.set("faults off");
    assert_eq!(rig.get(&Rig::service()).status, 200);
}

#[test]
fn a_lost_answer_has_its_effect_and_a_dropped_call_has_none() {
    for (fault, changed) in [("drop-after", true), ("drop-before", false)] {
        let mut rig = Rig::new();
        rig.set(&format!("faults PUT any {fault}"));
        let name = super::guid("mine");
        let url = format!(
            "https://management.azure.com{}",
            Rig::assignment(&Rig::vault(), &name)
        );
        let ends = rig
            .now
            .checked_add(jiff::SignedDuration::from_hours(1))
            .unwrap();
        let times = ("https://management.azure.com", rig.now, ends);
        let token = super::caller::token("o", TENANT, &super::Operator::default(), times);
        let body = Rig::assignment_body("33333333-3333-3333-3333-333333333333").to_string();
        let request = Request::put(url)
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::from(body))
            .unwrap();
        assert!(matches!(rig.azure.handle(&request, rig.now), Reply::Reset));
        let found = rig.get(&Rig::assignment(&Rig::vault(), &name)).status;
        assert_eq!(found == 200, changed, "{fault}");
    }
}

#[test]
fn foreign_links_take_the_place_of_our_own() {
    let mut rig = Rig::new();
    rig.set("faults GET dicomservices next-link https://evil.example/x times 1");
    let list = Rig::service().replace("/radiology", "");
    assert_eq!(rig.get(&list).text("/nextLink"), "https://evil.example/x");
    rig.set("faults PATCH any poll-link https://evil.example/y");
    let answer = rig.call("PATCH", &Rig::service(), Some(json!({ "tags": {} })));
    assert_eq!(
        answer.header("azure-asyncoperation"),
        "https://evil.example/y"
    );
}

#[test]
fn a_broken_or_throttling_control_plane_refuses_everything_until_it_works_again() {
    let mut rig = Rig::new();
    rig.set("control-plane broken");
    assert_eq!(rig.get(&Rig::service()).status, 503);
    rig.set("control-plane ok");
    rig.set("throttling on 17");
    let answer = rig.get(&Rig::service());
    assert_eq!((answer.status, answer.header("retry-after")), (429, "17"));
    rig.set("throttling off");
    assert_eq!(rig.get(&Rig::service()).status, 200);
}
