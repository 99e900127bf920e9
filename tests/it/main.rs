//! The one integration test binary: each further one would link the whole kube stack again.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod house;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod real;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod virtual_time;
