//! What threatens key access while it is good.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::azure::{KeyUrl, VaultId};
use crate::crd::{KeyOrigin, KeyVersionState, Reason};

use crate::domain::judge::{Case, key};
use crate::domain::observed::VaultNetwork;
use crate::domain::rollup::Why;

/// A key that expires within this time is at risk.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The weightiest threat to the access to a key in use, if there is one.
pub(super) fn of(case: &Case<'_>, url: &KeyUrl, vault: &VaultId) -> Option<Why> {
    old_version(case, url)
        .or_else(|| unknown_history(case, url, vault))
        .or_else(|| expiry(case, url))
        .or_else(|| unprotected(case, url, vault))
}

/// A version that the service is known to have used and that cannot be used any more: data written
/// under it may not be readable.
fn old_version(case: &Case<'_>, in_use: &KeyUrl) -> Option<Why> {
    let mut older = case
        .memory
        .versions
        .iter()
        .filter(|url| !url.is_same(in_use));
    let (url, state) = older.find_map(|url| {
        let state = key::state(case, url);
        is_unusable(state).then_some((url, state))
    })?;
    let pending = case.memory.pending.as_ref();
    if pending.is_some_and(|pending| pending.is_same(url)) {
        return None;
    }
    let purge = key::purge_date(case, url)
        .map_or_else(String::new, |at| format!(" (Azure purges it at {at:.0})"));
    Some(Why {
        reason: Reason::OldKeyVersionUnusable,
        message: format!(
            "the older key version {url}, which the service has used, is {}{purge}; data written under it may be unreadable: {}",
            word(state),
            key::remedy(url, state)
        ),
    })
}

/// An adopted service may have used any older version of its key.
fn unknown_history(case: &Case<'_>, in_use: &KeyUrl, vault: &VaultId) -> Option<Why> {
    if case.memory.key_origin() != Some(KeyOrigin::Adopted) {
        return None;
    }
    let key = (vault.clone(), in_use.name().clone());
    let versions = case.observed.listings.get(&key)?.value(case.now)?;
    let current = versions
        .iter()
        .find(|listed| Some(&listed.version) == in_use.version())?;
    let unusable = versions.iter().find(|listed| {
        listed.attributes.created < current.attributes.created
            && is_unusable(key::listed_state(&listed.attributes, case.now))
    })?;
    let url = in_use.with_version(&unusable.version);
    let state = key::listed_state(&unusable.attributes, case.now);
    Some(Why {
        reason: Reason::OldKeyVersionUnusable,
        message: format!(
            "the older key version {url} is {}, and the service was encrypted before this object knew it: if it ever used that version, old data may be unreadable: {}",
            word(state),
            key::remedy(&url, state)
        ),
    })
}

fn expiry(case: &Case<'_>, in_use: &KeyUrl) -> Option<Why> {
    let known = case.memory.versions.iter().chain([in_use]);
    let (at, url) = known
        .filter_map(|url| Some((key::expires(case, url)?, url)))
        .min()?;
    (at <= soon(case.now)).then(|| Why {
        reason: Reason::KeyExpiring,
        message: format!(
            "the key {url} expires at {at:.0}; move its expiry, or create a new version, name it in key.version, and keep this one: {}",
            key::remedy(url, KeyVersionState::Expired)
        ),
    })
}

fn unprotected(case: &Case<'_>, url: &KeyUrl, id: &VaultId) -> Option<Why> {
    let vault = case.observed.vaults.get(id)?.value(case.now)?;
    let name = id.name();
    let version = case
        .observed
        .versions
        .get(url)
        .and_then(|fact| fact.value(case.now));
    if !vault.soft_delete || !vault.purge_protection {
        return Some(Why {
            reason: Reason::PurgeProtectionOff,
            message: format!(
                "the vault {name} has no purge protection, so the key in use could be destroyed for good; switch it on: az keyvault update --name {name} --enable-purge-protection true"
            ),
        });
    }
    if version.is_some_and(|version| version.attributes.purgeable == Some(true)) {
        return Some(Why {
            reason: Reason::PurgeProtectionOff,
            message: format!(
                "Azure says of the key {url} that it could be purged before its time; look at the purge protection of the vault {name}"
            ),
        });
    }
    (vault.network == VaultNetwork::Open && !vault.bypass).then(|| Why {
        reason: Reason::TrustedServicesBypassOff,
        message: format!(
            "the firewall of the vault {name} is open, but would shut the service out as soon as it is closed; let trusted services through: az keyvault update --name {name} --bypass AzureServices"
        ),
    })
}

const fn is_unusable(state: KeyVersionState) -> bool {
    match state {
        KeyVersionState::Disabled
        | KeyVersionState::Expired
        | KeyVersionState::NotYetValid
        | KeyVersionState::Deleted
        | KeyVersionState::NotFound => true,
        KeyVersionState::Enabled | KeyVersionState::Unknown => false,
    }
}

const fn word(state: KeyVersionState) -> &'static str {
    match state {
        KeyVersionState::Enabled => "enabled",
        KeyVersionState::Disabled => "disabled",
        KeyVersionState::Expired => "expired",
        KeyVersionState::NotYetValid => "not valid yet",
        KeyVersionState::Deleted => "deleted",
        KeyVersionState::NotFound => "not to be found",
        KeyVersionState::Unknown => "in an unknown state",
    }
}

fn soon(now: Timestamp) -> Timestamp {
    now.checked_add(SOON).unwrap_or(Timestamp::MAX)
}
