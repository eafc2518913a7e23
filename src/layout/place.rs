//! A layout's facts, put to the MTD devices of a table.
//!
//! Invariants: a fact that the table contradicts is not taken, and is told; an
//! offset that somebody told is never replaced by another one; a fact that could
//! belong to two devices is given to neither.

use super::{ChipFacts, Form, PartitionFacts, Reading};
use crate::mtd::{FactSource, MtdIndex, MtdInfo, MtdName, PartitionOffset};
use std::collections::BTreeMap;
use std::fmt;

/// Two facts that cannot both be true, or one that belongs to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Conflict {
    /// The device is there with another size.
    Size {
        /// The device.
        device: MtdName,
        /// In bytes, by the table.
        table_bytes: u64,
        /// In bytes, by the other text.
        text_bytes: u64,
        /// Its line there.
        line: usize,
    },
    /// The device has another name there.
    Name {
        /// The device.
        device: MtdName,
        /// By the other text.
        name: String,
        /// Its line there.
        line: usize,
    },
    /// Somebody else tells another offset.
    Offset {
        /// The device.
        device: MtdName,
        /// What was known before.
        known: PartitionOffset,
        /// What this text says.
        text: PartitionOffset,
        /// Its line there.
        line: usize,
    },
    /// The table has no such partition.
    NotThere {
        /// The partition.
        name: String,
        /// Its line.
        line: usize,
    },
    /// Several devices could be meant.
    Ambiguous {
        /// The partition.
        name: String,
        /// Its line.
        line: usize,
    },
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size {
                device,
                table_bytes,
                text_bytes,
                line,
            } => write!(
                f,
                "{device} has {table_bytes:#x} bytes by the table and {text_bytes:#x} by line {line}"
            ),
            Self::Name { device, name, line } => {
                write!(f, "{device} is called {name:?} by line {line}")
            }
            Self::Offset {
                device,
                known,
                text,
                line,
            } => write!(
                f,
                "{device} starts at {:#x} by the {} and at {:#x} by line {line} ({})",
                known.bytes, known.source, text.bytes, text.source
            ),
            Self::NotThere { name, line } => {
                write!(f, "line {line}: the table has no partition {name:?}")
            }
            Self::Ambiguous { name, line } => write!(
                f,
                "line {line}: {name:?} could be several partitions of the table, so it is none"
            ),
        }
    }
}

/// Which chip a device lies on, by the number of the chip in [`Placed::chips`].
pub(crate) type ChipIndex = usize;

/// Devices with what a text says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The chips that the text names.
    pub(crate) chips: Vec<ChipFacts>,
    /// Which chip each device lies on, where the text says it.
    pub(crate) chip_of: BTreeMap<MtdIndex, ChipIndex>,
    /// Which partition each device lies in, where the text says it.
    pub(crate) parent_of: BTreeMap<MtdIndex, MtdIndex>,
    /// What does not agree.
    pub(crate) conflicts: Vec<Conflict>,
}

/// Puts the facts of a text to `devices`: offsets and permissions that are not
/// known yet, and which chip and parent each has.
pub(crate) fn place(devices: &mut [MtdInfo], reading: &Reading) -> Placed {
    let mut placed = Placed {
        chips: reading.chips.clone(),
        ..Placed::default()
    };
    let owners = owners(devices, reading, &mut placed.conflicts);
    for (at, facts) in reading.partitions.iter().enumerate() {
        let Some(device) = owners[at].map(|owner| &mut devices[owner]) else {
            continue;
        };
        let index = device.index;
        if !take(device, facts, reading.form, &mut placed.conflicts) {
            continue;
        }
        if let Some(chip) = facts.chip {
            device.chip = device.chip.or_else(|| u32::try_from(chip).ok());
            let told_bytes = placed.chips.get(chip).and_then(|chip| chip.size_bytes);
            device.chip_bytes = device.chip_bytes.or(told_bytes);
            placed.chip_of.insert(index, chip);
        }
        let parent = facts.parent.and_then(|parent| owners[parent]);
        if let Some(parent) = parent {
            let parent = devices[parent].index;
            placed.parent_of.insert(index, parent);
            if let Some(device) = owners[at].map(|owner| &mut devices[owner]) {
                device.parent = device.parent.or(Some(parent));
            }
        }
    }
    placed
}

/// For each partition of the text, the device that it is about.
fn owners(
    devices: &[MtdInfo],
    reading: &Reading,
    conflicts: &mut Vec<Conflict>,
) -> Vec<Option<usize>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, device) in devices.iter().enumerate() {
        by_name.entry(&device.name).or_default().push(at);
    }
    let of_same_name = |facts: &PartitionFacts| {
        let same = |other: &&PartitionFacts| other.name == facts.name;
        reading.partitions.iter().filter(same).count()
    };
    let find = |facts: &PartitionFacts| -> Result<usize, Conflict> {
        let (name, line) = (facts.name.clone(), facts.line);
        if let Some(index) = facts.index {
            let found = devices.iter().position(|device| device.index == index);
            return found.ok_or(Conflict::NotThere { name, line });
        }
        let candidates = by_name.get(facts.name.as_str()).map_or(&[][..], |c| &c[..]);
        let fits = |at: &&usize| facts.size_bytes == Some(devices[**at].size_bytes);
        let fitting: Vec<_> = candidates.iter().filter(fits).collect();
        match (candidates, &fitting[..]) {
            ([], _) => Err(Conflict::NotThere { name, line }),
            // Of one name on both sides: whatever else it says, it is this one.
            ([one], _) if of_same_name(facts) == 1 => Ok(*one),
            (_, [one]) => Ok(**one),
            _ => Err(Conflict::Ambiguous { name, line }),
        }
    };
    let mut owners: Vec<Option<usize>> = Vec::with_capacity(reading.partitions.len());
    for facts in &reading.partitions {
        let owner = match find(facts) {
            Ok(owner) if owners.contains(&Some(owner)) => {
                conflicts.push(Conflict::Ambiguous {
                    name: facts.name.clone(),
                    line: facts.line,
                });
                None
            }
            Ok(owner) => Some(owner),
            Err(conflict) => {
                conflicts.push(conflict);
                None
            }
        };
        owners.push(owner);
    }
    owners
}

/// Takes a partition's facts over; whether it is the same partition at all.
fn take(
    device: &mut MtdInfo,
    facts: &PartitionFacts,
    form: Form,
    conflicts: &mut Vec<Conflict>,
) -> bool {
    let line = facts.line;
    if facts.name != device.name {
        conflicts.push(Conflict::Name {
            device: device.id(),
            name: facts.name.clone(),
            line,
        });
        return false;
    }
    if let Some(text_bytes) = facts.size_bytes.filter(|bytes| *bytes != device.size_bytes) {
        conflicts.push(Conflict::Size {
            device: device.id(),
            table_bytes: device.size_bytes,
            text_bytes,
            line,
        });
        return false;
    }
    match (device.offset, facts.offset) {
        (Some(known), Some(text)) if known.source == FactSource::Sum => {
            // Somebody's word beats our own conclusion.
            device.offset = Some(text);
            let _ = known;
        }
        (Some(known), Some(text)) if known.bytes != text.bytes => {
            conflicts.push(Conflict::Offset {
                device: device.id(),
                known,
                text,
                line,
            });
        }
        (None, Some(text)) => device.offset = Some(text),
        _ => {}
    }
    if let (None, Some(read_only)) = (device.writeable, facts.read_only) {
        device.writeable = Some(!read_only);
        device.writeable_source = facts.sources.read_only.or(Some(form.source()));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::mtd::parse_proc_mtd;

    fn devices(table: &str) -> Vec<MtdInfo> {
        let table = format!("dev:    size   erasesize  name\n{table}");
        parse_proc_mtd(table.as_bytes()).unwrap()
    }

    /// A QNAP TS-419P: the partitions stand on the chip in another order.
    const QNAP: &str = "\
mtd0: 00080000 00040000 \"U-Boot\"
mtd1: 00200000 00040000 \"Kernel\"
mtd2: 00900000 00040000 \"RootFS1\"
mtd3: 00300000 00040000 \"RootFS2\"
mtd4: 00040000 00040000 \"U-Boot Config\"
mtd5: 00140000 00040000 \"NAS Config\"
";

    #[test]
    fn order_on_the_chip_is_the_texts() {
        let mut devices = devices(QNAP);
        let text = b"mtdparts=nor:0x80000@0(U-Boot),2M@0x200000(Kernel),9M@0x400000(RootFS1),\
            3M@0xd00000(RootFS2),0x40000@0x80000(U-Boot Config),0x140000@0xc0000(NAS Config)";
        let placed = place(&mut devices, &read(text).unwrap());
        assert_eq!(placed.conflicts, []);
        let offsets: Vec<_> = devices.iter().map(|d| d.offset_bytes().unwrap()).collect();
        assert_eq!(
            offsets,
            [0, 0x20_0000, 0x40_0000, 0xd0_0000, 0x8_0000, 0xc_0000]
        );
        assert_eq!(placed.chip_of.len(), 6);
    }

    #[test]
    fn contradictions_are_told_and_not_taken() {
        let mut devices = devices(QNAP);
        devices[1].offset = Some(PartitionOffset {
            bytes: 0x20_0000,
            source: FactSource::Sysfs,
        });
        let text = b"mtdparts=nor:0x90000@0(U-Boot),2M@0x300000(Kernel),1M(Other)";
        let placed = place(&mut devices, &read(text).unwrap());
        assert!(matches!(
            placed.conflicts[..],
            [
                Conflict::NotThere { .. },
                Conflict::Size { .. },
                Conflict::Offset { .. }
            ]
        ));
        assert_eq!(devices[0].offset, None);
        assert_eq!(devices[1].offset_bytes(), Some(0x20_0000));
    }

    /// In the table once and in the text twice: its size says which of them it is.
    #[test]
    fn a_name_that_only_the_text_has_twice_is_told_by_size() {
        let mut devices = devices("mtd0: 00010000 00010000 \"a\"\n");
        let text = b"0x20000-0x40000 : \"a\"\n0x0-0x10000 : \"a\"\n";
        let placed = place(&mut devices, &read(text).unwrap());
        assert_eq!(devices[0].offset_bytes(), Some(0));
        assert!(
            matches!(&placed.conflicts[..], [Conflict::Ambiguous { line: 1, .. }]),
            "{:?}",
            placed.conflicts
        );
    }

    /// A sum of sizes is our own conclusion and yields to a text; what the kernel or the
    /// user told does not, and both are said.
    #[test]
    fn a_running_sum_yields_to_what_somebody_tells() {
        let table = "mtd0: 00010000 00010000 \"a\"\nmtd1: 00010000 00010000 \"b\"\n";
        let text = read(b"0x50000-0x60000 : \"b\"\n0x0-0x10000 : \"a\"\n").unwrap();
        for source in [FactSource::Sum, FactSource::Sysfs, FactSource::User] {
            let mut devices = devices(table);
            let known = PartitionOffset {
                bytes: 0x1_0000,
                source,
            };
            devices[1].offset = Some(known);
            let placed = place(&mut devices, &text);
            let offset = devices[1].offset.unwrap();
            if source == FactSource::Sum {
                assert_eq!(
                    (offset.bytes, offset.source),
                    (0x5_0000, FactSource::BootLog)
                );
                assert_eq!(placed.conflicts, []);
            } else {
                assert_eq!(offset, known);
                assert!(matches!(&placed.conflicts[..], [Conflict::Offset { .. }]));
            }
        }
    }

    #[test]
    fn names_that_come_twice_are_told_apart_by_size_or_not_at_all() {
        let table = "mtd0: 00010000 00010000 \"a\"\nmtd1: 00020000 00010000 \"a\"\n\
                     mtd2: 00010000 00010000 \"b\"\nmtd3: 00010000 00010000 \"b\"\n";
        let mut devices = devices(table);
        let text = b"0x20000-0x40000 : \"a\"\n0x0-0x10000 : \"a\"\n0x50000-0x60000 : \"b\"\n";
        let placed = place(&mut devices, &read(text).unwrap());
        let offsets: Vec<_> = devices.iter().map(MtdInfo::offset_bytes).collect();
        assert_eq!(offsets, [Some(0), Some(0x2_0000), None, None]);
        assert_eq!(placed.conflicts.len(), 1);
    }
}
