//! Whole roads through the world, from a situation to its end.

use super::*;
use crate::crd::KeyAccessState;

fn second() -> KeyUrl {
    url("clinic-keys", "dicom-cmk", SECOND)
}

fn first() -> KeyUrl {
    url("clinic-keys", "dicom-cmk", FIRST)
}

#[test]
fn onboarding_takes_three_writes_in_the_safe_order_and_at_most_six_patches() {
    let mut world = World::new();
    let planned = world.run();
    assert_eq!(
        world.kinds(),
        [
            Reason::EnablingIdentity,
            Reason::CreatingGrant,
            Reason::ApplyingKey
        ]
    );
    assert_eq!(planned.step, None);
    assert_eq!(world.shown("Ready"), "True/Healthy");
    assert!(world.patches <= 6, "{} patches", world.patches);
    assert!(world.now.duration_since(start()) >= WAIT);
}

#[test]
fn a_settled_world_is_left_alone_and_only_verified_again_once_an_hour() {
    let mut world = World::settled();
    for _ in 0..24 * 6 {
        world.pass_time(SignedDuration::from_mins(10));
        world.pass();
    }
    assert_eq!(world.steps, []);
    assert_eq!(world.patches, 24);
}

#[test]
fn a_service_encrypted_by_hand_as_asked_is_adopted_without_a_write() {
    let mut world = World::by_hand();
    world.run();
    assert_eq!(world.steps, []);
    assert_eq!(world.shown("Ready"), "True/Healthy");
}

#[test]
fn deleting_and_applying_the_object_again_never_rotates() {
    let mut world = World::by_hand();
    world.versions.insert(second(), rsa(1_750_000_000));
    let planned = world.run();
    assert_eq!(world.steps, []);
    assert_eq!(planned.target, Some(first()));
    assert!(planned.verdicts.key.message().contains(SECOND));
}

#[test]
fn a_service_under_another_key_is_left_alone_until_taking_it_over_is_allowed() {
    let mut world = World::by_hand();
    let other = url("clinic-keys", "other-cmk", SECOND);
    world.versions.insert(other.clone(), rsa(1_600_000_000));
    world.service.encryption = Encryption::CustomerManaged(other.clone());
    world.run();
    assert_eq!(world.steps, []);
    assert_eq!(world.shown("Stalled"), "True/EncryptedWithAnotherKey");

    world.desired.replace_existing = true;
    world.run();
    assert_eq!(world.kinds(), [Reason::ApplyingKey]);
    assert_eq!(world.shown("Ready"), "True/Healthy");
    let known: Vec<String> = world
        .status
        .unwrap()
        .key_versions
        .into_iter()
        .map(|one| one.url)
        .collect();
    assert!(
        known.contains(&other.to_string()),
        "the data written under the replaced key still needs it: {known:?}"
    );
}

#[test]
fn taking_a_service_over_is_called_off_as_long_as_the_write_was_not_made() {
    let mut world = World::by_hand();
    let other = url("clinic-keys", "other-cmk", SECOND);
    world.versions.insert(other.clone(), rsa(1_600_000_000));
    world.service.encryption = Encryption::CustomerManaged(other);
    world.desired.replace_existing = true;
    while world.plan().step.is_none() {
        world.pass();
    }
    world.desired.replace_existing = false;
    world.run();
    assert_eq!(world.steps, []);
    assert_eq!(world.shown("Stalled"), "True/EncryptedWithAnotherKey");
}

#[test]
fn no_switch_to_another_version_while_the_one_in_use_cannot_be_reached() {
    let mut world = World::settled();
    world.versions.insert(second(), rsa(1_750_000_000));
    world.desired.key.version = Some(SECOND.parse().unwrap());
    world.versions.get_mut(&first()).unwrap().attributes.enabled = false;
    world.run();
    assert_eq!(world.steps, []);
    assert_eq!(
        world.shown("EncryptionApplied"),
        "False/CurrentKeyUnreachable"
    );
    assert_eq!(world.shown("KeyAccessible"), "False/KeyDisabled");

    world.versions.get_mut(&first()).unwrap().attributes.enabled = true;
    world.run();
    assert_eq!(world.kinds(), [Reason::ApplyingKey]);
    assert_eq!(world.service.encryption.url(), Some(&second()));
    assert_eq!(world.status.unwrap().key_versions.len(), 2);
}

#[test]
fn a_chosen_version_that_was_never_fit_is_not_held_on_to() {
    let mut world = World::new();
    world.versions.get_mut(&first()).unwrap().size = Some(4096);
    world.run();
    assert_eq!(world.shown("Stalled"), "True/KeySizeUnsupported");
    world.versions.insert(second(), rsa(1_750_000_000));
    world.run();
    assert_eq!(world.shown("Ready"), "True/Healthy");
    assert_eq!(world.service.encryption.url(), Some(&second()));
}

#[test]
fn a_version_chosen_once_stays_chosen_when_a_newer_one_appears_or_the_service_cannot_be_read() {
    let mut world = World::new();
    world.pass();
    world.pass();
    world.versions.insert(second(), rsa(1_750_000_000));
    let mut observed = world.observed();
    observed.service = Fact::unread(INTERVAL);
    let memory = world.memory();
    let planned = world.plan_with(&observed, &memory);
    world.tell(&planned, &memory);
    world.run();
    assert_eq!(world.service.encryption.url(), Some(&first()));
}

#[test]
fn an_identity_switched_off_is_mended_by_identity_grant_wait_and_key() {
    let mut world = World::settled();
    let before = world.principal();
    world.service.identity = Attached::None;
    let planned = world.run();
    assert_ne!(world.principal(), before);
    assert_eq!(
        world.kinds(),
        [
            Reason::EnablingIdentity,
            Reason::CreatingGrant,
            Reason::ApplyingKey
        ]
    );
    assert_eq!(planned.access.state, KeyAccessState::Accessible);
    assert_eq!(world.shown("Ready"), "True/Healthy");
}

#[test]
fn a_grant_removed_is_made_again_and_the_loss_ends_after_the_wait() {
    let mut world = World::settled();
    world.grants.clear();
    let planned = world.pass();
    assert_eq!(planned.access.state, KeyAccessState::Recovering);
    assert_eq!(world.shown("Reconciling"), "True/GrantPending");
    world.run();
    assert_eq!(world.kinds(), [Reason::CreatingGrant]);
    assert_eq!(world.shown("KeyAccessible"), "True/AsSpecified");
}

#[test]
fn while_a_grant_takes_effect_the_status_does_not_change_with_each_look() {
    let mut world = World::new();
    for _ in 0..4 {
        world.pass();
    }
    assert_eq!(world.shown("Ready"), "False/GrantPending");
    let patches = world.patches;
    for milliseconds in [20_400, 19_900, 20_700] {
        world.pass_time(SignedDuration::from_millis(milliseconds));
        let mut observed = world.observed();
        for fact in observed.assignments.values_mut() {
            if let Seen::Present { value, .. } = &mut fact.seen {
                // Azure's clock tells whole seconds
                value[0].age = value[0]
                    .age
                    .map(|age| SignedDuration::from_secs(age.as_secs()));
            }
        }
        let memory = world.memory();
        let planned = world.plan_with(&observed, &memory);
        world.tell(&planned, &memory);
    }
    assert_eq!(world.patches, patches);
}

#[test]
fn a_vault_that_does_not_exist_is_told_as_that_and_not_as_a_missing_key() {
    let mut world = World::new();
    world.vaults.clear();
    world.versions.clear();
    world.run();
    assert_eq!(world.shown("Stalled"), "True/VaultNotFound");
}

#[test]
fn drift_is_only_told_when_the_object_only_reports() {
    let spoils: [fn(&mut World); 3] = [
        |world| world.grants.clear(),
        |world| world.service.identity = Attached::None,
        |world| world.service.encryption = Encryption::MicrosoftManaged,
    ];
    for spoil in spoils {
        let mut world = World::settled();
        world.desired.on_drift = OnDrift::Report;
        spoil(&mut world);
        world.run();
        assert_eq!(world.steps, []);
        assert!(
            world.shown("Stalled").starts_with("True/"),
            "{:?}",
            world.status
        );
    }
}

#[test]
fn an_object_that_only_observes_does_not_call_a_running_operation_a_difference() {
    let mut world = World::by_hand();
    world.desired.mode = Mode::Observe;
    world.run();
    assert_eq!(world.shown("Ready"), "True/Healthy");
    world.service.provisioning = Provisioning::Busy("Updating".to_owned());
    world.pass();
    assert_eq!(world.shown("Ready"), "False/ServiceBusy");
    assert_eq!(world.shown("Stalled"), "-");
    assert_eq!(world.steps, []);
}

#[test]
fn an_operation_of_somebody_else_does_not_make_the_key_in_use_a_pending_one() {
    let mut world = World::settled();
    world.service.provisioning = Provisioning::Busy("Updating".to_owned());
    world.pass();
    assert_eq!(world.status.unwrap().pending_key, None);
}
