//! The figures of docs/benchmarks.md: `make bench`. Counts, where there is something to count:
//! they are the same on every machine. Not a test: nothing here passes or fails.

// the same names as in tests/it, whose rig and helpers these are
#[cfg(test)]
#[expect(dead_code, reason = "shared with tests/it, which uses more of it")]
#[path = "../it/cluster.rs"]
mod cluster;
#[cfg(test)]
mod detection;
#[cfg(test)]
mod economy;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod process;
#[cfg(test)]
#[expect(dead_code, reason = "shared with tests/it, which uses more of it")]
#[path = "../it/real/shared.rs"]
mod real;
#[cfg(test)]
mod revalidation;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod spot;
#[cfg(test)]
mod statuses;
#[cfg(test)]
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with tests/it, which uses more of it"
)]
#[path = "../it/virtual_time/shared.rs"]
mod virtual_time;

#[cfg(test)]
fn main() {
    jobs::run(&jobs::Wanted::from_arguments());
}
