//! From a request on the wire to an absolute one, and back: what every connection does per request.

use std::{str::FromStr, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::{
    Shared, Via, admin, tunnel,
    wire::{Body, Dropped, realise},
};

/// Answers one request, or fails to have the connection dropped.
pub(super) async fn answer(
    shared: Arc<Shared>,
    via: Via,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    if request.method() == Method::CONNECT {
        return Ok(tunnel::open(&shared, &via, request));
    }
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_REQUEST_BODY).collect().await else {
        return Ok(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the request's body broke off, or is larger than {MAX_REQUEST_BODY} bytes"),
        ));
    };
    let body = body.to_bytes();
    if admin::is_for_us(&via, &parts) {
        return Ok(admin::answer(&shared, &Request::from_parts(parts, body)));
    }
    match absolute(&via, &parts) {
        Ok(uri) => parts.uri = uri,
        Err(what_is_wrong) => return Ok(refusal(StatusCode::BAD_REQUEST, &what_is_wrong)),
    }
    let completed = Request::from_parts(parts, body);
    let reply = shared.with_azure(|azure, now| azure.handle(&completed, now));
    realise(reply).await
}

/// An answer of the shell itself, not of Azure, in ARM's shape so that clients show its sentence.
pub(super) fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    let body = serde_json::json!({"error": {"code": "SimulatorRefusal", "message": message}});
    json(status, &body)
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from(format!("{value}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The request's URI with scheme and authority, whichever form it came in.
fn absolute(via: &Via, parts: &http::request::Parts) -> Result<Uri, String> {
    let mut uri = parts.uri.clone().into_parts();
    let scheme = match via {
        // a client may use us as its proxy for plain http; then the URI is absolute already
        Via::Plain(_) => uri.scheme.unwrap_or(Scheme::HTTP),
        Via::Tls(_) | Via::Tunnel(_) => Scheme::HTTPS,
    };
    let authority = match via {
        Via::Tunnel(host) => host.clone(),
        Via::Plain(local) | Via::Tls(local) => match uri.authority {
            Some(authority) => authority,
            None => match parts.headers.get(header::HOST) {
                Some(host) => Authority::try_from(host.as_bytes())
                    .map_err(|error| format!("the Host header is no host: {error}"))?,
                None => Authority::from_str(&local.to_string())
                    .map_err(|error| format!("say which host is meant: {error}"))?,
            },
        },
    };
    uri.scheme = Some(scheme);
    uri.authority = Some(authority);
    uri.path_and_query
        .get_or_insert(http::uri::PathAndQuery::from_static("/"));
    Uri::from_parts(uri).map_err(|error| format!("the request's address is not valid: {error}"))
}

/// Bodies of ARM are small: its own limit is 4 MB.
const MAX_REQUEST_BODY: usize = 8 * 1024 * 1024;
