//! Deleted vaults, and the access policies of those that live.

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        answer::{Answer, Failure, Result},
        ask::Ask,
        estate::{DeletedVault, Estate},
        path::covers,
    },
    VAULT,
};

impl Estate {
    pub(in super::super) fn deleted_vaults(&mut self, ask: &Ask<'_>) -> Result<Answer> {
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

    pub(in super::super) fn vault_policies(&mut self, ask: &Ask<'_>) -> Result<Answer> {
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
