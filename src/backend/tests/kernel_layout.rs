//! What stands beside `/proc/mtd` in a tree and tells of partitions: the command line,
//! the device tree (which only the full program asks), RedBoot's table on flash.

use super::tree::Tree;
use crate::backend::LinuxBackend;
use crate::mtd::{FactSource, MtdBackend, MtdInfo};
#[cfg(feature = "full")]
use crate::mtd::{MtdIndex, oddities};

/// A NAS whose kernel tells no offsets, numbered in another order than the chip's.
const PARTS: [(&str, u64, u64); 3] = [
    ("boot", 0x8_0000, 0x1_0000),
    ("kernel", 0x20_0000, 0x1_0000),
    ("config", 0x18_0000, 0x1_0000),
];

fn devices(tree: &Tree) -> Vec<MtdInfo> {
    LinuxBackend::new(Some(tree.root().to_owned()))
        .devices()
        .unwrap()
}

fn offsets(devices: &[MtdInfo]) -> Vec<Option<u64>> {
    devices.iter().map(MtdInfo::certain_offset_bytes).collect()
}

/// The device tree of a flash with these partitions (label, offset, size), as the
/// kernel shows it.
#[cfg(feature = "full")]
fn device_tree(tree: &Tree, parts: &[(&str, u32, u32)]) {
    let at = "proc/device-tree/spi@0/flash@0/partitions";
    tree.write(&format!("{at}/compatible"), b"fixed-partitions\0");
    for (number, (label, offset, size)) in parts.iter().enumerate() {
        let reg = [offset.to_be_bytes(), size.to_be_bytes()].concat();
        tree.write(&format!("{at}/partition@{number}/reg"), &reg);
        let label = format!("{label}\0");
        tree.write(&format!("{at}/partition@{number}/label"), label.as_bytes());
    }
}

#[test]
fn the_kernels_command_line_tells() {
    let tree = Tree::with_table(&PARTS);
    let line = b"console=ttyS0 mtdparts=nor:512k(boot)ro,2M@2M(kernel),1536k@512k(config) quiet\n";
    tree.write("proc/cmdline", line);
    let found = devices(&tree);
    assert_eq!(offsets(&found), [0, 0x20_0000, 0x8_0000].map(Some));
    let source = found[1].offset.unwrap().source;
    assert_eq!(source, FactSource::CommandLine);
    assert_eq!(found[0].writeable, Some(false));
    // Without `ro` the kernel may still force it.
    assert_eq!(found[1].writeable, None);
    assert!(found.iter().all(|device| device.chip == Some(0)));
}

/// A kernel that did not use them has other partitions: nothing of it is taken.
#[test]
fn a_command_line_of_other_partitions_tells_nothing() {
    for parts in ["512k(boot),2M(linux)", "512k(boot),1M(kernel)", "512k(boot"] {
        let tree = Tree::with_table(&PARTS);
        tree.write("proc/cmdline", format!("mtdparts=nor:{parts}").as_bytes());
        assert_eq!(offsets(&devices(&tree)), [None; 3], "{parts}");
    }
}

#[test]
#[cfg(feature = "full")]
fn the_device_tree_tells() {
    let tree = Tree::with_table(&PARTS);
    let parts = [
        ("boot", 0, 0x8_0000),
        ("kernel", 0x20_0000, 0x20_0000),
        ("config", 0x8_0000, 0x18_0000),
    ];
    device_tree(&tree, &parts);
    let found = devices(&tree);
    assert_eq!(offsets(&found), [0, 0x20_0000, 0x8_0000].map(Some));
    assert_eq!(found[2].offset.unwrap().source, FactSource::DeviceTree);
}

/// Two that contradict each other are both told, and neither counts as certain.
#[test]
#[cfg(feature = "full")]
fn sysfs_and_the_device_tree_contradict_each_other() {
    let tree = Tree::with_table(&PARTS);
    for (mtd, offset) in [(0, 0), (1, 0x20_0000), (2, 0x8_0000)] {
        tree.write(
            &format!("sys/class/mtd/mtd{mtd}/offset"),
            format!("{offset}\n").as_bytes(),
        );
    }
    let parts = [
        ("boot", 0, 0x8_0000),
        ("kernel", 0x8_0000, 0x20_0000),
        ("config", 0x28_0000, 0x18_0000),
    ];
    device_tree(&tree, &parts);
    let found = devices(&tree);
    assert_eq!(offsets(&found), [Some(0), None, None]);
    let words: Vec<_> = oddities(&found).iter().map(ToString::to_string).collect();
    let says = "what is told of mtd1 (kernel) is contradicted: 0x200000 by the sysfs; 0x80000 by \
                the device tree";
    assert!(words.contains(&says.to_owned()), "{words:?}");
    assert_eq!(found[1].index, MtdIndex(1));
}

/// Each known device's own tree tells of it what the simulation tells.
#[test]
#[cfg(feature = "full")]
fn trees_of_known_devices_tell_places_chips_and_parents() {
    use mtd_harness::profile::Known;
    for known in Known::ALL {
        let device = known.device(1);
        let tree = mtd_harness::tree::Tree::of(&device).unwrap();
        let found = LinuxBackend::new(Some(tree.root().to_owned())).devices();
        let simulated = crate::backend::SimulatedBackend::new(device).devices();
        for (found, simulated) in found.unwrap().iter().zip(simulated.unwrap()) {
            let facts = |d: &MtdInfo| {
                (
                    d.index,
                    d.name.clone(),
                    d.certain_offset_bytes(),
                    d.parent,
                    d.writeable,
                )
            };
            assert_eq!(facts(found), facts(&simulated), "{}", known.name());
            if known == Known::OpenwrtRouter {
                assert_eq!(found.chip, Some(0));
            }
        }
    }
}

/// RedBoot's table as a device of that byte order has it, with a deleted entry.
fn redboot(rows: &[(&str, u32, u32)], word: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let mut table = Vec::new();
    for (name, offset, size) in [&[("\u{7f}deleted", 7, 7)], rows].concat() {
        let mut record = [0; 256];
        record[..name.len()].copy_from_slice(name.as_bytes());
        if offset == 7 {
            record[0] = 0xff;
        }
        record[16..20].copy_from_slice(&word(0x5000_0000 + offset));
        record[24..28].copy_from_slice(&word(size));
        table.extend(record);
    }
    table.resize(0x1_0000, 0xff);
    table
}

/// The same partitions twice: as the table has them, and as the kernel numbers them.
const ROWS: [(&str, u32, u32); 4] = [
    ("RedBoot", 0, 0x2_0000),
    ("Kernel", 0x2_0000, 0x6_0000),
    ("Ramdisk", 0x8_0000, 0x7_0000),
    ("FIS directory", 0xf_0000, 0x1_0000),
];
const NUMBERED: [(&str, u64, u64); 4] = [
    ("RedBoot", 0x2_0000, 0x1_0000),
    ("Ramdisk", 0x7_0000, 0x1_0000),
    ("Kernel", 0x6_0000, 0x1_0000),
    ("FIS directory", 0x1_0000, 0x1_0000),
];

fn with_table(table: &[u8]) -> Vec<MtdInfo> {
    let tree = Tree::with_table(&NUMBERED);
    tree.write("dev/mtd3", table);
    devices(&tree)
}

/// Places that nobody tells stand on the flash, in the processor's byte order.
#[test]
fn redboots_table_on_flash_tells() {
    for word in [u32::to_le_bytes, u32::to_be_bytes] {
        let found = with_table(&redboot(&ROWS, word));
        assert_eq!(offsets(&found), [0, 0x8_0000, 0x2_0000, 0xf_0000].map(Some));
        assert_eq!(found[1].offset.unwrap().source, FactSource::FlashTable);
        assert_eq!(found[1].chip_bytes, Some(0x10_0000));
    }
}

/// A table of other partitions, of a part of a chip, or none at all: sums stay sums.
#[test]
fn another_table_on_flash_tells_nothing() {
    let word = u32::to_le_bytes;
    let mut other = ROWS;
    other[1].0 = "Linux";
    let mut smaller = ROWS;
    smaller[2].2 = 0x6_0000;
    let erased = vec![0xff; 0x1_0000];
    for table in [
        redboot(&other, word),
        redboot(&smaller, word),
        redboot(&ROWS[1..], word),
        erased,
        vec![b'x'; 300],
        Vec::new(),
    ] {
        assert_eq!(offsets(&with_table(&table)), [None; 4]);
    }
}
