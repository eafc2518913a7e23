//! Why a text is no layout.

use super::Form;
use crate::mtd::ProcMtdError;

/// What is wrong with a text, and on which line (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LayoutTextError {
    /// No form was recognised.
    #[error(
        "no layout was found in it; it must be one of: the text of /proc/mtd, a kernel's \
         messages with its partitions (0x000000000000-0x000000030000 : \"u-boot\"), mtdparts=…, \
         U-Boot's `mtd list` or `mtdparts`, a device tree (.dtb), a dump with RedBoot's table, \
         or what `mtdkeep list --layout` prints"
    )]
    Unknown,
    /// A `/proc/mtd` that is torn.
    #[error("as the text of /proc/mtd: {0}")]
    ProcMtd(#[from] ProcMtdError),
    /// A line that does not say what its form says there.
    #[error("line {line}: {what}: {found:?}")]
    BadLine {
        /// Its number.
        line: usize,
        /// What is wrong.
        what: &'static str,
        /// The line, cut after 80 characters.
        found: String,
    },
    /// A partition that reaches past the end of its chip, or of its parent.
    #[error(
        "line {line}: {name:?} ends at {end_bytes:#x}, past the {limit_bytes:#x} bytes of {of}"
    )]
    PastTheEnd {
        /// Its number.
        line: usize,
        /// The partition.
        name: String,
        /// Where it would end, in bytes.
        end_bytes: u64,
        /// How many bytes there are.
        limit_bytes: u64,
        /// The chip or the parent.
        of: String,
    },
    /// A table of bytes, a device tree or a partition table on flash, that is torn or
    /// cannot be understood.
    #[error("at {at_bytes:#x}: {what}")]
    BadTable {
        /// Where in the file.
        at_bytes: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Two forms in one text, both the kernel's own word, that cannot both be true.
    #[error("{form} and {other} in it contradict each other:{conflicts}")]
    Contradiction {
        /// The form that was read first.
        form: Form,
        /// The other one.
        other: Form,
        /// In words, a line for each.
        conflicts: String,
    },
    /// Two lines that give one number to two partitions.
    #[error("line {line}: {index} again, after line {first_line}")]
    NumberTwice {
        /// Its number.
        line: usize,
        /// The MTD device.
        index: crate::mtd::MtdIndex,
        /// Where it was first.
        first_line: usize,
    },
}

/// How much of a line an error quotes.
const QUOTED_CHARS_MAX: usize = 80;

/// The start of a line, for an error.
pub(super) fn quoted(line: &str) -> String {
    line.chars().take(QUOTED_CHARS_MAX).collect()
}
