//! Who may use which key when, and why not.

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::{
    estate::Estate,
    path::covers,
    vault::{Vault, Version},
};

/// The key that a URL names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct KeyReference {
    pub(super) vault: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// Why a principal cannot unwrap with a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denial {
    VaultNotFound,
    IdentityGone,
    VaultUnresolved,
    FirewallClosed,
    DenyAssignment,
    NoRole,
    NoAccessPolicy,
    KeyNotFound,
    KeyDisabled,
    KeyExpired,
    KeyNotYetValid,
    OperationNotAllowed,
    KeyTypeUnsupported,
    KeySizeUnsupported,
    OtherTenant,
    NotPurgeProtected,
}

impl Denial {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::VaultNotFound => "KeyVaultNotFound",
            Self::IdentityGone => "ManagedIdentityNotFound",
            Self::VaultUnresolved => "KeyVaultNotReachable",
            Self::FirewallClosed => "ForbiddenByFirewall",
            Self::DenyAssignment | Self::NoRole => "ForbiddenByRbac",
            Self::NoAccessPolicy => "AccessDenied",
            Self::KeyNotFound => "KeyNotFound",
            Self::KeyDisabled => "KeyDisabled",
            Self::KeyExpired => "KeyExpired",
            Self::KeyNotYetValid => "KeyNotYetValid",
            Self::OperationNotAllowed => "KeyOperationForbidden",
            Self::KeyTypeUnsupported => "KeyTypeNotSupported",
            Self::KeySizeUnsupported => "KeySizeNotSupported",
            Self::OtherTenant => "KeyVaultInAnotherTenant",
            Self::NotPurgeProtected => "KeyVaultNotPurgeProtected",
        }
    }

    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::VaultNotFound => "the key vault does not exist or is deleted",
            Self::IdentityGone => "the managed identity that reads the key does not exist any more",
            Self::VaultUnresolved => "the key vault's name cannot be resolved yet",
            Self::DenyAssignment => {
                "a deny assignment takes the use of the key from the managed identity"
            }
            Self::FirewallClosed => {
                "the key vault's firewall is closed and does not let trusted services pass"
            }
            Self::NoRole => "the managed identity has no role that lets it unwrap with the key",
            Self::NoAccessPolicy => {
                "no access policy of the vault lets the managed identity unwrap"
            }
            Self::KeyNotFound => "the key or this version of it does not exist",
            Self::KeyDisabled => "the key version is disabled",
            Self::KeyExpired => "the key version has expired",
            Self::KeyNotYetValid => "the key version is not valid yet",
            Self::OperationNotAllowed => "the key permits no wrapKey or no unwrapKey",
            Self::KeyTypeUnsupported => "the key is neither RSA nor RSA-HSM",
            Self::KeySizeUnsupported => "the key has neither 2048 nor 3072 bits",
            Self::OtherTenant => "the key vault belongs to another tenant",
            Self::NotPurgeProtected => "the key vault lacks soft delete or purge protection",
        }
    }
}

impl KeyReference {
    /// Reads a Key Identifier; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == "https")?;
        let vault = url.host_str()?.strip_suffix(".vault.azure.net")?.to_owned();
        let mut segments = url.path_segments()?.filter(|segment| !segment.is_empty());
        let collection = segments.next()?;
        let key = segments.next()?.to_owned();
        let version = segments.next().map(str::to_owned);
        (collection.eq_ignore_ascii_case("keys") && segments.next().is_none()).then_some(Self {
            vault,
            key,
            version,
        })
    }
}

impl Estate {
    /// Whether `principal`, coming from a trusted Azure service, can wrap and unwrap with `key`.
    pub(super) fn key_access(
        &self,
        principal: &str,
        key: &KeyReference,
        at: Timestamp,
    ) -> Result<(), Denial> {
        let vault = self.vault_named(&key.vault).ok_or(Denial::VaultNotFound)?;
        if !self.principal_exists(principal) {
            return Err(Denial::IdentityGone);
        }
        if !vault.resolves() {
            return Err(Denial::VaultUnresolved);
        }
        if !vault.lets_services_pass() {
            return Err(Denial::FirewallClosed);
        }
        let id = format!("{}/keys/{}", vault.plain.id, key.key);
        if vault.uses_roles() {
            let needed = ["read", "wrap/action", "unwrap/action"]
                .map(|verb| format!("Microsoft.KeyVault/vaults/keys/{verb}"));
            if needed.iter().any(|act| self.denies(principal, act, &id)) {
                return Err(Denial::DenyAssignment);
            }
            if !needed
                .iter()
                .all(|action| self.grants(principal, action, &id, at))
            {
                return Err(Denial::NoRole);
            }
        } else if !vault.policy_allows(principal, &["get", "wrapKey", "unwrapKey"]) {
            return Err(Denial::NoAccessPolicy);
        }
        self.referenced(key).ok_or(Denial::KeyNotFound)?.usable(at)
    }

    /// Whether a service (by its name) can use its key; none without a key of its own.
    pub(super) fn reaches_key(&self, service: &str, at: Timestamp) -> Option<bool> {
        let mut services = self.services.values();
        let service = services.find(|own| own.name.eq_ignore_ascii_case(service))?;
        let binding = service.binding.as_ref()?;
        let access = self.key_access(&binding.principal, &binding.key, at);
        Some(access.is_ok())
    }

    /// What a service checks before it takes a key, besides being able to use it.
    pub(super) fn key_fit(&self, key: &KeyReference) -> Result<(), Denial> {
        let vault = self.vault_named(&key.vault).ok_or(Denial::VaultNotFound)?;
        let tenant = vault
            .plain
            .properties
            .get("tenantId")
            .and_then(Value::as_str);
        if !tenant.is_some_and(|tenant| tenant.eq_ignore_ascii_case(&self.tenant)) {
            return Err(Denial::OtherTenant);
        }
        if !vault.is_purge_protected() || !vault.flag("enableSoftDelete").unwrap_or(true) {
            return Err(Denial::NotPurgeProtected);
        }
        let version = self.referenced(key).ok_or(Denial::KeyNotFound)?;
        if !version.kind.to_ascii_uppercase().starts_with("RSA") {
            return Err(Denial::KeyTypeUnsupported);
        }
        if !matches!(version.size, Some(2048 | 3072)) {
            return Err(Denial::KeySizeUnsupported);
        }
        Ok(())
    }

    /// The version that a reference means; the newest when it names none.
    pub(super) fn referenced(&self, key: &KeyReference) -> Option<&Version> {
        let found = self.vault_named(&key.vault)?.key(&key.key)?;
        key.version
            .as_ref()
            .map_or_else(|| found.newest(), |name| found.version(name))
    }

    /// Whether roles in effect at `at` give `principal` this data action on `id`.
    pub(super) fn grants(&self, principal: &str, action: &str, id: &str, at: Timestamp) -> bool {
        self.assignments.values().any(|assignment| {
            assignment.principal.eq_ignore_ascii_case(principal)
                && assignment.is_effective(at)
                && covers(&assignment.scope, id)
                && self
                    .roles
                    .get(&assignment.role)
                    .is_some_and(|role| role.permits_data(action))
        })
    }

    /// Whether a caller of the data plane may do `action` (with access policies: `word`).
    pub(super) fn caller_may(
        &self,
        vault: &Vault,
        principal: &str,
        (action, word): (&str, &str),
        at: Timestamp,
    ) -> bool {
        if vault.uses_roles() {
            let id = &vault.plain.id;
            self.grants(principal, action, id, at) && !self.denies(principal, action, id)
        } else {
            vault.policy_allows(principal, &[word])
        }
    }
}
