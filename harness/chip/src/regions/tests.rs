//! Chips with erase blocks of several sizes.

use super::*;
use crate::cut::{Explorer, Model, Subject, Tears, Track};
use crate::{Chip, Errno, Programming};
use rstest::rstest;

const KIB: u32 = 1024;

/// A top boot part: 3 x 16 KiB, then 8 KiB, 2 x 4 KiB.
fn chip() -> Chip {
    let mut chip = Chip::new(Geometry {
        size_bytes: 64 << 10,
        erase_block_bytes: 16 * KIB,
    });
    chip.set_erase_regions(&[
        EraseRegion::new(3, 16 * KIB),
        EraseRegion::new(1, 8 * KIB),
        EraseRegion::new(2, 4 * KIB),
    ]);
    chip
}

#[test]
fn every_offset_is_in_its_erase_block() {
    let chip = chip();
    let starts: Vec<u64> = (0..=chip.erase_blocks())
        .map(|block| chip.range_of(EraseBlock(block)).start)
        .collect();
    assert_eq!(
        starts,
        [0, 0x4000, 0x8000, 0xc000, 0xe000, 0xf000, 0x1_0000]
    );
    for at in 0..0x1_0000 {
        let block = chip.block_of(at);
        assert!(chip.range_of(block).contains(&at), "{at:#x}: {block:?}");
        assert!(block.0 < chip.erase_blocks());
    }
}

#[test]
fn an_erase_and_a_lock_reach_one_erase_block() {
    let mut chip = chip();
    chip.program(0, &[0; 0x1_0000]).unwrap();
    assert_eq!(chip.counters().programs(), 6, "one for each erase block");
    chip.set_locked(EraseBlock(5), true).unwrap();
    assert_eq!(chip.erase(EraseBlock(5)), Err(Errno::ROFS));
    assert_eq!(chip.program(0xeffe, &[0; 4]), Err(Errno::ROFS));
    chip.erase(EraseBlock(4)).unwrap();
    assert_eq!(chip.erase(EraseBlock(6)), Err(Errno::INVAL));
    let mut cells = vec![0; 0x1_0000];
    chip.read(0, &mut cells).unwrap();
    let erased = |at: usize| (0xe000..0xf000).contains(&at);
    let wrong = (0..cells.len()).find(|at| (cells[*at] == 0xff) != erased(*at));
    assert_eq!(wrong, None);
    assert_eq!(chip.counters().erases_of(EraseBlock(4)), 1);
    // A fork has them too.
    assert_eq!(chip.clone().erase_regions(), chip.erase_regions());
}

/// Erases the smallest erase block, and one whose neighbours have another size.
struct Erases;

impl Subject for Erases {
    type Promise = ();
    fn work(&self, chip: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
        chip.erase(EraseBlock(4)).map_err(|e| e.to_string())?;
        chip.erase(EraseBlock(3)).map_err(|e| e.to_string())
    }
    fn recover(&self, chip: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
        let mut cells = vec![0; 0x1_0000];
        chip.peek(0, &mut cells).map_err(|e| e.to_string())?;
        let hurt = (0..cells.len()).find(|at| {
            let erased = (0xc000..0xf000).contains(at);
            cells[*at] != 0x5a && !erased
        });
        hurt.map_or(Ok(()), |at| Err(format!("{at:#x} is not what it was")))
    }
}

#[test]
fn a_torn_erase_stays_within_its_erase_block() {
    let mut chip = chip();
    chip.load(0, &[0x5a; 0x1_0000]).unwrap();
    let report = Explorer::new(&chip, &Erases)
        .tears(Tears::all())
        .run()
        .unwrap();
    report.assert_held();
    assert!(report.models[&Model::UnstableErase].0 > 0 && report.states() > 90);
    assert_eq!(report.operations, 2);
}

/// Bits of a neighbour that shares the memory of the largest size stay unstable.
#[test]
fn an_erase_settles_its_own_bits_only() {
    let mut chip = chip();
    chip.program(0, &[0; 0x1_0000]).unwrap();
    for block in [4, 5] {
        chip.record();
        chip.erase(EraseBlock(block)).unwrap();
        let erase = chip.take_journal().operation(1).unwrap();
        assert!(chip.leave_torn(erase, &[], "v0".parse().unwrap()).unwrap());
    }
    let mut reads = |at: u64| {
        let mut seen = [[0; 64]; 2];
        for cells in &mut seen {
            chip.read(at, cells).unwrap();
        }
        let stable = seen[0] == seen[1];
        chip.erase(EraseBlock(4)).unwrap();
        stable
    };
    assert!(!reads(0xe000), "as the first cut left it");
    assert!(reads(0xe000), "erased");
    assert!(!reads(0xf000), "as the second one left it");
}

#[rstest]
#[case::none(&[], "the largest here is 0")]
#[case::another_largest(&[(8, 8)], "the largest here is 8192")]
#[case::too_few(&[(1, 16), (1, 8)], "they are 24576 bytes, the chip has 65536")]
#[case::off_their_size(&[(1, 8), (3, 16), (1, 8)], "erase blocks of 16384 cannot start at 0x2000")]
#[case::no_divisor(&[(3, 16), (1, 12), (1, 4)], "erase blocks of 12288 do not divide")]
#[case::of_nothing(&[(4, 16), (1, 0)], "erase blocks of 0 do not divide")]
#[case::past_all(&[(u64::MAX, 16)], "more erase blocks than a chip can have")]
fn regions_that_cannot_be(#[case] regions: &[(u64, u32)], #[case] why: &str) {
    let geometry = chip().geometry();
    let regions: Vec<_> = regions
        .iter()
        .map(|(count, kib)| EraseRegion::new(*count, kib * KIB))
        .collect();
    let error = Regions::mixed(geometry, &regions).unwrap_err();
    assert!(error.contains(why), "{error}");
}

#[test]
#[should_panic(expected = "do not fit erase blocks of 4096")]
fn a_write_buffer_fits_the_smallest() {
    let mut chip = chip();
    chip.set_programming(Programming::words(2).buffers(8 * KIB));
}

#[test]
fn one_size_is_no_other_chip() {
    let geometry = Geometry::INTEL_28F128J3;
    let (plain, mut told) = (Chip::new(geometry), Chip::new(geometry));
    told.set_erase_regions(&[EraseRegion::new(128, 128 * KIB)]);
    assert_eq!(plain.erase_regions(), told.erase_regions());
    let journal = crate::cut::Journal::default();
    let id = |chip: &Chip| crate::cut::CutId::new(chip, &journal, []).unwrap();
    assert_eq!(id(&plain), id(&told));
    // But several are.
    let mut boot = Chip::new(chip().geometry());
    let uniform = id(&boot);
    boot.set_erase_regions(&chip().erase_regions());
    assert_ne!(id(&boot), uniform);
}
