//! Collects facts: one sweep per Azure scope feeds all objects, and tells those that a change
//! concerns.
//!
//! It promises: every fact carries when it was asked for; an absence was seen twice before it is
//! told; trouble never replaces what was seen; a source that hangs delays no other; a new time
//! alone wakes nobody. It decides nothing, writes nothing and knows nothing of Kubernetes but the
//! uid by which an object is called.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::jiff::SignedDuration;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;

mod assemble;
mod canary;
pub mod convert;
mod denials;
mod ending;
mod entry;
mod gate;
mod health;
mod inventory;
mod keys;
mod lists;
mod read;
mod schedule;
mod source;
mod sweep;
mod value;
mod whole;

use self::{
    entry::{Finding, Ticket},
    gate::Gate,
    inventory::Inventory,
    keys::KeyId,
    read::Why,
    source::{Item, Keyed},
};
use crate::{
    arm::{ArmClient, DataPlane},
    clock::Clock,
    domain::{desired::Desired, observed::Observed, wants::Want},
};

pub use self::{
    keys::book::KeyReading,
    schedule::{SweepAge, SweepEnd},
    source::{CredentialKey, Intervals},
};

/// The ways to Azure, all with one login.
#[derive(Clone, Debug)]
pub struct Planes {
    /// Azure Resource Manager.
    pub arm: Arc<ArmClient>,
    /// The own hosts of vaults.
    pub vaults: Arc<DataPlane>,
    /// The own hosts of DICOM services; `None` in a cloud where none are known.
    pub services: Option<Arc<DataPlane>>,
}

/// Collects facts about Azure with one login.
#[derive(Debug)]
pub struct Observer {
    planes: Planes,
    clock: Arc<dyn Clock>,
    credential: CredentialKey,
    inventory: Mutex<Inventory>,
    sweep_gate: Gate,
    /// For hosts that are not ARM: there are many, and each is asked often.
    host_gate: Gate,
    probe_gate: Gate,
    /// Wakes the sweep loop when there is a new source.
    rescheduled: Notify,
    changed: mpsc::UnboundedSender<String>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
}

impl Observer {
    /// Knows nothing yet, and is asked for nothing.
    pub fn new(planes: Planes, intervals: Intervals, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (changed, listener) = mpsc::unbounded_channel();
        let credential = CredentialKey::new(planes.arm.credential().clone());
        Arc::new(Self {
            planes,
            clock,
            credential,
            inventory: Mutex::new(Inventory::new(intervals)),
            sweep_gate: Gate::new(),
            host_gate: Gate::wide(),
            probe_gate: Gate::new(),
            rescheduled: Notify::new(),
            changed,
            changes: Mutex::new(Some(listener)),
        })
    }

    /// Replaces what an object (by its uid) wants to know. What is new is read at once.
    pub fn watch(&self, object: &str, wants: &BTreeSet<Want>) {
        let wants = self.keyed(wants.clone());
        let now = self.clock.monotonic();
        self.lock().watch(object, wants, now);
        self.rescheduled.notify_one();
    }

    /// What objects will want to know that have not been looked at yet. All at once, so that one list
    /// serves all that it can.
    pub fn expect(&self, objects: impl IntoIterator<Item = (String, BTreeSet<Want>)>) {
        let now = self.clock.monotonic();
        let mut inventory = self.lock();
        for (object, wants) in objects {
            if !inventory.is_watching(&object) {
                inventory.watch(&object, self.keyed(wants), now);
            }
        }
        drop(inventory);
        self.rescheduled.notify_one();
    }

    /// An object wants nothing any more.
    pub fn forget(&self, object: &str) {
        self.lock().forget(object);
    }

    /// What is known for an object, from the inventory alone.
    pub fn observed(&self, desired: &Desired, wants: &BTreeSet<Want>) -> Observed {
        assemble::observed(&self.lock(), &self.credential, desired, wants)
    }

    /// Reads directly, and with the reserve of the budget, what is unread, at least `max_age` old
    /// or touched since it was read. Waits for a sweep that is about to read it for the first time. Returns when all of it was tried; troubles are in the facts.
    pub async fn probe(&self, wants: &BTreeSet<Want>, max_age: SignedDuration) {
        let items = wants.iter().cloned().map(Item::Want);
        self.probe_items(items.collect(), max_age).await;
        let roles = self.lock().roles_of(&self.credential, wants);
        self.probe_items(roles, max_age).await;
    }

    /// We wrote to it: what was read before this moment is out of date for a probe.
    pub fn touched(&self, want: &Want) {
        let key = self.keyed(Item::Want(want.clone()));
        self.lock().touch(&key);
    }

    /// The uid of each object that a changed fact concerns, as it changes. Can be taken once.
    pub fn changes(&self) -> Option<mpsc::UnboundedReceiver<String>> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.take()
    }

    /// Sweeps until `shutdown`, which ends the reads under way. `beat` is called as long as the
    /// loop goes round, at least every [`TICK`], with the sweep that has ended since, if one has.
    pub async fn run(
        self: Arc<Self>,
        shutdown: CancellationToken,
        beat: impl Fn(Option<SweepEnd>) + Send + Sync,
    ) {
        let mut sweeps = JoinSet::new();
        let mut ended = None;
        self.lock().schedule.serve(true);
        loop {
            beat(ended.take());
            let now = self.clock.monotonic();
            let (due, next) = {
                let mut inventory = self.lock();
                let due = inventory.schedule.take_due(now);
                (due, inventory.schedule.next_due())
            };
            for source in due {
                let observer = Arc::clone(&self);
                sweeps.spawn(async move { observer.sweep(source).await });
            }
            let wait = next.map_or(TICK, |next| next.since(now)).min(TICK);
            tokio::select! {
                // the end first; then the end of sweeps, which may be due again
                biased;
                () = shutdown.cancelled() => break,
                Some(end) = sweeps.join_next(), if !sweeps.is_empty() => match end {
                    Ok(end) => ended = Some(end),
                    Err(error) => tracing::error!(%error, "a sweep ends badly"),
                },
                () = self.rescheduled.notified() => {}
                () = time::sleep(wait) => {}
            }
        }
        self.lock().schedule.serve(false);
        sweeps.shutdown().await;
    }

    /// How keys are read, in numbers.
    pub fn key_reading(&self) -> KeyReading {
        self.lock().keys.reading()
    }

    /// How old the sweeps are, by kind of source.
    pub fn sweeps(&self) -> Vec<SweepAge> {
        let now = self.clock.monotonic();
        self.lock().schedule.ages(now)
    }

    async fn probe_items(&self, items: BTreeSet<Item>, max_age: SignedDuration) {
        let since = self.lock().count();
        let reads = items.into_iter().map(|item| {
            let key = self.keyed(item);
            // one read of a key serves all its items
            let held = self.keyed(first_of(&key.of));
            let turn = self.lock().turn(&held);
            async move {
                let first_read = self.lock().first_read(&key, self.clock.monotonic());
                if let Some(ended) = first_read {
                    ended.cancelled().await;
                }
                // whoever waits here may find that the one before has read it
                let _turn = turn.lock().await;
                let now = self.clock.monotonic();
                if self.lock().is_due(&key, since, (max_age, now)) {
                    match KeyId::of(&key.of) {
                        Some(id) => self.probe_key(&key, id).await,
                        None => {
                            self.read(&key, Why::Probe).await;
                        }
                    }
                }
            }
        });
        reads
            .collect::<FuturesUnordered<_>>()
            .collect::<Vec<()>>()
            .await;
    }

    fn begin(&self, direct: bool) -> Ticket {
        let started = self.clock.monotonic();
        self.lock().begin(started, direct)
    }

    fn commit(&self, key: &Keyed<Item>, ticket: &Ticket, finding: Finding) {
        let now = (self.clock.now(), self.clock.monotonic());
        let concerned = self.lock().commit(key, ticket, finding, now);
        for object in concerned {
            // nobody listens any more when the operator ends
            self.changed.send(object.to_string()).ok();
        }
        self.rescheduled.notify_one();
    }

    fn keyed<T>(&self, of: T) -> Keyed<T> {
        Keyed {
            credential: self.credential.clone(),
            of,
        }
    }

    /// No holder of the lock leaves the inventory half changed, so a poisoned one is good.
    fn lock(&self) -> MutexGuard<'_, Inventory> {
        self.inventory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The item whose turn is taken to read this one.
fn first_of(item: &Item) -> Item {
    match KeyId::of(item) {
        Some(KeyId { vault, name }) => Item::Want(Want::Listing(vault, name)),
        None => item.clone(),
    }
}

/// The longest time between two beats of the sweep loop.
pub const TICK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
