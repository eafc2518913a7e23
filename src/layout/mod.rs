//! Layouts as people have them: a boot log, a kernel command line, a table that
//! somebody pasted, this program's own small text; and tables of bytes: a device tree,
//! RedBoot's directory.
//!
//! [`read`] finds out which form a text has and gives its facts, as they stand
//! there: nothing is added, nothing is guessed, and what was passed over is named
//! ([`Reading::skipped`]). [`place()`] puts these facts to the MTD devices of a
//! `/proc/mtd`, and tells where two of them contradict each other.
//!
//! Invariants: an offset comes with who says it, is counted from the start of its
//! chip, or is unknown; a text with a number that cannot be (past 2^63, a partition
//! past its chip) is an error with its line.
//!
//! Faults tolerated: what copying and pasting does to a text (see `lines`).

mod boot_log;
mod command_line;
mod detect;
mod device_tree;
mod devices;
pub(crate) mod encoding;
mod error;
mod fis;
mod fit;
mod lines;
mod merge;
mod own;
mod place;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod u_boot;

pub(crate) use command_line::read_kernels as read_command_line;
pub(crate) use detect::read;
#[cfg(test)]
pub(crate) use detect::read_each;
pub(crate) use device_tree::read_device_tree;
pub(crate) use devices::{DescribeError, Described, describe, facts};
pub(crate) use error::LayoutTextError;
pub(crate) use fis::read as read_flash_table;
pub(crate) use fit::place_if_all_fit;
pub(crate) use lines::without_stamps;
pub(crate) use own::render;
pub(crate) use place::{Conflict, place};

use crate::mtd::{FactSource, MtdIndex, PartitionOffset};
use std::fmt;

/// Which kind of text a layout was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) enum Form {
    /// The text of `/proc/mtd`: numbers, sizes and names, and no offset.
    ProcMtd,
    /// `mtdparts=…` of a kernel's command line.
    CommandLine,
    /// A kernel's messages: `0x000000000000-0x000000030000 : "u-boot"`.
    BootLog,
    /// What U-Boot's `mtd list`, `mtdparts` or `flinfo` prints.
    UBoot,
    /// A device tree: a `.dtb`, or the folder `/proc/device-tree`.
    DeviceTree,
    /// RedBoot's partition table, in a dump of the chip or alone.
    Fis,
    /// This program's own form.
    Own,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProcMtd => "the text of /proc/mtd",
            Self::CommandLine => "a kernel command line",
            Self::BootLog => "a kernel's boot log",
            Self::UBoot => "U-Boot's list",
            Self::DeviceTree => "a device tree",
            Self::Fis => "RedBoot's partition table",
            Self::Own => "mtdkeep's layout form",
        })
    }
}

/// What a text says of one chip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChipFacts {
    /// What the text calls it, such as `spi0.0`; empty where it has no name there.
    pub(crate) name: String,
    /// Its size in bytes, where the text says it.
    pub(crate) size_bytes: Option<u64>,
    /// The size of its erase blocks in bytes, where the text says it.
    pub(crate) erase_block_bytes: Option<u64>,
}

/// What a text says of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionFacts {
    /// Its line in the text, counted from 1; of a table of bytes, its entry.
    pub(crate) line: usize,
    /// Its MTD number, where the text says it.
    pub(crate) index: Option<MtdIndex>,
    /// Its name; may be empty.
    pub(crate) name: String,
    /// Which of [`Reading::chips`] it lies on, where the text says it.
    pub(crate) chip: Option<usize>,
    /// Which of [`Reading::partitions`] it lies in, where it is a part of a part.
    pub(crate) parent: Option<usize>,
    /// Where it starts on its chip, and who says so.
    pub(crate) offset: Option<PartitionOffset>,
    /// How long it is in bytes; none where the text says "the rest" of a chip
    /// whose size it does not say.
    pub(crate) size_bytes: Option<u64>,
    /// The size of its erase blocks in bytes, where the text says it.
    pub(crate) erase_block_bytes: Option<u64>,
    /// Whether the text has it read-only; none where it says nothing of that.
    pub(crate) read_only: Option<bool>,
    /// Who says these things; none where the text has them from nobody else.
    pub(crate) sources: FactSources,
}

/// Who says what a text has of a partition, beside its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FactSources {
    /// Who says its size.
    pub(crate) size: Option<FactSource>,
    /// Who says how large its erase blocks are.
    pub(crate) erase_block: Option<FactSource>,
    /// Who says whether it is read-only.
    pub(crate) read_only: Option<FactSource>,
}

impl Form {
    /// Who speaks where a text of this form does not say it.
    pub(crate) fn source(self) -> FactSource {
        match self {
            Self::ProcMtd => FactSource::ProcMtd,
            Self::CommandLine => FactSource::CommandLine,
            Self::BootLog => FactSource::BootLog,
            Self::UBoot => FactSource::BootLoader,
            Self::DeviceTree => FactSource::DeviceTree,
            Self::Fis => FactSource::FlashTable,
            Self::Own => FactSource::User,
        }
    }
}

impl PartitionFacts {
    /// Where it ends, in bytes from the start of its chip.
    pub(crate) fn end_bytes(&self) -> Option<u64> {
        self.offset?.bytes.checked_add(self.size_bytes?)
    }
}

/// A line that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Its number, counted from 1.
    pub(crate) line: usize,
    /// The line, cut after 80 characters.
    pub(crate) text: String,
}

/// A list that announces more lines than there are: one of them was torn or lost, so
/// that nobody knows the numbers of those behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incomplete {
    /// The line that announces them, counted from 1.
    pub(crate) line: usize,
    /// How many partitions it announces.
    pub(crate) announced: u32,
    /// How many of them there are.
    pub(crate) found: u32,
}

/// A number that a text says of a partition beside the list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaidNumber {
    /// Its line, counted from 1.
    pub(crate) line: usize,
    /// N of mtdN.
    pub(crate) number: u32,
    /// The partition.
    pub(crate) name: String,
}

/// A text's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Which form the text has; where it has several, the one that all others were
    /// compared with.
    pub(crate) form: Form,
    /// The other forms in it.
    pub(crate) also: Vec<Form>,
    /// Its chips, in the order in which they come up.
    pub(crate) chips: Vec<ChipFacts>,
    /// Its partitions, in its own order.
    pub(crate) partitions: Vec<PartitionFacts>,
    /// Lines that belong to nothing of it: prompts, other messages.
    pub(crate) skipped: Vec<Skipped>,
    /// Lists in it that lack lines.
    pub(crate) incomplete: Vec<Incomplete>,
    /// The first line of a list without the heading that says how many there are: lines
    /// before it may be missing as well.
    pub(crate) headless: Option<usize>,
    /// Numbers that it says beside them.
    pub(crate) numbers: Vec<SaidNumber>,
    /// What must be said of it: forms in one text that do not agree.
    pub(crate) remarks: Vec<String>,
}

impl Reading {
    fn new(form: Form) -> Self {
        Self {
            form,
            also: Vec::new(),
            chips: Vec::new(),
            partitions: Vec::new(),
            skipped: Vec::new(),
            incomplete: Vec::new(),
            headless: None,
            numbers: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// What the order of its lines is worth where they have no numbers, in words.
    pub(crate) fn about_numbers(&self) -> String {
        let order = "has no MTD numbers: its partitions are numbered in its order";
        match self.headless {
            Some(line) => format!(
                "{order}; before line {line} the kernel's `Creating … MTD partitions on …` is \
                 missing, and if partitions are missing there too, the numbers are others"
            ),
            None => order.into(),
        }
    }

    /// All its forms, in words.
    pub(crate) fn forms(&self) -> String {
        let also = self.also.iter().map(Form::to_string);
        std::iter::once(self.form.to_string())
            .chain(also)
            .collect::<Vec<_>>()
            .join(" and ")
    }
}
