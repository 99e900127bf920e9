//! What every reconcile works with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;

use crate::arm::client::ArmClient;
use crate::clock::Clock;
use crate::crd::DicomEncryption;
use crate::domain::plan;
use crate::metrics::Metrics;
use crate::observe::Observer;

use super::lease::Fence;
use super::roster::Roster;
use super::state::States;

/// What every reconcile works with.
#[derive(Clone)]
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// Azure, for writing.
    pub arm: ArmClient,
    /// What is seen in Azure.
    pub observer: Arc<Observer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether a write may start.
    pub fence: Fence,
    /// When this process began to lead: what was seen before is read again before a write.
    pub leading_since: Timestamp,
    /// What is counted.
    pub metrics: Metrics,
    /// Waits and cloud.
    pub settings: Settings,
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Parts")
            .field("leading_since", &self.leading_since)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Waits and cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The waits that the decisions need.
    pub plan: plan::Settings,
    /// What follows a vault's name in its host.
    pub vault_suffix: String,
    /// How often an object is looked at without anything having changed.
    pub recheck: SignedDuration,
    /// The namespace that is watched; `None` for all.
    pub namespace: Option<String>,
    /// How many objects are worked on at once.
    pub concurrency: u16,
    /// The name of this process in events.
    pub instance: String,
}

/// The parts, and what the controller adds to them.
pub(super) struct Context {
    pub(super) parts: Parts,
    /// Which objects there are.
    pub(super) roster: Arc<Roster>,
    /// Writes events, equal ones within minutes as one series.
    pub(super) recorder: Recorder,
    /// In whose name.
    pub(super) reporter: Reporter,
    pub(super) states: States,
}

impl Context {
    /// Forgets an object that is gone.
    pub(super) fn let_go(&self, uid: &str, object: &ObjectRef<DicomEncryption>) {
        self.parts.observer.forget(uid);
        self.states.forget(uid);
        let namespace = object.namespace.as_deref().unwrap_or_default();
        self.parts
            .metrics
            .objects
            .object_gone(namespace, &object.name);
    }
}

/// The longest that one call to the API server may take.
pub(super) const KUBE_DEADLINE: Duration = Duration::from_secs(15);
