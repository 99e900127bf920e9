//! The decisions: what is so, what should be so, and the one step that comes next.
//!
//! Pure, synchronous and total: no network, no clock, no async, no environment. Time is an
//! argument. Same facts, same plan.

pub mod desired;
pub mod fact;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod judge;
pub mod memory;
pub mod observed;
pub mod plan;
pub mod report;
pub mod rollup;
pub mod step;
pub mod target;
pub mod verdict;
pub mod wants;
#[cfg(test)]
mod world;

pub use self::desired::Desired;
pub use self::fact::{Denial, Fact, Known, Seen, Trouble};
pub use self::memory::Memory;
pub use self::observed::Observed;
pub use self::plan::{Plan, Settings, plan};
pub use self::step::Step;
pub use self::verdict::{Link, Verdict};
