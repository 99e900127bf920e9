//! What threatens key access, and causes of a loss that need a story.

use super::recovery::{first, state};
use super::*;
use crate::crd::KeyAccessState;

#[test]
fn what_threatens_the_access_is_told_while_it_is_good() {
    type Threat = fn(&mut World, &KeyUrl);
    let old = url("clinic-keys", "dicom-cmk", SECOND);
    let table: [(Threat, &str, &str); 6] = [
        (
            |world, _| {
                let expires = world.now + SignedDuration::from_hours(29 * 24);
                world.versions.get_mut(&first()).unwrap().attributes.expires = Some(expires);
            },
            "KeyExpiring",
            "--expires <date>",
        ),
        (
            |world, _| {
                world
                    .versions
                    .get_mut(&first())
                    .unwrap()
                    .attributes
                    .purgeable = Some(true);
            },
            "PurgeProtectionOff",
            "could be purged",
        ),
        (
            |world, _| {
                let vault = world.vaults.values_mut().next().unwrap();
                vault.network = VaultNetwork::Open;
                vault.bypass = false;
            },
            "TrustedServicesBypassOff",
            "--bypass AzureServices",
        ),
        (
            |world, second| world.versions.get_mut(second).unwrap().attributes.enabled = false,
            "OldKeyVersionUnusable",
            "--enabled true",
        ),
        (
            |world, second| {
                world.versions.remove(second);
            },
            "OldKeyVersionUnusable",
            "az keyvault key restore",
        ),
        (
            |world, second| {
                let expired = world.now - SignedDuration::from_hours(1);
                world.versions.get_mut(second).unwrap().attributes.expires = Some(expired);
            },
            "OldKeyVersionUnusable",
            "is expired",
        ),
    ];
    for (threat, reason, words) in table {
        // the service has used the second version before the first
        let mut world = World::settled();
        world.versions.insert(old.clone(), rsa(1_600_000_000));
        world.desired.key.version = Some(SECOND.parse().unwrap());
        world.run();
        world.desired.key.version = Some(FIRST.parse().unwrap());
        world.run();
        assert_eq!(state(&world), KeyAccessState::Accessible);
        threat(&mut world, &old);
        let planned = world.pass();
        assert_eq!(state(&world), KeyAccessState::AtRisk, "{reason}");
        assert_eq!(world.shown("KeyAccessible"), format!("True/{reason}"));
        assert_eq!(world.shown("Ready"), "True/Healthy");
        let message = planned.access.risk.unwrap().message;
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn an_adopted_service_may_have_used_any_older_version_of_its_key() {
    let older = url("clinic-keys", "dicom-cmk", SECOND);
    for (adopted, expected) in [
        (true, KeyAccessState::AtRisk),
        (false, KeyAccessState::Accessible),
    ] {
        let mut world = if adopted {
            World::by_hand()
        } else {
            World::settled()
        };
        let mut stale = rsa(1_600_000_000);
        stale.attributes.enabled = false;
        world.versions.insert(older.clone(), stale);
        world.run();
        assert_eq!(state(&world), expected);
    }
}

#[test]
fn a_vault_that_came_back_without_its_grants_is_told_as_that() {
    let mut world = World::settled();
    world.desired.management = AccessManagement::Observe;
    let vaults = std::mem::take(&mut world.vaults);
    world.grants.clear();
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "False/VaultDeleted");
    world.vaults = vaults;
    world.pass();
    assert_eq!(
        world.shown("KeyAccessible"),
        "False/VaultRecoveredWithoutGrants"
    );
    world.pass();
    assert_eq!(
        world.shown("KeyAccessible"),
        "False/VaultRecoveredWithoutGrants"
    );
}

#[test]
fn a_host_name_that_is_not_registered_is_a_loss() {
    let mut world = World::settled();
    world.vaults.values_mut().next().unwrap().resolvable = false;
    world.pass();
    assert_eq!(world.shown("KeyAccessible"), "False/VaultNotReachable");
}

#[test]
fn an_operation_of_somebody_else_that_failed_is_doubt_only_where_nothing_else_is_known() {
    let mut world = World::settled();
    world.service.provisioning = Provisioning::Failed("Failed".to_owned());
    world.pass();
    assert_eq!(world.shown("Ready"), "True/Healthy");
    world.health = None;
    world.pass();
    assert_eq!(world.shown("Ready"), "Unknown/ServiceFailed");
}
