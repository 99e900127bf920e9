use uuid::Uuid;

use super::*;
use crate::{arm::budget::CredentialId, domain::wants::Want, observe::source::CredentialKey};

fn tenant(number: u128) -> Keyed<Item> {
    Keyed {
        credential: CredentialKey::new(CredentialId::new("operator")),
        of: Item::Want(Want::Tenant(Uuid::from_u128(number))),
    }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_origin(Duration::from_secs(seconds))
}

fn schedule() -> Schedule {
    Schedule::new(Intervals::default())
}

const FAILED: Swept = Swept::failed(None);

/// The gaps between the starts of sweeps that all end like this.
fn gaps(swept: Swept, rounds: usize) -> Vec<u64> {
    let mut schedule = schedule();
    schedule.add(&tenant(1), at(1_000));
    let mut starts = Vec::new();
    for _ in 0..=rounds {
        let due = schedule.next_due().unwrap();
        let [source] = &schedule.take_due(due)[..] else {
            panic!("one source is due");
        };
        schedule.finish(source.clone(), swept, due);
        starts.push(due);
    }
    let pairs = starts.windows(2);
    pairs.map(|pair| pair[1].since(pair[0]).as_secs()).collect()
}

#[test]
fn a_new_source_is_due_at_once_and_then_at_its_own_moment_of_each_interval() {
    let gaps = gaps(Swept::GOOD, 4);
    assert!((30..=330).contains(&gaps[0]), "{gaps:?}");
    assert_eq!(gaps[1..], [300, 300, 300]);
}

#[test]
fn what_is_not_there_is_looked_for_at_the_pace_of_health() {
    let absent = Swept {
        present: false,
        ..Swept::GOOD
    };
    assert_eq!(gaps(absent, 3)[1..], [60, 60]);
}

#[test]
fn failures_are_tried_again_soon_and_then_at_the_pace_of_health() {
    let gaps = gaps(FAILED, 8);
    assert!(gaps[0] <= 5, "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| pair[0] <= pair[1]), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 60), "{gaps:?}");
}

#[test]
fn azures_own_wait_is_kept() {
    let told = Swept {
        wait: Some(Duration::from_secs(400)),
        ..FAILED
    };
    assert!(gaps(told, 3).iter().all(|gap| (400..=460).contains(gap)));
}

#[test]
fn what_takes_many_calls_is_not_begun_again_too_soon_however_it_ends() {
    let spacing = Some(Duration::from_secs(400));
    let (good, failed) = (
        Swept {
            spacing,
            ..Swept::GOOD
        },
        Swept { spacing, ..FAILED },
    );
    assert!(gaps(good, 4).iter().all(|gap| (400..=800).contains(gap)));
    assert_eq!(gaps(failed, 3), [400, 400, 400]);
    let paced = Swept {
        pace: spacing,
        ..FAILED
    };
    assert!(
        gaps(paced, 1)[0] <= 5,
        "a pace is no reason to wait after a failure"
    );
}

#[test]
fn sources_are_spread_over_their_interval() {
    let mut schedule = schedule();
    for number in 0..1_000 {
        schedule.add(&tenant(number), at(0));
    }
    for source in schedule.take_due(at(0)) {
        schedule.finish(source, Swept::GOOD, at(0));
    }
    let mut busiest = 0;
    for second in 1..=330 {
        busiest = busiest.max(schedule.take_due(at(second)).len());
    }
    // three a second on average
    assert!((3..=14).contains(&busiest), "{busiest}");
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn a_source_whose_last_item_is_gone_is_gone() {
    let mut schedule = schedule();
    schedule.add(&tenant(1), at(0));
    let taken = schedule.take_due(at(0));
    schedule.remove(&tenant(1));
    schedule.finish(taken[0].clone(), Swept::GOOD, at(1));
    assert_eq!(schedule.next_due(), None);
    assert_eq!(schedule.ages(at(1)), []);
}

#[test]
fn whoever_waits_for_the_end_of_a_sweep_is_told_in_every_case() {
    let mut schedule = schedule();
    schedule.add(&tenant(1), at(0));
    assert!(
        schedule.end_of_sweep(&tenant(1), at(0)).is_none(),
        "nobody sweeps"
    );
    schedule.serve(true);
    let finished = schedule.end_of_sweep(&tenant(1), at(0)).unwrap();
    let taken = schedule.take_due(at(0));
    assert!(!finished.is_cancelled());
    schedule.finish(taken[0].clone(), Swept::GOOD, at(1));
    assert!(finished.is_cancelled());
    assert!(
        schedule.end_of_sweep(&tenant(1), at(1)).is_none(),
        "not due yet"
    );

    schedule.add(&tenant(2), at(1));
    let stopped = schedule.end_of_sweep(&tenant(2), at(1)).unwrap();
    schedule.serve(false);
    assert!(stopped.is_cancelled());
    schedule.serve(true);
    let removed = schedule.end_of_sweep(&tenant(2), at(1)).unwrap();
    schedule.remove(&tenant(2));
    assert!(removed.is_cancelled());
}
