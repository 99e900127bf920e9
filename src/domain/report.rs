//! What the status says after a pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::azure::KeyUrl;
use crate::crd::{
    ConditionType, DicomEncryptionStatus, GrantOrigin, GrantStatus, IdentityStatus, KeyAccessState,
    KeyAccessStatus, KeyStatus, KeyVersionStatus, PendingKeyStatus, Reason,
};

use super::judge::{Case, grant, key};
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
            (&plan.summary, Some(&plan.verdicts)),
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
        key_versions: key_versions(&previous.key_versions, plan, case),
        key_access: Some(key_access(previous.key_access.as_ref(), plan, case.now)),
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
    (summary, verdicts): (&Summary, Option<&Verdicts>),
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
    if let Some(verdicts) = verdicts {
        shown.extend(Link::ALL.into_iter().map(|link| {
            (
                link.condition(),
                healthy(verdicts.of(link), Reason::AsSpecified),
            )
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
                message: message.chars().take(LONGEST_MESSAGE).collect(),
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
        origin: None,
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

fn key_versions(old: &[KeyVersionStatus], plan: &Plan, case: &Case<'_>) -> Vec<KeyVersionStatus> {
    let mut urls: Vec<KeyUrl> = old
        .iter()
        .filter_map(|version| version.url.parse().ok())
        .collect();
    let in_use = case
        .observed
        .service
        .value(case.now)
        .and_then(|service| service.encryption.url())
        .filter(|url| url.version().is_some() && plan.is_applied);
    for url in plan.record.iter().chain(in_use) {
        if !urls.contains(url) {
            urls.push(url.clone());
        }
    }
    urls.into_iter()
        .map(|url| {
            let expires = case
                .observed
                .versions
                .get(&url)
                .and_then(|fact| fact.last_value())
                .and_then(|version| version.attributes.expires);
            KeyVersionStatus {
                state: key::state(case, &url),
                expires_on: expires.map(Time),
                expiry_notice_days: None,
                url: url.to_string(),
            }
        })
        .collect()
}

fn key_access(old: Option<&KeyAccessStatus>, plan: &Plan, now: Timestamp) -> KeyAccessStatus {
    let good = plan.access.state == KeyAccessState::Accessible;
    let last = old.and_then(|access| access.verified_at.clone());
    let was_good = old.is_some_and(|access| access.state == KeyAccessState::Accessible);
    let is_due = last
        .as_ref()
        .is_none_or(|at| now.duration_since(at.0) >= VERIFIED_EVERY);
    KeyAccessStatus {
        state: plan.access.state,
        reason: (!good).then(|| plan.access.verdict.reason().as_str().to_owned()),
        lost_since: plan
            .access
            .lost_since
            .map(|since| Time(whole_second(since))),
        lost_seen_at: None,
        recoverable_until: None,
        reminders: None,
        restored_at: None,
        revalidation: None,
        signals: Vec::new(),
        verified_at: if good && (is_due || !was_good) {
            Some(Time(whole_second(now)))
        } else {
            last
        },
    }
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
