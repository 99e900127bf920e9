//! The end of an alarm rests on facts that were read at about the same time.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::crd::{KeyAccessState, Reason};
use crate::domain::fact::{Fact, Seen};
use crate::domain::fixtures::{Facts, url, vault_id};
use crate::domain::judge::Next;
use crate::domain::judge::access::ONE_LOOK;
use crate::domain::wants::{Want, links};

use super::OLD;

/// What is read, and read this long before all else.
type Aged = fn(&mut Facts, Timestamp);

const LINKS: [Aged; 4] = [
    |facts, at| read(&mut facts.observed.service, at),
    |facts, at| read(facts.observed.vaults.get_mut(&vault_id()).unwrap(), at),
    |facts, at| read(facts.observed.versions.get_mut(&url(OLD)).unwrap(), at),
    |facts, at| read(facts.observed.assignments.get_mut(&vault_id()).unwrap(), at),
];

fn read<T>(fact: &mut Fact<T>, when: Timestamp) {
    let Seen::Present { at, .. } = &mut fact.seen else {
        panic!("the fact has no value")
    };
    *at = when;
}

fn lost() -> Facts {
    Facts::settled().with(|facts| {
        let access = facts.memory.access.as_mut().unwrap();
        access.state = KeyAccessState::Lost;
        access.reason = Some(Reason::KeyDisabled);
        access.lost_since = Some(facts.now);
    })
}

#[test]
fn an_alarm_ends_when_every_link_was_seen_good_at_about_the_same_time() {
    for age in LINKS {
        let facts = lost().with(|facts| age(facts, facts.now - ONE_LOOK));
        let planned = facts.plan();
        assert_eq!(planned.access.state, KeyAccessState::Recovering);
    }
}

#[test]
fn an_alarm_stays_and_asks_for_a_look_when_one_link_was_seen_before_the_others() {
    let longer = ONE_LOOK + SignedDuration::from_millis(1);
    for age in LINKS {
        let facts = lost().with(|facts| age(facts, facts.now - longer));
        let planned = facts.plan();
        assert_eq!(planned.access.state, KeyAccessState::Lost);
        assert!(planned.access.verdict.is_no());
        assert_eq!(planned.access.verdict.reason(), Reason::KeyDisabled);
        assert_eq!(planned.access.next, Next::Look);
        assert_eq!(planned.step, None);
    }
}

#[test]
fn what_has_begun_to_come_back_is_not_looked_at_all_at_once_again() {
    let facts = lost().with(|facts| {
        let access = facts.memory.access.as_mut().unwrap();
        access.state = KeyAccessState::Recovering;
        access.restored_at = Some(facts.now);
        LINKS[0](facts, facts.now - SignedDuration::from_secs(60));
    });
    assert_eq!(facts.plan().access.state, KeyAccessState::Recovering);
    assert_ne!(facts.plan().access.next, Next::Look);
}

#[test]
fn the_look_before_an_alarm_ends_is_at_the_links_alone() {
    let facts = Facts::settled().with(|facts| facts.desired.canary = true);
    let service = facts.observed.service.last_value();
    let vault = vault_id();
    let wanted = [
        Want::Service(facts.desired.service.clone()),
        Want::Vault(vault.clone()),
        Want::Version(vault.clone(), url(OLD)),
        Want::Assignments(vault.clone()),
        Want::DenyAssignments(vault),
    ];
    let looked_at = links(&facts.desired, &facts.memory, service);
    assert_eq!(looked_at, wanted.into());
}
