//! From a call to an HTTP request: where it goes, and what it carries.

use std::{fmt::Write as _, sync::atomic::Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use url::Url;
use uuid::Uuid;

use super::{ArmClient, Trace};
use crate::arm::{
    call::{Call, Target},
    credential::Token,
    error::ArmError,
    text,
};

impl ArmClient {
    pub(super) fn url<T>(&self, call: &Call<T>) -> Result<Url, ArmError> {
        match &call.target {
            Target::Link(link) => self
                .same_origin(&self.settings.endpoint, link.as_str())
                .map_err(|host| ArmError::ForeignLink {
                    subject: Box::new(call.subject.clone()),
                    host,
                }),
            Target::Path {
                path,
                api_version,
                query,
            } => {
                let mut url = self.settings.endpoint.clone();
                url.set_path(path);
                let mut pairs = format!("api-version={api_version}");
                for (name, value) in *query {
                    // writing to a text cannot fail
                    let _infallible = write!(pairs, "&{name}={value}");
                }
                url.set_query(Some(&pairs));
                url.set_fragment(None);
                Ok(url)
            }
            Target::Plain { path } => {
                let mut url = self.settings.endpoint.clone();
                url.set_path(path);
                Ok(url)
            }
        }
    }

    /// The link, resolved against the request, if it stays within ARM's origin; else its host.
    pub(super) fn same_origin(&self, request: &Url, link: &str) -> Result<Url, String> {
        let foreign =
            |url: &Url| text::printable(url.host_str().unwrap_or("no host"), HOST_LIMIT, &[]);
        let url = request.join(link).map_err(|_| "not a link".to_owned())?;
        let same = url.origin() == self.settings.endpoint.origin();
        let plain = url.username().is_empty() && url.password().is_none();
        if same && plain && link.len() <= MAX_LINK {
            Ok(url)
        } else {
            Err(foreign(&url))
        }
    }

    pub(super) fn request<T>(
        &self,
        call: &Call<T>,
        url: &Url,
        token: &Token,
        trace: &mut Trace,
    ) -> Result<Request<Bytes>, ArmError> {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let request_id = Uuid::new_v5(&self.settings.instance, &number.to_be_bytes());
        let unsendable = |detail: &str| ArmError::Unsendable {
            subject: Box::new(call.subject.clone()),
            detail: text::printable(detail, EXCERPT_LIMIT, &[token.secret()]),
        };
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.secret()))
            .map_err(|_| unsendable("the token holds characters that no header may hold"))?;
        bearer.set_sensitive(true);
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(url.as_str())
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json")
            // Resource Health translates its words; messages of ours are English
            .header(header::ACCEPT_LANGUAGE, "en-US")
            .header(header::USER_AGENT, USER_AGENT)
            .header("x-ms-client-request-id", request_id.to_string())
            .header("x-ms-correlation-request-id", self.correlation.to_string())
            .header("x-ms-return-client-request-id", "true");
        let mut bytes = Bytes::new();
        if let Some(body) = &call.body {
            bytes = Bytes::from(body.to_string());
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        let request = builder
            .body(bytes)
            .map_err(|error| unsendable(&error.to_string()))?;
        trace.client_request_id = Some(request_id);
        Ok(request)
    }
}

const USER_AGENT: &str = concat!("dicomenc/", env!("CARGO_PKG_VERSION"));
const EXCERPT_LIMIT: usize = 300;
const HOST_LIMIT: usize = 120;
/// Azure's links may be 4 KB long.
const MAX_LINK: usize = 8 * 1024;
