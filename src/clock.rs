//! The only place that reads a clock.
//!
//! Two times are told apart: the wall clock ([`Timestamp`]), which people and Azure understand and
//! which may jump, and a monotonic one ([`Monotonic`]), which measures waits, limits and the fence
//! of leadership. Both come from a [`Clock`] that is handed in, so that a test on tokio's paused
//! clock drives the whole operator. Nothing here sleeps; waiting is tokio's business.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// Reads the time.
pub trait Clock: Send + Sync + Debug {
    /// The wall clock. It may jump in both directions.
    fn now(&self) -> Timestamp;

    /// The time since an arbitrary origin, which never goes back. Values of different clocks have
    /// nothing to do with each other.
    fn monotonic(&self) -> Monotonic;
}

/// A moment on a clock that never goes back: the time since that clock's origin.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The origin itself.
    pub const ORIGIN: Self = Self(Duration::ZERO);

    /// A moment that never comes.
    pub const END: Self = Self(Duration::MAX);

    /// The moment that lies `elapsed` after the origin.
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The time between the origin and this moment.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The time that passed since `earlier`; zero when `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `wait` after this one; the end of time when that cannot be expressed.
    #[must_use = "a later moment is returned, this one stays"]
    pub const fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

/// The clock of the machine. Its monotonic side is tokio's, so a paused runtime pauses it too.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic origin is this moment.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.origin.elapsed())
    }
}

/// A clock whose wall side starts at a chosen moment and advances with tokio's time: on a paused
/// runtime, only as far as the runtime is advanced.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Timestamp,
    origin: Instant,
}

impl VirtualClock {
    /// A clock that shows `start` at this moment.
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            origin: Instant::now(),
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start
            .saturating_add(self.origin.elapsed())
            .unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.origin.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_advances_exactly_with_the_runtime() {
        let start: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        let clock = VirtualClock::starting_at(start);
        assert_eq!(clock.now(), start);

        tokio::time::advance(Duration::from_millis(90_500)).await;

        assert_eq!(clock.now(), "2026-03-01T08:01:30.5Z".parse().unwrap());
        assert_eq!(
            clock.monotonic(),
            Monotonic::from_origin(Duration::from_millis(90_500))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_monotonic_side_of_the_system_clock_follows_the_runtime() {
        let clock = SystemClock::new();
        let before = clock.monotonic();

        tokio::time::advance(Duration::from_hours(1)).await;

        assert_eq!(clock.monotonic().since(before), Duration::from_hours(1));
    }

    #[test]
    fn the_time_since_a_later_moment_is_zero() {
        let early = Monotonic::from_origin(Duration::from_secs(5));
        let late = early.after(Duration::from_secs(2));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX).since_origin(), Duration::MAX);
    }
}
