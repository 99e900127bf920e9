//! The identity may use the key.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::azure::{KeyName, VaultId, VaultRole};
use crate::crd::{AccessManagement, Reason};

use super::{Case, Finding, Next};
use crate::domain::fact::{Doubt, Fact, Known};
use crate::domain::observed::Assignment;
use crate::domain::step::{Step, assignment_name};
use crate::domain::verdict::Verdict;

/// What lets a principal use a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grant<'facts> {
    /// This assignment, which is in force.
    InForce(&'facts Assignment),
    /// This assignment, which may not be in force before this moment.
    Pending(&'facts Assignment, Timestamp),
    /// Only an assignment with a condition, whose effect cannot be told.
    Conditional(&'facts Assignment),
    /// Nothing.
    Missing,
    /// Not known.
    Unknown(Verdict),
}

impl<'facts> Grant<'facts> {
    /// The assignment that counts, if there is one.
    pub const fn assignment(&self) -> Option<&'facts Assignment> {
        match self {
            Self::InForce(assignment) | Self::Pending(assignment, _) => Some(assignment),
            Self::Conditional(_) | Self::Missing | Self::Unknown(_) => None,
        }
    }
}

/// Looks for a direct assignment at the key, its vault, the group or the subscription that gives
/// read, wrap and unwrap. One through a group or a management group is not counted: the first
/// cannot be dated, the second takes hours.
pub fn find<'facts>(
    case: &Case<'facts>,
    principal: Uuid,
    vault: &VaultId,
    key: &KeyName,
) -> Grant<'facts> {
    let fact = case.observed.assignments.get(vault);
    let what = format!("the role assignments at {}", vault.name());
    let known = fact.map_or(
        Known::Unknown(Doubt {
            trouble: None,
            last_seen: None,
        }),
        |fact| fact.known(case.now),
    );
    let assignments = match known {
        Known::Present(assignments) => assignments,
        Known::Absent => return Grant::Missing,
        Known::Refused(denial) => return Grant::Unknown(Verdict::refused(&what, denial)),
        Known::Unknown(doubt) => return Grant::Unknown(Verdict::doubt(&what, &doubt)),
    };
    let covering: Vec<&Assignment> = assignments
        .iter()
        .filter(|assignment| {
            assignment.principal == principal && covers(&assignment.scope, vault, key)
        })
        .collect();
    let read_at = fact.and_then(Fact::at).unwrap_or(case.now);
    choose(case, &covering, read_at)
}

fn choose<'facts>(
    case: &Case<'facts>,
    covering: &[&'facts Assignment],
    read_at: Timestamp,
) -> Grant<'facts> {
    let able = |assignment: &&&Assignment| assignment.gives_key_use == Some(true);
    let plain = covering
        .iter()
        .filter(able)
        .filter(|assignment| !assignment.conditional);
    let oldest = plain.max_by_key(|assignment| assignment.age.unwrap_or(SignedDuration::ZERO));
    if let Some(assignment) = oldest {
        // The age is by Azure's clock when it was read; from then on our own clock counts.
        let age = assignment.age.unwrap_or(SignedDuration::ZERO);
        let left = case
            .settings
            .propagation_wait
            .saturating_sub(age)
            .saturating_sub(case.now.duration_since(read_at));
        return if left <= SignedDuration::ZERO {
            Grant::InForce(assignment)
        } else {
            let in_force_at = case.now.checked_add(left).unwrap_or(Timestamp::MAX);
            Grant::Pending(assignment, in_force_at)
        };
    }
    if let Some(assignment) = covering.iter().find(able) {
        return Grant::Conditional(assignment);
    }
    if covering
        .iter()
        .any(|assignment| assignment.gives_key_use.is_none())
    {
        return Grant::Unknown(Verdict::unknown(
            Reason::NotRead,
            "the definition of a custom role of the identity has not been read yet",
        ));
    }
    Grant::Missing
}

/// Whether the identity may use the key asked for.
pub fn judge(case: &Case<'_>, principal: Uuid) -> Finding {
    let key = &case.desired.key;
    if let Some(denied) = denied(case, principal, (&key.vault, &key.name)) {
        return Finding::plain(denied);
    }
    match find(case, principal, &key.vault, &key.name) {
        Grant::InForce(assignment) => Finding::good(Verdict::yes(described(assignment))),
        Grant::Pending(assignment, until) => Finding {
            verdict: Verdict::unknown(Reason::GrantPending, pending(case, assignment)),
            // one whose age is never told would be waited for in vain
            next: if assignment.age.is_some() {
                Next::Wait { until: Some(until) }
            } else {
                Next::Person
            },
        },
        Grant::Conditional(assignment) if is_same_triple(case, assignment, principal) => {
            Finding::plain(Verdict::no(
                Reason::GrantConditional,
                conditional(assignment),
            ))
        }
        Grant::Unknown(verdict) => Finding::plain(verdict),
        Grant::Conditional(_) | Grant::Missing => missing(case, principal),
    }
}

/// A deny assignment that takes the use of a key from a principal, if one is known. One at another
/// key of the vault is none.
pub fn denied(
    case: &Case<'_>,
    principal: Uuid,
    (vault, key): (&VaultId, &KeyName),
) -> Option<Verdict> {
    let known = case
        .observed
        .denials
        .get(vault)
        .map_or(Known::UNREAD, |fact| fact.known(case.now));
    let what = format!("the deny assignments at {}", vault.name());
    let told = case.memory.lost_by(Reason::DenyAssignment);
    let denials = match known {
        Known::Present(denials) => denials,
        // a denial that was seen is over only when it is seen to be
        Known::Refused(denial) => return told.then(|| Verdict::refused(&what, denial)),
        Known::Unknown(doubt) => return told.then(|| Verdict::doubt(&what, &doubt)),
        Known::Absent => return None,
    };
    let (inside, own) = (
        format!("{}/", vault.id().folded()),
        vault.key(key).to_string(),
    );
    let reaches =
        |scope: &str| !scope.to_lowercase().starts_with(&inside) || is_same_scope(scope, &own);
    let mut stopping = denials.iter().filter(|denial| denial.stops(principal));
    let denial = stopping.find(|denial| reaches(&denial.scope))?;
    Some(Verdict::no(
        Reason::DenyAssignment,
        format!(
            "the deny assignment {} at {} takes the use of keys from the principal {principal}, whatever its roles; have its owner spare the principal: {}",
            denial.name, denial.scope, denial.id
        ),
    ))
}

/// Why a grant is missing that was there before: deleting a vault destroys its role assignments.
pub fn missing_reason(case: &Case<'_>) -> Reason {
    let last = case.memory.access.as_ref().and_then(|access| access.reason);
    match last {
        Some(Reason::VaultDeleted | Reason::VaultRecoveredWithoutGrants)
            if case.memory.is_lost() =>
        {
            Reason::VaultRecoveredWithoutGrants
        }
        _ => Reason::GrantMissing,
    }
}

/// Says that a grant may not be in force yet, in Azure's own time: by ours, the moment would be
/// another one after each read.
pub fn pending(case: &Case<'_>, assignment: &Assignment) -> String {
    let until = assignment
        .created
        .and_then(|created| created.checked_add(case.settings.propagation_wait).ok());
    match until {
        Some(until) => {
            format!(
                "the role assignment may take until {until:.0} to be in force everywhere in Azure"
            )
        }
        None => format!(
            "Azure does not tell when the role assignment {} was made, so it is not known to be in force; make it anew",
            assignment.id
        ),
    }
}

/// Says that only an assignment with a condition was found.
pub fn conditional(assignment: &Assignment) -> String {
    format!(
        "the role assignment {} carries a condition, whose effect cannot be told from outside; remove the condition, or assign the role without one at another scope",
        assignment.id
    )
}

fn missing(case: &Case<'_>, principal: Uuid) -> Finding {
    let (scope, role) = (case.desired.grant_scope(), case.desired.role);
    let drift = case
        .memory
        .applied
        .as_ref()
        .is_some_and(|applied| applied.vault == case.desired.key.vault);
    match case.desired.management {
        AccessManagement::Manage => Finding {
            verdict: Verdict::no(
                if drift {
                    missing_reason(case)
                } else {
                    Reason::CreatingGrant
                },
                format!(
                    "the principal {principal} may not use the key: it needs the role {role} at {scope}"
                ),
            ),
            next: Next::Step {
                step: Box::new(Step::AssignRole {
                    name: assignment_name(&scope, principal, role),
                    scope,
                    role,
                    principal,
                }),
                drift,
            },
        },
        AccessManagement::Observe => Finding::plain(Verdict::no(
            Reason::GrantMissing,
            format!(
                "the principal {principal} may not use the key, and access.management is Observe; have somebody run: az role assignment create --assignee-object-id {principal} --assignee-principal-type ServicePrincipal --role {} --scope {scope}",
                role.guid()
            ),
        )),
    }
}

fn described(assignment: &Assignment) -> String {
    format!("by a role assignment at {}", assignment.scope)
}

/// Whether an assignment stands where ours would have to: Azure allows one per principal, role and
/// scope.
fn is_same_triple(case: &Case<'_>, assignment: &Assignment, principal: Uuid) -> bool {
    assignment.principal == principal
        && assignment.role == case.desired.role.guid()
        && is_same_scope(&assignment.scope, &case.desired.grant_scope())
        || case.desired.management == AccessManagement::Observe
}

fn covers(scope: &str, vault: &VaultId, key: &KeyName) -> bool {
    [
        vault.key(key).to_string(),
        vault.to_string(),
        vault.id().group_scope(),
        vault.id().subscription_scope(),
    ]
    .iter()
    .any(|covering| is_same_scope(scope, covering))
}

fn is_same_scope(left: &str, right: &str) -> bool {
    left.trim_end_matches('/')
        .eq_ignore_ascii_case(right.trim_end_matches('/'))
}

/// The name of a role, or its GUID.
pub fn role_name(role: Uuid) -> String {
    [
        VaultRole::CryptoServiceEncryptionUser,
        VaultRole::CryptoOfficer,
    ]
    .into_iter()
    .find(|known| known.guid() == role)
    .map_or_else(|| role.to_string(), |known| known.display_name().to_owned())
}
