//! Registering a layout's partitions as Linux does.
//!
//! Source of behaviour and of the messages' wording: Linux 6.1
//! drivers/mtd/mtdpart.c, allocate_partition and add_mtd_partitions.

use super::MtdDevice;
use crate::layout::{ChipLayout, Layout, PartitionSpec};

/// The MTD devices of a layout, and the kernel's messages about them.
pub(super) fn register(layout: &Layout) -> (Vec<MtdDevice>, Vec<String>) {
    let mut devices = Vec::new();
    let mut log = Vec::new();
    for (chip, chip_layout) in layout.chips.iter().enumerate() {
        log.push(format!(
            "Creating {} MTD partitions on \"{}\":",
            chip_layout.partitions.len(),
            master_name(chip)
        ));
        for spec in &chip_layout.partitions {
            let index = devices.len() as u32;
            devices.push(allocate(index, chip, chip_layout, spec, &mut log));
        }
    }
    (devices, log)
}

/// What the kernel calls the whole chip; a board's driver chooses it.
fn master_name(chip: usize) -> String {
    format!("simulated-nor.{chip}")
}

fn allocate(
    index: u32,
    chip: usize,
    layout: &ChipLayout,
    spec: &PartitionSpec,
    log: &mut Vec<String>,
) -> MtdDevice {
    let name = &spec.name;
    let mut device = MtdDevice {
        index,
        name: name.clone(),
        chip,
        offset_bytes: spec.offset_bytes,
        size_bytes: spec.size_bytes,
        erase_block_bytes: layout.geometry.erase_block_bytes,
        writeable: true,
    };
    let end = spec.offset_bytes.wrapping_add(spec.size_bytes);
    log.push(format!(
        "0x{:012x}-0x{end:012x} : \"{name}\"",
        spec.offset_bytes
    ));

    let chip_bytes = layout.geometry.size_bytes;
    if spec.offset_bytes >= chip_bytes {
        // Registered all the same, so that the numbers after it stay.
        device.offset_bytes = 0;
        device.size_bytes = 0;
        log.push(format!(
            "mtd: partition \"{name}\" is out of reach -- disabled"
        ));
        return device;
    }
    if spec.size_bytes > chip_bytes - spec.offset_bytes {
        device.size_bytes = chip_bytes - spec.offset_bytes;
        log.push(format!(
            "mtd: partition \"{name}\" extends beyond the end of device \"{}\" -- size truncated to {:#x}",
            master_name(chip),
            device.size_bytes
        ));
    }

    let block_bytes = u64::from(device.erase_block_bytes);
    if device.offset_bytes % block_bytes != 0 {
        device.writeable = false;
        log.push(format!(
            "mtd: partition \"{name}\" doesn't start on an erase/write block boundary -- force read-only"
        ));
    } else if (device.offset_bytes + device.size_bytes) % block_bytes != 0 {
        device.writeable = false;
        log.push(format!(
            "mtd: partition \"{name}\" doesn't end on an erase/write block -- force read-only"
        ));
    }
    device
}
