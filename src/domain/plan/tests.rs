//! The ladder, walked through whole stories.

use k8s_openapi::jiff::SignedDuration;

use uuid::Uuid;

use crate::azure::{DicomServiceId, KeyUrl};
use crate::crd::{AssignmentScope, KeyAccessState, OnDrift, Reason};
use crate::domain::fixtures::{
    Facts, IDENTITY, NEW, OLD, OTHER_IDENTITY, SYSTEM, USER, VAULT, WAIT, World, absent,
    assignment, at, foreign_url, identity_id, key_version, listed, other_vault_id, present, url,
    value, vault,
};
use crate::domain::observed::{Attached, Encryption, HealthState, UserAttached};
use crate::domain::plan::Plan;
use crate::domain::step::{Step, assignment_name};

mod holds;
mod version;

fn service_id() -> DicomServiceId {
    Facts::fresh().desired.service
}

fn set_key(url: KeyUrl, principal: Uuid) -> Step {
    Step::SetKeyUrl {
        service: service_id(),
        url,
        principal,
    }
}

fn stalled(plan: &Plan) -> Option<Reason> {
    plan.summary.stalled.as_ref().map(|why| why.reason)
}

fn reconciling(plan: &Plan) -> Option<Reason> {
    plan.summary.reconciling.as_ref().map(|why| why.reason)
}

#[test]
fn onboarding_takes_three_writes_with_a_wait_before_the_last() {
    let mut world = World::of(Facts::fresh());
    let last = world.settle();
    let principal = Uuid::from_u128(SYSTEM.as_u128() + 1);
    let role = world.facts.desired.role;
    assert_eq!(
        world.writes,
        [
            Step::EnableIdentity {
                service: service_id(),
                identity: None
            },
            Step::AssignRole {
                scope: VAULT.to_owned(),
                role,
                principal,
                name: assignment_name(VAULT, principal, role),
            },
            set_key(url(OLD), principal),
        ]
    );
    assert!(last.summary.ready.is_yes(), "{:?}", last.summary);
    assert!(world.facts.now >= at(600), "the wait was skipped");
    assert!(world.patches <= 6, "{} patches", world.patches);
    assert_eq!(last.access.state, KeyAccessState::Accessible);
}

#[test]
fn a_settled_world_stays_quiet() {
    let mut world = World::of(Facts::fresh());
    world.run();
    let (writes, patches) = (world.writes.len(), world.patches);
    for _ in 0..20 {
        world.facts.later(SignedDuration::from_secs(60));
        world.tick();
    }
    assert_eq!((world.writes.len(), world.patches), (writes, patches));
}

#[test]
fn a_user_assigned_identity_is_attached_and_its_principal_gets_the_role() {
    let mut world = World::of(Facts::fresh().with_user_identity());
    world.run();
    assert_eq!(
        world.writes.first(),
        Some(&Step::EnableIdentity {
            service: service_id(),
            identity: Some(identity_id())
        })
    );
    assert!(matches!(&world.writes[1], Step::AssignRole { principal, .. } if *principal == USER));
    assert_eq!(world.writes[2], set_key(url(OLD), USER));
    assert_eq!(world.writes.len(), 3);
}

#[test]
fn the_role_is_assigned_at_the_key_when_that_is_asked_for() {
    let facts = Facts::fresh().with(|facts| {
        facts.service().identity = Attached::System { principal: SYSTEM };
        facts.desired.scope = AssignmentScope::Key;
    });
    let Some(Step::AssignRole { scope, .. }) = facts.plan().step else {
        panic!("no role is assigned")
    };
    assert_eq!(scope, format!("{VAULT}/keys/dicom-cmk"));
}

#[test]
fn a_service_encrypted_by_hand_as_asked_is_adopted_without_a_write() {
    let mut world = World::of(Facts::by_hand());
    let last = world.settle();
    assert_eq!(world.writes, []);
    assert!(last.summary.ready.is_yes());
    let status = world.status.unwrap();
    assert_eq!(status.key.unwrap().applied_for, Some(SYSTEM.to_string()));
    assert_eq!(status.key_versions.len(), 1);
    assert_eq!(status.pending_key, None);
}

#[test]
fn a_service_with_another_key_is_left_alone_and_told() {
    for in_same_vault in [true, false] {
        let strange: KeyUrl = if in_same_vault {
            format!("https://clinic-keys.vault.azure.net/keys/another/{OLD}")
                .parse()
                .unwrap()
        } else {
            foreign_url()
        };
        let mut world = World::of(Facts::by_hand().with(|facts| {
            facts.service().encryption = Encryption::CustomerManaged(strange.clone());
            facts.service().identity = Attached::None;
        }));
        let last = world.settle();
        assert_eq!(world.writes, []);
        let stalled = last.summary.stalled.unwrap();
        assert!(
            stalled.message.contains("key.replaceExisting"),
            "{stalled:?}"
        );
        let status = world.status.unwrap();
        assert_eq!(status.key_versions, [], "a stranger's key is on record");
        assert_eq!(status.pending_key, None);
    }
}

#[test]
fn a_service_with_another_key_is_told_so_even_if_no_version_can_be_chosen() {
    let facts = Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::CustomerManaged(foreign_url());
        *facts.listing() = present(Vec::new());
    });
    assert_eq!(
        stalled(&facts.plan()),
        Some(Reason::EncryptedWithAnotherKey)
    );
}

#[test]
fn replace_existing_takes_a_service_over_and_remembers_the_key_it_had() {
    let mut world = World::of(Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::CustomerManaged(foreign_url());
        facts.desired.replace_existing = true;
    }));
    world.run();
    assert_eq!(world.writes, [set_key(url(OLD), SYSTEM)]);
    let known: Vec<String> = world
        .status
        .unwrap()
        .key_versions
        .into_iter()
        .map(|version| version.url)
        .collect();
    assert!(known.contains(&foreign_url().to_string()), "{known:?}");
    assert!(known.contains(&url(OLD).to_string()), "{known:?}");
}

#[test]
fn consent_to_a_take_over_can_be_withdrawn_until_the_write() {
    let mut world = World::of(Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::CustomerManaged(foreign_url());
        facts.desired.replace_existing = true;
        facts.grants().pop();
    }));
    world.tick();
    world.tick();
    world.facts.desired.replace_existing = false;
    world.facts.later(WAIT);
    let last = world.settle();
    assert!(!world.writes.contains(&set_key(url(OLD), SYSTEM)));
    assert_eq!(
        world.facts.service().encryption,
        Encryption::CustomerManaged(foreign_url())
    );
    assert!(last.summary.stalled.is_some());
}

#[test]
fn an_edited_key_is_changed_to_in_the_safe_order() {
    let mut world = World::of(Facts::by_hand());
    world.run();
    world.facts.desired.key.vault = other_vault_id();
    world.facts.desired.key.name = "legacy-cmk".parse().unwrap();
    let observed = &mut world.facts.observed;
    observed.vaults.insert(other_vault_id(), present(vault()));
    observed
        .versions
        .insert(foreign_url(), present(key_version(-50)));
    let key = (other_vault_id(), "legacy-cmk".parse().unwrap());
    observed
        .listings
        .insert(key, present(vec![listed(OLD, -50)]));
    observed
        .assignments
        .insert(other_vault_id(), present(vec![]));

    // the grant at the new vault first, while the service stays on the old key
    let planned = world.facts.plan();
    let Some(Step::AssignRole { scope, .. }) = planned.step else {
        panic!("{:?}", planned.step)
    };
    assert_eq!(scope, other_vault_id().to_string());

    let granted = assignment(SYSTEM, &scope);
    *value(
        world
            .facts
            .observed
            .assignments
            .get_mut(&other_vault_id())
            .unwrap(),
    ) = vec![granted];
    assert_eq!(world.pass().step, None, "the version was not recorded yet");
    world.tick();
    assert_eq!(world.writes, [set_key(foreign_url(), SYSTEM)]);
}

#[test]
fn no_switch_while_the_key_in_use_cannot_be_reached() {
    let facts = Facts::settled().with(|facts| {
        facts.add_newer_version();
        facts.desired.key.version = Some(NEW.parse().unwrap());
        facts.memory.versions.insert(url(NEW));
        facts.key().attributes.enabled = false;
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(
        planned.verdicts.encryption.reason(),
        Reason::CurrentKeyUnreachable
    );
    let stalled = planned.summary.stalled.unwrap();
    assert!(
        stalled.message.contains("cannot change its key"),
        "{stalled:?}"
    );
    assert!(stalled.message.contains("--enabled true"), "{stalled:?}");
}

#[test]
fn no_take_over_of_a_service_whose_key_nobody_can_vouch_for() {
    let taken_over = Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::CustomerManaged(foreign_url());
        facts.desired.replace_existing = true;
    });
    let sick = taken_over
        .clone()
        .with(|facts| facts.health(HealthState::Unavailable));
    let unknown = taken_over.with(|facts| facts.observed.health = absent());
    for facts in [sick, unknown] {
        let planned = facts.plan();
        assert_eq!(planned.step, None);
        assert_eq!(stalled(&planned), Some(Reason::CurrentKeyUnreachable));
    }
}

#[test]
fn another_identity_is_a_conflict_and_nothing_is_written() {
    let other = UserAttached {
        id: OTHER_IDENTITY.parse().unwrap(),
        principal: Some(USER),
    };
    let ours = UserAttached {
        id: IDENTITY.parse().unwrap(),
        principal: Some(USER),
    };
    let system = Facts::fresh();
    let user = Facts::fresh().with_user_identity();
    for (facts, attached) in [
        (&system, Attached::User(vec![other.clone()])),
        (&system, Attached::Both),
        (&user, Attached::System { principal: SYSTEM }),
        (&user, Attached::User(vec![other.clone()])),
        (&user, Attached::User(vec![ours, other])),
        (&user, Attached::Both),
    ] {
        let facts = facts
            .clone()
            .with(|facts| facts.service().identity = attached);
        let planned = facts.plan();
        assert_eq!(planned.step, None);
        assert_eq!(stalled(&planned), Some(Reason::IdentityConflict));
    }
}

#[test]
fn an_identity_switched_off_is_switched_on_granted_and_the_key_set_again() {
    let mut world = World::of(Facts::by_hand());
    world.run();
    world.facts.service().identity = Attached::None;
    let first = world.pass();
    assert_eq!(first.access.state, KeyAccessState::Lost);
    let last = world.settle();
    let principal = Uuid::from_u128(SYSTEM.as_u128() + 1);
    assert_eq!(world.writes.len(), 3);
    assert_eq!(world.writes[2], set_key(url(OLD), principal));
    assert!(last.summary.ready.is_yes(), "{:?}", last.summary);
    assert_eq!(
        world.status.unwrap().key.unwrap().applied_for,
        Some(principal.to_string())
    );
}

#[test]
fn a_principal_that_changed_owes_a_put_of_the_same_url() {
    let mut world = World::of(Facts::by_hand());
    world.run();
    world.switch_identity_on();
    let new = Uuid::from_u128(SYSTEM.as_u128() + 1);
    world.facts.grants().push(assignment(new, VAULT));
    let last = world.settle();
    assert_eq!(world.writes, [set_key(url(OLD), new)]);
    assert!(last.summary.ready.is_yes());
}

#[test]
fn a_key_that_somebody_else_changed_is_put_back_unless_it_cannot_be_reached() {
    let foreign = Facts::settled().with(|facts| {
        facts.service().encryption = Encryption::CustomerManaged(foreign_url());
        facts.memory.versions.insert(foreign_url());
    });
    assert_eq!(foreign.plan().step, Some(set_key(url(OLD), SYSTEM)));
    let reported = foreign
        .clone()
        .with(|facts| facts.desired.on_drift = OnDrift::Report);
    assert_eq!(stalled(&reported.plan()), Some(Reason::Drifted));
    let sick = foreign.with(|facts| facts.health(HealthState::Degraded));
    assert_eq!(stalled(&sick.plan()), Some(Reason::CurrentKeyUnreachable));
}

#[test]
fn without_the_service_the_key_and_the_vault_are_told_all_the_same() {
    let facts = Facts::settled().with(|facts| {
        facts.observed.service = absent();
        facts.desired.key.version = Some(OLD.parse().unwrap());
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(stalled(&planned), Some(Reason::ServiceNotFound));
    assert!(planned.verdicts.vault.is_yes() && planned.verdicts.key.is_yes());
}
