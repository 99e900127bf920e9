//! Deny assignments: which of them take the key away.

use uuid::Uuid;

use crate::crd::Reason;
use crate::domain::fact::Fact;
use crate::domain::fixtures::{Facts, INTERVAL, NEIGHBOUR, SYSTEM, VAULT, at, vault_id};
use crate::domain::observed::DenyAssignment;

use super::refused;

/// One that takes key use from everybody.
fn denial(scope: &str) -> DenyAssignment {
    DenyAssignment {
        id: format!("{scope}/providers/Microsoft.Authorization/denyAssignments/d"),
        name: "locked by a stack".to_owned(),
        scope: scope.to_owned(),
        principals: vec![Uuid::nil()],
        excluded: Vec::new(),
        takes_key_use: true,
    }
}

fn denied(denial: DenyAssignment) -> Facts {
    Facts::settled().with(|facts| {
        let fact = Fact::present(vec![denial], at(0), INTERVAL);
        facts.observed.denials.insert(vault_id(), fact);
    })
}

fn is_lost(facts: &Facts) -> bool {
    let planned = facts.plan();
    let verdict = &planned.verdicts.access;
    verdict.is_no() && verdict.reason() == Reason::DenyAssignment
}

#[test]
fn a_deny_assignment_wins_over_every_role_and_a_person_is_needed() {
    let planned = denied(denial(VAULT)).plan();
    for verdict in [&planned.verdicts.grant, &planned.verdicts.access] {
        assert!(verdict.is_no(), "{verdict:?}");
        assert_eq!(verdict.reason(), Reason::DenyAssignment);
        assert!(
            verdict.message().contains("locked by a stack"),
            "{verdict:?}"
        );
    }
    assert_eq!(planned.step, None);
    assert!(planned.summary.stalled.is_some());
}

#[test]
fn whom_it_spares_or_does_not_name_and_what_it_does_not_take_stays() {
    for harmless in [
        DenyAssignment {
            excluded: vec![SYSTEM],
            ..denial(VAULT)
        },
        DenyAssignment {
            principals: vec![NEIGHBOUR],
            ..denial(VAULT)
        },
        DenyAssignment {
            takes_key_use: false,
            ..denial(VAULT)
        },
    ] {
        let facts = denied(harmless.clone());
        assert!(facts.plan().verdicts.access.is_yes(), "{harmless:?}");
    }
    let named = DenyAssignment {
        principals: vec![NEIGHBOUR, SYSTEM],
        ..denial(VAULT)
    };
    assert!(is_lost(&denied(named)));
}

#[test]
fn it_counts_at_the_key_the_vault_and_above_and_not_at_another_key() {
    for (scope, counts) in [
        (format!("{VAULT}/keys/DICOM-CMK"), true),
        (VAULT.to_uppercase(), true),
        (
            "/subscriptions/22222222-2222-2222-2222-222222222222".to_owned(),
            true,
        ),
        (
            "/providers/Microsoft.Management/managementGroups/root".to_owned(),
            true,
        ),
        (format!("{VAULT}/keys/dicom-cmk2"), false),
        (format!("{VAULT}/keys/other"), false),
    ] {
        assert_eq!(is_lost(&denied(denial(&scope))), counts, "{scope}");
    }
}

#[test]
fn those_that_may_not_be_read_or_are_out_of_date_are_no_loss() {
    let closed = Facts::settled().with(|facts| {
        facts.observed.denials.insert(vault_id(), refused());
    });
    assert!(closed.plan().verdicts.access.is_yes());
    let old = Facts::settled().with(|facts| {
        let fact = Fact::present(vec![denial(VAULT)], at(-100_000), INTERVAL);
        facts.observed.denials.insert(vault_id(), fact);
    });
    assert!(!is_lost(&old));
}
