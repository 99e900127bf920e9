//! For tests: a network that answers from a list and remembers what it was asked, and a
//! credential that hands out tokens from a list.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    time::OffsetDateTime,
};
use bytes::Bytes;
use futures::{FutureExt, future, future::BoxFuture};
use http::{Request, Response};
use k8s_openapi::jiff::Timestamp;

use crate::{
    arm::transport::{Transport, TransportError},
    clock::{Clock, VirtualClock},
};

/// A word that must never be seen outside an `Authorization` header.
pub(in crate::arm) const CANARY: &str = "CANARY-7f3b";

/// One scripted end of an exchange.
#[derive(Debug)]
pub(in crate::arm) enum Scripted {
    Answer(Response<Bytes>),
    Failure(TransportError),
    Silence,
}

#[derive(Debug, Default)]
pub(in crate::arm) struct FakeNetwork {
    script: Mutex<VecDeque<Scripted>>,
    seen: Mutex<Vec<Request<Bytes>>>,
}

impl FakeNetwork {
    pub(in crate::arm) fn will(self: &Arc<Self>, next: Scripted) -> &Arc<Self> {
        self.script.lock().unwrap().push_back(next);
        self
    }

    pub(in crate::arm) fn answers(
        self: &Arc<Self>,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> &Arc<Self> {
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        self.will(Scripted::Answer(
            builder.body(Bytes::from(body.to_owned())).unwrap(),
        ))
    }

    pub(in crate::arm) fn requests(&self) -> Vec<Request<Bytes>> {
        self.seen.lock().unwrap().clone()
    }
}

impl Transport for FakeNetwork {
    fn execute(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.seen.lock().unwrap().push(request);
        match self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .expect("an answer for each request")
        {
            Scripted::Answer(answer) => future::ready(Ok(answer)).boxed(),
            Scripted::Failure(error) => future::ready(Err(error)).boxed(),
            Scripted::Silence => future::pending().boxed(),
        }
    }
}

/// Hands out `CANARY-7f3b-1`, `CANARY-7f3b-2`, ... or fails, as told.
#[derive(Debug)]
pub(in crate::arm) struct FakeCredential {
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    state: Mutex<(u32, Option<String>)>,
}

impl FakeCredential {
    pub(in crate::arm) fn new(clock: Arc<dyn Clock>, lifetime: Duration) -> Arc<Self> {
        Arc::new(Self {
            clock,
            lifetime,
            state: Mutex::default(),
        })
    }

    pub(in crate::arm) fn fail_with(&self, words: Option<&str>) {
        self.state.lock().unwrap().1 = words.map(str::to_owned);
    }

    pub(in crate::arm) fn logins(&self) -> u32 {
        self.state.lock().unwrap().0
    }

    fn count(&self) -> (u32, Option<String>) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        state.clone()
    }

    fn next(&self) -> azure_core::Result<AccessToken> {
        let (login, failure) = self.count();
        if let Some(words) = failure {
            return Err(azure_core::Error::with_message(
                ErrorKind::Credential,
                words,
            ));
        }
        let end = (self.clock.now() + self.lifetime).as_second();
        let end = OffsetDateTime::UNIX_EPOCH + azure_core::time::Duration::seconds(end);
        Ok(AccessToken::new(
            Secret::new(format!("{CANARY}-{login}")),
            end,
        ))
    }
}

impl TokenCredential for FakeCredential {
    fn get_token<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        _scopes: &'b [&'c str],
        _options: Option<TokenRequestOptions<'d>>,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AccessToken>> + Send + 'e>>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
    {
        Box::pin(future::ready(self.next()))
    }
}

/// A clock that starts at a fixed moment and follows tokio's time.
pub(in crate::arm) fn clock() -> Arc<dyn Clock> {
    let start: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
    Arc::new(VirtualClock::starting_at(start))
}
