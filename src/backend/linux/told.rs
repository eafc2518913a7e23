//! What stands beside `/proc/mtd` and tells of partitions: the kernel's command line, the
//! device tree that it was given, and a partition table on the flash itself.
//!
//! Invariants: they only add, and only where all that they say of a chip fits the
//! table; what contradicts sysfs is told with it. Flash is read, through a node that is
//! there, only where nobody else tells a place; no node is made for it.
//!
//! Faults tolerated: none of it there, a command line, a tree or a table that cannot be
//! read.

use super::root::Root;
use super::{LinuxBackend, discover};
use crate::layout;
use crate::mtd::{FactSource, MtdBackend as _, MtdInfo, NodeState};

/// RedBoot's table is called so, on all of its devices.
const FLASH_TABLE: &str = "FIS directory";

/// It lies in one erase block, and a record has 256 bytes.
const TABLE_BYTES_MAX: u64 = 256 << 10;

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

/// Adds what RedBoot's table on the flash tells, where nobody else tells anything.
pub(super) fn add_flash_table(backend: &LinuxBackend, devices: &mut Vec<MtdInfo>) {
    let is_open = |device: &MtdInfo| {
        let source = device.offset.map(|offset| offset.source);
        matches!(source, None | Some(FactSource::Sum))
    };
    let table = devices.iter().find(|device| device.name == FLASH_TABLE);
    let Some(table) = table.filter(|table| table.node == NodeState::Present) else {
        return;
    };
    if !devices.iter().all(is_open) {
        return;
    }
    let Some(Ok(reading)) = read(backend, table).and_then(|bytes| layout::read_flash_table(&bytes))
    else {
        return;
    };
    let mut placed = devices.clone();
    // Somebody's word is better than a conclusion of ours.
    placed.iter_mut().for_each(|device| device.offset = None);
    layout::place_if_all_fit(&mut placed, &reading);
    if placed.iter().any(|device| device.offset.is_some()) {
        *devices = placed;
    }
}

/// The first bytes of a device.
fn read(backend: &LinuxBackend, device: &MtdInfo) -> Option<Vec<u8>> {
    let mut open = backend.open(device).ok()?;
    let mut bytes = vec![0; device.size_bytes.min(TABLE_BYTES_MAX) as usize];
    let mut done = 0;
    while done < bytes.len() {
        match open.read_at(done as u64, &mut bytes[done..]).ok()? {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    Some(bytes)
}
