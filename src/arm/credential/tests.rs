use std::time::Duration;

use azure_core::credentials::Secret;
use rustls::crypto::ring;
use tokio::time::advance;
use url::Url;

use super::*;
use crate::arm::{
    fake::{CANARY, FakeCredential, FakeNetwork, clock},
    transport::{HttpSettings, HttpTransport, Transport},
};

fn source(lifetime: u64) -> (Arc<FakeCredential>, Arc<TokenSource>) {
    let clock = clock();
    let credential = FakeCredential::new(Arc::clone(&clock), Duration::from_secs(lifetime));
    let shared: Arc<dyn TokenCredential> = Arc::<FakeCredential>::clone(&credential);
    let factory = CredentialFactory::fixed(shared);
    let source = TokenSource::new(factory, "https://management.azure.com/.default", clock);
    (credential, Arc::new(source))
}

async fn secret(source: &TokenSource) -> String {
    source.token().await.unwrap().secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn one_login_serves_many_calls() {
    let (credential, source) = source(3_600);
    let all = futures::future::join_all((0..20).map(|_| source.token())).await;
    assert!(all.iter().all(Result::is_ok));
    advance(Duration::from_secs(3_500)).await;
    assert_eq!(secret(&source).await, format!("{CANARY}-1"));
    assert_eq!(credential.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_its_last_minute_is_not_used_any_more() {
    let (_credential, source) = source(3_600);
    source.token().await.unwrap();
    advance(Duration::from_secs(3_541)).await;
    assert_eq!(secret(&source).await, format!("{CANARY}-2"));
}

#[tokio::test(start_paused = true)]
async fn the_token_is_renewed_in_the_background_long_before_its_end() {
    let (credential, source) = source(3_600);
    source.token().await.unwrap();
    tokio::select! {
        never = source.keep_fresh() => match never {},
        () = time::sleep(Duration::from_secs(2_300)) => assert_eq!(credential.logins(), 1),
    }
    tokio::select! {
        never = source.keep_fresh() => match never {},
        () = time::sleep(Duration::from_secs(200)) => {}
    }
    assert_eq!(credential.logins(), 2);
    assert_eq!(secret(&source).await, format!("{CANARY}-2"));
}

#[tokio::test(start_paused = true)]
async fn a_good_token_goes_on_while_its_renewal_fails() {
    let (credential, source) = source(3_600);
    source.token().await.unwrap();
    credential.fail_with(Some("the authority is down"));
    tokio::select! {
        never = source.keep_fresh() => match never {},
        () = time::sleep(Duration::from_mins(50)) => {}
    }
    assert!(
        (3..40).contains(&credential.logins()),
        "{}",
        credential.logins()
    );
    assert_eq!(secret(&source).await, format!("{CANARY}-1"));
    credential.fail_with(None);
    tokio::select! {
        never = source.keep_fresh() => match never {},
        () = time::sleep(Duration::from_mins(2)) => {}
    }
    assert_ne!(secret(&source).await, format!("{CANARY}-1"));
}

#[tokio::test(start_paused = true)]
async fn a_failing_login_is_not_tried_for_every_call() {
    let (credential, source) = source(3_600);
    credential.fail_with(Some("no such client"));
    assert!(matches!(
        source.token().await,
        Err(CredentialError::Login { .. })
    ));
    for _ in 0..50 {
        let error = source.token().await.unwrap_err();
        assert!(
            matches!(error, CredentialError::Waiting { wait, .. } if wait == FIRST_BACKOFF),
            "{error}"
        );
        assert!(error.to_string().contains("no such client"), "{error}");
    }
    assert_eq!(credential.logins(), 1);
    advance(FIRST_BACKOFF).await;
    assert!(matches!(
        source.token().await,
        Err(CredentialError::Login { .. })
    ));
    let waiting = source.token().await.unwrap_err();
    assert!(matches!(waiting, CredentialError::Waiting { wait, .. } if wait == FIRST_BACKOFF * 2));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_dropped_and_never_handed_out_again() {
    let (credential, source) = source(3_600);
    let first = source.token().await.unwrap();
    advance(Duration::from_mins(1)).await;
    source.reject(&first);
    let second = source.token().await.unwrap();
    assert_ne!(first, second);
    // a late refusal of the old token does not cost the new one
    source.reject(&first);
    assert_eq!(source.token().await.unwrap(), second);
    // and tokens that are refused at once do not make a login per call
    source.reject(&second);
    assert!(matches!(
        source.token().await,
        Err(CredentialError::Waiting { .. })
    ));
    assert_eq!(credential.logins(), 2);
    advance(BETWEEN_LOGINS).await;
    assert!(source.token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_secret_shows_in_debug_or_display() {
    let (credential, source) = source(3_600);
    let token = source.token().await.unwrap();
    let settings = CredentialSettings::ClientSecret {
        tenant_id: "t".to_owned(),
        client_id: "c".to_owned(),
        secret: Secret::new(CANARY.to_owned()),
    };
    credential.fail_with(Some("Bearer CANARY-7f3b-9 was refused"));
    source.reject(&token);
    advance(BETWEEN_LOGINS).await;
    let error = source.token().await.unwrap_err();
    let shown = format!("{source:?} {token:?} {settings:?} {error:?} {error}");
    assert!(!shown.contains(CANARY), "{shown}");
}

#[test]
fn the_way_to_log_in_is_guessed_from_the_environment_as_aks_fills_it() {
    const IDS: [(&str, &str); 2] = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    const FILE: (&str, &str) = ("AZURE_FEDERATED_TOKEN_FILE", "/f");
    const SECRET: (&str, &str) = ("AZURE_CLIENT_SECRET", "s");
    let guess = |given: &'static [(&str, &str)]| {
        CredentialSettings::detect(|name| {
            given
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .as_str()
    };
    assert_eq!(guess(&[IDS[0], IDS[1], FILE, SECRET]), "workload-identity");
    assert_eq!(guess(&[IDS[0], IDS[1], SECRET]), "client-secret");
    assert_eq!(guess(&[IDS[0], IDS[1]]), "managed-identity");
    assert_eq!(guess(&[IDS[1], FILE]), "managed-identity");
    assert_eq!(guess(&[]), "managed-identity");
    assert_eq!(
        guess(&[IDS[0], IDS[1], ("AZURE_FEDERATED_TOKEN_FILE", ""), SECRET]),
        "client-secret"
    );
}

fn network(login: &Arc<FakeNetwork>, metadata: &Arc<FakeNetwork>) -> LoginNetwork {
    LoginNetwork {
        authority: Url::parse("https://login.microsoftonline.com/").unwrap(),
        transport: Arc::<FakeNetwork>::clone(login),
        metadata: Arc::<FakeNetwork>::clone(metadata),
    }
}

#[tokio::test]
async fn a_client_secret_goes_to_the_authority_of_the_cloud_and_nowhere_else() {
    let (login, metadata) = (
        Arc::new(FakeNetwork::default()),
        Arc::new(FakeNetwork::default()),
    );
    login.answers(
        200,
        &[],
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"abc"}"#,
    );
    login.answers(
        401,
        &[],
        r#"{"error_codes":[7000215],"error_description":"invalid secret s3cr3t-s3cr3t"}"#,
    );
    let settings = CredentialSettings::ClientSecret {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
        secret: Secret::new("s3cr3t-s3cr3t"),
    };
    let factory = settings.factory(network(&login, &metadata));
    let source = TokenSource::new(factory, "https://management.azure.com/.default", clock());
    let token = source.token().await.unwrap();
    assert_eq!(token.secret(), "abc");
    let request = login.requests().remove(0);
    assert_eq!(
        request.uri(),
        "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
    );
    let body = String::from_utf8_lossy(request.body());
    assert!(
        body.contains("scope=https%3A%2F%2Fmanagement.azure.com%2F.default"),
        "{body}"
    );
    assert!(metadata.requests().is_empty());

    // one attempt each: no retries hide in the library, and its words are made printable
    let error = source.fresh_token().await.unwrap_err();
    assert_eq!(login.requests().len(), 2);
    assert!(error.to_string().contains("invalid secret"), "{error}");
    assert!(!format!("{error:?} {error}").contains("s3cr3t"), "{error}");
}

#[tokio::test]
async fn the_machines_identity_is_asked_at_the_metadata_endpoint_past_any_proxy() {
    let (login, metadata) = (
        Arc::new(FakeNetwork::default()),
        Arc::new(FakeNetwork::default()),
    );
    let answer =
        r#"{"access_token":"abc","expires_on":"4102444800","token_type":"Bearer","resource":"r"}"#;
    metadata.answers(200, &[], answer);
    let settings = CredentialSettings::ManagedIdentity {
        client_id: Some("client".to_owned()),
    };
    let source = TokenSource::new(
        settings.factory(network(&login, &metadata)),
        "https://management.azure.com/.default",
        clock(),
    );
    source.token().await.unwrap();
    let request = metadata.requests().remove(0);
    assert_eq!(request.uri().host(), Some("169.254.169.254"));
    assert!(request.uri().query().unwrap().contains("client_id=client"));
    assert!(login.requests().is_empty());
}

#[tokio::test]
async fn a_missing_token_file_is_a_matter_of_settings() {
    let real: Arc<dyn Transport> = {
        ring::default_provider().install_default().ok();
        Arc::new(HttpTransport::try_new(&HttpSettings::default()).unwrap())
    };
    let settings = CredentialSettings::WorkloadIdentity {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
        token_file: "does/not/exist".into(),
    };
    let network = LoginNetwork {
        authority: Url::parse("https://login.microsoftonline.com/").unwrap(),
        transport: Arc::clone(&real),
        metadata: real,
    };
    let source = TokenSource::new(settings.factory(network), "s", clock());
    let error = source.token().await.unwrap_err();
    assert!(
        matches!(&error, CredentialError::Settings { detail } if detail.contains("does/not/exist")),
        "{error}"
    );
}
