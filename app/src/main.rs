//! The `poselens` program.

fn main() {}
