//! Partitions inside others, as sysfs tells them: a link per device, and an offset
//! that counts from the parent's start.

use super::tree::Tree;
use crate::backend::LinuxBackend;
use crate::mtd::{MtdBackend, MtdIndex, MtdInfo, oddities};
use std::fs;

/// Name, size, where it is below `/sys/devices`, and sysfs' offset.
type Part = (&'static str, u64, &'static str, Option<u64>);

fn devices(parts: &[Part]) -> Vec<MtdInfo> {
    let table: Vec<_> = parts.iter().map(|p| (p.0, p.1, 0x1_0000)).collect();
    let tree = Tree::with_table(&table);
    fs::create_dir_all(tree.path("sys/class/mtd")).unwrap();
    for (index, (_, _, path, offset)) in parts.iter().enumerate() {
        let link = tree.path(&format!("sys/class/mtd/mtd{index}"));
        fs::create_dir_all(tree.path(&format!("sys/devices/{path}"))).unwrap();
        std::os::unix::fs::symlink(format!("../../devices/{path}"), link).unwrap();
        if let Some(offset) = offset {
            let text = format!("{offset}\n");
            tree.write(&format!("sys/devices/{path}/offset"), text.as_bytes());
        }
        tree.write(&format!("dev/mtd{index}"), b"");
    }
    LinuxBackend::new(Some(tree.root().to_owned()))
        .devices()
        .unwrap()
}

fn offsets(devices: &[MtdInfo]) -> Vec<Option<u64>> {
    devices.iter().map(MtdInfo::certain_offset_bytes).collect()
}

fn words(devices: &[MtdInfo]) -> Vec<String> {
    oddities(devices)
}

/// As on a router with OpenWrt 23.05: Linux 5.15, split inside the split.
#[test]
fn offsets_count_from_the_parent() {
    let found = devices(&[
        ("u-boot", 0x4_0000, "spi0.0/mtd/mtd0", Some(0)),
        ("firmware", 0xf6_0000, "spi0.0/mtd/mtd1", Some(0x4_0000)),
        ("kernel", 0x2c_0000, "spi0.0/mtd/mtd1/mtd2", Some(0)),
        ("rootfs", 0xca_0000, "spi0.0/mtd/mtd1/mtd3", Some(0x2c_0000)),
        (
            "rootfs_data",
            0x92_0000,
            "spi0.0/mtd/mtd1/mtd3/mtd4",
            Some(0x38_0000),
        ),
        ("radio", 0x6_0000, "spi0.0/mtd/mtd5", Some(0xfa_0000)),
    ]);
    assert_eq!(
        offsets(&found),
        [0, 0x4_0000, 0x4_0000, 0x30_0000, 0x68_0000, 0xfa_0000].map(Some)
    );
    let parents: Vec<_> = found.iter().map(|device| device.parent).collect();
    let in_firmware = Some(MtdIndex(1));
    assert_eq!(
        parents,
        [
            None,
            None,
            in_firmware,
            in_firmware,
            Some(MtdIndex(3)),
            None
        ]
    );
    assert_eq!(
        words(&found),
        [
            "mtd1 (firmware) contains mtd2 (kernel), mtd3 (rootfs) and mtd4 (rootfs_data)",
            "mtd3 (rootfs) contains mtd4 (rootfs_data)",
        ]
    );
}

/// As on older routers: all offsets are the chip's, and the one around comes last.
#[test]
fn flat_offsets_nest_all_the_same() {
    let found = devices(&[
        ("u-boot", 0x2_0000, "spi0.0/mtd/mtd0", Some(0)),
        ("kernel", 0x12_8000, "spi0.0/mtd/mtd1", Some(0x2_0000)),
        ("rootfs", 0x2a_8000, "spi0.0/mtd/mtd2", Some(0x14_8000)),
        ("art", 0x1_0000, "spi0.0/mtd/mtd3", Some(0x3f_0000)),
        ("firmware", 0x3d_0000, "spi0.0/mtd/mtd4", Some(0x2_0000)),
    ]);
    let words = words(&found);
    let says = |what: &str| words.iter().any(|line| line.contains(what));
    assert!(
        says("mtd4 (firmware) contains mtd1 (kernel) and mtd2 (rootfs)"),
        "{words:?}"
    );
    assert!(
        says("mtd1 (kernel) and mtd2 (rootfs) share the erase block at 0x140000"),
        "{words:?}"
    );
    assert!(!says("no partition") && !says("overlap"), "{words:?}");
}

#[test]
fn another_order_than_the_numbers_leaves_no_gap() {
    let found = devices(&[
        ("U-Boot", 0x8_0000, "nor/mtd/mtd0", Some(0)),
        ("Kernel", 0x20_0000, "nor/mtd/mtd1", Some(0x20_0000)),
        ("Config", 0x18_0000, "nor/mtd/mtd2", Some(0x8_0000)),
    ]);
    assert_eq!(words(&found), [""; 0]);
}

#[test]
fn what_is_amiss_is_said_of_its_own_chip_only() {
    let found = devices(&[
        ("a", 0x2_0000, "nor/mtd/mtd0", Some(0x1_0000)),
        ("b", 0x2_0000, "nor/mtd/mtd1", Some(0x2_0000)),
        ("c", 0x1_0000, "nand/mtd/mtd2", Some(0)),
        ("d", 0x1_0000, "nand/mtd/mtd3", Some(0x3_0000)),
    ]);
    assert_eq!(
        words(&found),
        [
            "mtd0 (a) and mtd1 (b) overlap",
            "0x10000 bytes at 0x0, at the start of the chip, belong to no partition and are in \
             no backup",
            "0x20000 bytes at 0x10000, after mtd2 (c), belong to no partition and are in no backup",
        ]
    );
}

/// CONFIG_MTD_PARTITIONED_MASTER: the whole chip is a device without an offset.
#[test]
fn a_whole_chip_starts_at_0() {
    let found = devices(&[
        ("chip", 0x4_0000, "virtual/mtd/mtd0", None),
        ("boot", 0x1_0000, "virtual/mtd/mtd0/mtd1", Some(0)),
        ("rest", 0x3_0000, "virtual/mtd/mtd0/mtd2", Some(0x1_0000)),
        ("other", 0x4_0000, "virtual/mtd/mtd3", None),
    ]);
    assert_eq!(offsets(&found), [Some(0), Some(0), Some(0x1_0000), None]);
    let chips: Vec<_> = found.iter().map(|device| device.chip).collect();
    assert_eq!(chips, [Some(0), Some(0), Some(0), None]);
}

#[test]
fn what_hangs_on_an_unknown_parent_is_unknown() {
    let found = devices(&[
        ("a", 0x1_0000, "nor/mtd/mtd7/mtd0", Some(0)),
        ("b", 0x1_0000, "nor/mtd/mtd1", Some(u64::MAX)),
        ("c", 0x1_0000, "nor/mtd/mtd1/mtd2", Some(1)),
    ]);
    assert_eq!(offsets(&found), [None, None, None]);
}
