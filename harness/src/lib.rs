//! A simulated NOR flash chip with Linux MTD's behaviour on top, for testing
//! MTD tools without a device.
//!
//! The layers, from the silicon up; each one uses only those above it in this
//! list:
//!
//! - [`chip`]: cells, erase blocks, locks, exact counters, a virtual clock.
//! - [`fault`]: a removable overlay of faults, apart from the pristine cells.
//! - [`mod@format`]: what stands on such flash: RedBoot FIS, fconfig, JFFS2.
//! - [`layout`]: the partitions of a chip, also from a captured `/proc/mtd`.
//! - [`mtd`]: what Linux makes of chip and layout: MTD devices, nodes,
//!   handles, ioctls, errno by errno.
//! - [`profile`]: a layout with contents for a known device.
//! - `sandbox`: unmodified programs, run against a simulated device (with the feature
//!   of that name, on Linux).
//! - [`tree`]: a folder that looks like a device's `proc`, `sys` and `dev`.
//!
//! From silicon to a read(2), and what it would have cost on the device:
//!
//! ```
//! use mtd_harness::Errno;
//! use mtd_harness::chip::Chip;
//! use mtd_harness::layout::Layout;
//! use mtd_harness::mtd::{MtdSystem, NodeId, OpenFlags};
//!
//! // A 16 MiB NOR chip with something on it, and the iSpot's partitions.
//! let layout = Layout::ispot();
//! let mut chip = Chip::new(layout.chips[0].geometry);
//! chip.load(0x40000, b"made at the factory")?;
//!
//! // What Linux makes of the two: mtd1 is `param`, at 0x40000.
//! let system = MtdSystem::new(vec![chip], &layout);
//! assert!(system.proc_mtd().contains("mtd1: 00020000 00020000 \"param\""));
//! let mut param = system.open(NodeId::mtd(1), OpenFlags::READ)?;
//! let mut buf = [0; 19];
//! assert_eq!(param.read(&mut buf)?, 19);
//! assert_eq!(&buf, b"made at the factory");
//!
//! // It answers as Linux does: no writing through this handle, and none to
//! // mtd9 at all, which ends off an erase-block boundary.
//! assert_eq!(param.write(&[0]), Err(Errno::BADF));
//! let refused = system.open(NodeId::mtd(9), OpenFlags::READ_WRITE);
//! assert_eq!(refused.err(), Some(Errno::ACCESS));
//!
//! // Exact counters and a virtual clock; nothing sleeps.
//! let (bytes, busy) = system.with_chip(0, |chip| {
//!     (chip.counters().bytes_read(), chip.elapsed())
//! });
//! assert_eq!(bytes, 19);
//! assert_eq!(busy.as_nanos(), 625); // three read pages of 8 bytes, ten words
//! # Ok::<(), Errno>(())
//! ```

pub mod format;
pub mod layout;
pub mod mtd;
pub mod profile;
#[cfg(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod sandbox;
pub mod tree;

/// The chip is a crate of its own.
pub use mtd_chip::{self as chip, Errno, fault};

// The examples of README.md run as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
