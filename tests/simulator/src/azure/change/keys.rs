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
            KeyChange::Deleted | KeyChange::Recovered | KeyChange::Purged if version.is_some() => {
                return Err(ChangeError(format!(
                    "only whole keys are deleted, recovered or purged: write key {whole}"
                )));
            }
            KeyChange::Purged => {
                vault.keys.remove(&lower);
            }
            KeyChange::Deleted | KeyChange::Recovered => {
                let wants_gone = to == KeyChange::Deleted;
                let key = vault.keys.get_mut(&lower);
                let Some(key) = key.filter(|key| key.deleted.is_some() != wants_gone) else {
                    let word = if wants_gone {
                        "deleted already"
                    } else {
                        "not deleted"
                    };
                    return Err(ChangeError(format!("the key '{whole}' is {word}")));
                };
                key.deleted = wants_gone.then_some(now);
            }
            KeyChange::Disabled
            | KeyChange::Enabled
            | KeyChange::Expired
            | KeyChange::NotYetValid
            | KeyChange::Valid => {
                let key = vault.keys.get_mut(&lower).into_iter();
                let versions = key.flat_map(|key| key.versions.iter_mut());
                versions
                    .filter(|own| version.is_none_or(|one| own.name.eq_ignore_ascii_case(one)))
                    .for_each(|own| own.turn(to, now));
            }
        }
        let which = version.map_or_else(String::new, |own| format!(", version {own},"));
        Ok(format!(
            "The key '{whole}'{which} is now {}.",
            plain_word(to)
        ))
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
        let Some(wanted) = version.filter(|wanted| key.version(wanted).is_none()) else {
            return Ok(());
        };
        let known: Vec<&str> = key.versions.iter().map(|own| own.name.as_str()).collect();
        Err(ChangeError(format!(
            "the key '{name}' has no version '{wanted}'; the versions are: {}",
            known.join(", ")
        )))
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
            KeyChange::NotYetValid => self.not_before = now.checked_add(hour).ok(),
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
