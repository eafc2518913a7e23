//! The program for the device, on an emulated one.

#[cfg(all(feature = "full", target_os = "linux", target_arch = "x86_64"))]
pub mod old_kernel;
#[cfg(all(feature = "full", target_os = "linux", target_arch = "x86_64"))]
mod serving;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod virtual_ispot;
