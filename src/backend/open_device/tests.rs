//! Systems that neither backend's tests can have at hand: emulators without MTD
//! ioctls, old kernels, devices past 4 GiB, calls that do less than asked.

use super::*;
use crate::backend::ioctl::{ECCGETSTATS, MEMERASE, MEMERASE64, MEMGETINFO};
use crate::mtd::{MtdErrorKind, MtdIndex};
use rstest::rstest;
use std::collections::VecDeque;

/// A device of which every answer is given, and every request recorded.
struct Scripted {
    info: Result<(u32, u32, u32), Errno>,
    end: Result<u64, Errno>,
    erase64: Result<(), Errno>,
    /// Answers to pread and pwrite, in order.
    transfers: VecDeque<Result<usize, Errno>>,
    erased: Vec<(u32, u64, u64)>,
    /// How many pages ECC has given up so far, in the order of the questions; then nobody
    /// counts.
    given_up: VecDeque<u32>,
}

const MIB: u64 = 1 << 20;

impl Scripted {
    /// Answers everything as a device of 1 MiB with erase blocks of 64 KiB.
    fn new() -> Self {
        Self {
            info: Ok((0xc00, 0x10_0000, 0x1_0000)),
            end: Ok(MIB),
            erase64: Ok(()),
            transfers: VecDeque::new(),
            erased: Vec::new(),
            given_up: VecDeque::new(),
        }
    }

    fn open(self, size_bytes: u64) -> Result<OpenDevice<Self>, MtdError> {
        OpenDevice::new(self, &MtdInfo::new(MtdIndex(0), "x", size_bytes, 0x1_0000))
    }
}

impl DeviceCalls for Scripted {
    fn pread(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Errno> {
        self.transfers.pop_front().expect("no such call expected")
    }

    fn pwrite(&mut self, _: u64, _: &[u8]) -> Result<usize, Errno> {
        self.transfers.pop_front().expect("no such call expected")
    }

    fn ioctl(&mut self, request: &mut Request) -> Result<i32, Errno> {
        if request.opcode() == MEMGETINFO {
            let (flags, size, erase_block) = self.info?;
            let bytes = request.bytes_mut();
            bytes[4..8].copy_from_slice(&flags.to_ne_bytes());
            bytes[8..12].copy_from_slice(&size.to_ne_bytes());
            bytes[12..16].copy_from_slice(&erase_block.to_ne_bytes());
            return Ok(0);
        }
        if request.opcode() == ECCGETSTATS {
            let count = self.given_up.pop_front().ok_or(Errno::NOTTY)?;
            request.bytes_mut()[4..8].copy_from_slice(&count.to_ne_bytes());
            return Ok(0);
        }
        let (offset, length) = request.erase_range().expect("an erase");
        self.erased.push((request.opcode(), offset, length));
        if request.opcode() == MEMERASE64 {
            return self.erase64.map(|()| 0);
        }
        Ok(0)
    }

    fn end_bytes(&mut self) -> Result<u64, Errno> {
        self.end
    }
}

#[rstest]
#[case::kernel_without_it(Errno::NOTTY)]
#[case::qemu_user_mode(Errno::NOSYS)]
#[case::other_emulators(Errno::INVAL)]
fn a_system_without_mtd_ioctls_goes_by_the_table_and_the_end(#[case] errno: Errno) {
    let without = || Scripted {
        info: Err(errno),
        ..Scripted::new()
    };
    let open = without().open(MIB).unwrap();
    assert_eq!(open.info().writeable, None);
    let Err(error) = without().open(2 * MIB) else {
        panic!("the end says otherwise");
    };
    assert_eq!(error.kind(), MtdErrorKind::Disagreement);
}

#[rstest]
#[case(Errno::SPIPE)]
#[case(Errno::INVAL)]
#[case(Errno::NOSYS)]
fn a_system_that_knows_neither_ioctl_nor_end_goes_by_the_table(#[case] errno: Errno) {
    let calls = Scripted {
        info: Err(Errno::NOTTY),
        end: Err(errno),
        ..Scripted::new()
    };
    assert!(calls.open(MIB).is_ok());
}

/// Linux (drivers/mtd/mtdchar.c) hands on the bytes of a page that ECC gave up, as if all
/// were well, and counts.
#[test]
fn bytes_that_ecc_could_not_correct_are_an_error() {
    let calls = Scripted {
        given_up: [3, 3, 4, 4].into(),
        transfers: [Ok(16), Ok(16), Ok(16)].into(),
        ..Scripted::new()
    };
    let mut device = calls.open(MIB).unwrap();
    let mut read = |at| device.read_at(at, &mut [0; 16]);
    assert_eq!(read(0), Ok(16));
    let error = read(16).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::BADMSG));
    assert_eq!(read(32), Ok(16));
}

#[test]
fn a_byte_past_the_end_leaves_the_device() {
    let mut device = Scripted::new().open(MIB).unwrap();
    let error = device.program(MIB - 1, &[0; 2]).unwrap_err();
    assert_eq!(error.kind(), MtdErrorKind::Refused);
}

#[test]
fn any_other_answer_to_the_question_is_an_error() {
    let calls = Scripted {
        info: Err(Errno::IO),
        ..Scripted::new()
    };
    let error = calls.open(MIB).err().unwrap();
    assert_eq!(error.errno(), Some(Errno::IO));
    assert!(error.to_string().starts_with("asking mtd0 (x)"), "{error}");
}

#[test]
fn an_ioctl_that_contradicts_the_table_names_both() {
    let error = Scripted::new().open(MIB / 2).err().unwrap();
    let text = error.to_string();
    assert!(
        text.contains("0x80000") && text.contains("MEMGETINFO) says 0x100000"),
        "{text}"
    );

    let calls = Scripted {
        info: Ok((0xc00, 0x10_0000, 0x2_0000)),
        ..Scripted::new()
    };
    let error = calls.open(MIB).err().unwrap();
    assert!(
        matches!(error, MtdError::EraseBlockDisagrees { .. }),
        "{error:?}"
    );
}

/// The ioctl has 32 bits for the size: past 4 GiB its low half must fit, and the
/// device's end decides.
#[rstest]
#[case::whole((1 << 32) + MIB, true)]
#[case::another_high_half((2 << 32) + MIB, false)]
fn past_4_gib_the_end_of_the_device_decides(#[case] table_bytes: u64, #[case] opens: bool) {
    let calls = Scripted {
        end: Ok((1 << 32) + MIB),
        ..Scripted::new()
    };
    assert_eq!(calls.open(table_bytes).is_ok(), opens);
}

#[rstest]
#[case::writeable(0xc00, true)]
#[case::forced_read_only(0x800, false)]
fn the_flags_tell_whether_it_may_be_written(#[case] flags: u32, #[case] writeable: bool) {
    let calls = Scripted {
        info: Ok((flags, 0x10_0000, 0x1_0000)),
        ..Scripted::new()
    };
    let open = calls.open(MIB).unwrap();
    assert_eq!(open.info().writeable, Some(writeable));
    assert_eq!(open.must_be_writeable("a test").is_ok(), writeable);
}

#[rstest]
#[case::kernel_before_2_6_31(Errno::NOTTY)]
#[case::emulator(Errno::NOSYS)]
fn a_kernel_without_the_64_bit_erase_is_asked_for_the_32_bit_one(#[case] errno: Errno) {
    let calls = Scripted {
        erase64: Err(errno),
        ..Scripted::new()
    };
    let mut open = calls.open(MIB).unwrap();
    open.erase(0x1_0000, 0x2_0000).unwrap();
    assert_eq!(
        open.calls.erased,
        [
            (MEMERASE64, 0x1_0000, 0x1_0000),
            (MEMERASE, 0x1_0000, 0x1_0000),
            (MEMERASE, 0x2_0000, 0x1_0000),
        ]
    );
}

#[test]
fn an_erase_past_4_gib_is_never_cut_to_32_bits() {
    let calls = Scripted {
        erase64: Err(Errno::NOTTY),
        end: Ok((1 << 32) + MIB),
        ..Scripted::new()
    };
    let mut open = calls.open((1 << 32) + MIB).unwrap();
    let error = open.erase(1 << 32, 0x1_0000).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::OVERFLOW));
    assert!(
        open.calls
            .erased
            .iter()
            .all(|(opcode, ..)| *opcode == MEMERASE64)
    );
}

#[test]
fn a_device_without_erase_blocks_is_not_erased() {
    let calls = Scripted {
        info: Err(Errno::NOTTY),
        ..Scripted::new()
    };
    let mut open = calls.open(MIB).unwrap();
    open.info.erase_block_bytes = 0;
    assert_eq!(open.erase(0, 0).unwrap_err().kind(), MtdErrorKind::Refused);
}

#[rstest]
#[case::interrupted(&[Err(Errno::INTR)], Err(MtdErrorKind::Io))]
#[case::short(&[Ok(3)], Ok(3))]
#[case::early_end(&[Ok(0)], Err(MtdErrorKind::Disagreement))]
#[case::error(&[Err(Errno::IO)], Err(MtdErrorKind::Io))]
fn a_read_ends_in(
    #[case] answers: &[Result<usize, Errno>],
    #[case] expected: Result<usize, MtdErrorKind>,
) {
    let mut open = Scripted::new().open(MIB).unwrap();
    open.calls.transfers = answers.iter().copied().collect();
    let found = open.read_at(0, &mut [0; 8]).map_err(|error| error.kind());
    assert_eq!(found, expected);
    assert!(open.calls.transfers.is_empty());
}

#[rstest]
#[case::nothing_there(Ok(0), true)]
#[case::no_answer(Err(Errno::INVAL), true)]
#[case::more(Ok(1), false)]
fn a_read_at_the_end_sees_whether_it_is_one(
    #[case] answer: Result<usize, Errno>,
    #[case] ends: bool,
) {
    let mut open = Scripted::new().open(MIB).unwrap();
    open.calls.transfers = [answer].into();
    assert_eq!(
        open.read_at(MIB, &mut [0; 8]).is_ok_and(|count| count == 0),
        ends
    );
    // Past the end no call is made.
    assert_eq!(open.read_at(MIB + 1, &mut [0; 8]).unwrap(), 0);
}

#[rstest]
#[case::in_pieces(&[Ok(3), Err(Errno::INTR), Ok(5)], None)]
#[case::full(&[Ok(3), Ok(0)], Some((3, Errno::NOSPC)))]
#[case::error(&[Ok(6), Err(Errno::IO)], Some((6, Errno::IO)))]
fn a_program_ends_in(
    #[case] answers: &[Result<usize, Errno>],
    #[case] expected: Option<(u64, Errno)>,
) {
    let mut open = Scripted::new().open(MIB).unwrap();
    open.calls.transfers = answers.iter().copied().collect();
    let found = open.program(0, &[0; 8]).err().map(|error| match error {
        MtdError::Unfinished {
            done_bytes, source, ..
        } => (done_bytes, source),
        other => panic!("{other:?}"),
    });
    assert_eq!(found, expected);
}

/// A kernel copies what is read or written into memory in one piece. Where it has none so
/// large left, smaller pieces do; where it has not even these, that is the answer.
#[test]
fn a_kernel_without_memory_for_a_large_piece_gets_smaller_ones() {
    let small = SMALL_PIECE_BYTES;
    let mut open = Scripted {
        transfers: [
            Err(Errno::NOMEM),
            Ok(small),
            // It is not asked for more in this call again.
            Ok(small),
            Ok(100),
            Err(Errno::NOMEM),
            Ok(small),
            Err(Errno::NOMEM),
            Err(Errno::NOMEM),
            Err(Errno::NOMEM),
        ]
        .into(),
        ..Scripted::new()
    }
    .open(MIB)
    .unwrap();
    open.program(0, &vec![0; 2 * small + 100]).unwrap();
    let mut buf = vec![0; 4 * small];
    assert_eq!(open.read_at(0, &mut buf).unwrap(), small);
    let error = open.program(0, &buf).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NOMEM));
    let error = open.read_at(0, &mut buf[..small]).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NOMEM));
    assert!(open.calls.transfers.is_empty());
}
