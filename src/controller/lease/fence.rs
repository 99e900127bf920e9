//! What leadership means to those who write.

use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Monotonic;

/// Whether this replica leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leadership {
    /// It does not.
    Standby,
    /// It does.
    Leading {
        /// Since when, on our wall clock: facts that were read before are not to be acted on.
        since: Timestamp,
        /// Until when writes may start, unless a renewal moves it.
        fence_until: Monotonic,
    },
}

impl Leadership {
    /// Leads without an election, for ever.
    pub const fn unelected(since: Timestamp) -> Self {
        Self::Leading {
            since,
            fence_until: Monotonic::END,
        }
    }

    /// Whether this replica leads; for `wait_for` on the receiver, which sees each renewal.
    pub const fn is_leading(&self) -> bool {
        matches!(self, Self::Leading { .. })
    }
}

/// Answers before each write to Azure whether it may start.
#[derive(Clone, Debug)]
pub struct Fence(Option<watch::Receiver<Leadership>>);

impl Fence {
    /// Never closes: there is no election.
    pub const fn always() -> Self {
        Self(None)
    }

    /// Follows an election. When the elector ends, by whatever cause, the fence closes in time.
    pub const fn following(leadership: watch::Receiver<Leadership>) -> Self {
        Self(Some(leadership))
    }

    /// Whether a write may start at this moment: not later than the renew deadline after the last
    /// confirmed renewal.
    pub fn may_write(&self, now: Monotonic) -> bool {
        self.0
            .as_ref()
            .is_none_or(|leadership| match *leadership.borrow() {
                Leadership::Standby => false,
                Leadership::Leading {
                    since: _,
                    fence_until,
                } => now <= fence_until,
            })
    }
}
