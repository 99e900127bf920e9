//! The command `azure-simulator`.

fn main() {}
