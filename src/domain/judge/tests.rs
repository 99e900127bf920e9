//! Each link by itself: every reason, and the remedy that its message names.

use crate::crd::Reason;
use crate::domain::fact::{Denial, Fact, Seen, Trouble, TroubleKind};
use crate::domain::fixtures::{
    Facts, IDENTITY, INTERVAL, NEIGHBOUR, OLD, OTHER_IDENTITY, SYSTEM, TENANT, USER, absent, at,
    listed, present, url, value, vault_id,
};
use crate::domain::observed::{Attached, UserAttached, VaultNetwork};
use crate::domain::verdict::{Link, Verdict};

mod denial;
mod encryption;
mod glance;
mod gone;
mod grant;
mod voices;

/// A change to the facts, what the link then says, and words that its message must have.
type Row = (fn(&mut Facts), Reason, &'static str);

fn check(link: Link, start: &Facts, rows: &[Row]) {
    for (number, (change, reason, words)) in rows.iter().enumerate() {
        let planned = start.clone().with(change).plan();
        let verdict = planned.verdicts.of(link);
        assert_eq!(
            verdict.reason(),
            *reason,
            "{link:?}, row {number}: {verdict:?}"
        );
        assert!(
            verdict.message().contains(words),
            "{link:?}, row {number}: {verdict:?} does not say {words:?}"
        );
    }
}

fn check_all_no(link: Link, start: &Facts, rows: &[Row]) {
    check(link, start, rows);
    for (change, reason, _) in rows {
        let planned = start.clone().with(change).plan();
        assert!(planned.verdicts.of(link).is_no(), "{reason}");
    }
}

#[test]
fn a_vault_that_cannot_be_depended_on_is_told_with_the_remedy_and_nothing_is_written() {
    let rows: [Row; 7] = [
        (
            |facts| facts.vault().soft_delete = false,
            Reason::SoftDeleteOff,
            "--set properties.enableSoftDelete=true",
        ),
        (
            |facts| facts.vault().purge_protection = false,
            Reason::PurgeProtectionOff,
            "--enable-purge-protection true",
        ),
        (
            |facts| facts.vault().tenant = NEIGHBOUR,
            Reason::VaultTenantMismatch,
            "use a vault in the service's tenant",
        ),
        (
            |facts| facts.vault().rbac = false,
            Reason::AccessPoliciesUnsupported,
            "use a vault with Azure RBAC",
        ),
        (
            |facts| facts.vault().network = VaultNetwork::Closed,
            Reason::VaultFirewallClosed,
            "--bypass AzureServices",
        ),
        (
            |facts| facts.vault().network = VaultNetwork::Perimeter,
            Reason::PerimeterBlocks,
            "take the vault out of it",
        ),
        (
            |facts| {
                facts.observed.vaults.insert(vault_id(), absent());
            },
            Reason::VaultNotFound,
            "az keyvault recover --name clinic-keys",
        ),
    ];
    check_all_no(Link::Vault, &Facts::fresh(), &rows);
    nothing_is_written(&rows);
}

#[test]
fn a_vault_that_was_in_use_and_is_gone_has_a_reason_of_its_own() {
    let rows: [Row; 1] = [(
        |facts| {
            facts.observed.vaults.insert(vault_id(), absent());
        },
        Reason::VaultDeleted,
        "bring it back at once: az keyvault recover --name clinic-keys",
    )];
    check_all_no(Link::Vault, &Facts::settled(), &rows);
}

#[test]
fn a_vault_open_to_all_or_to_trusted_services_is_good() {
    for network in [VaultNetwork::Open, VaultNetwork::TrustedServices] {
        let facts = Facts::fresh().with(|facts| facts.vault().network = network);
        assert!(facts.plan().verdicts.vault.is_yes());
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a flaw")]
fn a_key_that_cannot_be_used_is_told_with_the_remedy_and_nothing_is_written() {
    let rows: [Row; 12] = [
        (
            |facts| facts.key().key_type = "EC".to_owned(),
            Reason::KeyTypeUnsupported,
            "RSA or RSA-HSM: create such a key",
        ),
        (
            |facts| facts.key().key_type = "oct-HSM".to_owned(),
            Reason::KeyTypeUnsupported,
            "oct-HSM",
        ),
        (
            |facts| facts.key().size = Some(4096),
            Reason::KeySizeUnsupported,
            "4096 bits; the service takes 2048 or 3072",
        ),
        (
            |facts| facts.key().size = None,
            Reason::KeySizeUnsupported,
            "an unknown number of bits",
        ),
        (
            |facts| facts.key().attributes.enabled = false,
            Reason::KeyDisabled,
            "--enabled true",
        ),
        (
            |facts| facts.key().attributes.expires = Some(at(0)),
            Reason::KeyExpired,
            "--expires <date>",
        ),
        (
            |facts| facts.key().attributes.not_before = Some(at(1)),
            Reason::KeyNotYetValid,
            "--not-before <date>",
        ),
        (
            |facts| facts.key().operations = vec!["wrapKey".to_owned()],
            Reason::KeyOperationMissing,
            "does not permit unwrapKey",
        ),
        (
            |facts| facts.key().operations = vec![],
            Reason::KeyOperationMissing,
            "--ops wrapKey unwrapKey",
        ),
        (
            |facts| facts.key().attributes.expires = Some(at(7 * 86_400)),
            Reason::KeyExpiresSoon,
            "move its expiry or name another version",
        ),
        (
            |facts| {
                facts.observed.versions.insert(url(OLD), absent());
            },
            Reason::KeyVersionMissing,
            "az keyvault key restore --vault-name clinic-keys",
        ),
        (
            |facts| *facts.listing() = absent(),
            Reason::KeyNotFound,
            "create it, or correct key.name",
        ),
    ];
    check_all_no(Link::Key, &Facts::fresh(), &rows);
    nothing_is_written(&rows);
    let empty: [Row; 2] = [
        (
            |facts| *facts.listing() = present(vec![]),
            Reason::NoUsableKeyVersion,
            "enable one or create a new one",
        ),
        (
            |facts| {
                *facts.listing() = present(vec![listed(OLD, -9000)]);
                value(facts.listing())[0].attributes.enabled = false;
            },
            Reason::NoUsableKeyVersion,
            "has no version that is enabled",
        ),
    ];
    check_all_no(Link::Key, &Facts::fresh(), &empty);
    nothing_is_written(&empty);
}

/// Whatever the preflight refuses, it refuses before the first write.
fn nothing_is_written(rows: &[Row]) {
    for (change, reason, _) in rows {
        let planned = Facts::fresh().with(change).plan();
        assert_eq!(planned.step, None, "{reason}");
        let stalled = planned.summary.stalled.unwrap();
        assert_eq!(stalled.reason, *reason);
    }
}

#[test]
fn rsa_and_rsa_hsm_of_both_sizes_and_in_any_case_are_good() {
    for (key_type, size) in [("RSA", 3072), ("RSA-HSM", 2048), ("rsa-hsm", 3072)] {
        let facts = Facts::fresh().with(|facts| {
            facts.key().key_type = key_type.to_owned();
            facts.key().size = Some(size);
            facts.key().operations = ["WRAPKEY", "unwrapkey"].map(str::to_owned).into();
        });
        assert!(facts.plan().verdicts.key.is_yes(), "{key_type} {size}");
        assert!(facts.plan().step.is_some());
    }
}

#[test]
fn a_version_in_use_may_expire_soon_and_a_new_one_may_not() {
    let soon = |facts: &mut Facts| facts.key().attributes.expires = Some(at(3600));
    assert!(Facts::settled().with(soon).plan().verdicts.key.is_yes());
    assert!(Facts::fresh().with(soon).plan().verdicts.key.is_no());
    let later = |facts: &mut Facts| facts.key().attributes.expires = Some(at(7 * 86_400 + 1));
    let planned = Facts::fresh().with(later).plan();
    assert!(planned.verdicts.key.message().contains("expires at 20"));
}

#[test]
fn the_identity_says_what_is_missing_in_conflict_or_gone() {
    let system: [Row; 1] = [(|_| {}, Reason::EnablingIdentity, "no identity yet")];
    check_all_no(Link::Identity, &Facts::fresh(), &system);
    let lost: [Row; 1] = [(
        |facts| facts.service().identity = Attached::None,
        Reason::IdentityDisabled,
        "enable the identity, then give it access",
    )];
    check_all_no(Link::Identity, &Facts::settled(), &lost);
    let user: [Row; 3] = [
        (
            |facts| facts.observed.identity = Some(absent()),
            Reason::IdentityNotFound,
            "az identity create",
        ),
        (
            |facts| {
                facts.observed.identity = Some(absent());
                facts.memory = Facts::settled().memory;
            },
            Reason::IdentityDeleted,
            "name it in identity.userAssignedIdentityId",
        ),
        (
            |facts| facts.service().identity = Attached::System { principal: SYSTEM },
            Reason::IdentityConflict,
            "ask for that identity in spec.identity",
        ),
    ];
    check_all_no(Link::Identity, &Facts::fresh().with_user_identity(), &user);
    let doubts: [Row; 2] = [
        (
            |facts| facts.observed.identity = Some(Fact::unread(INTERVAL)),
            Reason::NotRead,
            "reader",
        ),
        (
            |facts| facts.observed.identity = Some(refused()),
            Reason::NotAuthorised,
            "ask an owner",
        ),
    ];
    check(
        Link::Identity,
        &Facts::fresh().with_user_identity(),
        &doubts,
    );
}

#[test]
fn an_identity_whose_principal_the_service_does_not_show_is_read_from_the_identity_itself() {
    let facts = Facts::fresh().with_user_identity().with(|facts| {
        facts.service().identity = Attached::User(vec![UserAttached {
            id: IDENTITY
                .to_uppercase()
                .replace("/SUBSCRIPTIONS", "/subscriptions")
                .parse()
                .unwrap(),
            principal: None,
        }]);
    });
    assert_eq!(facts.plan().principal, Some(USER));
}

#[test]
fn another_identity_that_is_gone_is_no_deleted_reader() {
    // the identity asked for does not exist, but the service reads its key with another one
    let facts = Facts::settled().with_user_identity().with(|facts| {
        facts.observed.identity = Some(absent());
        facts.service().identity = Attached::User(vec![UserAttached {
            id: OTHER_IDENTITY.parse().unwrap(),
            principal: Some(SYSTEM),
        }]);
    });
    assert!(facts.plan().verdicts.access.is_yes());
}

#[test]
fn doubt_has_the_reason_of_its_cause_and_the_time_of_the_last_read() {
    for (kind, reason) in [
        (TroubleKind::Unreachable, Reason::AzureUnreachable),
        (TroubleKind::Throttled, Reason::Throttled),
        (TroubleKind::NotAuthorised, Reason::NotAuthorised),
    ] {
        let facts = Facts::settled().with(|facts| {
            facts.now = at(181);
            for fact in facts.observed.vaults.values_mut() {
                fact.trouble = Some(Trouble {
                    kind,
                    message: "the cause".to_owned(),
                });
            }
        });
        let Verdict::Unknown {
            reason: found,
            message,
        } = super::vault::judge(&facts.case()).verdict
        else {
            panic!("not a doubt")
        };
        assert_eq!(found, reason);
        assert_eq!(
            message,
            "the vault clinic-keys was last read at 2027-01-15T08:00:00Z: the cause"
        );
    }
}

#[test]
fn an_unknown_tenant_is_doubt_about_the_vault() {
    let facts = Facts::fresh().with(|facts| facts.observed.tenant = Fact::unread(INTERVAL));
    let planned = facts.plan();
    assert_eq!(
        (planned.step, planned.verdicts.vault.reason()),
        (None, Reason::NotRead)
    );
    assert!(!planned.summary.ready.is_no(), "doubt became an alarm");
    let foreign = Facts::fresh().with(|seen| seen.observed.tenant = present(NEIGHBOUR));
    let message = foreign.plan().verdicts.vault.message().to_owned();
    assert!(message.contains(&TENANT.to_string()) && message.contains(&NEIGHBOUR.to_string()));
}

fn refused<T>() -> Fact<T> {
    Fact {
        seen: Seen::Refused {
            denial: Denial {
                message: "ask an owner".to_owned(),
            },
            at: at(0),
        },
        ..Fact::unread(INTERVAL)
    }
}
