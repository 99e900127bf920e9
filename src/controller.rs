//! The kube shell: everything that speaks to the Kubernetes API server.

pub mod lease;
