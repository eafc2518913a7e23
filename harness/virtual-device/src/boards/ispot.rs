//! The iSpot: QEMU's `connex`, whose chip has its geometry and whose processor is
//! of its architecture.

use super::Board;

/// A Gumstix Connex (PXA255, ARMv5TE) laid out like the Clear iSpot.
pub static ISPOT: Board = Board {
    name: "iSpot",
    machine: "connex",
    machine_number: 373, // MACH_TYPE_GUMSTIX
    ram_start: 0xA000_0000,
    ram_bytes: 0x400_0000,
    chip_bytes: 0x100_0000,
    erase_block_bytes: 0x2_0000,
    partitions: &[
        ("RedBoot", 0x00_0000, 0x04_0000),
        ("param", 0x04_0000, 0x02_0000),
        ("linux", 0x06_0000, 0x12_0000),
        ("rootfs", 0x18_0000, 0x60_0000),
        ("system", 0x78_0000, 0x10_0000),
        ("linux_2", 0x88_0000, 0x12_0000),
        ("rootfs_2", 0x9A_0000, 0x60_0000),
        ("ver_1", 0xFA_0000, 0x02_0000),
        ("ver_2", 0xFC_0000, 0x02_0000),
        ("FIS directory", 0xFE_0000, 0x01_F000),
        ("RedBoot config", 0xFF_F000, 0x00_1000),
    ],
    boot_partition: "RedBoot",
    kernel_partition: "linux",
    without_nodes: &[10],
};
