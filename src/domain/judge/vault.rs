//! The vault is safe to depend on.

use crate::azure::VaultId;
use crate::crd::Reason;

use super::{Case, Finding};
use crate::domain::fact::{Doubt, Known};
use crate::domain::observed::{Vault, VaultNetwork};
use crate::domain::verdict::Verdict;

/// Whether the vault asked for is safe to depend on.
pub fn judge(case: &Case<'_>) -> Finding {
    let id = &case.desired.key.vault;
    Finding::plain(match known(case, id) {
        Known::Present(vault) => protected(case, id, vault),
        Known::Absent => absent(case, id),
        Known::Refused(denial) => Verdict::refused(&format!("the vault {}", id.name()), denial),
        Known::Unknown(doubt) => Verdict::doubt(&format!("the vault {}", id.name()), &doubt),
    })
}

/// Whether the service can get through to a vault that is in use. Soft delete and purge protection
/// do not matter to that.
pub fn reachable(case: &Case<'_>, id: &VaultId) -> Verdict {
    match known(case, id) {
        Known::Present(vault) => unresolvable(id, vault)
            .or_else(|| network(id, vault))
            .unwrap_or_else(|| {
            if vault.rbac {
                Verdict::yes(format!("the vault {} can be reached", id.name()))
            } else {
                Verdict::unknown(
                    Reason::AccessPoliciesUnsupported,
                    format!(
                        "the vault {} uses access policies, which are not read yet, so nothing is known of the access",
                        id.name()
                    ),
                )
            }
        }),
        Known::Absent => absent(case, id),
        Known::Refused(denial) => Verdict::refused(&format!("the vault {}", id.name()), denial),
        Known::Unknown(doubt) => Verdict::doubt(&format!("the vault {}", id.name()), &doubt),
    }
}

fn known<'facts>(case: &Case<'facts>, id: &VaultId) -> Known<'facts, Vault> {
    case.observed.vaults.get(id).map_or(
        Known::Unknown(Doubt {
            trouble: None,
            last_seen: None,
        }),
        |fact| fact.known(case.now),
    )
}

fn protected(case: &Case<'_>, id: &VaultId, vault: &Vault) -> Verdict {
    let name = id.name();
    let tenant = match case.observed.tenant.known(case.now) {
        Known::Present(tenant) => *tenant,
        Known::Absent => {
            return Verdict::unknown(
                Reason::ServiceNotFound,
                "the service's subscription does not exist",
            );
        }
        Known::Refused(denial) => {
            return Verdict::refused("the tenant of the service's subscription", denial);
        }
        Known::Unknown(doubt) => {
            return Verdict::doubt("the tenant of the service's subscription", &doubt);
        }
    };
    if vault.tenant != tenant {
        return Verdict::no(
            Reason::VaultTenantMismatch,
            format!(
                "the vault {name} is in the tenant {}, the service in {tenant}; use a vault in the service's tenant",
                vault.tenant
            ),
        );
    }
    if !vault.soft_delete {
        return Verdict::no(
            Reason::SoftDeleteOff,
            format!(
                "the vault {name} has no soft delete, so a deleted key would be gone for good; switch it on: az resource update --ids {id} --set properties.enableSoftDelete=true"
            ),
        );
    }
    if !vault.purge_protection {
        return Verdict::no(
            Reason::PurgeProtectionOff,
            format!(
                "the vault {name} has no purge protection, so a deleted key could be purged; switch it on (it cannot be switched off again): az keyvault update --name {name} --enable-purge-protection true"
            ),
        );
    }
    if !vault.rbac {
        return Verdict::no(
            Reason::AccessPoliciesUnsupported,
            format!(
                "the vault {name} uses access policies, which are not supported yet; use a vault with Azure RBAC (switching this one over takes access from all who have it by policy)"
            ),
        );
    }
    unresolvable(id, vault).or_else(|| network(id, vault)).unwrap_or_else(|| {
        Verdict::yes(format!(
            "the vault {name} has soft delete and purge protection, and the service can get through"
        ))
    })
}

/// A vault whose host name nobody can look up yet.
fn unresolvable(id: &VaultId, vault: &Vault) -> Option<Verdict> {
    (!vault.resolvable).then(|| {
        Verdict::no(
            Reason::VaultNotReachable,
            format!(
                "Azure is still registering the host name of the vault {}, so nobody can reach it; this takes minutes after a vault was made or recovered: wait, and open a case with Microsoft if it lasts",
                id.name()
            ),
        )
    })
}

/// What stands between the service and the vault's data plane, if anything does.
fn network(id: &VaultId, vault: &Vault) -> Option<Verdict> {
    let name = id.name();
    match vault.network {
        VaultNetwork::Open | VaultNetwork::TrustedServices => None,
        VaultNetwork::Closed => Some(Verdict::no(
            Reason::VaultFirewallClosed,
            format!(
                "the firewall of the vault {name} does not let trusted Microsoft services through; let them: az keyvault update --name {name} --bypass AzureServices"
            ),
        )),
        VaultNetwork::Perimeter => Some(Verdict::no(
            Reason::PerimeterBlocks,
            format!(
                "the vault {name} is secured by a network security perimeter, which stops trusted services too; take the vault out of it, or set its public network access to Enabled or Disabled with the bypass for trusted services"
            ),
        )),
    }
}

fn absent(case: &Case<'_>, id: &VaultId) -> Verdict {
    let name = id.name();
    let was_used = case
        .memory
        .applied
        .as_ref()
        .is_some_and(|applied| applied.vault == *id);
    if was_used {
        Verdict::no(
            Reason::VaultDeleted,
            format!(
                "the vault {name}, which holds the key in use, is gone; bring it back at once: az keyvault recover --name {name} (its role assignments do not come back with it)"
            ),
        )
    } else {
        Verdict::no(
            Reason::VaultNotFound,
            format!(
                "there is no vault {id}; create it or correct key.vaultId (a deleted vault comes back with: az keyvault recover --name {name})"
            ),
        )
    }
}
