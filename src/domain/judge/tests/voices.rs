//! A voice that said that the service is not well, and cannot be heard any more.

use k8s_openapi::jiff::SignedDuration;

use crate::crd::{KeyAccessState, Reason};
use crate::domain::fact::{Denial, Fact, Seen};
use crate::domain::fixtures::{Facts, INTERVAL, absent, at, health};
use crate::domain::observed::{Canary, Health, HealthState};

/// What was last told, what is known now, and what is told then.
struct Row {
    told: Option<Reason>,
    health: Fact<Health>,
    canary: Option<Canary>,
    is_good: bool,
}

fn heard(state: HealthState) -> Fact<Health> {
    Fact::present(health(state), at(0), INTERVAL)
}

/// Read too long ago to be known.
fn unheard(state: HealthState) -> Fact<Health> {
    let long_ago = at(0) - SignedDuration::from_hours(1);
    Fact::present(health(state), long_ago, INTERVAL)
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
            canary: Some(Canary::Serving),
            ..row(ill, unheard(HealthState::Degraded), true)
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
            facts.observed.canary = row
                .canary
                .map(|canary| Fact::present(canary, at(0), INTERVAL));
        });
        let verdict = facts.plan().access.verdict;
        assert_eq!(verdict.is_yes(), row.is_good, "row {number}: {verdict:?}");
        if !row.is_good {
            assert_eq!(verdict.reason(), Reason::ServiceUnhealthy, "row {number}");
        }
    }
}

#[test]
fn a_service_that_recovers_is_not_called_well_while_the_voice_that_called_it_ill_cannot_be_heard() {
    for (health, is_good) in [
        (unheard(HealthState::Degraded), false),
        (unheard(HealthState::Available), true),
        (absent(), true),
    ] {
        let facts = Facts::settled().with(|facts| {
            let restored = facts.now - SignedDuration::from_mins(11);
            let access = facts.memory.access.as_mut().unwrap();
            access.state = KeyAccessState::Recovering;
            access.reason = Some(Reason::AwaitingRecovery);
            access.lost_since = Some(restored - SignedDuration::from_mins(5));
            access.restored_at = Some(restored);
            facts.observed.health = health;
        });
        let planned = facts.plan();
        assert_eq!(planned.access.verdict.is_yes(), is_good, "{planned:?}");
        assert_eq!(planned.step, None);
    }
}
