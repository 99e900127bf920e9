//! The server as an asynchronous client meets it, on tokio's clock (which tests pause).

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Frame};
use jiff::Timestamp;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Sleep, sleep},
};

use super::{KubeApi, KubeReply, WatchId, WatchSignal, WatchStream};

/// Sends a request to the server and waits as the reply demands: a delay passes, silence lasts for
/// ever, a watch streams for its `timeoutSeconds`. With it, a service for a client is three lines.
pub async fn call(
    api: &Arc<Mutex<KubeApi>>,
    clock: impl Fn() -> Timestamp,
    request: Request<Bytes>,
) -> Result<Response<KubeBody>, ConnectionLost> {
    let now = clock();
    let mut reply = lock(api).handle(&request, now);
    while let KubeReply::Delayed(delay, after) = reply {
        sleep(delay.try_into().unwrap_or_default()).await;
        reply = *after;
    }
    match reply {
        KubeReply::Answer(response) => Ok(response.map(|bytes| KubeBody(Kind::Whole(Some(bytes))))),
        KubeReply::Watch(stream) => Ok(streamed(api, stream)),
        // the loop above took all delays off
        KubeReply::Lost | KubeReply::Delayed(..) => Err(ConnectionLost),
        KubeReply::Silence => std::future::pending().await,
    }
}

/// The connection broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the connection to the API server broke")]
pub struct ConnectionLost;

/// The body of an answer: a document, or the lines of a watch.
#[derive(Debug)]
pub struct KubeBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Watch(Watch),
}

struct Watch {
    api: Arc<Mutex<KubeApi>>,
    id: WatchId,
    events: UnboundedReceiver<WatchSignal>,
    /// None once the watch's time was over.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Body for KubeBody {
    type Data = Bytes;
    type Error = ConnectionLost;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionLost>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Watch(watch) => watch
                .poll(context)
                .map(|line| line.map(|it| it.map(Frame::data))),
        }
    }
}

impl Watch {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, ConnectionLost>>> {
        if let Poll::Ready(signal) = self.events.poll_recv(context) {
            return Poll::Ready(signal.map(line));
        }
        if let Some(deadline) = &mut self.deadline {
            ready!(deadline.as_mut().poll(context));
            self.deadline = None;
            lock(&self.api).finish_watch(self.id);
        }
        // the bookmark, if there is one, and the end are in the channel now
        self.events
            .poll_recv(context)
            .map(|signal| signal.map(line))
    }
}

impl KubeApi {
    /// Ends a watch whose time is over, with a bookmark if the client allows them.
    pub fn finish_watch(&mut self, id: WatchId) {
        let version = self.store.version();
        self.store.watches.finish(id, version);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn streamed(api: &Arc<Mutex<KubeApi>>, stream: WatchStream) -> Response<KubeBody> {
    let WatchStream {
        id,
        events,
        timeout,
    } = stream;
    let deadline = (timeout < Duration::MAX).then(|| Box::pin(sleep(timeout)));
    let watch = Watch {
        api: Arc::clone(api),
        id,
        events,
        deadline,
    };
    let mut response = Response::new(KubeBody(Kind::Watch(watch)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn line(signal: WatchSignal) -> Result<Bytes, ConnectionLost> {
    match signal {
        WatchSignal::Event(event) => Ok(event.to_line()),
        WatchSignal::Broken => Err(ConnectionLost),
    }
}

fn lock(api: &Mutex<KubeApi>) -> std::sync::MutexGuard<'_, KubeApi> {
    api.lock().unwrap_or_else(PoisonError::into_inner)
}
