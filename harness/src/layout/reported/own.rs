//! The form that `mtdkeep list --layout` prints:
//!
//! ```text
//! mtdkeep layout 1
//! chip 0: size 0x1000000, erase block 0x10000, name "spi0.0"
//! mtd2: chip 0, in mtd1, offset 0x40000 (sysfs), size 0x2c0000, read-only, name "kernel"
//! ```

use super::scan::{Line, Scan, decimal};
use super::{ReportedChip, ReportedError, ReportedLayout, ReportedPartition};

fn wrong(line: &Line, why: &'static str) -> ReportedError {
    ReportedError::Line {
        line: line.number,
        why,
    }
}

/// A line's words: what it is about, its fields, its name.
struct Entry<'a> {
    subject: &'a str,
    fields: Vec<&'a str>,
    name: &'a str,
}

pub(super) fn read(lines: &[Line]) -> Result<Option<ReportedLayout>, ReportedError> {
    let Some(head) = lines
        .iter()
        .position(|line| line.text == "mtdkeep layout 1")
    else {
        return Ok(None);
    };
    let mut reported = ReportedLayout::default();
    let mut parents: Vec<Option<u32>> = Vec::new();
    for line in &lines[head + 1..] {
        let subject = line.text.split_once(':').map(|(subject, _)| subject);
        let is_subject =
            |s: &str| s == "partition" || s.starts_with("chip ") || s.starts_with("mtd");
        // Comments, prompts, and whatever stands behind.
        if !subject.is_some_and(is_subject) {
            continue;
        }
        let entry = entry(line)?;
        match entry.subject.strip_prefix("chip ") {
            Some(number) => {
                if decimal(number) != Some(reported.chips.len()) {
                    return Err(wrong(line, "chips count up from 0"));
                }
                reported.chips.push(chip(line, &entry)?);
            }
            None => {
                let (partition, parent) = partition(line, &entry, &reported)?;
                reported.partitions.push(partition);
                parents.push(parent);
            }
        }
    }
    resolve(&mut reported, &parents)?;
    Ok(Some(reported))
}

fn entry(line: &Line) -> Result<Entry<'_>, ReportedError> {
    let text = line.text.as_str();
    let colon = text.find(':').unwrap_or(0);
    let named = text[colon + 1..].split_once(" name \"");
    let (fields, name) = named.ok_or_else(|| wrong(line, "no name"))?;
    let name = name
        .strip_suffix('"')
        .ok_or_else(|| wrong(line, "no end of the name"))?;
    let fields = fields
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty());
    let fields: Vec<&str> = fields.collect();
    let mut words: Vec<&str> = Vec::new();
    for field in &fields {
        let word = field.split(' ').next().unwrap_or("");
        let word = if word == "writeable" {
            "read-only"
        } else {
            word
        };
        if words.contains(&word) {
            return Err(wrong(line, "a field that is there twice"));
        }
        words.push(word);
    }
    Ok(Entry {
        subject: &text[..colon],
        fields,
        name,
    })
}

/// All of a field's rest as a number below 2^63.
fn number(line: &Line, text: &str) -> Result<u64, ReportedError> {
    let mut scan = Scan(text);
    let number = scan.size().flatten().filter(|_| scan.0.is_empty());
    number
        .filter(|number| *number <= i64::MAX as u64)
        .ok_or_else(|| wrong(line, "no number below 2^63"))
}

fn mtd(line: &Line, text: &str) -> Result<u32, ReportedError> {
    let number = text.strip_prefix("mtd").and_then(decimal);
    number
        .filter(|number| *number <= super::super::NUMBER_MAX)
        .ok_or_else(|| wrong(line, "no number of a device"))
}

fn chip(line: &Line, entry: &Entry<'_>) -> Result<ReportedChip, ReportedError> {
    let mut chip = ReportedChip {
        name: entry.name.to_owned(),
        ..ReportedChip::default()
    };
    for field in &entry.fields {
        match field.rsplit_once(' ') {
            Some(("size", word)) => chip.size_bytes = Some(number(line, word)?),
            Some(("erase block", word)) => chip.erase_block_bytes = Some(number(line, word)?),
            _ => return Err(wrong(line, "a field that no chip has")),
        }
    }
    Ok(chip)
}

fn partition(
    line: &Line,
    entry: &Entry<'_>,
    reported: &ReportedLayout,
) -> Result<(ReportedPartition, Option<u32>), ReportedError> {
    let mut found = ReportedPartition {
        line: line.number,
        name: entry.name.to_owned(),
        ..ReportedPartition::default()
    };
    if entry.subject != "partition" {
        let index = mtd(line, entry.subject)?;
        if reported
            .partitions
            .iter()
            .any(|other| other.number == Some(index))
        {
            return Err(wrong(line, "a number that was there before"));
        }
        found.number = Some(index);
    }
    let mut parent = None;
    for field in &entry.fields {
        let (word, rest) = field.split_once(' ').unwrap_or((field, ""));
        match word {
            "chip" => {
                let chip = decimal(rest).filter(|chip| *chip < reported.chips.len());
                found.chip = Some(chip.ok_or_else(|| wrong(line, "no such chip"))?);
            }
            "in" => parent = Some(mtd(line, rest)?),
            "offset" => found.offset_bytes = Some(number(line, source_of(line, rest)?)?),
            "size" => found.size_bytes = Some(number(line, source_of(line, rest)?)?),
            "erase" if rest.starts_with("block ") => {
                let rest = source_of(line, &rest["block ".len()..])?;
                found.erase_block_bytes = Some(number(line, rest)?);
            }
            "read-only" | "writeable" if source_of(line, field)? == word => {
                found.read_only = word == "read-only";
            }
            _ => return Err(wrong(line, "a field that no partition has")),
        }
    }
    Ok((found, parent))
}

/// The number before a source in parentheses.
fn source_of<'a>(line: &Line, text: &'a str) -> Result<&'a str, ReportedError> {
    const SOURCES: [&str; 12] = [
        "sysfs",
        "simulation",
        "known layout",
        "command line",
        "boot log",
        "device tree",
        "partition table on flash",
        "boot loader",
        "user",
        "/proc/mtd",
        "device",
        "sum of sizes",
    ];
    match text.split_once(" (") {
        None => Ok(text),
        Some((number, source)) => {
            let source = source
                .strip_suffix(')')
                .filter(|source| SOURCES.contains(source));
            source
                .map(|_| number)
                .ok_or_else(|| wrong(line, "no source of facts"))
        }
    }
}

/// Parents by their places; ends and rings are looked at when all is there.
fn resolve(reported: &mut ReportedLayout, parents: &[Option<u32>]) -> Result<(), ReportedError> {
    let line = |at: usize| reported.partitions[at].line;
    let mut places = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        let place = match parent {
            None => None,
            Some(number) => {
                let of_number = |p: &ReportedPartition| p.number == Some(*number);
                let place = reported.partitions.iter().position(of_number);
                Some(place.ok_or(ReportedError::Line {
                    line: line(at),
                    why: "there is no such parent",
                })?)
            }
        };
        places.push(place);
    }
    for at in 0..places.len() {
        let mut seen = vec![at];
        let mut up = places[at];
        while let Some(outer) = up {
            if seen.contains(&outer) {
                return Err(ReportedError::Line {
                    line: line(at),
                    why: "it lies in itself",
                });
            }
            seen.push(outer);
            up = places[outer];
        }
    }
    for (at, place) in places.iter().enumerate() {
        let this = &reported.partitions[at];
        let end = this
            .offset_bytes
            .zip(this.size_bytes)
            .map(|(start, size)| start.checked_add(size));
        let chip_end = this.chip.and_then(|chip| reported.chips[chip].size_bytes);
        let outer = place.map(|outer| &reported.partitions[outer]);
        let outer_end = outer.and_then(|o| o.offset_bytes?.checked_add(o.size_bytes?));
        let limit = [chip_end, outer_end].into_iter().flatten().min();
        let is_past = end.is_some_and(|end| {
            end.is_none_or(|end| end > i64::MAX as u64 || limit.is_some_and(|limit| end > limit))
        });
        let starts = outer
            .and_then(|outer| outer.offset_bytes)
            .zip(this.offset_bytes);
        if is_past || starts.is_some_and(|(outer, this)| this < outer) {
            return Err(ReportedError::Line {
                line: this.line,
                why: "past the end of what it lies in",
            });
        }
    }
    for (partition, place) in reported.partitions.iter_mut().zip(places) {
        partition.parent = place;
    }
    Ok(())
}
