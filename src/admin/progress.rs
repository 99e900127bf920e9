//! Progress of the workers: each says that it goes on; who is silent for too long is stuck.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::Report;
use crate::clock::{Clock, Monotonic};

/// When each worker was seen to go on. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Progress {
    clock: Arc<dyn Clock>,
    workers: Arc<Mutex<BTreeMap<&'static str, Pulse>>>,
}

#[derive(Clone, Copy, Debug)]
struct Pulse {
    limit: Duration,
    last: Monotonic,
}

impl Progress {
    /// No worker yet; times come from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            workers: Arc::default(),
        }
    }

    /// Watches a worker from now on: it is stuck when it gives no beat for longer than `limit`.
    /// Of two workers with the same name the later one counts.
    pub fn worker(&self, name: &'static str, limit: Duration) -> Worker {
        self.workers().insert(
            name,
            Pulse {
                limit,
                last: self.clock.monotonic(),
            },
        );
        Worker {
            name,
            progress: self.clone(),
        }
    }

    /// The worker of this name goes on. A name that nobody watches is ignored.
    pub fn beat(&self, name: &str) {
        let now = self.clock.monotonic();
        if let Some(pulse) = self.workers().get_mut(name) {
            pulse.last = now;
        }
    }

    /// One check per worker, by name.
    pub fn report(&self) -> Report {
        let now = self.clock.monotonic();
        let mut report = Report::new();
        for (name, Pulse { limit, last }) in self.workers().iter() {
            let silent = now.since(*last);
            if silent > *limit {
                report.check(
                    false,
                    &format!(
                        "{name} is stuck: no progress for {} s, {} s are allowed",
                        silent.as_secs(),
                        limit.as_secs()
                    ),
                );
            } else {
                report.check(true, &format!("{name} goes on"));
            }
        }
        report
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<&'static str, Pulse>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watched worker. It is watched until [`Worker::retire`]: one that just ends is found stuck.
#[derive(Clone, Debug)]
pub struct Worker {
    name: &'static str,
    progress: Progress,
}

impl Worker {
    /// The worker goes on.
    pub fn beat(&self) {
        self.progress.beat(self.name);
    }

    /// The worker ends as planned, and is no longer watched.
    pub fn retire(self) {
        self.progress.workers().remove(self.name);
    }
}
