//! The names of ioctls, and where on a node each call says that it works.

use crate::mtd::ioctl_number as ioctl;
use crate::sandbox::call::Trapped;

macro_rules! names {
    ($($name:ident)*) => { &[$((ioctl::$name, stringify!($name)),)*] };
}

/// By number; include/uapi/mtd/mtd-abi.h and include/uapi/linux/fs.h.
const NAMES: &[(u32, &str)] = names! {
    MEMGETINFO MEMERASE MEMWRITEOOB MEMREADOOB MEMLOCK MEMUNLOCK MEMGETREGIONCOUNT
    MEMGETREGIONINFO MEMGETOOBSEL MEMGETBADBLOCK MEMSETBADBLOCK OTPSELECT OTPGETREGIONCOUNT
    OTPGETREGIONINFO OTPLOCK ECCGETLAYOUT ECCGETSTATS MTDFILEMODE MEMERASE64 MEMWRITEOOB64
    MEMREADOOB64 MEMISLOCKED MEMWRITE OTPERASE MEMREAD BLKROSET BLKROGET BLKRRPART BLKGETSIZE
    BLKFLSBUF BLKRASET BLKRAGET BLKFRASET BLKFRAGET BLKSECTGET BLKSSZGET BLKPG BLKBSZGET
    BLKBSZSET BLKGETSIZE64 BLKDISCARD BLKIOMIN BLKIOOPT BLKALIGNOFF BLKPBSZGET
    BLKDISCARDZEROES BLKSECDISCARD BLKROTATIONAL BLKZEROOUT BLKGETDISKSEQ BLKGETZONESZ
    BLKGETNRZONES HDIO_GETGEO
};

/// What an ioctl asks for.
pub(super) fn name(number: u32) -> Option<&'static str> {
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map(|(_, name)| *name)
}

/// Offset and length that a stopped call tells, where it does.
pub(super) fn extent(name: &str, trapped: &Trapped) -> (Option<u64>, Option<u64>) {
    let args = &trapped.args;
    let word = |at: u64| trapped.process().read_u64(args[2] + at).ok();
    match name {
        "lseek" => (Some(args[1]), None),
        "mmap" => (Some(args[5]), Some(args[1])),
        "ioctl" => match args[1] as u32 {
            // Two numbers of four bytes each (`struct erase_info_user`).
            ioctl::MEMERASE | ioctl::MEMLOCK | ioctl::MEMUNLOCK | ioctl::MEMISLOCKED => {
                let both = word(0);
                let start = both.map(|both| both & u64::from(u32::MAX));
                (start, both.map(|both| both >> 32))
            }
            ioctl::MEMERASE64 => (word(0), word(8)),
            _ => (None, None),
        },
        _ => (None, None),
    }
}
