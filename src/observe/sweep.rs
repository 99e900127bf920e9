//! Sweeps: one list serves all objects below a scope. What a list leaves out, or may not show, is
//! read directly.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use k8s_openapi::jiff::Timestamp;
use tokio::time;
use uuid::Uuid;

use super::{
    Observer,
    ending::Failure,
    entry::{Finding, Ticket},
    read::{Why, assignments, covering, not_in_time, sorted},
    schedule::{SweepEnd, Swept},
    source::{Item, Keyed, Source},
    value::{Value, folded},
};
use crate::{
    arm::{Answer, Call, Page, authorization},
    azure::VaultId,
    domain::{observed::Assignment, wants::Want},
};

/// What a list brought.
pub(super) enum Listed<T> {
    /// Its rows.
    Rows(Box<Answer<Vec<T>>>, Ticket),
    /// Nothing that can be used: the items are to be read one by one.
    OneByOne,
    /// Nothing at all, and the items were told so.
    Troubled(Swept),
}

impl Observer {
    /// Reads a source for all its items, and says when it is due again. Whatever happens in it
    /// stays in it.
    pub(super) async fn sweep(&self, source: Keyed<Source>) -> SweepEnd {
        let began = self.clock.now();
        let items = self.lock().schedule.items(&source);
        let items: Vec<_> = items.into_iter().map(|item| source.with(item)).collect();
        let ticket = self.begin(false);
        let work = AssertUnwindSafe(self.sweep_items(&source, &items)).catch_unwind();
        let swept = match time::timeout(LIMIT, work).await {
            Ok(Ok(swept)) => swept,
            Ok(Err(_)) => {
                tracing::error!(source = ?source.of, "a sweep panics");
                self.all_troubled(&items, &ticket)
            }
            Err(_) => self.all_troubled(&items, &ticket),
        };
        let now = self.clock.monotonic();
        let kind = source.of.kind();
        self.lock().schedule.finish(source, swept, now);
        SweepEnd {
            kind,
            began,
            complete: swept.complete,
            answered: swept.answered,
        }
    }

    async fn sweep_items(&self, source: &Keyed<Source>, items: &[Keyed<Item>]) -> Swept {
        match &source.of {
            Source::Single(item) => self.read(&source.with(item.clone()), Why::Sweep).await,
            Source::Services(workspace) => self.sweep_services(workspace, items).await,
            Source::Vaults(subscription) => self.sweep_vaults(*subscription, items).await,
            Source::Assignments(subscription) => self.sweep_assignments(*subscription, items).await,
            Source::Denials(subscription) => self.sweep_denials(*subscription, items).await,
            Source::Health(subscription) => self.sweep_health(*subscription, items).await,
            Source::Key(id) => self.sweep_key(source, id, items).await,
        }
    }

    async fn sweep_assignments(&self, subscription: Uuid, items: &[Keyed<Item>]) -> Swept {
        let call = authorization::list_in_subscription(subscription);
        let (answer, ticket) = match self.list(call, items).await {
            Listed::Rows(answer, ticket) => (answer, ticket),
            Listed::OneByOne => return self.read_each(items.iter()).await,
            Listed::Troubled(swept) => return swept,
        };
        let all = assignments(&answer);
        let mut doubtful: Vec<(&Keyed<Item>, Vec<Assignment>, Vec<Assignment>)> = Vec::new();
        for (key, vault) in items.iter().filter_map(|key| Some((key, vault_of(key)?))) {
            let rows = covering(vault, &all);
            let vanished = self.lock().vanished(&key.credential, vault, &rows);
            if vanished.is_empty() {
                let value = Value::Assignments(sorted(rows));
                self.commit(key, &ticket, Finding::present(value, answer.asked_at));
            } else {
                doubtful.push((key, rows, vanished));
            }
        }
        let confirmed = self
            .confirm_all(doubtful.iter().flat_map(|(_, _, gone)| gone))
            .await;
        let mut swept = Swept::GOOD;
        for (key, mut rows, vanished) in doubtful {
            let found = vanished.iter().map(|row| {
                let found = confirmed.get(&folded(&row.id)).cloned();
                found.unwrap_or(Ok(None))
            });
            match found.collect::<Result<Vec<_>, Failure>>() {
                Ok(found) => {
                    rows.extend(found.into_iter().flatten());
                    let value = Value::Assignments(sorted(rows));
                    self.commit(key, &ticket, Finding::present(value, answer.asked_at));
                }
                // half an answer is none: what was seen before stays
                Err(Failure::Refused(denial)) => {
                    let odd = Failure::odd(denial.message);
                    swept = swept.and(self.failed(key, &ticket, odd, answer.asked_at));
                }
                Err(failure) => {
                    swept = swept.and(self.failed(key, &ticket, failure, answer.asked_at));
                }
            }
        }
        swept
    }

    /// Looks directly for assignments that a list left out, each once.
    async fn confirm_all(
        &self,
        vanished: impl Iterator<Item = &Assignment>,
    ) -> BTreeMap<String, Result<Option<Assignment>, Failure>> {
        let vanished: BTreeMap<String, &Assignment> =
            vanished.map(|row| (folded(&row.id), row)).collect();
        let looks = vanished
            .into_iter()
            .map(|(id, row)| async move { (id, self.confirm(row, Why::Sweep).await) });
        looks.collect::<FuturesUnordered<_>>().collect().await
    }

    /// One list for several items. A list that we may not read is not asked for again for a while.
    pub(super) async fn list<T: Send>(
        &self,
        call: Call<Page<T>>,
        items: &[Keyed<Item>],
    ) -> Listed<T> {
        let Some(first) = items.first() else {
            return Listed::Troubled(Swept::NOTHING);
        };
        let name = first.with(name_of(&call));
        if self.lock().lists.is_closed(&name, self.clock.monotonic()) {
            return Listed::OneByOne;
        }
        let ticket = self.begin(false);
        match self.ask_list(call, Why::Sweep).await.map_err(Failure::from) {
            Ok(answer) => {
                let now = self.clock.monotonic();
                self.lock().lists.note_price(name, answer.calls, now);
                Listed::Rows(Box::new(answer), ticket)
            }
            Err(Failure::Missing) => Listed::OneByOne,
            Err(Failure::Refused(denial)) => {
                tracing::debug!(list = %name.of, message = %denial.message, "reads one by one what it may not list");
                let now = self.clock.monotonic();
                self.lock().close(name, now);
                Listed::OneByOne
            }
            Err(Failure::Garbled(trouble)) => {
                tracing::warn!(list = %name.of, message = %trouble.message, "cannot read a list, and reads one by one");
                Listed::OneByOne
            }
            Err(Failure::Trouble { trouble, wait }) => {
                for key in items {
                    self.troubled(key, &ticket, trouble.clone());
                }
                Listed::Troubled(Swept::failed(wait))
            }
        }
    }

    /// What a list left out: what was absent stays absent, the rest is read directly.
    pub(super) async fn left_out(
        &self,
        items: &[&Keyed<Item>],
        ticket: &Ticket,
        at: Timestamp,
    ) -> Swept {
        let unsure = self.unsure(items, ticket, at);
        self.read_each(unsure.into_iter()).await
    }

    /// Of what a list left out, what has to be read directly. What was absent stays absent; now and
    /// then such a one is read directly too, for lists do not show everything.
    pub(super) fn unsure<'key>(
        &self,
        items: &[&'key Keyed<Item>],
        ticket: &Ticket,
        at: Timestamp,
    ) -> Vec<&'key Keyed<Item>> {
        let now = self.clock.monotonic();
        let mut unsure = Vec::new();
        for key in items {
            if self.lock().is_absent(key, Some(now)) {
                self.commit(key, ticket, Finding::absent(at));
            } else {
                unsure.push(*key);
            }
        }
        unsure
    }

    pub(super) async fn read_each(
        &self,
        items: impl Iterator<Item = &Keyed<Item>> + Send,
    ) -> Swept {
        together(items.map(|key| self.read(key, Why::Sweep)).collect()).await
    }

    fn all_troubled(&self, items: &[Keyed<Item>], ticket: &Ticket) -> Swept {
        let each = items
            .iter()
            .map(|key| self.troubled(key, ticket, not_in_time()));
        each.fold(Swept::NOTHING, Swept::and)
    }
}

pub(super) async fn together(sweeps: FuturesUnordered<impl Future<Output = Swept>>) -> Swept {
    sweeps
        .fold(Swept::NOTHING, |all, one| async move { all.and(one) })
        .await
}

const fn vault_of(key: &Keyed<Item>) -> Option<&VaultId> {
    if let Item::Want(Want::Assignments(vault)) = &key.of {
        Some(vault)
    } else {
        None
    }
}

/// What a list is known by: what it lists, and where.
pub(super) fn name_of<T>(call: &Call<Page<T>>) -> String {
    format!("{} {}", call.subject.action, folded(&call.subject.target))
}

/// A sweep that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(150);
