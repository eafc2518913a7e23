//! A simulated NOR flash chip with Linux MTD's behaviour on top, for testing
//! MTD tools without a device.
//!
//! The layers, from the silicon up; each one uses only those above it in this
//! list:
//!
//! - [`chip`]: cells, erase blocks, locks, exact counters, a virtual clock.
//! - [`fault`]: a removable overlay of faults, apart from the pristine cells.
//! - [`format`]: what stands on such flash: RedBoot FIS, fconfig, JFFS2.
//! - [`layout`]: the partitions of a chip, also from a captured `/proc/mtd`.
//! - [`mtd`]: what Linux makes of chip and layout: MTD devices, nodes,
//!   handles, ioctls, errno by errno.
//! - [`profile`]: a layout with contents for a known device.
//! - `virtual_ispot` (on Linux): the same device under a real kernel, emulated.
//! - [`tree`]: a folder that looks like a device's `proc`, `sys` and `dev`.

pub mod chip;
pub mod fault;
pub mod format;
pub mod layout;
pub mod mtd;
pub mod profile;
pub mod tree;
#[cfg(target_os = "linux")]
pub mod virtual_ispot;

/// The error numbers that Linux answers with.
pub use rustix::io::Errno;
