//! The identity may use the key: which assignments count, and from when.

use k8s_openapi::jiff::SignedDuration;

use crate::crd::{AccessManagement, KeyAccessState, Reason};
use crate::domain::fact::{Fact, Seen};
use crate::domain::fixtures::{
    Facts, INTERVAL, NEIGHBOUR, NEW, OLD, SYSTEM, VAULT, absent, assignment, at, key_id, listed,
    url, vault_id,
};
use crate::domain::observed::Attached;
use crate::domain::verdict::Link;

use super::{Row, check, refused};

#[test]
fn the_grant_says_what_is_missing_pending_conditional_or_not_read() {
    let onboarding = Facts::fresh()
        .with(|facts| facts.service().identity = Attached::System { principal: SYSTEM });
    let rows: [Row; 7] = [
        (
            |_| {},
            Reason::CreatingGrant,
            "needs the role Key Vault Crypto Service Encryption User",
        ),
        (
            |facts| facts.memory = Facts::settled().memory,
            Reason::GrantMissing,
            "may not use the key",
        ),
        (
            |facts| facts.desired.management = AccessManagement::Observe,
            Reason::GrantMissing,
            "az role assignment create --assignee-object-id a0000000",
        ),
        (
            |facts| {
                facts.grants().push(assignment(SYSTEM, VAULT));
                facts.grants()[1].conditional = true;
            },
            Reason::GrantConditional,
            "remove the condition",
        ),
        (
            |facts| {
                facts.grants().push(assignment(SYSTEM, VAULT));
                facts.grants()[1].age = Some(SignedDuration::from_secs(599));
                facts.grants()[1].created = Some(at(-570));
            },
            Reason::GrantPending,
            "until 2027-01-15T08:00:30Z",
        ),
        (
            |facts| {
                facts.grants().push(assignment(SYSTEM, VAULT));
                facts.grants()[1].gives_key_use = None;
            },
            Reason::NotRead,
            "the definition of a custom role",
        ),
        (
            |facts| {
                facts.observed.assignments.insert(vault_id(), refused());
            },
            Reason::NotAuthorised,
            "ask an owner",
        ),
    ];
    check(Link::Grant, &onboarding, &rows);
    check(
        Link::Grant,
        &Facts::fresh(),
        &[(|_| {}, Reason::NotApplicable, "nobody to grant")],
    );
}

#[test]
fn a_grant_counts_at_the_key_the_vault_the_group_and_the_subscription_only() {
    let subscription = "/subscriptions/22222222-2222-2222-2222-222222222222";
    let group = format!("{subscription}/resourceGroups/SECURITY");
    for (scope, counts) in [
        (format!("{VAULT}/keys/dicom-cmk"), true),
        (VAULT.to_uppercase(), true),
        (format!("{group}/"), true),
        (subscription.to_owned(), true),
        (format!("{VAULT}/keys/dicom-cmk2"), false),
        (format!("{VAULT}-too"), false),
        (format!("{subscription}/resourceGroups/secu"), false),
        (
            "/providers/Microsoft.Management/managementGroups/root".to_owned(),
            false,
        ),
        ("/".to_owned(), false),
    ] {
        let facts = Facts::by_hand().with(|facts| facts.grants()[1].scope.clone_from(&scope));
        let planned = facts.plan();
        assert_eq!(planned.verdicts.grant.is_yes(), counts, "{scope}");
        assert_eq!(planned.assignment.is_some(), counts, "{scope}");
    }
}

#[test]
fn a_grant_to_somebody_else_or_of_a_weaker_role_is_none() {
    let somebody = Facts::by_hand().with(|facts| facts.grants()[1].principal = NEIGHBOUR);
    let weaker = Facts::by_hand().with(|facts| facts.grants()[1].gives_key_use = Some(false));
    for facts in [somebody, weaker] {
        assert!(facts.plan().verdicts.grant.is_no());
    }
}

#[test]
fn of_two_grants_the_older_counts_and_one_without_a_date_never_does() {
    let facts = Facts::by_hand().with(|facts| {
        let mut young = assignment(SYSTEM, &format!("{VAULT}/keys/dicom-cmk"));
        young.age = Some(SignedDuration::ZERO);
        facts.grants().push(young);
    });
    let planned = facts.plan();
    assert_eq!(planned.assignment.unwrap().scope, VAULT);
    let mut undated = Facts::by_hand().with(|seen| {
        seen.grants()[1].age = None;
        seen.grants()[1].created = None;
    });
    undated.later(SignedDuration::from_hours(1));
    let verdict = undated.plan().verdicts.grant;
    assert_eq!(verdict.reason(), Reason::GrantPending);
    assert!(verdict.message().contains("make it anew"), "{verdict:?}");
}

#[test]
fn the_end_of_the_wait_is_told_the_same_at_every_read() {
    let mut facts = Facts::by_hand().with(|facts| {
        facts.grants()[1].created = Some(at(-3)); // by Azure's clock, three seconds off ours
        facts.grants()[1].age = Some(SignedDuration::ZERO);
    });
    let first = facts.plan();
    facts.later(SignedDuration::from_millis(59_500));
    let second = facts.plan();
    assert_eq!(first.verdicts.grant, second.verdicts.grant);
    assert_eq!(
        (first.recheck, second.recheck),
        (Some(at(600)), Some(at(600)))
    );
}

#[test]
fn a_date_beyond_reason_is_neither_a_panic_nor_a_grant_in_force() {
    for (age, in_force) in [(SignedDuration::MIN, false), (SignedDuration::MAX, true)] {
        let facts = Facts::by_hand().with(|facts| facts.grants()[1].age = Some(age));
        assert_eq!(facts.plan().verdicts.grant.is_yes(), in_force, "{age:?}");
    }
}

/// The vault is seen to be back a second before its keys are.
#[test]
fn an_absence_from_before_the_vaults_return_does_not_hide_its_cause() {
    let mut facts = Facts::settled();
    let access = facts.memory.access.as_mut().unwrap();
    access.state = KeyAccessState::Lost;
    access.reason = Some(Reason::VaultDeleted);
    access.lost_since = Some(at(-30));
    facts.grants().clear();
    *facts.listing() = absent();
    for (read_at, reason) in [
        (-1, Reason::VaultRecoveredWithoutGrants),
        (0, Reason::KeyNotFound),
    ] {
        let gone = Fact {
            seen: Seen::Absent { at: at(read_at) },
            ..Fact::unread(INTERVAL)
        };
        facts.observed.versions.insert(url(OLD), gone);
        let planned = facts.plan();
        assert_eq!(planned.verdicts.of(Link::Access).reason(), reason);
    }
}

/// At the vault the list is read first, and the version that it lacks is then looked for once more.
#[test]
fn a_version_that_the_list_lacks_is_missing_and_its_key_is_not_purged() {
    let mut facts = Facts::settled();
    facts.observed.versions.insert(url(OLD), absent());
    facts.observed.deleted_keys.insert(key_id(), absent());
    for (versions, reason) in [
        (vec![listed(NEW, -7200)], Reason::KeyVersionMissing),
        (vec![listed(OLD, -7200)], Reason::KeyNotFound),
    ] {
        *facts.listing() = Fact::present(versions, at(-1), INTERVAL);
        let planned = facts.plan();
        assert_eq!(planned.verdicts.of(Link::Access).reason(), reason);
    }
}
