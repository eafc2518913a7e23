//! Offsets that nobody told: inferred only where the sizes look like one chip.

use crate::mtd::{FactSource, MtdIndex, MtdInfo, PartitionOffset, infer_offsets};
use proptest::prelude::*;
use rstest::rstest;

const MIB: u64 = 1 << 20;

fn devices(sizes: &[u64]) -> Vec<MtdInfo> {
    sizes
        .iter()
        .zip(0..)
        .map(|(size, index)| MtdInfo::new(MtdIndex(index), "p", *size, 0x20000))
        .collect()
}

#[test]
fn running_sums_that_fill_a_chip_are_offsets_and_say_so() {
    let mut ispot = devices(&[
        0x40000, 0x20000, 0x120000, 0x600000, 0x100000, 0x120000, 0x600000, 0x20000, 0x20000,
        0x1f000, 0x1000,
    ]);
    assert!(infer_offsets(&mut ispot));
    let offsets: Vec<_> = ispot.iter().map(|d| d.offset_bytes().unwrap()).collect();
    assert_eq!(
        offsets,
        [
            0, 0x40000, 0x60000, 0x180000, 0x780000, 0x880000, 0x9a0000, 0xfa0000, 0xfc0000,
            0xfe0000, 0xfff000
        ]
    );
    assert!(ispot.iter().all(|d| d.offset.unwrap().source.is_inferred()));
}

#[rstest]
#[case::no_device(&[])]
#[case::one_device(&[16 * MIB])]
#[case::not_a_power_of_two(&[MIB, 2 * MIB])]
#[case::size_zero(&[MIB, 0, 3 * MIB])]
#[case::twice_the_same(&[16 * MIB, 16 * MIB])]
#[case::a_whole_that_is_no_chip(&[3 * MIB, MIB, 2 * MIB])]
#[case::sum_past_64_bits(&[u64::MAX, 2])]
#[case::less_than_an_erase_block(&[0x1000, 0x3000])]
fn sizes_that_fit_no_chip_tell_nothing(#[case] sizes: &[u64]) {
    let mut found = devices(sizes);
    assert!(!infer_offsets(&mut found));
    assert!(found.iter().all(|device| device.offset.is_none()));
}

/// A first device as large as all others together is the chip, beside its parts.
#[test]
fn the_whole_chip_beside_its_parts() {
    let mut found = devices(&[16 * MIB, 4 * MIB, 12 * MIB]);
    assert!(infer_offsets(&mut found));
    let offsets: Vec<_> = found.iter().map(MtdInfo::offset_bytes).collect();
    assert_eq!(offsets, [Some(0), Some(0), Some(4 * MIB)]);
    assert!(found.iter().all(|d| d.certain_offset_bytes().is_none()));
}

#[test]
fn chips_of_two_kinds_tell_nothing() {
    let mut found = devices(&[MIB, 3 * MIB]);
    found[1].erase_block_bytes = 0x10000;
    assert!(!infer_offsets(&mut found));
}

#[test]
fn an_offset_that_the_kernel_told_is_never_replaced() {
    let mut found = devices(&[MIB, 3 * MIB]);
    found[1].offset = Some(PartitionOffset {
        bytes: 7 * MIB,
        source: FactSource::Sysfs,
    });
    let before = found.clone();
    assert!(!infer_offsets(&mut found));
    assert_eq!(found, before);
}

proptest! {
    /// The erase block around an offset, against counting on the chip.
    #[test]
    fn the_erase_block_around_an_offset_is_the_chips(
        start in 0_u64..10_000, size in 1_u64..10_000, block in 1_u64..3_000,
        at in any::<prop::sample::Index>(),
    ) {
        let mut device = MtdInfo::new(MtdIndex(0), "p", size, block);
        device.offset = Some(PartitionOffset { bytes: start, source: FactSource::Sysfs });
        let at = at.index(usize::try_from(size).unwrap()) as u64;
        let (from, length) = device.erase_block_around(at);
        let same_block: Vec<u64> = (0..size)
            .filter(|byte| (start + byte) / block == (start + at) / block)
            .collect();
        prop_assert_eq!(from, same_block[0]);
        prop_assert_eq!(length, same_block.len() as u64);
    }
}

#[rstest]
#[case::no_erase_blocks(100, 0, 5, (0, 100))]
#[case::at_the_end(100, 10, 100, (0, 100))]
#[case::far_beyond(100, 10, u64::MAX, (0, 100))]
#[case::largest_sizes(u64::MAX, u64::MAX, u64::MAX - 1, (0, u64::MAX))]
fn the_erase_block_around_an_edge_is_inside_the_partition(
    #[case] size: u64,
    #[case] block: u64,
    #[case] at: u64,
    #[case] expected: (u64, u64),
) {
    let device = MtdInfo::new(MtdIndex(0), "p", size, block);
    assert_eq!(device.erase_block_around(at), expected);
}
