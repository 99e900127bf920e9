//! The ladder, walked through whole stories.

use k8s_openapi::jiff::SignedDuration;

use crate::azure::KeyUrl;
use crate::crd::{AccessManagement, AssignmentScope, KeyAccessState, Mode, OnDrift, Reason};
use crate::domain::fixtures::{
    Facts, IDENTITY, NEW, OLD, OTHER_IDENTITY, SYSTEM, USER, VAULT, WAIT, World, absent,
    assignment, at, attributes, foreign_url, identity_id, key_version, listed, other_vault_id,
    present, url, value, vault,
};
use crate::domain::memory::Applied;
use crate::domain::observed::{
    Attached, Encryption, HealthState, Provisioning, UserAttached, VaultNetwork,
};
use crate::domain::plan::{Plan, Setback};
use crate::domain::step::{Step, assignment_name};

fn service_id() -> crate::azure::DicomServiceId {
    Facts::fresh().desired.service
}

fn set_key(url: KeyUrl, principal: uuid::Uuid) -> Step {
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
    let principal = uuid::Uuid::from_u128(SYSTEM.as_u128() + 1);
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
    world.settle();
    let (writes, patches) = (world.writes.len(), world.patches);
    for _ in 0..20 {
        world.facts.later(SignedDuration::from_secs(60));
        world.pass();
    }
    assert_eq!((world.writes.len(), world.patches), (writes, patches));
}

#[test]
fn a_user_assigned_identity_is_attached_and_its_principal_gets_the_role() {
    let mut world = World::of(Facts::fresh().with_user_identity());
    world.settle();
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
        facts.observed.listing = present(Vec::new());
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
    world.settle();
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
    world.pass();
    world.pass();
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
    world.settle();
    world.facts.desired.key.vault = other_vault_id();
    world.facts.desired.key.name = "legacy-cmk".parse().unwrap();
    let observed = &mut world.facts.observed;
    observed.vaults.insert(other_vault_id(), present(vault()));
    observed
        .versions
        .insert(foreign_url(), present(key_version(-50)));
    observed.listing = present(vec![listed(OLD, -50)]);
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
    world.pass();
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
        (&user, Attached::User(vec![ours, other.clone()])),
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
    world.settle();
    world.facts.service().identity = Attached::None;
    let first = world.pass();
    assert_eq!(first.access.state, KeyAccessState::Lost);
    let last = world.settle();
    let principal = uuid::Uuid::from_u128(SYSTEM.as_u128() + 1);
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
    world.settle();
    world.switch_identity_on();
    let new = uuid::Uuid::from_u128(SYSTEM.as_u128() + 1);
    world.facts.grants().push(assignment(new, VAULT));
    let last = world.settle();
    assert_eq!(world.writes, [set_key(url(OLD), new)]);
    assert!(last.summary.ready.is_yes());
}

#[test]
fn on_drift_report_tells_and_does_not_write() {
    let off: fn(&mut Facts) = |facts| facts.service().identity = Attached::None;
    let ungranted: fn(&mut Facts) = |facts| facts.grants().clear();
    let removed: fn(&mut Facts) = |facts| facts.service().encryption = Encryption::MicrosoftManaged;
    for (change, reason, words) in [
        (
            off,
            Reason::IdentityDisabled,
            "enable the system-assigned identity",
        ),
        (ungranted, Reason::GrantMissing, "assign the role"),
        (removed, Reason::Drifted, "set the key url"),
    ] {
        let facts = Facts::settled()
            .with(change)
            .with(|facts| facts.desired.on_drift = OnDrift::Report);
        let planned = facts.plan();
        assert_eq!(planned.step, None);
        assert_eq!(stalled(&planned), Some(reason));
        let message = planned.summary.stalled.unwrap().message;
        assert!(message.contains(words), "{message}");

        let corrected = facts.with(|facts| facts.desired.on_drift = OnDrift::Correct);
        assert!(corrected.plan().step.is_some());
    }
}

#[test]
fn on_drift_report_still_carries_out_what_was_never_done_before() {
    let mut world = World::of(Facts::fresh().with(|facts| {
        facts.desired.on_drift = OnDrift::Report;
    }));
    world.settle();
    assert_eq!(world.writes.len(), 3);
}

#[test]
fn mode_observe_never_writes_and_tells_the_next_step() {
    let mut world = World::of(Facts::fresh().with(|facts| facts.desired.mode = Mode::Observe));
    let last = world.settle();
    assert_eq!(world.writes, []);
    assert_eq!(stalled(&last), Some(Reason::NotAsSpecified));
    let message = last.summary.stalled.unwrap().message;
    assert!(
        message.contains("the next step would be to enable"),
        "{message}"
    );
    let status = world.status.unwrap();
    assert_eq!((status.key_versions.len(), status.pending_key), (0, None));

    let mut healthy = World::of(Facts::by_hand().with(|facts| facts.desired.mode = Mode::Observe));
    assert!(healthy.settle().summary.ready.is_yes());
    assert_eq!(healthy.status.unwrap().key_versions.len(), 1);
}

#[test]
fn a_suspended_object_does_not_write_and_watches_on() {
    let due = Facts::fresh().with(|facts| facts.desired.suspend = true);
    let planned = due.plan();
    assert_eq!(planned.step, None);
    assert_eq!(planned.summary.ready.reason(), Reason::Suspended);
    assert_eq!((stalled(&planned), reconciling(&planned)), (None, None));

    let healthy = Facts::settled().with(|facts| facts.desired.suspend = true);
    assert!(healthy.plan().summary.ready.is_yes());
    let lost = healthy.with(|facts| facts.key().attributes.enabled = false);
    assert_eq!(lost.plan().access.state, KeyAccessState::Lost);
}

#[test]
fn an_older_object_for_the_same_service_acts_alone() {
    let facts =
        Facts::fresh().with(|facts| facts.standing.rival = Some("imaging/first".to_owned()));
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(stalled(&planned), Some(Reason::DuplicateTarget));
    assert!(
        planned
            .summary
            .stalled
            .unwrap()
            .message
            .contains("imaging/first")
    );
}

#[test]
fn an_outdated_definition_stops_all_writes() {
    let facts = Facts::fresh().with(|facts| facts.standing.crd_outdated = true);
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(stalled(&planned), Some(Reason::CrdOutdated));
    assert!(planned.summary.stalled.unwrap().message.contains("crds/"));
}

fn setback_of(facts: &Facts, retry_at: Option<i64>) -> Setback {
    Setback {
        step: facts.plan().step.unwrap(),
        reason: Reason::WriteRefused,
        message: "Azure says no; ask for the permission".to_owned(),
        retry_at: retry_at.map(at),
        fingerprint: super::fingerprint(&facts.case()),
    }
}

#[test]
fn a_write_that_failed_waits_for_its_time() {
    let mut facts = Facts::fresh();
    facts.standing.setback = Some(setback_of(&facts, Some(30)));
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(planned.recheck, Some(at(30)));
    assert_eq!(stalled(&planned), Some(Reason::WriteRefused));
    facts.later(SignedDuration::from_secs(30));
    assert!(facts.plan().step.is_some());
}

#[test]
fn a_write_that_failed_for_good_is_taken_up_when_something_changed() {
    let mut facts = Facts::fresh();
    facts.standing.setback = Some(setback_of(&facts, None));
    facts.later(SignedDuration::from_hours(24));
    assert_eq!(facts.plan().step, None);
    facts.vault().network = VaultNetwork::Open;
    assert!(facts.plan().step.is_some());
}

#[test]
fn a_setback_of_one_step_does_not_hold_back_another() {
    let mut facts = Facts::fresh();
    facts.standing.setback = Some(setback_of(&facts, None));
    facts.service().identity = Attached::System { principal: SYSTEM };
    assert!(matches!(facts.plan().step, Some(Step::AssignRole { .. })));
}

#[test]
fn nothing_is_written_to_a_busy_service() {
    for facts in [Facts::fresh(), Facts::by_hand(), Facts::settled()] {
        let facts = facts.with(|facts| {
            facts.service().provisioning = Provisioning::Busy("Updating".to_owned());
        });
        let planned = facts.plan();
        assert_eq!(planned.step, None);
        assert_eq!(reconciling(&planned), Some(Reason::ServiceBusy));
        assert!(planned.summary.ready.message().contains("Updating"));
    }
}

#[test]
fn a_failed_operation_before_does_not_stop_the_next() {
    let facts = Facts::fresh().with(|facts| {
        facts.service().provisioning = Provisioning::Failed("Canceled".to_owned());
    });
    assert!(facts.plan().step.is_some());
}

#[test]
fn the_version_is_chosen_once_and_a_newer_one_only_told() {
    let mut world = World::of(Facts::fresh());
    world.pass();
    world.pass();
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
    world.settle();
    world.status = None;
    world.settle();
    assert_eq!(world.writes, []);
}

#[test]
fn the_choice_of_a_version_survives_a_time_without_answers() {
    let mut world = World::of(Facts::fresh());
    world.pass();
    world.facts.now = at(3600);
    world.pass();
    world.facts.add_newer_version();
    world.facts.later(SignedDuration::from_secs(1));
    world.settle();
    assert_eq!(world.facts.service().encryption.url(), Some(&url(OLD)));
}

#[test]
fn a_version_that_the_preflight_refuses_is_not_chosen_for_good() {
    let mut world = World::of(Facts::fresh().with(|facts| facts.key().key_type = "EC".to_owned()));
    let refused = world.settle();
    assert_eq!(stalled(&refused), Some(Reason::KeyTypeUnsupported));
    // the remedy: a new version that is RSA
    world.facts.add_newer_version();
    world.settle();
    assert_eq!(world.facts.service().encryption.url(), Some(&url(NEW)));
}

#[test]
fn an_older_version_is_not_told_as_newer() {
    let facts = Facts::settled().with(|facts| {
        facts.key().attributes = attributes(-10);
        facts.observed.listing = present(vec![listed(NEW, -9000)]);
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
fn a_second_edit_before_the_first_took_effect_is_no_stranger() {
    let facts = Facts::settled().with(|facts| {
        // from another key to the old version, accepted but not yet seen, and then to the new one
        facts.add_newer_version();
        facts.memory.applied = Some(Applied {
            url: foreign_url(),
            vault: other_vault_id(),
            at: None,
            principal: Some(SYSTEM),
        });
        facts.memory.versions.insert(url(NEW));
        facts.desired.key.version = Some(NEW.parse().unwrap());
    });
    assert_eq!(facts.plan().step, Some(set_key(url(NEW), SYSTEM)));
}

#[test]
fn a_grant_that_only_others_make_is_waited_for_by_a_person() {
    let facts = Facts::fresh().with(|facts| {
        facts.service().identity = Attached::System { principal: SYSTEM };
        facts.desired.management = AccessManagement::Observe;
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(stalled(&planned), Some(Reason::GrantMissing));
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
