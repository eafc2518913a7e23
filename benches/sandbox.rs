//! What a sandbox costs: programs in it against the same programs on plain
//! files, and against proot and umockdev where they are installed.
//!
//! Wall time on a shared machine is noise; what counts are the ratios and the
//! medians printed here. Each round times all sides one right after the other.
//! Calls are timed one by one inside the sandbox.
//!
//!     cargo bench --bench sandbox
//!     cargo bench --bench sandbox -- --json FILE
//!     cargo bench --bench sandbox -- --short       two rounds: does it run?
//!
//! `MTDKEEP_BENCH_CONFIGURE` names the configure script of a C project to be timed, too.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "sandbox/builds.rs"]
mod builds;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "sandbox/probe.rs"]
mod probe;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "sandbox/rounds.rs"]
mod rounds;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "shared/mod.rs"]
mod shared;

fn main() {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    rounds::main();
}
