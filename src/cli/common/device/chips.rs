//! Chips of the simulation from described devices, and the dumps that hold them.
//!
//! Invariant: a dump that is not the chip of the layout is cut only where the user says
//! so; then what it lacks is unreadable, and what it has beyond is told.

use super::dumps::{Chosen, Dumps, oob_in, refused};
use crate::backend::Provenance;
use crate::backup::count;
use crate::cli::error::CliError;
use crate::layout::Described;
use crate::mtd::{MtdInfo, PartitionOffset};
use mtd_harness::chip::Geometry;
use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
use mtd_harness::profile::ImagePart;
use std::collections::BTreeMap;

/// The largest erase block that is assumed where no text tells one.
const ASSUMED_BLOCK_BYTES: u64 = 64 << 10;

/// The smallest, on a chip of 1 MiB or more: no usual NOR chip has smaller ones. What lies
/// off its boundaries is read-only then, as Linux has it.
const ASSUMED_BLOCK_BYTES_MIN: u64 = 4 << 10;

const NOT_CUT: &str = "the dump is not whole, or the layout is another device's: nothing was cut; \
    where the dump only ends early or goes on behind the chip, --cut takes what there is";

/// One chip with its devices.
struct Group {
    chip: Option<u32>,
    devices: Vec<MtdInfo>,
    told_bytes: Option<u64>,
}

/// The simulation of these devices.
pub(super) fn simulation_of(
    mut described: Described,
    dumps: &Dumps,
    mut notes: Vec<String>,
) -> Result<Chosen, CliError> {
    let without: Vec<_> = described
        .devices
        .iter()
        .filter(|d| d.offset.is_none())
        .collect();
    if let Some(first) = without.first() {
        return Err(refused(
            format!(
                "the layout does not tell the start of {}, the first of them {}",
                count(without.len() as u64, "partition"),
                first.id()
            ),
            "add what tells it with --layout: a boot log, mtdparts=, U-Boot's list",
        ));
    }
    let mut assumed = Vec::new();
    if let Some(name) = &dumps.of {
        part_alone(&mut described, name)?;
        assumed.push(format!("the dump is of {name} alone"));
    }
    let groups = groups(&described)?;
    let (parts, image_bytes) = dumps_of(&groups, &described, dumps)?;
    let mut layout = Layout::new([]);
    let mut told_bytes = BTreeMap::new();
    for (group, image_bytes) in groups.iter().zip(&image_bytes) {
        let size_bytes = chip_bytes(group, *image_bytes, dumps.cut, &mut notes, &mut assumed)?;
        let is_fixed = image_bytes.is_some() && !dumps.cut;
        let geometry = geometry(&group.devices, size_bytes, is_fixed, &mut assumed)?;
        let whole_bytes = image_bytes.filter(|_| !dumps.cut);
        told_bytes.insert(group.chip, group.told_bytes.or(whole_bytes));
        let partitions = group.devices.iter().map(|d| partition(d, group));
        layout.chips.push(ChipLayout::new(geometry, partitions));
    }
    layout
        .check()
        .map_err(|error| refused(error.to_string(), "the layout cannot be a device's"))?;
    notes.extend(assumed.iter().cloned());
    let provenance = described.devices.iter().map(|device| Provenance {
        source: device.offset.map(|offset| offset.source),
        erase_block_assumed: device.erase_block_bytes == 0,
        size_source: Some(device.size_source),
        erase_block_source: Some(device.erase_block_source),
        // What no text says of it, the simulation decides.
        writeable_source: device.writeable.and(device.writeable_source),
        chip_bytes: told_bytes.get(&device.chip).copied().flatten(),
    });
    Ok(Chosen {
        provenance: provenance.collect(),
        parts,
        layout,
        notes,
        assumed,
    })
}

/// Leaves the partition of that name and what lies in it, counted from its start.
fn part_alone(described: &mut Described, name: &str) -> Result<(), CliError> {
    let names = [name.to_owned()];
    let found = crate::mtd::select(&described.devices, &names)?;
    let outer = found
        .first()
        .map(|device| (*device).clone())
        .ok_or_else(|| refused(format!("there is no {name}"), "see `mtdkeep list`"))?;
    let Some(start) = outer.certain_offset_bytes() else {
        return Err(refused(
            format!("nobody tells where {} starts", outer.id()),
            "add what tells it with --layout: a boot log, mtdparts=, U-Boot's list",
        ));
    };
    let end = start.saturating_add(outer.size_bytes);
    described.devices.retain(|device| {
        let from = device.certain_offset_bytes();
        let inside = from.is_some_and(|from| from >= start && end_bytes(device) <= end);
        inside && device.chip == outer.chip
    });
    let numbers: Vec<_> = described.devices.iter().map(|d| d.index).collect();
    for device in &mut described.devices {
        device.chip = Some(0);
        device.parent = device.parent.filter(|parent| numbers.contains(parent));
        device.offset = device.offset.map(|offset| PartitionOffset {
            bytes: offset.bytes - start,
            ..offset
        });
    }
    let mut chip = described
        .chips
        .get(outer.chip.unwrap_or(0) as usize)
        .cloned()
        .unwrap_or_default();
    chip.size_bytes = Some(outer.size_bytes);
    described.chips = vec![chip];
    Ok(())
}

/// The devices chip by chip, in the order of the chips.
fn groups(described: &Described) -> Result<Vec<Group>, CliError> {
    let mut by_chip: BTreeMap<Option<u32>, Vec<MtdInfo>> = BTreeMap::new();
    for device in &described.devices {
        by_chip.entry(device.chip).or_default().push(device.clone());
    }
    if let (Some(lost), true) = (by_chip.get(&None), by_chip.len() > 1) {
        return Err(refused(
            format!(
                "the layout does not tell on which chip {} lies",
                lost[0].id()
            ),
            "add what tells it with --layout: a boot log, mtdparts=, U-Boot's list",
        ));
    }
    let only = match &described.chips[..] {
        [only] => only.size_bytes,
        _ => None,
    };
    let group = |(chip, devices): (Option<u32>, Vec<MtdInfo>)| Group {
        told_bytes: match chip {
            Some(chip) => described
                .chips
                .get(chip as usize)
                .and_then(|c| c.size_bytes),
            None => only,
        },
        chip,
        devices,
    };
    Ok(by_chip.into_iter().map(group).collect())
}

type Parts = (Vec<ImagePart>, Vec<Option<u64>>);

/// Which part of which dump each chip is, and how long it is there.
fn dumps_of(groups: &[Group], described: &Described, dumps: &Dumps) -> Result<Parts, CliError> {
    let part = |file: usize, start_bytes| ImagePart::new(&dumps.files[file].0, start_bytes);
    let length = |file: usize| dumps.files[file].1;
    let chips = described.chips.len().max(groups.len());
    match dumps.files.len() {
        0 => Ok((Vec::new(), vec![None; groups.len()])),
        1 if groups.len() == 1 && chips == 1 => Ok((vec![part(0, 0)], vec![Some(length(0))])),
        1 => {
            // All chips in one dump, one behind the other: only where each one's size is
            // told, and all of them together are the dump.
            let sizes: Option<Vec<u64>> = described.chips.iter().map(|c| c.size_bytes).collect();
            let sizes = sizes.filter(|sizes| {
                let all = sizes
                    .iter()
                    .try_fold(0_u64, |sum, size| sum.checked_add(*size));
                sizes.len() == chips && all == Some(length(0))
            });
            let Some(sizes) = sizes else {
                return Err(refused(
                    format!(
                        "the layout has {chips} chips, and does not tell where each of them is in \
                         a dump of {:#x} bytes",
                        length(0)
                    ),
                    "give one --image for each chip, in the layout's order",
                ));
            };
            let start = |chip: usize| sizes[..chip].iter().sum();
            let of_group = |group: &Group| group.chip.map_or(0, |chip| chip as usize);
            let parts = groups.iter().map(|group| part(0, start(of_group(group))));
            let lengths = groups.iter().map(|group| Some(sizes[of_group(group)]));
            Ok((parts.collect(), lengths.collect()))
        }
        count if count == chips && dumps.of.is_none() => {
            let file = |group: &Group| group.chip.map_or(0, |chip| chip as usize);
            let parts = groups.iter().map(|group| part(file(group), 0));
            let lengths = groups.iter().map(|group| Some(length(file(group))));
            Ok((parts.collect(), lengths.collect()))
        }
        count => Err(refused(
            format!("there are {count} dumps, and the layout has {chips} chips"),
            "give one --image for each chip, in the layout's order",
        )),
    }
}

/// The one dump of a layout of one chip.
pub(super) fn one_dump(layout: &Layout, dumps: &Dumps) -> Result<Vec<ImagePart>, CliError> {
    match (&dumps.files[..], &layout.chips[..]) {
        ([], _) => Ok(Vec::new()),
        ([(path, bytes)], [chip]) if *bytes == chip.geometry.size_bytes => {
            Ok(vec![ImagePart::new(path, 0)])
        }
        ([(path, bytes)], [chip]) => Err(refused(
            format!(
                "the image {} has {bytes:#x} bytes, and all partitions together {:#x}{}",
                path.display(),
                chip.geometry.size_bytes,
                oob_in(*bytes, chip.geometry.size_bytes, true)
                    .map_or(String::new(), |oob| format!("; {oob}"))
            ),
            "a table alone does not tell where partitions lie; add what does with --layout: a \
             boot log, mtdparts=, U-Boot's list",
        )),
        _ => Err(refused(
            "a table of several chips does not tell where each is in a dump".into(),
            "add what tells it with --layout: a boot log, mtdparts=, U-Boot's list",
        )),
    }
}

fn partition(device: &MtdInfo, group: &Group) -> PartitionSpec {
    let parent = device
        .parent
        .and_then(|parent| group.devices.iter().position(|other| other.index == parent));
    PartitionSpec {
        number: Some(device.index.0),
        parent,
        read_only: device.writeable == Some(false),
        ..PartitionSpec::new(
            device.name.clone(),
            device.offset_bytes().unwrap_or(0),
            device.size_bytes,
        )
    }
}

fn end_bytes(device: &MtdInfo) -> u64 {
    let start = device.offset_bytes().unwrap_or(0);
    start.saturating_add(device.size_bytes)
}

/// How large a chip is: as it is told, else as long as its dump, else as far as its
/// partitions reach. A dump that cannot be this chip's is refused, unless it is to be
/// cut.
fn chip_bytes(
    group: &Group,
    image_bytes: Option<u64>,
    cut: bool,
    notes: &mut Vec<String>,
    assumed: &mut Vec<String>,
) -> Result<u64, CliError> {
    let told_bytes = group.told_bytes;
    let last = group.devices.iter().max_by_key(|device| end_bytes(device));
    let end = last.map_or(0, end_bytes);
    let limit = told_bytes.or(image_bytes).unwrap_or(end);
    let is_short = told_bytes.is_none() && cut && end > limit;
    if let Some(last) = last.filter(|_| end > limit && !is_short) {
        let of = if told_bytes.is_some() { "chip" } else { "dump" };
        return Err(refused(
            format!(
                "{} reaches up to {end:#x}, past the {limit:#x} bytes of the {of}",
                last.id()
            ),
            NOT_CUT,
        ));
    }
    let size_bytes = if is_short { end } else { limit };
    let Some(image_bytes) = image_bytes else {
        return Ok(size_bytes);
    };
    let oob = oob_in(image_bytes, told_bytes.unwrap_or(end), told_bytes.is_some());
    if told_bytes.is_some_and(|told| told != image_bytes) && !cut {
        let said = oob.map_or(String::new(), |oob| format!("; {oob}"));
        return Err(refused(
            format!(
                "the dump has {image_bytes:#x} bytes, and the chip has {size_bytes:#x} by the \
                 layout{said}"
            ),
            NOT_CUT,
        ));
    }
    if let (Some(oob), false) = (oob.filter(|_| told_bytes.is_none()), cut) {
        return Err(refused(
            format!("the dump has {image_bytes:#x} bytes, which are no chip's: {oob}"),
            NOT_CUT,
        ));
    }
    if image_bytes < size_bytes {
        assumed.push(format!(
            "the dump ends at {image_bytes:#x} of {size_bytes:#x}: what lies behind is unreadable"
        ));
    } else if told_bytes.is_none() && end < image_bytes {
        notes.push(format!(
            "{:#x} bytes at {end:#x}, at the end of the dump, belong to no partition of the \
             layout and go into no backup",
            image_bytes - end
        ));
    } else if image_bytes > size_bytes {
        notes.push(format!(
            "{:#x} bytes at {size_bytes:#x} of the dump lie behind the chip's end and go into no \
             backup",
            image_bytes - size_bytes
        ));
    }
    Ok(size_bytes)
}

/// The simulated chip. Where no text tells the erase block, the largest one is
/// assumed that leaves no partition off a boundary but those that begin or end off every
/// usual one, as a kernel's image inside `firmware` does.
fn geometry(
    chip: &[MtdInfo],
    size_bytes: u64,
    size_is_fixed: bool,
    assumed: &mut Vec<String>,
) -> Result<Geometry, CliError> {
    let block_bytes = chip[0].erase_block_bytes;
    if chip.iter().any(|d| d.erase_block_bytes != block_bytes) {
        return Err(refused(
            "partitions of one chip have erase blocks of different sizes".into(),
            "the simulation has chips with erase blocks of one size",
        ));
    }
    let block_bytes = if block_bytes > 0 {
        block_bytes
    } else {
        let places = chip
            .iter()
            .flat_map(|d| [d.offset_bytes().unwrap_or(0), end_bytes(d)]);
        let is_small = size_bytes % ASSUMED_BLOCK_BYTES_MIN != 0 || size_bytes < 1 << 20;
        let smallest = if is_small { 1 } else { ASSUMED_BLOCK_BYTES_MIN };
        let places = places.filter(|place| place % smallest == 0);
        let all = places.fold(ASSUMED_BLOCK_BYTES | size_bytes, |all, place| all | place);
        // The largest power of two that divides every one of them.
        let block_bytes = (1 << all.trailing_zeros()).min(ASSUMED_BLOCK_BYTES);
        let said = format!(
            "the layout does not tell the size of the erase blocks: {block_bytes:#x} is assumed"
        );
        // Several chips have it in common.
        if !assumed.contains(&said) {
            assumed.push(said);
        }
        block_bytes
    };
    let whole = size_bytes.checked_next_multiple_of(block_bytes);
    let whole = whole.filter(|whole| i64::try_from(*whole).is_ok() && *whole > 0);
    let (Some(size_bytes), Ok(erase_block_bytes)) = (
        whole.filter(|whole| *whole == size_bytes || !size_is_fixed),
        u32::try_from(block_bytes),
    ) else {
        return Err(refused(
            format!("{size_bytes:#x} bytes are no chip with erase blocks of {block_bytes:#x}"),
            NOT_CUT,
        ));
    };
    Ok(Geometry {
        size_bytes,
        erase_block_bytes,
    })
}
