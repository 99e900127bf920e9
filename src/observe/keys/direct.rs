//! Keys at their vault's own host: one list tells of all versions.

use std::{collections::BTreeMap, future::Future, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::jiff::Timestamp;
use tokio::time;

use super::{Look, book::Details, closed::Ending};
use crate::{
    arm::{
        Answer, ArmClient, ArmError, Call,
        error::Throttle,
        key_vault::{self, Key},
        vault_data,
    },
    azure::{KeyName, KeyVersion, VaultId},
    domain::{
        observed::{self, KeyVersionFacts},
        wants::Want,
    },
    observe::{
        Observer, convert,
        ending::Failure,
        entry::{Finding, Ticket},
        read::Why,
        schedule::Swept,
        source::{Item, Keyed, pause},
        value::Value,
    },
};

/// A version that a list showed.
struct Listed<'list> {
    item: &'list Keyed<Item>,
    version: &'list KeyVersion,
    row: &'list Key,
    ticket: &'list Ticket,
    at: Timestamp,
}

impl Observer {
    /// Lists the versions of a key at its vault. Says so if that does not work.
    pub(super) async fn read_at_vault(&self, look: &Look<'_>) -> Result<Swept, Ending> {
        let id = &look.key.of;
        let vault = self.vault_client(&id.vault)?;
        let mut looks = if self.is_all_absent(look) { LOOKS } else { 1 };
        loop {
            let ticket = self.begin(true);
            let asked_at = self.clock.now();
            let list = || {
                let call = vault_data::versions(&id.vault, &id.name);
                async { vault.list(urged(call, look.why)).await }
            };
            match self.at_vault(look.why, list).await.map_err(Ending::from) {
                Ok(answer) => return Ok(self.key_listed(look, &vault, (&ticket, answer)).await),
                Err(Ending::Missing) if looks == 1 => {
                    looks = 2;
                    for item in look.items.iter().take(1) {
                        self.pause_before_bad_news(item).await;
                    }
                }
                Err(Ending::Missing) => {
                    let swept = self.look_for_deletion(look).await;
                    if looks == LOOKS {
                        return Ok(self.key_missing(look, (&ticket, asked_at), swept));
                    }
                    looks = LOOKS;
                }
                Err(ending) => return Err(ending),
            }
        }
    }

    /// What is known of the deletion of a key, in a look of its own.
    pub(in crate::observe) async fn deleted_key(
        &self,
        vault: &VaultId,
        name: &KeyName,
        why: Why,
    ) -> Result<(observed::DeletedKey, Timestamp), Failure> {
        let told = |ending: Ending| match ending {
            Ending::Missing => Failure::Missing,
            Ending::Closed(closed) => super::through_arm::unseen(&closed),
            Ending::Trouble { why: _, failure } => failure,
        };
        let client = self.vault_client(vault).map_err(told)?;
        let send = || {
            let call = vault_data::deleted_key(vault, name);
            async { client.send(urged(call, why)).await }
        };
        let answer = self.at_vault(why, send).await;
        let answer = answer.map_err(|error| told(Ending::from(error)))?;
        let vault_data::DeletedKey {
            deleted_at,
            purge_at,
        } = answer.value;
        let deleted = observed::DeletedKey {
            deleted_at,
            purge_at,
        };
        Ok((deleted, answer.asked_at))
    }

    async fn key_listed(
        &self,
        look: &Look<'_>,
        vault: &ArmClient,
        (ticket, answer): (&Ticket, Answer<Vec<Key>>),
    ) -> Swept {
        let at = answer.asked_at;
        let pace = self.opened(look, answer.value.len());
        let named = answer.value.iter();
        let rows: BTreeMap<KeyVersion, &Key> = named
            .filter_map(|row| Some((row.version()?, row)))
            .collect();
        for item in look.items {
            match &item.of {
                Item::Want(Want::Listing(..)) => {
                    let listing = convert::listing(&answer.value);
                    self.commit(item, ticket, Finding::present(listing, at));
                }
                // a name is not given again before the deleted key is purged
                Item::Want(Want::DeletedKey(..)) => {
                    self.commit(item, ticket, Finding::absent(at));
                }
                Item::Want(_) | Item::Role { .. } => {}
            }
        }
        let versions = FuturesUnordered::new();
        for (item, version) in look.versions() {
            let row = rows.get(version).copied();
            versions.push(async move {
                match row {
                    Some(row) => {
                        let listed = Listed {
                            item,
                            version,
                            row,
                            ticket,
                            at,
                        };
                        self.version_listed(look, vault, &listed).await
                    }
                    None => self.version_left_out(look, vault, (item, version)).await,
                }
            });
        }
        let swept = versions.fold(Swept::GOOD, |all, one| async move { all.and(one) });
        Swept {
            pace: Some(pause(pace)),
            ..swept.await
        }
    }

    /// A version with what the list leaves out: remembered, or read when it is not or may be old.
    async fn version_listed(
        &self,
        look: &Look<'_>,
        vault: &ArmClient,
        listed: &Listed<'_>,
    ) -> Swept {
        let known = {
            let keys = &self.lock().keys;
            let oldest = pause(keys.details_age(&look.key.with(look.key.of.vault.clone())));
            let now = self.clock.monotonic();
            let details = keys.details(&look.key, listed.version).cloned();
            details.map(|details| {
                let is_new = now.since(details.read) < oldest;
                (is_new && details.updated == listed.row.updated, details)
            })
        };
        let is_asked_for = look.why == Why::Probe && look.is_focus(listed.item);
        if let Some((true, details)) = &known
            && !is_asked_for
        {
            return self.tell_version(listed, details);
        }
        // a disabled one may be refused
        if listed.row.enabled != Some(false) {
            let ticket = self.begin(true);
            let id = &look.key.of;
            let send = || {
                let call = vault_data::version(&id.vault, &id.name, listed.version);
                async { vault.send(urged(call, look.why)).await }
            };
            if let Ok(answer) = self.at_vault(look.why, send).await
                && let Ok(Value::Version(facts)) = convert::version(&answer.value)
            {
                self.keep_details(look, listed.version, &facts, answer.value.updated);
                let present = Finding::present(Value::Version(facts), answer.asked_at);
                self.commit(listed.item, &ticket, present);
                return Swept::GOOD;
            }
        }
        // rather with older details than not at all: what counts most is in the list
        match known {
            Some((_, details)) => self.tell_version(listed, &details),
            None => self.version_through_arm(look, listed).await,
        }
    }

    async fn version_through_arm(&self, look: &Look<'_>, listed: &Listed<'_>) -> Swept {
        let id = &look.key.of;
        let call = key_vault::key_version(&id.vault, &id.name, listed.version);
        let failure = match self.ask(call, look.why).await {
            Ok(answer) => match convert::version(&answer.value) {
                Ok(Value::Version(facts)) => {
                    self.keep_details(look, listed.version, &facts, listed.row.updated);
                    let facts = KeyVersionFacts {
                        attributes: convert::attributes(listed.row),
                        ..facts
                    };
                    let present = Finding::present(Value::Version(facts), listed.at);
                    self.commit(listed.item, listed.ticket, present);
                    return Swept::GOOD;
                }
                Ok(_) => Failure::odd("the answer is about something else"),
                Err(odd) => odd.into(),
            },
            Err(error) => match Failure::from(error) {
                // the vault has just shown it
                Failure::Missing => {
                    Failure::odd("Azure Resource Manager does not show the version")
                }
                other @ (Failure::Refused(_) | Failure::Garbled(_) | Failure::Trouble { .. }) => {
                    other
                }
            },
        };
        self.failed(listed.item, listed.ticket, failure, listed.at)
    }

    fn tell_version(&self, listed: &Listed<'_>, details: &Details) -> Swept {
        let facts = KeyVersionFacts {
            key_type: details.key_type.clone(),
            size: details.size,
            operations: details.operations.clone(),
            attributes: convert::attributes(listed.row),
        };
        let present = Finding::present(Value::Version(facts), listed.at);
        self.commit(listed.item, listed.ticket, present);
        Swept::GOOD
    }

    fn keep_details(
        &self,
        look: &Look<'_>,
        version: &KeyVersion,
        facts: &KeyVersionFacts,
        updated: Option<Timestamp>,
    ) {
        let details = Details {
            key_type: facts.key_type.clone(),
            size: facts.size,
            operations: facts.operations.clone(),
            updated,
            read: self.clock.monotonic(),
        };
        self.lock().keys.keep(&look.key, version.clone(), details);
    }

    /// A version that is not in a complete list: gone, if a direct look finds nothing either.
    async fn version_left_out(
        &self,
        look: &Look<'_>,
        vault: &ArmClient,
        (item, version): (&Keyed<Item>, &KeyVersion),
    ) -> Swept {
        let ticket = self.begin(true);
        let at = self.clock.now();
        let id = &look.key.of;
        if self.lock().is_absent(item, None) {
            return self.failed(item, &ticket, Failure::Missing, at);
        }
        let send = || {
            let call = vault_data::version(&id.vault, &id.name, version);
            async { vault.send(urged(call, look.why)).await }
        };
        let failure = match self.at_vault(look.why, send).await.map_err(Ending::from) {
            Err(Ending::Missing) => Failure::Missing,
            Ok(_) => Failure::odd("the list of versions leaves out one that is there"),
            Err(Ending::Closed(why)) => Failure::odd(format!("the vault cannot be asked: {why}")),
            Err(Ending::Trouble { why: _, failure }) => failure,
        };
        self.failed(item, &ticket, failure, at)
    }

    /// What is known of the deletion of a key that the vault does not have. It is told before
    /// that: what was said of it while the key was there must not meet a key that is gone.
    async fn look_for_deletion(&self, look: &Look<'_>) -> Swept {
        let mut swept = Swept::GOOD;
        for item in look.items.iter().filter(|item| is_deletion(item)) {
            let read = self.read(item, look.why).await;
            if !read.complete {
                let unknown = super::through_arm::unseen("it did not answer");
                let ticket = self.begin(true);
                self.failed(item, &ticket, unknown, self.clock.now());
            }
            swept = swept.and(read);
        }
        swept
    }

    fn key_missing(
        &self,
        look: &Look<'_>,
        (ticket, at): (&Ticket, Timestamp),
        swept: Swept,
    ) -> Swept {
        let pace = self.opened(look, 0);
        let others = look.items.iter().filter(|item| !is_deletion(item));
        let each = others.map(|item| self.failed(item, ticket, Failure::Missing, at));
        Swept {
            pace: Some(pause(pace)),
            ..each.fold(swept, Swept::and)
        }
    }

    /// The vault has answered: it is read there from now on, at this pace.
    fn opened(&self, look: &Look<'_>, versions: usize) -> k8s_openapi::jiff::SignedDuration {
        let vault = look.key.with(look.key.of.vault.clone());
        let mut inventory = self.lock();
        let before = inventory.keys.source(&look.key);
        let is_new = inventory.keys.open(&look.key, versions);
        let pace = inventory.keys.pace_direct(&vault);
        for item in look.items {
            inventory.set_interval(item, pace);
        }
        drop(inventory);
        if is_new {
            tracing::info!(vault = %vault.of.name(), "reads keys at their vault");
        }
        self.tell_source(look, before.as_ref());
        pace
    }

    fn is_all_absent(&self, look: &Look<'_>) -> bool {
        let inventory = self.lock();
        let mut items = look.items.iter().filter(|item| !is_deletion(item));
        items.all(|item| inventory.is_absent(item, None))
    }

    fn vault_client(&self, vault: &VaultId) -> Result<ArmClient, Ending> {
        Ok(self.planes.vaults.of_vault(vault)?)
    }

    /// A call to a vault, within the bounds of its kind. Our own share of the vault's limit is
    /// waited for: it is small, and a burst of new keys uses it up.
    async fn at_vault<T, F>(&self, why: Why, send: impl Fn() -> F) -> Result<T, ArmError>
    where
        F: Future<Output = Result<T, ArmError>> + Send,
    {
        let mut patience = PATIENCE;
        loop {
            let gate = match why {
                Why::Sweep => &self.host_gate,
                Why::Probe => &self.probe_gate,
            };
            match gate.pass(send()).await {
                Err(ArmError::Throttled {
                    wait,
                    by: Throttle::OurBudget,
                    ..
                }) if wait <= patience => {
                    patience = patience.saturating_sub(wait);
                    time::sleep(wait).await;
                }
                ended => return ended,
            }
        }
    }
}

const fn is_deletion(item: &Keyed<Item>) -> bool {
    matches!(item.of, Item::Want(Want::DeletedKey(..)))
}

fn urged<T>(call: Call<T>, why: Why) -> Call<T> {
    match why {
        Why::Sweep => call,
        Why::Probe => call.urgent(),
    }
}

/// How often a key is looked for that was there before it is told to be gone. Between the last two
/// it is looked for among the deleted ones, so that one that comes back is not called purged.
const LOOKS: u32 = 3;
/// How long a call waits for our share of a vault's limit.
const PATIENCE: Duration = Duration::from_mins(1);
