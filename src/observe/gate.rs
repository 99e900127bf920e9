//! Bounds how many reads are under way, so that slow ones do not hold up the others.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{sync::Semaphore, time};

/// Lets a few reads through at a time. One that takes long gives its place to the next, within a
/// wider bound.
#[derive(Debug)]
pub(super) struct Gate {
    quick: Semaphore,
    all: Semaphore,
}

impl Gate {
    /// A gate with the usual places.
    pub(super) const fn new() -> Self {
        Self {
            quick: Semaphore::const_new(QUICK),
            all: Semaphore::const_new(ALL),
        }
    }

    /// A gate for calls that go to many hosts, each with limits of its own.
    pub(super) const fn wide() -> Self {
        Self {
            quick: Semaphore::const_new(WIDE),
            all: Semaphore::const_new(ALL * 2),
        }
    }

    /// Waits for a place, then for the work.
    pub(super) async fn pass<T>(&self, work: impl Future<Output = T> + Send) -> T {
        // never closed, so a place is always given
        let _all = self.all.acquire().await.ok();
        let quick = self.quick.acquire().await.ok();
        let mut work = pin!(work);
        if let Ok(done) = time::timeout(PATIENCE, &mut work).await {
            done
        } else {
            drop(quick);
            work.await
        }
    }
}

/// Quick reads at a time.
const QUICK: usize = 8;
/// The same, where they go to many hosts.
const WIDE: usize = 64;
/// Reads at a time, slow ones included.
const ALL: usize = 256;
/// Azure answers within a few hundred milliseconds; what takes longer counts as slow.
const PATIENCE: Duration = Duration::from_secs(1);
