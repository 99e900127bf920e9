//! Which version of the key is used: chosen once, recorded before use, never rotated.

use k8s_openapi::jiff::SignedDuration;

use crate::crd::Reason;
use crate::domain::fixtures::{
    Facts, NEW, OLD, SYSTEM, World, at, attributes, foreign_url, listed, other_vault_id, present,
    url,
};
use crate::domain::memory::Applied;
use crate::domain::observed::Encryption;

use super::{set_key, stalled};

#[test]
fn the_version_is_chosen_once_and_a_newer_one_only_told() {
    let mut world = World::of(Facts::fresh());
    world.tick();
    world.tick();
    assert_eq!(
        world
            .status
            .as_ref()
            .unwrap()
            .pending_key
            .as_ref()
            .unwrap()
            .url,
        url(OLD).to_string()
    );
    world.facts.add_newer_version();
    let last = world.settle();
    assert_eq!(world.facts.service().encryption.url(), Some(&url(OLD)));
    let message = last.verdicts.key.message();
    assert!(
        message.contains(&format!("newer version {NEW}")),
        "{message}"
    );
    assert!(last.summary.ready.is_yes());
}

#[test]
fn an_object_applied_anew_keeps_the_version_in_use() {
    let mut world = World::of(Facts::by_hand().with(Facts::add_newer_version));
    world.run();
    world.status = None;
    world.run();
    assert_eq!(world.writes, []);
}

#[test]
fn the_choice_of_a_version_survives_a_time_without_answers() {
    let mut world = World::of(Facts::fresh());
    world.tick();
    world.facts.now = at(3600);
    world.tick();
    world.facts.add_newer_version();
    world.facts.later(SignedDuration::from_secs(1));
    world.run();
    assert_eq!(world.facts.service().encryption.url(), Some(&url(OLD)));
}

#[test]
fn a_version_that_the_preflight_refuses_is_not_chosen_for_good() {
    let mut world = World::of(Facts::fresh().with(|facts| facts.key().key_type = "EC".to_owned()));
    let refused = world.settle();
    assert_eq!(stalled(&refused), Some(Reason::KeyTypeUnsupported));
    // the remedy: a new version that is RSA
    world.facts.add_newer_version();
    world.run();
    assert_eq!(world.facts.service().encryption.url(), Some(&url(NEW)));
}

#[test]
fn an_older_version_is_not_told_as_newer() {
    let facts = Facts::settled().with(|facts| {
        facts.key().attributes = attributes(-10);
        *facts.listing() = present(vec![listed(NEW, -9000)]);
    });
    let message = facts.plan().verdicts.key.message().to_owned();
    assert!(!message.contains("newer"), "{message}");
}

#[test]
fn a_version_is_on_record_before_it_is_used() {
    let facts = Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::MicrosoftManaged;
    });
    let planned = facts.plan();
    assert_eq!((planned.step, planned.record), (None, Some(url(OLD))));
    let recorded = facts.with(|facts| {
        facts.memory.versions.insert(url(OLD));
    });
    assert_eq!(recorded.plan().step, Some(set_key(url(OLD), SYSTEM)));
}

#[test]
fn a_second_edit_before_the_first_took_effect_is_no_stranger() {
    let facts = Facts::settled().with(|facts| {
        // from another key to the old version, accepted but not yet seen, and then to the new one
        facts.add_newer_version();
        facts.memory.applied = Some(Applied {
            url: foreign_url(),
            vault: other_vault_id(),
            at: None,
            principal: Some(SYSTEM),
            origin: None,
        });
        facts.memory.versions.insert(url(NEW));
        facts.desired.key.version = Some(NEW.parse().unwrap());
    });
    assert_eq!(facts.plan().step, Some(set_key(url(NEW), SYSTEM)));
}
