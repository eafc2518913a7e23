//! The `mtdkeep` program: maps the outcome to an exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    mtdkeep::cli::main(std::env::args_os().skip(1)).into()
}
