//! The ioctls of character nodes, answer by answer.

use super::*;
use crate::mtd::ioctl_number::*;

const RO: OpenFlags = OpenFlags::READ;
const RW: OpenFlags = OpenFlags::READ_WRITE;

/// Memory that holds these 32-bit words, and its address.
fn words(words: &[u32]) -> (SliceMemory, u64) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let memory = SliceMemory::new(bytes);
    let base = memory.base();
    (memory, base)
}

fn words_of(memory: &SliceMemory) -> Vec<u32> {
    let each = memory.bytes().chunks_exact(4);
    each.map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
        .collect()
}

fn call(handle: &mut Handle, command: u32, argument: &[u32]) -> Result<i32, Errno> {
    let (mut memory, base) = words(argument);
    handle.ioctl(command, base, &mut memory)
}

/// Every command that mtdchar knows, with the size of its argument.
const KNOWN: [(u32, usize); 26] = [
    (MEMGETINFO, 32),
    (MEMERASE, 8),
    (MEMWRITEOOB, 16),
    (MEMREADOOB, 16),
    (MEMLOCK, 8),
    (MEMUNLOCK, 8),
    (MEMGETREGIONCOUNT, 4),
    (MEMGETREGIONINFO, 16),
    (MEMGETOOBSEL, 0),
    (MEMGETBADBLOCK, 8),
    (MEMSETBADBLOCK, 8),
    (OTPSELECT, 4),
    (OTPGETREGIONCOUNT, 0),
    (OTPGETREGIONINFO, 0),
    (OTPLOCK, 0),
    (ECCGETLAYOUT, 0),
    (ECCGETSTATS, 16),
    (MTDFILEMODE, 0),
    (MEMERASE64, 16),
    (MEMWRITEOOB64, 24),
    (MEMREADOOB64, 24),
    (MEMISLOCKED, 8),
    (MEMWRITE, 48),
    (OTPERASE, 0),
    (MEMREAD, 64),
    (BLKPG, 24),
];

const CHANGE_FLASH: [u32; 10] = [
    MEMERASE,
    MEMERASE64,
    MEMLOCK,
    MEMUNLOCK,
    MEMSETBADBLOCK,
    MEMWRITE,
    MEMWRITEOOB,
    MEMWRITEOOB64,
    OTPLOCK,
    OTPERASE,
];

#[test]
fn a_bad_address_is_efault_where_there_is_an_argument() {
    let system = system();
    for (command, size) in KNOWN {
        let mut handle = open(&system, NodeId::mtd(0), RW);
        let mut memory = SliceMemory::new(vec![0; size.saturating_sub(1)]);
        for address in [0, memory.base(), u64::MAX - 3] {
            let answer = handle.ioctl(command, address, &mut memory);
            assert_eq!(
                answer == Err(Errno::FAULT),
                size > 0,
                "{command:#x} {answer:?}"
            );
        }
    }
}

#[test]
fn without_write_access_eperm_comes_before_the_argument() {
    let system = system();
    for (command, _) in KNOWN {
        for node in [NodeId::mtd(0), NodeId::mtd(1), NodeId::mtd_read_only(0)] {
            let mut handle = open(&system, node, RO);
            let answer = handle.ioctl(command, 0, &mut SliceMemory::new([]));
            let refused = answer == Err(Errno::PERM);
            assert_eq!(refused, CHANGE_FLASH.contains(&command), "{command:#x}");
        }
    }
}

#[rstest]
#[case::terminal(0x5401)]
#[case::mtd_of_another_size(0x8021_4d01)]
#[case::mtd_number_9(0x8004_4d09)]
#[case::mtd_number_27(0xc040_4d1b)]
#[case::block_size(BLKGETSIZE64)]
#[case::block_flush(BLKFLSBUF)]
#[case::oob_with_a_32_bit_pointer(MEMREADOOB_32)]
#[case::zero(0)]
fn unknown_commands(#[case] command: u32) {
    // ENOTTY even where the argument is bad and nothing may be written.
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    let answer = handle.ioctl(command, 0, &mut SliceMemory::new([]));
    assert_eq!(answer, Err(Errno::NOTTY));
}

#[rstest]
#[case::writeable(0, [3, 0xc00, 4 * BLOCK as u32, 0x20000, 1, 0, 0, 0])]
#[case::forced_read_only(1, [3, 0x800, 0x1f000, 0x20000, 1, 0, 0, 0])]
fn memgetinfo(#[case] index: u32, #[case] expected: [u32; 8]) {
    let mut handle = open(&system(), NodeId::mtd(index), RO);
    let (mut memory, base) = words(&[0xdead_beef; 8]);
    assert_eq!(handle.ioctl(MEMGETINFO, base, &mut memory), Ok(0));
    let mut found = words_of(&memory);
    // The type is one byte; its padding is zero on either byte order.
    found[0] = u32::from(found[0].to_ne_bytes()[0]);
    assert_eq!(found, expected);
    assert_eq!(memory.bytes()[1..4], [0; 3]);
}

#[test]
fn memgetinfo_cuts_a_size_past_32_bits() {
    let system = system();
    system.set_size(0, Some(0x1_0000_2000));
    let mut handle = open(&system, NodeId::mtd(0), RO);
    let (mut memory, base) = words(&[0; 8]);
    handle.ioctl(MEMGETINFO, base, &mut memory).unwrap();
    assert_eq!(words_of(&memory)[2], 0x2000);
}

const B: u32 = BLOCK as u32;

#[rstest]
#[case::one(B, B, Ok(0), 1)]
#[case::all(0, 4 * B, Ok(0), 4)]
#[case::nothing(B, 0, Ok(0), 0)]
#[case::nothing_off_the_boundary(5, 0, Ok(0), 0)]
#[case::start_off(B + 1, B, Err(Errno::INVAL), 0)]
#[case::length_off(0, B - 1, Err(Errno::INVAL), 0)]
#[case::beyond(3 * B, 2 * B, Err(Errno::INVAL), 0)]
#[case::at_the_end(4 * B, 0, Err(Errno::INVAL), 0)]
#[case::at_the_end_with_length(4 * B, B, Err(Errno::INVAL), 0)]
#[case::no_wrap_at_32_bits(B, u32::MAX - B + 1, Err(Errno::INVAL), 0)]
fn erasing(
    #[case] start: u32,
    #[case] length: u32,
    #[case] expected: Result<i32, Errno>,
    #[case] erases: u64,
) {
    for wide in [false, true] {
        let system = system();
        let mut handle = open(&system, NodeId::mtd(0), RW);
        let answer = match wide {
            false => call(&mut handle, MEMERASE, &[start, length]),
            true => {
                let range = [u64::from(start), u64::from(length)];
                let bytes: Vec<u8> = range.iter().flat_map(|n| n.to_ne_bytes()).collect();
                let mut memory = SliceMemory::new(bytes);
                handle.ioctl(MEMERASE64, memory.base(), &mut memory)
            }
        };
        assert_eq!(answer, expected);
        system.with_chip(0, |chip| assert_eq!(chip.counters().erases(), erases));
        if erases > 0 {
            let erased = cells(&system, start.into(), length as usize);
            assert!(erased.iter().all(|byte| *byte == 0xff));
        }
        assert_eq!(cells(&system, SIZE, 1), [pattern(SIZE)], "the neighbour");
    }
}

#[test]
fn memerase64_does_not_wrap() {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    for range in [[BLOCK, u64::MAX - BLOCK + 1], [u64::MAX, 1], [0, u64::MAX]] {
        let bytes: Vec<u8> = range.iter().flat_map(|n| n.to_ne_bytes()).collect();
        let mut memory = SliceMemory::new(bytes);
        let base = memory.base();
        let answer = handle.ioctl(MEMERASE64, base, &mut memory);
        assert_eq!(answer, Err(Errno::INVAL), "{range:x?}");
    }
}

#[test]
fn locking() {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(0), RW);
    assert_eq!(call(&mut handle, MEMISLOCKED, &[0, 4 * B]), Ok(0));
    assert_eq!(call(&mut handle, MEMLOCK, &[B, 2 * B]), Ok(0));
    for (range, locked) in [([0, B], 0), ([B, B], 1), ([2 * B, B], 1), ([0, 4 * B], 1)] {
        assert_eq!(
            call(&mut handle, MEMISLOCKED, &range),
            Ok(locked),
            "{range:x?}"
        );
    }
    assert_eq!(handle.pwrite(i64::from(B), &[0]), Err(Errno::ROFS));
    assert_eq!(call(&mut handle, MEMERASE, &[0, 2 * B]), Err(Errno::ROFS));
    assert_eq!(
        cells(&system, 0, 1),
        [0xff],
        "the first erase block was erased"
    );
    assert_eq!(call(&mut handle, MEMUNLOCK, &[B, B]), Ok(0));
    assert_eq!(handle.pwrite(i64::from(B), &[0]), Ok(1));
    assert_eq!(handle.pwrite(2 * i64::from(B), &[0]), Err(Errno::ROFS));
}

#[rstest]
#[case::nothing(0, 0, Ok(0))]
#[case::at_the_end(4 * B, 0, Err(Errno::INVAL))]
#[case::beyond(0, 5 * B, Err(Errno::INVAL))]
#[case::off(1, B, Err(Errno::INVAL))]
fn locking_ranges(#[case] start: u32, #[case] length: u32, #[case] expected: Result<i32, Errno>) {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    for command in [MEMLOCK, MEMUNLOCK] {
        assert_eq!(call(&mut handle, command, &[start, length]), expected);
    }
}

/// Linux's Intel driver says "locked" for a range off the boundaries too.
#[test]
fn a_range_off_the_boundaries_counts_as_locked() {
    let system = system();
    let mut handle = open(&system, NodeId::mtd(1), RO);
    assert_eq!(call(&mut handle, MEMISLOCKED, &[0, 0x1f000]), Ok(1));
    assert_eq!(call(&mut handle, MEMISLOCKED, &[0, 0]), Ok(0));
    assert_eq!(call(&mut handle, MEMISLOCKED, &[0, B]), Err(Errno::INVAL));
    let mut handle = open(&system, NodeId::mtd(2), RO);
    assert_eq!(call(&mut handle, MEMISLOCKED, &[0, 0x1000]), Ok(1));
}

#[test]
fn locks_belong_to_the_chip_not_to_the_partition() {
    let system = system();
    system.with_chip(0, |chip| chip.power_up(true));
    let mut handle = open(&system, NodeId::mtd(0), RW);
    assert_eq!(handle.pwrite(0, &[0]), Err(Errno::ROFS));
    assert_eq!(call(&mut handle, MEMUNLOCK, &[0, 4 * B]), Ok(0));
    assert_eq!(handle.pwrite(0, &[0]), Ok(1));
    system.with_chip(0, |chip| {
        assert!(chip.is_locked(crate::chip::EraseBlock(4)))
    });
}

#[rstest]
#[case::bad_block_inside(MEMGETBADBLOCK, SIZE - 1, Ok(0))]
#[case::bad_block_outside(MEMGETBADBLOCK, SIZE, Err(Errno::INVAL))]
#[case::bad_block_negative(MEMGETBADBLOCK, u64::MAX, Err(Errno::INVAL))]
#[case::mark_bad(MEMSETBADBLOCK, 0, Err(Errno::OPNOTSUPP))]
#[case::mark_bad_outside(MEMSETBADBLOCK, SIZE, Err(Errno::OPNOTSUPP))]
fn bad_blocks(#[case] command: u32, #[case] offset: u64, #[case] expected: Result<i32, Errno>) {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    let mut memory = SliceMemory::new(offset.to_ne_bytes());
    let base = memory.base();
    assert_eq!(handle.ioctl(command, base, &mut memory), expected);
}

#[rstest]
#[case::oob_layout(MEMGETOOBSEL, 50, Err(Errno::OPNOTSUPP))]
#[case::ecc_layout(ECCGETLAYOUT, 82, Err(Errno::OPNOTSUPP))]
#[case::write(MEMWRITE, 12, Err(Errno::OPNOTSUPP))]
#[case::read(MEMREAD, 16, Err(Errno::OPNOTSUPP))]
#[case::otp_count(OTPGETREGIONCOUNT, 1, Err(Errno::INVAL))]
#[case::otp_info(OTPGETREGIONINFO, 3, Err(Errno::INVAL))]
#[case::otp_lock(OTPLOCK, 3, Err(Errno::INVAL))]
#[case::otp_erase(OTPERASE, 3, Err(Errno::INVAL))]
#[case::read_partition_table(BLKRRPART, 1, Ok(0))]
#[case::region_info(MEMGETREGIONINFO, 4, Err(Errno::INVAL))]
fn what_plain_nor_lacks(
    #[case] command: u32,
    #[case] length_words: usize,
    #[case] expected: Result<i32, Errno>,
) {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    assert_eq!(call(&mut handle, command, &vec![0; length_words]), expected);
}

#[test]
fn statistics_and_regions_are_zero() {
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    let (mut memory, base) = words(&[7; 5]);
    assert_eq!(handle.ioctl(ECCGETSTATS, base, &mut memory), Ok(0));
    assert_eq!(words_of(&memory), [0, 0, 0, 0, 7]);
    let (mut memory, base) = words(&[7; 2]);
    assert_eq!(handle.ioctl(MEMGETREGIONCOUNT, base, &mut memory), Ok(0));
    assert_eq!(words_of(&memory), [0, 7]);
}

/// The count of bytes moved is stored even where the call fails: over `start`
/// by MEMREADOOB, over `length` by MEMREADOOB64.
#[rstest]
#[case::narrow(MEMREADOOB, &[9, 16, 0, 0], Err(Errno::INVAL), &[0, 16, 0, 0])]
#[case::narrow_of_nothing(MEMREADOOB, &[9, 0, 0, 0], Err(Errno::OPNOTSUPP), &[0, 0, 0, 0])]
#[case::narrow_of_nothing_outside(MEMREADOOB, &[SIZE as u32 + 1, 0, 0, 0], Err(Errno::INVAL), &[0, 0, 0, 0])]
#[case::narrow_too_long(MEMREADOOB, &[9, 4097, 0, 0], Err(Errno::INVAL), &[9, 4097, 0, 0])]
#[case::wide(MEMREADOOB64, &[9, 9, 0, 16, 0, 0], Err(Errno::INVAL), &[9, 9, 0, 0, 0, 0])]
#[case::wide_too_long(MEMREADOOB64, &[9, 9, 0, 4097, 0, 0], Err(Errno::INVAL), &[9, 9, 0, 4097, 0, 0])]
#[case::write(MEMWRITEOOB, &[0, 16, 0, 0], Err(Errno::OPNOTSUPP), &[0, 16, 0, 0])]
#[case::write_too_long(MEMWRITEOOB, &[0, 4097, 0, 0], Err(Errno::INVAL), &[0, 4097, 0, 0])]
#[case::write_wide(MEMWRITEOOB64, &[0, 0, 0, 16, 0, 0], Err(Errno::OPNOTSUPP), &[0, 0, 0, 16, 0, 0])]
fn oob(
    #[case] command: u32,
    #[case] argument: &[u32],
    #[case] expected: Result<i32, Errno>,
    #[case] after: &[u32],
) {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    let (mut memory, base) = words(argument);
    assert_eq!(handle.ioctl(command, base, &mut memory), expected);
    assert_eq!(words_of(&memory), after);
}

#[test]
fn oob_of_a_program_with_32_bit_pointers() {
    let mut handle = open(&system(), NodeId::mtd(0), RW);
    let (memory, base) = words(&[9, 16, 0]);
    let mut memory = memory.with_32_bit_pointers();
    let answer = handle.ioctl(MEMREADOOB_32, base, &mut memory);
    assert_eq!(answer, Err(Errno::INVAL));
    assert_eq!(words_of(&memory), [0, 16, 0]);
    let answer = handle.ioctl(MEMWRITEOOB_32, base, &mut memory);
    assert_eq!(answer, Err(Errno::OPNOTSUPP));
    let answer = handle.ioctl(MEMREADOOB, base, &mut memory);
    assert_eq!(answer, Err(Errno::NOTTY));
}

#[rstest]
#[case::normal(0, Ok(0), 0)]
#[case::otp_factory(1, Err(Errno::OPNOTSUPP), 0)]
#[case::otp_user(2, Err(Errno::OPNOTSUPP), 0)]
#[case::raw(3, Err(Errno::OPNOTSUPP), 5)]
#[case::unknown(4, Err(Errno::INVAL), 0)]
fn file_modes_set_the_position_back(
    #[case] mode: u64,
    #[case] expected: Result<i32, Errno>,
    #[case] position: u64,
) {
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    handle.lseek(Seek::Set(5)).unwrap();
    let answer = handle.ioctl(MTDFILEMODE, mode, &mut SliceMemory::new([]));
    assert_eq!(answer, expected);
    assert_eq!(handle.lseek(Seek::Current(0)), Ok(position));
}

#[rstest]
#[case::off(0, Ok(0))]
#[case::factory(1, Err(Errno::OPNOTSUPP))]
#[case::user(2, Err(Errno::OPNOTSUPP))]
#[case::unknown(3, Err(Errno::INVAL))]
fn otp_select_sets_the_position_back(#[case] mode: u32, #[case] expected: Result<i32, Errno>) {
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    handle.lseek(Seek::Set(5)).unwrap();
    assert_eq!(call(&mut handle, OTPSELECT, &[mode]), expected);
    assert_eq!(handle.lseek(Seek::Current(0)), Ok(0));
}

#[test]
fn a_file_mode_that_faults_leaves_the_position() {
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    handle.lseek(Seek::Set(5)).unwrap();
    let answer = handle.ioctl(OTPSELECT, 0, &mut SliceMemory::new([]));
    assert_eq!(answer, Err(Errno::FAULT));
    assert_eq!(handle.lseek(Seek::Current(0)), Ok(5));
}

#[test]
fn partitions_cannot_be_partitioned() {
    let mut handle = open(&system(), NodeId::mtd(0), RO);
    let mut memory = SliceMemory::new(vec![0; 200]);
    let base = memory.base();
    memory.write(base + 16, &(base + 24).to_ne_bytes()).unwrap();
    assert_eq!(handle.ioctl(BLKPG, base, &mut memory), Err(Errno::INVAL));
    memory.write(base + 16, &[0; 8]).unwrap();
    assert_eq!(handle.ioctl(BLKPG, base, &mut memory), Err(Errno::FAULT));
    handle.set_administrator(false);
    assert_eq!(handle.ioctl(BLKPG, base, &mut memory), Err(Errno::PERM));
}
