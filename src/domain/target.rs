//! Which version of the key the service shall use.

use k8s_openapi::jiff::Timestamp;

use crate::azure::KeyUrl;
use crate::crd::Reason;

use super::fact::Known;
use super::judge::Case;
use super::observed::{KeyAttributes, ListedVersion};
use super::verdict::Verdict;

/// The version that the service shall use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// This one.
    Url(KeyUrl),
    /// None can be named, and why.
    Not(Verdict),
}

impl Target {
    /// The url, if there is one.
    pub const fn url(&self) -> Option<&KeyUrl> {
        match self {
            Self::Url(url) => Some(url),
            Self::Not(_) => None,
        }
    }
}

/// The version that the object names; else the one of this key that the service uses already; else
/// the one that was chosen before; else the newest usable one. So deleting and applying an object
/// again, or a new version in the vault, never rotates.
pub fn target(case: &Case<'_>) -> Target {
    let key = &case.desired.key;
    if let Some(version) = &key.version {
        return Target::Url(key.url(version));
    }
    let service = match case.observed.service.known(case.now) {
        Known::Present(service) => service,
        Known::Absent => {
            return Target::Not(Verdict::unknown(
                Reason::ServiceNotFound,
                "no version is chosen for a service that does not exist",
            ));
        }
        Known::Refused(denial) => return Target::Not(Verdict::refused("the service", denial)),
        Known::Unknown(doubt) => return Target::Not(Verdict::doubt("the service", &doubt)),
    };
    let is_ours = |url: &&KeyUrl| url.version().is_some() && key.is_key_of(url);
    let in_use = service.encryption.url().filter(is_ours);
    let pending = case.memory.pending.as_ref().filter(is_ours);
    let applied = case
        .memory
        .applied
        .as_ref()
        .map(|applied| &applied.url)
        .filter(is_ours);
    if let Some(url) = in_use.or(pending).or(applied) {
        return Target::Url(url.clone());
    }
    match case.listing(&key.vault, &key.name) {
        Known::Present(versions) => newest(case, versions),
        Known::Absent => Target::Not(Verdict::no(
            Reason::KeyNotFound,
            format!(
                "the vault {} has no key {}; create it, or correct key.name (a deleted key comes back with: az keyvault key recover --vault-name {} --name {})",
                key.vault.name(),
                key.name,
                key.vault.name(),
                key.name
            ),
        )),
        Known::Refused(denial) => Target::Not(Verdict::refused("the key", denial)),
        Known::Unknown(doubt) => Target::Not(Verdict::doubt("the key", &doubt)),
    }
}

fn newest(case: &Case<'_>, versions: &[ListedVersion]) -> Target {
    newest_usable(versions, case.now).map_or_else(
        || {
            Target::Not(Verdict::no(
                Reason::NoUsableKeyVersion,
                format!(
                    "the key {} has no version that is enabled and within its dates; enable one or create a new one",
                    case.desired.key.name
                ),
            ))
        },
        |listed| Target::Url(case.desired.key.url(&listed.version)),
    )
}

/// The newest version that is enabled and within its dates.
pub fn newest_usable(versions: &[ListedVersion], now: Timestamp) -> Option<&ListedVersion> {
    versions
        .iter()
        .filter(|listed| is_current(&listed.attributes, now))
        .max_by(|left, right| {
            (left.attributes.created, &left.version)
                .cmp(&(right.attributes.created, &right.version))
        })
}

fn is_current(attributes: &KeyAttributes, now: Timestamp) -> bool {
    attributes.enabled
        && attributes
            .not_before
            .is_none_or(|not_before| not_before <= now)
        && attributes.expires.is_none_or(|expires| now < expires)
}
