//! Operations that take their time: the link under which Azure reports them, and the report.
//!
//! Nothing here is needed to go on after a restart: the resource's own `provisioningState` tells
//! whether an operation runs. The report adds why one failed.
//!
//! Source: ARM's contract for asynchronous operations: `Azure-AsyncOperation` before `Location`;
//! the former answers 200 with a status word, the latter 202 until the end.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::arm::{
    call::{Call, Decode, Target, Undecodable, json},
    error::{ErrorCode, Subject},
    text,
};

/// How far an operation is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperationState {
    /// Not ended: `Requested`, `Running`, or any word that is not an end.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly, with Azure's words.
    Failed {
        /// Azure's code.
        code: ErrorCode,
        /// Azure's words, made printable.
        message: String,
    },
    /// Ended by somebody.
    Canceled {
        /// Azure's words, made printable; may be empty.
        message: String,
    },
}

impl OperationState {
    /// Whether nothing more will happen.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Running => false,
            Self::Succeeded | Self::Failed { .. } | Self::Canceled { .. } => true,
        }
    }
}

/// Asks how far an operation is, at the link that a write gave.
pub fn status(link: Url, subscription: Option<Uuid>) -> Call<OperationState> {
    let subject = Subject {
        what: "read the operation",
        action: "Microsoft.HealthcareApis/locations/operationresults/read",
        target: text::printable(link.path(), MESSAGE_LIMIT, &[]),
    };
    Call::get(subject, Target::Link(link), subscription, Decode(decode)).urgent()
}

/// The link under which an operation reports, as the answer to a write names it.
pub fn link(headers: &HeaderMap) -> Option<&str> {
    ["azure-asyncoperation", "location"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())
        .filter(|link| !link.trim().is_empty())
}

/// How long to wait before the first look at an operation when Azure did not say: ARM's contract.
pub const DEFAULT_WAIT: Duration = Duration::from_mins(1);

fn decode(status: StatusCode, body: &[u8]) -> Result<OperationState, Undecodable> {
    let by_status = if status == StatusCode::ACCEPTED {
        OperationState::Running
    } else {
        OperationState::Succeeded
    };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(by_status);
    }
    let document = json(body)?;
    match document.get("status") {
        Some(Value::String(word)) => Ok(by_word(word, &document)),
        // the final answer of a Location is the resource itself
        None | Some(Value::Null) => Ok(by_status),
        Some(_) => Err(Undecodable::at("status", "expected a text")),
    }
}

fn by_word(word: &str, document: &Value) -> OperationState {
    let error = document.get("error");
    let field = |name| {
        error
            .and_then(|error| error.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let message = || text::printable(field("message"), MESSAGE_LIMIT, &[]);
    match word.trim().to_ascii_lowercase().as_str() {
        "succeeded" => OperationState::Succeeded,
        "failed" => OperationState::Failed {
            code: ErrorCode::parse(field("code")),
            message: message(),
        },
        "canceled" | "cancelled" => OperationState::Canceled { message: message() },
        _ => OperationState::Running,
    }
}

const MESSAGE_LIMIT: usize = 400;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_words_of_a_report_are_read_without_regard_to_case() {
        let read = |body: &str| decode(StatusCode::OK, body.as_bytes()).unwrap();
        assert_eq!(read(r#"{"status":"SUCCEEDED"}"#), OperationState::Succeeded);
        assert_eq!(read(r#"{"status":"Requested"}"#), OperationState::Running);
        assert_eq!(read(r#"{"status":"Polishing"}"#), OperationState::Running);
        let canceled = OperationState::Canceled {
            message: String::new(),
        };
        assert_eq!(read(r#"{"status":"Cancelled"}"#), canceled);
        assert_eq!(
            read(r#"{"status":"failed","error":{"code":"Conflict","message":"busy\nnow"}}"#),
            OperationState::Failed {
                code: ErrorCode::Conflict,
                message: "busy now".to_owned()
            }
        );
        assert_eq!(
            read(r#"{"status":"Failed","error":null}"#),
            OperationState::Failed {
                code: ErrorCode::Absent,
                message: String::new()
            }
        );
    }

    #[test]
    fn a_location_runs_while_it_answers_202() {
        assert_eq!(
            decode(StatusCode::ACCEPTED, b""),
            Ok(OperationState::Running)
        );
        assert_eq!(
            decode(StatusCode::NO_CONTENT, b""),
            Ok(OperationState::Succeeded)
        );
        assert_eq!(
            decode(StatusCode::OK, br#"{"id":"/x"}"#),
            Ok(OperationState::Succeeded)
        );
        assert_eq!(
            decode(StatusCode::OK, br#"{"status":7}"#).unwrap_err().path,
            "status"
        );
        assert!(decode(StatusCode::OK, b"<html>").is_err());
    }

    #[test]
    fn the_operation_header_goes_before_the_location() {
        let mut headers = HeaderMap::new();
        assert_eq!(link(&headers), None);
        headers.insert("location", HeaderValue::from_static("/b"));
        assert_eq!(link(&headers), Some("/b"));
        headers.insert("azure-asyncoperation", HeaderValue::from_static("/a"));
        assert_eq!(link(&headers), Some("/a"));
    }
}
