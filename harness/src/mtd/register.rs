//! Registering a layout's partitions as Linux does.
//!
//! Source of behaviour and of the messages' wording: Linux 6.1
//! drivers/mtd/mtdpart.c, allocate_partition and add_mtd_partitions. A partition of a
//! partition is cut by it and can be written only where it can; its offset, in sysfs and
//! in the messages, counts from its start.

use super::{EccStats, MtdDevice};
use crate::chip::EraseRegion;
use crate::layout::{ChipLayout, Layout, PartitionSpec};

/// The MTD devices of a layout in the order of their numbers, and the kernel's messages
/// about them. The layout's parents are checked.
pub(super) fn register(
    layout: &Layout,
    regions: &[Vec<EraseRegion>],
) -> (Vec<MtdDevice>, Vec<String>) {
    let mut devices = Vec::new();
    let mut log = Vec::new();
    let mut whole = Vec::new();
    let numbered = layout.numbered();
    for (chip, chip_layout) in layout.chips.iter().enumerate() {
        let of_chip = numbered.iter().filter(|(_, on, _)| *on == chip);
        let mut registry = Registry {
            chip,
            layout: chip_layout,
            regions: &regions[chip],
            numbers: of_chip.map(|(number, _, at)| (*number, *at)).collect(),
            devices: vec![None; chip_layout.partitions.len()],
            log: &mut log,
        };
        match chip_layout.partitions.is_empty() {
            true => whole.push(registry.whole_chip()),
            false => registry.all_in(None),
        }
        devices.extend(registry.devices.into_iter().flatten());
    }
    // A chip without partitions is a device itself (mtd_device_parse_register); here it gets
    // a number behind all others.
    let next = numbered
        .last()
        .map_or(0, |(number, ..)| number.saturating_add(1));
    devices.extend(
        (next..)
            .zip(whole)
            .map(|(index, device)| MtdDevice { index, ..device }),
    );
    devices.sort_by_key(|device: &MtdDevice| device.index);
    (devices, log)
}

/// One chip's devices while they are being made.
struct Registry<'a> {
    chip: usize,
    layout: &'a ChipLayout,
    regions: &'a [EraseRegion],
    /// Number and place, in the order of the numbers.
    numbers: Vec<(u32, usize)>,
    /// By place.
    devices: Vec<Option<MtdDevice>>,
    log: &'a mut Vec<String>,
}

/// What a partition is cut from.
struct Outer {
    name: String,
    index: Option<u32>,
    offset_bytes: u64,
    size_bytes: u64,
    writeable: bool,
}

impl Registry<'_> {
    /// The parts of a partition, or of the chip; each with its own parts behind it, as
    /// the parsers of a new partition find them.
    fn all_in(&mut self, parent: Option<usize>) {
        let layout = self.layout;
        let is_part = |(_, at): &&(u32, usize)| layout.partitions[*at].parent == parent;
        let parts: Vec<_> = self.numbers.iter().filter(is_part).copied().collect();
        if parent.is_some() && parts.is_empty() {
            return;
        }
        self.log.push(format!(
            "Creating {} MTD partitions on \"{}\":",
            parts.len(),
            self.outer(parent).name
        ));
        for (number, at) in parts {
            let outer = self.outer(parent);
            let spec = &layout.partitions[at];
            self.devices[at] = Some(self.allocate(number, &outer, spec));
            self.all_in(Some(at));
        }
    }

    fn outer(&self, parent: Option<usize>) -> Outer {
        match parent.and_then(|at| self.devices[at].as_ref()) {
            Some(device) => Outer {
                name: device.name.clone(),
                index: Some(device.index),
                offset_bytes: device.offset_bytes,
                size_bytes: device.size_bytes,
                writeable: device.writeable,
            },
            None => Outer {
                // What the kernel calls the whole chip; a board's driver chooses it.
                name: format!("simulated-nor.{}", self.chip),
                index: None,
                offset_bytes: 0,
                size_bytes: self.layout.geometry.size_bytes,
                writeable: true,
            },
        }
    }

    fn allocate(&mut self, index: u32, outer: &Outer, spec: &PartitionSpec) -> MtdDevice {
        let name = &spec.name;
        let start_bytes = spec.offset_bytes.saturating_sub(outer.offset_bytes);
        let mut device = MtdDevice {
            index,
            name: name.clone(),
            chip: self.chip,
            parent: outer.index,
            offset_bytes: spec.offset_bytes,
            offset_in_parent_bytes: start_bytes,
            size_bytes: spec.size_bytes,
            erase_block_bytes: self.largest_erase_block(spec),
            erase_regions: Vec::new(),
            writeable: outer.writeable && !spec.read_only,
            ecc: EccStats::default(),
        };
        let end = start_bytes.wrapping_add(spec.size_bytes);
        self.log
            .push(format!("0x{start_bytes:012x}-0x{end:012x} : \"{name}\""));

        if start_bytes >= outer.size_bytes {
            // Registered all the same, so that the numbers after it stay.
            device.offset_bytes = outer.offset_bytes;
            device.offset_in_parent_bytes = 0;
            device.size_bytes = 0;
            self.log.push(format!(
                "mtd: partition \"{name}\" is out of reach -- disabled"
            ));
            return device;
        }
        if spec.size_bytes > outer.size_bytes - start_bytes {
            device.size_bytes = outer.size_bytes - start_bytes;
            self.log.push(format!(
                "mtd: partition \"{name}\" extends beyond the end of device \"{}\" -- size truncated to {:#x}",
                outer.name,
                device.size_bytes
            ));
        }
        self.force_read_only(&mut device);
        device
    }

    /// The largest erase blocks that a partition has something of (mtdpart.c,
    /// allocate_partition: "Pick biggest erasesize").
    fn largest_erase_block(&self, spec: &PartitionSpec) -> u32 {
        let end = spec.offset_bytes.saturating_add(spec.size_bytes);
        let mut start = 0;
        let mut largest = 0;
        for region in self.regions {
            let behind = start + region.size_bytes();
            if start < end && spec.offset_bytes < behind {
                largest = largest.max(region.erase_block_bytes);
            }
            start = behind;
        }
        match largest {
            0 => self.layout.geometry.erase_block_bytes,
            largest => largest,
        }
    }

    /// The chip as one device, with its erase regions: a partition has none.
    fn whole_chip(&self) -> MtdDevice {
        let outer = self.outer(None);
        MtdDevice {
            index: 0,
            name: outer.name,
            chip: self.chip,
            parent: None,
            offset_bytes: 0,
            offset_in_parent_bytes: 0,
            size_bytes: outer.size_bytes,
            erase_block_bytes: self.layout.geometry.erase_block_bytes,
            erase_regions: self.regions.to_vec(),
            writeable: true,
            ecc: EccStats::default(),
        }
    }

    /// What lies off an erase block's boundary of the chip cannot be written.
    fn force_read_only(&mut self, device: &mut MtdDevice) {
        if !device.writeable {
            return;
        }
        let name = &device.name;
        let block_bytes = u64::from(device.erase_block_bytes);
        if device.offset_bytes % block_bytes != 0 {
            device.writeable = false;
            self.log.push(format!(
                "mtd: partition \"{name}\" doesn't start on an erase/write block boundary -- force read-only"
            ));
        } else if (device.offset_bytes + device.size_bytes) % block_bytes != 0 {
            device.writeable = false;
            self.log.push(format!(
                "mtd: partition \"{name}\" doesn't end on an erase/write block -- force read-only"
            ));
        }
    }
}
