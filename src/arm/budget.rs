//! How many calls we may still make: one token bucket per credential, subscription and kind of
//! call, as ARM counts them.
//!
//! Pure: time comes in as an argument and a wait goes out as a value. The model starts from the
//! published limits, is corrected downwards by the `x-ms-ratelimit-remaining-*` headers, and a 429
//! closes the bucket until Azure's own time is over. A part of each bucket is kept for urgent
//! calls, so that sweeps never starve a write or a recovery.
//!
//! Source: "Understand how Azure Resource Manager throttles requests" (reads 250 burst and 25 a
//! second, writes 200 and 10, per subscription, principal and region).

use std::{collections::BTreeMap, time::Duration};

use http::HeaderMap;
use uuid::Uuid;

use crate::clock::Monotonic;

/// Which login a call is made with; there is one today, but nothing counts on that.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CredentialId(String);

impl CredentialId {
    /// Any name that tells this credential from others; not a secret.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// ARM counts reads and writes apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Bucket {
    /// GET.
    Read,
    /// PUT and PATCH.
    Write,
}

impl Bucket {
    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Whether a call may use the part of the bucket that is kept back.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Urgency {
    /// A sweep: it can come a little later.
    Background,
    /// A write, a probe before one, or a recovery.
    Foreground,
}

/// Names one bucket.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BudgetKey {
    /// Who calls.
    pub credential: CredentialId,
    /// Whose bucket; `None` for calls outside any subscription.
    pub subscription: Option<Uuid>,
    /// Which bucket.
    pub bucket: Bucket,
}

/// Size and speed of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// Calls that a full bucket holds.
    pub burst: u32,
    /// Calls that come back per second.
    pub per_second: u32,
}

/// The limits of both kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// For reads.
    pub read: Limit,
    /// For writes.
    pub write: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Limit {
                burst: 250,
                per_second: 25,
            },
            write: Limit {
                burst: 200,
                per_second: 10,
            },
        }
    }
}

/// Whether a call may be made now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a call without a grant breaks the budget"]
pub enum Take {
    /// Yes; it is counted.
    Granted,
    /// No: not before this time has passed.
    Wait(Duration),
}

/// All buckets. Share one among all clients of a process.
#[derive(Debug, Default)]
pub struct Budgets {
    limits: Limits,
    buckets: BTreeMap<BudgetKey, TokenBucket>,
}

impl Budgets {
    /// Full buckets of these sizes.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: BTreeMap::new(),
        }
    }

    /// Takes one call out of a bucket, or says how long to wait.
    pub fn try_take(&mut self, key: &BudgetKey, urgency: Urgency, now: Monotonic) -> Take {
        self.bucket(key, now).try_take(urgency, now)
    }

    /// Notes what Azure says is left. Only ever lowers what we believe to have.
    pub fn note_remaining(&mut self, key: &BudgetKey, headers: &HeaderMap, now: Monotonic) {
        if let Some(remaining) = remaining(headers, key.bucket) {
            let bucket = self.bucket(key, now);
            bucket.millis = bucket
                .millis
                .min(u64::from(remaining).saturating_mul(MILLI));
        }
    }

    /// Notes a call that was not throttled: the next 429 without a time starts from the shortest
    /// wait again.
    pub fn note_admitted(&mut self, key: &BudgetKey, now: Monotonic) {
        self.bucket(key, now).refusals = 0;
    }

    /// Notes a 429. Nobody calls before the wait that is returned is over: Azure's own if it gave
    /// one, else one that doubles with each 429 in a row.
    pub fn note_throttled(
        &mut self,
        key: &BudgetKey,
        retry_after: Option<Duration>,
        now: Monotonic,
    ) -> Duration {
        self.bucket(key, now).close(retry_after, now)
    }

    fn bucket(&mut self, key: &BudgetKey, now: Monotonic) -> &mut TokenBucket {
        let limit = match key.bucket {
            Bucket::Read => self.limits.read,
            Bucket::Write => self.limits.write,
        };
        let bucket = self
            .buckets
            .entry(key.clone())
            .or_insert_with(|| TokenBucket::full(limit, now));
        bucket.refill(now);
        bucket
    }
}

/// Thousandths of calls, so that a refill per millisecond is exact in integers.
#[derive(Debug)]
struct TokenBucket {
    limit: Limit,
    millis: u64,
    refilled_at: Monotonic,
    closed_until: Monotonic,
    refusals: u32,
}

impl TokenBucket {
    fn full(limit: Limit, now: Monotonic) -> Self {
        Self {
            limit,
            millis: u64::from(limit.burst).saturating_mul(MILLI),
            refilled_at: now,
            closed_until: Monotonic::ORIGIN,
            refusals: 0,
        }
    }

    fn refill(&mut self, now: Monotonic) {
        let elapsed = u64::try_from(now.since(self.refilled_at).as_millis()).unwrap_or(u64::MAX);
        let earned = elapsed.saturating_mul(u64::from(self.limit.per_second));
        let full = u64::from(self.limit.burst).saturating_mul(MILLI);
        self.millis = self.millis.saturating_add(earned).min(full);
        self.refilled_at = self.refilled_at.after(Duration::from_millis(elapsed));
    }

    fn try_take(&mut self, urgency: Urgency, now: Monotonic) -> Take {
        let closed = self.closed_until.since(now);
        if !closed.is_zero() {
            return Take::Wait(closed);
        }
        let kept_back = match urgency {
            Urgency::Background => u64::from(self.limit.burst).saturating_mul(MILLI) / RESERVE,
            Urgency::Foreground => 0,
        };
        let needed = kept_back.saturating_add(MILLI);
        if let Some(missing) = needed
            .checked_sub(self.millis)
            .filter(|missing| *missing > 0)
        {
            let rate = u64::from(self.limit.per_second.max(1));
            return Take::Wait(Duration::from_millis(missing.div_ceil(rate)));
        }
        self.millis = self.millis.saturating_sub(MILLI);
        Take::Granted
    }

    fn close(&mut self, retry_after: Option<Duration>, now: Monotonic) -> Duration {
        let own = FIRST_BACKOFF.saturating_mul(1 << self.refusals.min(MAX_DOUBLINGS));
        let wait = retry_after.unwrap_or(own).max(SHORTEST_WAIT);
        self.refusals = self.refusals.saturating_add(1);
        self.millis = 0;
        self.closed_until = self.closed_until.max(now.after(wait));
        self.closed_until.since(now)
    }
}

/// What is left according to Azure: the smallest number of the headers that count this kind.
pub(super) fn remaining(headers: &HeaderMap, bucket: Bucket) -> Option<u32> {
    let names: &[&str] = match bucket {
        Bucket::Read => &[
            "x-ms-ratelimit-remaining-subscription-reads",
            "x-ms-ratelimit-remaining-subscription-global-reads",
            "x-ms-ratelimit-remaining-tenant-reads",
        ],
        Bucket::Write => &[
            "x-ms-ratelimit-remaining-subscription-writes",
            "x-ms-ratelimit-remaining-subscription-global-writes",
            "x-ms-ratelimit-remaining-tenant-writes",
        ],
    };
    let number = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse().ok();
    names.iter().filter_map(number).min()
}

const MILLI: u64 = 1_000;
/// One fifth of a bucket is kept for urgent calls.
const RESERVE: u64 = 5;
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
/// 2 s doubled six times is about two minutes.
const MAX_DOUBLINGS: u32 = 6;
/// `Retry-After: 0` is no invitation to a hot loop.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
