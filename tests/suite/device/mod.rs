//! The program for the device, on an emulated one.

#[cfg(all(feature = "full", target_os = "linux", target_arch = "x86_64"))]
pub mod old_kernel;
#[cfg(all(feature = "full", target_os = "linux"))]
pub mod virtual_ispot;
