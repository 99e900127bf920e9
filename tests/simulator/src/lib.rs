//! Azure as a synchronous state machine, served to real clients, and a Kubernetes API for virtual
//! time. It knows nothing of the operator's code.

pub mod azure;
pub mod cli;
pub mod kube_api;
pub mod serve;
