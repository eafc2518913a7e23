//! The `mtdkeep` program.

#![cfg_attr(
    all(
        target_env = "musl",
        target_feature = "crt-static",
        not(feature = "full")
    ),
    no_main
)]

#[cfg(all(
    target_env = "musl",
    target_feature = "crt-static",
    not(feature = "full")
))]
mod start;

#[cfg(not(all(
    target_env = "musl",
    target_feature = "crt-static",
    not(feature = "full")
)))]
fn main() -> std::process::ExitCode {
    mtdkeep::run(std::env::args_os().skip(1)).into()
}
