use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn key(subscription: u128, bucket: Bucket) -> BudgetKey {
    BudgetKey {
        credential: CredentialId::new("operator"),
        subscription: Some(Uuid::from_u128(subscription)),
        bucket,
    }
}

fn at(millis: u64) -> Monotonic {
    Monotonic::from_origin(Duration::from_millis(millis))
}

fn small() -> Budgets {
    let limit = Limit {
        burst: 10,
        per_second: 2,
    };
    Budgets::new(Limits {
        read: limit,
        write: limit,
    })
}

fn drain(budgets: &mut Budgets, key: &BudgetKey, urgency: Urgency, now: Monotonic) -> u32 {
    let mut granted = 0;
    while budgets.try_take(key, urgency, now) == Take::Granted {
        granted += 1;
    }
    granted
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        HeaderName::from_static(name),
        HeaderValue::from_str(value).unwrap(),
    )])
}

#[test]
fn sweeps_leave_a_fifth_of_the_bucket_to_urgent_calls() {
    let mut budgets = small();
    let reads = key(1, Bucket::Read);
    assert_eq!(drain(&mut budgets, &reads, Urgency::Background, at(0)), 8);
    assert_eq!(drain(&mut budgets, &reads, Urgency::Foreground, at(0)), 2);
    let wait = budgets.try_take(&reads, Urgency::Foreground, at(0));
    assert_eq!(wait, Take::Wait(Duration::from_millis(500)));
    assert_eq!(
        budgets.try_take(&reads, Urgency::Foreground, at(500)),
        Take::Granted
    );
    let patience = budgets.try_take(&reads, Urgency::Background, at(500));
    assert_eq!(patience, Take::Wait(Duration::from_millis(1_500)));
}

#[test]
fn buckets_of_other_subscriptions_kinds_and_credentials_are_their_own() {
    let mut budgets = small();
    drain(
        &mut budgets,
        &key(1, Bucket::Read),
        Urgency::Foreground,
        at(0),
    );
    let _wait = budgets.note_throttled(&key(1, Bucket::Read), None, at(0));
    let other = BudgetKey {
        credential: CredentialId::new("second"),
        ..key(1, Bucket::Read)
    };
    for untouched in [key(2, Bucket::Read), key(1, Bucket::Write), other] {
        assert_eq!(
            drain(&mut budgets, &untouched, Urgency::Foreground, at(0)),
            10
        );
    }
}

#[test]
fn a_429_closes_the_bucket_until_azures_time_is_over() {
    let mut budgets = small();
    let writes = key(1, Bucket::Write);
    let told = Some(Duration::from_secs(17));
    assert_eq!(
        budgets.note_throttled(&writes, told, at(1_000)),
        Duration::from_secs(17)
    );
    let early = budgets.try_take(&writes, Urgency::Foreground, at(17_999));
    assert_eq!(early, Take::Wait(Duration::from_millis(1)));
    assert_eq!(
        budgets.try_take(&writes, Urgency::Foreground, at(18_000)),
        Take::Granted
    );
}

#[test]
fn a_shorter_second_answer_does_not_reopen_what_the_first_one_closed() {
    let mut budgets = small();
    let reads = key(1, Bucket::Read);
    let _wait = budgets.note_throttled(&reads, Some(Duration::from_mins(1)), at(0));
    let second = budgets.note_throttled(&reads, Some(Duration::from_secs(5)), at(1_000));
    assert_eq!(second, Duration::from_secs(59));
}

#[test]
fn a_429_without_a_time_waits_longer_each_time_until_a_call_gets_through() {
    let mut budgets = small();
    let reads = key(1, Bucket::Read);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        let wait = budgets.note_throttled(&reads, None, at(now));
        waits.push(wait.as_secs());
        now += u64::try_from(wait.as_millis()).unwrap();
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 128, 128]);
    budgets.note_admitted(&reads, at(now));
    assert_eq!(
        budgets.note_throttled(&reads, None, at(now)),
        Duration::from_secs(2)
    );
    assert_eq!(
        small().note_throttled(&reads, Some(Duration::ZERO), at(0)),
        SHORTEST_WAIT
    );
}

#[test]
fn the_headers_lower_what_we_believe_to_have_and_never_raise_it() {
    let mut budgets = small();
    let reads = key(1, Bucket::Read);
    budgets.note_remaining(
        &reads,
        &headers("x-ms-ratelimit-remaining-subscription-reads", "3"),
        at(0),
    );
    budgets.note_remaining(
        &reads,
        &headers("x-ms-ratelimit-remaining-subscription-reads", "249"),
        at(0),
    );
    budgets.note_remaining(
        &reads,
        &headers("x-ms-ratelimit-remaining-subscription-reads", "many"),
        at(0),
    );
    budgets.note_remaining(
        &reads,
        &headers("x-ms-ratelimit-remaining-subscription-writes", "0"),
        at(0),
    );
    assert_eq!(drain(&mut budgets, &reads, Urgency::Foreground, at(0)), 3);
}

proptest! {
    /// Whatever the order of calls and times: no window sees more than burst + rate x length.
    #[test]
    fn grants_never_exceed_the_burst_and_the_rate(
        steps in prop::collection::vec((0_u64..700, any::<bool>()), 1..200),
    ) {
        let mut budgets = small();
        let (mut now, mut granted) = (0, 0_u64);
        for (pause, urgent) in steps {
            now += pause;
            let urgency = if urgent { Urgency::Foreground } else { Urgency::Background };
            match budgets.try_take(&key(1, Bucket::Read), urgency, at(now)) {
                Take::Granted => granted += 1,
                Take::Wait(wait) => {
                    prop_assert!(!wait.is_zero());
                    // waiting exactly so long is enough
                    now += u64::try_from(wait.as_millis()).unwrap();
                    prop_assert_eq!(
                        budgets.try_take(&key(1, Bucket::Read), urgency, at(now)),
                        Take::Granted
                    );
                    granted += 1;
                }
            }
            prop_assert!(granted <= 10 + now * 2 / 1_000 + 1);
        }
    }
}
