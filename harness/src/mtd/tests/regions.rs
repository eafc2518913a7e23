//! Erase blocks of several sizes, as Linux shows them.
//!
//! Source: Linux 6.1, drivers/mtd/mtdpart.c (allocate_partition), mtdchar.c
//! (MEMGETREGIONINFO), chips/cfi_util.c (cfi_varsize_frob), mtdcore.c
//! (mtd_device_parse_register).

use super::super::ioctl_number::*;
use super::super::{MtdSystem, NodeId, OpenFlags, SliceMemory};
use super::open;
use crate::Errno;
use crate::chip::{Chip, EraseRegion, Geometry};
use crate::layout::{ChipLayout, Layout, PartitionSpec};
use crate::profile::DeviceBuilder;
use rstest::rstest;

const REGIONS: [EraseRegion; 2] = [
    EraseRegion::new(8, 8 << 10),
    EraseRegion::new(127, 64 << 10),
];
const GEOMETRY: Geometry = Geometry {
    size_bytes: 8 << 20,
    erase_block_bytes: 64 << 10,
};

/// A chip with boot blocks and these partitions: name, offset, size.
fn system(partitions: &[(&str, u64, u64)]) -> MtdSystem {
    let mut chip = Chip::new(GEOMETRY);
    chip.set_erase_regions(&REGIONS);
    chip.load(0, &vec![0x5a; 8 << 20]).unwrap();
    let partitions = partitions
        .iter()
        .map(|(name, at, size)| PartitionSpec::new(*name, *at, *size));
    let layout = Layout {
        chips: vec![ChipLayout {
            geometry: GEOMETRY,
            partitions: partitions.collect(),
        }],
    };
    MtdSystem::new(vec![chip], &layout)
}

/// A partition's erase size is the largest that it has something of, and decides whether
/// it can be written.
#[rstest]
#[case::boot_blocks_alone(0, 0x4000, 0x2000, true)]
#[case::all_boot_blocks(0, 0x1_0000, 0x2000, true)]
#[case::large_ones_alone(0x1_0000, 0x2_0000, 0x1_0000, true)]
#[case::both(0, 0x2_0000, 0x1_0000, true)]
#[case::both_from_a_small_boundary(0xe000, 0x1_2000, 0x1_0000, false)]
#[case::off_a_small_boundary(0x1000, 0x2000, 0x2000, false)]
fn a_partition_has_its_largest_erase_size(
    #[case] offset: u64,
    #[case] size: u64,
    #[case] erase_size: u32,
    #[case] writeable: bool,
) {
    let system = system(&[("it", offset, size)]);
    let device = system.device(0).unwrap();
    assert_eq!(device.erase_block_bytes, erase_size);
    assert_eq!(device.writeable, writeable);
    let table = format!("mtd0: {size:08x} {erase_size:08x} \"it\"\n");
    assert!(system.proc_mtd().ends_with(&table), "{}", system.proc_mtd());
    // Linux does not hand regions on to partitions.
    let mut handle = open(&system, NodeId::mtd(0), OpenFlags::READ);
    let mut memory = SliceMemory::new([0xaa; 16]);
    let base = memory.base();
    assert_eq!(handle.ioctl(MEMGETREGIONCOUNT, base, &mut memory), Ok(0));
    assert_eq!(memory.bytes()[..4], [0; 4]);
}

/// A chip without partitions is one device, and that has regions.
#[test]
fn a_whole_chip_tells_its_regions() {
    let system = system(&[]);
    let device = system.device(0).unwrap();
    assert_eq!(
        (device.size_bytes, device.erase_block_bytes),
        (8 << 20, 0x1_0000)
    );
    let sysfs = system.sysfs(0).unwrap();
    let count = sysfs.iter().find(|(name, _)| *name == "numeraseregions");
    assert_eq!(count.unwrap().1, "2\n");
    let mut handle = open(&system, NodeId::mtd(0), OpenFlags::READ);
    let mut region = |index: u32| {
        let mut bytes = vec![0xaa; 16];
        bytes[12..].copy_from_slice(&index.to_ne_bytes());
        let mut memory = SliceMemory::new(bytes);
        let base = memory.base();
        let answer = handle.ioctl(MEMGETREGIONINFO, base, &mut memory);
        let words: Vec<u32> = memory
            .bytes()
            .chunks(4)
            .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        answer.map(|_| words)
    };
    assert_eq!(region(0), Ok(vec![0, 8 << 10, 8, 0]));
    assert_eq!(region(1), Ok(vec![0x1_0000, 64 << 10, 127, 1]));
    assert_eq!(region(2), Err(Errno::INVAL));
}

/// A range begins and ends on boundaries of the erase blocks that are there.
#[rstest]
#[case::a_small_one(0x2000, 0x2000, Ok(()))]
#[case::two_small_ones(0xc000, 0x4000, Ok(()))]
#[case::small_and_large(0xe000, 0x1_2000, Ok(()))]
#[case::all(0, 8 << 20, Ok(()))]
#[case::half_a_small_one(0x2000, 0x1000, Err(Errno::INVAL))]
#[case::a_small_one_s_size_of_a_large_one(0x1_0000, 0x2000, Err(Errno::INVAL))]
#[case::into_a_large_one(0xe000, 0x4000, Err(Errno::INVAL))]
fn erases_go_by_the_erase_blocks_there(
    #[case] start: u64,
    #[case] length: u64,
    #[case] answer: Result<(), Errno>,
) {
    let system = system(&[]);
    let mut handle = open(&system, NodeId::mtd(0), OpenFlags::READ_WRITE);
    assert_eq!(handle.erase(start, length), answer);
    let mut cells = vec![0; 8 << 20];
    system.with_chip(0, |chip| chip.peek(0, &mut cells).unwrap());
    let is_erased = |at: u64| answer.is_ok() && (start..start + length).contains(&at);
    let wrong = (0..cells.len()).find(|at| (cells[*at] == 0xff) != is_erased(*at as u64));
    assert_eq!(wrong, None);
}

/// mtdblock rewrites what the partition's erase size says, whatever lies in it.
#[test]
fn a_block_node_rewrites_small_erase_blocks_together() {
    let system = system(&[("both", 0, 0x2_0000)]);
    let mut handle = open(&system, NodeId::mtdblock(0), OpenFlags::READ_WRITE);
    handle.pwrite(0x3000, &[0xa5; 512]).unwrap();
    handle.fsync().unwrap();
    drop(handle);
    system.with_chip(0, |chip| {
        assert_eq!(chip.counters().erases(), 8, "all that make up 64 KiB");
        let mut cells = [0; 514];
        chip.peek(0x2fff, &mut cells).unwrap();
        assert_eq!(
            (cells[0], cells[1], cells[512], cells[513]),
            (0x5a, 0xa5, 0xa5, 0x5a)
        );
    });
}

#[test]
fn a_device_is_built_with_them() {
    let device = DeviceBuilder::new("a camera with boot blocks")
        .erase_regions(&REGIONS)
        .sized("boot", 0x1_0000, b"boot loader".to_vec())
        .space("data", 0x10_0000)
        .build()
        .unwrap();
    let sizes = [0, 1].map(|index| device.system.device(index).unwrap().erase_block_bytes);
    assert_eq!(sizes, [8 << 10, 64 << 10]);
    let twice = DeviceBuilder::new("x")
        .chip(GEOMETRY)
        .erase_regions(&REGIONS);
    assert!(twice.build().is_err(), "a chip given twice");
}
