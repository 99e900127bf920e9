//! The command `dicomenc`: wires the library together, and nothing else.

fn main() {}
