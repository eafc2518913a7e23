//! Block nodes: what their ioctls answer and change.

use super::*;
use crate::mtd::ioctl_number::*;

const RO: OpenFlags = OpenFlags::READ;
const RW: OpenFlags = OpenFlags::READ_WRITE;
const NODE: NodeId = NodeId::Block {
    major: 31,
    minor: 0,
};

/// Eight bytes of zeroed memory with a number of C's at their start.
fn at_the_start(number: &[u8]) -> [u8; 8] {
    let mut memory = [0; 8];
    memory[..number.len()].copy_from_slice(number);
    memory
}

fn short(number: u16) -> [u8; 8] {
    at_the_start(&number.to_ne_bytes())
}

fn int(number: u32) -> [u8; 8] {
    at_the_start(&number.to_ne_bytes())
}

/// Of a 64-bit program; 64 bits on purpose are as long.
fn long(number: u64) -> [u8; 8] {
    number.to_ne_bytes()
}

#[rstest]
#[case::size(BLKGETSIZE64, Ok(long(SIZE)), Ok(long(0x1f000)))]
#[case::sectors(BLKGETSIZE, Ok(long(SIZE / 512)), Ok(long(0x1f000 / 512)))]
#[case::sector(BLKSSZGET, Ok(int(512)), Ok(int(512)))]
#[case::physical_sector(BLKPBSZGET, Ok(int(512)), Ok(int(512)))]
#[case::unit(BLKBSZGET, Ok(int(4096)), Ok(int(4096)))]
#[case::read_only(BLKROGET, Ok(int(0)), Ok(int(1)))]
#[case::number(BLKGETDISKSEQ, Ok(long(1)), Ok(long(2)))]
#[case::read_ahead(BLKRAGET, Ok(long(256)), Ok(long(256)))]
#[case::request(BLKSECTGET, Ok(short(255)), Ok(short(255)))]
#[case::smallest(BLKIOMIN, Ok(int(512)), Ok(int(512)))]
#[case::best(BLKIOOPT, Ok(int(0)), Ok(int(0)))]
#[case::rotational(BLKROTATIONAL, Ok(short(0)), Ok(short(0)))]
#[case::mtd_info(MEMGETINFO, Err(Errno::NOTTY), Err(Errno::NOTTY))]
#[case::mtd_erase(MEMERASE, Err(Errno::NOTTY), Err(Errno::NOTTY))]
#[case::terminal(0x5401, Err(Errno::NOTTY), Err(Errno::NOTTY))]
#[case::geometry(HDIO_GETGEO, Err(Errno::NOTTY), Err(Errno::NOTTY))]
#[case::partition_table(BLKRRPART, Err(Errno::INVAL), Err(Errno::INVAL))]
#[case::discard(BLKDISCARD, Err(Errno::BADF), Err(Errno::BADF))]
#[case::zero_out(BLKZEROOUT, Err(Errno::BADF), Err(Errno::BADF))]
#[case::narrow_size(BLKGETSIZE64_32, Err(Errno::NOTTY), Err(Errno::NOTTY))]
fn ioctls(
    #[case] command: u32,
    #[case] of_mtd0: Result<[u8; 8], Errno>,
    #[case] of_mtd1: Result<[u8; 8], Errno>,
) {
    let system = system();
    for (index, expected) in [(0, of_mtd0), (1, of_mtd1)] {
        let mut handle = open(&system, NodeId::mtdblock(index), RO);
        let mut memory = SliceMemory::new([0; 8]);
        let base = memory.base();
        let answer = handle.ioctl(command, base, &mut memory);
        assert_eq!(answer, expected.map(|_| 0), "mtdblock{index}");
        if let Ok(value) = expected {
            assert_eq!(memory.bytes(), value, "mtdblock{index}");
            let nowhere = handle.ioctl(command, base + 7, &mut memory);
            assert_eq!(nowhere, Err(Errno::FAULT), "mtdblock{index}");
        }
    }
}

#[test]
fn sizes_of_a_program_with_32_bit_pointers() {
    let mut handle = open(&system(), NODE, RO);
    let mut memory = SliceMemory::new([0xff; 8]).with_32_bit_pointers();
    let base = memory.base();
    assert_eq!(handle.ioctl(BLKGETSIZE64_32, base, &mut memory), Ok(0));
    assert_eq!(memory.bytes(), SIZE.to_ne_bytes());
    let mut memory = SliceMemory::new([0xff; 8]).with_32_bit_pointers();
    assert_eq!(handle.ioctl(BLKGETSIZE, base, &mut memory), Ok(0));
    assert_eq!(memory.bytes()[4..], [0xff; 4], "a long is 4 bytes there");
}

#[rstest]
#[case::pages(0x1f000, 0x1f000, 4096)]
#[case::half_pages(0x1800, 0x1800, 2048)]
#[case::sectors(0x600, 0x600, 512)]
#[case::cut(0x7ff, 0x600, 512)]
#[case::nothing(100, 0, 4096)]
fn odd_sizes(#[case] size: u64, #[case] capacity: u64, #[case] unit: u32) {
    let system = system();
    system.set_size(0, Some(size));
    let mut handle = open(&system, NODE, RO);
    for (command, expected) in [(BLKGETSIZE64, long(capacity)), (BLKBSZGET, int(unit))] {
        let mut memory = SliceMemory::new([0; 8]);
        handle.ioctl(command, memory.base(), &mut memory).unwrap();
        assert_eq!(memory.bytes(), expected);
    }
    assert_eq!(handle.lseek(Seek::End(0)), Ok(capacity));
    assert_eq!(handle.read(&mut vec![0; 0x20000]), Ok(0));
    assert_eq!(
        handle.pread(0, &mut vec![0; 0x20000]),
        Ok(capacity as usize)
    );
}

#[test]
fn only_an_administrator_flushes_or_makes_read_only() {
    let mut handle = open(&system(), NODE, RW);
    let mut memory = SliceMemory::new(1u32.to_ne_bytes());
    let base = memory.base();
    handle.set_administrator(false);
    for command in [BLKFLSBUF, BLKROSET, BLKRASET, BLKRRPART] {
        let answer = handle.ioctl(command, base, &mut memory);
        assert_eq!(answer, Err(Errno::ACCESS), "{command:#x}");
    }
    handle.set_administrator(true);
    assert_eq!(handle.ioctl(BLKROSET, base, &mut memory), Ok(0));
    assert_eq!(handle.write(&[1]), Err(Errno::PERM));
}

#[rstest]
#[case::sector(512, Ok(0), 512)]
#[case::page(4096, Ok(0), 4096)]
#[case::too_large(8192, Err(Errno::INVAL), 4096)]
#[case::too_small(256, Err(Errno::INVAL), 4096)]
#[case::no_power_of_two(1536, Err(Errno::INVAL), 4096)]
fn setting_the_unit(#[case] unit: u32, #[case] answer: Result<i32, Errno>, #[case] now: u32) {
    let system = system();
    let mut handle = open(&system, NODE, RO);
    let mut memory = SliceMemory::new(int(unit));
    let base = memory.base();
    assert_eq!(handle.ioctl(BLKBSZSET, 0, &mut memory), Err(Errno::INVAL));
    assert_eq!(handle.ioctl(BLKBSZSET, base, &mut memory), answer);
    let mut memory = SliceMemory::new([0; 8]);
    handle.ioctl(BLKBSZGET, base, &mut memory).unwrap();
    assert_eq!(memory.bytes(), int(now));
    drop(handle);
    let mut handle = open(&system, NODE, RO);
    handle.ioctl(BLKBSZGET, base, &mut memory).unwrap();
    assert_eq!(memory.bytes(), int(4096), "until the last close");
}

#[test]
fn zeroing_a_range() {
    let system = system();
    let mut handle = open(&system, NODE, RW);
    let mut memory = SliceMemory::new([512u64, 1024].map(u64::to_ne_bytes).concat());
    let base = memory.base();
    assert_eq!(handle.ioctl(BLKZEROOUT, base, &mut memory), Ok(0));
    const ZERO_RANGE: u32 = 0x10;
    assert_eq!(handle.fallocate(ZERO_RANGE, 8192, 512), Ok(()));
    assert_eq!(handle.fallocate(ZERO_RANGE, 8191, 512), Err(Errno::INVAL));
    assert_eq!(
        handle.fallocate(ZERO_RANGE, SIZE as i64, 512),
        Err(Errno::INVAL)
    );
    assert_eq!(handle.fallocate(0, 0, 512), Err(Errno::OPNOTSUPP));
    assert_eq!(handle.fallocate(0, 0, 0), Err(Errno::INVAL));
    handle.fsync().unwrap();
    assert_eq!(cells(&system, 511, 2), [pattern(511), 0]);
    assert_eq!(cells(&system, 1535, 2), [0, pattern(1536)]);
    assert_eq!(cells(&system, 8192, 512), [0; 512]);
}
