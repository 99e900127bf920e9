//! Microsoft.KeyVault, the control plane: vaults, deleted vaults, keys and their versions.
//!
//! Firewalls do not apply here, and a deleted key reads like one that never was.

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    authorization::filter_value,
    estate::{DeletedVault, Estate, Plain},
    path::covers,
    vault::{Key, Vault, Version},
};

const VAULT: &str = "Microsoft.KeyVault/vaults";

impl Estate {
    pub(super) fn vaults(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let found = self.vaults.get(&id.to_ascii_lowercase());
        let missing = || Failure::no_resource(VAULT, ask.path.name(0), &ask.path.group());
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => {
                let inside = |vault: &&Vault| covers(&ask.path.scope, &vault.plain.id);
                let rows = self
                    .vaults
                    .values()
                    .filter(inside)
                    .map(Vault::show)
                    .collect();
                Ok(ask.page(rows))
            }
            (&Method::GET, true) => found.map(|v| Answer::ok(v.show())).ok_or_else(missing),
            (&Method::PUT, true) => self.put_vault(ask, &id),
            (&Method::PATCH, true) => {
                let body = ask.call.object()?;
                let vault = self
                    .vaults
                    .get_mut(&id.to_ascii_lowercase())
                    .ok_or_else(missing)?;
                vault.update(&body, ask.version())?;
                Ok(Answer::ok(vault.show()))
            }
            (&Method::DELETE, true) => {
                let deleted = self.delete_vault(&id, ask.call.now);
                let status = if deleted {
                    StatusCode::OK
                } else {
                    StatusCode::NO_CONTENT
                };
                Ok(Answer::empty(status))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    fn put_vault(&mut self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let body = ask.call.object()?;
        let name = ask.path.name(0);
        let key = id.to_ascii_lowercase();
        self.require_scope(&ask.path.scope)?;
        let shape = name.len() >= 3
            && name.len() <= 24
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !shape {
            let message = format!(
                "The vault name '{name}' is invalid. A vault's name must be \
                between 3-24 alphanumeric characters."
            );
            return Err(Failure::bad("VaultNameNotValid", message));
        }
        if let Some(vault) = self.vaults.get_mut(&key) {
            vault.update(&body, ask.version())?;
            return Ok(Answer::ok(vault.show()));
        }
        let recover = body
            .get("properties")
            .and_then(|properties| properties.get("createMode"))
            .and_then(Value::as_str)
            .is_some_and(|mode| mode.eq_ignore_ascii_case("recover"));
        if recover && self.deleted_vaults.contains_key(&name.to_ascii_lowercase()) {
            self.recover_vault(name);
            let shown = self.vaults.get(&key).map(Vault::show).unwrap_or_default();
            return Ok(Answer::ok(shown));
        }
        if self.deleted_vaults.contains_key(&name.to_ascii_lowercase()) {
            let message = format!(
                "A vault with the same name already exists in deleted state. You \
                need to either recover or purge existing key vault '{name}'."
            );
            return Err(Failure::conflict("ConflictError", message));
        }
        if self.vault_named(name).is_some() {
            let message = format!("The vault name '{name}' is already in use.");
            return Err(Failure::conflict("VaultAlreadyExists", message));
        }
        let Some(location) = body.get("location").and_then(Value::as_str) else {
            let message = "The location property is required for this definition.";
            return Err(Failure::bad("LocationRequired", message));
        };
        let mut vault = Vault {
            plain: Plain::new(id.to_owned(), location),
            keys: <_>::default(),
        };
        vault.update(&body, ask.version())?;
        let shown = vault.show();
        self.vaults.insert(key, vault);
        Ok(Answer::with(StatusCode::CREATED, shown))
    }

    pub(super) fn deleted_vaults(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let named = ask.path.kind().contains("/locations/");
        let name = ask.path.name(1).to_ascii_lowercase();
        let subscription = ask.path.subscription().unwrap_or_default();
        let missing = || {
            let message = format!("The specified deleted vault '{name}' does not exist.");
            Failure::missing("DeletedVaultNotFound", message)
        };
        let found = self.deleted_vaults.get(&name);
        match (&ask.call.method, named) {
            (&Method::GET, false) => {
                let scope = format!("/subscriptions/{subscription}");
                let inside = |deleted: &&DeletedVault| covers(&scope, &deleted.vault.plain.id);
                let rows = self.deleted_vaults.values().filter(inside);
                Ok(ask.page(rows.map(DeletedVault::show).collect()))
            }
            (&Method::GET, true) => found.map(|d| Answer::ok(d.show())).ok_or_else(missing),
            (&Method::POST, true) => {
                let deleted = found.ok_or_else(missing)?;
                if deleted.vault.is_purge_protected() {
                    let message = "Operation 'DeletedVaultPurge' is not allowed: purge protection \
                                   is enabled on this vault.";
                    return Err(Failure::bad("MethodNotAllowed", message));
                }
                self.deleted_vaults.remove(&name);
                Ok(Answer::empty(StatusCode::OK))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    pub(super) fn vault_policies(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id_to(1);
        let body = ask.call.object()?;
        let Some(vault) = self.vaults.get_mut(&id.to_ascii_lowercase()) else {
            return Err(Failure::no_resource(
                VAULT,
                ask.path.name(0),
                &ask.path.group(),
            ));
        };
        let given: Vec<Value> = body
            .get("properties")
            .and_then(|properties| properties.get("accessPolicies"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let owner = |policy: &Value| {
            policy
                .get("objectId")
                .and_then(Value::as_str)
                .map(str::to_ascii_lowercase)
        };
        let named: Vec<Option<String>> = given.iter().map(owner).collect();
        let policies = vault
            .plain
            .properties
            .entry("accessPolicies")
            .or_insert_with(|| json!([]));
        if let Some(policies) = policies.as_array_mut() {
            policies.retain(|policy| !named.contains(&owner(policy)));
            match ask.path.name(1).to_ascii_lowercase().as_str() {
                "remove" => {}
                "replace" => *policies = given,
                _ => policies.extend(given),
            }
        }
        let policies = policies.clone();
        Ok(Answer::ok(json!({
            "id": format!("{id}/accessPolicies/"),
            "type": "Microsoft.KeyVault/vaults/accessPolicies",
            "properties": { "accessPolicies": policies },
        })))
    }

    pub(super) fn keys(&mut self, ask: &Ask<'_>) -> Result<Answer> {
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

    pub(super) fn key_versions(&mut self, ask: &Ask<'_>) -> Result<Answer> {
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
    pub(super) fn show(&self) -> Value {
        self.plain.show(VAULT)
    }

    /// Takes over what a PUT or PATCH body says, as Key Vault does: one-way switches stay on.
    fn update(&mut self, body: &Map<String, Value>, version: &str) -> Result<()> {
        let given = body
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        for switch in ["enablePurgeProtection", "enableSoftDelete"] {
            let off = given.get(switch).and_then(Value::as_bool) == Some(false);
            if off && (self.flag(switch) == Some(true) || switch == "enablePurgeProtection") {
                let message = format!(
                    "The property \"{switch}\" cannot be set to false. Enabling \
                    it is an irreversible action."
                );
                return Err(Failure::bad("BadRequest", message));
            }
        }
        if let Some(tags) = body.get("tags").filter(|tags| tags.is_object()) {
            self.plain.tags = Some(tags.clone());
        }
        let read_only = [
            "vaultUri",
            "provisioningState",
            "privateEndpointConnections",
            "createMode",
            "hsmPoolResourceId",
        ];
        let properties = &mut self.plain.properties;
        for (name, value) in given {
            if !read_only.contains(&name.as_str()) && !value.is_null() {
                properties.insert(name, value);
            }
        }
        let defaults = json!({
            "sku": { "family": "A", "name": "standard" },
            "accessPolicies": [],
            "enabledForDeployment": false,
            "enableSoftDelete": true,
            "softDeleteRetentionInDays": 90,
            "enableRbacAuthorization": version >= "2026-02-01",
            "publicNetworkAccess": "Enabled",
            "provisioningState": "Succeeded",
        });
        for (name, value) in defaults.as_object().into_iter().flatten() {
            properties
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
        let url = format!("{}/", self.url());
        self.plain
            .properties
            .insert("vaultUri".to_owned(), json!(url));
        Ok(())
    }

    /// Makes the first version of a key; ARM makes no others.
    pub(super) fn create_key(
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
        let key = Key {
            name: name.to_owned(),
            tags: body.get("tags").cloned(),
            versions: Vec::new(),
            deleted: None,
        };
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

impl DeletedVault {
    fn show(&self) -> Value {
        let plain = &self.vault.plain;
        let days = plain
            .properties
            .get("softDeleteRetentionInDays")
            .and_then(Value::as_i64);
        let retention = SignedDuration::from_hours(days.unwrap_or(90).saturating_mul(24));
        let purge = self.at.checked_add(retention).unwrap_or(Timestamp::MAX);
        let subscription = plain.id.split('/').nth(2).unwrap_or_default();
        let mut properties = json!({
            "vaultId": plain.id,
            "location": plain.location,
            "tags": plain.tags.clone().unwrap_or_else(|| json!({})),
            "deletionDate": self.at.to_string(),
            "scheduledPurgeDate": purge.to_string(),
        });
        if let (true, Some(fields)) = (self.vault.is_purge_protected(), properties.as_object_mut())
        {
            fields.insert("purgeProtectionEnabled".to_owned(), json!(true));
        }
        json!({
            "id": format!(
                "/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{}/deletedVaults/{}",
                plain.location, plain.name
            ),
            "name": plain.name,
            "type": "Microsoft.KeyVault/deletedVaults",
            "properties": properties,
        })
    }
}

/// A version as a body of ARM or of the data plane describes it.
pub(super) fn read_version(properties: &Value, now: Timestamp) -> Result<Version> {
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

/// Which vaults `/subscriptions/<id>/resources?$filter=...` asks for.
pub(super) fn resource_filter(filter: &str, kind: &str, name: &str) -> bool {
    filter_value(filter, "resourceType").is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind))
        && filter_value(filter, "name").is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn no_key(name: &str) -> Failure {
    let message = format!(
        "A key with (name/id) {name} was not found in this key vault. If you \
        recently deleted this key you may be able to recover it using the correct recovery command."
    );
    Failure::missing("KeyNotFound", message)
}

#[cfg(test)]
mod tests;
