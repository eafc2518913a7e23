//! The facts that are odd, and the sentence of each.

use crate::mtd::info::{MtdIndex, MtdName, PartitionOffset};
use crate::printable::printable;
use std::fmt;

/// Which end of a partition is off an erase-block boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Edge {
    /// It starts inside an erase block.
    Start,
    /// It ends inside an erase block.
    End,
    /// Both.
    Both,
    /// One of them: its offset is unknown and its size is not whole erase blocks.
    Unknown,
}

/// Something about the partitions that their owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Oddity {
    /// A device without its character node.
    NodeMissing {
        /// The device.
        device: MtdName,
    },
    /// Something else stands where a device's character node belongs.
    NodeWrong {
        /// The device.
        device: MtdName,
        /// What is there.
        found: String,
    },
    /// A partition off an erase-block boundary.
    OffBoundary {
        /// The partition.
        device: MtdName,
        /// Where it is off.
        edge: Edge,
        /// Whether the kernel says that it cannot be written.
        read_only: bool,
    },
    /// Facts about one partition that cannot all be true.
    Contradicted {
        /// The partition.
        device: MtdName,
        /// What one says, where there is an offset.
        offset: Option<PartitionOffset>,
        /// What others say, in words.
        others: Vec<String>,
    },
    /// Two partitions in one erase block: erasing one hits the other.
    SharedEraseBlock {
        /// The one that comes first.
        first: MtdName,
        /// The next.
        second: MtdName,
        /// Where the erase block starts on the chip, in bytes.
        block_offset_bytes: u64,
    },
    /// Two partitions that overlap.
    Overlap {
        /// The one that starts first.
        first: MtdName,
        /// The other.
        second: MtdName,
    },
    /// A partition with others inside it: the same bytes by two names.
    Contains {
        /// The one around.
        outer: MtdName,
        /// Those inside.
        inner: Vec<MtdName>,
    },
    /// It is so only if all lie on one chip, which nobody tells.
    IfOneChip(Box<Oddity>),
    /// A part of the chip between two partitions that belongs to none.
    Gap {
        /// The partition before it; `None` at the start of the chip.
        after: Option<MtdName>,
        /// Where it starts on the chip, in bytes.
        offset_bytes: u64,
        /// How long it is, in bytes.
        length_bytes: u64,
    },
    /// Several partitions of one name.
    DuplicateName {
        /// The name.
        name: String,
        /// Who has it.
        devices: Vec<MtdIndex>,
    },
    /// A partition without a byte (it lies past the chip's end).
    ZeroSize {
        /// The partition.
        device: MtdName,
    },
    /// A device without erase blocks (RAM or ROM).
    NoEraseBlocks {
        /// The device.
        device: MtdName,
    },
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // How to make it depends on the place: in a copied tree it would be a
            // way to the flash of the machine that has the copy.
            Self::NodeMissing { device } => write!(
                f,
                "{device} has no device node (`mtdkeep nodes` says what to do)"
            ),
            Self::NodeWrong { device, found } => {
                write!(f, "the device node of {device} is wrong: it is {found}")
            }
            Self::OffBoundary {
                device,
                edge,
                read_only,
            } => {
                let how = match edge {
                    Edge::Start => "starts inside an erase block",
                    Edge::End => "ends inside an erase block",
                    Edge::Both => "starts and ends inside an erase block",
                    Edge::Unknown => "is not whole erase blocks",
                };
                write!(f, "{device} {how}")?;
                match read_only {
                    true => f.write_str("; Linux makes it read-only"),
                    false => Ok(()),
                }
            }
            Self::Contradicted {
                device,
                offset,
                others,
            } => {
                write!(f, "what is told of {device} is contradicted: ")?;
                if let Some(offset) = offset {
                    write!(f, "{:#x} by the {}; ", offset.bytes, offset.source)?;
                }
                f.write_str(&others.join("; "))
            }
            Self::SharedEraseBlock { .. }
            | Self::Overlap { .. }
            | Self::Contains { .. }
            | Self::Gap { .. } => self.of_places(f),
            Self::IfOneChip(said) => {
                f.write_str("if all lie on one chip, which nobody tells, ")?;
                said.fmt(f)
            }
            Self::DuplicateName { name, devices } => {
                in_a_row(f, devices)?;
                f.write_str(" have the same name, \"")?;
                f.write_str(&printable(name))?;
                f.write_str("\"")
            }
            Self::ZeroSize { device } => write!(f, "{device} has no bytes"),
            Self::NoEraseBlocks { device } => {
                write!(f, "{device} has no erase blocks; it is RAM or ROM")
            }
        }
    }
}

impl Oddity {
    /// What is odd about where partitions lie to each other.
    fn of_places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedEraseBlock {
                first,
                second,
                block_offset_bytes,
            } => write!(
                f,
                "{first} and {second} share the erase block at {block_offset_bytes:#x}; \
                 erasing one would wipe the other"
            ),
            Self::Overlap { first, second } => write!(f, "{first} and {second} overlap"),
            Self::Contains { outer, inner } => {
                write!(f, "{outer} contains ")?;
                in_a_row(f, inner)
            }
            Self::Gap {
                after,
                offset_bytes,
                length_bytes,
            } => {
                write!(f, "{length_bytes:#x} bytes at {offset_bytes:#x}, ")?;
                match after {
                    Some(device) => write!(f, "after {device}, ")?,
                    None => f.write_str("at the start of the chip, ")?,
                }
                f.write_str("belong to no partition and are in no backup")
            }
            _ => Ok(()),
        }
    }
}

/// `a, b and c`.
fn in_a_row<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        let separator = match position {
            0 => "",
            _ if position + 1 == items.len() => " and ",
            _ => ", ",
        };
        write!(f, "{separator}{item}")?;
    }
    Ok(())
}
