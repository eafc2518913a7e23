//! This program's own form, which `mtdkeep list --layout` prints and every command
//! takes:
//!
//! ```text
//! mtdkeep layout 1
//! chip 0: size 0x1000000, erase block 0x10000, name "spi0.0"
//! mtd0: chip 0, offset 0x0 (boot log), size 0x40000 (/proc/mtd), name "u-boot"
//! mtd2: chip 0, in mtd1, offset 0x40000 (sysfs), size 0x2c0000, read-only, name "kernel"
//! ```
//!
//! What is unknown is left out. The word behind an offset, a size, an erase block or a
//! flag says who told it, which is the user where there is none; an offset that was
//! inferred stays inferred when it is read again. The name comes
//! last and reaches from the first quotation mark to the last. A line that begins
//! with `#` is a comment.

use super::error::{LayoutTextError, quoted};
use super::lines::{Line, decimal};
use super::{ChipFacts, FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{FactSource, MtdIndex, PartitionOffset};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEAD: &str = "mtdkeep layout 1";

/// Writes facts in this form. `read` gives the same facts again, if each
/// partition has a number.
pub(crate) fn render(chips: &[ChipFacts], partitions: &[PartitionFacts]) -> String {
    let mut text = format!("{HEAD}\n");
    // Writing into a String cannot fail.
    for (at, chip) in chips.iter().enumerate() {
        let _ = write!(text, "chip {at}:");
        field(&mut text, "size", chip.size_bytes, None);
        field(&mut text, "erase block", chip.erase_block_bytes, None);
        let _ = writeln!(text, " name \"{}\"", chip.name);
    }
    for partition in partitions {
        match partition.index {
            Some(index) => {
                let _ = write!(text, "{index}:");
            }
            None => text.push_str("partition:"),
        }
        if let Some(chip) = partition.chip {
            let _ = write!(text, " chip {chip},");
        }
        let parent = partition.parent.and_then(|at| partitions.get(at)?.index);
        if let Some(parent) = parent {
            let _ = write!(text, " in {parent},");
        }
        if let Some(offset) = partition.offset {
            let _ = write!(text, " offset {:#x} ({}),", offset.bytes, offset.source);
        }
        let FactSources {
            size,
            erase_block,
            read_only,
        } = partition.sources;
        field(&mut text, "size", partition.size_bytes, size);
        field(
            &mut text,
            "erase block",
            partition.erase_block_bytes,
            erase_block,
        );
        if let Some(is_read_only) = partition.read_only {
            text.push_str(if is_read_only {
                " read-only"
            } else {
                " writeable"
            });
            say(&mut text, read_only);
        }
        let _ = writeln!(text, " name \"{}\"", partition.name);
    }
    text
}

fn field(text: &mut String, name: &str, value: Option<u64>, source: Option<FactSource>) {
    if let Some(value) = value {
        let _ = write!(text, " {name} {value:#x}");
        say(text, source);
    }
}

/// Who says it, and the end of the field.
fn say(text: &mut String, source: Option<FactSource>) {
    if let Some(source) = source {
        let _ = write!(text, " ({source})");
    }
    text.push(',');
}

/// Reads a text that begins like this form; `None` where it does not.
pub(super) fn read(lines: &[Line<'_>]) -> Option<Result<Reading, LayoutTextError>> {
    let mut lines = lines.iter();
    let mut skipped = Vec::new();
    // A prompt may stand before it.
    loop {
        let line = lines.next()?;
        if line.text == HEAD {
            break;
        }
        skipped.push(line.skipped());
    }
    Some(Reader::default().read_all(lines, skipped))
}

#[derive(Default)]
struct Reader {
    chips: Vec<ChipFacts>,
    partitions: Vec<PartitionFacts>,
    /// Which line had a number first, and which partition that is.
    numbers: BTreeMap<MtdIndex, usize>,
    /// Parents by their numbers, to be looked up when all are there.
    parents: Vec<(usize, MtdIndex)>,
}

impl Reader {
    fn read_all<'a>(
        mut self,
        lines: impl Iterator<Item = &'a Line<'a>>,
        mut skipped: Vec<super::Skipped>,
    ) -> Result<Reading, LayoutTextError> {
        for line in lines {
            if line.text.starts_with('#') {
                continue;
            }
            let entry = line.text.split_once(':');
            // Anything else is a prompt, or what stands behind the layout.
            let Some((subject, rest)) = entry.filter(|(subject, _)| is_subject(subject)) else {
                skipped.push(line.skipped());
                continue;
            };
            let (fields, name) = split_name(line, rest)?;
            if let Some(number) = subject.strip_prefix("chip ") {
                self.chip(line, number, &fields, name)?;
            } else {
                self.partition(line, subject, &fields, name)?;
            }
        }
        self.finish(skipped)
    }

    fn chip(
        &mut self,
        line: &Line<'_>,
        number: &str,
        fields: &[&str],
        name: &str,
    ) -> Result<(), LayoutTextError> {
        if decimal(number) != Some(self.chips.len()) {
            return Err(bad(line, "chips count up from 0"));
        }
        let mut facts = ChipFacts {
            name: name.to_owned(),
            ..ChipFacts::default()
        };
        for field in fields {
            if let Some(word) = field.strip_prefix("size ") {
                facts.size_bytes = Some(number_of(line, word)?);
            } else if let Some(word) = field.strip_prefix("erase block ") {
                facts.erase_block_bytes = Some(number_of(line, word)?);
            } else {
                return Err(bad(line, "a chip has size, erase block and name"));
            }
        }
        self.chips.push(facts);
        Ok(())
    }

    fn partition(
        &mut self,
        line: &Line<'_>,
        subject: &str,
        fields: &[&str],
        name: &str,
    ) -> Result<(), LayoutTextError> {
        let at = self.partitions.len();
        let mut facts = PartitionFacts {
            line: line.number,
            index: None,
            name: name.to_owned(),
            chip: None,
            parent: None,
            offset: None,
            size_bytes: None,
            erase_block_bytes: None,
            read_only: None,
            sources: FactSources::default(),
        };
        if subject != "partition" {
            let index = index_of(line, subject)?;
            if let Some(first) = self.numbers.insert(index, at) {
                return Err(LayoutTextError::NumberTwice {
                    line: line.number,
                    index,
                    first_line: self.partitions[first].line,
                });
            }
            facts.index = Some(index);
        }
        for field in fields {
            if let Some(word) = field.strip_prefix("chip ") {
                let chip = decimal(word).filter(|chip| *chip < self.chips.len());
                facts.chip = Some(chip.ok_or_else(|| bad(line, "no such chip before it"))?);
            } else if let Some(word) = field.strip_prefix("in ") {
                self.parents.push((at, index_of(line, word)?));
            } else if let Some(word) = field.strip_prefix("offset ") {
                facts.offset = Some(offset_of(line, word)?);
            } else if let Some(word) = field.strip_prefix("size ") {
                let (word, source) = said_by(line, word)?;
                facts.size_bytes = Some(number_of(line, word)?);
                facts.sources.size = source;
            } else if let Some(word) = field.strip_prefix("erase block ") {
                let (word, source) = said_by(line, word)?;
                facts.erase_block_bytes = Some(number_of(line, word)?);
                facts.sources.erase_block = source;
            } else {
                let (word, source) = said_by(line, field)?;
                facts.sources.read_only = source;
                facts.read_only = Some(match word {
                    "read-only" => true,
                    "writeable" => false,
                    _ => return Err(bad(line, "a field that this form has not")),
                });
            }
        }
        self.partitions.push(facts);
        Ok(())
    }

    /// Whether a partition lies inside its chip and its parent, as far as it is told.
    fn check_place(&self, at: usize) -> Result<(), LayoutTextError> {
        let facts = &self.partitions[at];
        let Some(start) = facts.offset else {
            return Ok(());
        };
        let chip_bytes = facts.chip.and_then(|chip| self.chips[chip].size_bytes);
        ends_within(facts, chip_bytes, || "its chip".into())?;
        let outer = facts.parent.map(|parent| &self.partitions[parent]);
        let Some((outer, place)) = outer.and_then(|outer| Some((outer, outer.offset?))) else {
            return Ok(());
        };
        // Also where nobody tells how large it is.
        if start.bytes < place.bytes {
            return Err(LayoutTextError::BadLine {
                line: facts.line,
                what: "it starts before the partition that it lies in",
                found: quoted(&facts.name),
            });
        }
        ends_within(facts, outer.end_bytes(), || {
            format!("{:?}, which it lies in", outer.name)
        })
    }

    fn finish(mut self, skipped: Vec<super::Skipped>) -> Result<Reading, LayoutTextError> {
        for (at, parent) in &self.parents {
            let line = self.partitions[*at].line;
            let torn = |what| LayoutTextError::BadLine {
                line,
                what,
                found: format!("in {parent}"),
            };
            let parent_at = *self
                .numbers
                .get(parent)
                .ok_or_else(|| torn("there is no such partition"))?;
            self.partitions[*at].parent = Some(parent_at);
        }
        for at in 0..self.partitions.len() {
            // A chain of parents that is longer than there are partitions is a ring.
            let mut up = Some(at);
            for _ in 0..=self.partitions.len() {
                up = up.and_then(|at| self.partitions[at].parent);
            }
            if up.is_some() {
                return Err(LayoutTextError::BadLine {
                    line: self.partitions[at].line,
                    what: "the partition lies in itself",
                    found: quoted(&self.partitions[at].name),
                });
            }
        }
        (0..self.partitions.len()).try_for_each(|at| self.check_place(at))?;
        Ok(Reading {
            chips: self.chips,
            partitions: self.partitions,
            skipped,
            ..Reading::new(Form::Own)
        })
    }
}

/// Whether a line is about a chip or a partition.
fn is_subject(text: &str) -> bool {
    text == "partition" || text.starts_with("chip ") || text.starts_with("mtd")
}

fn bad(line: &Line<'_>, what: &'static str) -> LayoutTextError {
    LayoutTextError::BadLine {
        line: line.number,
        what,
        found: quoted(&line.text),
    }
}

/// The fields before the name, and the name.
fn split_name<'a>(
    line: &Line<'_>,
    rest: &'a str,
) -> Result<(Vec<&'a str>, &'a str), LayoutTextError> {
    let (fields, name) = rest
        .split_once(" name \"")
        .and_then(|(fields, name)| Some((fields, name.strip_suffix('"')?)))
        .ok_or_else(|| bad(line, "no name \"…\" at its end"))?;
    let fields = fields
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty());
    let fields: Vec<&str> = fields.collect();
    let twice = |(at, field): (usize, &&str)| fields[..at].iter().any(|f| kind(f) == kind(field));
    if fields.iter().enumerate().any(twice) {
        return Err(bad(line, "a field that is there twice"));
    }
    Ok((fields, name))
}

/// What a field is about.
fn kind(field: &str) -> &str {
    match field.split(' ').next().unwrap_or_default() {
        "writeable" => "read-only",
        word => word,
    }
}

fn index_of(line: &Line<'_>, word: &str) -> Result<MtdIndex, LayoutTextError> {
    word.strip_prefix("mtd")
        .and_then(decimal)
        .map(MtdIndex)
        .filter(|index| *index <= MtdIndex::MAX)
        .ok_or_else(|| bad(line, "no number of an MTD device"))
}

fn number_of(line: &Line<'_>, word: &str) -> Result<u64, LayoutTextError> {
    crate::mtd::mtdparts::memory_size(word)
        .and_then(|(number, rest)| number.filter(|_| rest.is_empty()))
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(|| bad(line, "no number below 2^63"))
}

/// `0x40000 (sysfs)`; without a word, it is the word of who wrote the file.
fn offset_of(line: &Line<'_>, word: &str) -> Result<PartitionOffset, LayoutTextError> {
    let (number, source) = said_by(line, word)?;
    Ok(PartitionOffset {
        bytes: number_of(line, number)?,
        source: source.unwrap_or(FactSource::User),
    })
}

/// A fact, and who says it, where that stands behind it.
fn said_by<'a>(
    line: &Line<'_>,
    word: &'a str,
) -> Result<(&'a str, Option<FactSource>), LayoutTextError> {
    let Some((fact, source)) = word.split_once(" (") else {
        return Ok((word, None));
    };
    let source = source
        .strip_suffix(')')
        .and_then(FactSource::from_word)
        .ok_or_else(|| bad(line, "nobody's name in the parentheses"))?;
    Ok((fact, Some(source)))
}

/// Whether a partition that has a place and a size ends by there, and below 2^63.
fn ends_within(
    facts: &PartitionFacts,
    limit_bytes: Option<u64>,
    of: impl FnOnce() -> String,
) -> Result<(), LayoutTextError> {
    let Some((start, size_bytes)) = facts.offset.zip(facts.size_bytes) else {
        return Ok(());
    };
    // Both are below 2^63.
    let end_bytes = start.bytes + size_bytes;
    let past = |limit_bytes, of| LayoutTextError::PastTheEnd {
        line: facts.line,
        name: facts.name.clone(),
        end_bytes,
        limit_bytes,
        of,
    };
    if i64::try_from(end_bytes).is_err() {
        return Err(past(i64::MAX.unsigned_abs(), "any chip".into()));
    }
    match limit_bytes.filter(|limit| end_bytes > *limit) {
        Some(limit_bytes) => Err(past(limit_bytes, of())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
