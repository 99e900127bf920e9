use std::future::Future;

use rustls::crypto::ring;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;

/// A server on loopback that treats each connection the same way.
async fn serve<F, W>(work: W) -> String
where
    W: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with the runtime of the test"
    )]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 4096];
            let _read = stream.read(&mut request).await;
            work(stream).await;
        }
    });
    format!("http://{address}/")
}

fn transport(settings: &HttpSettings) -> HttpTransport {
    ring::default_provider().install_default().ok();
    HttpTransport::try_new(settings).unwrap()
}

fn small() -> HttpSettings {
    HttpSettings {
        body_limit: 1_000,
        deadline: Duration::from_millis(500),
        ..HttpSettings::default()
    }
}

async fn get(transport: &HttpTransport, url: &str) -> Result<Response<Bytes>, TransportError> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    timeout(Duration::from_secs(20), transport.execute(request))
        .await
        .expect("an end")
}

async fn failure(url: &str) -> TransportError {
    get(&transport(&small()), url).await.unwrap_err()
}

async fn answer(mut stream: TcpStream, text: &str) {
    let _sent = stream.write_all(text.as_bytes()).await;
}

#[tokio::test]
async fn an_answer_of_any_status_is_read_whole() {
    let url = serve(|stream| {
        answer(
            stream,
            "HTTP/1.1 503 Busy\r\nretry-after: 5\r\ncontent-length: 3\r\n\r\nabc",
        )
    })
    .await;
    let read = get(&transport(&small()), &url).await.unwrap();
    assert_eq!(
        (read.status().as_u16(), &read.body()[..]),
        (503, &b"abc"[..])
    );
    assert_eq!(read.headers()["retry-after"], "5");
}

#[tokio::test]
async fn an_announced_giant_is_refused_before_it_is_read() {
    let url = serve(|stream| {
        answer(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        )
    })
    .await;
    assert_eq!(
        failure(&url).await,
        TransportError::TooLarge { limit: 1_000 }
    );
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_at_the_limit() {
    let url = serve(|mut stream| async move {
        let _head = stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    assert_eq!(
        failure(&url).await,
        TransportError::TooLarge { limit: 1_000 }
    );
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}",
        "x".repeat(1_000)
    );
    let url = serve(move |mut stream| {
        let whole = whole.clone();
        async move {
            let _sent = stream.write_all(whole.as_bytes()).await;
        }
    })
    .await;
    assert_eq!(
        get(&transport(&small()), &url).await.unwrap().body().len(),
        1_000
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let silent = serve(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(failure(&silent).await, TransportError::Timeout);
    let half = serve(|mut stream| async move {
        let _sent = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(failure(&half).await, TransportError::Timeout);
}

#[tokio::test]
async fn a_broken_answer_is_told_from_a_refused_connection() {
    let cut =
        serve(|stream| answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")).await;
    assert!(matches!(
        get(&transport(&small()), &cut).await,
        Err(TransportError::Broken { .. })
    ));
    let garbage = serve(|stream| answer(stream, "\0\0\0 garbage\r\n\r\n")).await;
    assert!(matches!(
        get(&transport(&small()), &garbage).await,
        Err(TransportError::Broken { .. })
    ));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let refused = get(&transport(&small()), &format!("http://{address}/")).await;
    assert!(
        matches!(refused, Err(TransportError::Connect { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn redirects_come_back_as_they_are() {
    let url = serve(|stream| {
        answer(
            stream,
            "HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        )
    })
    .await;
    assert_eq!(get(&transport(&small()), &url).await.unwrap().status(), 307);
}

#[tokio::test]
async fn calls_go_through_the_proxy_unless_the_settings_say_otherwise() {
    let proxy =
        serve(|stream| answer(stream, "HTTP/1.1 299 Proxied\r\ncontent-length: 0\r\n\r\n")).await;
    let direct =
        serve(|stream| answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let through = |no_proxy: &str| HttpSettings {
        proxy: Some(ProxySettings::try_new(&proxy, no_proxy).unwrap()),
        ..small()
    };
    let status = async |settings: HttpSettings| {
        get(&transport(&settings), &direct)
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(status(through("")).await, 299);
    assert_eq!(status(through("example.com, .internal")).await, 299);
    assert_eq!(status(through("127.0.0.1")).await, 200);
    assert_eq!(status(through("10.0.0.0/8,127.0.0.0/8")).await, 200);
    // as reqwest has it, the asterisk stands for any host name, and for no address
    let named = direct.replace("127.0.0.1", "localhost");
    let any_name = get(&transport(&through("*")), &named).await.unwrap();
    assert_eq!(any_name.status(), 200);
    assert_eq!(status(through("").for_metadata_endpoint()).await, 200);
    let by_name = get(
        &transport(&through(".example.com")),
        "http://clinic.example.org/",
    )
    .await;
    assert_eq!(by_name.unwrap().status(), 299);
}

#[test]
fn a_proxy_that_cannot_work_is_refused_and_its_password_never_shown() {
    for wrong in ["", "proxy:3128", "ftp://proxy/", "http://"] {
        assert!(ProxySettings::try_new(wrong, "").is_err(), "{wrong}");
    }
    let settings = HttpSettings {
        proxy: Some(ProxySettings::try_new("http://user:CANARY@proxy:3128", "a").unwrap()),
        ..HttpSettings::default()
    };
    let shown = format!("{settings:?} {:?}", transport(&settings));
    assert!(
        shown.contains("proxy") && !shown.contains("CANARY"),
        "{shown}"
    );
}

#[test]
fn the_metadata_endpoint_is_never_asked_through_the_proxy() {
    let settings = ProxySettings::try_new("http://proxy:3128", "example.com").unwrap();
    assert_eq!(settings.no_proxy, "example.com,169.254.169.254");
}

#[test]
fn a_bundle_without_a_certificate_is_refused() {
    ring::default_provider().install_default().ok();
    for wrong in [
        &b""[..],
        b"not pem",
        b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
    ] {
        let settings = HttpSettings {
            ca_bundle: Some(wrong.to_vec()),
            ..HttpSettings::default()
        };
        let made = HttpTransport::try_new(&settings);
        assert!(
            matches!(made, Err(TransportError::Setup { .. })),
            "{made:?}"
        );
    }
}
