use std::net::Ipv4Addr;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::ServiceExt;

use super::*;
use crate::clock::VirtualClock;

async fn get(router: &Router, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(bytes.to_vec()).unwrap())
}

fn progress() -> Progress {
    Progress::new(Arc::new(VirtualClock::starting_at(Timestamp::UNIX_EPOCH)))
}

#[tokio::test(start_paused = true)]
async fn liveness_fails_when_a_worker_is_silent_for_longer_than_its_own_limit() {
    let progress = progress();
    let sweeper = progress.worker("sweeper", Duration::from_secs(90));
    let _controller = progress.worker("controller", Duration::from_mins(10));
    let routes = health_routes(progress.clone(), Readiness::default());

    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(
        get(&routes, "/livez").await,
        (
            200,
            "[+]controller goes on\n[+]sweeper goes on\n".to_owned()
        )
    );

    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(
        get(&routes, "/livez").await,
        (
            503,
            "[+]controller goes on\n\
             [-]sweeper is stuck: no progress for 95 s, 90 s are allowed\n"
                .to_owned()
        )
    );

    sweeper.beat();
    assert_eq!(get(&routes, "/healthz").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ends_without_notice_is_found_and_one_that_retires_is_not() {
    let progress = progress();
    drop(progress.worker("lost", Duration::from_secs(10)));
    progress.worker("done", Duration::from_secs(10)).retire();

    tokio::time::advance(Duration::from_secs(11)).await;

    let report = progress.report();
    assert!(!report.passed);
    assert_eq!(
        report.lines,
        "[-]lost is stuck: no progress for 11 s, 10 s are allowed\n"
    );
}

#[tokio::test]
async fn readiness_needs_the_resource_and_a_synced_watch_unless_it_stands_by() {
    let readiness = Readiness::default();
    let routes = health_routes(progress(), readiness.clone());
    let (code, text) = get(&routes, "/readyz").await;
    assert_eq!(code, 503);
    assert!(text.contains("apply the CRD"), "{text}");

    readiness.resource_found(true);
    assert_eq!(get(&routes, "/readyz").await.0, 503);
    readiness.watch_synced(true);
    assert_eq!(get(&routes, "/readyz").await.0, 200);

    readiness.watch_synced(false);
    assert_eq!(get(&routes, "/readyz").await.0, 503);
    readiness.stands_by(true);
    assert_eq!(
        get(&routes, "/readyz").await,
        (200, "[+]stands by for the lease\n".to_owned())
    );
}

#[tokio::test]
async fn metrics_are_served_over_a_real_socket_until_shutdown() {
    let mut registry = metrics::registry();
    metrics::KubeMetrics::register(&mut registry).leading(true);
    let any_port = BindAddress::At((Ipv4Addr::LOCALHOST, 0).into());
    let listener = listen(any_port).await.unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = serve(
        listener,
        metrics_routes(Arc::new(registry)),
        shutdown.clone(),
    );
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nhost: us\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        shutdown.cancel();
        answer
    };

    let (outcome, answer) = tokio::join!(server, client);

    outcome.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("content-type: application/openmetrics-text"),
        "{answer}"
    );
    assert!(answer.contains("dicomenc_leader 1\n"), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_told_by_name() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = listen(BindAddress::At(address)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("failed to listen on {address}"));
    assert!(listen(BindAddress::Off).await.unwrap().is_none());
}

#[test]
fn an_address_is_read_as_controller_runtime_reads_it() {
    for (text, address) in [
        ("0", BindAddress::Off),
        (":8080", BindAddress::At("0.0.0.0:8080".parse().unwrap())),
        (
            "127.0.0.1:9",
            BindAddress::At("127.0.0.1:9".parse().unwrap()),
        ),
        ("[::]:8081", BindAddress::At("[::]:8081".parse().unwrap())),
    ] {
        assert_eq!(text.parse(), Ok(address), "{text}");
    }
    for text in ["", "8080", "host:80", ":", "1.2.3.4:99999"] {
        assert_eq!(
            text.parse::<BindAddress>(),
            Err(InvalidBindAddress),
            "{text}"
        );
    }
}
