use http::header;
use serde_json::json;

use super::*;
use crate::arm::{
    Call, Page,
    credential::CredentialFactory,
    dicom_data,
    error::{ArmError, Refusal, RefusalContext},
    fake::{CANARY, FakeCredential, FakeNetwork, clock},
    key_vault::Key,
    vault_data,
};

struct Rig {
    plane: Arc<DataPlane>,
    network: Arc<FakeNetwork>,
    records: Arc<Mutex<Vec<CallRecord>>>,
}

fn rig(suffix: &str, limit: Limit) -> Rig {
    let clock = clock();
    let (network, records) = (
        Arc::new(FakeNetwork::default()),
        Arc::<Mutex<Vec<_>>>::default(),
    );
    let credential = FakeCredential::new(Arc::clone(&clock), Duration::from_hours(1));
    let factory = CredentialFactory::new(move || Ok(Arc::<FakeCredential>::clone(&credential)));
    let seen = Arc::clone(&records);
    let plane = DataPlane::new(DataPlaneSettings {
        suffix: suffix.to_owned(),
        credential: CredentialId::new("operator"),
        tokens: Arc::new(TokenSource::new(factory, "scope", Arc::clone(&clock))),
        transport: Arc::<FakeNetwork>::clone(&network),
        limit,
        clock,
        deadline: Duration::from_secs(5),
        instance: Uuid::from_u128(1),
        observer: Arc::new(move |record| seen.lock().unwrap().push(record.clone())),
    });
    Rig {
        plane,
        network,
        records,
    }
}

fn vault(name: &str) -> VaultId {
    format!("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/{name}")
        .parse()
        .unwrap()
}

fn service() -> DicomServiceId {
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/Clinic/dicomservices/Radiology"
        .parse()
        .unwrap()
}

fn versions(name: &str) -> Call<Page<Key>> {
    vault_data::versions(&vault(name), &"dicom-cmk".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_vault_is_asked_at_its_own_host_with_the_token_and_the_version() {
    let rig = rig("vault.azure.net", VAULT_LIMIT);
    rig.network.answers(200, &[], r#"{"value": []}"#);
    let client = rig.plane.of_vault(&vault("Clinic-Keys")).unwrap();
    client.list(versions("Clinic-Keys")).await.unwrap();
    let request = rig.network.requests().remove(0);
    assert_eq!(
        request.uri().to_string(),
        "https://clinic-keys.vault.azure.net/keys/dicom-cmk/versions?api-version=7.5"
    );
    assert!(request.headers().contains_key(header::AUTHORIZATION));
    assert_eq!(rig.records.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_asked_at_the_host_of_its_workspace_and_name_without_a_query() {
    let rig = rig("dicom.azurehealthcareapis.com", DICOM_LIMIT);
    rig.network.answers(200, &[], "no json, and not looked at");
    let client = rig.plane.of_service(&service()).unwrap();
    client.send(dicom_data::latest(&service())).await.unwrap();
    assert_eq!(
        rig.network.requests()[0].uri().to_string(),
        "https://clinic-radiology.dicom.azurehealthcareapis.com/v2/changefeed/latest"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_for_one_vault_never_reaches_another_host() {
    for foreign in [
        "https://other-keys.vault.azure.net/keys/dicom-cmk/versions?$skiptoken=x",
        "https://management.azure.com/keys",
        "http://clinic-keys.vault.azure.net/keys/dicom-cmk/versions",
        "https://clinic-keys.vault.azure.net.example.org/keys",
        "https://clinic-keys.vault.azure.net:8443/keys",
        "https://user@clinic-keys.vault.azure.net/keys",
        "//example.org/keys",
    ] {
        let rig = rig("vault.azure.net", VAULT_LIMIT);
        let page = json!({"value": [], "nextLink": foreign}).to_string();
        rig.network.answers(200, &[], &page);
        let client = rig.plane.of_vault(&vault("clinic-keys")).unwrap();
        let error = client.list(versions("clinic-keys")).await.unwrap_err();
        assert!(
            matches!(error, ArmError::ForeignLink { .. }),
            "{foreign} {error}"
        );
        assert_eq!(rig.network.requests().len(), 1);
        let shown = format!(
            "{error:?} {:?} {:?}",
            rig.plane,
            rig.records.lock().unwrap()
        );
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_page_of_the_same_vault_is_read_also_where_it_writes_the_default_port() {
    let rig = rig("vault.azure.net", VAULT_LIMIT);
    let next = "https://clinic-keys.vault.azure.net:443/keys/dicom-cmk/versions?api-version=7.5&$skiptoken=x";
    let page = json!({"value": [], "nextLink": next}).to_string();
    rig.network.answers(200, &[], &page);
    rig.network
        .answers(200, &[], r#"{"value": [], "nextLink": null}"#);
    let client = rig.plane.of_vault(&vault("clinic-keys")).unwrap();
    client.list(versions("clinic-keys")).await.unwrap();
    assert_eq!(rig.network.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed_and_a_challenge_is_not_answered() {
    let rig = rig("vault.azure.net", VAULT_LIMIT);
    let client = rig.plane.of_vault(&vault("clinic-keys")).unwrap();
    rig.network
        .answers(307, &[("location", "https://example.org/")], "");
    let error = client.list(versions("clinic-keys")).await.unwrap_err();
    assert!(matches!(error, ArmError::Redirected { .. }), "{error}");
    let challenge =
        r#"Bearer authorization="https://login.example.org/x", resource="https://example.org""#;
    rig.network
        .answers(401, &[("www-authenticate", challenge)], "");
    let refused = client.list(versions("clinic-keys")).await.unwrap_err();
    assert_eq!(
        refused.refusal().map(|refusal| refusal.status.as_u16()),
        Some(401)
    );
    assert_eq!(rig.network.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_vault_has_a_budget_of_its_own_of_forty_calls_in_ten_seconds() {
    let rig = rig("vault.azure.net", VAULT_LIMIT);
    let client = rig.plane.of_vault(&vault("clinic-keys")).unwrap();
    let mut sent = 0;
    for _ in 0..100 {
        rig.network.answers(200, &[], r#"{"value": []}"#);
        if client.send(versions("clinic-keys").urgent()).await.is_ok() {
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((39..=40).contains(&sent), "{sent}");
    let other = rig.plane.of_vault(&vault("heart-keys")).unwrap();
    assert!(other.send(versions("heart-keys")).await.is_ok());
}

#[test]
fn a_name_that_makes_another_host_is_refused() {
    for host in [
        "example.org/.vault.azure.net",
        "example.org#.vault.azure.net",
        "user@vault.azure.net",
        "example.org:443",
        "xn--d1\u{430}.vault.azure.net",
        "",
        "a b.vault.azure.net",
    ] {
        assert!(origin(host).is_err(), "{host}");
    }
    assert!(origin("clinic-keys.vault.azure.net").is_ok());
}

#[test]
fn a_refusal_of_a_vault_keeps_its_closer_word() {
    let body = json!({"error": {"code": "Forbidden", "message": "no", "innererror": {"code": "ForbiddenByFirewall"}}});
    let context = RefusalContext {
        subject: versions("clinic-keys").subject,
        status: http::StatusCode::FORBIDDEN,
        headers: &http::HeaderMap::new(),
        retry_after: None,
        secrets: &[],
    };
    let refusal = Refusal::read(context, body.to_string().as_bytes());
    assert_eq!(refusal.inner_code.as_deref(), Some("ForbiddenByFirewall"));
}
