//! The part of this folder that the benchmarks use too. They take this file as their `real`.

pub(crate) mod estate;
pub(crate) mod operator;
