//! No false alarm: a loss needs positive evidence. No lost alarm: doubt does not end one.

use super::*;
use crate::crd::KeyAccessState;

#[test]
fn a_condition_on_the_grant_in_use_is_doubt_and_no_loss() {
    let mut world = World::by_hand();
    world.grants.clear();
    world.desired.management = AccessManagement::Observe;
    world.grant(true);
    world.run();
    assert_eq!(world.shown("AccessGranted"), "False/GrantConditional");
    assert_eq!(world.shown("KeyAccessible"), "Unknown/GrantConditional");
}

#[test]
fn a_service_that_always_worked_without_a_direct_grant_has_lost_nothing() {
    let mut world = World::by_hand();
    world.grants.clear();
    world.desired.mode = Mode::Observe;
    world.run();
    world.run();
    assert_eq!(world.shown("AccessGranted"), "False/GrantMissing");
    assert_eq!(world.shown("KeyAccessible"), "Unknown/GrantMissing");
}

#[test]
fn without_a_grant_and_with_bad_health_a_service_has_lost_its_key_at_first_sight_too() {
    let mut world = World::by_hand();
    world.grants.clear();
    world.desired.mode = Mode::Observe;
    world.health = Some(Health {
        state: HealthState::Unavailable,
        summary: "the key cannot be reached".to_owned(),
        actions: Vec::new(),
        occurred: None,
    });
    world.run();
    assert_eq!(world.shown("KeyAccessible"), "False/GrantMissing");
}

#[test]
fn a_grant_that_was_seen_good_and_is_gone_is_a_loss_whatever_resource_health_says() {
    let mut world = World::settled();
    world.desired.mode = Mode::Observe;
    world.grants.clear();
    world.run();
    assert_eq!(world.shown("KeyAccessible"), "False/GrantMissing");
}

#[test]
fn an_identity_that_is_asked_for_and_does_not_exist_is_no_loss_of_the_one_attached() {
    let mut world = World::by_hand();
    let principal = world.principal();
    world.service.identity = Attached::User(vec![UserAttached {
        id: identity_id("attached-one"),
        principal: Some(principal),
    }]);
    world.desired.identity = Some(identity_id("asked-for-one"));
    world.run();
    assert_eq!(world.shown("Stalled"), "True/IdentityNotFound");
    assert_eq!(world.shown("KeyAccessible"), "True/AsSpecified");
}

#[test]
fn doubt_keeps_an_alarm_with_its_reason_and_its_time() {
    let mut world = World::settled();
    let key = url("clinic-keys", "dicom-cmk", FIRST);
    world.versions.get_mut(&key).unwrap().attributes.enabled = false;
    world.run();
    let since = world.plan().access.loss.map(|loss| loss.since);
    world.pass_time(SignedDuration::from_mins(7));
    let mut observed = world.observed();
    observed.versions.insert(key, Fact::unread(INTERVAL));
    let memory = world.memory();
    let planned = world.plan_with(&observed, &memory);
    world.tell(&planned, &memory);
    assert_eq!(world.shown("KeyAccessible"), "False/KeyDisabled");
    assert_eq!(planned.access.loss.map(|loss| loss.since), since);
}

#[test]
fn doubt_while_recovering_is_no_second_loss() {
    let mut world = World::settled();
    let key = url("clinic-keys", "dicom-cmk", FIRST);
    world.versions.get_mut(&key).unwrap().attributes.enabled = false;
    world.run();
    let since = world.plan().access.loss.map(|loss| loss.since);
    world.versions.get_mut(&key).unwrap().attributes.enabled = true;
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "Unknown/AwaitingRecovery");
    world.is_blind_to_grants = true;
    let planned = world.pass();
    assert_eq!(planned.access.state, KeyAccessState::Recovering);
    assert_eq!(planned.access.loss.map(|loss| loss.since), since);
    assert!(world.shown("KeyAccessible").starts_with("Unknown/"));
}

#[test]
fn a_service_that_was_deleted_is_told_as_that_even_if_its_key_was_lost_before() {
    let mut world = World::settled();
    let key = url("clinic-keys", "dicom-cmk", FIRST);
    world.versions.get_mut(&key).unwrap().attributes.enabled = false;
    world.run();
    let mut observed = world.observed();
    observed.service = fact(None, world.now);
    let memory = world.memory();
    let planned = world.plan_with(&observed, &memory);
    world.tell(&planned, &memory);
    assert_eq!(world.shown("Stalled"), "True/ServiceNotFound");
    assert_eq!(world.shown("KeyAccessible"), "Unknown/ServiceNotFound");
    assert!(planned.access.loss.is_some());
}

#[test]
fn a_grant_that_cannot_be_looked_at_for_a_while_stays_in_the_status() {
    let mut world = World::settled();
    let grant = world.status.as_ref().unwrap().grant.clone();
    assert!(grant.is_some());
    world.is_blind_to_grants = true;
    world.run();
    assert_eq!(world.status.as_ref().unwrap().grant, grant);
    world.is_blind_to_grants = false;
    world.desired.mode = Mode::Observe;
    world.grants.clear();
    world.run();
    assert_eq!(world.status.as_ref().unwrap().grant, None);
}

#[test]
fn a_pinned_version_in_use_that_expires_soon_is_no_fault_while_the_service_cannot_be_read() {
    let mut world = World::settled();
    let key = url("clinic-keys", "dicom-cmk", FIRST);
    world.desired.key.version = Some(FIRST.parse().unwrap());
    world.versions.get_mut(&key).unwrap().attributes.expires =
        Some(world.now + SignedDuration::from_hours(48));
    world.run();
    assert_eq!(world.shown("KeyUsable"), "True/AsSpecified");
    let mut observed = world.observed();
    observed.service = Fact::unread(INTERVAL);
    let planned = world.plan_with(&observed, &world.memory());
    assert!(planned.verdicts.key.is_yes(), "{:?}", planned.verdicts.key);
}

#[test]
fn a_grant_with_a_birthday_beyond_all_time_stops_nobody() {
    let mut world = World::by_hand();
    let mut observed = world.observed();
    for fact in observed.assignments.values_mut() {
        if let Seen::Present { value, .. } = &mut fact.seen {
            value[0].age = Some(SignedDuration::MAX);
            value[0].created = Some(Timestamp::MIN);
        }
    }
    world.now = start();
    assert!(
        world
            .plan_with(&observed, &world.memory())
            .verdicts
            .grant
            .is_yes()
    );
    for fact in observed.assignments.values_mut() {
        if let Seen::Present { value, .. } = &mut fact.seen {
            value[0].age = Some(SignedDuration::MIN);
            value[0].created = Some(Timestamp::MAX);
        }
    }
    assert!(
        !world
            .plan_with(&observed, &world.memory())
            .verdicts
            .grant
            .is_yes()
    );
}

#[test]
fn doubt_while_a_new_grant_takes_effect_keeps_the_alarm() {
    let mut world = World::settled();
    world.grants.clear();
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "False/GrantPending");
    world.is_blind_to_grants = true;
    let planned = world.pass();
    assert_eq!(world.shown("KeyAccessible"), "False/GrantPending");
    assert_eq!(planned.access.state, KeyAccessState::Recovering);
}
