//! Key vaults and their keys: what is in them, and who may use a key when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::{
    estate::{Estate, Plain, hex},
    path::covers,
};

#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub(super) plain: Plain,
    /// Keys by lower-case name.
    pub(super) keys: BTreeMap<String, Key>,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) tags: Option<Value>,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    pub(super) deleted: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) kind: String,
    /// Bits, for RSA.
    pub(super) size: Option<u32>,
    /// Curve, for EC.
    pub(super) curve: Option<String>,
    pub(super) operations: Vec<String>,
    pub(super) enabled: bool,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

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
    FirewallClosed,
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
            Self::FirewallClosed => "ForbiddenByFirewall",
            Self::NoRole => "ForbiddenByRbac",
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

impl Vault {
    /// `https://<name>.vault.azure.net`, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!(
            "https://{}.vault.azure.net",
            self.plain.name.to_ascii_lowercase()
        )
    }

    pub(super) fn flag(&self, property: &str) -> Option<bool> {
        self.plain.properties.get(property).and_then(Value::as_bool)
    }

    pub(super) fn uses_roles(&self) -> bool {
        self.flag("enableRbacAuthorization").unwrap_or(false)
    }

    pub(super) fn is_purge_protected(&self) -> bool {
        self.flag("enablePurgeProtection").unwrap_or(false)
    }

    fn acl(&self, rule: &str) -> Option<&str> {
        self.plain
            .properties
            .get("networkAcls")?
            .get(rule)?
            .as_str()
    }

    fn network(&self) -> &str {
        self.plain
            .properties
            .get("publicNetworkAccess")
            .and_then(Value::as_str)
            .unwrap_or("Enabled")
    }

    /// Whether anybody from the internet is kept out.
    pub(super) fn is_closed(&self) -> bool {
        !self.network().eq_ignore_ascii_case("enabled")
            || self
                .acl("defaultAction")
                .is_some_and(|word| word.eq_ignore_ascii_case("deny"))
    }

    /// Whether Azure's own services are let in although the vault is closed.
    pub(super) fn lets_services_pass(&self) -> bool {
        let perimeter = self.network().eq_ignore_ascii_case("securedbyperimeter");
        let bypass = self
            .acl("bypass")
            .is_none_or(|word| word.eq_ignore_ascii_case("AzureServices"));
        !self.is_closed() || (bypass && !perimeter)
    }

    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        self.keys
            .get(&name.to_ascii_lowercase())
            .filter(|key| key.deleted.is_none())
    }

    /// Adds a version, made like `model`, under a name derived from how many there were.
    pub(super) fn add_version(&mut self, key: &str, model: Version) -> Option<String> {
        let vault = self.plain.name.clone();
        let entry = self.keys.get_mut(&key.to_ascii_lowercase())?;
        let name = hex(&format!("version/{vault}/{key}/{}", entry.versions.len()));
        entry.versions.push(Version {
            name: name.clone(),
            ..model
        });
        Some(name)
    }

    pub(super) fn recovery_level(&self) -> &'static str {
        if self.is_purge_protected() {
            "Recoverable"
        } else {
            "Recoverable+Purgeable"
        }
    }

    fn policy_allows(&self, principal: &str, needed: &[&str]) -> bool {
        let policies = self
            .plain
            .properties
            .get("accessPolicies")
            .and_then(Value::as_array);
        policies.into_iter().flatten().any(|policy| {
            let owner = policy.get("objectId").and_then(Value::as_str);
            let keys = policy
                .pointer("/permissions/keys")
                .and_then(Value::as_array);
            let has = |word: &str| {
                keys.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .any(|granted| {
                        granted.eq_ignore_ascii_case(word) || granted.eq_ignore_ascii_case("all")
                    })
            };
            owner.is_some_and(|owner| owner.eq_ignore_ascii_case(principal))
                && needed.iter().all(|word| has(word))
        })
    }
}

impl Key {
    pub(super) fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }

    pub(super) fn version(&self, name: &str) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.name.eq_ignore_ascii_case(name))
    }
}

impl Version {
    /// An RSA key of 2048 bits that permits every operation.
    pub(super) fn rsa(now: Timestamp) -> Self {
        let operations = [
            "encrypt",
            "decrypt",
            "sign",
            "verify",
            "wrapKey",
            "unwrapKey",
        ];
        Self {
            name: String::new(),
            kind: "RSA".to_owned(),
            size: Some(2048),
            curve: None,
            operations: operations.map(str::to_owned).to_vec(),
            enabled: true,
            not_before: None,
            expires: None,
            created: now,
            updated: now,
        }
    }

    pub(super) fn permits(&self, operation: &str) -> bool {
        self.operations
            .iter()
            .any(|permitted| permitted.eq_ignore_ascii_case(operation))
    }

    /// `attributes` of the data plane and of ARM alike.
    pub(super) fn attributes(&self, recovery_level: &str) -> Value {
        let mut shown = json!({ "enabled": self.enabled });
        if let Some(fields) = shown.as_object_mut() {
            if let Some(at) = self.not_before {
                fields.insert("nbf".to_owned(), json!(at.as_second()));
            }
            if let Some(at) = self.expires {
                fields.insert("exp".to_owned(), json!(at.as_second()));
            }
            fields.insert("created".to_owned(), json!(self.created.as_second()));
            fields.insert("updated".to_owned(), json!(self.updated.as_second()));
            fields.insert("recoveryLevel".to_owned(), json!(recovery_level));
        }
        shown
    }

    /// Whether wrap and unwrap work with this version, whoever asks. The service's own test uses
    /// the .NET client, which refuses to wrap outside the key's dates.
    fn usable(&self, at: Timestamp) -> Result<(), Denial> {
        if !self.kind.to_ascii_uppercase().starts_with("RSA") {
            return Err(Denial::KeyTypeUnsupported);
        }
        if !self.enabled {
            return Err(Denial::KeyDisabled);
        }
        if self.expires.is_some_and(|expires| expires <= at) {
            return Err(Denial::KeyExpired);
        }
        if self.not_before.is_some_and(|begins| begins > at) {
            return Err(Denial::KeyNotYetValid);
        }
        if !self.permits("wrapKey") || !self.permits("unwrapKey") {
            return Err(Denial::OperationNotAllowed);
        }
        Ok(())
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
        if !vault.lets_services_pass() {
            return Err(Denial::FirewallClosed);
        }
        let id = format!("{}/keys/{}", vault.plain.id, key.key);
        if vault.uses_roles() {
            let needed = ["read", "wrap/action", "unwrap/action"]
                .map(|verb| format!("Microsoft.KeyVault/vaults/keys/{verb}"));
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
            self.grants(principal, action, &vault.plain.id, at)
        } else {
            vault.policy_allows(principal, &[word])
        }
    }
}
