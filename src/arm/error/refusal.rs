//! An answer of Azure that says no: status, code, words, and what is in the words.

use std::{fmt, time::Duration};

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::{Advice, ErrorCode, Missing, Subject};
use crate::arm::text;

/// One refusal of Azure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// What was attempted.
    pub subject: Subject,
    /// The status of the answer.
    pub status: StatusCode,
    /// Azure's code.
    pub code: ErrorCode,
    /// A vault's closer word for it, such as `ForbiddenByFirewall`.
    pub inner_code: Option<String>,
    /// Azure's words, made printable.
    pub message: String,
    /// How long Azure asks us to stay away.
    pub retry_after: Option<Duration>,
    /// Azure's name for the exchange, for its support.
    pub request_id: Option<String>,
    /// The names of the policies that forbid the request.
    pub policies: Vec<String>,
}

/// What is known about the exchange beside the body of the answer.
#[derive(Debug)]
pub struct RefusalContext<'a> {
    /// What was attempted.
    pub subject: Subject,
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: &'a HeaderMap,
    /// The wait that the headers ask for.
    pub retry_after: Option<Duration>,
    /// Values that must not be shown, should the answer echo them.
    pub secrets: &'a [&'a str],
}

impl Refusal {
    /// Reads an answer that is not a success. Any body will do, ARM's error document is best.
    pub fn read(context: RefusalContext<'_>, body: &[u8]) -> Self {
        let RefusalContext {
            subject,
            status,
            headers,
            retry_after,
            secrets,
        } = context;
        let document = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
        let error = document.get("error").unwrap_or(&document);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let code = error
            .get("code")
            .and_then(Value::as_str)
            .or_else(|| header("x-ms-error-code"));
        let body_text = String::from_utf8_lossy(body);
        let words = error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or(&body_text);
        Self {
            subject,
            status,
            code: ErrorCode::parse(code.unwrap_or_default()),
            inner_code: inner_code(error, secrets),
            message: text::printable(words, MESSAGE_LIMIT, secrets),
            retry_after,
            request_id: header("x-ms-request-id").map(|id| text::printable(id, ID_LIMIT, secrets)),
            policies: policies(error, secrets),
        }
    }

    /// The role assignment that exists already, when Azure names it (it leaves out the dashes).
    pub fn existing_assignment(&self) -> Option<Uuid> {
        if self.code != ErrorCode::RoleAssignmentExists {
            return None;
        }
        self.message
            .split(|character: char| !character.is_ascii_hexdigit() && character != '-')
            .find_map(|word| Uuid::try_parse(word).ok())
    }

    /// The action that is not permitted, and on what: in Azure's words where it names them, else
    /// what the call needs.
    pub fn permission(&self) -> (String, String) {
        let of = |markers: &[&str]| {
            markers
                .iter()
                .find_map(|marker| quoted_after(&self.message, marker))
        };
        let action = of(&[
            "not have permission to perform action(s) '",
            "perform action '",
        ]);
        let scope = of(&["on the linked scope(s) '", "over scope '", "on scope '"]);
        (
            action.unwrap_or(self.subject.action).to_owned(),
            scope.unwrap_or(&self.subject.target).to_owned(),
        )
    }

    /// What is missing, when Azure says that something does not exist.
    pub fn missing(&self) -> Option<Missing> {
        match self.advice() {
            Advice::NotFound(missing) => Some(missing),
            Advice::Retry { .. }
            | Advice::Throttled { .. }
            | Advice::Reauthenticate
            | Advice::WaitForPropagation
            | Advice::AskForPermission { .. }
            | Advice::AlreadyExists
            | Advice::Conflict { .. }
            | Advice::FixRequest { .. }
            | Advice::Garbage => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Azure refused to {}: {} ({})",
            self.subject,
            self.code,
            self.status.as_u16()
        )?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if !self.policies.is_empty() {
            write!(f, " (policy: {})", self.policies.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// `additionalInfo` of type `PolicyViolation`, on the error itself or on its details.
fn policies(error: &Value, secrets: &[&str]) -> Vec<String> {
    let details = error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut names = Vec::new();
    for holder in std::iter::once(error).chain(details) {
        let infos = holder
            .get("additionalInfo")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for info in infos.filter_map(|entry| entry.get("info")) {
            let name = [
                "policyAssignmentDisplayName",
                "policyAssignmentName",
                "policyDefinitionName",
            ]
            .iter()
            .find_map(|field| info.get(field).and_then(Value::as_str));
            names.extend(name.map(|name| text::printable(name, ID_LIMIT, secrets)));
        }
    }
    names.truncate(MAX_POLICIES);
    names
}

/// `innererror.code`, on which alone Key Vault tells why it forbids something.
fn inner_code(error: &Value, secrets: &[&str]) -> Option<String> {
    let code = error.get("innererror")?.get("code")?.as_str()?;
    Some(text::printable(code, ID_LIMIT, secrets)).filter(|code| !code.is_empty())
}

fn quoted_after<'a>(message: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(marker)?;
    let (quoted, _) = rest.split_once('\'')?;
    Some(quoted).filter(|quoted| !quoted.is_empty())
}

const MESSAGE_LIMIT: usize = 600;
const ID_LIMIT: usize = 120;
const MAX_POLICIES: usize = 5;
