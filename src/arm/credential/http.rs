//! The network as `azure_identity` wants to see it, on top of our own [`Transport`]: so logins
//! have the same limits, proxy and roots as every other call.

use std::{future::Future, pin::Pin, sync::Arc};

use azure_core::{
    Error,
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, HttpClient, Request, StatusCode,
        headers::{HeaderName, HeaderValue, Headers},
    },
};
use bytes::Bytes;

use crate::arm::transport::{Transport, TransportError};

/// A login's way to the network.
#[derive(Debug)]
pub(super) struct LoginHttp(pub(super) Arc<dyn Transport>);

impl HttpClient for LoginHttp {
    fn execute_request<'a, 'b, 'c>(
        &'a self,
        request: &'b Request,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
    {
        let outgoing = outgoing(request);
        Box::pin(async move {
            let answer = self.0.execute(outgoing?).await.map_err(failed)?;
            let mut headers = Headers::new();
            for (name, value) in answer.headers() {
                if let Ok(value) = value.to_str() {
                    headers.insert(
                        HeaderName::from(name.as_str().to_owned()),
                        HeaderValue::from(value.to_owned()),
                    );
                }
            }
            let status = StatusCode::from(answer.status().as_u16());
            Ok(AsyncRawResponse::from_bytes(
                status,
                headers,
                answer.into_body(),
            ))
        })
    }
}

fn outgoing(request: &Request) -> azure_core::Result<http::Request<Bytes>> {
    let body = match request.body() {
        Body::Bytes(bytes) => bytes.clone(),
        Body::SeekableStream(_) => {
            return Err(Error::with_message(
                ErrorKind::Other,
                "a login never streams its body",
            ));
        }
    };
    let mut builder = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.url().as_str());
    for (name, value) in request.headers().iter() {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder
        .body(body)
        .map_err(|error| Error::new(ErrorKind::Other, error))
}

fn failed(error: TransportError) -> Error {
    let kind = match error {
        TransportError::Connect { .. } => ErrorKind::Connection,
        TransportError::Timeout
        | TransportError::TooLarge { .. }
        | TransportError::Broken { .. }
        | TransportError::Setup { .. } => ErrorKind::Io,
    };
    Error::new(kind, error)
}
