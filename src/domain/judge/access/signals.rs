//! What each source of knowledge says of key access by itself, and what follows from all of them.

use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use crate::azure::{KeyUrl, VaultId};
use crate::crd::{Reason, SignalName, SignalWord};

use crate::domain::judge::{Case, grant, identity, key, vault};
use crate::domain::memory::Memory;
use crate::domain::observed::{Provisioning, Service};
use crate::domain::verdict::Verdict;
use crate::domain::wants::vaults_of;

use super::loss::Loss;
use super::voices::{Voice, canary, health};

/// One source of knowledge, for the status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signal {
    /// Which one.
    pub name: SignalName,
    /// What it says.
    pub says: SignalWord,
    /// Why, when it is not good.
    pub message: Option<String>,
}

/// What all of them say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Signals {
    links: [(SignalName, Verdict); 4],
    health: Voice,
    canary: Option<Voice>,
    failed: Option<String>,
}

/// What follows from all signals together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Conclusion {
    /// The service can reach its key.
    Accessible(String),
    /// There is positive evidence that it cannot.
    Lost(Verdict),
    /// It is not known.
    Doubt(Verdict),
    /// A voice alone says that the service is not well.
    Unwell(Verdict),
    /// It could not, and nothing stands in the way any more.
    Restored(Loss),
}

/// What the voices say of the time after a loss.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Word {
    /// The service is back.
    Back,
    /// It is not.
    Ill(String),
    /// It was well all the time, says a voice that may not have noticed.
    Unmoved,
    /// Nothing.
    Silent,
    /// Nothing, for a voice could not be read.
    Unheard {
        /// What could not be read.
        message: &'static str,
        /// Whether the service was not well when that was last told.
        was_ill: bool,
    },
}

impl Signals {
    /// All signals on a service and the key that it uses.
    pub(super) fn read(
        case: &Case<'_>,
        service: &Service,
        (url, vault): (&KeyUrl, &VaultId),
    ) -> Self {
        Self {
            links: links(case, service, (url, vault)),
            health: health(case),
            canary: canary(case),
            failed: match &service.provisioning {
                Provisioning::Failed(word) => Some(word.clone()),
                Provisioning::Succeeded | Provisioning::Busy(_) => None,
            },
        }
    }

    /// The table of all signals: one piece of evidence about a link is enough for a loss; voices
    /// alone are doubt; silence is neither.
    pub(super) fn conclude(&self, memory: &Memory, running: Option<Loss>) -> Conclusion {
        let merged = merged(&self.links);
        match (&merged, self.ill(), running) {
            (Verdict::No { .. }, _, _) => Conclusion::Lost(merged),
            (Verdict::Unknown { reason, message }, Some(ill), None) => {
                Conclusion::Doubt(Verdict::unknown(*reason, format!("{message}; and {ill}")))
            }
            (Verdict::Unknown { .. }, _, _) => Conclusion::Doubt(merged),
            (Verdict::Yes { .. }, _, Some(loss)) => Conclusion::Restored(loss),
            (Verdict::Yes { .. }, Some(ill), None) => Conclusion::Unwell(Verdict::unknown(
                Reason::ServiceUnhealthy,
                format!("vault, key, identity and grant are good, but {ill}"),
            )),
            (Verdict::Yes { message }, None, None) => self.unopposed(message, memory),
        }
    }

    /// Every link is good and no voice says the contrary: nothing is left but what cannot be heard.
    fn unopposed(&self, message: &str, memory: &Memory) -> Conclusion {
        let good = "vault, key, identity and grant are good";
        if let Some(unheard) = self.unheard(memory) {
            return Conclusion::Doubt(Verdict::unknown(
                Reason::ServiceUnhealthy,
                format!(
                    "{good}, but the service was not well when that was last told, and since then {unheard}"
                ),
            ));
        }
        match &self.failed {
            Some(word) if !self.is_well() => Conclusion::Doubt(Verdict::unknown(
                Reason::ServiceFailed,
                format!(
                    "{good}, but the last operation on the service ended {word}, and nothing tells how the service is; look at its activity log"
                ),
            )),
            Some(_) | None => Conclusion::Accessible(format!("{message}{}", self.note())),
        }
    }

    /// What the voices say of the time after access was restored: only a change since then, or an
    /// answer with data, shows that the service has noticed.
    pub(super) fn since(&self, (lost, restored): (Timestamp, Timestamp), memory: &Memory) -> Word {
        if let Some(Voice::Well { since, .. }) = &self.canary
            && since.is_some_and(|since| since >= restored)
        {
            return Word::Back;
        }
        if let Some(ill) = self.ill() {
            return Word::Ill(ill);
        }
        if let Voice::Well {
            since: Some(since), ..
        } = &self.health
            && *since > lost
            && *since >= restored - CLOCKS_APART
        {
            return Word::Back;
        }
        let unheard = self.voices().find_map(|voice| voice.unheard(memory));
        let unheard = unheard.map(|(message, was_ill)| Word::Unheard { message, was_ill });
        unheard.unwrap_or(match &self.health {
            Voice::Well { .. } => Word::Unmoved,
            Voice::Ill(_) | Voice::Silent(_) | Voice::Unheard { .. } => Word::Silent,
        })
    }

    /// What all of them say, for the status.
    pub(super) fn list(&self) -> Vec<Signal> {
        let links = self.links.iter().map(|(name, verdict)| Signal {
            name: *name,
            says: match verdict {
                Verdict::Yes { .. } => SignalWord::Good,
                Verdict::No { .. } => SignalWord::Bad,
                Verdict::Unknown { .. } => SignalWord::Unknown,
            },
            message: (!verdict.is_yes()).then(|| verdict.message().to_owned()),
        });
        let voices = [
            (SignalName::ResourceHealth, Some(&self.health)),
            (SignalName::Canary, self.canary.as_ref()),
        ];
        let voices = voices.into_iter().filter_map(|(name, voice)| {
            let (says, message) = match voice? {
                Voice::Well { .. } => (SignalWord::Good, None),
                Voice::Ill(message) => (SignalWord::Bad, Some(message.clone())),
                Voice::Silent(message) => (SignalWord::Unknown, Some(message.clone())),
                Voice::Unheard { message, .. } => {
                    (SignalWord::Unknown, Some((*message).to_owned()))
                }
            };
            Some(Signal {
                name,
                says,
                message,
            })
        });
        links.chain(voices).collect()
    }

    fn ill(&self) -> Option<String> {
        let ill: Vec<&str> = self
            .voices()
            .filter_map(|voice| match voice {
                Voice::Ill(message) => Some(message.as_str()),
                Voice::Well { .. } | Voice::Silent(_) | Voice::Unheard { .. } => None,
            })
            .collect();
        (!ill.is_empty()).then(|| ill.join("; and "))
    }

    /// What could not be read of a voice that called the service ill. An answer with data takes that
    /// back for it. A Resource Health that is green does so only for a voice that was never heard:
    /// it may have been green all along.
    fn unheard(&self, memory: &Memory) -> Option<&'static str> {
        if matches!(self.canary, Some(Voice::Well { .. })) {
            return None;
        }
        let mut voices = self.voices();
        voices.find_map(|voice| {
            let (message, was_ill) = voice.unheard(memory)?;
            let is_doubt = was_ill && !(voice.was_never_heard() && self.is_well());
            is_doubt.then_some(message)
        })
    }

    fn voices(&self) -> impl Iterator<Item = &Voice> {
        self.canary.iter().chain([&self.health])
    }

    fn is_well(&self) -> bool {
        self.voices()
            .any(|voice| matches!(voice, Voice::Well { .. }))
    }

    fn note(&self) -> String {
        self.voices()
            .map(|voice| match voice {
                Voice::Well { message, .. } => format!(", and {message}"),
                Voice::Ill(message) | Voice::Silent(message) => format!("; {message}"),
                Voice::Unheard { message, .. } => format!("; {message}"),
            })
            .collect()
    }
}

/// What the links between the service and a key say together: the first bad one, else the first
/// doubtful one, else yes. `None` if the key's vault is not known.
pub fn chain(case: &Case<'_>, service: &Service, url: &KeyUrl) -> Option<Verdict> {
    let vault = vault_in_use(case, url)?;
    Some(merged(&links(case, service, (url, &vault))))
}

/// The vault of the key in use: of two ids with its name, the one that is there.
pub(super) fn vault_in_use(case: &Case<'_>, url: &KeyUrl) -> Option<VaultId> {
    let named = vaults_of(url, case.desired, case.memory);
    let is_there = |vault: &&VaultId| {
        let fact = case.observed.vaults.get(*vault);
        fact.is_some_and(|fact| fact.value(case.now).is_some())
    };
    named
        .iter()
        .find(is_there)
        .or_else(|| named.first())
        .cloned()
}

fn links(
    case: &Case<'_>,
    service: &Service,
    (url, vault): (&KeyUrl, &VaultId),
) -> [(SignalName, Verdict); 4] {
    let principal = identity::principal(case, service);
    let grant = principal.map_or_else(
        || {
            Verdict::unknown(
                Reason::NotApplicable,
                "without an identity there is no grant",
            )
        },
        |principal| granted(case, principal, (url, vault)),
    );
    [
        (SignalName::Vault, vault::reachable(case, vault)),
        (SignalName::Key, key::works(case, url)),
        (
            SignalName::Identity,
            identity::reads(case, service, url, principal),
        ),
        (SignalName::Grant, grant),
    ]
}

fn merged(links: &[(SignalName, Verdict)]) -> Verdict {
    let first = |wanted: fn(&Verdict) -> bool| {
        let mut verdicts = links.iter().map(|(_, verdict)| verdict);
        verdicts.find(|verdict| wanted(verdict)).cloned()
    };
    first(Verdict::is_no)
        .or_else(|| first(|verdict| !verdict.is_yes()))
        .unwrap_or_else(|| Verdict::yes("vault, key, identity and grant are good"))
}

fn granted(case: &Case<'_>, holder: Uuid, (url, vault): (&KeyUrl, &VaultId)) -> Verdict {
    if let Some(denied) = grant::denied(case, holder, (vault, url.name())) {
        return denied;
    }
    match grant::find(case, holder, vault, url.name()) {
        grant::Grant::InForce(assignment) => {
            Verdict::yes(format!("granted at {}", assignment.scope))
        }
        grant::Grant::Pending(assignment, _) if case.memory.is_lost() => {
            Verdict::no(Reason::GrantPending, grant::pending(case, assignment))
        }
        grant::Grant::Pending(assignment, _) => {
            Verdict::unknown(Reason::GrantPending, grant::pending(case, assignment))
        }
        // its effect cannot be told: no evidence of a loss
        grant::Grant::Conditional(assignment) => {
            Verdict::unknown(Reason::GrantConditional, grant::conditional(assignment))
        }
        grant::Grant::Missing if has_lost_it(case) => {
            let reason = grant::missing_reason(case);
            let role = case.desired.role;
            let scope = case.desired.grant_scope_of(vault, url.name());
            let preface = if reason == Reason::VaultRecoveredWithoutGrants {
                "the vault was deleted and recovered, and its role assignments did not come back: "
            } else {
                ""
            };
            Verdict::no(
                reason,
                format!(
                    "{preface}the principal {holder} has no role that lets it use the key; assign {role} at {scope}"
                ),
            )
        }
        // it may have access in a way that is not counted, through a group, say
        grant::Grant::Missing => Verdict::unknown(
            Reason::GrantMissing,
            format!(
                "the principal {holder} has no role of its own that lets it use the key, and was never seen with one; if it has access through a group, that is not counted: assign {} at {}",
                case.desired.role,
                case.desired.grant_scope_of(vault, url.name())
            ),
        ),
        grant::Grant::Unknown(verdict) => verdict,
    }
}

/// A missing grant is a loss if there was one before, or if the service suffers.
fn has_lost_it(case: &Case<'_>) -> bool {
    let verified = case
        .memory
        .access
        .as_ref()
        .and_then(|access| access.verified_at);
    verified.is_some()
        || case.memory.is_lost()
        || matches!(health(case), Voice::Ill(_))
        || matches!(canary(case), Some(Voice::Ill(_)))
}

/// Azure's clock and ours, and the time between a return and our first sight of it.
const CLOCKS_APART: k8s_openapi::jiff::SignedDuration =
    k8s_openapi::jiff::SignedDuration::from_secs(90);
