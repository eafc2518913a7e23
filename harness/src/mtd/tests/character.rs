//! Character nodes: open, read, write, seek, and what they lack.

use super::*;
use crate::mtd::character::CHUNK_BYTES;
use proptest::prelude::*;

const RO: OpenFlags = OpenFlags::READ;
const WO: OpenFlags = OpenFlags::WRITE;
const RW: OpenFlags = OpenFlags::READ_WRITE;

#[rstest]
#[case::device(NodeId::mtd(0), RW, Ok(()))]
#[case::device_write_only(NodeId::mtd(0), WO, Ok(()))]
#[case::twin(NodeId::mtd_read_only(0), RO, Ok(()))]
#[case::twin_for_writing(NodeId::mtd_read_only(0), RW, Err(Errno::ACCESS))]
#[case::twin_of_nothing_for_writing(NodeId::mtd_read_only(7), WO, Err(Errno::ACCESS))]
#[case::twin_of_nothing(NodeId::mtd_read_only(7), RO, Err(Errno::NODEV))]
#[case::nothing(NodeId::mtd(3), RO, Err(Errno::NODEV))]
#[case::nothing_for_writing(NodeId::mtd(3), RW, Err(Errno::NODEV))]
#[case::read_only_device(NodeId::mtd(1), RO, Ok(()))]
#[case::read_only_device_for_writing(NodeId::mtd(1), RW, Err(Errno::ACCESS))]
#[case::read_only_device_write_only(NodeId::mtd(2), WO, Err(Errno::ACCESS))]
#[case::block_node(NodeId::mtdblock(2), RW, Ok(()))]
#[case::no_block_device(NodeId::mtdblock(3), RO, Err(Errno::NXIO))]
#[case::another_driver(NodeId::Character { major: 1, minor: 3 }, RO, Err(Errno::NXIO))]
#[case::another_block_driver(NodeId::Block { major: 90, minor: 0 }, RO, Err(Errno::NXIO))]
fn opening(#[case] node: NodeId, #[case] flags: OpenFlags, #[case] expected: Result<(), Errno>) {
    assert_eq!(system().open(node, flags).map(|_| ()), expected);
}

#[rstest]
#[case::start(0, 10, Ok(10))]
#[case::across_the_end(SIZE as i64 - 4, 10, Ok(4))]
#[case::at_the_end(SIZE as i64, 10, Ok(0))]
#[case::past_the_end(SIZE as i64 + 1, 10, Ok(0))]
#[case::far_past_the_end(i64::MAX - 10, 10, Ok(0))]
#[case::beyond_all_offsets(i64::MAX - 9, 10, Err(Errno::INVAL))]
#[case::nothing_beyond_all(i64::MAX, 0, Ok(0))]
#[case::nothing(5, 0, Ok(0))]
#[case::negative(-1, 10, Err(Errno::INVAL))]
#[case::negative_nothing(-1, 0, Err(Errno::INVAL))]
fn reading(#[case] at: i64, #[case] length: usize, #[case] expected: Result<usize, Errno>) {
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    let mut buf = vec![0x5a; length];
    let answer = handle.pread(at, &mut buf);
    assert_eq!(answer, expected);
    for (n, byte) in buf.iter().take(answer.unwrap_or(0)).enumerate() {
        assert_eq!(*byte, pattern(at as u64 + n as u64));
    }
    assert_eq!(
        handle.lseek(Seek::Current(0)),
        Ok(0),
        "pread moved the position"
    );
}

#[rstest]
#[case::inside(0, 4, Ok(4))]
#[case::nothing_inside(0, 0, Ok(0))]
#[case::across_the_end(SIZE as i64 - 3, 4, Ok(3))]
#[case::at_the_end(SIZE as i64, 4, Err(Errno::NOSPC))]
#[case::nothing_at_the_end(SIZE as i64, 0, Err(Errno::NOSPC))]
#[case::past_the_end(SIZE as i64 + 9, 4, Err(Errno::NOSPC))]
#[case::negative(-4, 4, Err(Errno::INVAL))]
fn writing(#[case] at: i64, #[case] length: usize, #[case] expected: Result<usize, Errno>) {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(0), RW);
    assert_eq!(handle.pwrite(at, &vec![0; length]), expected);
    let landed = expected.unwrap_or(0);
    let before = cells(&system, SIZE, 8);
    assert_eq!(
        before,
        (SIZE..SIZE + 8).map(pattern).collect::<Vec<_>>(),
        "mtd1 was touched"
    );
    if landed > 0 {
        assert_eq!(cells(&system, at as u64, landed), vec![0; landed]);
    }
}

#[test]
fn access_modes() {
    let system = system();
    let neither = OpenFlags {
        read: false,
        write: false,
    };
    for (flags, read, write) in [
        (RO, Ok(1), Err(Errno::BADF)),
        (WO, Err(Errno::BADF), Ok(1)),
        (RW, Ok(1), Ok(1)),
        (neither, Err(Errno::BADF), Err(Errno::BADF)),
    ] {
        let mut handle = open(&system, NodeId::mtd(0), flags);
        assert_eq!(handle.read(&mut [0]), read);
        assert_eq!(handle.write(&[0xff]), write);
        assert_eq!(handle.pread(0, &mut [0]), read);
        assert_eq!(handle.pwrite(0, &[0xff]), write);
    }
}

#[test]
fn there_is_no_implicit_erase() {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(0), RW);
    let old = cells(&system, 100, 2);
    assert_eq!(handle.pwrite(100, &[0x0f, 0xff]), Ok(2));
    assert_eq!(cells(&system, 100, 2), [old[0] & 0x0f, old[1]]);
}

#[test]
fn opening_to_truncate_erases_nothing() {
    // O_CREAT and O_TRUNC do not reach the driver: a handle for writing is all.
    let system = system();
    drop(open(&system, NodeId::mtd(0), WO));
    assert_eq!(cells(&system, 0, 1), [pattern(0)]);
    system.with_chip(0, |chip| assert_eq!(chip.counters().erases(), 0));
}

#[rstest]
#[case::start(Seek::Set(0), Ok(0))]
#[case::end(Seek::Set(SIZE as i64), Ok(SIZE))]
#[case::beyond(Seek::Set(SIZE as i64 + 1), Err(Errno::INVAL))]
#[case::negative(Seek::Set(-1), Err(Errno::INVAL))]
#[case::here(Seek::Current(0), Ok(10))]
#[case::back(Seek::Current(-10), Ok(0))]
#[case::too_far_back(Seek::Current(-11), Err(Errno::INVAL))]
#[case::overflow(Seek::Current(i64::MAX), Err(Errno::INVAL))]
#[case::from_the_end(Seek::End(0), Ok(SIZE))]
#[case::before_the_end(Seek::End(-1), Ok(SIZE - 1))]
#[case::behind_the_end(Seek::End(1), Err(Errno::INVAL))]
#[case::before_the_start(Seek::End(-(SIZE as i64) - 1), Err(Errno::INVAL))]
#[case::lowest(Seek::End(i64::MIN), Err(Errno::INVAL))]
#[case::data(Seek::Other(0), Err(Errno::INVAL))]
fn seeking(#[case] to: Seek, #[case] expected: Result<u64, Errno>) {
    for node in [NodeId::mtd(0), NodeId::mtdblock(0)] {
        let mut handle = open(&system(), node, RO);
        handle.lseek(Seek::Set(10)).unwrap();
        assert_eq!(handle.lseek(to), expected, "{node:?}");
        let stands = expected.unwrap_or(10);
        assert_eq!(handle.lseek(Seek::Current(0)), Ok(stands), "{node:?}");
    }
}

#[test]
fn what_a_character_node_lacks() {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    assert_eq!(handle.fsync(), Err(Errno::INVAL));
    assert_eq!(handle.ftruncate(0), Err(Errno::INVAL));
    assert_eq!(handle.fallocate(0, 0, 512), Err(Errno::NODEV));
    assert_eq!(handle.mmap(), Err(Errno::NODEV));
    assert_eq!(handle.splice_source(), Err(Errno::INVAL));
    assert_eq!(handle.stat().size_bytes, 0);
    assert_eq!(
        handle.stat().node,
        NodeId::Character {
            major: 90,
            minor: 0
        }
    );
}

#[test]
fn an_error_in_a_later_chunk_is_answered_although_earlier_ones_landed() {
    let block_bytes = CHUNK_BYTES as u64;
    let geometry = Geometry {
        size_bytes: 2 * block_bytes,
        erase_block_bytes: CHUNK_BYTES as u32,
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
    let mut chip = Chip::new(geometry);
    chip.set_locked(crate::chip::EraseBlock(1), true).unwrap();
    let system = MtdSystem::new(vec![chip], &layout);
    let mut handle = open(&system, NodeId::mtd(0), RW);
    let data = vec![0; CHUNK_BYTES + 1];
    assert_eq!(handle.write(&data), Err(Errno::ROFS));
    assert_eq!(handle.lseek(Seek::Current(0)), Ok(block_bytes));
    assert_eq!(cells(&system, block_bytes - 1, 2), [0, 0xff]);
}

#[test]
fn a_device_that_shrinks_under_a_reader() {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(0), RO);
    handle.lseek(Seek::Set(0x100)).unwrap();
    system.set_size(0, Some(0x102));
    assert_eq!(handle.read(&mut [0; 8]), Ok(2));
    assert_eq!(handle.read(&mut [0; 8]), Ok(0));
    assert_eq!(handle.lseek(Seek::End(0)), Ok(0x102));
}

#[test]
fn a_device_that_grows_serves_what_follows_up_to_the_chip() {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(2), RO);
    system.set_size(2, Some(0x1004));
    assert_eq!(handle.pread(0xffe, &mut [0; 2]), Ok(2));
    assert_eq!(handle.pread(0xffe, &mut [0; 6]), Err(Errno::IO));
    let mut handle = open(&system, NodeId::mtd(1), RO);
    system.set_size(1, Some(BLOCK));
    let mut last = [0];
    assert_eq!(handle.pread(BLOCK as i64 - 1, &mut last), Ok(1));
    assert_eq!(last, [pattern(5 * BLOCK - 1)]);
}

#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    Write(Vec<u8>),
    Pread(i64, usize),
    Pwrite(i64, Vec<u8>),
    Seek(Seek),
}

fn step() -> impl Strategy<Value = Step> {
    // Offsets gather around the start and the end of the device.
    let offset = || prop_oneof![-3..40i64, SIZE as i64 - 40..SIZE as i64 + 3];
    let data = || prop::collection::vec(any::<u8>(), 0..50);
    prop_oneof![
        (0..50usize).prop_map(Step::Read),
        data().prop_map(Step::Write),
        (offset(), 0..50usize).prop_map(|(at, length)| Step::Pread(at, length)),
        (offset(), data()).prop_map(|(at, data)| Step::Pwrite(at, data)),
        offset().prop_map(|to| Step::Seek(Seek::Set(to))),
        (-60..60i64).prop_map(|by| Step::Seek(Seek::Current(by))),
        (-60..3i64).prop_map(|by| Step::Seek(Seek::End(by))),
    ]
}

/// The device as a byte vector with a position.
struct Model {
    cells: Vec<u8>,
    position: i64,
}

impl Model {
    fn read(&self, at: i64, length: usize) -> Result<Vec<u8>, Errno> {
        let at = usize::try_from(at).map_err(|_| Errno::INVAL)?;
        Ok(self.cells.iter().skip(at).take(length).copied().collect())
    }

    fn write(&mut self, at: i64, data: &[u8]) -> Result<usize, Errno> {
        let at = usize::try_from(at).map_err(|_| Errno::INVAL)?;
        if at >= self.cells.len() {
            return Err(Errno::NOSPC);
        }
        let old = self.cells[at..].iter_mut();
        Ok(old.zip(data).map(|(old, new)| *old &= new).count())
    }

    fn seek(&mut self, to: Seek) -> Result<u64, Errno> {
        let target = match to {
            Seek::Set(n) => n,
            Seek::Current(n) => self.position + n,
            Seek::End(n) => self.cells.len() as i64 + n,
            Seek::Other(_) => return Err(Errno::INVAL),
        };
        if !(0..=self.cells.len() as i64).contains(&target) {
            return Err(Errno::INVAL);
        }
        self.position = target;
        Ok(target as u64)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_handle_is_a_byte_vector_with_a_position(steps in prop::collection::vec(step(), 0..40)) {
        let system = system();
        let mut handle = open(&system, NodeId::mtd(0), RW);
        let mut model = Model { cells: (0..SIZE).map(pattern).collect(), position: 0 };
        for step in steps {
            match step {
                Step::Read(length) => {
                    let mut buf = vec![0; length];
                    let answer = handle.read(&mut buf).map(|n| buf[..n].to_vec());
                    let expected = model.read(model.position, length);
                    model.position += expected.as_ref().map_or(0, Vec::len) as i64;
                    prop_assert_eq!(answer, expected);
                }
                Step::Write(data) => {
                    let expected = model.write(model.position, &data);
                    model.position += expected.unwrap_or(0) as i64;
                    prop_assert_eq!(handle.write(&data), expected);
                }
                Step::Pread(at, length) => {
                    let mut buf = vec![0; length];
                    let answer = handle.pread(at, &mut buf).map(|n| buf[..n].to_vec());
                    prop_assert_eq!(answer, model.read(at, length));
                }
                Step::Pwrite(at, data) => {
                    prop_assert_eq!(handle.pwrite(at, &data), model.write(at, &data));
                }
                Step::Seek(to) => prop_assert_eq!(handle.lseek(to), model.seek(to)),
            }
            prop_assert_eq!(handle.lseek(Seek::Current(0)), Ok(model.position as u64));
        }
        prop_assert_eq!(cells(&system, 0, SIZE as usize), model.cells);
    }
}
