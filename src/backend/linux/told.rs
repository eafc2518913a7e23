//! What stands beside `/proc/mtd` and tells of partitions: the kernel's command line
//! and the device tree that it was given.
//!
//! Invariants: they only add, and only where all that they say of a chip fits the
//! table; what contradicts sysfs is told with it.
//!
//! Faults tolerated: none of it there, a command line or a tree that cannot be read.

use super::discover;
use super::root::Root;
use crate::layout::{self, Form};
use crate::mtd::MtdInfo;

/// Adds what they say.
pub(super) fn add(root: &Root, devices: &mut [MtdInfo]) {
    let command_line = discover::text(root, "proc/cmdline")
        .and_then(|text| layout::read(text.as_bytes()).ok())
        .filter(|reading| reading.form == Form::CommandLine);
    let tree = root
        .resolve("proc/device-tree")
        .ok()
        .and_then(|folder| layout::read_device_tree(&folder)?.ok());
    for reading in [command_line, tree].into_iter().flatten() {
        layout::place_if_all_fit(devices, &reading);
    }
}
