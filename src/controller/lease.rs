//! Leader election by a Lease, as client-go does it: of several replicas, one acts.
//!
//! [`decide`] says what to do, purely. Another replica's lease counts as expired only after its
//! duration has passed on *our* monotonic clock since we saw its record change, so no two machines
//! need a common clock. The [`Elector`] does it, with one bounded call at a time and no hidden
//! retries. The [`Fence`] keeps a leader that cannot renew from writing: it closes `renew_deadline`
//! after the last confirmed renewal was *sent*, well before anybody else may take over.

mod elector;
mod fence;

use std::time::Duration;

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use uuid::Uuid;

pub use self::{
    elector::{Elector, LAST_SWEEP_ANNOTATION, LeaseError, SweepMark, client},
    fence::{Fence, Leadership},
};
use crate::clock::Monotonic;

/// Who we are, and the times of the election.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeaseSettings {
    /// The name of the Lease.
    pub name: String,
    /// Our name in the Lease; no other process may have it. See [`identity`].
    pub identity: String,
    /// How long others wait after our last renewal before they take over.
    pub lease_duration: Duration,
    /// How long after our last renewal we still write; shorter than `lease_duration`.
    pub renew_deadline: Duration,
    /// The pause between two renewals, or between two looks at another's lease.
    pub retry_period: Duration,
}

/// A name for this process in the Lease: the host's, and something that no other process has, so
/// that a container which starts again on the same host is another candidate.
pub fn identity(host: &str) -> String {
    format!("{host}_{}", Uuid::new_v4())
}

/// What matters of a Lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeaseView {
    /// Who holds it; `None` when it was released.
    pub holder: Option<String>,
    /// For how long a renewal counts, as its holder says.
    pub duration: Option<Duration>,
    /// When it was renewed, on its holder's clock: told apart, never compared with ours.
    pub renewed: Option<Timestamp>,
    /// How often it went to another holder.
    pub transitions: i32,
}

impl From<&Lease> for LeaseView {
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.as_ref();
        let seconds = spec
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0);
        Self {
            holder: spec
                .and_then(|spec| spec.holder_identity.clone())
                .filter(|holder| !holder.is_empty()),
            duration: seconds.map(Duration::from_secs),
            renewed: spec
                .and_then(|spec| spec.renew_time.as_ref())
                .map(|time| time.0),
            transitions: spec
                .and_then(|spec| spec.lease_transitions)
                .unwrap_or_default(),
        }
    }
}

/// What to do about the lease now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a decision that nobody follows elects nobody"]
pub enum Decision {
    /// It is ours and fresh enough.
    Hold {
        /// Look again after this time.
        recheck: Duration,
    },
    /// Nobody holds it any more: take it.
    Acquire,
    /// It is ours and due.
    Renew,
    /// Somebody else holds it.
    StandBy {
        /// Look again after this time.
        recheck: Duration,
    },
}

/// Decides about the lease that was read. `changed` is when we saw its record change last, `now`
/// is now, both on our own monotonic clock.
pub fn decide(
    lease: Option<&LeaseView>,
    changed: Monotonic,
    now: Monotonic,
    settings: &LeaseSettings,
) -> Decision {
    let Some((lease, holder)) = lease.and_then(|lease| Some((lease, lease.holder.as_ref()?)))
    else {
        return Decision::Acquire;
    };
    let unchanged_for = now.since(changed);
    if *holder == settings.identity {
        match left(settings.retry_period, unchanged_for) {
            Some(recheck) => Decision::Hold { recheck },
            None => Decision::Renew,
        }
    } else {
        match left(
            lease.duration.unwrap_or(settings.lease_duration),
            unchanged_for,
        ) {
            Some(left) => Decision::StandBy {
                recheck: left.min(settings.retry_period),
            },
            None => Decision::Acquire,
        }
    }
}

/// What is left of a wait; `None` when it is over.
fn left(wait: Duration, passed: Duration) -> Option<Duration> {
    wait.checked_sub(passed).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
