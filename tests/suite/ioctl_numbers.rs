//! The program and the harness each have their own ioctl numbers; they must agree,
//! or one mistake would cancel itself out.

use mtd_harness::mtd::ioctl_number::{self as harness, Direction, Encoding};
use mtdkeep::backend::ioctl::{MEMERASE, MEMERASE64, MEMGETINFO};
use rstest::rstest;

/// How this target puts a number together (Linux 6.1, arch/*/include/uapi/asm/ioctl.h).
const ENCODING: Encoding = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
)) {
    Encoding::ThreeBitDirection
} else {
    Encoding::Common
};

#[rstest]
#[case::info(MEMGETINFO, harness::MEMGETINFO, Direction::Read, 1, 32)]
#[case::erase(MEMERASE, harness::MEMERASE, Direction::Write, 2, 8)]
#[case::erase64(MEMERASE64, harness::MEMERASE64, Direction::Write, 20, 16)]
fn both_copies_of_a_number_agree(
    #[case] ours: u32,
    #[case] theirs: u32,
    #[case] direction: Direction,
    #[case] number: u8,
    #[case] size: u32,
) {
    assert_eq!(
        ours,
        harness::encode(ENCODING, direction, b'M', number, size)
    );
    if ENCODING == Encoding::Common {
        assert_eq!(ours, theirs);
    }
}

/// The numbers that a kernel on x86-64 and 32-bit ARM answered to.
#[test]
fn the_common_numbers_are_the_ones_that_kernels_know() {
    if ENCODING != Encoding::Common {
        println!("skipped: this target encodes ioctl numbers in another way");
        return;
    }
    assert_eq!(MEMGETINFO, 0x8020_4d01);
    assert_eq!(MEMERASE, 0x4008_4d02);
    assert_eq!(MEMERASE64, 0x4010_4d14);
}
