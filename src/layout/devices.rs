//! The MTD devices that one text describes, or two together.
//!
//! Invariants: what a text does not say stays unknown (an erase block of 0 bytes, no
//! offset, no chip); two texts that contradict each other describe nothing; numbers
//! that no text has are given in the text's order, and [`Described::numbered`] says so.

use super::{ChipFacts, Conflict, FactSources, Incomplete, PartitionFacts, Reading, place};
use crate::mtd::{FactSource, MtdIndex, MtdInfo, infer_offsets};

/// Devices, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// The devices. Erase blocks of 0 bytes: no text says how large they are.
    pub(crate) devices: Vec<MtdInfo>,
    /// The chips that [`MtdInfo::chip`] counts.
    pub(crate) chips: Vec<ChipFacts>,
    /// The numbers were not in the text: its order gave them.
    pub(crate) numbered: bool,
}

/// Why texts describe no devices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DescribeError {
    /// Some partitions have numbers, others have none.
    #[error("line {line}: {name:?} has no number, and other partitions have one")]
    NoNumber {
        /// The first without one.
        line: usize,
        /// The partition.
        name: String,
    },
    /// The rest of a chip whose size nobody tells.
    #[error("line {line}: {name:?} takes the rest of a chip whose size is not told")]
    NoSize {
        /// The line.
        line: usize,
        /// The partition.
        name: String,
    },
    /// A line is missing, and the order of the lines would have to give the numbers.
    #[error(
        "line {} announces {} partitions, and {} follow: one of their lines is torn or \
         missing, and so nobody knows the numbers of those behind it",
        .0.line, .0.announced, .0.found
    )]
    Incomplete(Incomplete),
    /// The text says another number than the order of its lines gives.
    #[error(
        "line {line} says that {name:?} is mtd{said}, and by the order of the lines it would be \
         mtd{at}: an MTD device comes before it that the text does not list, or a line is missing"
    )]
    OtherNumber {
        /// The line that says it.
        line: usize,
        /// The partition.
        name: String,
        /// N of mtdN, by that line.
        said: u32,
        /// N of mtdN, by the order.
        at: u32,
    },
    /// What one text says, another one denies.
    #[error("the two layouts contradict each other:{}", Lines(.0))]
    Contradiction(Vec<Conflict>),
}

struct Lines<'a>(&'a [Conflict]);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// The devices of `base`, with what `more` adds. `chip_bytes` is the size of the one
/// chip, where something else tells it, such as the length of its dump.
///
/// # Errors
/// [`DescribeError`].
pub(crate) fn describe(
    base: &Reading,
    more: Option<&Reading>,
    chip_bytes: Option<u64>,
) -> Result<Described, DescribeError> {
    let numbered = base.partitions.iter().all(|facts| facts.index.is_none());
    if let (true, Some(incomplete)) = (numbered, base.incomplete.first()) {
        return Err(DescribeError::Incomplete(incomplete.clone()));
    }
    if let (true, Some(error)) = (numbered, other_number(base)) {
        return Err(error);
    }
    let mut devices = Vec::with_capacity(base.partitions.len());
    for (at, facts) in base.partitions.iter().enumerate() {
        let index = match facts.index {
            Some(index) => index,
            None if numbered => MtdIndex(at as u32),
            None => {
                return Err(DescribeError::NoNumber {
                    line: facts.line,
                    name: facts.name.clone(),
                });
            }
        };
        devices.push(device(index, facts, base, chip_bytes)?);
    }
    for (at, facts) in base.partitions.iter().enumerate() {
        devices[at].parent = facts.parent.map(|parent| devices[parent].index);
    }
    devices.sort_by_key(|device| device.index);
    let mut chips = base.chips.clone();
    if let Some(more) = more {
        let placed = place(&mut devices, more);
        if !placed.conflicts.is_empty() {
            return Err(DescribeError::Contradiction(placed.conflicts));
        }
        if chips.is_empty() {
            chips = placed.chips;
        }
    }
    infer_offsets(&mut devices);
    Ok(Described {
        devices,
        chips,
        numbered,
    })
}

/// A number that the text says and its order does not give. Of two partitions with one name
/// it says nothing.
fn other_number(base: &Reading) -> Option<DescribeError> {
    base.numbers.iter().find_map(|said| {
        let mut called = (0..)
            .zip(&base.partitions)
            .filter(|(_, p)| p.name == said.name);
        let (Some((at, _)), None) = (called.next(), called.next()) else {
            return None;
        };
        (at != said.number).then(|| DescribeError::OtherNumber {
            line: said.line,
            name: said.name.clone(),
            said: said.number,
            at,
        })
    })
}

fn device(
    index: MtdIndex,
    facts: &PartitionFacts,
    reading: &Reading,
    chip_bytes: Option<u64>,
) -> Result<MtdInfo, DescribeError> {
    let chip = facts.chip.and_then(|chip| reading.chips.get(chip));
    let chip_bytes = chip.and_then(|chip| chip.size_bytes).or(chip_bytes);
    let rest = || chip_bytes?.checked_sub(facts.offset?.bytes);
    let size_bytes = facts.size_bytes.or_else(rest);
    let size_bytes = size_bytes.ok_or_else(|| DescribeError::NoSize {
        line: facts.line,
        name: facts.name.clone(),
    })?;
    let erase_block_bytes = facts
        .erase_block_bytes
        .or_else(|| chip?.erase_block_bytes)
        .unwrap_or(0);
    let mut device = MtdInfo::new(index, facts.name.clone(), size_bytes, erase_block_bytes);
    device.offset = facts.offset;
    device.chip_bytes = chip_bytes;
    device.chip = facts.chip.and_then(|chip| u32::try_from(chip).ok());
    device.writeable = facts.read_only.map(|read_only| !read_only);
    let said = |source: Option<FactSource>| source.unwrap_or(reading.form.source());
    device.size_source = said(facts.sources.size);
    device.erase_block_source = said(facts.sources.erase_block);
    let source = || said(facts.sources.read_only);
    device.writeable_source = facts.read_only.map(|_| source());
    Ok(device)
}

/// The facts of devices, to be [rendered](super::render).
pub(crate) fn facts(devices: &[MtdInfo]) -> (Vec<ChipFacts>, Vec<PartitionFacts>) {
    let chips = devices.iter().filter_map(|device| device.chip).max();
    let chips = chips.map_or(0, |last| last as usize + 1);
    let partition = |device: &MtdInfo| PartitionFacts {
        line: 0,
        index: Some(device.index),
        name: device.name.clone(),
        chip: device.chip.map(|chip| chip as usize),
        parent: device
            .parent
            .and_then(|parent| devices.iter().position(|other| other.index == parent)),
        offset: device.offset,
        size_bytes: Some(device.size_bytes),
        erase_block_bytes: Some(device.erase_block_bytes).filter(|_| !device.erase_block_assumed),
        read_only: device.writeable.map(|writeable| !writeable),
        sources: FactSources {
            size: Some(device.size_source),
            erase_block: Some(device.erase_block_source).filter(|_| !device.erase_block_assumed),
            read_only: device.writeable_source,
        },
    };
    let chip = |number: usize| {
        let on_it = |device: &&MtdInfo| device.chip.is_some_and(|chip| chip as usize == number);
        ChipFacts {
            size_bytes: devices
                .iter()
                .filter(on_it)
                .find_map(|device| device.chip_bytes),
            ..ChipFacts::default()
        }
    };
    (
        (0..chips).map(chip).collect(),
        devices.iter().map(partition).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{read, render};
    use super::*;
    use crate::mtd::FactSource;

    fn described(base: &str, more: Option<&str>) -> Result<Described, DescribeError> {
        let base = read(base.as_bytes()).unwrap();
        let more = more.map(|more| read(more.as_bytes()).unwrap());
        describe(&base, more.as_ref(), Some(0x10_0000))
    }

    const TABLE: &str = "dev:    size   erasesize  name\n\
                         mtd0: 00040000 00010000 \"a\"\nmtd1: 000c0000 00010000 \"b\"\n";

    #[test]
    fn two_texts_tell_more_than_one() {
        let log = "Creating 2 MTD partitions on \"spi0.0\":\n\
                   0xc0000-0x100000 : \"a\"\n0x0-0xc0000 : \"b\"\n";
        let both = described(TABLE, Some(log)).unwrap();
        assert!(!both.numbered);
        let offsets: Vec<_> = both.devices.iter().map(MtdInfo::offset_bytes).collect();
        assert_eq!(offsets, [Some(0xc_0000), Some(0)]);
        assert_eq!(both.devices[0].erase_block_bytes, 0x1_0000);
        assert_eq!(both.devices[1].chip, Some(0));
        let alone = described(log, None).unwrap();
        assert!(alone.numbered);
        assert_eq!(alone.devices[0].erase_block_bytes, 0);
        let wrong = log.replace("0x0-", "0x10000-");
        let error = described(TABLE, Some(&wrong)).unwrap_err();
        assert!(error.to_string().contains("0xb0000"), "{error}");
    }

    /// A log that lost a line tells no numbers, but it tells places to a table.
    #[test]
    fn a_log_that_lost_a_line() {
        let log = "Creating 2 MTD partitions on \"spi0.0\":\n0xc0000-0x100000 : \"a\"\n";
        let error = described(log, None).unwrap_err().to_string();
        assert!(
            error.contains("line 1 announces 2 partitions, and 1 follow"),
            "{error}"
        );
        let found = described(TABLE, Some(log)).unwrap();
        assert_eq!(found.devices[0].certain_offset_bytes(), Some(0xc_0000));
        assert_eq!(found.devices[1].certain_offset_bytes(), None);
    }

    /// What the kernel says of a number shows that a log does not begin with mtd0.
    #[test]
    fn a_number_that_the_order_does_not_give() {
        let log = |number: u32| {
            format!(
                "0x0-0x40000 : \"a\"\n0x40000-0x100000 : \"b\"\nmtd: setting mtd{number} (b) as root device\n"
            )
        };
        described(&log(1), None).unwrap();
        let error = described(&log(2), None).unwrap_err().to_string();
        assert!(error.contains("line 3 says that \"b\" is mtd2"), "{error}");
        assert!(error.contains("it would be mtd1"), "{error}");
        let older = log(0).replace(
            "setting mtd0 (b) as root device",
            "device 0 (b) set to be root filesystem",
        );
        described(&older, None).unwrap_err();
        // A table has the numbers.
        described(TABLE, Some(&log(7))).unwrap();
    }

    #[test]
    fn the_rest_of_a_chip_needs_its_size() {
        let text = "mtdparts=nor:256k(a),-(b)";
        let found = described(text, None).unwrap();
        assert_eq!(found.devices[1].size_bytes, 0xc_0000);
        let reading = read(text.as_bytes()).unwrap();
        describe(&reading, None, None).unwrap_err();
    }

    #[test]
    fn a_table_alone_is_inferred() {
        let found = described(TABLE, None).unwrap();
        let offset = found.devices[1].offset.unwrap();
        assert_eq!((offset.bytes, offset.source), (0x4_0000, FactSource::Sum));
    }

    #[test]
    fn devices_come_back_from_their_own_form() {
        let mut found = described(TABLE, None).unwrap().devices;
        found[0].size_bytes = 0x10_0000;
        found[1].parent = Some(MtdIndex(0));
        found[0].chip = Some(0);
        found.iter_mut().for_each(|device| device.chip_bytes = None);
        found[1].writeable = Some(false);
        found[1].writeable_source = Some(FactSource::BootLog);
        let (chips, partitions) = facts(&found);
        let text = render(&chips, &partitions);
        let again = read(text.as_bytes()).unwrap();
        assert_eq!(
            describe(&again, None, None).unwrap().devices,
            found,
            "{text}"
        );
    }
}
