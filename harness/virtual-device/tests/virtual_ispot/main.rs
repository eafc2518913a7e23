//! The virtual iSpot: that it boots, brings everything back, can be cut off at
//! any moment, and leaves nothing behind.
//!
//! All but [`cli::says_what_is_missing`] start it, and so are ignored but where
//! they are asked for (`ci/virtual-ispot`).
#![cfg(target_os = "linux")]

mod boot;
mod cli;
mod clock;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod kills;
mod power;

use mtd_virtual_device::{VirtualDevice, boards::ISPOT};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::ops::Range;

/// Seed of all contents here; a failure shows offsets, this gives the bytes.
const SEED: u64 = 0x1507;

/// The iSpot's partitions but the last two, which share an erase block with
/// each other and hold what the kernel needs.
const PARTITIONS: [Range<usize>; 11] = [
    0x00_0000..0x04_0000,
    0x04_0000..0x06_0000,
    0x06_0000..0x18_0000,
    0x18_0000..0x78_0000,
    0x78_0000..0x88_0000,
    0x88_0000..0x9A_0000,
    0x9A_0000..0xFA_0000,
    0xFA_0000..0xFC_0000,
    0xFC_0000..0xFE_0000,
    0xFE_0000..0xFF_F000,
    0xFF_F000..0x100_0000,
];

/// A chip with a FIS directory, and arbitrary bytes in every partition but the
/// directory itself.
fn image() -> Vec<u8> {
    let mut image = ISPOT.blank_image();
    let mut source = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for (index, partition) in PARTITIONS.into_iter().enumerate() {
        if index != 9 {
            source.fill_bytes(&mut image[partition]);
        }
    }
    assert_eq!(image.len(), ISPOT.chip_bytes);
    image
}

fn ispot() -> VirtualDevice {
    VirtualDevice::new(&ISPOT, image()).unwrap_or_else(|error| panic!("{error}"))
}

/// Compares long byte strings without printing megabytes.
#[track_caller]
fn assert_same(left: &[u8], right: &[u8], what: &str) {
    assert_eq!(left.len(), right.len(), "{what}: lengths (seed {SEED:#x})");
    if let Some(at) = (0..left.len()).find(|at| left[*at] != right[*at]) {
        panic!(
            "{what}: differs at {at:#x}: {:#04x} against {:#04x} (seed {SEED:#x})",
            left[at], right[at]
        );
    }
}
