//! What the status says after a pass.

mod access;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::crd::{
    ConditionType, DicomEncryptionStatus, GrantOrigin, GrantStatus, IdentityStatus, KeyOrigin,
    KeyStatus, PendingKeyStatus, Reason,
};

use super::judge::{Case, grant};
use super::observed::Assignment;
use super::plan::Plan;
use super::rollup::{Summary, Why};
use super::step::assignment_name;
use super::verdict::{Link, Verdict, Verdicts};

/// How often `verifiedAt` is rewritten at most.
pub const VERIFIED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The longest message of a condition, in characters.
const LONGEST_MESSAGE: usize = 1024;

/// The status after a pass. Equal to the old one unless something other than a time changed, or
/// `verifiedAt` is an hour old.
pub fn report(
    old: Option<&DicomEncryptionStatus>,
    generation: Option<i64>,
    plan: &Plan,
    case: &Case<'_>,
) -> DicomEncryptionStatus {
    let previous = old.cloned().unwrap_or_default();
    DicomEncryptionStatus {
        observed_generation: generation,
        conditions: conditions(
            &previous.conditions,
            generation,
            (
                &plan.summary,
                Some((&plan.verdicts, plan.access.risk.as_ref())),
            ),
            case.now,
        ),
        identity: plan
            .principal
            .map(|principal| IdentityStatus {
                principal_id: principal.to_string(),
            })
            .or(previous.identity),
        grant: grant_in_use(previous.grant, plan, case),
        key: key_in_use(previous.key, plan, case),
        pending_key: pending_key(previous.pending_key, plan, case),
        key_versions: access::key_versions(&previous.key_versions, plan, case),
        key_access: Some(access::key_access(previous.key_access.as_ref(), plan, case)),
    }
}

/// The status of an object that cannot be carried out as written: what is known stays.
pub fn report_invalid(
    old: Option<&DicomEncryptionStatus>,
    generation: Option<i64>,
    wrong: &[String],
    now: Timestamp,
) -> DicomEncryptionStatus {
    let previous = old.cloned().unwrap_or_default();
    let message = wrong.join("; ");
    let summary = Summary {
        ready: Verdict::no(Reason::Invalid, message.clone()),
        reconciling: None,
        stalled: Some(Why {
            reason: Reason::Invalid,
            message,
        }),
    };
    let mut shown = conditions(&previous.conditions, generation, (&summary, None), now);
    let links = Link::ALL.map(|link| link.condition().as_str());
    let kept = |condition: &&Condition| links.contains(&condition.type_.as_str());
    shown.extend(previous.conditions.iter().filter(kept).cloned());
    DicomEncryptionStatus {
        observed_generation: generation,
        conditions: shown,
        ..previous
    }
}

fn conditions(
    old: &[Condition],
    generation: Option<i64>,
    (summary, links): (&Summary, Option<(&Verdicts, Option<&Why>)>),
    now: Timestamp,
) -> Vec<Condition> {
    let healthy = |verdict: &Verdict, good: Reason| match verdict {
        Verdict::Yes { message } => ("True", good, message.clone()),
        Verdict::No { reason, message } => ("False", *reason, message.clone()),
        Verdict::Unknown { reason, message } => ("Unknown", *reason, message.clone()),
    };
    let mut shown = vec![(
        ConditionType::Ready,
        healthy(&summary.ready, Reason::Healthy),
    )];
    for (kind, why) in [
        (ConditionType::Reconciling, &summary.reconciling),
        (ConditionType::Stalled, &summary.stalled),
    ] {
        shown.extend(
            why.as_ref()
                .map(|why| (kind, ("True", why.reason, why.message.clone()))),
        );
    }
    if let Some((verdicts, risk)) = links {
        shown.extend(Link::ALL.into_iter().map(|link| {
            let said = healthy(verdicts.of(link), Reason::AsSpecified);
            // what threatens key access is told where it is told to be good
            let said = match risk {
                Some(risk) if link == Link::Access => ("True", risk.reason, risk.message.clone()),
                Some(_) | None => said,
            };
            (link.condition(), said)
        }));
    }
    shown
        .into_iter()
        .map(|(kind, (status, reason, message))| {
            let before = old
                .iter()
                .find(|condition| condition.type_ == kind.as_str());
            Condition {
                type_: kind.as_str().to_owned(),
                status: status.to_owned(),
                reason: reason.as_str().to_owned(),
                message: with_page(reason, &message),
                observed_generation: generation,
                last_transition_time: before
                    .filter(|condition| condition.status == status)
                    .map_or_else(
                        || Time(whole_second(now)),
                        |condition| condition.last_transition_time.clone(),
                    ),
            }
        })
        .collect()
}

/// The message, as long as it may be, and where to read more.
fn with_page(reason: Reason, message: &str) -> String {
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    match reason.page() {
        Some(page) => format!("{message} (see {page})"),
        None => message,
    }
}

/// The assignment that counts; the one before while nothing is known of it.
fn grant_in_use(old: Option<GrantStatus>, plan: &Plan, case: &Case<'_>) -> Option<GrantStatus> {
    if let Some(assignment) = &plan.assignment {
        return Some(granted(assignment, case));
    }
    let is_doubtful = matches!(&plan.verdicts.grant, Verdict::Unknown { reason, .. }
        if *reason != Reason::NotApplicable);
    old.filter(|_| is_doubtful)
}

fn granted(assignment: &Assignment, case: &Case<'_>) -> GrantStatus {
    let ours = assignment_name(
        &case.desired.grant_scope(),
        assignment.principal,
        case.desired.role,
    );
    let is_ours = assignment
        .id
        .rsplit('/')
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(&ours.to_string()));
    GrantStatus {
        id: assignment.id.clone(),
        role: grant::role_name(assignment.role),
        scope: assignment.scope.clone(),
        created_on: assignment
            .created
            .map(|created| Time(whole_second(created))),
        origin: if is_ours {
            GrantOrigin::Created
        } else {
            GrantOrigin::Adopted
        },
    }
}

fn key_in_use(old: Option<KeyStatus>, plan: &Plan, case: &Case<'_>) -> Option<KeyStatus> {
    let Some(url) = plan.target.as_ref().filter(|_| plan.is_applied) else {
        return old;
    };
    let known = old.filter(|key| key.url == url.to_string());
    Some(KeyStatus {
        url: url.to_string(),
        version: url.version().map(ToString::to_string).unwrap_or_default(),
        vault_id: case.desired.key.vault.to_string(),
        applied_at: known
            .and_then(|key| key.applied_at)
            .or_else(|| Some(Time(whole_second(case.now)))),
        origin: case.memory.key_origin().or_else(|| {
            let pending = case.memory.pending.as_ref();
            let is_ours = pending.is_some_and(|pending| pending.is_same(url));
            Some(if is_ours {
                KeyOrigin::Applied
            } else {
                KeyOrigin::Adopted
            })
        }),
        applied_for: case
            .memory
            .applied_principal(url)
            .or(plan.principal)
            .map(|principal| principal.to_string()),
    })
}

/// A version is pending once it is on record. One that the preflight refuses is not: the remedy is
/// often another version. While nothing is known of the service, the choice stays.
fn pending_key(
    old: Option<PendingKeyStatus>,
    plan: &Plan,
    case: &Case<'_>,
) -> Option<PendingKeyStatus> {
    let Some(url) = &plan.target else {
        return old;
    };
    let is_in_use = case
        .observed
        .service
        .value(case.now)
        .and_then(|service| service.encryption.url())
        .is_some_and(|in_use| in_use.is_same(url));
    let is_recorded = plan.record.as_ref() == Some(url) || case.memory.versions.contains(url);
    (is_recorded && !is_in_use).then(|| PendingKeyStatus {
        url: url.to_string(),
    })
}

/// Kubernetes keeps whole seconds: a finer time would never compare equal again.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Whether two statuses differ in something other than the order of keyed lists, which the API
/// server arranges in its own way.
pub fn differs(old: Option<&DicomEncryptionStatus>, new: &DicomEncryptionStatus) -> bool {
    let sorted = |status: &DicomEncryptionStatus| {
        let mut status = status.clone();
        status
            .conditions
            .sort_by(|left, right| left.type_.cmp(&right.type_));
        status
            .key_versions
            .sort_by(|left, right| left.url.cmp(&right.url));
        status
    };
    old.map(sorted) != Some(sorted(new))
}
