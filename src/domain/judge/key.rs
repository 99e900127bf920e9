//! The key version can be used.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::azure::{KeyName, KeyUrl, VaultId};
use crate::crd::{KeyVersionState, Reason};

use super::{Case, Finding};
use crate::domain::fact::{Doubt, Fact, Known};
use crate::domain::observed::{DeletedKey, KeyAttributes, KeySource, KeyVersionFacts, Service};
use crate::domain::target::newest_usable;
use crate::domain::verdict::Verdict;
use crate::domain::wants::vault_of;

/// A version that the service does not use yet must be good for at least this long.
pub const MINIMUM_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a key may be in neither list while it is being deleted.
const LASTING_ABSENCE: SignedDuration = SignedDuration::from_mins(2);

/// The operations that the service needs the key to permit.
const NEEDED_OPERATIONS: [&str; 2] = ["wrapKey", "unwrapKey"];

/// Whether the version chosen can be used by the service.
pub fn judge(case: &Case<'_>, service: Option<&Service>, url: &KeyUrl) -> Finding {
    // while the service cannot be read, what it was last seen to use counts
    let applied = case.memory.applied.as_ref().map(|applied| &applied.url);
    let is_in_use = service
        .map_or(applied, |service| service.encryption.url())
        .is_some_and(|in_use| in_use.is_same(url));
    Finding::plain(match known(case, url) {
        Known::Present(version) => suitable(url, version)
            .or_else(|| usable(case, url, version))
            .or_else(|| lasting(case, url, version, is_in_use))
            .unwrap_or_else(|| Verdict::yes(good(case, url, version))),
        Known::Absent => absent(case, url),
        Known::Refused(denial) => Verdict::refused(&format!("the key {url}"), denial),
        Known::Unknown(doubt) => Verdict::doubt(&format!("the key {url}"), &doubt),
    })
}

/// Whether a version that is in use still works: its type and size were accepted long ago.
pub fn works(case: &Case<'_>, url: &KeyUrl) -> Verdict {
    match known(case, url) {
        Known::Present(version) => usable(case, url, version)
            .unwrap_or_else(|| Verdict::yes(format!("the key {url} is enabled"))),
        Known::Absent => absent(case, url),
        Known::Refused(denial) => Verdict::refused(&format!("the key {url}"), denial),
        Known::Unknown(doubt) => Verdict::doubt(&format!("the key {url}"), &doubt),
    }
}

/// The state of a version, for the list in the status.
pub fn state(case: &Case<'_>, url: &KeyUrl) -> KeyVersionState {
    match known(case, url) {
        Known::Present(version) => listed_state(&version.attributes, case.now),
        Known::Absent if deleted(case, url).is_some() => KeyVersionState::Deleted,
        Known::Absent => KeyVersionState::NotFound,
        Known::Refused(_) | Known::Unknown(_) => KeyVersionState::Unknown,
    }
}

/// The state that the attributes of a version tell.
pub fn listed_state(attributes: &KeyAttributes, now: Timestamp) -> KeyVersionState {
    if !attributes.enabled {
        KeyVersionState::Disabled
    } else if attributes.expires.is_some_and(|expires| expires <= now) {
        KeyVersionState::Expired
    } else if attributes.not_before.is_some_and(|from| from > now) {
        KeyVersionState::NotYetValid
    } else {
        KeyVersionState::Enabled
    }
}

/// When a version expires, as it was last seen.
pub fn expires(case: &Case<'_>, url: &KeyUrl) -> Option<Timestamp> {
    let fact = case.observed.versions.get(url)?;
    fact.last_value()?.attributes.expires
}

/// When Azure purges a deleted key.
pub fn purge_date(case: &Case<'_>, url: &KeyUrl) -> Option<Timestamp> {
    deleted(case, url)?.purge_at
}

/// What makes a version usable again.
pub fn remedy(url: &KeyUrl, state: KeyVersionState) -> String {
    let (vault, name) = (url.vault_name(), url.name());
    let which = url
        .version()
        .map_or_else(String::new, |which| format!(" --version {which}"));
    let set = format!("az keyvault key set-attributes --vault-name {vault} --name {name}{which}");
    match state {
        KeyVersionState::Disabled => format!("{set} --enabled true"),
        KeyVersionState::Expired => format!("{set} --expires <date>"),
        KeyVersionState::NotYetValid => format!("{set} --not-before <date>"),
        KeyVersionState::Deleted => {
            format!("az keyvault key recover --vault-name {vault} --name {name}")
        }
        KeyVersionState::NotFound => {
            format!("az keyvault key restore --vault-name {vault} --file <backup>")
        }
        KeyVersionState::Enabled | KeyVersionState::Unknown => "nothing to do".to_owned(),
    }
}

/// A key that is being deleted is for a moment in neither list, so "purged" needs a vault in which
/// that is possible, or an absence that has lasted.
fn may_be_purged(case: &Case<'_>, url: &KeyUrl) -> bool {
    let vault = vault_of(url, case.desired, case.memory);
    let vault = vault.and_then(|id| case.observed.vaults.get(&id)?.value(case.now));
    let is_unprotected = vault.is_some_and(|vault| !vault.purge_protection);
    let lost = case
        .memory
        .access
        .as_ref()
        .filter(|_| case.memory.is_lost());
    let seen_at = lost.and_then(|access| access.lost_seen_at);
    is_unprotected || seen_at.is_some_and(|at| case.now.duration_since(at) > LASTING_ABSENCE)
}

/// What is left of the key, if it is known to be deleted.
fn deleted<'facts>(case: &Case<'facts>, url: &KeyUrl) -> Option<&'facts DeletedKey> {
    case.observed
        .deleted_keys
        .get(&key_id(case, url)?)?
        .value(case.now)
}

fn key_id(case: &Case<'_>, url: &KeyUrl) -> Option<(VaultId, KeyName)> {
    let vault = vault_of(url, case.desired, case.memory)?;
    Some((vault, url.name().clone()))
}

fn known<'facts>(case: &Case<'facts>, url: &KeyUrl) -> Known<'facts, KeyVersionFacts> {
    case.observed.versions.get(url).map_or(
        Known::Unknown(Doubt {
            trouble: None,
            last_seen: None,
        }),
        |fact| fact.known(case.now),
    )
}

fn suitable(url: &KeyUrl, version: &KeyVersionFacts) -> Option<Verdict> {
    let kind = version.key_type.to_ascii_uppercase();
    if kind != "RSA" && kind != "RSA-HSM" {
        return Some(Verdict::no(
            Reason::KeyTypeUnsupported,
            format!(
                "the key {url} is of the type {}; the service takes RSA or RSA-HSM: create such a key",
                version.key_type
            ),
        ));
    }
    match version.size {
        Some(2048 | 3072) => None,
        size => Some(Verdict::no(
            Reason::KeySizeUnsupported,
            format!(
                "the key {url} has {} bits; the service takes 2048 or 3072: create such a key",
                size.map_or_else(
                    || "an unknown number of".to_owned(),
                    |bits| bits.to_string()
                )
            ),
        )),
    }
}

fn usable(case: &Case<'_>, url: &KeyUrl, version: &KeyVersionFacts) -> Option<Verdict> {
    let attributes = &version.attributes;
    let (vault, name) = (url.vault_name(), url.name());
    let which = url
        .version()
        .map_or_else(String::new, |which| format!(" --version {which}"));
    if !attributes.enabled {
        return Some(Verdict::no(
            Reason::KeyDisabled,
            format!(
                "the key {url} is disabled; enable it: az keyvault key set-attributes --vault-name {vault} --name {name}{which} --enabled true"
            ),
        ));
    }
    if let Some(expires) = attributes.expires.filter(|expires| *expires <= case.now) {
        return Some(Verdict::no(
            Reason::KeyExpired,
            format!(
                "the key {url} expired at {expires:.0}; move its expiry: az keyvault key set-attributes --vault-name {vault} --name {name}{which} --expires <date>"
            ),
        ));
    }
    if let Some(from) = attributes.not_before.filter(|from| *from > case.now) {
        return Some(Verdict::no(
            Reason::KeyNotYetValid,
            format!(
                "the key {url} is not valid before {from:.0}; move that date: az keyvault key set-attributes --vault-name {vault} --name {name}{which} --not-before <date>"
            ),
        ));
    }
    let missing: Vec<&str> = NEEDED_OPERATIONS
        .into_iter()
        .filter(|needed| {
            !version
                .operations
                .iter()
                .any(|permitted| permitted.eq_ignore_ascii_case(needed))
        })
        .collect();
    (!missing.is_empty()).then(|| {
        Verdict::no(
            Reason::KeyOperationMissing,
            format!(
                "the key {url} does not permit {}; permit it: az keyvault key set-attributes --vault-name {vault} --name {name}{which} --ops wrapKey unwrapKey",
                missing.join(" and ")
            ),
        )
    })
}

fn lasting(
    case: &Case<'_>,
    url: &KeyUrl,
    version: &KeyVersionFacts,
    is_in_use: bool,
) -> Option<Verdict> {
    let expires = version.attributes.expires?;
    (!is_in_use && expires <= case.now + MINIMUM_LIFE).then(|| {
        Verdict::no(
            Reason::KeyExpiresSoon,
            format!(
                "the key {url} expires at {expires:.0}, within 7 days, so it is not taken into use; move its expiry or name another version"
            ),
        )
    })
}

fn good(case: &Case<'_>, url: &KeyUrl, version: &KeyVersionFacts) -> String {
    let size = version.size.unwrap_or_default();
    let expiry = version
        .attributes
        .expires
        .map_or_else(String::new, |at| format!(", expires at {at:.0}"));
    let key = &case.desired.key;
    let listing = case
        .observed
        .listings
        .get(&(key.vault.clone(), key.name.clone()));
    let newest = listing
        .and_then(|fact| fact.value(case.now))
        .and_then(|versions| newest_usable(versions, case.now))
        // the list is read less often than the version, and may not have it yet
        .filter(|listed| listed.attributes.created >= version.attributes.created)
        .map(|listed| case.desired.key.url(&listed.version))
        .filter(|newest| case.desired.key.is_key_of(url) && !newest.is_same(url));
    let newer = newest
        .as_ref()
        .and_then(KeyUrl::version)
        .map_or_else(String::new, |newer| {
            format!("; the newer version {newer} is not used until key.version names it")
        });
    let source = match case.observed.key_sources.get(&key.vault) {
        Some(KeySource::ControlPlane { why }) => {
            format!("; its state is read from Azure Resource Manager, which takes longer: {why}")
        }
        Some(KeySource::VaultDataPlane) | None => String::new(),
    };
    format!(
        "{} with {size} bits, enabled{expiry}{newer}{source}",
        version.key_type
    )
}

/// A version that is not there: the deleted keys of the vault and the list of the key's versions
/// tell why, where they may be read.
fn absent(case: &Case<'_>, url: &KeyUrl) -> Verdict {
    let (vault, name) = (url.vault_name(), url.name());
    if let Some(DeletedKey {
        deleted_at,
        purge_at,
    }) = deleted(case, url)
    {
        let told = |what: &str, at: &Option<Timestamp>| {
            at.map_or_else(String::new, |at| format!(" {what} {at:.0}"))
        };
        return Verdict::no(
            Reason::KeyDeleted,
            format!(
                "the key {url} was deleted{}, and Azure purges it{}; recover it at once: {}",
                told("at", deleted_at),
                told("at", purge_at),
                remedy(url, KeyVersionState::Deleted)
            ),
        );
    }
    let key = key_id(case, url);
    if key.as_ref().is_some_and(|key| is_left_out(case, url, key)) {
        return Verdict::no(
            Reason::KeyVersionMissing,
            format!(
                "the key {name} is in the vault {vault}, but not its version {}; restore a backup of the key that has it ({}), or correct key.version",
                url.version().map(ToString::to_string).unwrap_or_default(),
                remedy(url, KeyVersionState::NotFound)
            ),
        );
    }
    let trash = key
        .as_ref()
        .and_then(|key| case.observed.deleted_keys.get(key));
    let is_gone = trash.is_some_and(|fact| fact.known(case.now) == Known::Absent);
    if is_gone && case.memory.versions.contains(url) && may_be_purged(case, url) {
        return Verdict::no(
            Reason::KeyPurged,
            format!(
                "the key {url} is gone for good: it is not among the deleted keys of the vault either; only a backup of the key, which keeps its versions, can help: {}",
                remedy(url, KeyVersionState::NotFound)
            ),
        );
    }
    if is_from_before_the_vaults_return(case, url) {
        return Verdict::unknown(
            Reason::NotRead,
            format!("the vault {vault} is back, and the key {url} has not been read since"),
        );
    }
    Verdict::no(
        Reason::KeyNotFound,
        format!(
            "there is no key {url}; if it was deleted, bring it back: az keyvault key recover --vault-name {vault} --name {name} (a purged key comes back only from a backup: az keyvault key restore); else create it or correct spec.key"
        ),
    )
}

/// Whether the list of the key's versions tells that the key is there without this one. A list that
/// still shows it, and is older than its absence, says nothing.
fn is_left_out(case: &Case<'_>, url: &KeyUrl, key: &(VaultId, KeyName)) -> bool {
    let Some(fact) = case.observed.listings.get(key) else {
        return false;
    };
    let absent_at = case.observed.versions.get(url).and_then(Fact::at);
    let versions = fact.value(case.now).map_or(&[][..], Vec::as_slice);
    let shows_it = || {
        let mut shown = versions.iter().map(|listed| &listed.version);
        shown.any(|version| Some(version) == url.version())
    };
    !versions.is_empty() && (fact.at() >= absent_at || !shows_it())
}

/// While a vault is deleted, its keys read as absent. Once it is back, such an old absence says
/// nothing, and must not hide that the vault's role assignments did not come back.
fn is_from_before_the_vaults_return(case: &Case<'_>, url: &KeyUrl) -> bool {
    let last = case.memory.access.as_ref().and_then(|access| access.reason);
    let vault = vault_of(url, case.desired, case.memory);
    let seen = vault.and_then(|vault| case.observed.vaults.get(&vault)?.at());
    let absent_at = case.observed.versions.get(url).and_then(Fact::at);
    case.memory.is_lost()
        && matches!(
            last,
            Some(Reason::VaultDeleted | Reason::VaultRecoveredWithoutGrants)
        )
        && absent_at < seen
}
