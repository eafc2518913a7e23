//! The MTD layer on the iSpot's partitions, answer by answer.

use super::*;
use crate::chip::Geometry;
use crate::layout::{ChipLayout, PartitionSpec};
use rstest::rstest;

mod block;
mod block_ioctls;
mod character;
mod faults;
mod ioctls;
mod nested;
mod regions;
mod registration;

/// mtd0 writeable of 4 erase blocks, mtd1 and mtd2 sharing the last one, both
/// read-only; the shape of the iSpot in small.
fn system() -> MtdSystem {
    let geometry = Geometry {
        size_bytes: 5 * BLOCK,
        erase_block_bytes: BLOCK as u32,
    };
    let spec = |name: &str, offset_bytes, size_bytes| PartitionSpec {
        name: name.into(),
        offset_bytes,
        size_bytes,
        ..PartitionSpec::default()
    };
    let layout = Layout {
        chips: vec![ChipLayout {
            geometry,
            partitions: vec![
                spec("rootfs", 0, 4 * BLOCK),
                spec("FIS directory", 4 * BLOCK, BLOCK - 0x1000),
                spec("RedBoot config", 5 * BLOCK - 0x1000, 0x1000),
            ],
        }],
    };
    let mut chip = Chip::new(geometry);
    let bytes: Vec<u8> = (0..geometry.size_bytes).map(pattern).collect();
    chip.load(0, &bytes).unwrap();
    MtdSystem::new(vec![chip], &layout)
}

const BLOCK: u64 = 0x20000;
const SIZE: u64 = 4 * BLOCK;

/// What stands at an offset of the chip.
fn pattern(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn cells(system: &MtdSystem, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    system.with_chip(0, |chip| chip.peek(offset, &mut bytes).unwrap());
    bytes
}

fn open(system: &MtdSystem, node: NodeId, flags: OpenFlags) -> Handle {
    system.open(node, flags).expect("the node opens")
}

#[test]
fn handles_and_systems_can_be_handed_to_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<MtdSystem>();
    shared::<Handle>();
}

#[test]
fn clones_are_one_system() {
    let system = system();
    let clone = system.clone();
    let mut handle = open(&clone, NodeId::mtd(0), OpenFlags::READ_WRITE);
    handle.pwrite(0, &[0]).unwrap();
    assert_eq!(cells(&system, 0, 1), [0]);
}

#[test]
fn many_threads_at_once() {
    let system = system();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut handle = open(&system, NodeId::mtd(0), OpenFlags::READ);
                let mut block = open(&system, NodeId::mtdblock(0), OpenFlags::READ);
                let mut buf = vec![0; 5000];
                for n in 0..20 {
                    handle.pread(n * 9000, &mut buf).unwrap();
                    assert_eq!(buf[17], pattern(n as u64 * 9000 + 17));
                    block.pread(n * 9000, &mut buf).unwrap();
                    assert_eq!(buf[4999], pattern(n as u64 * 9000 + 4999));
                }
            });
        }
    });
}

#[test]
#[should_panic(expected = "use the chip it was given")]
fn using_the_mtd_layer_inside_with_chip_panics_rather_than_waits() {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(0), OpenFlags::READ);
    let _ = system.with_chip(0, |_| handle.read(&mut [0]));
}

#[test]
fn what_needs_no_chip_works_inside_with_chip() {
    let system = system();
    system.with_chip(0, |_| {
        assert_eq!(system.devices().len(), 3);
        assert!(system.proc_mtd().ends_with("\"RedBoot config\"\n"));
    });
}

#[test]
fn a_panic_in_with_chip_does_not_spread() {
    let system = system();
    let clone = system.clone();
    let panicked = std::thread::spawn(move || clone.with_chip(0, |_| panic!("on purpose")));
    assert!(panicked.join().is_err());
    assert_eq!(cells(&system, 3, 1), [pattern(3)]);
}
