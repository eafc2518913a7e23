//! The `mtdkeep` program: maps errors to exit codes, nothing else.

fn main() {}
