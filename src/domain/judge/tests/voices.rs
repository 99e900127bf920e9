//! A voice that said that the service is not well, and cannot be heard any more.

use k8s_openapi::jiff::SignedDuration;

use crate::crd::{KeyAccessState, Reason};
use crate::domain::fact::{Denial, Fact, Seen};
use crate::domain::fixtures::{Facts, INTERVAL, OLD, absent, at, health, key_version, url};
use crate::domain::judge::Next;
use crate::domain::memory::EndedLoss;
use crate::domain::observed::{Canary, Health, HealthState, Provisioning};
use crate::domain::plan::Plan;

/// What was last told, what is known now, and what is told then.
struct Row {
    told: Option<Reason>,
    health: Fact<Health>,
    canary: Option<Fact<Canary>>,
    is_good: bool,
}

fn heard(state: HealthState) -> Fact<Health> {
    Fact::present(health(state), at(0), INTERVAL)
}

/// Read too long ago to be known.
fn long_ago<T>(value: T) -> Fact<T> {
    Fact::present(value, at(0) - SignedDuration::from_hours(1), INTERVAL)
}

fn unheard(state: HealthState) -> Fact<Health> {
    long_ago(health(state))
}

fn refused() -> Fact<Health> {
    let denial = Denial {
        message: "no".to_owned(),
    };
    Fact {
        seen: Seen::Refused { denial, at: at(0) },
        ..Fact::unread(INTERVAL)
    }
}

fn row(told: Option<Reason>, health: Fact<Health>, is_good: bool) -> Row {
    Row {
        told,
        health,
        canary: None,
        is_good,
    }
}

#[test]
fn a_service_that_was_called_ill_is_well_again_only_when_a_voice_says_so_or_has_nothing_to_say() {
    let ill = Some(Reason::ServiceUnhealthy);
    let other = Some(Reason::AzureUnreachable);
    let rows = [
        row(ill, unheard(HealthState::Degraded), false),
        row(other, unheard(HealthState::Unavailable), false),
        // after a restart
        row(ill, Fact::unread(INTERVAL), false),
        row(ill, heard(HealthState::Available), true),
        row(ill, heard(HealthState::Unknown), true),
        row(ill, absent(), true),
        row(ill, refused(), true),
        row(None, unheard(HealthState::Available), true),
        row(other, Fact::unread(INTERVAL), true),
        Row {
            canary: Some(Fact::present(Canary::Serving, at(0), INTERVAL)),
            ..row(ill, unheard(HealthState::Degraded), true)
        },
        // the one that called it ill says well, and the other was never heard, or never ill
        Row {
            canary: Some(Fact::unread(INTERVAL)),
            ..row(ill, heard(HealthState::Available), true)
        },
        Row {
            canary: Some(long_ago(Canary::Serving)),
            ..row(ill, heard(HealthState::Available), true)
        },
        // green all along, while the service answered with an error and then not at all
        Row {
            canary: Some(long_ago(Canary::Failing { status: 503 })),
            ..row(ill, heard(HealthState::Available), false)
        },
    ];
    for (number, row) in rows.into_iter().enumerate() {
        let facts = Facts::settled().with(|facts| {
            let access = facts.memory.access.as_mut().unwrap();
            if row.told.is_some() {
                access.state = KeyAccessState::Unknown;
            }
            access.reason = row.told;
            facts.observed.health = row.health;
            facts.observed.canary = row.canary;
        });
        let verdict = facts.plan().access.verdict;
        assert_eq!(verdict.is_yes(), row.is_good, "row {number}: {verdict:?}");
        if !row.is_good {
            assert_eq!(verdict.reason(), Reason::ServiceUnhealthy, "row {number}");
        }
    }
}

/// What a recovery says so many minutes after access was restored, inside the window.
fn recovery(minutes: i64, health: Fact<Health>, told: Reason) -> Plan {
    let facts = Facts::settled().with(|facts| {
        let restored = facts.now - SignedDuration::from_mins(minutes);
        let access = facts.memory.access.as_mut().unwrap();
        access.state = KeyAccessState::Recovering;
        access.reason = Some(told);
        access.lost_since = Some(restored - SignedDuration::from_mins(5));
        access.restored_at = Some(restored);
        facts.observed.health = health;
    });
    facts.plan()
}

#[test]
fn a_recovery_does_not_end_well_on_a_voice_that_cannot_be_heard() {
    let (waits, ill) = (Reason::AwaitingRecovery, Reason::DataStoreInaccessible);
    // until the grace is over twice; then it is sent the PUT if it was not well when last heard
    for (minutes, health, told, reason) in [
        (
            11,
            unheard(HealthState::Available),
            waits,
            Reason::AsSpecified,
        ),
        (11, absent(), waits, Reason::AsSpecified),
        (11, unheard(HealthState::Degraded), waits, waits),
        (21, unheard(HealthState::Degraded), waits, ill),
        (11, Fact::unread(INTERVAL), waits, waits),
        (21, Fact::unread(INTERVAL), waits, Reason::AsSpecified),
        (21, Fact::unread(INTERVAL), ill, ill),
    ] {
        let verdict = recovery(minutes, health, told).access.verdict;
        assert_eq!(verdict.reason(), reason, "{minutes}, {told}: {verdict:?}");
    }
}

/// What is held so many minutes after a loss ended that had lasted for so many.
fn after_the_end(minutes: i64, length: i64, ill: bool) -> Plan {
    let facts = Facts::settled().with(|facts| {
        let ended_at = facts.now - SignedDuration::from_mins(minutes);
        let restored_at = ended_at - SignedDuration::from_mins(10);
        let since = restored_at - SignedDuration::from_mins(length);
        facts.memory.access.as_mut().unwrap().last_loss = Some(EndedLoss {
            since,
            seen_at: since,
            restored_at,
            ended_at,
        });
        if ill {
            facts.observed.health = heard(HealthState::Unavailable);
        }
    });
    facts.plan()
}

#[test]
fn a_voice_that_calls_the_service_ill_within_an_hour_takes_back_the_end_of_a_loss() {
    let (well, again, ill) = (
        Reason::AsSpecified,
        Reason::DataStoreInaccessible,
        Reason::ServiceUnhealthy,
    );
    for (minutes, length, is_ill, reason) in [
        (59, 5, true, again),
        (59, 40, true, again),
        (61, 40, true, ill),
        (59, 40, false, well),
    ] {
        let planned = after_the_end(minutes, length, is_ill);
        let verdict = &planned.access.verdict;
        assert_eq!(verdict.reason(), reason, "{minutes}, {length}: {verdict:?}");
        assert_eq!(planned.begin_revalidation, reason == again, "{minutes}");
    }
}

/// A loss that ended a minute ago, long after the service was given time to see its key again, and a
/// Resource Health that calls the service ill.
fn ended_and_called_ill() -> Facts {
    Facts::settled().with(|facts| {
        facts.memory.access.as_mut().unwrap().last_loss = Some(EndedLoss {
            since: at(-900),
            seen_at: at(-900),
            restored_at: at(-800),
            ended_at: at(-60),
        });
        facts.observed.health = heard(HealthState::Unavailable);
    })
}

#[test]
fn data_from_the_service_stands_against_a_voice_that_lags_behind_the_end_of_a_loss() {
    for operation in [
        Provisioning::Succeeded,
        Provisioning::Busy("Updating".to_owned()),
    ] {
        let facts = ended_and_called_ill().with(|facts| {
            facts.observed.canary = Some(Fact::present(Canary::Serving, at(0), INTERVAL));
            facts.service().provisioning = operation;
        });
        assert_eq!(facts.plan().access.state, KeyAccessState::Accessible);
    }
}

#[test]
fn what_is_lost_after_a_voice_took_up_an_ended_loss_is_a_loss_of_its_own() {
    let facts = Facts::settled().with(|facts| {
        let access = facts.memory.access.as_mut().unwrap();
        access.state = KeyAccessState::Recovering;
        access.lost_since = Some(at(-4_200));
        access.restored_at = Some(at(-3_600));
        access.verified_at = Some(at(-3_000));
        access.last_loss = Some(EndedLoss {
            since: at(-4_200),
            seen_at: at(-4_200),
            restored_at: at(-3_600),
            ended_at: at(-3_000),
        });
        facts.memory.watched_at = Some(at(-30));
        facts.grants().clear();
    });
    let access = facts.plan().access;
    assert_eq!(access.state, KeyAccessState::Lost, "{access:?}");
    assert_eq!(access.loss.unwrap().since, at(0));
}

#[test]
fn an_ended_loss_is_taken_up_again_only_after_a_look_at_all_links() {
    let facts = ended_and_called_ill().with(|facts| {
        let version = key_version(-9_000);
        let earlier = Fact::present(version, at(-20), INTERVAL);
        facts.observed.versions.insert(url(OLD), earlier);
    });
    let planned = facts.plan();
    assert_eq!(planned.access.next, Next::Look, "{:?}", planned.access);
    assert_eq!(planned.access.state, KeyAccessState::Unknown);
    assert!(!planned.begin_revalidation);
}
