//! The admin endpoint: changes to the world as a person in the portal would make them, and a look at
//! it. It is on the plain listener only, never inside a tunnel.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, Via, answer::json as answer_json, tunnel::is_azure_host, wire::Body};
use crate::azure::{Azure, Change};

/// Whether a request is for the admin endpoint rather than for Azure.
pub(super) fn is_for_us(via: &Via, parts: &Parts) -> bool {
    let is_plain = match via {
        Via::Plain(_) => true,
        Via::Tls(_) | Via::Tunnel(_) => false,
    };
    is_plain
        && parts.uri.path().starts_with("/admin/")
        && !parts.uri.host().is_some_and(is_azure_host)
}

/// Answers a request to the admin endpoint.
pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Body> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/admin/changes") => change(shared, request.body()),
        (&Method::GET, "/admin/estate") => {
            answer_json(StatusCode::OK, &shared.with_azure(Azure::show))
        }
        (&Method::GET, "/admin/journal") => {
            journal(shared, request.uri().query().unwrap_or_default())
        }
        (method, path) => wrong(
            StatusCode::NOT_FOUND,
            &format!(
                "there is no {method} {path}; there are POST /admin/changes, GET /admin/estate and \
                 GET /admin/journal?since=N"
            ),
        ),
    }
}

/// A change in words, as the command line has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    words: Vec<String>,
}

fn change(shared: &Shared, body: &[u8]) -> Response<Body> {
    let change = match ordered(body) {
        Ok(change) => change,
        Err(message) => return wrong(StatusCode::BAD_REQUEST, &message),
    };
    match shared.with_azure(|azure, now| azure.apply(&change, now)) {
        Ok(sentence) => answer_json(StatusCode::OK, &json!({"changed": sentence})),
        Err(error) => wrong(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// The change that a body asks for, in words or as the value itself; or what is wrong with it. Not an
/// untagged enum: under `arbitrary_precision` these lose numbers.
fn ordered(body: &[u8]) -> Result<Change, String> {
    let value = serde_json::from_slice::<Value>(body).map_err(explained)?;
    if value.get("words").is_some() {
        let Words { words } = serde_json::from_value(value).map_err(explained)?;
        Change::parse(&words)
    } else {
        serde_json::from_value(value).map_err(explained)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn explained(error: serde_json::Error) -> String {
    format!(
        "the body is no change ({error}); send {{\"words\": [\"key\", \"clinic-keys/dicom-cmk\", \
         \"disabled\"]}} or a change as JSON"
    )
}

fn journal(shared: &Shared, query: &str) -> Response<Body> {
    let since = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "since")
        .map_or(Ok(0), |(_, number)| number.parse());
    match since {
        Ok(since) => {
            let excerpt = shared.journal().since(since);
            let body = json!({"next": excerpt.next, "exchanges": excerpt.exchanges});
            answer_json(StatusCode::OK, &body)
        }
        Err(_) => wrong(
            StatusCode::BAD_REQUEST,
            "since is the number of an exchange: 0, 1, 2, ..",
        ),
    }
}

fn wrong(status: StatusCode, message: &str) -> Response<Body> {
    answer_json(status, &json!({"error": message}))
}
