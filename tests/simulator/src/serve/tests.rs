//! The shell over real sockets, as a client meets it.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Proxy};
use rustls::crypto::ring;
use serde_json::{Value, json};

use super::*;

/// A client that trusts the simulator's CA and nobody else, and never hangs a test for long.
fn client(running: &Running) -> ClientBuilder {
    ring::default_provider().install_default().ok();
    let ca = Certificate::from_pem(running.ca_pem.as_bytes()).unwrap();
    Client::builder()
        .no_proxy()
        .tls_certs_only([ca])
        .timeout(Duration::from_secs(10))
}

fn through_proxy(running: &Running) -> Client {
    let proxy = Proxy::https(format!("http://{}", running.http)).unwrap();
    client(running).proxy(proxy).build().unwrap()
}

async fn started() -> Running {
    serve(Options::loopback()).await.unwrap()
}

fn urls(exchanges: &[Value]) -> Vec<String> {
    exchanges
        .iter()
        .map(|exchange| exchange["liveRequest"]["url"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn http_and_https_lead_to_the_same_estate_under_the_host_that_was_called() {
    let running = started().await;
    let client = client(&running).build().unwrap();
    let http = format!(
        "http://{}/metadata/endpoints?api-version=2022-09-01",
        running.http
    );
    let https = format!(
        "https://localhost:{}/metadata/endpoints?api-version=2022-09-01",
        running.https.port()
    );
    for url in [&http, &https] {
        assert_eq!(client.get(url).send().await.unwrap().status(), 200, "{url}");
    }
    assert_eq!(urls(&running.journal(0)), [http, https]);
    running.shutdown().await;
}

#[tokio::test]
async fn a_proxied_client_reaches_azures_own_host_names_over_trusted_tls() {
    let running = started().await;
    let client = through_proxy(&running);
    for url in [
        "https://management.azure.com/metadata/endpoints?api-version=2022-09-01",
        "https://clinic-keys.vault.azure.net/keys/dicom-cmk?api-version=7.4",
        "https://clinic-radiology.dicom.azurehealthcareapis.com/v2/changefeed/latest",
    ] {
        client.get(url).send().await.unwrap();
        assert_eq!(urls(&running.journal(0)).pop().unwrap(), url);
    }
    running.shutdown().await;
}

#[tokio::test]
async fn the_proxy_refuses_hosts_that_it_does_not_play() {
    let running = started().await;
    let error = through_proxy(&running)
        .get("https://example.org/")
        .send()
        .await
        .unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert!(running.journal(0).is_empty());
    running.shutdown().await;
}

#[tokio::test]
async fn https_offers_http2_and_http11() {
    let running = started().await;
    let url = format!("https://{}/subscriptions", running.https);
    let old = client(&running)
        .http1_only()
        .build()
        .unwrap()
        .get(&url)
        .send()
        .await
        .unwrap();
    assert_eq!(old.version(), http::Version::HTTP_11);
    running.shutdown().await;
}

#[tokio::test]
async fn a_ca_on_disk_is_made_once_and_kept() {
    let directory = std::env::temp_dir().join(format!("azure-simulator-{}", uuid::Uuid::new_v4()));
    let open = || Certificates::open(Some(&directory), [127, 0, 0, 1].into());
    let first = open().unwrap().ca_pem().to_owned();
    assert_eq!(
        first,
        std::fs::read_to_string(directory.join("ca.pem")).unwrap()
    );
    assert_eq!(first, open().unwrap().ca_pem());

    std::fs::remove_file(directory.join("server.pem")).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("server.pem is missing"), "{error}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_client_trusts_a_ca_that_was_read_back_from_disk() {
    let directory = std::env::temp_dir().join(format!("azure-simulator-{}", uuid::Uuid::new_v4()));
    for _ in 0..2 {
        let options = Options {
            tls_dir: Some(directory.clone()),
            ..Options::loopback()
        };
        let running = serve(options).await.unwrap();
        let https = format!("https://{}/subscriptions", running.https);
        client(&running)
            .build()
            .unwrap()
            .get(https)
            .send()
            .await
            .unwrap();
        let tunnelled = "https://management.azure.com/subscriptions";
        through_proxy(&running).get(tunnelled).send().await.unwrap();
        running.shutdown().await;
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn the_journal_file_has_each_exchange_when_its_answer_is_there() {
    let path = std::env::temp_dir().join(format!("azure-simulator-{}", uuid::Uuid::new_v4()));
    let options = Options {
        journal: Some(path.clone()),
        ..Options::loopback()
    };
    let running = serve(options).await.unwrap();
    let client = client(&running).build().unwrap();
    for count in 1..=3 {
        let url = format!("http://{}/subscriptions?call={count}", running.http);
        client.get(url).send().await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines, running.journal(0));
        assert_eq!(lines.len(), count);
    }
    assert_eq!(running.journal(2).len(), 1);
    running.shutdown().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_change_in_words_is_made_and_one_that_is_not_understood_is_explained() {
    let running = started().await;
    let client = client(&running).build().unwrap();
    let admin = format!("http://{}/admin", running.http);
    let before = client
        .get(format!("{admin}/estate"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();

    let words = json!({"words": ["key", "clinic-keys/dicom-cmk", "disabled"]});
    let changes = client.post(format!("{admin}/changes"));
    let answer = changes
        .try_clone()
        .unwrap()
        .json(&words)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let sentence = answer.json::<Value>().await.unwrap();
    assert!(
        sentence["changed"].as_str().unwrap().contains("disabled"),
        "{sentence}"
    );
    let after = client
        .get(format!("{admin}/estate"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_ne!(before, after);

    for nonsense in [
        json!({"words": ["colour", "blue"]}),
        json!({"paint": "blue"}),
        json!(7),
    ] {
        let refusal = changes
            .try_clone()
            .unwrap()
            .json(&nonsense)
            .send()
            .await
            .unwrap();
        assert_eq!(refusal.status(), 400, "{nonsense}");
        let error = refusal.json::<Value>().await.unwrap();
        assert!(error["error"].as_str().unwrap().contains("key"), "{error}");
    }
    assert!(
        running.journal(0).is_empty(),
        "the admin endpoint is not part of Azure"
    );
    running.shutdown().await;
}

#[tokio::test]
async fn the_admin_endpoint_is_not_reachable_over_https() {
    let running = started().await;
    let url = format!("https://{}/admin/estate", running.https);
    let answer = client(&running)
        .build()
        .unwrap()
        .get(&url)
        .send()
        .await
        .unwrap();
    assert_eq!(urls(&running.journal(0)), [url]);
    assert_ne!(answer.status(), 200);
    running.shutdown().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_azure_sees_it() {
    let running = started().await;
    let url = format!("http://{}/subscriptions", running.http);
    let body = vec![b' '; 9 * 1024 * 1024];
    let answer = client(&running)
        .build()
        .unwrap()
        .put(url)
        .body(body)
        .send()
        .await;
    // the refusal may arrive while the body is still being sent
    assert!(answer.map_or(true, |answer| answer.status() == 413));
    assert!(running.journal(0).is_empty());
    running.shutdown().await;
}

#[tokio::test]
async fn after_the_shutdown_nobody_listens() {
    let running = started().await;
    let (http, https) = (running.http, running.https);
    running.shutdown().await;
    for address in [http, https] {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn scripted_faults_reach_the_client_as_what_they_are() {
    let running = started().await;
    let client = client(&running).build().unwrap();
    let changes = format!("http://{}/admin/changes", running.http);
    let url = format!(
        "http://{}/metadata/endpoints?api-version=2022-09-01",
        running.http
    );
    for answer in [
        json!("dropBefore"),
        json!("dropAfter"),
        json!("reset"),
        json!("truncated"),
        json!({"status": {"status": 418}}),
    ] {
        let fault = json!({"fault": {"method": "GET", "times": 1, "answer": answer}});
        let made = client.post(&changes).json(&fault).send().await.unwrap();
        assert_eq!(made.status(), 200, "{}", made.text().await.unwrap());
        let met = match client.get(&url).send().await {
            Err(_) => "no answer".to_owned(),
            Ok(response) if response.status() != 200 => response.status().as_str().to_owned(),
            Ok(response) => response
                .text()
                .await
                .map_or_else(|_| "half an answer".to_owned(), |_| "all".to_owned()),
        };
        let expected = match answer.as_str() {
            Some("truncated") => "half an answer",
            Some(_) => "no answer",
            None => "418",
        };
        assert_eq!(met, expected, "{answer}");
        assert_eq!(
            client.get(&url).send().await.unwrap().status(),
            200,
            "once only"
        );
    }
    running.shutdown().await;
}
