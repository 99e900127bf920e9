//! The invariants that no plan may break, checked against the bare facts on every plan that any
//! test makes here, and on random ones.

use super::*;
use crate::domain::fact::Known;
use crate::domain::verdict::Link;

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Checks one plan.
pub(super) fn hold(case: &Case<'_>, standing: &Standing, planned: &Plan) {
    if let Some(step) = &planned.step {
        may_write(case, standing, step);
    }
    if planned.access.verdict.is_no() {
        assert!(
            case.memory.is_lost() || is_evidence_of_loss(case),
            "I18, an alarm without evidence: {:?} on {case:#?}",
            planned.access
        );
    }
    if case.memory.is_lost() && planned.access.verdict.is_yes() {
        assert!(
            is_all_seen(case),
            "I17, an alarm that clears without evidence: {case:#?}"
        );
    }
    if planned.summary.ready.is_yes() {
        for link in Link::ALL {
            assert!(
                planned.verdicts.of(link).is_yes(),
                "I17, ready without {link:?}"
            );
        }
    }
    let said = (&planned.summary.reconciling, &planned.summary.stalled);
    assert!(
        !matches!(said, (Some(_), Some(_))),
        "reconciling and stalled: {said:?}"
    );
    let needs_nobody = planned.summary.ready.is_no();
    assert_eq!(
        needs_nobody,
        said.0.is_some() || said.1.is_some() || is_suspended_work(planned)
    );
}

fn is_suspended_work(planned: &Plan) -> bool {
    planned.summary.ready.reason() == Reason::Suspended
}

fn may_write(case: &Case<'_>, standing: &Standing, step: &Step) {
    let desired = case.desired;
    assert_eq!(desired.mode, Mode::Manage, "an observer writes");
    assert!(!desired.suspend, "a suspended object writes");
    assert_eq!(standing.rival, None, "I12");
    assert!(!standing.crd_outdated);
    let service = case.observed.service.value(case.now).expect("I2");
    assert!(!service.is_busy(), "I9");
    let attached = attached(case, service);
    match step {
        Step::EnableIdentity { identity, .. } => {
            assert_eq!(service.identity, Attached::None, "I6");
            assert_eq!(identity, &desired.identity);
        }
        Step::AssignRole {
            scope,
            role,
            principal,
            ..
        } => {
            assert_eq!(Some(*principal), attached, "I11");
            assert_eq!((scope, *role), (&desired.grant_scope(), desired.role));
            assert_eq!(desired.management, AccessManagement::Manage);
        }
        Step::SetKeyUrl { url, principal, .. } => {
            assert_eq!(Some(*principal), attached, "I1: the identity");
            assert!(desired.key.is_key_of(url));
            assert!(
                case.memory.versions.contains(url),
                "I4: recorded before use"
            );
            assert!(is_safe_vault(case), "I1: the vault");
            assert!(is_fit(case, service, url), "I1: the key");
            assert!(is_granted(case, *principal), "I1: the grant");
            may_replace(case, service, url);
        }
        Step::Revalidate { url, principal, .. } => {
            assert_eq!(Some(*principal), attached, "I1: the identity");
            assert_eq!(service.encryption.url(), Some(url), "I21: the key in use");
            assert!(is_safe_vault(case), "I1: the vault");
            assert!(is_fit(case, service, url), "I1: the key");
            assert!(is_granted(case, *principal), "I1: the grant");
            let last = case
                .memory
                .access
                .as_ref()
                .and_then(|access| access.revalidation.as_ref());
            assert_eq!(
                last.map(|last| last.at),
                case.memory.intent,
                "I21: recorded first"
            );
        }
    }
    let _: () = left_alone(case, service);
}

/// Another key than one of ours is touched only where that was asked for.
fn left_alone(case: &Case<'_>, service: &Service) {
    let Some(url) = service.encryption.url() else {
        return;
    };
    let is_known = case.memory.applied.is_some() || case.desired.key.is_key_of(url);
    assert!(
        is_known || case.desired.replace_existing,
        "a write to a stranger's service"
    );
}

fn may_replace(case: &Case<'_>, service: &Service, target: &KeyUrl) {
    let Some(current) = service.encryption.url().filter(|url| !url.is_same(target)) else {
        return;
    };
    assert!(
        case.memory.versions.contains(current),
        "I4: the version that is replaced is on record"
    );
    let vault = case
        .observed
        .vaults
        .keys()
        .find(|id| id.name() == current.vault_name());
    if let Some(vault) = vault {
        let facts = case
            .observed
            .versions
            .get(current)
            .and_then(|fact| fact.value(case.now));
        assert!(
            facts.is_some_and(|facts| facts.attributes.enabled),
            "the current key"
        );
        let network = case
            .observed
            .vaults
            .get(vault)
            .and_then(|fact| fact.value(case.now));
        assert!(network.is_some_and(is_open), "the current vault");
    }
}

fn attached(case: &Case<'_>, service: &Service) -> Option<Uuid> {
    match (&service.identity, &case.desired.identity) {
        (Attached::System { principal }, None) => Some(*principal),
        (Attached::User(attached), Some(wanted)) => match attached.as_slice() {
            [one] if one.id == *wanted => one.principal.or_else(|| {
                let fact = case.observed.identity.as_ref()?;
                fact.value(case.now).map(|identity| identity.principal)
            }),
            _ => None,
        },
        _ => None,
    }
}

fn is_open(vault: &Vault) -> bool {
    vault.resolvable
        && matches!(
            vault.network,
            VaultNetwork::Open | VaultNetwork::TrustedServices
        )
}

fn is_safe_vault(case: &Case<'_>) -> bool {
    let fact = case.observed.vaults.get(&case.desired.key.vault);
    fact.and_then(|fact| fact.value(case.now))
        .is_some_and(|vault| {
            vault.soft_delete
                && vault.purge_protection
                && vault.rbac
                && is_open(vault)
                && case.observed.tenant.value(case.now) == Some(&vault.tenant)
        })
}

fn is_fit(case: &Case<'_>, service: &Service, url: &KeyUrl) -> bool {
    let is_new = service
        .encryption
        .url()
        .is_none_or(|in_use| !in_use.is_same(url));
    let fact = case.observed.versions.get(url);
    fact.and_then(|fact| fact.value(case.now))
        .is_some_and(|key| {
            let until = if is_new { case.now + WEEK } else { case.now };
            let permits = |operation: &str| key.operations.iter().any(|one| one == operation);
            ["RSA", "RSA-HSM"].contains(&key.key_type.as_str())
                && [Some(2048), Some(3072)].contains(&key.size)
                && key.attributes.enabled
                && key
                    .attributes
                    .not_before
                    .is_none_or(|from| from <= case.now)
                && key.attributes.expires.is_none_or(|at| at > until)
                && permits("wrapKey")
                && permits("unwrapKey")
        })
}

fn is_granted(case: &Case<'_>, principal: Uuid) -> bool {
    let Some(fact) = case.observed.assignments.get(&case.desired.key.vault) else {
        return false;
    };
    let since = case.now.duration_since(fact.at().unwrap_or(case.now));
    fact.value(case.now).into_iter().flatten().any(|one| {
        one.principal == principal
            && !one.conditional
            && one.gives_key_use == Some(true)
            && one.age.is_some_and(|age| age + since >= WAIT)
    })
}

/// Whether everything on which access depends was seen lately.
fn is_all_seen(case: &Case<'_>) -> bool {
    let Some(service) = case.observed.service.value(case.now) else {
        return false;
    };
    let Some(url) = service.encryption.url() else {
        return false;
    };
    let seen_vault = case.observed.vaults.iter().any(|(id, fact)| {
        let grants = case.observed.assignments.get(id);
        id.name() == url.vault_name()
            && fact.value(case.now).is_some_and(is_open)
            && grants.is_some_and(|seen| seen.value(case.now).is_some())
    });
    let version = case.observed.versions.get(url);
    let version = version.and_then(|fact| fact.value(case.now));
    seen_vault && version.is_some_and(|version| version.attributes.enabled)
}

/// Something fresh that by itself takes the key away from the service.
fn is_evidence_of_loss(case: &Case<'_>) -> bool {
    let Some(service) = case.observed.service.value(case.now) else {
        return false;
    };
    let Some(url) = service.encryption.url() else {
        return false;
    };
    let vault = case
        .observed
        .vaults
        .iter()
        .find(|(id, _)| id.name() == url.vault_name());
    let no_vault = vault.is_some_and(|(_, fact)| match fact.known(case.now) {
        Known::Present(found) => !is_open(found),
        Known::Absent => true,
        Known::Refused(_) | Known::Unknown(_) => false,
    });
    let no_key = case
        .observed
        .versions
        .get(url)
        .is_some_and(|fact| match fact.known(case.now) {
            Known::Present(key) => {
                let usable = |name: &str| key.operations.iter().any(|one| one == name);
                !key.attributes.enabled
                    || key.attributes.expires.is_some_and(|at| at <= case.now)
                    || key.attributes.not_before.is_some_and(|at| at > case.now)
                    || !usable("wrapKey")
                    || !usable("unwrapKey")
            }
            Known::Absent => true,
            Known::Refused(_) | Known::Unknown(_) => false,
        });
    no_vault || no_key || is_without_reader(case, service, url)
}

fn is_without_reader(case: &Case<'_>, service: &Service, url: &KeyUrl) -> bool {
    let principal = match &service.identity {
        Attached::None => return true,
        Attached::System { principal } => Some(*principal),
        Attached::User(attached) => {
            let wanted = case.desired.identity.as_ref();
            let gone = case
                .observed
                .identity
                .as_ref()
                .map(|fact| fact.known(case.now));
            if gone == Some(Known::Absent) && attached.iter().any(|one| Some(&one.id) == wanted) {
                return true;
            }
            attached.first().and_then(|one| {
                let read = case.observed.identity.as_ref();
                let read = read.and_then(|fact| fact.value(case.now));
                let asked = read.filter(|_| Some(&one.id) == wanted);
                one.principal
                    .or_else(|| asked.map(|identity| identity.principal))
            })
        }
        Attached::Both => None,
    };
    let Some(principal) = principal else {
        return false;
    };
    if case
        .memory
        .applied_principal(url)
        .is_some_and(|then| then != principal)
    {
        return true;
    }
    // a role at one key gives nothing at the key beside it
    let covers = |vault: &VaultId, scope: &str| {
        let inside = format!("{vault}/").to_lowercase();
        let own = vault.key(url.name()).to_string();
        !scope.to_lowercase().starts_with(&inside) || scope.eq_ignore_ascii_case(&own)
    };
    let none = case.observed.assignments.iter().any(|(vault, fact)| {
        fact.value(case.now).is_some_and(|all| {
            !all.iter().any(|one| {
                one.principal == principal
                    && one.gives_key_use != Some(false)
                    && covers(vault, &one.scope)
            })
        })
    });
    let was_good = case
        .memory
        .access
        .as_ref()
        .is_some_and(|access| access.verified_at.is_some());
    let is_sick = case.observed.health.value(case.now).is_some_and(|health| {
        matches!(
            health.state,
            HealthState::Unavailable | HealthState::Degraded
        )
    });
    none && (was_good || is_sick)
}
