//! Readiness: the custom resource is there and its watch has caught up, or this replica stands by.

use std::sync::Arc;

use tokio::sync::watch;

use super::Report;

/// What is known of our readiness. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<watch::Sender<Facts>>);

#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    resource_found: bool,
    watch_synced: bool,
    stands_by: bool,
}

impl Readiness {
    /// Whether the API server serves our custom resource.
    pub fn resource_found(&self, found: bool) {
        self.0.send_modify(|facts| facts.resource_found = found);
    }

    /// Whether the watch has delivered everything that was there when it began.
    pub fn watch_synced(&self, synced: bool) {
        self.0.send_modify(|facts| facts.watch_synced = synced);
    }

    /// Whether another replica leads, and this one waits for the lease.
    pub fn stands_by(&self, stands_by: bool) {
        self.0.send_modify(|facts| facts.stands_by = stands_by);
    }

    /// One check per condition.
    pub fn report(&self) -> Report {
        let Facts {
            resource_found,
            watch_synced,
            stands_by,
        } = *self.0.borrow();
        let mut report = Report::new();
        if stands_by {
            report.check(true, "stands by for the lease");
            return report;
        }
        let found = if resource_found {
            "the custom resource is served"
        } else {
            "the API server does not serve the custom resource: apply the CRD"
        };
        report.check(resource_found, found);
        let synced = if watch_synced {
            "the watch has caught up"
        } else {
            "the watch has not caught up yet"
        };
        report.check(watch_synced, synced);
        report
    }
}
