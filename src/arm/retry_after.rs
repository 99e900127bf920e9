//! The two times in Azure's headers: `Retry-After` (how long to stay away) and `Date` (Azure's
//! own clock, by which its time stamps are measured).

use std::time::Duration;

use http::{HeaderMap, header};
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};

/// How long to stay away, counted from now; `None` when Azure did not say, or said nothing that
/// can be understood. Never more than [`LONGEST`]: a wrong header must not silence us for days.
///
/// A moment instead of seconds is measured by Azure's own `Date` if there is one, so that our
/// clock may be wrong.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if is_digits(text) => LONGEST,
        Err(_) => {
            let until = parse_http_date(text)?;
            let from = date(headers).unwrap_or(now);
            Duration::try_from(until.duration_since(from)).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST))
}

/// The moment at which Azure says that it answered.
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    parse_http_date(headers.get(header::DATE)?.to_str().ok()?)
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The longest wait that is believed.
pub const LONGEST: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn now() -> Timestamp {
        "2026-03-01T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn seconds_dates_and_garbage_are_told_apart() {
        let seconds = |value| retry_after(&headers(&[(header::RETRY_AFTER, value)]), now());
        assert_eq!(seconds("17"), Some(Duration::from_secs(17)));
        assert_eq!(seconds(" 0 "), Some(Duration::ZERO));
        assert_eq!(seconds("99999999999999999999999"), Some(LONGEST));
        assert_eq!(seconds("86400"), Some(LONGEST));
        assert_eq!(
            seconds("Sun, 01 Mar 2026 08:00:42 GMT"),
            Some(Duration::from_secs(42))
        );
        assert_eq!(
            seconds("Sun, 01 Mar 2026 07:00:00 GMT"),
            Some(Duration::ZERO)
        );
        for garbage in [
            "",
            "-5",
            "soon",
            "1.5",
            "Sun, 99 Mar 2026 08:00:42 GMT",
            "\u{7f}",
        ] {
            let map = HeaderValue::from_str(garbage)
                .map(|value| HeaderMap::from_iter([(header::RETRY_AFTER, value)]))
                .unwrap_or_default();
            assert_eq!(retry_after(&map, now()), None, "{garbage:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
    }

    #[test]
    fn a_moment_is_measured_by_azures_clock_rather_than_ours() {
        let map = headers(&[
            (header::RETRY_AFTER, "Sun, 01 Mar 2026 10:00:30 GMT"),
            (header::DATE, "Sun, 01 Mar 2026 10:00:00 GMT"),
        ]);
        assert_eq!(retry_after(&map, now()), Some(Duration::from_secs(30)));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_wait_longer_than_the_longest(value in "[ -~]{0,40}") {
            let map = headers(&[(header::RETRY_AFTER, &value)]);
            prop_assert!(retry_after(&map, now()).is_none_or(|wait| wait <= LONGEST));
        }
    }
}
