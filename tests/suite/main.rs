//! The one integration-test binary.

mod backend;
mod backup;
mod capture;
mod cli;
mod device;
#[cfg(feature = "full")]
mod examples;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod fetch;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod fuzz;
#[cfg(feature = "full")]
mod page;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod receive;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod seccomp;
#[cfg(feature = "full")]
mod serve;
mod style;
