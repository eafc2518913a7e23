//! What stands beside `/proc/mtd` and tells of partitions: the kernel's command line and
//! the device tree that it was given.
//!
//! Invariants: they only add, and only where all that they say of a chip fits the
//! table; what contradicts sysfs is told with it.
//!
//! Faults tolerated: none of it there, a command line or a tree that cannot be read.

use super::discover;
use super::root::Root;
use crate::layout;
use crate::mtd::MtdInfo;

/// Adds what the kernel was given.
pub(super) fn add(root: &Root, devices: &mut [MtdInfo]) {
    let command_line =
        discover::text(root, "proc/cmdline").and_then(|text| layout::read_command_line(&text));
    if let Some(reading) = command_line {
        layout::place_if_all_fit(devices, &reading);
    }
    let tree = root
        .resolve("proc/device-tree")
        .ok()
        .and_then(|folder| layout::read_device_tree(&folder)?.ok());
    if let Some(reading) = tree {
        layout::place_if_all_fit(devices, &reading);
    }
}
