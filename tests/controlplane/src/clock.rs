//! The only reader of the clock in this crate: it waits for real processes, so its limits are in
//! real time.

use std::thread;
use std::time::{Duration, Instant};

/// Time since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "real processes are waited for in real time, and only here"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks `condition` again and again until it answers with a value, fails, or `limit` has passed
/// (then `None`). The pause between two questions is a tenth of a second.
pub(crate) fn wait_until<T, E>(
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let stopwatch = Stopwatch::start();
    loop {
        if let Some(value) = condition()? {
            return Ok(Some(value));
        }
        if stopwatch.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(100);
