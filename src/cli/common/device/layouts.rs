//! From layout texts to a layout that the simulation can have.
//!
//! Invariants: what a dump is cut by is what texts say; two texts that contradict each
//! other, and a dump that is not the chip they describe, cut nothing. What had to be
//! assumed for the simulation is in [`Chosen::notes`], to be told.

use crate::cli::Exit;
use crate::cli::common::layout::{self as common, FORMS};
use crate::cli::error::CliError;
use mtd_harness::chip::Geometry;
use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
use mtdkeep::backend::Told;
use mtdkeep::layout::{self, Described, Form, LayoutTextError, Reading};
use mtdkeep::mtd::{MtdInfo, OffsetSource};
use std::path::Path;

/// The largest erase block that is assumed where no text tells one.
const ASSUMED_BLOCK_BYTES: u64 = 64 << 10;

/// A layout, and what is known of it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) layout: Layout,
    /// By MTD number.
    pub(super) told: Vec<Told>,
    /// What must be said of it.
    pub(super) notes: Vec<String>,
    /// What goes into the description of the device, and so into a manifest.
    pub(super) assumed: Vec<String>,
}

impl Chosen {
    /// Whether nobody told where the partitions start.
    pub(super) fn is_inferred(&self) -> bool {
        self.told.iter().any(|told| told.source.is_inferred())
    }
}

/// The layout of one text, or of two that tell of the same device. `image_bytes` is
/// the length of the dump that is to be cut by it.
pub(super) fn choose(
    file: &Path,
    more: Option<&Path>,
    image_bytes: Option<u64>,
) -> Result<Chosen, CliError> {
    let (_, text) = common::read(file)?;
    if more.is_none() {
        if let Some(chosen) = plain_table(file, &text)? {
            return Ok(chosen);
        }
    }
    let mut notes = Vec::new();
    let base = reading(file, &text, &mut notes)?;
    let more = match more {
        Some(more) => Some(reading(more, &common::read(more)?.1, &mut notes)?),
        None => None,
    };
    let described = layout::describe(&base, more.as_ref(), image_bytes)
        .map_err(|error| refused(error.to_string(), "find out which one is the device's"))?;
    if described.numbered {
        notes.push(format!(
            "{} has no MTD numbers: its partitions are numbered in its order",
            file.display()
        ));
    }
    simulation_of(&described, image_bytes, notes)
}

/// A `/proc/mtd` alone: offsets are running sums, chips change with the erase block.
fn plain_table(file: &Path, text: &[u8]) -> Result<Option<Chosen>, CliError> {
    let bad = |error: &dyn std::fmt::Display| CliError::Other {
        exit: Exit::Io,
        message: format!("the layout {}: {error}", file.display()),
        help: Some(FORMS.into()),
    };
    let mut notes = Vec::new();
    let layout = match Layout::from_proc_mtd(&String::from_utf8_lossy(text)) {
        Ok(layout) => layout,
        Err(error) => match layout::read(text) {
            // As somebody pasted it: the table without what stands around it.
            Ok(found) if found.form == Form::ProcMtd => {
                notes.extend(common::passed_over(&file.display().to_string(), &found));
                Layout::from_proc_mtd(&table_of(&found)).map_err(|_| bad(&error))?
            }
            Ok(_) => return Ok(None),
            Err(LayoutTextError::Unknown | LayoutTextError::ProcMtd(_)) => {
                return Err(bad(&error));
            }
            Err(error) => return Err(bad(&error)),
        },
    };
    // The iSpot's offsets are known, and a single partition is its whole chip.
    let alone = layout.chips.iter().all(|chip| chip.partitions.len() == 1);
    let source = if layout == Layout::ispot() || alone {
        OffsetSource::Simulation
    } else {
        OffsetSource::Sum
    };
    let told = Told {
        source,
        parent: None,
        erase_block_assumed: false,
    };
    Ok(Some(Chosen {
        told: vec![told; layout.partitions().count()],
        layout,
        notes,
        assumed: Vec::new(),
    }))
}

fn table_of(reading: &Reading) -> String {
    let mut text = "dev:    size   erasesize  name\n".to_owned();
    for facts in &reading.partitions {
        let index = facts.index.map(|index| index.0).unwrap_or_default();
        let (size, block) = (facts.size_bytes, facts.erase_block_bytes);
        text += &format!(
            "mtd{index}: {:08x} {:08x} \"{}\"\n",
            size.unwrap_or_default(),
            block.unwrap_or_default(),
            facts.name
        );
    }
    text
}

fn reading(file: &Path, text: &[u8], notes: &mut Vec<String>) -> Result<Reading, CliError> {
    let name = file.display().to_string();
    let reading = common::understand(&name, text)?;
    notes.extend(common::passed_over(&name, &reading));
    Ok(reading)
}

fn refused(message: String, help: &str) -> CliError {
    CliError::Other {
        exit: Exit::Refused,
        message,
        help: Some(help.into()),
    }
}

fn simulation_of(
    described: &Described,
    image_bytes: Option<u64>,
    mut notes: Vec<String>,
) -> Result<Chosen, CliError> {
    let devices = &described.devices;
    let without: Vec<_> = devices.iter().filter(|d| d.offset.is_none()).collect();
    if let Some(first) = without.first() {
        return Err(refused(
            format!(
                "the layout does not tell where {} partitions start, the first of them {}",
                without.len(),
                first.id()
            ),
            "add what tells it with --layout: a boot log, mtdparts=, U-Boot's list",
        ));
    }
    if let Some((expected, found)) = (0..).zip(devices).find(|(n, d)| d.index.0 != *n) {
        return Err(refused(
            format!("the layout has no mtd{expected} before {}", found.id()),
            "the simulation numbers its devices from 0 without gaps",
        ));
    }
    let mut layout = Layout { chips: Vec::new() };
    let mut assumed = Vec::new();
    let mut seen = Vec::new();
    let only_chip = devices.iter().all(|d| d.chip == devices[0].chip);
    for chip in devices.chunk_by(|a, b| a.chip == b.chip) {
        if seen.contains(&chip[0].chip) {
            return Err(refused(
                "the numbers go to and fro between the chips".into(),
                "the simulation numbers the partitions of one chip after those of the one before",
            ));
        }
        seen.push(chip[0].chip);
        let facts = chip[0].chip.and_then(|at| described.chips.get(at as usize));
        let told_bytes = facts.and_then(|facts| facts.size_bytes);
        let image_bytes = image_bytes.filter(|_| only_chip);
        let size_bytes = chip_bytes(chip, told_bytes, image_bytes)?;
        let geometry = geometry(chip, size_bytes, image_bytes.is_some(), &mut assumed)?;
        if let (Some(image_bytes), true) = (image_bytes, told_bytes.is_none()) {
            let end = chip.iter().map(end_bytes).max().unwrap_or(0);
            if end < image_bytes {
                notes.push(format!(
                    "{:#x} bytes at {end:#x}, at the end of the dump, belong to no partition of \
                     the layout and go into no backup",
                    image_bytes - end
                ));
            }
        }
        layout.chips.push(ChipLayout {
            geometry,
            partitions: chip.iter().map(partition).collect(),
        });
    }
    notes.extend(assumed.iter().cloned());
    let told = devices.iter().map(|device| Told {
        source: device.offset.map_or(OffsetSource::Sum, |o| o.source),
        parent: device.parent,
        erase_block_assumed: device.erase_block_bytes == 0,
    });
    Ok(Chosen {
        told: told.collect(),
        layout,
        notes,
        assumed,
    })
}

fn partition(device: &MtdInfo) -> PartitionSpec {
    PartitionSpec {
        name: device.name.clone(),
        offset_bytes: device.offset_bytes().unwrap_or(0),
        size_bytes: device.size_bytes,
    }
}

fn end_bytes(device: &MtdInfo) -> u64 {
    let start = device.offset_bytes().unwrap_or(0);
    start.saturating_add(device.size_bytes)
}

/// How large a chip is: as it is told, else as long as its dump, else as far as its
/// partitions reach. A dump that cannot be this chip's is refused.
fn chip_bytes(
    chip: &[MtdInfo],
    told_bytes: Option<u64>,
    image_bytes: Option<u64>,
) -> Result<u64, CliError> {
    let last = chip.iter().max_by_key(|device| end_bytes(device));
    let end = last.map_or(0, end_bytes);
    let limit = told_bytes.or(image_bytes).unwrap_or(end);
    if let Some(last) = last.filter(|_| end > limit) {
        let of = if told_bytes.is_some() { "chip" } else { "dump" };
        return Err(refused(
            format!(
                "{} reaches up to {end:#x}, past the {limit:#x} bytes of the {of}",
                last.id()
            ),
            "the dump is not whole, or the layout is another device's: nothing was cut",
        ));
    }
    match (told_bytes, image_bytes) {
        (Some(told), Some(image)) if told != image => Err(refused(
            format!("the dump has {image:#x} bytes, and the chip has {told:#x} by the layout"),
            "nothing was cut; where the dump only goes on behind the chip's end, cut it first \
             with `head -c`",
        )),
        _ => Ok(limit),
    }
}

/// The simulated chip. Where no text tells the erase block, the largest one is
/// assumed that leaves no partition off a boundary.
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
        let all = places.fold(ASSUMED_BLOCK_BYTES | size_bytes, |all, place| all | place);
        // The largest power of two that divides every one of them.
        let block_bytes = (1 << all.trailing_zeros()).min(ASSUMED_BLOCK_BYTES);
        assumed.push(format!(
            "the layout does not tell the size of the erase blocks: {block_bytes:#x} is assumed"
        ));
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
            "the dump is not whole, or the layout is another device's: nothing was cut",
        ));
    };
    Ok(Geometry {
        size_bytes,
        erase_block_bytes,
    })
}
