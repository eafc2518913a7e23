//! What stands beside `/proc/mtd` and tells of partitions, as the device's own program
//! asks for it: the kernel's command line. The full program asks the device tree as well
//! (see `kernel_layout`), and this is small.
//!
//! Invariants and faults tolerated: as in `kernel_layout`.

use super::discover;
use super::root::Root;
use crate::mtd::claim::{Claim, owners, take_place};
use crate::mtd::mtdparts::{self, Part, Parts};
use crate::mtd::{FactSource, MtdInfo, PartitionOffset};

/// Adds what the kernel was given.
pub(super) fn add(root: &Root, devices: &mut [MtdInfo]) {
    let text = discover::text(root, "proc/cmdline").unwrap_or_default();
    let Some(definition) = mtdparts::of_kernel(&text) else {
        return;
    };
    let had_chips = devices.iter().any(|device| device.chip.is_some());
    for (chip, text) in (0..).zip(mtdparts::chips(definition)) {
        let Some(owners) = add_chip(text, devices) else {
            continue;
        };
        for owner in owners.into_iter().filter(|_| !had_chips) {
            devices[owner].chip = Some(chip);
        }
    }
}

/// Adds what is said of one chip; the devices that it has.
fn add_chip(text: &str, devices: &mut [MtdInfo]) -> Option<Vec<usize>> {
    let (_, parts) = Parts::of(text)?;
    let parts: Vec<Part<'_>> = parts.collect::<Result<_, _>>().ok()?;
    let claims = parts.iter().map(|part| Claim {
        index: None,
        name: part.name.unwrap_or_default(),
        size_bytes: part.size_bytes,
    });
    let claims: Vec<Claim<'_>> = claims.collect();
    let owners = owners(devices, &claims)?;
    let source = FactSource::CommandLine;
    for (part, owner) in parts.iter().zip(&owners) {
        let device = &mut devices[*owner];
        if let Some(bytes) = part.offset_bytes {
            take_place(device, PartitionOffset { bytes, source });
        }
        // Without `ro` the kernel may still force it.
        if part.read_only && device.writeable.is_none() {
            (device.writeable, device.writeable_source) = (Some(false), Some(source));
        }
    }
    Some(owners)
}
