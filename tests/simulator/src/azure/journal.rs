//! Every exchange, in the form that `oav validate-traffic` reads.

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::call::Call;

/// One exchange. Without `live_response` the client got no answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// What the client sent, before anything touched it.
    pub live_request: LiveRequest,
    /// What it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_response: Option<LiveResponse>,
}

/// A request. Secrets in headers and token requests are blacked out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LiveRequest {
    /// The method, in capitals.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Headers under lower-case names.
    pub headers: Map<String, Value>,
    /// Query parameters.
    pub query: Map<String, Value>,
    /// The body as JSON; a string when it is not JSON; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A response.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveResponse {
    /// The status, as a string.
    pub status_code: String,
    /// Headers under lower-case names.
    pub headers: Map<String, Value>,
    /// The body as JSON; a string when it is not JSON; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl Exchange {
    pub(super) fn new(call: &Call, response: Option<&Response<Bytes>>) -> Self {
        let query = form_urlencoded::parse(call.raw_query.as_bytes())
            .map(|(name, value)| (name.into_owned(), json!(value)))
            .collect();
        let mark = if call.raw_query.is_empty() { "" } else { "?" };
        Self {
            live_request: LiveRequest {
                method: call.method.to_string(),
                url: format!("{}{}{mark}{}", call.origin, call.raw_path, call.raw_query),
                headers: headers(&call.headers),
                query,
                body: request_body(call),
            },
            live_response: response.map(|response| LiveResponse {
                status_code: response.status().as_u16().to_string(),
                headers: headers(response.headers()),
                body: body(response.body()).map(redacted),
            }),
        }
    }
}

fn headers(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .iter()
        .map(|(name, value)| {
            let shown = if name == http::header::AUTHORIZATION {
                REDACTED.into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            (name.as_str().to_owned(), json!(shown))
        })
        .collect()
}

fn request_body(call: &Call) -> Option<Value> {
    let kind = call.header("content-type").unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let fields: Map<String, Value> = form_urlencoded::parse(&call.body)
            .map(|(name, value)| (name.into_owned(), json!(value)))
            .collect();
        return Some(redacted(Value::Object(fields)));
    }
    body(&call.body)
}

fn body(bytes: &Bytes) -> Option<Value> {
    if bytes.is_empty() {
        return None;
    }
    let text = || Value::String(String::from_utf8_lossy(bytes).into_owned());
    Some(serde_json::from_slice(bytes).unwrap_or_else(|_| text()))
}

/// Blacks out what would let a reader of the journal in.
fn redacted(mut value: Value) -> Value {
    let secrets = [
        "client_secret",
        "client_assertion",
        "access_token",
        "refresh_token",
        "password",
    ];
    for name in secrets {
        if let Some(secret) = value.get_mut(name) {
            *secret = json!(REDACTED);
        }
    }
    value
}

const REDACTED: &str = "REDACTED";
