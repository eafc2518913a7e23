//! From layout texts to a layout that the simulation can have.
//!
//! Invariants: what a dump is cut by is what texts say, or a table in the dump itself;
//! two texts that contradict each other, and a dump that is not the chip they describe,
//! cut nothing. What had to be assumed for the simulation is in [`Chosen::notes`], to be
//! told.

use super::chips;
use super::dumps::{Chosen, Dumps, profiles, refused};
use crate::backend::Provenance;
use crate::cli::Exit;
use crate::cli::common::layout::{self as common, FORMS};
use crate::cli::error::CliError;
use crate::layout::{self, DescribeError, Described, Form, LayoutTextError, Reading};
use crate::mtd::{FactSource, MtdInfo, PartitionOffset};
use mtd_harness::layout::Layout;
use std::path::Path;

/// The layout of one text, or of two that tell of the same device.
pub(super) fn choose(file: &Path, more: Option<&Path>, dumps: &Dumps) -> Result<Chosen, CliError> {
    let (_, text) = common::read(file).map_err(|error| match error {
        CliError::Other { exit, message, .. } => CliError::Other {
            exit,
            message,
            help: Some(format!(
                "--simulate takes {}, or a file; {FORMS}",
                profiles()
            )),
        },
        other => other,
    })?;
    let mut notes = Vec::new();
    let mut base = reading(file, &text, &mut notes)?;
    let mut more = match more {
        Some(more) => Some(reading(more, &common::read(more)?.1, &mut notes)?),
        None => None,
    };
    sizes_of_dumps(&mut base, dumps);
    more.iter_mut().for_each(|more| sizes_of_dumps(more, dumps));
    let chips = base
        .chips
        .len()
        .max(more.as_ref().map_or(0, |more| more.chips.len()));
    let rest_bytes = dumps.whole_bytes().filter(|_| chips <= 1);
    let mut described = layout::describe(&base, more.as_ref(), rest_bytes)
        .map_err(|error| refused(error.to_string(), what_to_do(&error)))?;
    if described.numbered {
        notes.push(format!("{} {}", file.display(), base.about_numbers()));
    }
    let has_row = |facts: &layout::PartitionFacts| {
        let numbers = (facts.index, facts.size_bytes, facts.erase_block_bytes);
        matches!(numbers, (Some(_), Some(_), Some(1..)))
    };
    let is_table = base.form == Form::ProcMtd || base.partitions.iter().all(has_row);
    look_into_dump(&mut described, dumps, &mut notes)?;
    if is_table
        && described
            .devices
            .iter()
            .all(|device| device.offset.is_none())
    {
        let Some(note) = in_order(&mut described.devices, rest_bytes) else {
            return in_a_row(file, &base, dumps, notes);
        };
        notes.push(note);
    }
    chips::simulation_of(described, dumps, notes).map_err(|error| with_remarks(error, &base))
}

/// What must be said of a text tells why it does not do.
fn with_remarks(error: CliError, reading: &Reading) -> CliError {
    match error {
        CliError::Other {
            exit,
            message,
            help,
        } => CliError::Other {
            exit,
            message: reading
                .remarks
                .iter()
                .fold(message, |message, remark| format!("{message}\n  {remark}")),
            help,
        },
        error => error,
    }
}

fn what_to_do(error: &DescribeError) -> &'static str {
    match error {
        DescribeError::Incomplete(_) | DescribeError::OtherNumber { .. } => {
            "mend the line, or give the device's /proc/mtd, which has the numbers, with \
             --simulate=TABLE, and this with --layout"
        }
        DescribeError::NoSize { .. } => {
            "add what tells how large the chip is with --layout: a boot log, U-Boot's list, the \
             device's /proc/mtd; or its dump with --image"
        }
        _ => "find out which one is the device's",
    }
}

/// One dump for each chip tells how large each is.
fn sizes_of_dumps(reading: &mut Reading, dumps: &Dumps) {
    let files = &dumps.files;
    if files.len() > 1 && files.len() == reading.chips.len() {
        for (chip, (_, bytes)) in reading.chips.iter_mut().zip(files) {
            chip.size_bytes = chip.size_bytes.or(Some(*bytes));
        }
    }
}

/// A partition table in the dump tells places that no text told, and what it tells
/// otherwise is said.
fn look_into_dump(
    described: &mut Described,
    dumps: &Dumps,
    notes: &mut Vec<String>,
) -> Result<(), CliError> {
    let Some(found) = table_in(dumps)? else {
        return Ok(());
    };
    let is_certain = |device: &MtdInfo| device.certain_offset_bytes().is_some();
    if described.devices.iter().all(is_certain) {
        let mut devices = described.devices.clone();
        let placed = layout::place(&mut devices, &found);
        for conflict in placed.conflicts {
            notes.push(format!(
                "the dump's own partition table (RedBoot's) contradicts the layout: {conflict}"
            ));
        }
        return Ok(());
    }
    let mut devices = described.devices.clone();
    layout::place_if_all_fit(&mut devices, &found);
    if devices.iter().all(is_certain) {
        notes.push("where partitions start tells the dump's own table (RedBoot's)".into());
        described.devices = devices;
        described.chips = found.chips;
    }
    Ok(())
}

/// RedBoot's table in the one dump, where it has one that can be read.
pub(super) fn table_in(dumps: &Dumps) -> Result<Option<Reading>, CliError> {
    let [(file, _)] = &dumps.files[..] else {
        return Ok(None);
    };
    if dumps.of.is_some()
        || dumps
            .whole_bytes()
            .is_none_or(|bytes| bytes > common::FILE_BYTES_MAX)
    {
        return Ok(None);
    }
    let (_, bytes) = common::read(file)?;
    Ok(layout::read_flash_table(&bytes).and_then(Result::ok))
}

/// Places by the order of a table in which some partitions hold the bytes of others, as
/// OpenWrt's `firmware` is `kernel` and `rootfs`, and `rootfs_data` the end of `rootfs`.
/// They are inferred, and count only where the user vouches for the order: such ones
/// apart, all must fill the chip to the byte. What was taken so, in words.
fn in_order(devices: &mut [MtdInfo], chip_bytes: Option<u64>) -> Option<String> {
    let mut places: Vec<(u64, u64)> = Vec::new();
    let mut taken = Vec::new();
    let mut end = 0_u64;
    // Those that lie one after the other so far.
    let mut row: Vec<usize> = Vec::new();
    for (at, device) in devices.iter().enumerate() {
        let size = device.size_bytes;
        let last = row.last().copied();
        let inner =
            last.filter(|last| devices[*last].name == "rootfs" && device.name == "rootfs_data");
        let start = |from: usize| places[row[from]].0;
        let ends = |from: &usize| {
            let mut ends = row[*from..].iter().skip(1).map(|one| places[*one].1);
            ends.any(|end| end - start(*from) == size)
        };
        let place = if let Some(outer) = inner.filter(|outer| size <= devices[*outer].size_bytes) {
            taken.push(format!(
                "{} for the end of {}",
                device.id(),
                devices[outer].id()
            ));
            (places[outer].1 - size, places[outer].1)
        } else if let Some(from) = (0..row.len()).find(ends) {
            let held = row[from..]
                .iter()
                .filter(|one| places[**one].1 <= start(from) + size);
            let held: Vec<_> = held.map(|one| devices[*one].id().to_string()).collect();
            taken.push(format!(
                "{} for {} together",
                device.id(),
                held.join(" and ")
            ));
            (start(from), start(from) + size)
        } else {
            row.push(at);
            let from = end;
            end = end.checked_add(size)?;
            (from, end)
        };
        places.push(place);
    }
    if taken.is_empty() || Some(end) != chip_bytes {
        return None;
    }
    for (device, (bytes, _)) in devices.iter_mut().zip(places) {
        let source = FactSource::Sum;
        device.offset = Some(PartitionOffset { bytes, source });
    }
    Some(format!(
        "what the table has fills the chip to the byte if one takes {}",
        taken.join(", and ")
    ))
}

/// A `/proc/mtd` alone whose places nobody can infer: for a simulation, partitions
/// follow each other, and chips change with the erase block.
fn in_a_row(
    file: &Path,
    base: &Reading,
    dumps: &Dumps,
    notes: Vec<String>,
) -> Result<Chosen, CliError> {
    let layout = Layout::from_proc_mtd(&table_of(base)).map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("the layout {}: {error}", file.display()),
        help: Some(FORMS.into()),
    })?;
    // A single partition is its whole chip.
    let alone = layout.chips.iter().all(|chip| chip.partitions.len() == 1);
    let provenance = Provenance {
        source: alone.then_some(FactSource::Simulation),
        erase_block_assumed: false,
        size_source: Some(FactSource::ProcMtd),
        erase_block_source: Some(FactSource::ProcMtd),
        writeable_source: None,
        chip_bytes: None,
    };
    Ok(Chosen {
        provenance: vec![provenance; layout.partitions().count()],
        parts: chips::one_dump(&layout, dumps)?,
        layout,
        notes,
        assumed: Vec::new(),
    })
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
    let bad = |error: &dyn std::fmt::Display| CliError::Other {
        exit: Exit::Io,
        message: format!("the layout {name}: {error}"),
        help: Some(FORMS.into()),
    };
    let reading = match layout::read(text) {
        Ok(reading) => reading,
        // What begins like a table is told with the words for one.
        Err(error @ LayoutTextError::Unknown) => {
            let table = String::from_utf8_lossy(text);
            let is_meant = table.contains("erasesize") || table.trim_start().starts_with("mtd");
            return Err(match Layout::from_proc_mtd(&table) {
                Err(table) if is_meant => bad(&table),
                _ => common::bad(&name, &error),
            });
        }
        Err(error) => return Err(common::bad(&name, &error)),
    };
    if reading.partitions.is_empty() {
        return Err(bad(&"it tells of no partition"));
    }
    notes.extend(common::remarks(&name, &reading));
    Ok(reading)
}
