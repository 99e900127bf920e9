//! The DICOM service itself: it tests its key, loses its store, heals, or waits for a PUT.
//!
//! Sources: the open-source parts of the service (the test each minute, the reasons) and SQL's
//! documentation of TDE with customer keys (the 30 minutes).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

mod put;

use super::{
    access::{Denial, KeyReference},
    document::{attached, identity_kind},
    estate::{Estate, guid},
    path::segment_after,
    settings::Settings,
};

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) workspace: String,
    pub(super) location: String,
    /// Everything writable: `tags`, `identity` (type and attached ids), `properties`.
    pub(super) document: Map<String, Value>,
    /// Counts committed changes; the etag is made of it.
    pub(super) revision: u64,
    /// When it was made, and when the latest change was committed.
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// `provisioningState` while no operation runs; `Creating` before the first one has ended.
    pub(super) settled: &'static str,
    pub(super) pending: Option<Pending>,
    pub(super) system_principal: Option<String>,
    pub(super) system_births: u64,
    /// The key that the data is encrypted with; none with Microsoft's keys.
    pub(super) binding: Option<Binding>,
    pub(super) store: Store,
    pub(super) denial: Option<Denial>,
    pub(super) next_probe: Timestamp,
    pub(super) health: Health,
    /// The next operation ends so, `Failed` or `Canceled`, whatever it asks for.
    pub(super) fail_next: Option<&'static str>,
}

/// A write that is under way.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) operation: String,
    pub(super) ends: Timestamp,
    pub(super) act: Act,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A PUT: the document replaces the old one and the key is validated.
    Put(Map<String, Value>),
    /// A PATCH: tags or identity change, the key is not looked at.
    Patch(Map<String, Value>),
    Delete,
}

/// With which key, and as whom, the service reads its data: fixed by the last PUT.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) key: KeyReference,
    pub(super) principal: String,
}

/// How the store behind the service stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Store {
    Open,
    Lost {
        since: Timestamp,
    },
    Healing {
        since: Timestamp,
        until: Timestamp,
    },
    /// Too long without the key: only a PUT of the resource brings it back.
    Inaccessible {
        since: Timestamp,
    },
}

/// What Resource Health says.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) shown: Store,
    pub(super) shown_denial: Option<Denial>,
    pub(super) occurred: Timestamp,
    /// When the last time of trouble began and ended.
    pub(super) resolved: Option<(Timestamp, Timestamp)>,
    pub(super) publish_at: Option<Timestamp>,
    /// It goes on to show what it shows, whatever happens.
    pub(super) stuck: bool,
    /// How long after a finding it tells; absent: as long as usual.
    pub(super) lag: Option<SignedDuration>,
    /// A word that somebody set by hand instead: `Available`, `Degraded`, `Unavailable`, `Unknown`.
    pub(super) forced: Option<(&'static str, Timestamp)>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    OperationEnds,
    Healed,
    TooLate,
    Probe,
    Publish,
}

impl Service {
    pub(super) fn new(id: String, location: &str, now: Timestamp) -> Self {
        Self {
            name: id.rsplit('/').next().unwrap_or_default().to_owned(),
            workspace: segment_after(&id, "workspaces")
                .unwrap_or_default()
                .to_owned(),
            id,
            location: location.to_owned(),
            document: Map::new(),
            revision: 1,
            created: now,
            modified: now,
            settled: "Succeeded",
            pending: None,
            system_principal: None,
            system_births: 0,
            binding: None,
            store: Store::Open,
            denial: None,
            next_probe: now,
            health: Health {
                shown: Store::Open,
                shown_denial: None,
                occurred: now,
                resolved: None,
                publish_at: None,
                stuck: false,
                lag: None,
                forced: None,
            },
            fail_next: None,
        }
    }

    /// The first label of the service's own host.
    pub(super) fn host_label(&self) -> String {
        format!("{}-{}", self.workspace, self.name).to_ascii_lowercase()
    }

    pub(super) fn provisioning_state(&self) -> &'static str {
        match (&self.pending, self.settled) {
            (None, settled) => settled,
            (Some(_), "Creating") => "Creating",
            (
                Some(Pending {
                    act: Act::Delete, ..
                }),
                _,
            ) => "Deleting",
            (
                Some(Pending {
                    act: Act::Put(_) | Act::Patch(_),
                    ..
                }),
                _,
            ) => "Updating",
        }
    }

    /// Lives until `now`; true when the service has been deleted meanwhile.
    pub(super) fn advance(
        &mut self,
        estate: &mut Estate,
        settings: &Settings,
        now: Timestamp,
    ) -> bool {
        while let Some((at, event)) = self.next(settings).filter(|(at, _)| *at <= now) {
            match event {
                Event::OperationEnds => {
                    if self.end_operation(estate, settings, at) {
                        return true;
                    }
                }
                Event::Healed => self.turn(Store::Open, settings, at),
                Event::TooLate => {
                    if let Store::Lost { since } = self.store {
                        self.turn(Store::Inaccessible { since }, settings, at);
                    }
                }
                Event::Probe => self.probe(estate, settings, at),
                Event::Publish => self.publish(at),
            }
        }
        false
    }

    pub(super) fn next_time(&self, settings: &Settings) -> Option<Timestamp> {
        self.next(settings).map(|(at, _)| at)
    }

    fn next(&self, settings: &Settings) -> Option<(Timestamp, Event)> {
        let store = match self.store {
            Store::Lost { since } => Some((
                settings.after(since, settings.key_loss_limit),
                Event::TooLate,
            )),
            Store::Healing { until, .. } => Some((until, Event::Healed)),
            Store::Open | Store::Inaccessible { .. } => None,
        };
        [
            self.pending
                .as_ref()
                .map(|pending| (pending.ends, Event::OperationEnds)),
            store,
            self.binding
                .as_ref()
                .map(|_| (self.next_probe, Event::Probe)),
            self.health.publish_at.map(|at| (at, Event::Publish)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The service's own test: get the key, wrap, unwrap, as the principal of the last PUT.
    fn probe(&mut self, estate: &Estate, settings: &Settings, at: Timestamp) {
        self.next_probe = settings.after(at, settings.key_probe).max(just_after(at));
        let Some(binding) = &self.binding else { return };
        let verdict = estate
            .key_access(&binding.principal, &binding.key, at)
            .err();
        let changed = verdict != self.denial;
        self.denial = verdict;
        let next = match (self.store, verdict) {
            (Store::Open | Store::Healing { .. }, Some(_)) => Store::Lost { since: at },
            (Store::Lost { since }, None) => Store::Healing {
                since,
                until: settings.after(at, settings.heal),
            },
            (same, _) => same,
        };
        if changed || next != self.store {
            self.turn(next, settings, at);
        }
    }

    /// The store changes; Resource Health hears of it a little later.
    pub(super) fn turn(&mut self, store: Store, settings: &Settings, at: Timestamp) {
        self.store = store;
        let lag = self.health.lag.unwrap_or(settings.health_publish);
        let publish = settings.after(at, lag);
        self.health.publish_at.get_or_insert(publish);
    }

    fn publish(&mut self, at: Timestamp) {
        self.health.publish_at = None;
        if self.health.stuck {
            return;
        }
        let was_bad = self.health.shown != Store::Open;
        if was_bad && self.store == Store::Open {
            self.health.resolved = Some((self.health.occurred, at));
        }
        if (self.health.shown, self.health.shown_denial) != (self.store, self.denial) {
            self.health.occurred = at;
        }
        self.health.shown = self.store;
        self.health.shown_denial = self.denial;
    }

    /// True when the operation was the deletion.
    fn end_operation(&mut self, estate: &mut Estate, settings: &Settings, at: Timestamp) -> bool {
        let Some(pending) = self.pending.take() else {
            return false;
        };
        let forced = self.fail_next.take();
        let outcome = match pending.act {
            _ if forced == Some("Canceled") => Err((
                "OperationCanceled".to_owned(),
                "The operation was canceled before it ended.".to_owned(),
            )),
            _ if forced.is_some() => Err((
                "InternalServerError".to_owned(),
                "The operation failed inside the service. Try it again.".to_owned(),
            )),
            Act::Delete => {
                if let Some(principal) = self.system_principal.take() {
                    estate.drop_principal(&principal);
                }
                finish(estate, &pending.operation, at, ("Succeeded", None));
                return true;
            }
            Act::Patch(document) => {
                self.commit(document, estate, settings, at);
                Ok(())
            }
            Act::Put(document) => self.put(document, estate, settings, at),
        };
        self.settled = match outcome {
            Ok(()) => "Succeeded",
            Err(_) => forced.unwrap_or("Failed"),
        };
        finish(
            estate,
            &pending.operation,
            at,
            (self.settled, outcome.err()),
        );
        false
    }

    /// Makes the document the service's own and lets its identities follow.
    pub(super) fn commit(
        &mut self,
        document: Map<String, Value>,
        estate: &mut Estate,
        settings: &Settings,
        at: Timestamp,
    ) {
        self.document = document;
        self.revision = self.revision.saturating_add(1);
        self.modified = at;
        let wants_system = identity_kind(&self.document).contains("SystemAssigned");
        match (&self.system_principal, wants_system) {
            (None, true) => {
                self.system_births = self.system_births.saturating_add(1);
                let principal = guid(&format!("principal/{}/{}", self.id, self.system_births));
                let seen = settings.after(at, settings.principal_replication);
                let label = format!("{}/{} (system identity)", self.workspace, self.name);
                estate.add_principal(&principal, label, seen);
                self.system_principal = Some(principal);
            }
            (Some(principal), false) => {
                estate.drop_principal(principal);
                self.system_principal = None;
            }
            (Some(_), true) | (None, false) => {}
        }
    }

    /// The principal that a document's identity means.
    fn principal_of(&self, document: &Map<String, Value>, estate: &Estate) -> Option<String> {
        if identity_kind(document).contains("SystemAssigned") {
            return self.system_principal.clone();
        }
        let id = attached(document).into_iter().next()?;
        let identity = estate.identities.get(&id.to_ascii_lowercase())?;
        Some(identity.principal.clone())
    }

    /// The principal that the identity of now means.
    pub(super) fn current_principal(&self, estate: &Estate) -> Option<String> {
        self.principal_of(&self.document, estate)
    }
}

fn finish(
    estate: &mut Estate,
    operation: &str,
    at: Timestamp,
    (status, error): (&'static str, Option<(String, String)>),
) {
    if let Some(operation) = estate.operations.get_mut(operation) {
        operation.ended = Some(at);
        operation.status = status;
        operation.error = error;
    }
}

/// Keeps a simulation whose speed rounds the probe to nothing from standing still.
fn just_after(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(1))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
