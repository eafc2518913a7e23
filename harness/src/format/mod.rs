//! What stands on such flash: RedBoot FIS directory, fconfig, JFFS2.
//!
//! Each format has a builder and a checker. The checker shares no code with the
//! builder but the checksum: it takes bytes from anywhere and says what is
//! wrong with them, so that a mistake of the builder cannot cancel itself out.
//!
//! Sources: eCos `packages/redboot` (fis.h, flash.c, fconfig.c) for FIS and
//! fconfig; Linux 6.1 `drivers/mtd/parsers/redboot.c` and `fs/jffs2`, mtd-utils
//! `include/linux/jffs2.h`.

pub mod fconfig;
pub mod fis;
pub mod jffs2;

/// The checksum of all three formats: CRC-32 with the reflected polynomial
/// EDB88320, initial value 0 and no final inversion.
///
/// ```
/// assert_eq!(mtd_harness::format::crc32(b"123456789"), 0x2dfd_2d88);
/// ```
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32_continued(0, bytes)
}

/// [`crc32`] over more bytes after those that gave `before`.
pub fn crc32_continued(before: u32, bytes: &[u8]) -> u32 {
    // crc32fast inverts on the way in and on the way out; undo both.
    let mut hasher = crc32fast::Hasher::new_with_initial(!before);
    hasher.update(bytes);
    !hasher.finalize()
}

/// The byte order of a target's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Lowest byte first (iSpot).
    Little,
    /// Highest byte first.
    Big,
}

impl ByteOrder {
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let word = bytes[at..at + 4].try_into().expect("four bytes");
        match self {
            Self::Little => u32::from_le_bytes(word),
            Self::Big => u32::from_be_bytes(word),
        }
    }

    fn put_u32(self, bytes: &mut [u8], at: usize, value: u32) {
        bytes[at..at + 4].copy_from_slice(&match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        });
    }
}
