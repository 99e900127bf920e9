//! Each link by itself: every reason, and the remedy that its message names.

use k8s_openapi::jiff::SignedDuration;

use crate::crd::{AccessManagement, Reason};
use crate::domain::fact::{Denial, Fact, Seen, Trouble, TroubleKind};
use crate::domain::fixtures::{
    Facts, IDENTITY, INTERVAL, NEIGHBOUR, NEW, OLD, OTHER_IDENTITY, SYSTEM, TENANT, USER, VAULT,
    absent, assignment, at, foreign_url, present, url, vault_id,
};
use crate::domain::observed::{
    Attached, Encryption, HealthState, Provisioning, UserAttached, VaultNetwork,
};
use crate::domain::verdict::{Link, Verdict};

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
            "--enable-soft-delete true",
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
            Reason::KeyNotFound,
            "az keyvault key recover --vault-name clinic-keys --name dicom-cmk",
        ),
        (
            |facts| facts.observed.listing = absent(),
            Reason::KeyNotFound,
            "create it, or correct key.name",
        ),
    ];
    check_all_no(Link::Key, &Facts::fresh(), &rows);
    nothing_is_written(&rows);
    let empty: [Row; 2] = [
        (
            |facts| facts.observed.listing = present(vec![]),
            Reason::NoUsableKeyVersion,
            "enable one or create a new one",
        ),
        (
            |facts| {
                facts.observed.listing = present(vec![crate::domain::fixtures::listed(OLD, -9000)]);
                crate::domain::fixtures::value(&mut facts.observed.listing)[0]
                    .attributes
                    .enabled = false;
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
    let mut undated = Facts::by_hand().with(|facts| {
        facts.grants()[1].age = None;
        facts.grants()[1].created = None;
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

#[test]
fn the_encryption_says_which_key_is_in_use_and_why_it_is_not_the_one_asked_for() {
    let rows: [Row; 8] = [
        (|_| {}, Reason::AsSpecified, OLD),
        (
            |facts| facts.service().encryption = Encryption::MicrosoftManaged,
            Reason::CmkRemoved,
            "was in use before",
        ),
        (
            |facts| {
                facts.service().encryption = Encryption::MicrosoftManaged;
                facts.memory.applied = None;
            },
            Reason::NotEncrypted,
            "not set yet",
        ),
        (
            |facts| facts.memory.applied.as_mut().unwrap().principal = Some(NEIGHBOUR),
            Reason::PrincipalChanged,
            "set again",
        ),
        (
            |facts| {
                facts.add_newer_version();
                facts.desired.key.version = Some(NEW.parse().unwrap());
            },
            Reason::ApplyingKey,
            NEW,
        ),
        (
            |facts| {
                facts.service().encryption = Encryption::CustomerManaged(foreign_url());
                facts.health(HealthState::Unavailable);
            },
            Reason::CurrentKeyUnreachable,
            "Resource Health does not say that the service is available",
        ),
        (
            |facts| facts.service().provisioning = Provisioning::Busy("Moving".to_owned()),
            Reason::ServiceBusy,
            "(Moving)",
        ),
        (
            |facts| {
                facts.service().encryption = Encryption::MicrosoftManaged;
                facts.memory.applied = None;
                facts.observed.listing = present(vec![]);
            },
            Reason::NotApplicable,
            "no version of the key has been chosen",
        ),
    ];
    check(Link::Encryption, &Facts::settled(), &rows);
}

#[test]
fn the_case_of_a_keys_name_and_version_does_not_matter() {
    let facts = Facts::by_hand().with(|facts| {
        let shouted = format!(
            "https://CLINIC-KEYS.vault.azure.net:443/keys/DICOM-CMK/{}",
            OLD.to_uppercase()
        );
        let shouted: crate::azure::KeyUrl = shouted.parse().unwrap();
        let version = facts.observed.versions.remove(&url(OLD)).unwrap();
        facts.observed.versions.insert(shouted.clone(), version);
        facts.service().encryption = Encryption::CustomerManaged(shouted);
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    assert!(planned.summary.ready.is_yes(), "{:?}", planned.summary);
}

#[test]
fn a_key_url_that_makes_no_sense_is_a_strangers() {
    let facts = Facts::by_hand().with(|facts| {
        facts.service().encryption = Encryption::Unreadable("ftp://keys".to_owned());
    });
    let planned = facts.plan();
    assert_eq!(planned.step, None);
    let stalled = planned.summary.stalled.unwrap();
    assert_eq!(stalled.reason, Reason::EncryptedWithAnotherKey);
    assert!(stalled.message.contains("ftp://keys"));
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
    let foreign = Facts::fresh().with(|facts| facts.observed.tenant = present(NEIGHBOUR));
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
