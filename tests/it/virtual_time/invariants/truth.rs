//! Questions to what was true.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::virtual_time::trace::Truth;

/// The roles that give read, wrap and unwrap.
const ABLE_ROLES: [&str; 4] = [
    "Key Vault Crypto Service Encryption User",
    "Key Vault Crypto Officer",
    "Key Vault Crypto User",
    "Key Vault Administrator",
];

/// How long a version that is new to a service has to be good for.
const LEFT_FOR_NEW: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A key url, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    url: String,
    vault: String,
    name: String,
    version: String,
}

impl Key {
    /// Reads a url; none if it does not name a version of a key.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let (host, path) = rest.split_once("/keys/")?;
        let (name, version) = path.split_once('/')?;
        Some(Self {
            url: url.to_owned(),
            vault: host.strip_suffix(".vault.azure.net")?.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    /// Whether an object's spec asks for this key.
    pub(super) fn is_asked_for(&self, spec: &Value) -> bool {
        let vault = spec["key"]["vaultId"].as_str().unwrap_or_default();
        let vault = vault.rsplit('/').next().unwrap_or_default();
        let by_name = spec["key"]["name"].as_str();
        let by_url = spec["key"]["url"].as_str();
        let name_fits = by_name.is_some_and(|name| name.eq_ignore_ascii_case(&self.name))
            || by_url.is_some_and(|url| self.url.to_lowercase().starts_with(&url.to_lowercase()));
        vault.eq_ignore_ascii_case(&self.vault) && name_fits
    }
}

/// The service at a path, in lower case.
pub(super) fn service<'truth>(truth: &'truth Truth, path: &str) -> &'truth Value {
    find(&truth.estate["services"], |row| {
        row["id"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(path))
    })
}

fn vault<'truth>(truth: &'truth Truth, key: &Key) -> &'truth Value {
    find(&truth.estate["vaults"], |row| {
        row["name"]
            .as_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(&key.vault))
    })
}

fn version<'truth>(truth: &'truth Truth, key: &Key) -> &'truth Value {
    let found = find(&vault(truth, key)["keys"], |row| {
        row["deleted"].is_null()
            && row["name"]
                .as_str()
                .is_some_and(|name| name.eq_ignore_ascii_case(&key.name))
    });
    find(&found["versions"], |row| {
        row["version"] == key.version.as_str()
    })
}

fn find(rows: &Value, wanted: impl Fn(&Value) -> bool) -> &Value {
    const NOTHING: &Value = &Value::Null;
    let mut rows = rows.as_array().into_iter().flatten();
    rows.find(|row| wanted(row)).unwrap_or(NOTHING)
}

/// Whether no operation runs on the service.
pub(super) fn is_idle(truth: &Truth, path: &str) -> bool {
    let state = &service(truth, path)["provisioningState"];
    state == "Succeeded" || state == "Failed" || state == "Canceled"
}

/// What a write that sets a key asks for, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'asked> {
    /// The path of the service, in lower case.
    pub(super) path: &'asked str,
    pub(super) key: &'asked Key,
    pub(super) propagation_wait: SignedDuration,
    pub(super) now: Timestamp,
}

type Precondition = fn(&Truth, Asked<'_>) -> bool;

/// The preconditions of setting a key (I1), each with its words.
pub(super) const PRECONDITIONS: [(&str, Precondition); 8] = [
    ("the service has an identity", |truth, asked| {
        service(truth, asked.path)["principal"].is_string()
    }),
    ("the key version is enabled and within its dates", in_force),
    ("the key is RSA with 2048 or 3072 bits", |truth, asked| {
        let version = version(truth, asked.key);
        (version["type"] == "RSA" || version["type"] == "RSA-HSM")
            && (version["size"] == 2048 || version["size"] == 3072)
    }),
    ("the key permits wrapKey and unwrapKey", |truth, asked| {
        let operations = version(truth, asked.key)["operations"].as_array();
        ["wrapKey", "unwrapKey"]
            .iter()
            .all(|word| operations.is_some_and(|own| own.iter().any(|had| had == word)))
    }),
    (
        "the vault has soft delete and purge protection",
        |truth, asked| {
            let vault = vault(truth, asked.key);
            vault["softDelete"] == true && vault["purgeProtection"] == true
        },
    ),
    ("the vault is in the service's tenant", |truth, asked| {
        vault(truth, asked.key)["tenant"] == truth.estate["tenant"]
    }),
    (
        "the vault lets trusted services in, by roles",
        |truth, asked| {
            let vault = vault(truth, asked.key);
            vault["rbac"] == true && vault["trustedServicesPass"] == true
        },
    ),
    (
        "a grant has been in place for the propagation wait",
        granted,
    ),
];

fn in_force(truth: &Truth, asked: Asked<'_>) -> bool {
    let attributes = &version(truth, asked.key)["attributes"];
    let time = |name: &str| {
        let seconds = attributes[name].as_i64()?;
        Timestamp::from_second(seconds).ok()
    };
    let is_new = service(truth, asked.path)["keyUrl"] != asked.key.url.as_str();
    let left = if is_new {
        LEFT_FOR_NEW
    } else {
        SignedDuration::ZERO
    };
    attributes["enabled"] == true
        && time("nbf").is_none_or(|from| from <= asked.now)
        && time("exp").is_none_or(|end| end > asked.now + left)
}

fn granted(truth: &Truth, asked: Asked<'_>) -> bool {
    let principal = &service(truth, asked.path)["principal"];
    let vault = vault(truth, asked.key)["id"].as_str().unwrap_or_default();
    let vault = vault.to_lowercase();
    let key = format!("{vault}/keys/{}", asked.key.name.to_lowercase());
    let rows = truth.estate["roleAssignments"].as_array();
    rows.into_iter().flatten().any(|row| {
        let scope = row["scope"].as_str().unwrap_or_default().to_lowercase();
        let created = row["created"].as_str().and_then(|at| at.parse().ok());
        let is_old = created.is_some_and(|created: Timestamp| {
            // ARM tells times in its answers' Date to the second
            created + asked.propagation_wait <= asked.now + SignedDuration::from_secs(1)
        });
        let covers = key == scope || key.starts_with(&format!("{scope}/"));
        row["principal"] == *principal
            && row["inEffect"] == true
            && row["until"].is_null()
            && ABLE_ROLES.iter().any(|role| row["role"] == *role)
            && covers
            && is_old
    })
}
