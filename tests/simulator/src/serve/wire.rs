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
    let mut response = response.map(|bytes| Body(Kind::Broken { bytes, flushed: false }));
    let announced = response
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .filter(|length| *length > sent)
        .unwrap_or(sent + 1024);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
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
            Kind::Broken { flushed: flushed @ false, .. } => {
                // one turn more, in which hyper writes out what it has: else nothing would arrive
                *flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Kind::Broken { .. } => Poll::Ready(Some(Err(Dropped))),
            Kind::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 65_536]))))),
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
