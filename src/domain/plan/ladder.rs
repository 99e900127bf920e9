//! The rungs: what is held of each link, and the first that is not good.

use crate::crd::Reason;

use super::Outlook;
use crate::domain::judge::access::Access;
use crate::domain::judge::{Case, Finding, Next, encryption, grant, identity, key, vault};
use crate::domain::observed::{Provisioning, Service};
use crate::domain::target::Target;
use crate::domain::verdict::{Verdict, Verdicts};

/// The findings on the five links that the ladder climbs.
#[derive(Debug)]
pub(super) struct Findings {
    identity: Finding,
    vault: Finding,
    key: Finding,
    grant: Finding,
    pub(super) encryption: Finding,
}

impl Findings {
    pub(super) fn into_verdicts(self, access: Verdict) -> Verdicts {
        let Self {
            identity,
            vault,
            key,
            grant,
            encryption,
        } = self;
        Verdicts {
            identity: identity.verdict,
            vault: vault.verdict,
            key: key.verdict,
            grant: grant.verdict,
            encryption: encryption.verdict,
            access,
        }
    }
}

pub(super) fn findings(case: &Case<'_>, service: &Service, chosen: &Target) -> Findings {
    let principal = identity::principal(case, service);
    let (key, encryption) = match chosen {
        Target::Url(url) => (
            key::judge(case, Some(service), url),
            encryption::judge(case, service, url, principal),
        ),
        Target::Not(verdict) => (
            Finding::plain(verdict.clone()),
            Finding::plain(Verdict::unknown(
                Reason::NotApplicable,
                "no version of the key has been chosen",
            )),
        ),
    };
    Findings {
        identity: identity::judge(case, service),
        vault: vault::judge(case),
        key,
        grant: principal.map_or_else(
            || {
                Finding::plain(Verdict::unknown(
                    Reason::NotApplicable,
                    "without an identity there is nobody to grant access to",
                ))
            },
            |principal| grant::judge(case, principal),
        ),
        encryption,
    }
}

/// Preflight, identity, grant, propagation wait, recovery, key url: the first that is not good decides.
pub(super) fn ladder(
    case: &Case<'_>,
    service: &Service,
    chosen: &Target,
    (findings, access): (&Findings, &Access),
) -> Outlook {
    if let Some(verdict) = encryption::left_alone(case, service, chosen.url()) {
        return Outlook::of_verdict(&verdict);
    }
    // Preflight: what is bad comes before what is not known, and a vault before the keys in it.
    let preflight = [&findings.vault, &findings.key];
    let bad = preflight.iter().find(|finding| finding.verdict.is_no());
    if let Some(finding) =
        bad.or_else(|| preflight.iter().find(|finding| !finding.verdict.is_yes()))
    {
        return Outlook::of_verdict(&finding.verdict);
    }
    if let Provisioning::Busy(_) = service.provisioning {
        return Outlook::of(&findings.encryption);
    }
    // A service that was lost comes back under the key that it uses, before it may change to another.
    let recovery = Finding {
        verdict: access.verdict.clone(),
        next: access.next.clone(),
    };
    let rungs = [
        &findings.identity,
        &findings.grant,
        &recovery,
        &findings.encryption,
    ];
    rungs
        .into_iter()
        .find(|finding| finding.next != Next::Nothing)
        .map_or(Outlook::Settled, Outlook::of)
}
