//! A vault's own host: keys, versions and deleted keys, for whoever may read them there.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::page,
    call::Call,
    caller::Caller,
    estate::{Estate, hex},
    key_vault::keys::read_version,
    settings::Settings,
    vault::{Key, Vault, Version},
};

impl Estate {
    /// Answers a call to `https://<vault>.vault.azure.net`; `None` when no such host exists.
    pub(super) fn vault_data(
        &mut self,
        call: &Call,
        vault: &str,
        caller: &Caller,
        settings: &Settings,
    ) -> Option<Result<Answer>> {
        if self
            .deleted_vaults
            .contains_key(&vault.to_ascii_lowercase())
        {
            let message = format!("The vault '{vault}' is deleted.");
            return Some(Err(Failure::missing("VaultNotFound", message)));
        }
        let found = self
            .vault_named_mut(vault)
            .filter(|vault| vault.resolves())?;
        if let Err(failure) = found.take_call(call.now, settings) {
            return Some(Err(failure));
        }
        let open = self.vault_named(vault)?;
        let id = open.plain.id.to_ascii_lowercase();
        if let Err(failure) = self.admit(call, open, caller) {
            return Some(Err(failure));
        }
        let served = self.vaults.get_mut(&id)?;
        Some(served.serve(call, settings))
    }

    /// Whether no packet of this caller reaches the vault's host.
    pub(super) fn is_cut_off(&self, vault: &str, caller: &Caller) -> bool {
        caller.limited && self.vault_named(vault).is_some_and(|vault| vault.cut_off)
    }

    /// Firewall first, then rights: the order of the real thing.
    fn admit(&self, call: &Call, vault: &Vault, caller: &Caller) -> Result<()> {
        if vault.is_closed() {
            let message = format!(
                "Client address is not authorized and caller is not a trusted service.\r\nClient \
                 address: 127.0.0.1\r\nCaller: appid={};oid={}\r\nVault: {};location={}",
                caller.client, caller.principal, vault.plain.name, vault.plain.location
            );
            return Err(Failure::forbidden("Forbidden", message).inner("ForbiddenByFirewall"));
        }
        let (action, word) = needed(call);
        if !caller.limited || self.caller_may(vault, &caller.principal, (action, word), call.now) {
            return Ok(());
        }
        if !vault.uses_roles() {
            let message = format!(
                "The user, group or application 'appid={};oid={}' does not have keys {word} \
                 permission on key vault '{};location={}'.",
                caller.client, caller.principal, vault.plain.name, vault.plain.location
            );
            return Err(Failure::forbidden("Forbidden", message).inner("AccessDenied"));
        }
        let message = format!(
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny \
             assignments or role definitions were changed recently, please observe propagation \
             time.\r\nCaller: appid={};oid={}\r\nAction: '{action}'\r\nResource: '{}'\r\nAssignment: \
             (not found)\r\nDecisionReason: 'DeniedWithNoValidRBAC'\r\nVault: {};location={}\r\n",
            caller.client, caller.principal, vault.plain.id, vault.plain.name, vault.plain.location
        );
        Err(Failure::forbidden("Forbidden", message).inner("ForbiddenByRbac"))
    }
}

/// The data action, and the access-policy permission, that a call needs.
fn needed(call: &Call) -> (&'static str, &'static str) {
    let deleted = call.lower(0) == "deletedkeys";
    match (call.method.as_str(), deleted) {
        ("GET", _) if call.segments.len() == 1 || call.lower(2) == "versions" => {
            ("Microsoft.KeyVault/vaults/keys/read", "list")
        }
        ("GET", _) => ("Microsoft.KeyVault/vaults/keys/read", "get"),
        ("POST", true) => ("Microsoft.KeyVault/vaults/keys/recover/action", "recover"),
        ("POST", false) => ("Microsoft.KeyVault/vaults/keys/create/action", "create"),
        ("DELETE", false) => ("Microsoft.KeyVault/vaults/keys/delete", "delete"),
        ("DELETE", true) => ("Microsoft.KeyVault/vaults/keys/purge/action", "purge"),
        _ => ("Microsoft.KeyVault/vaults/keys/update/action", "update"),
    }
}

impl Vault {
    /// Counts a call; in ten seconds there may be so many, and those refused do not count.
    fn take_call(&mut self, now: Timestamp, settings: &Settings) -> Result<()> {
        let (began, calls) = self.window;
        let over = now.duration_since(began) >= WINDOW;
        let (began, calls) = if over { (now, 0) } else { (began, calls) };
        if calls >= settings.vault_calls {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let message = "Request was not processed because too many requests were received. \
                           Reason: VaultRequestTypeLimitReached";
            let left = WINDOW.saturating_sub(now.duration_since(began));
            let wait = left.as_secs().saturating_add(1).to_string();
            return Err(Failure::new(status, "Throttled", message).header("retry-after", wait));
        }
        self.window = (began, calls.saturating_add(1));
        Ok(())
    }

    fn serve(&mut self, call: &Call, settings: &Settings) -> Result<Answer> {
        let name = call.segments.get(1).cloned().unwrap_or_default();
        let third = call.lower(2);
        if call.method == Method::GET {
            return self.read(call, &name, settings);
        }
        match (
            call.method.as_str(),
            call.lower(0).as_str(),
            call.segments.len(),
        ) {
            ("POST", "keys", 3) if third == "create" || third == "rotate" => {
                self.create_or_rotate(call, &name, third == "create")
            }
            ("PATCH", "keys", 2 | 3) => self.update_attributes(call, &name, &third),
            ("DELETE", "keys", 2) => {
                self.set_deleted(&name, Some(call.now))?;
                self.show_deleted(&name)
            }
            ("POST", "deletedkeys", 3) if third == "recover" => {
                self.show_deleted(&name)?;
                self.set_deleted(&name, None)?;
                let key = self.key(&name).ok_or_else(|| not_found(&name))?;
                let version = key.newest().ok_or_else(|| not_found(&name))?;
                Ok(Answer::ok(Value::Object(self.bundle(key, version))))
            }
            ("DELETE", "deletedkeys", 2) => {
                self.show_deleted(&name)?;
                if self.is_purge_protected() {
                    let message = "Operation 'purge' is not allowed: purge protection is enabled.";
                    return Err(Failure::forbidden("Forbidden", message));
                }
                self.keys.remove(&name.to_ascii_lowercase());
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Failure::method(call)),
        }
    }

    fn read(&self, call: &Call, name: &str, settings: &Settings) -> Result<Answer> {
        let third = call.lower(2);
        let from = call
            .parameter("$skiptoken")
            .and_then(|token| token.parse().ok())
            .unwrap_or(0);
        let asked = call
            .parameter("maxresults")
            .and_then(|size| size.parse().ok());
        let most = settings.page_size.max(1);
        let size = asked.unwrap_or(most).clamp(1, most);
        match (call.lower(0).as_str(), call.segments.len()) {
            ("keys", 1) => {
                let living = self.keys.values().filter(|key| key.deleted.is_none());
                let rows = living.map(|key| self.item(key, None)).collect();
                Ok(page(call, rows, from, size))
            }
            ("keys", 3) if third == "versions" => {
                let key = self.key(name).ok_or_else(|| not_found(name))?;
                let rows = key
                    .versions
                    .iter()
                    .map(|version| self.item(key, Some(version)));
                Ok(page(call, rows.collect(), from, size))
            }
            ("keys", 2 | 3) => {
                let key = self.key(name).ok_or_else(|| not_found(name))?;
                let version = if third.is_empty() {
                    key.newest()
                } else {
                    key.version(&third)
                };
                let version = version.ok_or_else(|| not_found(name))?;
                if !version.enabled {
                    let message = "Operation get is not allowed on a disabled key.";
                    return Err(Failure::forbidden("Forbidden", message).inner("KeyDisabled"));
                }
                Ok(Answer::ok(Value::Object(self.bundle(key, version))))
            }
            ("deletedkeys", 1) => {
                let gone = self.keys.values().filter(|key| key.deleted.is_some());
                let rows = gone.map(|key| self.item(key, None)).collect();
                Ok(page(call, rows, from, size))
            }
            ("deletedkeys", 2) => self.show_deleted(name),
            _ => Err(not_found(&call.raw_path)),
        }
    }

    fn create_or_rotate(&mut self, call: &Call, name: &str, create: bool) -> Result<Answer> {
        let body = if call.body.is_empty() {
            Map::new()
        } else {
            call.object()?
        };
        if self.key(name).is_none() {
            let mut holder = Map::new();
            holder.insert("properties".to_owned(), Value::Object(body));
            self.create_key(name, &holder, call.now)?;
        } else {
            let newest = self.key(name).and_then(Key::newest).cloned();
            let model = match (create, newest) {
                (false, Some(newest)) => newest.renewed(call.now),
                (true, _) | (false, None) => read_version(&Value::Object(body), call.now)?,
            };
            self.add_version(name, model);
        }
        let key = self.key(name).ok_or_else(|| not_found(name))?;
        let version = key.newest().ok_or_else(|| not_found(name))?;
        Ok(Answer::ok(Value::Object(self.bundle(key, version))))
    }

    fn update_attributes(&mut self, call: &Call, name: &str, version: &str) -> Result<Answer> {
        let body = call.object()?;
        let version = if version.is_empty() {
            self.key(name)
                .and_then(Key::newest)
                .map(|newest| newest.name.clone())
        } else {
            Some(version.to_owned())
        };
        let wanted = version.unwrap_or_default();
        let key = self
            .keys
            .get_mut(&name.to_ascii_lowercase())
            .ok_or_else(|| not_found(name))?;
        let found = key
            .versions
            .iter_mut()
            .find(|own| own.name.eq_ignore_ascii_case(&wanted));
        let found = found.ok_or_else(|| not_found(name))?;
        let attribute = |word: &str| body.get("attributes").and_then(|all| all.get(word));
        let time = |word: &str| {
            attribute(word)
                .and_then(Value::as_i64)
                .and_then(|at| Timestamp::from_second(at).ok())
        };
        found.enabled = attribute("enabled")
            .and_then(Value::as_bool)
            .unwrap_or(found.enabled);
        found.expires = time("exp").or(found.expires);
        found.not_before = time("nbf").or(found.not_before);
        found.updated = call.now;
        let own = self.key(name).ok_or_else(|| not_found(name))?;
        let changed = own.version(&wanted).ok_or_else(|| not_found(name))?;
        Ok(Answer::ok(Value::Object(self.bundle(own, changed))))
    }

    fn set_deleted(&mut self, name: &str, at: Option<Timestamp>) -> Result<()> {
        let key = self.keys.get_mut(&name.to_ascii_lowercase());
        let key = key.filter(|key| key.deleted.is_none() == at.is_some());
        key.ok_or_else(|| not_found(name))?.deleted = at;
        Ok(())
    }

    fn show_deleted(&self, name: &str) -> Result<Answer> {
        let missing = || {
            let message = format!("Deleted Key not found: {name}");
            Failure::missing("KeyNotFound", message)
        };
        let key = self
            .keys
            .get(&name.to_ascii_lowercase())
            .ok_or_else(missing)?;
        let (Some(at), Some(version)) = (key.deleted, key.newest()) else {
            return Err(missing());
        };
        let days = self
            .plain
            .properties
            .get("softDeleteRetentionInDays")
            .and_then(Value::as_i64);
        let retention = SignedDuration::from_hours(days.unwrap_or(90).saturating_mul(24));
        let purge = at.checked_add(retention).unwrap_or(Timestamp::MAX);
        let mut shown = Map::new();
        let recovery = format!("{}/deletedkeys/{}", self.url(), key.name);
        shown.insert("recoveryId".to_owned(), json!(recovery));
        shown.insert("deletedDate".to_owned(), json!(at.as_second()));
        shown.insert("scheduledPurgeDate".to_owned(), json!(purge.as_second()));
        shown.extend(self.bundle(key, version));
        Ok(Answer::ok(Value::Object(shown)))
    }

    fn item(&self, key: &Key, version: Option<&Version>) -> Value {
        let base = format!("{}/keys/{}", self.url(), key.name);
        let kid = version.map_or_else(|| base.clone(), |own| format!("{base}/{}", own.name));
        let shown = version.or_else(|| key.newest());
        let attributes = shown.map(|own| own.attributes(self.recovery_level()));
        json!({ "kid": kid, "attributes": attributes })
    }

    fn bundle(&self, key: &Key, version: &Version) -> Map<String, Value> {
        let mut jwk = Map::new();
        let kid = format!("{}/keys/{}/{}", self.url(), key.name, version.name);
        jwk.insert("kid".to_owned(), json!(kid));
        jwk.insert("kty".to_owned(), json!(version.kind));
        jwk.insert("key_ops".to_owned(), json!(version.operations));
        let number = |part: &str, bits: u32| {
            let digits =
                hex(&format!("{part}/{kid}")).repeat(usize::try_from(bits / 256).unwrap_or(1));
            URL_SAFE_NO_PAD.encode(digits.as_bytes())
        };
        if let Some(curve) = &version.curve {
            jwk.insert("crv".to_owned(), json!(curve));
            jwk.insert("x".to_owned(), json!(number("x", 256)));
            jwk.insert("y".to_owned(), json!(number("y", 256)));
        } else {
            jwk.insert(
                "n".to_owned(),
                json!(number("n", version.size.unwrap_or(2048))),
            );
            jwk.insert("e".to_owned(), json!("AQAB"));
        }
        let mut bundle = Map::new();
        bundle.insert("key".to_owned(), Value::Object(jwk));
        bundle.insert(
            "attributes".to_owned(),
            version.attributes(self.recovery_level()),
        );
        bundle.extend(key.tags.clone().map(|tags| ("tags".to_owned(), tags)));
        bundle
    }
}

/// The time that the limit of a vault's calls is for.
const WINDOW: SignedDuration = SignedDuration::from_secs(10);

fn not_found(name: &str) -> Failure {
    let message = format!(
        "A key with (name/id) {name} was not found in this key vault. If you \
        recently deleted this key you may be able to recover it using the correct recovery command."
    );
    Failure::missing("KeyNotFound", message)
}

#[cfg(test)]
mod tests;
