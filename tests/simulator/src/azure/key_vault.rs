//! Microsoft.KeyVault, the control plane: vaults, deleted vaults, keys and their versions.
//!
//! Firewalls do not apply here, and a deleted key reads like one that never was.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    authorization::filter_value,
    estate::{Estate, Plain},
    path::covers,
    vault::Vault,
};

mod deleted;
pub(super) mod keys;

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
        let mut vault = Vault::new(Plain::new(id.to_owned(), location));
        vault.update(&body, ask.version())?;
        let shown = vault.show();
        self.vaults.insert(key, vault);
        Ok(Answer::with(StatusCode::CREATED, shown))
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
}

/// Which vaults `/subscriptions/<id>/resources?$filter=...` asks for.
pub(super) fn resource_filter(filter: &str, kind: &str, name: &str) -> bool {
    filter_value(filter, "resourceType").is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind))
        && filter_value(filter, "name").is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
