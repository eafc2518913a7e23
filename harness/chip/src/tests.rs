//! The chip against a plain byte vector, and its refusals.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use std::io;
use std::time::Duration;

const BLOCK_BYTES: u32 = 64;
const BLOCKS: u64 = 8;
const SIZE_BYTES: u64 = BLOCKS * BLOCK_BYTES as u64;
const SMALL: Geometry = Geometry {
    size_bytes: SIZE_BYTES,
    erase_block_bytes: BLOCK_BYTES,
};

fn all(chip: &Chip) -> Vec<u8> {
    let mut bytes = vec![0; SIZE_BYTES as usize];
    chip.peek(0, &mut bytes).unwrap();
    bytes
}

fn image_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[derive(Debug, Clone)]
enum Step {
    Read(u64, usize),
    Program(u64, Vec<u8>),
    Erase(u64),
    Lock(u64, bool),
    Load(u64, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    // Past the end now and then; a third of the data is all ones.
    let offset = || 0..SIZE_BYTES + 20;
    let data = || {
        prop_oneof![
            2 => prop::collection::vec(any::<u8>(), 0..200),
            1 => prop::collection::vec(Just(0xff), 0..200),
        ]
    };
    prop_oneof![
        3 => (offset(), 0..200usize).prop_map(|(at, length)| Step::Read(at, length)),
        3 => (offset(), data()).prop_map(|(at, data)| Step::Program(at, data)),
        2 => (0..BLOCKS + 1).prop_map(Step::Erase),
        1 => (0..BLOCKS, any::<bool>()).prop_map(|(block, locked)| Step::Lock(block, locked)),
        1 => (offset(), data()).prop_map(|(at, data)| Step::Load(at, data)),
    ]
}

/// What a chip is, said as plainly as possible.
struct Model {
    cells: Vec<u8>,
    locked: Vec<bool>,
    bytes_read: u64,
    bytes_programmed: u64,
    erases: Vec<u64>,
}

impl Model {
    fn fits(&self, at: u64, length: usize) -> Result<(), Errno> {
        let end = at as usize + length;
        (end <= self.cells.len()).then_some(()).ok_or(Errno::INVAL)
    }

    fn program(&mut self, at: u64, data: &[u8]) -> Result<(), Errno> {
        self.fits(at, data.len())?;
        for (cell, new) in (at as usize..).zip(data) {
            if self.locked[cell / BLOCK_BYTES as usize] {
                return Err(Errno::ROFS);
            }
            self.cells[cell] &= new;
            self.bytes_programmed += 1;
        }
        Ok(())
    }

    fn erase(&mut self, block: u64) -> Result<(), Errno> {
        if block >= BLOCKS {
            return Err(Errno::INVAL);
        }
        if self.locked[block as usize] {
            return Err(Errno::ROFS);
        }
        let start = block as usize * BLOCK_BYTES as usize;
        self.cells[start..start + BLOCK_BYTES as usize].fill(0xff);
        self.erases[block as usize] += 1;
        Ok(())
    }
}

fn run(mut chip: Chip, cells: Vec<u8>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model {
        cells,
        locked: vec![false; BLOCKS as usize],
        bytes_read: 0,
        bytes_programmed: 0,
        erases: vec![0; BLOCKS as usize],
    };
    for step in steps {
        match step {
            Step::Read(at, length) => {
                let mut buf = vec![0x5a; length];
                let expected = model.fits(at, length).map(|()| length);
                prop_assert_eq!(chip.read(at, &mut buf), expected);
                if expected.is_ok() {
                    prop_assert_eq!(&buf, &model.cells[at as usize..at as usize + length]);
                    model.bytes_read += length as u64;
                }
            }
            Step::Program(at, data) => {
                prop_assert_eq!(chip.program(at, &data), model.program(at, &data));
            }
            Step::Erase(block) => {
                prop_assert_eq!(chip.erase(EraseBlock(block)), model.erase(block));
            }
            Step::Lock(block, locked) => {
                prop_assert_eq!(chip.set_locked(EraseBlock(block), locked), Ok(()));
                model.locked[block as usize] = locked;
            }
            Step::Load(at, data) => {
                let fits = model.fits(at, data.len());
                prop_assert_eq!(chip.load(at, &data), fits);
                if fits.is_ok() {
                    model.cells[at as usize..at as usize + data.len()].copy_from_slice(&data);
                }
            }
        }
        prop_assert_eq!(all(&chip), &model.cells[..]);
    }
    let counters = chip.counters();
    prop_assert_eq!(counters.bytes_read(), model.bytes_read);
    prop_assert_eq!(counters.bytes_programmed(), model.bytes_programmed);
    prop_assert_eq!(counters.erases(), model.erases.iter().sum::<u64>());
    for (block, erases) in (0..).zip(&model.erases) {
        prop_assert_eq!(counters.erases_of(EraseBlock(block)), *erases);
        prop_assert_eq!(
            chip.is_locked(EraseBlock(block)),
            model.locked[block as usize]
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn in_memory_like_a_byte_vector(steps in prop::collection::vec(step(), 0..60)) {
        run(Chip::new(SMALL), vec![0xff; SIZE_BYTES as usize], steps)?;
    }

    #[test]
    fn over_an_image_like_a_byte_vector(
        image in prop::collection::vec(any::<u8>(), SIZE_BYTES as usize),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let file = image_of(&image);
        run(Chip::from_image(SMALL, file.path()).unwrap(), image.clone(), steps)?;
        prop_assert_eq!(std::fs::read(file.path()).unwrap(), image, "the image was written");
    }

    /// The virtual clock adds up operations; it does not depend on contents.
    #[test]
    fn the_clock_is_the_sum_of_its_operations(
        reads in prop::collection::vec((0..SIZE_BYTES, 0..64usize), 0..20),
    ) {
        let mut chip = Chip::new(SMALL);
        let mut expected = Duration::ZERO;
        for (at, length) in reads {
            let length = length.min((SIZE_BYTES - at) as usize);
            chip.read(at, &mut vec![0; length]).unwrap();
            expected += chip.timing().read(at, length as u64);
        }
        prop_assert_eq!(chip.elapsed(), expected);
    }
}

#[test]
fn a_locked_erase_block_stops_a_program_half_way() {
    let mut chip = Chip::new(SMALL);
    chip.set_locked(EraseBlock(1), true).unwrap();
    assert_eq!(chip.program(60, &[0; 8]), Err(Errno::ROFS));
    let bytes = all(&chip);
    assert_eq!(bytes[60..68], [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(chip.counters().bytes_programmed(), 4);
    assert_eq!(chip.counters().failures(), 1);
    assert_eq!(chip.erase(EraseBlock(1)), Err(Errno::ROFS));
    assert_eq!(chip.counters().erases(), 0);
}

#[rstest]
#[case::one(UnlockScope::EraseBlock, [false, true])]
#[case::all(UnlockScope::WholeChip, [false, false])]
fn what_unlocking_reaches(#[case] scope: UnlockScope, #[case] locked: [bool; 2]) {
    let mut chip = Chip::new(SMALL);
    chip.set_unlock_scope(scope);
    chip.power_up(true);
    chip.set_locked(EraseBlock(0), false).unwrap();
    assert_eq!(
        [0, 7].map(|block| chip.is_locked(EraseBlock(block))),
        locked
    );
}

#[test]
fn locks_cost_their_time() {
    let mut chip = Chip::new(SMALL);
    chip.set_locked(EraseBlock(0), true).unwrap();
    chip.set_locked(EraseBlock(0), false).unwrap();
    assert_eq!(chip.elapsed(), Duration::from_micros(500_064));
    assert_eq!(chip.counters().lock_changes(), 2);
    assert_eq!(chip.set_locked(EraseBlock(8), true), Err(Errno::INVAL));
}

#[test]
fn an_erased_erase_block_takes_no_memory() {
    let geometry = Geometry {
        size_bytes: 1 << 40,
        erase_block_bytes: 128 << 10,
    };
    let mut storage = MemoryStorage::new(geometry);
    storage.program((1 << 40) - 5, &[1; 5]).unwrap();
    storage.program(0, &[0xff; 4096]).unwrap();
    storage.load(1 << 39, &[0xff; 4096]).unwrap();
    assert_eq!(storage.held_bytes(), 128 << 10);
    storage.erase((1 << 40) - (128 << 10), 128 << 10).unwrap();
    assert_eq!(storage.held_bytes(), 0);
    let mut last = [0; 3];
    storage.read((1 << 40) - 3, &mut last).unwrap();
    assert_eq!(last, [0xff; 3]);
}

#[rstest]
#[case::short(SIZE_BYTES - 1)]
#[case::long(SIZE_BYTES + 1)]
#[case::empty(0)]
fn an_image_of_the_wrong_length_is_refused(#[case] length: u64) {
    let file = image_of(&vec![0; length as usize]);
    let message = match Chip::from_image(SMALL, file.path()) {
        Err(error @ ImageError::Length { .. }) => error.to_string(),
        other => panic!("{:?}", other.map(|_| "a chip")),
    };
    assert!(message.contains(&format!("0x{length:x}")), "{message}");
    assert!(message.contains(&format!("0x{SIZE_BYTES:x}")), "{message}");
}

#[test]
fn an_image_that_is_absent_or_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent"), folder.path().to_owned()] {
        let result = Chip::from_image(SMALL, path);
        assert!(matches!(result, Err(ImageError::Open { .. })));
    }
}

#[test]
fn an_image_shortened_meanwhile_gives_an_error_not_bytes() {
    let file = image_of(&[7; SIZE_BYTES as usize]);
    let mut chip = Chip::from_image(SMALL, file.path()).unwrap();
    file.as_file().set_len(100).unwrap();
    assert_eq!(chip.read(90, &mut [0; 20]), Err(Errno::IO));
    assert_eq!(chip.program(90, &[0; 20]), Err(Errno::IO));
    assert_eq!(chip.read(80, &mut [0; 20]), Ok(20));
}

#[test]
fn save_to_writes_the_chip_as_it_is_and_spares_what_exists() {
    let file = image_of(&[0xf0; SIZE_BYTES as usize]);
    let mut chip = Chip::from_image(SMALL, file.path()).unwrap();
    chip.program(10, &[0x3c; 4]).unwrap();
    chip.erase(EraseBlock(3)).unwrap();
    let refused = chip.save_to(file.path()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("flash.bin");
    chip.save_to(&saved).unwrap();
    assert_eq!(std::fs::read(&saved).unwrap(), all(&chip));
    assert_eq!(all(&chip)[9..15], [0xf0, 0x30, 0x30, 0x30, 0x30, 0xf0]);
    assert_eq!(chip.counters().reads(), 0, "saving is not counted");
}

#[test]
fn peek_range_hands_on_each_byte_once_in_order() {
    let mut chip = Chip::new(SMALL);
    let bytes: Vec<u8> = (0..SIZE_BYTES).map(|n| n as u8).collect();
    chip.load(0, &bytes).unwrap();
    let mut seen = Vec::new();
    chip.peek_range::<Errno>(50, 200, |at, cells| {
        assert_eq!(at, 50 + seen.len() as u64);
        seen.extend_from_slice(cells);
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, bytes[50..250]);
    let past = chip.peek_range::<Errno>(500, 13, |_, _| panic!("handed something on"));
    assert_eq!(past, Err(Errno::INVAL));
}

#[test]
fn offsets_at_the_end_of_64_bits_do_not_wrap() {
    let mut chip = Chip::new(SMALL);
    assert_eq!(chip.read(u64::MAX, &mut [0; 2]), Err(Errno::INVAL));
    assert_eq!(chip.program(u64::MAX, &[0; 2]), Err(Errno::INVAL));
    assert_eq!(chip.erase(EraseBlock(u64::MAX)), Err(Errno::INVAL));
    assert!(!chip.is_locked(EraseBlock(u64::MAX)));
}

#[test]
#[should_panic(expected = "no whole number of erase blocks")]
fn a_geometry_that_does_not_divide_is_refused() {
    let _ = Chip::new(Geometry {
        size_bytes: 1000,
        erase_block_bytes: 64,
    });
}

/// A chip can be put behind a lock of any kind, and shown in a test's message.
#[test]
fn it_is_sent_shared_and_printed() {
    fn shared<T: Send + Sync + std::fmt::Debug>(value: &T) -> String {
        format!("{value:?}")
    }
    let chip = Chip::new(Geometry::INTEL_28F128J3);
    assert!(shared(&chip).contains("size_bytes: 16777216"));
}

#[test]
#[should_panic = "does not fit a chip of 131072 bytes"]
fn a_storage_of_another_geometry_is_refused() {
    let small = Geometry {
        size_bytes: 0x2_0000,
        erase_block_bytes: 0x1_0000,
    };
    let large = Geometry {
        size_bytes: 0x4_0000,
        ..small
    };
    Chip::with_storage(small, Box::new(MemoryStorage::new(large)));
}
