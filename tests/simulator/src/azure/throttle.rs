//! ARM's token buckets, per subscription, client and kind of call.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    answer::{Failure, Result},
    call::Call,
    settings::Settings,
};
use http::StatusCode;

/// One bucket in thousandths of a call, so that refilling needs no fractions.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    thousandths: u64,
    filled: Timestamp,
}

/// All buckets, and the switch that closes them by hand.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    buckets: BTreeMap<(String, String, &'static str), Bucket>,
    /// Set: every call is refused with this `Retry-After`, in seconds.
    pub(super) closed: Option<u32>,
}

impl Throttle {
    /// Takes one call out of its bucket; says in which header how many remain.
    pub(super) fn take(
        &mut self,
        call: &Call,
        (subscription, client): (&str, &str),
        settings: &Settings,
    ) -> Result<(&'static str, String)> {
        let (kind, header, burst, rate) = match call.method.as_str() {
            "GET" | "HEAD" => (
                "reads",
                "x-ms-ratelimit-remaining-subscription-reads",
                settings.read_burst,
                settings.read_rate,
            ),
            "DELETE" => (
                "deletes",
                "x-ms-ratelimit-remaining-subscription-deletes",
                settings.write_burst,
                settings.write_rate,
            ),
            _ => (
                "writes",
                "x-ms-ratelimit-remaining-subscription-writes",
                settings.write_burst,
                settings.write_rate,
            ),
        };
        if let Some(seconds) = self.closed {
            return Err(refusal(kind, seconds));
        }
        let full = u64::from(burst).saturating_mul(CALL);
        let key = (subscription.to_ascii_lowercase(), client.to_owned(), kind);
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            thousandths: full,
            filled: call.now,
        });
        let passed = call.now.duration_since(bucket.filled).as_millis();
        let gained = u64::try_from(passed)
            .unwrap_or(0)
            .saturating_mul(u64::from(rate));
        bucket.thousandths = bucket.thousandths.saturating_add(gained).min(full);
        bucket.filled = bucket.filled.max(call.now);
        let Some(left) = bucket.thousandths.checked_sub(CALL) else {
            return Err(refusal(kind, 1));
        };
        bucket.thousandths = left;
        Ok((header, left.checked_div(CALL).unwrap_or(0).to_string()))
    }
}

fn refusal(kind: &str, seconds: u32) -> Failure {
    let message = format!(
        "The request is being throttled as the limit has been reached for \
        subscription {kind}. Please retry after {seconds} seconds."
    );
    Failure::new(
        StatusCode::TOO_MANY_REQUESTS,
        "SubscriptionRequestsThrottled",
        message,
    )
    .header("retry-after", seconds.to_string())
}

/// One call, in the bucket's unit.
const CALL: u64 = 1000;

#[cfg(test)]
mod tests;
