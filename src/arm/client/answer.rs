//! From an HTTP answer to a value or an error, with what it teaches about token and budget.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use k8s_openapi::jiff::Timestamp;
use url::Url;

use super::{Answer, ArmClient, header_text};
use crate::arm::{
    call::{Call, Undecodable},
    credential::Token,
    error::{ArmError, ErrorCode, Garbage, Refusal, RefusalContext, Throttle},
    operation,
    retry_after::{date, retry_after},
    text,
};

/// One exchange with Azure that brought an answer.
pub(super) struct Exchange {
    /// Where the request went.
    pub(super) url: Url,
    /// The token that it carried.
    pub(super) token: Token,
    /// What came back.
    pub(super) response: Response<Bytes>,
    /// When it was asked.
    pub(super) asked_at: Timestamp,
}

impl ArmClient {
    /// Turns an answer of any kind into a value or an error.
    pub(super) fn read<T>(
        &self,
        call: &Call<T>,
        exchange: Exchange,
    ) -> Result<Answer<T>, ArmError> {
        let Exchange {
            url,
            token,
            response,
            asked_at,
        } = exchange;
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let retry_after = retry_after(&headers, self.settings.clock.now());
        if status.is_redirection() || status.is_informational() {
            return Err(ArmError::Redirected {
                subject: Box::new(call.subject.clone()),
                status,
            });
        }
        if !status.is_success() {
            let context = RefusalContext {
                subject: call.subject.clone(),
                status,
                headers: &headers,
                retry_after,
                secrets: &[token.secret()],
            };
            return Err(self.refused(call, &token, Refusal::read(context, &body), &headers));
        }
        self.admitted(&self.key(call), &headers);
        let value = (call.decode.0)(status, &body).map_err(|error| ArmError::Undecodable {
            subject: Box::new(call.subject.clone()),
            garbage: Box::new(garbage(status, &error, &body, &[token.secret()])),
        })?;
        let link = operation::link(&headers).filter(|_| call.method != Method::GET);
        // a foreign link is dropped: the resource's own state tells how far the operation is
        let operation_url = link.and_then(|link| {
            let foreign = |host: &String| tracing::warn!(%host, "ignores a link to another origin");
            self.same_origin(&url, link).inspect_err(foreign).ok()
        });
        Ok(Answer {
            value,
            status,
            date: date(&headers),
            asked_at,
            retry_after,
            operation_url,
            request_id: header_text(&headers, "x-ms-request-id"),
            size: body.len(),
            calls: 1,
        })
    }

    /// Draws the consequences of a refusal for the token and the budget.
    fn refused<T>(
        &self,
        call: &Call<T>,
        token: &Token,
        refusal: Refusal,
        headers: &HeaderMap,
    ) -> ArmError {
        let key = self.key(call);
        if refusal.status == StatusCode::UNAUTHORIZED {
            self.settings.tokens.reject(token);
        }
        // a busy resource may answer 429 too, which says nothing about the budget
        if refusal.status == StatusCode::TOO_MANY_REQUESTS
            && refusal.code != ErrorCode::AnotherOperationInProgress
        {
            let now = self.settings.clock.monotonic();
            let wait =
                self.budgets(|budgets| budgets.note_throttled(&key, refusal.retry_after, now));
            return ArmError::Throttled {
                subject: Box::new(refusal.subject),
                wait,
                by: Throttle::Azure,
            };
        }
        self.admitted(&key, headers);
        refusal.into()
    }
}

/// As much of an answer that was not understood as is safe and useful to keep.
fn garbage(status: StatusCode, error: &Undecodable, body: &[u8], secrets: &[&str]) -> Garbage {
    let shown = |text: &str| text::printable(text, EXCERPT_LIMIT, secrets);
    Garbage {
        status,
        path: shown(&error.path),
        problem: shown(&error.problem),
        excerpt: shown(&String::from_utf8_lossy(body)),
    }
}

const EXCERPT_LIMIT: usize = 300;
