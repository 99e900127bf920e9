//! Buckets by themselves.

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};

use super::Throttle;
use crate::azure::{Settings, call::Call};

#[test]
fn a_bucket_never_holds_more_than_its_burst_and_deletes_have_their_own() {
    let settings = Settings {
        write_burst: 2,
        write_rate: 1,
        ..Settings::default()
    };
    let mut throttle = Throttle::default();
    let start = Timestamp::UNIX_EPOCH;
    let mut take = |method: &str, seconds: i64| {
        let request = Request::builder()
            .method(method)
            .uri("https://management.azure.com/x");
        let at = start
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
        let call = Call::read(&request.body(Bytes::new()).unwrap(), at);
        throttle
            .take(&call, ("s", "c"), &settings)
            .map(|(_, left)| left)
            .map_err(|e| e.status.as_u16())
    };
    assert_eq!(take("PUT", 0), Ok("1".to_owned()));
    assert_eq!(take("PATCH", 0), Ok("0".to_owned()));
    assert_eq!(take("PUT", 0), Err(429));
    assert_eq!(take("DELETE", 0), Ok("1".to_owned()));
    assert_eq!(take("PUT", 1000), Ok("1".to_owned()));
}
