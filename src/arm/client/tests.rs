use std::sync::Arc;

use http::{HeaderValue, Method, header};
use serde_json::json;

use super::*;
use crate::arm::{
    budget::{Bucket, Limits},
    credential::CredentialFactory,
    dicom,
    error::Advice,
    fake::{CANARY, FakeCredential, FakeNetwork, Scripted, clock},
    operation::{self, OperationState},
    subscription,
};
use crate::azure::DicomServiceId;

mod limits;
mod links;
mod lists;

const SUBSCRIPTION: Uuid = Uuid::from_u128(0x1111_1111_1111_1111_1111_1111_1111_1111);

struct Rig {
    client: ArmClient,
    network: Arc<FakeNetwork>,
    credential: Arc<FakeCredential>,
    records: Arc<Mutex<Vec<CallRecord>>>,
}

fn rig() -> Rig {
    let clock = clock();
    let (network, records) = (
        Arc::new(FakeNetwork::default()),
        Arc::<Mutex<Vec<_>>>::default(),
    );
    let credential = FakeCredential::new(Arc::clone(&clock), Duration::from_hours(1));
    let (seen, inner) = (Arc::clone(&records), Arc::clone(&credential));
    let factory = CredentialFactory::new(move || Ok(Arc::<FakeCredential>::clone(&inner)));
    let settings = ArmSettings {
        endpoint: Url::parse("https://management.azure.com/").unwrap(),
        credential: CredentialId::new("operator"),
        tokens: Arc::new(TokenSource::new(factory, "scope", Arc::clone(&clock))),
        transport: Arc::<FakeNetwork>::clone(&network),
        budgets: Arc::new(Mutex::new(Budgets::new(Limits::default()))),
        clock,
        deadline: Duration::from_secs(30),
        instance: Uuid::from_u128(1),
        observer: Arc::new(move |record| seen.lock().unwrap().push(record.clone())),
    };
    Rig {
        client: ArmClient::try_new(settings).unwrap(),
        network,
        credential,
        records,
    }
}

fn service() -> DicomServiceId {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology")
        .parse()
        .unwrap()
}

fn tenant() -> String {
    json!({"tenantId": "99999999-9999-9999-9999-999999999999"}).to_string()
}

/// What every test ends with: nobody but the header saw the token.
fn assert_confined(rig: &Rig, shown: &impl fmt::Debug) {
    let shown = format!(
        "{shown:?} {rig:?}",
        rig = (&rig.client, rig.records.lock().unwrap())
    );
    assert!(!shown.contains(CANARY), "{shown}");
    for request in rig.network.requests() {
        assert_eq!(request.uri().scheme_str(), Some("https"));
        assert_eq!(request.uri().authority().unwrap(), "management.azure.com");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_out_with_token_version_and_ids_and_comes_back_with_its_times() {
    let rig = rig();
    let headers = [
        ("date", "Sun, 01 Mar 2026 08:00:07 GMT"),
        ("x-ms-request-id", "azure-1"),
        ("retry-after", "3"),
    ];
    rig.network.answers(200, &headers, &tenant());
    let correlated = rig.client.correlated(Uuid::from_u128(5));
    let answer = correlated
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap();
    assert_eq!(
        answer.value.tenant_id.to_string(),
        "99999999-9999-9999-9999-999999999999"
    );
    assert_eq!(answer.date, "2026-03-01T08:00:07Z".parse().ok());
    assert_eq!(answer.asked_at, "2026-03-01T08:00:00Z".parse().unwrap());
    assert_eq!(
        (answer.retry_after, answer.request_id.as_deref()),
        (Some(Duration::from_secs(3)), Some("azure-1"))
    );

    let request = rig.network.requests().remove(0);
    let expected =
        format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}?api-version=2022-12-01");
    assert_eq!(request.uri().to_string(), expected);
    let bearer = request.headers().get(header::AUTHORIZATION).unwrap();
    assert_eq!(
        bearer,
        &HeaderValue::try_from(format!("Bearer {CANARY}-1")).unwrap()
    );
    assert_eq!(
        request.headers()["x-ms-correlation-request-id"],
        Uuid::from_u128(5).to_string()
    );
    let record = rig.records.lock().unwrap().remove(0);
    assert_eq!(record.outcome, CallOutcome::Succeeded);
    assert_eq!(
        request.headers()["x-ms-client-request-id"],
        record.client_request_id.unwrap().to_string()
    );
    assert_eq!(
        (record.key.bucket, record.key.subscription),
        (Bucket::Read, Some(SUBSCRIPTION))
    );
    assert_confined(&rig, &answer);
}

#[tokio::test(start_paused = true)]
async fn a_write_carries_its_body_and_brings_the_link_of_its_operation() {
    let rig = rig();
    let own =
        "https://management.azure.com/subscriptions/s/operationresults/1?api-version=2024-03-31";
    rig.network
        .answers(202, &[("azure-asyncoperation", own)], "not json");
    rig.network.answers(200, &[], r#"{"status":"Succeeded"}"#);
    let answer = rig
        .client
        .send(dicom::put(&service(), json!({"a": 1.10})))
        .await
        .unwrap();
    let request = rig.network.requests().remove(0);
    assert_eq!(
        (request.method(), &request.body()[..]),
        (&Method::PUT, &br#"{"a":1.1}"#[..])
    );
    assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json");
    let link = answer.operation_url.unwrap();
    let state = rig
        .client
        .send(operation::status(link, Some(SUBSCRIPTION)))
        .await
        .unwrap()
        .value;
    assert_eq!(state, OperationState::Succeeded);
    assert_eq!(rig.network.requests()[1].uri().to_string(), own);
    let keys = rig
        .records
        .lock()
        .unwrap()
        .iter()
        .map(|record| record.key.bucket)
        .collect::<Vec<_>>();
    assert_eq!(keys, [Bucket::Write, Bucket::Read]);
}

#[tokio::test(start_paused = true)]
async fn a_401_drops_the_token_so_that_the_next_call_logs_in_again() {
    let rig = rig();
    rig.network.answers(200, &[], &tenant());
    rig.network.answers(
        401,
        &[],
        &format!(
            r#"{{"error":{{"code":"ExpiredAuthenticationToken","message":"{CANARY}-1 is old"}}}}"#
        ),
    );
    rig.network.answers(200, &[], &tenant());
    rig.client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap();
    time::advance(Duration::from_mins(1)).await;
    let error = rig
        .client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap_err();
    assert_eq!(error.advice(), Advice::Reauthenticate);
    rig.client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap();
    assert_eq!(rig.credential.logins(), 2);
    assert_confined(&rig, &(&error, error.to_string()));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let rig = rig();
    rig.network.will(Scripted::Silence);
    rig.network.will(Scripted::Failure(TransportError::Connect {
        detail: "refused".to_owned(),
    }));
    let before = time::Instant::now();
    let error = rig
        .client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap_err();
    assert_eq!(before.elapsed(), Duration::from_secs(30));
    assert!(
        matches!(
            &error,
            ArmError::Transport {
                source: TransportError::Timeout,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        rig.records.lock().unwrap()[0].elapsed,
        Duration::from_secs(30)
    );
    let refused = rig
        .client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap_err();
    assert_eq!(refused.advice(), Advice::Retry { after: None });
}

#[tokio::test(start_paused = true)]
async fn garbage_is_an_error_that_keeps_the_place_and_the_beginning_of_it() {
    let rig = rig();
    let echo = format!(r#"{{"id":"/x","properties":{{"provisioningState":["{CANARY}-1"]}}}}"#);
    for body in [
        echo.as_str(),
        "",
        "<html>captive portal</html>",
        "nonsense",
        "{\"id\":",
    ] {
        rig.network.answers(200, &[], body);
        let error = rig.client.send(dicom::get(&service())).await.unwrap_err();
        let ArmError::Undecodable { garbage, .. } = &error else {
            panic!("{error}")
        };
        assert!(garbage.excerpt.chars().count() <= 300);
        assert_eq!(error.advice(), Advice::Garbage);
        assert_confined(&rig, &(&error, error.to_string()));
    }
    rig.network.answers(200, &[], &echo);
    let error = rig.client.send(dicom::get(&service())).await.unwrap_err();
    assert!(
        error.to_string().contains("properties.provisioningState"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_login_nothing_is_sent() {
    let rig = rig();
    rig.credential
        .fail_with(Some("federated credential removed"));
    let error = rig
        .client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap_err();
    assert!(matches!(error, ArmError::Credential { .. }), "{error}");
    assert!(rig.network.requests().is_empty());
    assert_eq!(
        rig.records.lock().unwrap()[0].outcome,
        CallOutcome::NotLoggedIn
    );
}

#[test]
fn an_endpoint_without_https_gets_no_client() {
    let template = rig();
    for endpoint in [
        "http://management.azure.com/",
        "http://127.0.0.1:1/",
        "file:///x",
    ] {
        let endpoint = Url::parse(endpoint).unwrap();
        let settings = ArmSettings {
            endpoint,
            ..ArmSettings::clone(&template.client.settings)
        };
        assert!(matches!(
            ArmClient::try_new(settings),
            Err(TransportError::Setup { .. })
        ));
    }
}
