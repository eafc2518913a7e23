//! Block nodes: the caches, the ioctls, and a byte vector with erase-on-write.

use super::*;
use crate::chip::EraseBlock;
use crate::mtd::ioctl_number::*;
use proptest::prelude::*;

const RO: OpenFlags = OpenFlags::READ;
const RW: OpenFlags = OpenFlags::READ_WRITE;
const NODE: NodeId = NodeId::Block {
    major: 31,
    minor: 0,
};

fn erases(system: &MtdSystem) -> Vec<u64> {
    let of = |chip: &mut Chip| {
        let counters = chip.counters();
        (0..5).map(|n| counters.erases_of(EraseBlock(n))).collect()
    };
    system.with_chip(0, of)
}

#[test]
fn a_write_needs_no_erase_and_lands_at_the_last_close() {
    let system = system();
    let mut first = open(&system, NODE, RW);
    let second = open(&system, NODE, RO);
    assert_eq!(first.pwrite(10, &[0xff; 4]), Ok(4));
    drop(first);
    assert_eq!(
        cells(&system, 10, 1),
        [pattern(10)],
        "a handle is still open"
    );
    assert_eq!(erases(&system), [0; 5]);
    drop(second);
    assert_eq!(
        cells(&system, 9, 6),
        [pattern(9), 255, 255, 255, 255, pattern(14)]
    );
    assert_eq!(cells(&system, BLOCK - 1, 1), [pattern(BLOCK - 1)]);
    assert_eq!(erases(&system), [1, 0, 0, 0, 0]);
    system.with_chip(0, |chip| {
        let counters = chip.counters();
        assert_eq!(counters.bytes_programmed(), BLOCK);
        // One page to change, then the whole erase block to write it back.
        assert_eq!(counters.bytes_read(), 4096 + BLOCK);
    });
}

#[test]
fn fsync_lands_and_erases_again_only_when_dirty() {
    let system = system();
    let mut handle = open(&system, NODE, RW);
    handle.pwrite(0, &[1]).unwrap();
    assert_eq!(handle.fsync(), Ok(()));
    assert_eq!(cells(&system, 0, 1), [1]);
    assert_eq!(handle.fsync(), Ok(()));
    drop(handle);
    assert_eq!(erases(&system), [1, 0, 0, 0, 0]);
}

/// What had reached flash after BLKFLSBUF, which leaves mtdblock's copy alone,
/// on Linux 6.1.192: pages of 4096 bytes written, and those then on flash.
#[rstest]
#[case::two(&[(0, 1), (40, 41)], &[(40, 41)], [1, 1, 0, 0])]
#[case::three(&[(0, 1), (40, 41), (70, 71)], &[(0, 1), (40, 41)], [1, 1, 1, 0])]
#[case::four(&[(0, 1), (40, 41), (70, 71), (100, 101)], &[(0, 1), (40, 41), (100, 101)], [1, 1, 1, 1])]
#[case::two_requests(&[(0, 31), (40, 41)], &[(40, 41)], [1, 1, 0, 0])]
#[case::three_requests(&[(0, 32), (40, 41)], &[(0, 32)], [1, 1, 0, 0])]
#[case::two_long_requests(&[(0, 62)], &[(31, 62)], [2, 1, 0, 0])]
#[case::three_long_requests(&[(0, 64)], &[(0, 32)], [1, 1, 0, 0])]
fn the_order_of_write_back(
    #[case] written: &[(u64, u64)],
    #[case] landed: &[(u64, u64)],
    #[case] erased: [u64; 4],
) {
    const NEW: u8 = 0x5a;
    let system = system();
    system.with_chip(0, |chip| chip.load(0, &vec![0; SIZE as usize]).unwrap());
    let mut handle = open(&system, NODE, RW);
    for (first, end) in written {
        let data = vec![NEW; (end - first) as usize * 4096];
        handle.pwrite(*first as i64 * 4096, &data).unwrap();
    }
    let answer = handle.ioctl(BLKFLSBUF, 0, &mut SliceMemory::new([]));
    assert_eq!(answer, Ok(0));
    let on_flash: Vec<u64> = (0..128)
        .filter(|page| cells(&system, page * 4096, 1) == [NEW])
        .collect();
    let expected: Vec<u64> = landed
        .iter()
        .flat_map(|(first, end)| *first..*end)
        .collect();
    assert_eq!(on_flash, expected);
    // And none is lost.
    handle.fsync().unwrap();
    for (first, end) in written {
        for page in *first..*end {
            assert_eq!(cells(&system, page * 4096, 4096), [NEW; 4096]);
        }
    }
    assert_eq!(erases(&system)[..4], erased);
}

#[test]
fn the_two_kinds_of_node_are_not_coherent_until_flushed() {
    let system = system();
    let mut block = open(&system, NODE, RW);
    let mut character = open(&system, NodeId::mtd(0), RW);
    let mut byte = [0];

    block.pwrite(0, &[1]).unwrap();
    character.pread(0, &mut byte).unwrap();
    assert_eq!(byte, [pattern(0)], "the character node sees flash");

    character.pwrite(1, &[0]).unwrap();
    block.pread(1, &mut byte).unwrap();
    assert_eq!(byte, [pattern(1)], "the block node sees its page");

    block.fsync().unwrap();
    assert_eq!(
        cells(&system, 0, 2),
        [1, pattern(1)],
        "the stale page went over it"
    );
}

#[test]
fn a_second_open_after_the_last_close_sees_flash() {
    let system = system();
    let mut byte = [0];
    open(&system, NODE, RO).read(&mut byte).unwrap();
    let mut character = open(&system, NodeId::mtd(0), RW);
    character.write(&[0]).unwrap();
    open(&system, NODE, RO).read(&mut byte).unwrap();
    assert_eq!(byte, [0]);
}

#[test]
fn sync_and_blkflsbuf_stop_at_mtdblocks_copy() {
    let system = system();
    let mut handle = open(&system, NODE, RW);
    handle.write(&[1]).unwrap();
    system.sync();
    assert_eq!(erases(&system), [0; 5]);
    let answer = handle.ioctl(BLKFLSBUF, 0, &mut SliceMemory::new([]));
    assert_eq!(answer, Ok(0));
    assert_eq!(erases(&system), [0; 5]);
    let mut byte = [0];
    handle.pread(0, &mut byte).unwrap();
    assert_eq!(byte, [1], "read through mtdblock's copy");
    handle.fsync().unwrap();
    assert_eq!(cells(&system, 0, 1), [1]);
}

#[rstest]
#[case::inside(SIZE as i64 - 8, 4, Ok(4))]
#[case::across(SIZE as i64 - 3, 4, Ok(3))]
#[case::at_the_end(SIZE as i64, 4, Ok(0))]
#[case::far(i64::MAX - 4, 4, Ok(0))]
#[case::beyond_all_offsets(i64::MAX - 3, 4, Err(Errno::INVAL))]
#[case::negative(-1, 4, Err(Errno::INVAL))]
fn reading(#[case] at: i64, #[case] length: usize, #[case] expected: Result<usize, Errno>) {
    let mut buf = vec![0; length];
    let answer = open(&system(), NODE, RO).pread(at, &mut buf);
    assert_eq!(answer, expected);
    for (n, byte) in buf.iter().take(answer.unwrap_or(0)).enumerate() {
        assert_eq!(*byte, pattern(at as u64 + n as u64));
    }
}

#[rstest]
#[case::across(0, SIZE as i64 - 3, 4, Ok(3))]
#[case::at_the_end(0, SIZE as i64, 4, Err(Errno::NOSPC))]
#[case::nothing_at_the_end(0, SIZE as i64, 0, Ok(0))]
#[case::read_only(1, 0, 4, Err(Errno::PERM))]
#[case::read_only_nothing(1, 0, 0, Err(Errno::PERM))]
#[case::read_only_past_the_end(1, SIZE as i64, 4, Err(Errno::PERM))]
fn writing(
    #[case] index: u32,
    #[case] at: i64,
    #[case] length: usize,
    #[case] expected: Result<usize, Errno>,
) {
    let mut handle = open(&system(), NodeId::mtdblock(index), RW);
    assert_eq!(handle.pwrite(at, &vec![0; length]), expected);
}

#[test]
fn a_locked_erase_block_takes_the_write_and_fails_the_fsync() {
    let system = system();
    system.with_chip(0, |chip| chip.set_locked(EraseBlock(0), true).unwrap());
    let mut handle = open(&system, NODE, RW);
    assert_eq!(handle.write(&[1]), Ok(1));
    assert_eq!(handle.fsync(), Err(Errno::IO));
    // The copy is kept and tried again: unlocked, it lands.
    system.with_chip(0, |chip| chip.set_locked(EraseBlock(0), false).unwrap());
    assert_eq!(handle.fsync(), Ok(()));
    assert_eq!(cells(&system, 0, 1), [1]);
}

#[test]
fn what_a_block_node_lacks_and_has() {
    let mut handle = open(&system(), NODE, RW);
    assert_eq!(handle.ftruncate(0), Err(Errno::INVAL));
    assert_eq!(handle.splice_source(), Ok(()));
    assert_eq!(handle.stat().size_bytes, 0);
}

#[test]
fn many_dirty_pages_are_written_back_early() {
    let geometry = Geometry {
        size_bytes: 160 * BLOCK,
        erase_block_bytes: BLOCK as u32,
    };
    let layout = Layout {
        chips: vec![ChipLayout {
            geometry,
            partitions: vec![PartitionSpec {
                name: "all".into(),
                offset_bytes: 0,
                size_bytes: geometry.size_bytes,
                ..PartitionSpec::default()
            }],
        }],
    };
    let system = MtdSystem::new(vec![Chip::new(geometry)], &layout);
    let mut handle = open(&system, NODE, RW);
    let data = vec![3; geometry.size_bytes as usize];
    assert_eq!(handle.write(&data), Ok(data.len()));
    let early = system.with_chip(0, |chip| chip.counters().erases());
    assert!(early > 0);
    drop(handle);
    // Where the last two requests change places, erase blocks are erased again.
    let erases = system.with_chip(0, |chip| chip.counters().erases());
    assert!((160..170).contains(&erases), "{erases}");
    assert_eq!(cells(&system, 0, data.len()), data);
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, usize, Vec<u8>),
    Read(usize, usize, usize),
    Fsync(usize),
    Reopen(usize),
    Sync,
    FlushBuffers,
}

fn step() -> impl Strategy<Value = Step> {
    let handle = || 0..2usize;
    // Around the starts of erase blocks and the device's end.
    let at = || {
        (0..5usize, 0..9000usize)
            .prop_map(|(block, by)| (block * BLOCK as usize + by).saturating_sub(4500))
    };
    prop_oneof![
        4 => (handle(), at(), prop::collection::vec(any::<u8>(), 0..9000))
            .prop_map(|(n, at, data)| Step::Write(n, at, data)),
        4 => (handle(), at(), 0..9000usize).prop_map(|(n, at, length)| Step::Read(n, at, length)),
        1 => handle().prop_map(Step::Fsync),
        1 => handle().prop_map(Step::Reopen),
        1 => Just(Step::Sync),
        1 => Just(Step::FlushBuffers),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn two_handles_are_one_byte_vector(steps in prop::collection::vec(step(), 0..25)) {
        let system = system();
        let mut handles = [open(&system, NODE, RW), open(&system, NODE, RW)];
        let mut model: Vec<u8> = (0..SIZE).map(pattern).collect();
        for step in steps {
            match step {
                Step::Write(n, at, data) => {
                    let expected = match model.len().checked_sub(at) {
                        _ if data.is_empty() => Ok(0),
                        None | Some(0) => Err(Errno::NOSPC),
                        Some(left) => Ok(left.min(data.len())),
                    };
                    prop_assert_eq!(handles[n].pwrite(at as i64, &data), expected);
                    let landed = expected.unwrap_or(0);
                    if landed > 0 {
                        model[at..at + landed].copy_from_slice(&data[..landed]);
                    }
                }
                Step::Read(n, at, length) => {
                    let mut buf = vec![0; length];
                    let answer = handles[n].pread(at as i64, &mut buf).unwrap();
                    let expected: Vec<u8> = model.iter().skip(at).take(length).copied().collect();
                    prop_assert_eq!(&buf[..answer], &expected[..]);
                }
                Step::Fsync(n) => {
                    prop_assert_eq!(handles[n].fsync(), Ok(()));
                    prop_assert_eq!(cells(&system, 0, SIZE as usize), &model[..]);
                }
                Step::Reopen(n) => handles[n] = open(&system, NODE, RW),
                Step::Sync => system.sync(),
                Step::FlushBuffers => {
                    let answer = handles[0].ioctl(BLKFLSBUF, 0, &mut SliceMemory::new([]));
                    prop_assert_eq!(answer, Ok(0));
                }
            }
        }
        drop(handles);
        prop_assert_eq!(cells(&system, 0, SIZE as usize), &model[..]);
        prop_assert_eq!(cells(&system, SIZE, 1), [pattern(SIZE)]);
    }
}
