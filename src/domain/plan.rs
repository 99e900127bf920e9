//! The next step. One place decides, and this is it.

mod ladder;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::azure::KeyUrl;
use crate::crd::Reason;

use super::desired::Desired;
use super::fact::Known;
use super::judge::access::{self, Access, recovery};
use super::judge::{Case, Finding, Next, grant, identity, key, vault};
use super::memory::Memory;
use super::observed::{Assignment, Observed, Service};
use super::rollup::{self, Summary};
use super::step::Step;
use super::target::{Target, target};
use super::verdict::{Verdict, Verdicts};

use self::ladder::{findings, ladder};

/// What holds for every object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How long a grant is given to take effect.
    pub propagation_wait: SignedDuration,
    /// How long a service may be without its key and still come back by itself.
    pub recovery_window: SignedDuration,
    /// How long a service is given to come back.
    pub recovery_grace: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            propagation_wait: SignedDuration::from_mins(10),
            recovery_window: SignedDuration::from_mins(30),
            recovery_grace: SignedDuration::from_mins(10),
        }
    }
}

/// What keeps an object from writing, beside what it says itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// The older object that names the same service.
    pub rival: Option<String>,
    /// Whether the API server dropped a field of the status.
    pub crd_outdated: bool,
    /// The latest write that did not work.
    pub setback: Option<Setback>,
}

/// A write that did not work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setback {
    /// The write.
    pub step: Step,
    /// Why it did not work.
    pub reason: Reason,
    /// Azure's words, and what to do.
    pub message: String,
    /// When it may be tried again; `None` once something was seen to change.
    pub retry_at: Option<Timestamp>,
    /// What was known when it failed, see [`fingerprint`].
    pub fingerprint: String,
}

/// What comes next, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a plan that nobody carries out or reports is lost"]
pub struct Plan {
    /// The one write to make now.
    pub step: Option<Step>,
    /// What is held of each link.
    pub verdicts: Verdicts,
    /// `Ready`, `Reconciling` and `Stalled`.
    pub summary: Summary,
    /// Key access.
    pub access: Access,
    /// The version that the service shall use.
    pub target: Option<KeyUrl>,
    /// The principal that reads the key.
    pub principal: Option<Uuid>,
    /// The assignment that counts.
    pub assignment: Option<Assignment>,
    /// Whether the service uses the key asked for, set for its principal.
    pub is_applied: bool,
    /// The version to record before it is used.
    pub record: Option<KeyUrl>,
    /// The revalidation is to be recorded before it is sent.
    pub begin_revalidation: bool,
    /// When to look again without anything having changed.
    pub recheck: Option<Timestamp>,
}

/// What the ladder comes to, before anything is held back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outlook {
    /// All is as asked.
    Settled,
    /// This write is due.
    Due { step: Box<Step>, drift: bool },
    /// Something takes time.
    Waiting {
        until: Option<Timestamp>,
        reason: Reason,
        message: String,
    },
    /// A person is needed.
    Person { reason: Reason, message: String },
    /// Something is not known.
    Doubt { reason: Reason, message: String },
}

/// Decides what comes next for one object. Same facts, same plan.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    memory: &Memory,
    (standing, settings): (&Standing, Settings),
    now: Timestamp,
) -> Plan {
    let case = Case {
        desired,
        observed,
        memory,
        settings,
        now,
    };
    let access = access::judge(&case);
    let missing = match observed.service.known(now) {
        Known::Present(service) => return with_service(&case, standing, access, service),
        Known::Absent => service_absent(desired),
        Known::Refused(denial) => Verdict::refused("the service", denial),
        Known::Unknown(doubt) => Verdict::doubt("the service", &doubt),
    };
    without_service(&case, standing, access, &missing)
}

fn with_service(case: &Case<'_>, standing: &Standing, access: Access, service: &Service) -> Plan {
    let &Case {
        desired,
        memory,
        now,
        ..
    } = case;
    let chosen = target(case);
    let findings = findings(case, service, &chosen);
    let outlook = ladder(case, service, &chosen, (&findings, &access));
    let principal = identity::principal(case, service);
    let assignment = principal.and_then(|principal| {
        grant::find(case, principal, &desired.key.vault, &desired.key.name)
            .assignment()
            .cloned()
    });
    let url = chosen.url().cloned();
    let in_use = service
        .encryption
        .url()
        .filter(|in_use| url.as_ref().is_some_and(|url| in_use.is_same(url)));
    let unrecorded = url.clone().filter(|url| !memory.versions.contains(url));
    let is_applied = in_use.is_some() && findings.encryption.verdict.is_yes();
    let verdicts = findings.into_verdicts(access.verdict.clone());
    let held = rollup::hold(desired, standing, &outlook, now, &fingerprint(case));
    let mut plan = Plan {
        summary: rollup::summarise(desired, &outlook, &held, &access),
        step: None,
        recheck: recheck(&outlook, &held),
        verdicts,
        access,
        target: url,
        principal,
        assignment,
        is_applied,
        record: None,
        begin_revalidation: false,
    };
    let rollup::Hold::Free = held else {
        // A version in use is remembered even by an object that writes nothing.
        plan.record = unrecorded.filter(|_| is_applied);
        return plan;
    };
    // a version that does not pass the preflight is never used, and need not be remembered
    let is_coming = is_applied || matches!(outlook, Outlook::Due { .. } | Outlook::Waiting { .. });
    plan.record = unrecorded.filter(|_| is_coming);
    if let Outlook::Due { step, .. } = outlook {
        // I4: a version is on record before it is used, and the one that it replaces, too.
        if matches!(*step, Step::SetKeyUrl { .. }) {
            let replaced = service.encryption.url().cloned();
            plan.record = plan.record.or_else(|| {
                replaced.filter(|old| old.version().is_some() && !memory.versions.contains(old))
            });
            plan.step = plan.record.is_none().then_some(*step);
        } else if matches!(*step, Step::Revalidate { .. }) && !recovery::is_begun(case) {
            plan.begin_revalidation = true;
        } else {
            plan.step = Some(*step);
        }
    }
    plan
}

/// What was known, without the times: when it changes, a write that failed may be tried again.
pub fn fingerprint(case: &Case<'_>) -> String {
    let service = case.observed.service.last_value();
    let vault = case
        .observed
        .vaults
        .get(&case.desired.key.vault)
        .and_then(|fact| fact.last_value());
    let versions: Vec<_> = case
        .observed
        .versions
        .iter()
        .map(|(url, fact)| (url, fact.last_value()))
        .collect();
    let grants: Vec<_> = case
        .observed
        .assignments
        .values()
        .filter_map(|fact| fact.last_value())
        .flatten()
        .filter(|assignment| {
            service.and_then(|service| identity::principal(case, service))
                == Some(assignment.principal)
        })
        .map(|assignment| (&assignment.id, assignment.conditional))
        .collect();
    let provisioning_apart = service.map(|service| (&service.identity, &service.encryption));
    format!(
        "{:?}{provisioning_apart:?}{vault:?}{versions:?}{grants:?}",
        case.desired
    )
}

impl Outlook {
    fn of(finding: &Finding) -> Self {
        let (reason, message) = (
            finding.verdict.reason(),
            finding.verdict.message().to_owned(),
        );
        match &finding.next {
            Next::Nothing => Self::Settled,
            Next::Step { step, drift } => Self::Due {
                step: step.clone(),
                drift: *drift,
            },
            Next::Wait { until } => Self::Waiting {
                until: *until,
                reason,
                message,
            },
            Next::Person => Self::Person { reason, message },
            Next::Look => Self::Doubt { reason, message },
        }
    }

    fn of_verdict(verdict: &Verdict) -> Self {
        Self::of(&Finding::plain(verdict.clone()))
    }
}

fn service_absent(desired: &Desired) -> Verdict {
    Verdict::no(
        Reason::ServiceNotFound,
        format!(
            "there is no DICOM service {}; create it or correct dicomServiceId by applying another object (a service that was moved has another id)",
            desired.service
        ),
    )
}

/// Nothing can be decided without the service; what is known of vault and key is shown all the
/// same.
fn without_service(
    case: &Case<'_>,
    standing: &Standing,
    access: Access,
    verdict: &Verdict,
) -> Plan {
    let outlook = Outlook::of_verdict(verdict);
    let not_known = Verdict::unknown(verdict.reason(), verdict.message());
    let key = match target(case) {
        Target::Url(url) => key::judge(case, None, &url).verdict,
        Target::Not(_) => not_known.clone(),
    };
    let held = rollup::hold(case.desired, standing, &outlook, case.now, "");
    Plan {
        step: None,
        summary: rollup::summarise(case.desired, &outlook, &held, &access),
        verdicts: Verdicts {
            vault: vault::judge(case).verdict,
            key,
            access: access.verdict.clone(),
            ..Verdicts::all(&not_known)
        },
        access,
        target: None,
        principal: None,
        assignment: None,
        is_applied: false,
        record: None,
        begin_revalidation: false,
        recheck: None,
    }
}

fn recheck(outlook: &Outlook, held: &rollup::Hold) -> Option<Timestamp> {
    match (held, outlook) {
        (rollup::Hold::Setback { retry_at, .. }, _) => *retry_at,
        (_, Outlook::Waiting { until, .. }) => *until,
        _ => None,
    }
}

#[cfg(test)]
mod tests;
