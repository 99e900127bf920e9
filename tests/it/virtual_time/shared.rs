//! The part of this folder that the benchmarks use too. They take this file as their
//! `virtual_time`, so that there is one rig.

pub(crate) mod dice;
pub(crate) mod estate;
mod invariants;
mod links;
pub(crate) mod rig;
pub(crate) mod schedule;
pub(crate) mod trace;
