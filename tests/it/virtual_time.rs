//! The whole operator in virtual time: its controller, ARM client and sweeps, on tokio's paused
//! clock, against the simulated Azure and the simulated Kubernetes API in the same process.
//!
//! Every call that the operator makes goes through a link of ours, which writes it down: a test
//! waits for a state, not for a time, and afterwards the safety rules are checked on the whole
//! list of calls, each against the truth of the estate at that moment. Nothing here opens a
//! socket. The calls draw ids at random (kube's backoff does, too), so a run repeats what happened
//! to the operator, not every byte that it sent.

#![expect(
    clippy::absolute_paths,
    clippy::needless_pass_by_value,
    clippy::or_fun_call,
    clippy::shadow_unrelated,
    clippy::significant_drop_tightening,
    clippy::string_slice,
    clippy::struct_field_names,
    clippy::wildcard_enum_match_arm,
    unused_qualifications,
    reason = "style lints of production code; a test that breaks by one of them only fails"
)]

mod crash;
mod estate;
mod faults;
mod invariants;
mod links;
mod loss;
mod onboarding;
mod preflight;
mod random;
mod restraint;
mod rig;
mod trace;
