//! The key version can be used.

use k8s_openapi::jiff::SignedDuration;

use crate::azure::KeyUrl;
use crate::crd::{KeyVersionState, Reason};

use super::{Case, Finding};
use crate::domain::fact::{Doubt, Known};
use crate::domain::observed::{KeyVersionFacts, Service};
use crate::domain::target::newest_usable;
use crate::domain::verdict::Verdict;

/// A version that the service does not use yet must be good for at least this long.
pub const MINIMUM_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The operations that the service needs the key to permit.
const NEEDED_OPERATIONS: [&str; 2] = ["wrapKey", "unwrapKey"];

/// Whether the version chosen can be used by the service.
pub fn judge(case: &Case<'_>, service: Option<&Service>, url: &KeyUrl) -> Finding {
    let is_in_use = service
        .and_then(|service| service.encryption.url())
        .is_some_and(|in_use| in_use.is_same(url));
    Finding::plain(match known(case, url) {
        Known::Present(version) => suitable(url, version)
            .or_else(|| usable(case, url, version))
            .or_else(|| lasting(case, url, version, is_in_use))
            .unwrap_or_else(|| Verdict::yes(good(case, url, version))),
        Known::Absent => absent(url),
        Known::Refused(denial) => Verdict::refused(&format!("the key {url}"), denial),
        Known::Unknown(doubt) => Verdict::doubt(&format!("the key {url}"), &doubt),
    })
}

/// Whether a version that is in use still works: its type and size were accepted long ago.
pub fn works(case: &Case<'_>, url: &KeyUrl) -> Verdict {
    match known(case, url) {
        Known::Present(version) => usable(case, url, version)
            .unwrap_or_else(|| Verdict::yes(format!("the key {url} is enabled"))),
        Known::Absent => absent(url),
        Known::Refused(denial) => Verdict::refused(&format!("the key {url}"), denial),
        Known::Unknown(doubt) => Verdict::doubt(&format!("the key {url}"), &doubt),
    }
}

/// The state of a version, for the list in the status.
pub fn state(case: &Case<'_>, url: &KeyUrl) -> KeyVersionState {
    match known(case, url) {
        Known::Present(version) => match usable(case, url, version).map(|verdict| verdict.reason())
        {
            Some(Reason::KeyDisabled) => KeyVersionState::Disabled,
            Some(Reason::KeyExpired) => KeyVersionState::Expired,
            Some(Reason::KeyNotYetValid) => KeyVersionState::NotYetValid,
            _ => KeyVersionState::Enabled,
        },
        Known::Absent => KeyVersionState::NotFound,
        Known::Refused(_) | Known::Unknown(_) => KeyVersionState::Unknown,
    }
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
    format!(
        "{} with {size} bits, enabled{expiry}{newer}",
        version.key_type
    )
}

fn absent(url: &KeyUrl) -> Verdict {
    let (vault, name) = (url.vault_name(), url.name());
    Verdict::no(
        Reason::KeyNotFound,
        format!(
            "there is no key {url}; if it was deleted, bring it back: az keyvault key recover --vault-name {vault} --name {name} (a purged key comes back only from a backup: az keyvault key restore); else create it or correct spec.key"
        ),
    )
}
