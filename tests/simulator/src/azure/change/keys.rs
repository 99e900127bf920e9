//! Changes of keys.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{
        estate::Estate,
        vault::{Key, Vault, Version},
    },
    ChangeError, KeyChange,
    apply::{Outcome, plain_word},
};

impl Estate {
    pub(super) fn change_key(
        &mut self,
        (vault_name, name): (&str, &str),
        version: Option<&str>,
        to: KeyChange,
        now: Timestamp,
    ) -> Outcome {
        let known: Vec<&str> = self
            .vaults
            .values()
            .map(|vault| vault.plain.name.as_str())
            .collect();
        let message = format!(
            "there is no vault '{vault_name}'; the vaults are: {}",
            known.join(", ")
        );
        let vault = self
            .vault_named_mut(vault_name)
            .ok_or(ChangeError(message))?;
        vault.require_key(name, version)?;
        let whole = format!("{vault_name}/{name}");
        let lower = name.to_ascii_lowercase();
        match to {
            KeyChange::NewVersion => {
                let newest = vault.keys.get(&lower).and_then(Key::newest);
                let model = newest
                    .cloned()
                    .unwrap_or_else(|| Version::rsa(now))
                    .renewed(now);
                let made = vault.add_version(name, model).unwrap_or_default();
                return Ok(format!("The key '{whole}' has a new version, {made}."));
            }
            KeyChange::Purged if version.is_some() => {
                return Err(ChangeError(format!(
                    "only whole keys are purged: write key {whole}"
                )));
            }
            KeyChange::Purged => {
                vault.keys.remove(&lower);
            }
            KeyChange::Deleted | KeyChange::Recovered => {
                let gone = to == KeyChange::Deleted;
                let key = vault.keys.get_mut(&lower);
                let changed = key.is_some_and(|key| match version {
                    Some(one) => key.lose(one, gone),
                    None => key.delete(gone, now),
                });
                if !changed {
                    let word = if gone { "gone already" } else { "not deleted" };
                    let slash = version.map_or_else(String::new, |one| format!("/{one}"));
                    return Err(ChangeError(format!("the key '{whole}{slash}' is {word}")));
                }
            }
            KeyChange::Disabled
            | KeyChange::Enabled
            | KeyChange::Expired
            | KeyChange::ExpiresIn(_)
            | KeyChange::NotYetValid
            | KeyChange::UnwrapForbidden
            | KeyChange::UnwrapPermitted
            | KeyChange::Valid => {
                let key = vault.keys.get_mut(&lower).into_iter();
                let versions = key.flat_map(|key| key.versions.iter_mut());
                versions
                    .filter(|own| version.is_none_or(|one| own.name.eq_ignore_ascii_case(one)))
                    .for_each(|own| own.turn(to, now));
            }
        }
        let which = version.map_or_else(String::new, |own| format!(", version {own},"));
        let said = if let KeyChange::ExpiresIn(seconds) = to {
            format!("good for {seconds} more seconds")
        } else {
            plain_word(to)
        };
        Ok(format!("The key '{whole}'{which} is now {said}."))
    }
}

impl Vault {
    /// Says what there is when the key or the version is not.
    fn require_key(&self, name: &str, version: Option<&str>) -> Result<(), ChangeError> {
        let Some(key) = self.keys.get(&name.to_ascii_lowercase()) else {
            let known: Vec<&str> = self.keys.values().map(|key| key.name.as_str()).collect();
            return Err(ChangeError(format!(
                "there is no key '{name}' in '{}'; the keys are: {}",
                self.plain.name,
                known.join(", ")
            )));
        };
        let missing = key.missing.iter().map(|(_, own)| own);
        let all = || key.versions.iter().chain(missing.clone());
        let known: Vec<&str> = all().map(|own| own.name.as_str()).collect();
        let unknown = |wanted: &&str| !known.iter().any(|own| own.eq_ignore_ascii_case(wanted));
        let Some(wanted) = version.filter(unknown) else {
            return Ok(());
        };
        Err(ChangeError(format!(
            "the key '{name}' has no version '{wanted}'; the versions are: {}",
            known.join(", ")
        )))
    }
}

impl Key {
    /// Deletes it softly or brings it back; whether that changed anything.
    fn delete(&mut self, gone: bool, now: Timestamp) -> bool {
        let changes = self.deleted.is_some() != gone;
        if changes {
            self.deleted = gone.then_some(now);
        }
        changes
    }

    /// Takes a version away, or puts it back where it was; whether there was one to move.
    fn lose(&mut self, version: &str, gone: bool) -> bool {
        let named = |own: &Version| own.name.eq_ignore_ascii_case(version);
        if gone {
            let Some(at) = self.versions.iter().position(named) else {
                return false;
            };
            self.missing.push((at, self.versions.remove(at)));
            return true;
        }
        let Some(place) = self.missing.iter().position(|(_, own)| named(own)) else {
            return false;
        };
        let (at, found) = self.missing.remove(place);
        self.versions.insert(at.min(self.versions.len()), found);
        true
    }
}

impl Version {
    /// Switches or dates a version; what concerns whole keys leaves it as it is.
    fn turn(&mut self, to: KeyChange, now: Timestamp) {
        let hour = SignedDuration::from_hours(1);
        self.updated = now;
        match to {
            KeyChange::Disabled => self.enabled = false,
            KeyChange::Enabled => self.enabled = true,
            KeyChange::Expired => self.expires = now.checked_sub(hour).ok(),
            KeyChange::ExpiresIn(seconds) => {
                let left = SignedDuration::from_secs(i64::from(seconds));
                self.expires = now.checked_add(left).ok();
            }
            KeyChange::NotYetValid => self.not_before = now.checked_add(hour).ok(),
            KeyChange::UnwrapForbidden => self.operations.retain(|own| own != "unwrapKey"),
            KeyChange::UnwrapPermitted => self.operations.push("unwrapKey".to_owned()),
            KeyChange::Valid => {
                self.expires = None;
                self.not_before = None;
            }
            KeyChange::Deleted
            | KeyChange::Recovered
            | KeyChange::Purged
            | KeyChange::NewVersion => {}
        }
    }
}
