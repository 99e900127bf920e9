//! What keeps a due write from being made, and what is told then.

use k8s_openapi::jiff::SignedDuration;

use crate::crd::{AccessManagement, KeyAccessState, Mode, OnDrift, Reason};
use crate::domain::fixtures::{Facts, SYSTEM, World, at};
use crate::domain::observed::{Attached, Encryption, Provisioning, VaultNetwork};
use crate::domain::plan::{Setback, fingerprint};
use crate::domain::step::Step;

use super::{reconciling, stalled};

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
    world.run();
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
        fingerprint: fingerprint(&facts.case()),
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
fn a_grant_that_only_others_make_is_waited_for_by_a_person() {
    let facts = Facts::fresh().with(|facts| {
        facts.service().identity = Attached::System { principal: SYSTEM };
        facts.desired.management = AccessManagement::Observe;
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert_eq!(stalled(&planned), Some(Reason::GrantMissing));
}
