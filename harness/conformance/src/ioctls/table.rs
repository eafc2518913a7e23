//! The ioctls and their structures, as tables.
//!
//! Source: include/uapi/mtd/mtd-abi.h, include/uapi/linux/fs.h, blkpg.h and
//! hdreg.h, Linux 6.1.

/// What a field of a structure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    U8,
    U16,
    U32,
    U64,
    /// C's `long`.
    Long,
    /// A pointer of the machine's width.
    Pointer,
    /// A pointer in 64 bits on every machine.
    Pointer64,
    /// So many 32-bit words, shown as their CRC-32.
    Words(usize),
}

impl Kind {
    /// How long it is on a machine with pointers of this width.
    pub fn size_bytes(self, pointer_bytes: usize) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 | Self::Pointer64 => 8,
            Self::Long | Self::Pointer => pointer_bytes,
            Self::Words(count) => 4 * count,
        }
    }

    /// Where the machine puts it: at multiples of this.
    fn align_bytes(self, pointer_bytes: usize) -> usize {
        match self {
            Self::Words(_) => 4,
            _ => self.size_bytes(pointer_bytes),
        }
    }
}

/// A field's name and kind.
pub type Field = (&'static str, Kind);

/// Which way the argument goes, as a number has it: one bit for each way.
const NONE: u32 = 0;
const WRITE: u32 = 1;
pub const READ: u32 = 2;
const BOTH: u32 = WRITE | READ;

/// The top bits of a number.
///
/// MIPS, PowerPC and SPARC (arch/*/include/uapi/asm/ioctl.h) have three bits for
/// the direction, one of which says that there is none. The raw numbers of a block
/// device (0x12) and a file system (0) are made by `_IO` and have it; a disk's (3)
/// and a terminal's are older than that. (A terminal's are others altogether there;
/// no case needs more of them than that MTD does not know them.)
pub fn direction_bits(known: &Known, three_bits: bool) -> u32 {
    match (three_bits, known.direction) {
        (false, direction) => direction << 30,
        (true, NONE) if known.raw && !matches!(known.kind, 0 | 0x12) => 0,
        (true, NONE) => 1 << 29,
        (true, direction) => (direction & WRITE) << 31 | (direction & READ) << 29,
    }
}

/// Whether this machine's numbers are of the second form.
pub const THREE_BITS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
));

/// An ioctl by name: direction, type, number, structure. `raw` ones have no size
/// and no direction in their number although some take a structure.
pub struct Known {
    pub name: &'static str,
    pub direction: u32,
    pub kind: u8,
    pub number: u32,
    pub fields: &'static [Field],
    /// Size in the number where it is not the structure's own.
    pub raw: bool,
}

use Kind::{Long, Pointer, Pointer64, U8, U16, U32, U64, Words};

const ERASE: &[Field] = &[("start", U32), ("length", U32)];
const ERASE64: &[Field] = &[("start", U64), ("length", U64)];
const OOB: &[Field] = &[("start", U32), ("length", U32), ("data", Pointer)];
const OOB64: &[Field] = &[
    ("start", U64),
    ("pad", U32),
    ("length", U32),
    ("data", Pointer64),
];
const INFO: &[Field] = &[
    ("type", U8),
    ("flags", U32),
    ("size", U32),
    ("erasesize", U32),
    ("writesize", U32),
    ("oobsize", U32),
    ("padding", U64),
];
const REGION: &[Field] = &[
    ("offset", U32),
    ("erasesize", U32),
    ("numblocks", U32),
    ("regionindex", U32),
];
const OTP: &[Field] = &[("start", U32), ("length", U32), ("locked", U32)];
const STATS: &[Field] = &[
    ("corrected", U32),
    ("failed", U32),
    ("badblocks", U32),
    ("bbtblocks", U32),
];
const REQUEST: &[Field] = &[
    ("start", U64),
    ("len", U64),
    ("ooblen", U64),
    ("data", Pointer64),
    ("oob", Pointer64),
    ("mode", U8),
    ("padding", U8),
];
const READ_REQUEST: &[Field] = &[
    ("start", U64),
    ("len", U64),
    ("ooblen", U64),
    ("data", Pointer64),
    ("oob", Pointer64),
    ("mode", U64),
    ("uncorrectable", U32),
    ("corrected", U32),
    ("max_bitflips", U32),
];
const BLKPG: &[Field] = &[
    ("op", U32),
    ("flags", U32),
    ("datalen", U32),
    ("data", Pointer),
];
const GEOMETRY: &[Field] = &[("heads", U8), ("sectors", U8), ("start", Long)];
const INT: &[Field] = &[("value", U32)];
const SHORT: &[Field] = &[("value", U16)];
const LONG: &[Field] = &[("value", Long)];
const OFFSET: &[Field] = &[("offset", U64)];

const fn mtd(name: &'static str, direction: u32, number: u32, fields: &'static [Field]) -> Known {
    Known {
        name,
        direction,
        kind: b'M',
        number,
        fields,
        raw: false,
    }
}

/// An ioctl of the block layer or another old one, numbered without a size.
const fn raw(name: &'static str, kind: u8, number: u32, fields: &'static [Field]) -> Known {
    Known {
        name,
        direction: NONE,
        kind,
        number,
        fields,
        raw: true,
    }
}

/// All of them.
pub const KNOWN: &[Known] = &[
    mtd("MEMGETINFO", READ, 1, INFO),
    mtd("MEMERASE", WRITE, 2, ERASE),
    mtd("MEMWRITEOOB", BOTH, 3, OOB),
    mtd("MEMREADOOB", BOTH, 4, OOB),
    mtd("MEMLOCK", WRITE, 5, ERASE),
    mtd("MEMUNLOCK", WRITE, 6, ERASE),
    mtd("MEMGETREGIONCOUNT", READ, 7, INT),
    mtd("MEMGETREGIONINFO", BOTH, 8, REGION),
    mtd("MEMGETOOBSEL", READ, 10, &[("all", Words(50))]),
    mtd("MEMGETBADBLOCK", WRITE, 11, OFFSET),
    mtd("MEMSETBADBLOCK", WRITE, 12, OFFSET),
    mtd("OTPSELECT", READ, 13, INT),
    mtd("OTPGETREGIONCOUNT", WRITE, 14, INT),
    mtd("OTPGETREGIONINFO", WRITE, 15, OTP),
    mtd("OTPLOCK", READ, 16, OTP),
    mtd("ECCGETLAYOUT", READ, 17, &[("all", Words(82))]),
    mtd("ECCGETSTATS", READ, 18, STATS),
    mtd("MTDFILEMODE", NONE, 19, &[]),
    mtd("MEMERASE64", WRITE, 20, ERASE64),
    mtd("MEMWRITEOOB64", BOTH, 21, OOB64),
    mtd("MEMREADOOB64", BOTH, 22, OOB64),
    mtd("MEMISLOCKED", READ, 23, ERASE),
    mtd("MEMWRITE", BOTH, 24, REQUEST),
    mtd("OTPERASE", WRITE, 25, OTP),
    mtd("MEMREAD", BOTH, 26, READ_REQUEST),
    // No driver has these: the last MTD number plus one, a wrong direction, a
    // wrong size, and the highest number of the type.
    mtd("M-27", READ, 27, INT),
    mtd("M-9", READ, 9, INT),
    mtd("M-0", NONE, 0, INT),
    mtd("M-255", BOTH, 255, INT),
    mtd("MEMGETINFO-as-write", WRITE, 1, INFO),
    mtd("MEMGETINFO-short", READ, 1, INT),
    mtd("MEMERASE-as-read", READ, 2, ERASE),
    raw("TCGETS", b'T', 1, &[("all", Words(15))]),
    raw("TIOCGWINSZ", b'T', 0x13, &[("all", Words(2))]),
    raw("FIONREAD", b'T', 0x1b, INT),
    raw("FIGETBSZ", 0, 2, INT),
    raw("FIBMAP", 0, 1, INT),
    raw("HDIO_GETGEO", 3, 1, GEOMETRY),
    raw("BLKROSET", 0x12, 93, INT),
    raw("BLKROGET", 0x12, 94, INT),
    raw("BLKRRPART", 0x12, 95, &[]),
    raw("BLKGETSIZE", 0x12, 96, LONG),
    raw("BLKFLSBUF", 0x12, 97, &[]),
    raw("BLKRAGET", 0x12, 99, LONG),
    raw("BLKSECTGET", 0x12, 103, SHORT),
    raw("BLKSSZGET", 0x12, 104, INT),
    raw("BLKPG", 0x12, 105, BLKPG),
    Known {
        name: "BLKBSZGET",
        direction: READ,
        kind: 0x12,
        number: 112,
        // `size_t` in the number, an `int` in memory.
        fields: INT,
        raw: false,
    },
    Known {
        name: "BLKGETSIZE64",
        direction: READ,
        kind: 0x12,
        number: 114,
        // `size_t` in the number, 64 bits in memory on every machine.
        fields: &[("value", U64)],
        raw: false,
    },
    raw("BLKDISCARD", 0x12, 119, ERASE64),
    raw("BLKIOMIN", 0x12, 120, INT),
    raw("BLKIOOPT", 0x12, 121, INT),
    raw("BLKALIGNOFF", 0x12, 122, INT),
    raw("BLKPBSZGET", 0x12, 123, INT),
    raw("BLKDISCARDZEROES", 0x12, 124, INT),
    raw("BLKROTATIONAL", 0x12, 126, SHORT),
    raw("BLKZEROOUT", 0x12, 127, ERASE64),
];

/// Each field with its offset, and the structure's size, both in bytes.
pub fn offsets(fields: &'static [Field], pointer_bytes: usize) -> (Vec<(usize, Field)>, usize) {
    let mut end = 0usize;
    let mut align = 1;
    let mut placed = Vec::new();
    for &(name, kind) in fields {
        let own = kind.align_bytes(pointer_bytes);
        align = align.max(own);
        end = end.next_multiple_of(own);
        placed.push((end, (name, kind)));
        end += kind.size_bytes(pointer_bytes);
    }
    (placed, end.next_multiple_of(align))
}
