//! The end of a PUT: the key in the document is validated, then the document counts.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    super::{
        access::{Denial, KeyReference},
        document::key_url,
        estate::Estate,
        settings::Settings,
    },
    Binding, Service, Store, just_after,
};

impl Service {
    /// Takes the document over if the key in it can be used by the identity in it.
    pub(super) fn put(
        &mut self,
        document: Map<String, Value>,
        estate: &mut Estate,
        settings: &Settings,
        at: Timestamp,
    ) -> Result<(), (String, String)> {
        let wanted = key_url(&document)
            .filter(|url| !url.is_empty())
            .map(str::to_owned);
        let principal = self.principal_of(&document, estate);
        let binding = match wanted.as_deref().map(KeyReference::parse) {
            None => None,
            Some(None) => return Err(refusal(Denial::KeyNotFound)),
            Some(Some(key)) => {
                // a system identity that this very PUT switches on has no grant yet
                let principal = principal.ok_or_else(|| refusal(Denial::NoRole))?;
                estate.key_fit(&key).map_err(refusal)?;
                estate.key_access(&principal, &key, at).map_err(refusal)?;
                let version = estate.referenced(&key).map(|version| version.name.clone());
                Some(Binding {
                    key: KeyReference { version, ..key },
                    principal,
                })
            }
        };
        self.current_key_is_readable(binding.as_ref(), estate, at)
            .map_err(refusal)?;
        self.commit(document, estate, settings, at);
        self.binding = binding;
        self.denial = None;
        self.next_probe = settings.after(at, settings.key_probe).max(just_after(at));
        if self.store != Store::Open {
            self.turn(Store::Open, settings, at);
        }
        Ok(())
    }

    /// To go to another key, or back to Microsoft's, the data must be readable with the present one.
    fn current_key_is_readable(
        &self,
        next: Option<&Binding>,
        estate: &Estate,
        at: Timestamp,
    ) -> Result<(), Denial> {
        let Some(current) = &self.binding else {
            return Ok(());
        };
        if next.is_some_and(|next| next.key == current.key) {
            return Ok(());
        }
        let reader = next.map_or(&current.principal, |next| &next.principal);
        estate
            .key_access(reader, &current.key, at)
            .or_else(|_| estate.key_access(&current.principal, &current.key, at))
    }
}

fn refusal(denial: Denial) -> (String, String) {
    let message = format!(
        "The service cannot use the customer-managed key: {}. Give the service's managed identity \
         access to an enabled key and send the request again.",
        denial.sentence()
    );
    (denial.code().to_owned(), message)
}
