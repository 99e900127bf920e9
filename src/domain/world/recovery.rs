//! From a loss back to access: the window, the grace, and the PUT after it.

use super::*;
use crate::crd::KeyAccessState;
use crate::domain::observed::Canary;

pub(super) fn first() -> KeyUrl {
    url("clinic-keys", "dicom-cmk", FIRST)
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn says(state: HealthState, occurred: Timestamp) -> Health {
    Health {
        state,
        summary: "as it is".to_owned(),
        actions: Vec::new(),
        occurred: Some(occurred),
    }
}

/// A settled world whose key is disabled; Resource Health notices it when `noticed`.
fn lost(noticed: bool) -> World {
    let mut world = World::settled();
    world.pass_time(minutes(5));
    world.health = Some(says(HealthState::Available, start()));
    world.pass();
    world.pass_time(minutes(1));
    world.versions.get_mut(&first()).unwrap().attributes.enabled = false;
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "False/KeyDisabled");
    if noticed {
        world.health = Some(says(HealthState::Degraded, world.now));
    }
    world
}

/// The key comes back after so long.
fn restore(world: &mut World, after: SignedDuration) {
    world.pass_time(after);
    world.versions.get_mut(&first()).unwrap().attributes.enabled = true;
    world.pass();
}

pub(super) fn state(world: &World) -> KeyAccessState {
    world
        .status
        .as_ref()
        .unwrap()
        .key_access
        .as_ref()
        .unwrap()
        .state
}

fn puts(world: &World) -> usize {
    let revalidations = world.kinds();
    revalidations
        .iter()
        .filter(|kind| **kind == Reason::Revalidating)
        .count()
}

#[test]
fn a_short_loss_that_nobody_noticed_is_over_after_a_third_of_the_grace() {
    let mut world = lost(false);
    restore(&mut world, minutes(1));
    assert_eq!(world.shown("KeyAccessible"), "Unknown/AwaitingRecovery");
    assert_eq!(world.shown("Reconciling"), "True/AwaitingRecovery");
    world.pass_time(minutes(4));
    world.pass();
    assert_eq!(world.shown("Ready"), "True/Healthy");
    assert_eq!(world.steps, []);
}

#[test]
fn a_service_that_heals_within_the_window_is_believed_as_soon_as_it_says_so() {
    let mut world = lost(true);
    restore(&mut world, minutes(20));
    assert_eq!(state(&world), KeyAccessState::Recovering);
    world.pass_time(minutes(6));
    world.health = Some(says(HealthState::Available, world.now));
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "True/AsSpecified");
    assert_eq!(world.steps, []);
}

#[test]
fn a_service_that_does_not_heal_in_its_time_gets_one_put() {
    let mut world = lost(true);
    restore(&mut world, minutes(20));
    world.pass_time(minutes(9));
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "Unknown/AwaitingRecovery");
    world.pass_time(minutes(1));
    world.pass();
    world.pass();
    assert_eq!(puts(&world), 1);
    assert_eq!(world.shown("KeyAccessible"), "Unknown/Revalidating");
    world.pass_time(minutes(1));
    world.health = Some(says(HealthState::Available, world.now));
    world.pass();
    assert_eq!(world.shown("Ready"), "True/Healthy");
    world.run();
    assert_eq!(puts(&world), 1);
}

#[test]
fn beyond_the_window_the_put_is_recorded_and_then_sent_at_once_even_if_health_never_noticed() {
    for noticed in [true, false] {
        let mut world = lost(noticed);
        restore(&mut world, minutes(31));
        assert_eq!(world.steps, [], "recorded first");
        let access = world.status.as_ref().unwrap().key_access.clone().unwrap();
        let begun = access.revalidation.unwrap();
        assert_eq!(
            (begun.outcome, begun.attempts),
            (RevalidationOutcome::Begun, 1)
        );
        world.pass();
        assert_eq!(puts(&world), 1, "noticed: {noticed}");
    }
}

#[test]
fn a_health_that_turned_well_after_the_return_spares_the_put() {
    let mut world = lost(true);
    world.pass_time(minutes(31));
    world.versions.get_mut(&first()).unwrap().attributes.enabled = true;
    world.health = Some(says(HealthState::Available, world.now));
    world.pass();
    assert_eq!(world.shown("Ready"), "True/Healthy");
    assert_eq!(world.steps, []);
}

#[test]
fn data_from_the_service_itself_is_the_best_word() {
    let mut world = lost(true);
    world.canary = Some(Canary::Failing { status: 424 });
    restore(&mut world, minutes(12));
    let told = world.plan().access.verdict.message().to_owned();
    assert_eq!(
        world.shown("KeyAccessible"),
        "Unknown/AwaitingRecovery",
        "{told}"
    );
    world.canary = Some(Canary::Serving);
    world.pass();
    assert_eq!(state(&world), KeyAccessState::Accessible);
    world.canary = Some(Canary::Failing { status: 503 });
    world.health = Some(says(HealthState::Available, world.now));
    world.pass();
    assert_eq!(
        state(&world),
        KeyAccessState::Recovering,
        "it takes that back"
    );
}

#[test]
fn a_put_that_does_not_help_is_told_with_what_support_needs_and_repeated_after_an_hour() {
    let mut world = lost(true);
    restore(&mut world, minutes(40));
    world.pass();
    assert_eq!(puts(&world), 1);
    world.pass_time(minutes(10));
    let planned = world.pass();
    assert_eq!(world.shown("Stalled"), "True/RevalidationFailed");
    for words in [
        "For support: service /subscriptions/",
        "lost since 20",
        "access restored at 20",
        "as it is",
    ] {
        assert!(
            planned.access.verdict.message().contains(words),
            "{words}: {planned:?}"
        );
    }
    for _ in 0..49 {
        world.pass_time(minutes(1));
        world.pass();
    }
    assert_eq!(puts(&world), 1);
    world.pass_time(minutes(1));
    world.pass();
    world.pass();
    assert_eq!(puts(&world), 2);
    let access = world.status.as_ref().unwrap().key_access.clone().unwrap();
    assert_eq!(access.revalidation.unwrap().attempts, 2);
}

#[test]
fn a_process_that_did_not_record_the_put_does_not_send_it_within_the_hour() {
    let mut world = lost(true);
    restore(&mut world, minutes(40));
    world.intent = None;
    for _ in 0..59 {
        world.pass_time(minutes(1));
        world.pass();
        assert_eq!(world.steps, []);
    }
    world.pass_time(minutes(2));
    world.pass();
    world.pass();
    assert_eq!(puts(&world), 1);
}

#[test]
fn nobody_but_the_one_who_is_asked_to_sends_the_put() {
    type Change = fn(&mut Desired);
    let table: [(Change, &str, &str); 3] = [
        (
            |desired| desired.revalidate = Revalidate::Manual,
            "False/RevalidationDue",
            "True/RevalidationDue",
        ),
        (|desired| desired.suspend = true, "False/Suspended", "-"),
        (
            |desired| desired.mode = Mode::Observe,
            "False/NotAsSpecified",
            "True/NotAsSpecified",
        ),
    ];
    for (change, ready, stalled) in table {
        let mut world = lost(true);
        change(&mut world.desired);
        restore(&mut world, minutes(40));
        for _ in 0..3 {
            world.pass_time(minutes(30));
            world.pass();
        }
        assert_eq!(world.steps, []);
        assert_eq!(
            (
                world.shown("Ready").as_str(),
                world.shown("Stalled").as_str()
            ),
            (ready, stalled)
        );
    }
    let mut manual = lost(true);
    manual.desired.revalidate = Revalidate::Manual;
    restore(&mut manual, minutes(40));
    let message = manual.plan().access.verdict.message().to_owned();
    assert!(
        message.contains("az resource update --ids /subscriptions/"),
        "{message}"
    );
}

#[test]
fn a_put_of_somebody_else_is_believed_only_where_it_is_left_to_people() {
    for revalidate in [Revalidate::Manual, Revalidate::Automatic] {
        let mut world = lost(true);
        world.desired.revalidate = revalidate;
        restore(&mut world, minutes(40));
        // nobody saw the operation run, and Resource Health is silent
        world.health = None;
        world.pass_time(minutes(2));
        world.service.modified_at = Some(world.now);
        world.pass_time(minutes(2));
        world.pass();
        let is_well = world.shown("Ready") == "True/Healthy";
        assert_eq!(is_well, revalidate == Revalidate::Manual);
    }
}

#[test]
fn a_loss_that_nobody_watched_counts_from_the_last_time_all_was_seen_good() {
    let mut world = World::settled();
    world.pass();
    let verified = world.now;
    world.pass_time(minutes(50));
    world.watched_at = None;
    world.versions.get_mut(&first()).unwrap().attributes.enabled = false;
    let planned = world.pass();
    let loss = planned.access.loss.unwrap();
    assert_eq!((loss.since, loss.seen_at), (verified, world.now));
    let message = planned.access.verdict.message();
    assert!(
        message.contains("lost between ") && message.contains("ended at"),
        "{message}"
    );
    restore(&mut world, minutes(1));
    world.pass();
    assert_eq!(puts(&world), 1, "treated as longer than the window");
}

#[test]
fn the_evidence_tells_the_moment_of_a_loss_only_if_somebody_watched() {
    for watched in [true, false] {
        let mut world = World::settled();
        world.pass();
        let verified = world.now;
        world.pass_time(minutes(50));
        let told = world.now - SignedDuration::from_secs(30);
        if watched {
            world.watched_at = Some(world.now - minutes(1));
        } else {
            world.watched_at = None;
        }
        let attributes = &mut world.versions.get_mut(&first()).unwrap().attributes;
        attributes.enabled = false;
        attributes.updated = Some(told);
        let since = world.pass().access.loss.unwrap().since;
        assert_eq!(since, if watched { told } else { verified });
    }
}

#[test]
fn a_put_of_which_nobody_knows_whether_it_was_sent_is_not_believed() {
    for health in [None, Some(says(HealthState::Available, start()))] {
        let mut world = lost(false);
        world.health = health;
        restore(&mut world, minutes(40));
        world.intent = None;
        for _ in 0..58 {
            world.pass_time(minutes(1));
            world.pass();
            assert_eq!(state(&world), KeyAccessState::Recovering);
        }
        world.pass_time(minutes(4));
        world.pass();
        world.pass();
        assert_eq!(puts(&world), 1);
    }
}

#[test]
fn a_record_that_has_grown_old_is_made_anew_before_the_put() {
    let mut world = lost(true);
    restore(&mut world, minutes(40));
    let first_record = world.intent.unwrap();
    world.pass_time(minutes(30));
    world.pass();
    assert_eq!(world.steps, []);
    assert!(world.intent.unwrap() > first_record);
    world.pass();
    assert_eq!(puts(&world), 1);
}

#[test]
fn a_service_that_was_never_seen_good_gets_the_put_once_its_key_is_back() {
    let mut world = World::by_hand();
    world.versions.get_mut(&first()).unwrap().attributes.enabled = false;
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "False/KeyDisabled");
    restore(&mut world, minutes(1));
    world.pass();
    assert_eq!(puts(&world), 1);
}

#[test]
fn another_id_for_the_vault_in_use_is_no_loss() {
    let mut world = World::settled();
    world.desired.key.vault = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/typo/providers/Microsoft.KeyVault/vaults/clinic-keys".parse().unwrap();
    world.pass();
    assert_eq!(world.shown("Stalled"), "True/VaultNotFound");
    assert_eq!(state(&world), KeyAccessState::Accessible);
}

#[test]
fn reminders_come_at_a_third_two_thirds_and_the_end_of_the_window() {
    let mut world = lost(true);
    let mut sent = Vec::new();
    for minute in 0..40 {
        world.pass();
        let access = world.status.as_ref().unwrap().key_access.as_ref().unwrap();
        if access.reminders.map_or(0, i64::from) > i64::try_from(sent.len()).unwrap() {
            sent.push(minute);
        }
        world.pass_time(minutes(1));
    }
    assert_eq!(sent, [10, 20, 28, 30]);
}
