//! A key that is not there: why, as far as the vault tells.

use super::{Row, check_all_no, refused};
use crate::azure::KeyUrl;
use crate::crd::{AssignmentScope, KeyAccessState, Reason};
use crate::domain::fact::Fact;
use crate::domain::fixtures::{
    Facts, OLD, SYSTEM, absent, assignment, at, key_id, key_version, present, url, verified,
};
use crate::domain::observed::{DeletedKey, Encryption};
use crate::domain::verdict::Link;

/// The key asked for is not there, and there is this in the vault's trash.
fn gone(facts: &mut Facts, trash: Fact<DeletedKey>) {
    facts.observed.versions.insert(url(OLD), absent());
    *facts.listing() = absent();
    facts.observed.deleted_keys.insert(key_id(), trash);
}

#[test]
fn a_key_that_is_gone_is_told_as_deleted_purged_or_never_there() {
    let rows: [Row; 5] = [
        (
            |facts| {
                let trash = DeletedKey {
                    deleted_at: Some(at(-30)),
                    purge_at: Some(at(90 * 86_400)),
                };
                gone(facts, present(trash));
            },
            Reason::KeyDeleted,
            "deleted at 2027-01-15T07:59:30Z, and Azure purges it at 2027-04-15T08:00:00Z; recover it at once: az keyvault key recover --vault-name clinic-keys --name dicom-cmk",
        ),
        (
            |facts| gone(facts, absent()),
            Reason::KeyNotFound,
            "if it was deleted, bring it back",
        ),
        (
            |facts| {
                gone(facts, absent());
                let mut lost = verified(at(-300));
                lost.state = KeyAccessState::Lost;
                lost.lost_since = Some(at(-180));
                lost.lost_seen_at = Some(at(-180));
                facts.memory.access = Some(lost);
            },
            Reason::KeyPurged,
            "only a backup of the key, which keeps its versions, can help: az keyvault key restore",
        ),
        (
            |facts| {
                gone(facts, absent());
                facts.memory.versions.clear();
            },
            Reason::KeyNotFound,
            "az keyvault key recover --vault-name clinic-keys --name dicom-cmk",
        ),
        (
            |facts| gone(facts, refused()),
            Reason::KeyNotFound,
            "az keyvault key recover --vault-name clinic-keys --name dicom-cmk",
        ),
    ];
    check_all_no(Link::Key, &Facts::settled(), &rows);
    check_all_no(Link::Access, &Facts::settled(), &rows);
}

#[test]
fn what_a_person_has_to_do_about_a_loss_is_said_once() {
    let facts = Facts::settled().with(|facts| facts.key().attributes.enabled = false);
    let stalled = facts.plan().summary.stalled.unwrap();
    let told = stalled.message.matches("--enabled true").count();
    assert_eq!(told, 1, "{}", stalled.message);
}

#[test]
fn the_grant_that_is_missing_is_named_at_the_key_that_the_service_uses() {
    let facts = Facts::settled().with(|facts| {
        facts.desired.scope = AssignmentScope::Key;
        facts.grants().retain(|one| one.principal != SYSTEM);
        let scope = facts.desired.grant_scope();
        facts.grants().push(assignment(SYSTEM, &scope));
        let beside =
            "https://clinic-keys.vault.azure.net/keys/beside/0123456789abcdef0123456789abcdef";
        let in_use: KeyUrl = beside.parse().unwrap();
        let version = present(key_version(0));
        facts.observed.versions.insert(in_use.clone(), version);
        facts.service().encryption = Encryption::CustomerManaged(in_use);
    });
    let verdict = facts.plan().access.verdict;
    assert_eq!(verdict.reason(), Reason::GrantMissing, "{verdict:?}");
    assert!(verdict.message().contains("/keys/beside;"), "{verdict:?}");
}
