//! The ioctl command numbers of MTD and block devices, worked out here from
//! direction, type, number and argument size, so that a test can compare them
//! with those of a program that has its own.
//!
//! Source of types, numbers and sizes: Linux 6.1 include/uapi/mtd/mtd-abi.h,
//! include/uapi/linux/fs.h, hdreg.h, blkzoned.h; of the two encodings,
//! include/uapi/asm-generic/ioctl.h and arch/{mips,powerpc,sparc}/include/uapi/asm/ioctl.h.
//! The simulated devices know a command by the number that a program of this
//! target gives it ([`Encoding::NATIVE`]).

/// How a command number is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// x86, ARM, AArch64, RISC-V: write 1, read 2 in bits 30 and 31, size in
    /// 14 bits.
    Common,
    /// MIPS, PowerPC, SPARC, Alpha: none 1, read 2, write 4 in bits 29 to 31,
    /// size in 13 bits.
    ThreeBitDirection,
}

impl Encoding {
    /// The one of the target that this was compiled for.
    pub const NATIVE: Self = if cfg!(any(
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc",
        target_arch = "sparc64"
    )) {
        Self::ThreeBitDirection
    } else {
        Self::Common
    };
}

/// Which way the argument goes, as the program sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// No structure is passed.
    None,
    /// The kernel reads the argument.
    Write,
    /// The kernel fills the argument.
    Read,
    /// Both.
    ReadWrite,
}

/// The command number of an ioctl.
pub const fn encode(encoding: Encoding, dir: Direction, kind: u8, nr: u8, size: u32) -> u32 {
    let (direction, shift) = match encoding {
        Encoding::Common => match dir {
            Direction::None => (0, 30),
            Direction::Write => (1, 30),
            Direction::Read => (2, 30),
            Direction::ReadWrite => (3, 30),
        },
        Encoding::ThreeBitDirection => match dir {
            Direction::None => (1, 29),
            Direction::Write => (4, 29),
            Direction::Read => (2, 29),
            Direction::ReadWrite => (6, 29),
        },
    };
    direction << shift | size << 16 | (kind as u32) << 8 | nr as u32
}

const fn mtd(dir: Direction, nr: u8, size: u32) -> u32 {
    encode(Encoding::NATIVE, dir, b'M', nr, size)
}

const fn block(dir: Direction, nr: u8, size: u32) -> u32 {
    encode(Encoding::NATIVE, dir, 0x12, nr, size)
}

use Direction::{None, Read, ReadWrite, Write};

/// What the device is (`mtd_info_user`, 32 bytes).
pub const MEMGETINFO: u32 = mtd(Read, 1, 32);
/// Erase (`erase_info_user`: u32 start, length).
pub const MEMERASE: u32 = mtd(Write, 2, 8);
/// Write OOB (`mtd_oob_buf` with a 64-bit pointer).
pub const MEMWRITEOOB: u32 = mtd(ReadWrite, 3, 16);
/// Write OOB (`mtd_oob_buf` with a 32-bit pointer).
pub const MEMWRITEOOB_32: u32 = mtd(ReadWrite, 3, 12);
/// Read OOB (`mtd_oob_buf` with a 64-bit pointer).
pub const MEMREADOOB: u32 = mtd(ReadWrite, 4, 16);
/// Read OOB (`mtd_oob_buf` with a 32-bit pointer).
pub const MEMREADOOB_32: u32 = mtd(ReadWrite, 4, 12);
/// Lock (`erase_info_user`).
pub const MEMLOCK: u32 = mtd(Write, 5, 8);
/// Unlock (`erase_info_user`).
pub const MEMUNLOCK: u32 = mtd(Write, 6, 8);
/// How many erase regions (int).
pub const MEMGETREGIONCOUNT: u32 = mtd(Read, 7, 4);
/// One erase region (`region_info_user`).
pub const MEMGETREGIONINFO: u32 = mtd(ReadWrite, 8, 16);
/// Legacy OOB layout (`nand_oobinfo`).
pub const MEMGETOOBSEL: u32 = mtd(Read, 10, 200);
/// Is an erase block bad (loff_t)?
pub const MEMGETBADBLOCK: u32 = mtd(Write, 11, 8);
/// Mark an erase block bad (loff_t).
pub const MEMSETBADBLOCK: u32 = mtd(Write, 12, 8);
/// One-time-programmable mode (int).
pub const OTPSELECT: u32 = mtd(Read, 13, 4);
/// How many one-time-programmable regions (int).
pub const OTPGETREGIONCOUNT: u32 = mtd(Write, 14, 4);
/// The one-time-programmable regions (`otp_info`).
pub const OTPGETREGIONINFO: u32 = mtd(Write, 15, 12);
/// Lock one-time-programmable data (`otp_info`).
pub const OTPLOCK: u32 = mtd(Read, 16, 12);
/// ECC layout (`nand_ecclayout_user`).
pub const ECCGETLAYOUT: u32 = mtd(Read, 17, 328);
/// ECC statistics (`mtd_ecc_stats`).
pub const ECCGETSTATS: u32 = mtd(Read, 18, 16);
/// Mode of this file description (a plain number).
pub const MTDFILEMODE: u32 = mtd(None, 19, 0);
/// Erase (`erase_info_user64`: u64 start, length).
pub const MEMERASE64: u32 = mtd(Write, 20, 16);
/// Write OOB (`mtd_oob_buf64`).
pub const MEMWRITEOOB64: u32 = mtd(ReadWrite, 21, 24);
/// Read OOB (`mtd_oob_buf64`).
pub const MEMREADOOB64: u32 = mtd(ReadWrite, 22, 24);
/// Is a range locked (`erase_info_user`)?
pub const MEMISLOCKED: u32 = mtd(Read, 23, 8);
/// Write data and OOB (`mtd_write_req`).
pub const MEMWRITE: u32 = mtd(ReadWrite, 24, 48);
/// Erase one-time-programmable data (`otp_info`).
pub const OTPERASE: u32 = mtd(Write, 25, 12);
/// Read data and OOB (`mtd_read_req`); Linux 6.1 and later.
pub const MEMREAD: u32 = mtd(ReadWrite, 26, 64);

/// Set the read-only flag (int).
pub const BLKROSET: u32 = block(None, 93, 0);
/// Get the read-only flag (int).
pub const BLKROGET: u32 = block(None, 94, 0);
/// Read the partition table again.
pub const BLKRRPART: u32 = block(None, 95, 0);
/// Size in units of 512 bytes (long).
pub const BLKGETSIZE: u32 = block(None, 96, 0);
/// Write dirty pages and forget clean ones.
pub const BLKFLSBUF: u32 = block(None, 97, 0);
/// Set read-ahead (a plain number).
pub const BLKRASET: u32 = block(None, 98, 0);
/// Read-ahead in units of 512 bytes (long).
pub const BLKRAGET: u32 = block(None, 99, 0);
/// Set file-system read-ahead; the same as BLKRASET.
pub const BLKFRASET: u32 = block(None, 100, 0);
/// File-system read-ahead; the same as BLKRAGET.
pub const BLKFRAGET: u32 = block(None, 101, 0);
/// Largest request in units of 512 bytes (unsigned short).
pub const BLKSECTGET: u32 = block(None, 103, 0);
/// Size of the smallest unit of transfer (int).
pub const BLKSSZGET: u32 = block(None, 104, 0);
/// Add or delete a partition (`blkpg_ioctl_arg`).
pub const BLKPG: u32 = block(None, 105, 0);
/// The page cache's unit (int; encoded with a 64-bit size_t).
pub const BLKBSZGET: u32 = block(Read, 112, 8);
/// The page cache's unit (int; encoded with a 32-bit size_t).
pub const BLKBSZGET_32: u32 = block(Read, 112, 4);
/// Set the page cache's unit (int; encoded with a 64-bit size_t).
pub const BLKBSZSET: u32 = block(Write, 113, 8);
/// Set the page cache's unit (int; encoded with a 32-bit size_t).
pub const BLKBSZSET_32: u32 = block(Write, 113, 4);
/// Size in bytes (u64; encoded with a 64-bit size_t).
pub const BLKGETSIZE64: u32 = block(Read, 114, 8);
/// Size in bytes (u64; encoded with a 32-bit size_t).
pub const BLKGETSIZE64_32: u32 = block(Read, 114, 4);
/// Discard a range.
pub const BLKDISCARD: u32 = block(None, 119, 0);
/// Smallest good transfer (unsigned int).
pub const BLKIOMIN: u32 = block(None, 120, 0);
/// Best transfer (unsigned int).
pub const BLKIOOPT: u32 = block(None, 121, 0);
/// Alignment offset (int).
pub const BLKALIGNOFF: u32 = block(None, 122, 0);
/// Physical unit of transfer (unsigned int).
pub const BLKPBSZGET: u32 = block(None, 123, 0);
/// Whether discarded data reads as zero (unsigned int).
pub const BLKDISCARDZEROES: u32 = block(None, 124, 0);
/// Discard a range beyond recovery.
pub const BLKSECDISCARD: u32 = block(None, 125, 0);
/// Whether it rotates (unsigned short).
pub const BLKROTATIONAL: u32 = block(None, 126, 0);
/// Write zeroes to a range.
pub const BLKZEROOUT: u32 = block(None, 127, 0);
/// A disk's sequence number (u64).
pub const BLKGETDISKSEQ: u32 = block(Read, 128, 8);
/// Size of a zone (u32).
pub const BLKGETZONESZ: u32 = block(Read, 132, 4);
/// How many zones (u32).
pub const BLKGETNRZONES: u32 = block(Read, 133, 4);
/// A disk's geometry.
pub const HDIO_GETGEO: u32 = 0x0301;

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// As C compilers give them: for x86-64 and ARM, and for 64-bit MIPS and PowerPC.
    #[rstest]
    #[case(MEMGETINFO, 0x8020_4d01, 0x4020_4d01)]
    #[case(MEMERASE, 0x4008_4d02, 0x8008_4d02)]
    #[case(MEMREADOOB, 0xc010_4d04, 0xc010_4d04)]
    #[case(MEMUNLOCK, 0x4008_4d06, 0x8008_4d06)]
    #[case(MEMGETBADBLOCK, 0x4008_4d0b, 0x8008_4d0b)]
    #[case(MEMERASE64, 0x4010_4d14, 0x8010_4d14)]
    #[case(MEMISLOCKED, 0x8008_4d17, 0x4008_4d17)]
    #[case(MTDFILEMODE, 0x4d13, 0x2000_4d13)]
    #[case(BLKGETSIZE64, 0x8008_1272, 0x4008_1272)]
    #[case(BLKBSZGET, 0x8008_1270, 0x4008_1270)]
    #[case(BLKSSZGET, 0x1268, 0x2000_1268)]
    #[case(BLKROGET, 0x125e, 0x2000_125e)]
    #[case(BLKGETSIZE, 0x1260, 0x2000_1260)]
    fn numbers_as_c_has_them(#[case] ours: u32, #[case] common: u32, #[case] three_bit: u32) {
        let known = match Encoding::NATIVE {
            Encoding::Common => common,
            Encoding::ThreeBitDirection => three_bit,
        };
        assert_eq!(ours, known, "{ours:#x}");
    }

    #[test]
    fn three_bit_direction_differs() {
        let on = |dir| encode(Encoding::ThreeBitDirection, dir, b'M', 1, 32);
        assert_eq!(on(Read), 0x4020_4d01);
        assert_eq!(on(Write), 0x8020_4d01);
        assert_eq!(on(ReadWrite), 0xc020_4d01);
        assert_eq!(on(None), 0x2020_4d01);
    }
}
