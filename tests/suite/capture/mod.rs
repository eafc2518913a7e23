//! The capture script and the import of what it captured.

#[cfg(all(feature = "full", unix))]
pub mod accidents;
#[cfg(all(feature = "full", unix))]
pub mod foreign;
#[cfg(all(feature = "full", unix))]
pub mod import;
#[cfg(all(feature = "full", unix))]
pub mod import_old;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod restore_script;
#[cfg(all(feature = "full", unix))]
pub mod rounds;
#[cfg(all(feature = "full", unix))]
pub mod run;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod sandbox;
#[cfg(all(feature = "full", unix))]
pub mod stream;
#[cfg(all(feature = "full", unix))]
pub mod support;
#[cfg(all(feature = "full", unix))]
pub mod trouble;
