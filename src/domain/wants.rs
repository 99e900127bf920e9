//! Which facts a decision needs. Observers look for these, and for nothing else.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::azure::{DicomServiceId, IdentityId, KeyName, KeyUrl, VaultId};

use super::desired::Desired;
use super::memory::Memory;
use super::observed::Service;

/// One thing to look at in Azure.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Want {
    /// The tenant of a subscription.
    Tenant(Uuid),
    /// A DICOM service.
    Service(DicomServiceId),
    /// A user-assigned identity.
    Identity(IdentityId),
    /// A vault.
    Vault(VaultId),
    /// One version of a key.
    Version(VaultId, KeyUrl),
    /// All versions of a key.
    Listing(VaultId, KeyName),
    /// What is left of a key, should it have been deleted.
    DeletedKey(VaultId, KeyName),
    /// The role assignments that cover a vault or a key in it.
    Assignments(VaultId),
    /// The deny assignments that cover a vault.
    DenyAssignments(VaultId),
    /// What Resource Health says of a service.
    Health(DicomServiceId),
    /// How a service answers a request for data.
    Canary(DicomServiceId),
}

/// The vault that holds a key, when its ARM id is known: a key url alone does not tell it.
pub fn vault_of(url: &KeyUrl, desired: &Desired, memory: &Memory) -> Option<VaultId> {
    let applied = memory.applied.as_ref().map(|applied| &applied.vault);
    [Some(&desired.key.vault), applied]
        .into_iter()
        .flatten()
        .find(|vault| vault.name().eq_ignore_ascii_case(url.vault_name()))
        .cloned()
}

/// The vaults that may hold a key: a name is unique in Azure, so of two ids with it one is wrong, or
/// from before the vault was moved.
pub fn vaults_of(url: &KeyUrl, desired: &Desired, memory: &Memory) -> Vec<VaultId> {
    let applied = memory.applied.as_ref().map(|applied| &applied.vault);
    let mut found: Vec<VaultId> = [Some(&desired.key.vault), applied]
        .into_iter()
        .flatten()
        .filter(|vault| vault.name().eq_ignore_ascii_case(url.vault_name()))
        .cloned()
        .collect();
    found.dedup();
    found
}

/// What to look at for an object, as far as is known now. What is seen of the service, and the
/// version that is then chosen, add to it.
pub fn wants(
    desired: &Desired,
    memory: &Memory,
    service: Option<&Service>,
    target: Option<&KeyUrl>,
) -> BTreeSet<Want> {
    let vault = &desired.key.vault;
    let mut wants = BTreeSet::from([
        Want::Tenant(desired.service.id().subscription()),
        Want::Service(desired.service.clone()),
        Want::Vault(vault.clone()),
        Want::Listing(vault.clone(), desired.key.name.clone()),
        Want::DeletedKey(vault.clone(), desired.key.name.clone()),
        Want::Assignments(vault.clone()),
        Want::DenyAssignments(vault.clone()),
        Want::Health(desired.service.clone()),
    ]);
    wants.extend(desired.identity.clone().map(Want::Identity));
    if desired.canary {
        wants.insert(Want::Canary(desired.service.clone()));
    }
    let in_use = service.and_then(|service| service.encryption.url());
    let urls = memory.versions.iter().chain(in_use).chain(target);
    for url in urls.filter(|url| url.version().is_some()) {
        if let Some(holder) = vault_of(url, desired, memory) {
            wants.insert(Want::Listing(holder.clone(), url.name().clone()));
            wants.insert(Want::DeletedKey(holder.clone(), url.name().clone()));
            wants.insert(Want::Version(holder, url.clone()));
        }
    }
    for holder in in_use.map_or_else(Vec::new, |url| vaults_of(url, desired, memory)) {
        wants.insert(Want::Vault(holder.clone()));
        wants.insert(Want::DenyAssignments(holder.clone()));
        wants.insert(Want::Assignments(holder));
    }
    wants
}

/// The links between a service and the key that it uses.
pub fn links(desired: &Desired, memory: &Memory, service: Option<&Service>) -> BTreeSet<Want> {
    let mut links = BTreeSet::from([Want::Service(desired.service.clone())]);
    links.extend(desired.identity.clone().map(Want::Identity));
    let Some(url) = service.and_then(|service| service.encryption.url()) else {
        return links;
    };
    let version = vault_of(url, desired, memory).map(|holder| Want::Version(holder, url.clone()));
    links.extend(version);
    for holder in vaults_of(url, desired, memory) {
        links.insert(Want::Vault(holder.clone()));
        links.insert(Want::DenyAssignments(holder.clone()));
        links.insert(Want::Assignments(holder));
    }
    links
}
