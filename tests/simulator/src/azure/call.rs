//! One request, read once: where it goes, what it carries, when it came.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::answer::{Failure, Result};

/// Which of Azure's front doors a request knocks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Door {
    Arm,
    Login,
    /// The data plane of the vault with this name.
    Vault(String),
    /// The data plane of the DICOM service with this host label (`<workspace>-<service>`).
    Dicom(String),
    /// A loopback address: ARM, tokens and metadata told apart by path.
    Loopback,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// `scheme://authority`, as the client wrote it: links in answers lead back there.
    pub(super) origin: String,
    pub(super) door: Door,
    pub(super) raw_path: String,
    /// The path's segments, decoded, without empty ones.
    pub(super) segments: Vec<String>,
    /// Query parameters under lower-case names.
    pub(super) query: BTreeMap<String, String>,
    pub(super) raw_query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now: Timestamp,
}

impl Call {
    pub(super) fn read(request: &Request<Bytes>, now: Timestamp) -> Self {
        let uri = request.uri();
        let host_header = request
            .headers()
            .get(http::header::HOST)
            .and_then(|h| h.to_str().ok());
        let authority = uri
            .authority()
            .map_or_else(|| host_header.unwrap_or("localhost"), |a| a.as_str());
        let scheme = uri.scheme_str().unwrap_or("http");
        let raw_query = uri.query().unwrap_or_default().to_owned();
        Self {
            method: request.method().clone(),
            origin: format!("{scheme}://{authority}"),
            door: Door::of(authority),
            raw_path: uri.path().to_owned(),
            segments: uri
                .path()
                .split('/')
                .filter(|segment| !segment.is_empty())
                .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
                .collect(),
            query: form_urlencoded::parse(raw_query.as_bytes())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
                .collect(),
            raw_query,
            headers: request.headers().clone(),
            body: request.body().clone(),
            now,
        }
    }

    /// The decoded segment at `index`, in lower case; empty when there is none.
    pub(super) fn lower(&self, index: usize) -> String {
        self.segments
            .get(index)
            .map(|segment| segment.to_ascii_lowercase())
            .unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A query parameter; `name` in lower case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// The body as a JSON object, or ARM's refusal.
    pub(super) fn object(&self) -> Result<Map<String, Value>> {
        let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(&self.body);
        parsed.map_err(|error| {
            Failure::bad(
                "InvalidRequestContent",
                format!(
                    "The request content was invalid and could not be deserialized: '{error}'."
                ),
            )
        })
    }

    /// The form fields of a token request.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(&self.body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect()
    }

    /// The api-version, which ARM demands with every call; any dated version is taken.
    pub(super) fn api_version(&self) -> Result<&str> {
        let Some(version) = self
            .parameter("api-version")
            .filter(|version| !version.is_empty())
        else {
            return Err(Failure::bad(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        };
        if is_dated(version) {
            return Ok(version);
        }
        Err(Failure::bad(
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are dates, such \
                 as '2024-03-31' or '2025-04-01-preview'."
            ),
        ))
    }
}

impl Door {
    fn of(authority: &str) -> Self {
        let host = authority
            .rsplit('@')
            .next()
            .unwrap_or(authority)
            .to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host).to_owned();
        if host == "management.azure.com" {
            return Self::Arm;
        }
        if host == "login.microsoftonline.com" {
            return Self::Login;
        }
        if let Some(vault) = host.strip_suffix(".vault.azure.net") {
            return Self::Vault(vault.to_owned());
        }
        if let Some(label) = host.strip_suffix(".dicom.azurehealthcareapis.com") {
            return Self::Dicom(label.to_owned());
        }
        Self::Loopback
    }
}

/// `YYYY-MM-DD`, perhaps followed by `-preview` or another word.
fn is_dated(version: &str) -> bool {
    let mut parts = version.splitn(4, '-');
    let mut digits = |length: usize| {
        parts.next().is_some_and(|part| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    digits(4)
        && digits(2)
        && digits(2)
        && parts.next().is_none_or(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}
