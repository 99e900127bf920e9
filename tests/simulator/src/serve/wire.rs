//! What Azure's replies look like on a socket, the broken ones included.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use hyper::body::{Frame, SizeHint};

use crate::azure::Reply;

/// The connection ends here, on purpose.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the simulator drops the connection")]
pub(super) struct Dropped;

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Body(Kind);

#[derive(Debug)]
enum Kind {
    /// These bytes, then the end.
    Whole(Bytes),
    /// These bytes, then nothing, though more was announced.
    Broken { bytes: Bytes, flushed: bool },
    /// Bytes for as long as anybody reads them.
    Endless,
}

impl Body {
    /// A body of just these bytes.
    pub(super) const fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    /// No body.
    pub(super) const fn empty() -> Self {
        Self::whole(Bytes::new())
    }
}

/// Turns Azure's reply into an answer; waits, drops or falls silent as it says.
pub(super) async fn realise(reply: Reply) -> Result<Response<Body>, Dropped> {
    let mut reply = reply;
    while let Reply::Delayed(delay, after) = reply {
        tokio::time::sleep(delay.try_into().unwrap_or_default()).await;
        reply = *after;
    }
    match reply {
        Reply::Answer(response) => Ok(response.map(Body::whole)),
        // the loop above took all of these off
        Reply::Delayed(..) | Reply::Reset => Err(Dropped),
        Reply::Silence => std::future::pending().await,
        Reply::Truncated(response) => Ok(truncated(response)),
        Reply::Endless(response) => Ok(response.map(|()| Body(Kind::Endless))),
    }
}

fn truncated(response: Response<Bytes>) -> Response<Body> {
    let sent = response.body().len();
    let mut response = response.map(|bytes| {
        Body(Kind::Broken {
            bytes,
            flushed: false,
        })
    });
    let announced = response
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .filter(|length| *length > sent)
        .unwrap_or(sent + 1024);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
    response
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) | Kind::Broken { bytes, .. } if !bytes.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Kind::Whole(_) => Poll::Ready(None),
            Kind::Broken {
                flushed: flushed @ false,
                ..
            } => {
                // one turn more, in which hyper writes out what it has: else nothing would arrive
                *flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Kind::Broken { .. } => Poll::Ready(Some(Err(Dropped))),
            Kind::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&BLANKS))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Broken { .. } | Kind::Endless => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                u64::try_from(bytes.len()).map_or_else(|_| SizeHint::new(), SizeHint::with_exact)
            }
            Kind::Broken { .. } | Kind::Endless => SizeHint::new(),
        }
    }
}

/// A piece of an endless body; blanks keep a JSON parser waiting for more.
static BLANKS: [u8; 16_384] = [b' '; 16_384];

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use http_body_util::BodyExt;
    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use jiff::SignedDuration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::{Instant, timeout},
    };

    use super::*;

    fn answer(body: &'static str) -> Response<Bytes> {
        Response::new(Bytes::from_static(body.as_bytes()))
    }

    /// What a client reads from the socket until the connection ends.
    async fn read_all(reply: Reply) -> String {
        let (mut client, server) = tokio::io::duplex(4_096);
        let reply = Mutex::new(Some(reply));
        let service = service_fn(|_| {
            let reply = reply.lock().unwrap().take().unwrap();
            async { realise(reply).await }
        });
        let serving = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(server), service);
        let reading = async {
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                .await
                .unwrap();
            let mut read = String::new();
            client.read_to_string(&mut read).await.unwrap();
            read
        };
        tokio::join!(serving, reading).1
    }

    #[tokio::test]
    async fn an_answer_arrives_whole() {
        let read = read_all(Reply::Answer(answer("{}"))).await;
        assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");
        assert!(
            read.contains("content-length: 2\r\n") && read.ends_with("\r\n\r\n{}"),
            "{read}"
        );
    }

    #[tokio::test]
    async fn a_reset_ends_the_connection_without_an_answer() {
        assert_eq!(read_all(Reply::Reset).await, "");
    }

    #[tokio::test]
    async fn a_truncated_answer_announces_more_than_it_sends() {
        let mut long = answer("{\"value\":");
        long.headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from_static("70"));
        for (response, announced) in [(answer("{\"value\":"), "1033"), (long, "70")] {
            let read = read_all(Reply::Truncated(response)).await;
            assert!(
                read.contains(&format!("content-length: {announced}\r\n")),
                "{read}"
            );
            assert!(read.ends_with("\r\n\r\n{\"value\":"), "{read}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn delays_add_up_and_silence_lasts() {
        let begin = Instant::now();
        let second = |reply| Reply::Delayed(SignedDuration::from_secs(1), Box::new(reply));
        realise(second(second(Reply::Answer(answer("")))))
            .await
            .unwrap();
        assert_eq!(begin.elapsed().as_secs(), 2);
        assert!(
            timeout(Duration::from_hours(1), realise(Reply::Silence))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn an_endless_answer_goes_on() {
        let mut body = realise(Reply::Endless(Response::new(())))
            .await
            .unwrap()
            .into_body();
        let mut read = 0;
        while read < 64 * 1024 * 1024 {
            read += body
                .frame()
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap()
                .len();
        }
        assert!(!hyper::body::Body::is_end_stream(&body));
    }
}
