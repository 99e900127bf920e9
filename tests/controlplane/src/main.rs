//! The command `controlplane`.

fn main() {}
