//! Direct reads: one item, asked for by its own id.
//!
//! An absence is asked for twice before it counts.

use k8s_openapi::jiff::Timestamp;
use tokio::time;

use super::{
    Observer, convert,
    ending::Failure,
    entry::{Finding, Ticket},
    schedule::Swept,
    source::{Item, Keyed},
    value::{Value, covers},
};
use crate::{
    arm::{
        Answer, ArmError, Call, Page,
        authorization::{self, RoleAssignment},
        dicom, identity, key_vault, resource_health, subscription,
    },
    azure::VaultId,
    domain::{
        fact::{Trouble, TroubleKind},
        observed::Assignment,
        wants::Want,
    },
};

/// Why something is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// It is time again.
    Sweep,
    /// A write is to be decided.
    Probe,
}

/// A value and when it was asked for.
pub(super) struct Fetched {
    pub(super) value: Value,
    pub(super) at: Timestamp,
}

impl Observer {
    /// Reads one item by itself and takes note of what came back.
    pub(super) async fn read(&self, key: &Keyed<Item>, why: Why) -> Swept {
        let mut is_first = !self.lock().is_absent(key, None);
        loop {
            let ticket = self.begin(true);
            let asked_at = self.clock.now();
            return match self.fetch(key, why).await {
                Ok(Fetched { value, at }) => {
                    self.commit(key, &ticket, Finding::present(value, at));
                    Swept::GOOD
                }
                Err(Failure::Missing) if is_first => {
                    is_first = false;
                    self.pause_before_bad_news(key).await;
                    continue;
                }
                Err(failure) => self.failed(key, &ticket, failure, asked_at),
            };
        }
    }

    /// Takes note of a read that brought no value.
    pub(super) fn failed(
        &self,
        key: &Keyed<Item>,
        ticket: &Ticket,
        failure: Failure,
        at: Timestamp,
    ) -> Swept {
        let known = Swept {
            present: false,
            ..Swept::GOOD
        };
        match failure {
            Failure::Missing => {
                self.commit(key, ticket, Finding::absent(at));
                known
            }
            Failure::Refused(denial) => {
                self.commit(key, ticket, Finding::refused(denial, at));
                known
            }
            Failure::Garbled(trouble) => self.troubled(key, ticket, trouble),
            Failure::Trouble { trouble, wait } => {
                self.troubled(key, ticket, trouble);
                Swept::failed(wait)
            }
        }
    }

    /// Takes note of a read of which nothing was learned.
    pub(super) fn troubled(&self, key: &Keyed<Item>, ticket: &Ticket, trouble: Trouble) -> Swept {
        tracing::debug!(item = ?key.of, kind = ?trouble.kind, message = %trouble.message, "cannot read a fact");
        self.commit(key, ticket, Finding::Trouble(trouble));
        Swept::failed(None)
    }

    /// One call, within the bounds of its kind.
    pub(super) async fn ask<T>(&self, call: Call<T>, why: Why) -> Result<Answer<T>, ArmError> {
        match why {
            Why::Sweep => self.sweep_gate.pass(self.planes.arm.send(call)).await,
            Why::Probe => {
                self.probe_gate
                    .pass(self.planes.arm.send(call.urgent()))
                    .await
            }
        }
    }

    /// One list, within the bounds of its kind.
    pub(super) async fn ask_list<T: Send>(
        &self,
        call: Call<Page<T>>,
        why: Why,
    ) -> Result<Answer<Vec<T>>, ArmError> {
        match why {
            Why::Sweep => self.sweep_gate.pass(self.planes.arm.list(call)).await,
            Why::Probe => {
                self.probe_gate
                    .pass(self.planes.arm.list(call.urgent()))
                    .await
            }
        }
    }

    /// Whether these assignments, which a list left out, are there after all.
    pub(super) async fn confirm(
        &self,
        vanished: &Assignment,
        why: Why,
    ) -> Result<Option<Assignment>, Failure> {
        let Some(call) = authorization::get_by_id(&vanished.id) else {
            return Ok(None);
        };
        match self.ask(call, why).await.map_err(Failure::from) {
            Ok(answer) => Ok(convert::assignment(&answer.value, answer.date)),
            Err(Failure::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn fetch(&self, key: &Keyed<Item>, why: Why) -> Result<Fetched, Failure> {
        match &key.of {
            Item::Role { subscription, role } => {
                let call = authorization::role_definition(*subscription, *role);
                self.one(call, why, |read| Ok(convert::role(read))).await
            }
            Item::Want(Want::Tenant(subscription)) => {
                let call = subscription::get(*subscription);
                let tenant = |read: &subscription::Subscription| Ok(Value::Tenant(read.tenant_id));
                self.one(call, why, tenant).await
            }
            Item::Want(Want::Service(service)) => {
                let value = |read: &_| Ok(Value::Service(convert::service(read)?));
                self.one(dicom::get(service), why, value).await
            }
            Item::Want(Want::Identity(identity)) => {
                self.one(identity::get(identity), why, |read| {
                    Ok(convert::identity(read)?)
                })
                .await
            }
            Item::Want(Want::Vault(vault)) => {
                self.one(key_vault::vault(vault), why, |read| {
                    Ok(convert::vault(read)?)
                })
                .await
            }
            Item::Want(Want::Version(vault, url)) => {
                let version = url.version();
                let version = version
                    .ok_or_else(|| Failure::odd(format!("the key url {url} has no version")))?;
                let call = key_vault::key_version(vault, url.name(), version);
                self.one(call, why, |read| Ok(convert::version(read)?))
                    .await
            }
            Item::Want(Want::Listing(vault, name)) => {
                let call = key_vault::key_versions(vault, name);
                let answer = self.ask_list(call, why).await?;
                Ok(Fetched {
                    value: convert::listing(&answer.value),
                    at: answer.asked_at,
                })
            }
            Item::Want(Want::DeletedKey(vault, name)) => {
                let (deleted, at) = self.deleted_key(vault, name, why).await?;
                Ok(Fetched {
                    value: Value::DeletedKey(deleted),
                    at,
                })
            }
            Item::Want(Want::Canary(service)) => self.canary(service, why).await,
            Item::Want(Want::DenyAssignments(vault)) => self.denials_at(vault, why).await,
            Item::Want(Want::Assignments(vault)) => self.assignments_at(key, vault, why).await,
            Item::Want(Want::Health(service)) => {
                let call = resource_health::current(service.id());
                self.one(call, why, |read| Ok(Value::Health(convert::health(read))))
                    .await
            }
        }
    }

    async fn one<T>(
        &self,
        call: Call<T>,
        why: Why,
        convert: impl FnOnce(&T) -> Result<Value, Failure>,
    ) -> Result<Fetched, Failure> {
        let answer = self.ask(call, why).await?;
        Ok(Fetched {
            value: convert(&answer.value)?,
            at: answer.asked_at,
        })
    }

    /// The assignments that cover one vault, asked for at the vault.
    async fn assignments_at(
        &self,
        key: &Keyed<Item>,
        vault: &VaultId,
        why: Why,
    ) -> Result<Fetched, Failure> {
        let answer = self
            .ask_list(authorization::list_at(vault.id()), why)
            .await?;
        let mut rows = covering(vault, &assignments(&answer));
        let vanished = self.lock().vanished(&key.credential, vault, &rows);
        for row in vanished {
            rows.extend(self.confirm(&row, why).await?);
        }
        Ok(Fetched {
            value: Value::Assignments(sorted(rows)),
            at: answer.asked_at,
        })
    }

    /// What was there a moment ago and seems gone may be a replica that lags: give it a moment.
    pub(super) async fn pause_before_bad_news(&self, key: &Keyed<Item>) {
        let was_there = self.lock().last_value(key).is_some();
        if was_there {
            time::sleep(SECOND_LOOK).await;
        }
    }
}

/// The rows of a list that count, in our words.
pub(super) fn assignments(answer: &Answer<Vec<RoleAssignment>>) -> Vec<Assignment> {
    let rows = answer.value.iter();
    rows.filter_map(|row| convert::assignment(row, answer.date))
        .collect()
}

/// The rows that are at or above a vault, or at a key in it.
pub(super) fn covering(vault: &VaultId, rows: &[Assignment]) -> Vec<Assignment> {
    let rows = rows.iter().filter(|row| covers(&row.scope, vault));
    rows.cloned().collect()
}

/// The rows in the order in which they are compared.
pub(super) fn sorted(mut rows: Vec<Assignment>) -> Vec<Assignment> {
    rows.sort_by_cached_key(|row| row.id.to_lowercase());
    rows.dedup_by(|left, right| left.id.eq_ignore_ascii_case(&right.id));
    rows
}

/// The trouble of a read that did not end in time.
pub(super) fn not_in_time() -> Trouble {
    Trouble {
        kind: TroubleKind::Unreachable,
        message: "Azure did not answer in time; the operator tries again".to_owned(),
    }
}

const SECOND_LOOK: time::Duration = time::Duration::from_secs(1);
