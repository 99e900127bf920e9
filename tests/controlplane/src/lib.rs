//! A real kube-apiserver and etcd on loopback, with kubectl as the user, for the tests, the demo,
//! the playground and the benchmarks.
//!
//! The binaries come from the folder that `KUBEBUILDER_ASSETS` names, or are built once from the
//! Go module beside this crate and kept in the user's cache folder ([`Assets`]). A
//! [`ControlPlane`] belongs to whoever started it: its processes end when it is dropped, and also
//! when the process that started it dies in any way. Nothing here knows the operator.

mod access;
mod assets;
mod certificates;
mod clock;
mod control_plane;
mod go_module;
mod process;

pub use crate::access::{Access, KubectlOutput};
pub use crate::assets::{Assets, Tool};
pub use crate::control_plane::{ControlPlane, Options};
