//! Where partitions inside others lie on the chip.
//!
//! `/sys/class/mtd/mtdN` is a link to the device itself, whose path tells what it is a
//! part of: `…/spi0.0/mtd/mtd1/mtd2` is a part of mtd1. The attribute `offset` counts
//! from the start of that parent, and only a partition has it (Linux 6.1,
//! drivers/mtd/mtdpart.c, `allocate_partition` and `mtd_partition_offset_show`).
//!
//! Invariants: an offset is the chip's, or unknown; devices get one chip's number only
//! where their paths begin alike, in a device that is not the common folder of all
//! that have none (`devices/virtual`).
//!
//! Faults tolerated: no links (a copied tree may have folders there: then the offset
//! is taken as it stands), a parent that the table does not have.

use crate::mtd::{MtdIndex, MtdInfo, PartitionOffset};

/// What a link in `/sys/class/mtd` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The path up to the folder `mtd`: the device that has the chip.
    bearer: String,
    /// From the outermost device to this one.
    chain: Vec<MtdIndex>,
}

impl Link {
    /// Understands where the link of a device leads; none where it is no such path.
    pub(super) fn parse(target: &str, index: MtdIndex) -> Option<Self> {
        let mut chain = Vec::new();
        let mut rest = target;
        loop {
            let (before, name) = rest.rsplit_once('/')?;
            rest = before;
            if name == "mtd" {
                break;
            }
            chain.push(MtdIndex(name.strip_prefix("mtd")?.parse().ok()?));
        }
        chain.reverse();
        (chain.last() == Some(&index)).then(|| Self {
            bearer: rest.to_owned(),
            chain,
        })
    }

    /// Whether the path tells of no device that has the chip.
    fn is_virtual(&self) -> bool {
        self.bearer.ends_with("/devices/virtual")
    }
}

/// Makes offsets of parents ones of the chip, and fills in parents and chips.
/// `links` are those of `devices`, in their order.
pub(super) fn resolve(devices: &mut [MtdInfo], links: &[Option<Link>]) {
    let told: Vec<_> = devices.iter().map(|device| device.offset).collect();
    let at = |index: MtdIndex| devices.binary_search_by_key(&index, |device| device.index);
    // A device without an offset that has partitions with one is a whole chip.
    let mut is_whole_chip = vec![false; devices.len()];
    for (link, offset) in links.iter().zip(&told) {
        let outermost = link.as_ref().and_then(|link| at(link.chain[0]).ok());
        if let (Some(outermost), Some(_)) = (outermost, offset) {
            is_whole_chip[outermost] |= told[outermost].is_none();
        }
    }
    let mut chips: Vec<(&str, Option<MtdIndex>)> = Vec::new();
    let mut found = Vec::with_capacity(devices.len());
    for link in links {
        found.push(link.as_ref().map(|link| {
            let whole = at(link.chain[0]).ok().filter(|at| is_whole_chip[*at]);
            let offset = link
                .chain
                .iter()
                .try_fold(None, |sum: Option<PartitionOffset>, index| {
                    let at = at(*index).ok()?;
                    let Some(own) = told[at] else {
                        return (Some(at) == whole).then_some(None);
                    };
                    let before = sum.map_or(0, |sum| sum.bytes);
                    let bytes = before.checked_add(own.bytes)?;
                    i64::try_from(bytes).ok()?;
                    Some(Some(PartitionOffset { bytes, ..own }))
                });
            let chip = (whole.is_some() || !link.is_virtual()).then(|| {
                let key = (link.bearer.as_str(), whole.map(|_| link.chain[0]));
                let known = chips.iter().position(|chip| *chip == key);
                known.unwrap_or_else(|| {
                    chips.push(key);
                    chips.len() - 1
                }) as u32
            });
            let parent = link.chain.len().checked_sub(2).map(|at| link.chain[at]);
            (offset, chip, whole.map(|at| devices[at].size_bytes), parent)
        }));
    }
    let source = told.iter().flatten().next().map(|offset| offset.source);
    for ((device, found), is_whole) in devices.iter_mut().zip(found).zip(is_whole_chip) {
        let Some((offset, chip, chip_bytes, parent)) = found else {
            continue;
        };
        device.offset = match offset.flatten() {
            None if is_whole => source.map(|source| PartitionOffset { bytes: 0, source }),
            offset => offset,
        };
        device.chip = chip;
        device.chip_bytes = chip_bytes;
        device.parent = parent;
    }
}
