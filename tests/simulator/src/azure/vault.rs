//! Key vaults and their keys: what is in them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    access::Denial,
    estate::{Plain, hex},
};

#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub(super) plain: Plain,
    /// Keys by lower-case name.
    pub(super) keys: BTreeMap<String, Key>,
    /// No packet of the operator reaches the vault's own host; everybody else's do.
    pub(super) cut_off: bool,
    /// Calls to its host in the window of ten seconds that began then.
    pub(super) window: (Timestamp, u32),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) tags: Option<Value>,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    /// Versions that are not there any more, each with its place among the others.
    pub(super) missing: Vec<(usize, Version)>,
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

impl Vault {
    pub(super) fn new(plain: Plain) -> Self {
        Self {
            plain,
            keys: BTreeMap::new(),
            cut_off: false,
            window: (Timestamp::UNIX_EPOCH, 0),
        }
    }

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

    /// Whether the name of its host can be resolved: not while it is being registered.
    pub(super) fn resolves(&self) -> bool {
        let state = self.plain.properties.get("provisioningState");
        state.and_then(Value::as_str) != Some("RegisteringDns")
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
        let place = entry.versions.len().saturating_add(entry.missing.len());
        let name = hex(&format!("version/{vault}/{key}/{place}"));
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

    pub(super) fn policy_allows(&self, principal: &str, needed: &[&str]) -> bool {
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
    pub(super) fn new(name: &str, tags: Option<Value>) -> Self {
        Self {
            name: name.to_owned(),
            tags,
            versions: Vec::new(),
            missing: Vec::new(),
            deleted: None,
        }
    }

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

    /// A version like this one, made now, enabled and without dates.
    pub(super) fn renewed(self, now: Timestamp) -> Self {
        Self {
            enabled: true,
            not_before: None,
            expires: None,
            created: now,
            updated: now,
            ..self
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
    pub(super) fn usable(&self, at: Timestamp) -> Result<(), Denial> {
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
