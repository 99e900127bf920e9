//! Keys and their versions as ARM shows them.

use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer::{Answer, Failure, Result},
        ask::Ask,
        estate::{Estate, Plain},
        vault::{Key, Vault, Version},
    },
    VAULT,
};

impl Estate {
    pub(in super::super) fn keys(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id_to(1);
        let Some(vault) = self.vaults.get_mut(&id.to_ascii_lowercase()) else {
            return Err(Failure::no_resource(
                VAULT,
                ask.path.name(0),
                &ask.path.group(),
            ));
        };
        let name = ask.path.name(1);
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => {
                let living = vault.keys.values().filter(|key| key.deleted.is_none());
                Ok(ask.page(living.map(|key| vault.show_key(key, None, false)).collect()))
            }
            (&Method::GET, true) => {
                let key = vault.key(name).ok_or_else(|| no_key(name))?;
                Ok(Answer::ok(vault.show_key(key, None, true)))
            }
            (&Method::PUT, true) => {
                if vault.key(name).is_none() {
                    vault.create_key(name, &ask.call.object()?, ask.call.now)?;
                }
                let key = vault.key(name).ok_or_else(|| no_key(name))?;
                Ok(Answer::ok(vault.show_key(key, None, true)))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    pub(in super::super) fn key_versions(&self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id_to(1);
        let Some(vault) = self.vaults.get(&id.to_ascii_lowercase()) else {
            return Err(Failure::no_resource(
                VAULT,
                ask.path.name(0),
                &ask.path.group(),
            ));
        };
        if ask.call.method != Method::GET {
            return Err(Failure::method(ask.call));
        }
        let name = ask.path.name(1);
        let key = vault.key(name).ok_or_else(|| no_key(name))?;
        if !ask.path.is_item() {
            let rows = key.versions.iter();
            return Ok(ask.page(rows.map(|v| vault.show_key(key, Some(v), false)).collect()));
        }
        let version = key.version(ask.path.name(2)).ok_or_else(|| no_key(name))?;
        Ok(Answer::ok(vault.show_key(key, Some(version), true)))
    }
}

impl Vault {
    /// Makes the first version of a key; ARM makes no others.
    pub(in super::super) fn create_key(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<()> {
        if self.keys.contains_key(&name.to_ascii_lowercase()) {
            let message = format!(
                "Key {name} is currently in a deleted but recoverable state, and \
                its name cannot be reused; in this state, the key can only be recovered or purged."
            );
            return Err(
                Failure::conflict("Conflict", message).inner("ObjectIsDeletedButRecoverable")
            );
        }
        let version = read_version(body.get("properties").unwrap_or(&Value::Null), now)?;
        let key = Key::new(name, body.get("tags").cloned());
        self.keys.insert(name.to_ascii_lowercase(), key);
        self.add_version(name, version);
        Ok(())
    }

    /// A key or a version of it. Lists show neither type, size nor operations, as in the examples.
    fn show_key(&self, key: &Key, version: Option<&Version>, whole: bool) -> Value {
        let Some(shown) = version.or_else(|| key.newest()) else {
            return Value::Null;
        };
        let url = format!("{}/keys/{}", self.url(), key.name);
        let mut properties = Map::new();
        properties.insert(
            "attributes".to_owned(),
            shown.attributes(self.recovery_level()),
        );
        if whole {
            properties.insert("kty".to_owned(), json!(shown.kind));
            properties.insert("keyOps".to_owned(), json!(shown.operations));
            if let Some(size) = shown.size {
                properties.insert("keySize".to_owned(), json!(size));
            }
            if let Some(curve) = &shown.curve {
                properties.insert("curveName".to_owned(), json!(curve));
            }
        }
        properties.insert("keyUri".to_owned(), json!(url));
        if whole || version.is_some() {
            properties.insert(
                "keyUriWithVersion".to_owned(),
                json!(format!("{url}/{}", shown.name)),
            );
        }
        let id = format!("{}/keys/{}", self.plain.id, key.name);
        let mut plain = Plain::new(id, &self.plain.location);
        let mut kind = "Microsoft.KeyVault/vaults/keys";
        if let Some(version) = version {
            kind = "Microsoft.KeyVault/vaults/keys/versions";
            plain = Plain::new(
                format!("{}/versions/{}", plain.id, version.name),
                &plain.location,
            );
        }
        plain.tags.clone_from(&key.tags);
        plain.properties = properties;
        plain.show(kind)
    }
}

/// A version as a body of ARM or of the data plane describes it.
pub(in super::super) fn read_version(properties: &Value, now: Timestamp) -> Result<Version> {
    let model = Version::rsa(now);
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let kind = text("kty").unwrap_or("RSA").to_owned();
    let is_rsa = kind.to_ascii_uppercase().starts_with("RSA");
    if !["RSA", "RSA-HSM", "EC", "EC-HSM"].contains(&kind.to_ascii_uppercase().as_str()) {
        let message = format!("The key type '{kind}' is not one of RSA, RSA-HSM, EC, EC-HSM.");
        return Err(Failure::bad("BadParameter", message));
    }
    let size = properties
        .get("keySize")
        .or_else(|| properties.get("key_size"));
    let size = size
        .and_then(Value::as_u64)
        .and_then(|size| u32::try_from(size).ok());
    let operations = properties
        .get("keyOps")
        .or_else(|| properties.get("key_ops"));
    let operations = operations.and_then(Value::as_array).map(|list| {
        list.iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let time = |name: &str| {
        let seconds = properties.get("attributes")?.get(name)?.as_i64()?;
        Timestamp::from_second(seconds).ok()
    };
    let enabled = properties
        .pointer("/attributes/enabled")
        .and_then(Value::as_bool);
    let curve = text("curveName").or_else(|| text("crv")).unwrap_or("P-256");
    let signing = || vec!["sign".to_owned(), "verify".to_owned()];
    let defaults = if is_rsa {
        model.operations.clone()
    } else {
        signing()
    };
    Ok(Version {
        kind,
        size: is_rsa.then(|| size.unwrap_or(2048)),
        curve: (!is_rsa).then(|| curve.to_owned()),
        operations: operations.unwrap_or(defaults),
        enabled: enabled.unwrap_or(true),
        not_before: time("nbf"),
        expires: time("exp"),
        ..model
    })
}

fn no_key(name: &str) -> Failure {
    let message = format!(
        "A key with (name/id) {name} was not found in this key vault. If you \
        recently deleted this key you may be able to recover it using the correct recovery command."
    );
    Failure::missing("KeyNotFound", message)
}
