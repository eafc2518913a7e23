//! What a sandbox costs: programs in it against the same programs on plain
//! files, and against proot and umockdev where they are installed.
//!
//! Wall time on a shared machine is noise; what counts are the ratios and the
//! medians printed here. Each round times both sides one right after the other;
//! the figure is the ratio of the fastest round of each side, and the median of
//! the rounds' ratios behind it. Calls are timed one by one inside the sandbox.
//!
//!     cargo bench --bench sandbox

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "sandbox/rounds.rs"]
mod rounds;

fn main() {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    rounds::main();
}
