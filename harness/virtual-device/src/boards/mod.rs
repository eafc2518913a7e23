//! Boards: what a virtual device is made of, one file a board. Another board is
//! another [`Board`], which the rest of this crate is handed; only the program
//! `virtual-ispot` and what it asks of the guest name the one there is.
//!
//! What the boards have in common: an ARM processor that Linux starts with a tag
//! list and that starts at the first byte of its one NOR chip, a RedBoot FIS
//! directory in the last erase block, and one kernel for all (`guest/kernel.config`).

mod ispot;

pub use ispot::ISPOT;

use std::ops::Range;

/// A board that the emulator knows, laid out like some device.
#[derive(Debug)]
#[non_exhaustive]
pub struct Board {
    /// As in "virtual iSpot".
    pub name: &'static str,
    /// QEMU's name of the machine.
    pub machine: &'static str,
    /// By which Linux knows the machine (arch/arm/tools/mach-types, 6.1).
    pub machine_number: u32,
    /// First byte of its RAM.
    pub ram_start: u32,
    /// Size of its RAM: at least 64 MiB.
    pub ram_bytes: u32,
    /// Size of its chip: a power of two.
    pub chip_bytes: usize,
    /// Size of the chip's erase blocks.
    pub erase_block_bytes: usize,
    /// Name, offset and size of each partition, in the order of their numbers.
    pub partitions: &'static [(&'static str, u32, u32)],
    /// The partition at the start of the chip, where the processor starts.
    pub boot_partition: &'static str,
    /// The partition that holds the kernel.
    pub kernel_partition: &'static str,
    /// Numbers of the partitions for which the device has no nodes.
    pub without_nodes: &'static [u32],
}

impl Board {
    /// Tag list; Linux wants it in the first 16 KiB of RAM.
    pub(crate) fn tags_address(&self) -> u32 {
        self.ram_start + 0x100
    }

    /// The boot stub where it is not in flash: below the kernel, above the tags.
    pub(crate) fn ram_stub_address(&self) -> u32 {
        self.ram_start + 0xF_0000
    }

    /// Where the kernel is started.
    pub(crate) fn kernel_address(&self) -> u32 {
        self.ram_start + 0x20_0000
    }

    /// Initramfs, with the exchange area at its start.
    pub(crate) fn initramfs_address(&self) -> u32 {
        self.ram_start + 0x100_0000
    }

    /// Where a partition is by the layout.
    ///
    /// # Panics
    /// If the board has none of that name.
    #[must_use]
    pub fn partition(&self, name: &str) -> Range<usize> {
        let found = self.partitions.iter().find(|(known, ..)| *known == name);
        let (_, offset, size) = found.expect("a board's own partition");
        *offset as usize..(offset + size) as usize
    }

    /// An erased chip with a FIS directory of the partitions and nothing else: the
    /// least that a kernel finds partitions on.
    #[must_use]
    pub fn blank_image(&self) -> Vec<u8> {
        let mut image = vec![0xFF; self.chip_bytes];
        for (index, (name, base, size)) in self.partitions.iter().enumerate() {
            let at = self.chip_bytes - self.erase_block_bytes + 256 * index;
            let record = &mut image[at..at + 256];
            record.fill(0);
            record[..name.len()].copy_from_slice(name.as_bytes());
            for (field, value) in [(16, base), (24, size), (32, size)] {
                record[field..field + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        image
    }
}
