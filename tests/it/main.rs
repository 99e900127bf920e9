//! The one integration test binary: each further one would link the whole kube stack again.

mod cluster;
mod schema;
