//! The parser of `/proc/mtd`.
//!
//! The text is a header and one line per device, in index order, as Linux 6.1
//! (drivers/mtd/mtdcore.c, `mtd_proc_show`) writes it: both numbers in hex of at
//! least eight digits, the name in quotes, unescaped. Kernels from 2.6 on write
//! the same.
//!
//! Invariants: every line is either understood whole or an error that names it;
//! numbers are unique; the result is sorted by number.
//!
//! Faults tolerated: names with blanks and quotes, names that are not UTF-8
//! (replacement characters), line ends of a terminal capture (CR LF), blank
//! lines at the end, a last line without its newline if it is whole otherwise.

use super::info::{MtdIndex, MtdInfo};

/// Why a text is no `/proc/mtd`. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcMtdError {
    /// There is no text at all.
    #[error("the table is empty; even without a device it has a header line")]
    Empty,
    /// The first line is not the kernel's header.
    #[error("the first line is {found:?}, not the header \"dev:    size   erasesize  name\"")]
    ForeignHeader {
        /// The line.
        found: String,
    },
    /// A line ends early or has something else where a field belongs.
    #[error("line {line} is torn or foreign, {missing}: {found:?}")]
    TornLine {
        /// Its number.
        line: usize,
        /// The line.
        found: String,
        /// What should be there.
        missing: &'static str,
    },
    /// A device number that no node can have.
    #[error("line {line}: a device number past {}: {found:?}", MtdIndex::MAX.0)]
    NumberTooLarge {
        /// Its number.
        line: usize,
        /// The line.
        found: String,
    },
    /// A size past the 63 bits of the kernel's offsets.
    #[error("line {line}: a size past 63 bits: {found:?}")]
    SizeTooLarge {
        /// Its number.
        line: usize,
        /// The line.
        found: String,
    },
    /// Sizes that are all right one by one, and together more than 63 bits: nothing
    /// has such a table, and nobody could add them up.
    #[error("line {line}: with this one all sizes together are past 63 bits: {found:?}")]
    SumTooLarge {
        /// Its number.
        line: usize,
        /// The line.
        found: String,
    },
    /// An erase-block size past the 32 bits that the kernel has for it.
    #[error("line {line}: an erase-block size past 32 bits: {found:?}")]
    EraseBlockTooLarge {
        /// Its number.
        line: usize,
        /// The line.
        found: String,
    },
    /// A device number that was there before.
    #[error("line {line}: {index} again, after line {first_line}")]
    NumberTwice {
        /// Its number.
        line: usize,
        /// The device.
        index: MtdIndex,
        /// Where it was first.
        first_line: usize,
    },
}

/// How much of a bad line an error quotes.
const QUOTED_CHARS_MAX: usize = 80;

/// Understands the text of `/proc/mtd` (sizes in hex, bytes; `mtd_proc_show` in
/// drivers/mtd/mtdcore.c of Linux 6.1): the devices, sorted by number, with what the table
/// says of them and nothing else. A header alone gives no devices and no error.
///
/// # Errors
/// The first thing that no kernel writes, with the line's number: a table is understood
/// whole or not at all.
///
/// ```
/// let table = b"dev:    size   erasesize  name\nmtd9: 0001f000 00020000 \"FIS directory\"\n";
/// let devices = mtdkeep::mtd::parse_proc_mtd(table)?;
/// assert_eq!(devices[0].name, "FIS directory");
/// assert_eq!(devices[0].size_bytes, 0x1f000);
///
/// let torn = mtdkeep::mtd::parse_proc_mtd(&table[..50]).unwrap_err();
/// assert!(torn.to_string().starts_with("line 2 is torn"));
/// # Ok::<(), mtdkeep::mtd::ProcMtdError>(())
/// ```
pub fn parse_proc_mtd(text: &[u8]) -> Result<Vec<MtdInfo>, ProcMtdError> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end();
    if text.is_empty() {
        return Err(ProcMtdError::Empty);
    }
    let mut lines = text.split('\n').map(|line| line.trim_end());
    let header = lines.next().unwrap_or_default();
    if !header
        .split_ascii_whitespace()
        .eq(["dev:", "size", "erasesize", "name"])
    {
        return Err(ProcMtdError::ForeignHeader {
            found: quoted(header),
        });
    }
    let mut entries: Vec<(MtdInfo, usize)> = Vec::new();
    let mut sum_bytes = 0_i64;
    for (line, text) in (2..).zip(lines) {
        let entry = parse_line(line, text)?;
        let sum = sum_bytes.checked_add_unsigned(entry.size_bytes);
        sum_bytes = sum.ok_or_else(|| ProcMtdError::SumTooLarge {
            line,
            found: quoted(text),
        })?;
        entries.push((entry, line));
    }
    // Of one number, the lines stay in order, and neighbours tell.
    entries.sort_unstable_by_key(|(entry, line)| (entry.index, *line));
    let twice = entries
        .windows(2)
        .filter(|pair| pair[0].0.index == pair[1].0.index)
        .min_by_key(|pair| pair[1].1);
    if let Some([(entry, first_line), (_, line)]) = twice {
        return Err(ProcMtdError::NumberTwice {
            line: *line,
            index: entry.index,
            first_line: *first_line,
        });
    }
    Ok(entries.into_iter().map(|(entry, _)| entry).collect())
}

/// Understands one line below the header; `line` is its number, for errors.
pub(crate) fn parse_line(line: usize, text: &str) -> Result<MtdInfo, ProcMtdError> {
    let found = || quoted(text);
    let torn = |missing| ProcMtdError::TornLine {
        line,
        found: found(),
        missing,
    };
    let rest = text
        .strip_prefix("mtd")
        .ok_or_else(|| torn("it does not start with mtd and a number"))?;
    let (number, rest) = rest
        .split_once(':')
        .filter(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| torn("it does not start with mtd and a number"))?;
    // A number that does not parse now has too many digits, and nothing else.
    let index = number
        .parse()
        .ok()
        .map(MtdIndex)
        .filter(|index| *index <= MtdIndex::MAX)
        .ok_or_else(|| ProcMtdError::NumberTooLarge {
            line,
            found: found(),
        })?;
    let (size, rest) = hex_field(rest).ok_or_else(|| torn("its size has not eight hex digits"))?;
    // The kernel's offsets are signed.
    let size_bytes = u64::from_str_radix(size, 16).ok();
    let size_bytes = size_bytes.filter(|size| i64::try_from(*size).is_ok());
    let size_bytes = size_bytes.ok_or_else(|| ProcMtdError::SizeTooLarge {
        line,
        found: found(),
    })?;
    let (erase_block, rest) =
        hex_field(rest).ok_or_else(|| torn("its erase-block size has not eight hex digits"))?;
    let erase_block_bytes =
        u32::from_str_radix(erase_block, 16).map_err(|_| ProcMtdError::EraseBlockTooLarge {
            line,
            found: found(),
        })?;
    let name = rest
        .strip_prefix(' ')
        .map(str::trim_ascii_start)
        .and_then(|rest| rest.strip_prefix('"'))
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| torn("its name is not in quotes"))?;
    let name = name.to_owned();
    Ok(MtdInfo::new(
        index,
        name,
        size_bytes,
        erase_block_bytes.into(),
    ))
}

/// Splits off a field of hex digits with blanks before it. The kernel pads to
/// eight digits, so fewer are a torn field.
fn hex_field(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix(' ')?.trim_ascii_start();
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_hexdigit())
        .unwrap_or(text.len());
    (end >= 8).then(|| text.split_at(end))
}

/// The start of a bad line, for an error.
fn quoted(line: &str) -> String {
    line.chars().take(QUOTED_CHARS_MAX).collect()
}
