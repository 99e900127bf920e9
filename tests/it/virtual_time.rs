//! The whole operator in virtual time: its controller, ARM client and sweeps, on tokio's paused
//! clock, against the simulated Azure and the simulated Kubernetes API in the same process.
//!
//! Every call that the operator makes goes through a link of ours, which writes it down: a test
//! waits for a state, not for a time, and afterwards the safety rules are checked on the whole
//! list of calls, each against the truth of the estate at that moment. Nothing here opens a
//! socket. The calls draw ids at random (kube's backoff does, too), so a run repeats what happened
//! to the operator, not every byte that it sent.

mod crash;
mod data_plane;
mod denials;
mod dice;
mod estate;
mod faults;
mod invariants;
mod links;
mod loss;
mod onboarding;
mod preflight;
mod random;
mod recovery;
mod restraint;
mod rig;
mod schedule;
mod trace;
