//! The program and the harness each have their own ioctl numbers; they must agree,
//! or one mistake would cancel itself out.

use super::{ECCGETSTATS, MEMERASE, MEMERASE64, MEMGETINFO};
use mtd_harness::mtd::ioctl_number::{self as harness, Direction, Encoding};
use rstest::rstest;

#[rstest]
#[case::info(MEMGETINFO, harness::MEMGETINFO, Direction::Read, 1, 32)]
#[case::erase(MEMERASE, harness::MEMERASE, Direction::Write, 2, 8)]
#[case::erase64(MEMERASE64, harness::MEMERASE64, Direction::Write, 20, 16)]
#[case::ecc(ECCGETSTATS, harness::ECCGETSTATS, Direction::Read, 18, 16)]
fn both_copies_of_a_number_agree(
    #[case] ours: u32,
    #[case] theirs: u32,
    #[case] direction: Direction,
    #[case] number: u8,
    #[case] size: u32,
) {
    assert_eq!(ours, theirs);
    assert_eq!(
        ours,
        harness::encode(Encoding::NATIVE, direction, b'M', number, size)
    );
}

/// The numbers that a kernel on x86-64 and 32-bit ARM answered to; for targets
/// that encode them in another way, those that their C compilers give.
#[test]
fn the_numbers_are_the_ones_that_kernels_know() {
    let known = match Encoding::NATIVE {
        Encoding::Common => [0x8020_4d01, 0x4008_4d02, 0x4010_4d14, 0x8010_4d12],
        Encoding::ThreeBitDirection => [0x4020_4d01, 0x8008_4d02, 0x8010_4d14, 0x4010_4d12],
    };
    assert_eq!([MEMGETINFO, MEMERASE, MEMERASE64, ECCGETSTATS], known);
}
