//! A kernel's messages about its partitions.
//!
//! Sources: Linux 6.1, drivers/mtd/mtdpart.c, drivers/mtd/spi-nor/core.c; OpenWrt's
//! mtd_partition_split.

mod sentences;

use sentences::{behind_stamps, found_on, heading, is_created, size_of_chip, size_of_nand};

use super::forms::{Read, below_2_63, range, wrong};
use super::scan::{Line, Scan};
use super::{Lacking, ReportedError, ReportedLayout, ReportedPartition};

/// Where a partition's lines count from: a chip, and perhaps a partition of it.
type Base = (usize, Option<usize>);

/// A heading: from where its lines count, how many are still to come, how many it
/// announces, and its own line.
type Heading = (Base, u32, u32, usize);

#[derive(Default)]
struct Log {
    reported: ReportedLayout,
    /// The innermost last.
    headings: Vec<Heading>,
    /// A split without a heading: its base is lost where what was split is. Before its
    /// first line, what was split.
    split: Option<(Option<Base>, u32, Option<usize>)>,
    /// A chip's parser spoke, and its heading is still to come.
    coming: Option<(u32, String, usize)>,
    /// Partitions without a heading.
    bare: Vec<usize>,
    /// Parts of parts below the open headings.
    inner: Vec<usize>,
    /// What lines said, as they said it.
    said: Vec<(Base, u64, u64, String)>,
    chips: Vec<(String, Size)>,
    /// Of NAND, whose line names no chip.
    nands: Vec<Size>,
    /// More than one NAND chip make one device.
    is_pair: bool,
}

/// Bytes of a chip and of its erase blocks.
type Size = (u64, Option<u64>);

pub(super) fn read(lines: &[Line]) -> Read {
    let mut log = Log::default();
    for line in lines {
        log.take(line)?;
    }
    log.close();
    let Log {
        mut reported,
        chips,
        nands,
        is_pair,
        ..
    } = log;
    for chip in &mut reported.chips {
        let sizes: Vec<Size> = chips
            .iter()
            .filter(|(name, _)| *name == chip.name)
            .map(|(_, size)| *size)
            .collect();
        if let (Some(size), true) = (sizes.first(), sizes.windows(2).all(|p| p[0] == p[1])) {
            (chip.size_bytes, chip.erase_block_bytes) = (Some(size.0), size.1);
        }
    }
    let of_nand = ["nand", "snfi"];
    let called: Vec<usize> = (0..reported.chips.len())
        .filter(|at| {
            let name = reported.chips[*at].name.to_ascii_lowercase();
            of_nand.iter().any(|word| name.contains(word))
        })
        .collect();
    if let ([at], Some(size), false) = (&called[..], nands.first(), is_pair) {
        let chip = &mut reported.chips[*at];
        if chip.size_bytes.is_none() && nands.iter().all(|other| other == size) {
            (chip.size_bytes, chip.erase_block_bytes) = (Some(size.0), size.1);
        }
    }
    for part in &reported.partitions {
        let end = part.offset_bytes.unwrap_or(0) + part.size_bytes.unwrap_or(0);
        let chip = part.chip.and_then(|chip| reported.chips[chip].size_bytes);
        if chip.is_some_and(|chip| end > chip) {
            return Err(ReportedError::Line {
                line: part.line,
                why: "past the end of its chip",
            });
        }
    }
    Ok((!reported.partitions.is_empty()).then_some(reported))
}

impl Log {
    fn take(&mut self, line: &Line) -> Result<(), ReportedError> {
        let text = behind_stamps(&line.text);
        if let Some((count, name)) = heading(text) {
            self.heading(count, name, line.number);
        } else if let Some((start, end, name)) = range(text) {
            self.partition(line, start, end, name)?;
        } else if let Some(found) = size_of_chip(text) {
            self.chips.push(found);
        } else if let Some(said) = ["nand: ", "NAND device: "]
            .iter()
            .find_map(|word| text.strip_prefix(word))
        {
            self.is_pair |= said.ends_with(" chips detected");
            self.nands.extend(size_of_nand(said));
        } else if is_created(text) && !self.reported.partitions.is_empty() {
            let last = &self.reported.partitions[self.reported.partitions.len() - 1];
            self.split = Some((Some((last.chip.unwrap_or(0), last.parent)), 1, None));
        } else if let Some((count, parser, name)) = found_on(text) {
            let of = self
                .reported
                .partitions
                .iter()
                .rposition(|p| p.name == name);
            let waiting = self.headings.iter().any(|(_, left, ..)| *left > 0);
            if of.is_none() && !waiting && OF_CHIPS.contains(&parser) {
                self.coming = Some((count, name.to_owned(), line.number));
            } else {
                let base = of.map(|of| {
                    let of = &self.reported.partitions[of];
                    (of.chip.unwrap_or(0), of.parent)
                });
                self.split = Some((base, count, of));
            }
        } else {
            self.kernels_word(text);
        }
        Ok(())
    }

    fn heading(&mut self, count: u32, name: &str, line: usize) {
        let parts = &self.reported.partitions;
        let within = parts
            .iter()
            .rposition(|p| !name.is_empty() && p.name == name);
        let base = match within {
            Some(at) => (parts[at].chip.unwrap_or(0), Some(at)),
            None => {
                self.close();
                (self.chip(name), None)
            }
        };
        self.headings.push((base, count, count, line));
        self.split = None;
        self.coming = None;
    }

    fn chip(&mut self, name: &str) -> usize {
        let known = self
            .reported
            .chips
            .iter()
            .position(|chip| chip.name == name);
        known.unwrap_or_else(|| self.reported.add_chip(name))
    }

    /// What is still open has lost lines.
    fn close(&mut self) {
        let inner = std::mem::take(&mut self.inner);
        if self.headings.iter().any(|(_, left, ..)| *left > 0) {
            for at in inner {
                let part = &mut self.reported.partitions[at];
                (part.offset_bytes, part.parent) = (None, None);
            }
        }
        for (_, left, count, line) in std::mem::take(&mut self.headings) {
            if left > 0 {
                self.reported.lacking.push(Lacking {
                    line,
                    announced: count,
                    found: count - left,
                });
            }
        }
        self.forget_what_is_bare();
    }

    /// Without a heading, places that no one chip can have are nobody's, and all behind them.
    fn forget_what_is_bare(&mut self) {
        let bare = std::mem::take(&mut self.bare);
        let place = |at: usize| {
            let part = &self.reported.partitions[at];
            let start = part.offset_bytes?;
            let size = part.size_bytes.filter(|size| *size > 0)?;
            Some((start, start + size))
        };
        let chip_end = bare.iter().filter_map(|at| Some(place(*at)?.1)).max();
        let mut earlier: Vec<(u64, u64)> = Vec::new();
        let (count, whole_list) = (bare.len(), bare.first().copied());
        let lost = bare.into_iter().take(4096).find(|at| {
            let Some(mine) = place(*at) else { return false };
            if mine.0 == 0 && Some(mine.1) == chip_end {
                // The whole chip's.
                return false;
            }
            let inside = |a: (u64, u64), b: (u64, u64)| a.0 >= b.0 && a.1 <= b.1;
            let is_lost = earlier.iter().any(|other| {
                let meet = mine.0.max(other.0) < mine.1.min(other.1);
                let torn = meet && !inside(mine, *other) && !inside(*other, mine);
                torn || mine.0.max(other.0) == 0
            });
            earlier.push(mine);
            is_lost
        });
        let first = match count > 4096 {
            // More than any device has: nobody looks at all of them.
            true => whole_list,
            false => lost,
        };
        let first = first.unwrap_or(self.reported.partitions.len());
        for part in &mut self.reported.partitions[first..] {
            (part.offset_bytes, part.parent) = (None, None);
        }
    }

    fn partition(
        &mut self,
        line: &Line,
        start: Option<u64>,
        end: Option<u64>,
        name: &str,
    ) -> Result<(), ReportedError> {
        if let Some((count, name, at)) = self.coming.take() {
            self.heading(count, &name, at);
        }
        let (base, is_lost, is_bare) = self.base(start, end);
        let start = below_2_63(start, line)?;
        let end = below_2_63(end, line)?;
        let size = end
            .checked_sub(start)
            .ok_or_else(|| wrong(line, "it ends before it starts"))?;
        // Where the parent itself lies may be lost; how long it is, is not.
        let outer = base
            .1
            .and_then(|at| self.reported.partitions[at].size_bytes);
        if outer.is_some_and(|outer| end > outer) {
            return Err(wrong(line, "past the end of what it lies in"));
        }
        let partition = ReportedPartition {
            line: line.number,
            name: name.to_owned(),
            chip: Some(base.0),
            parent: base.1,
            size_bytes: Some(size),
            ..ReportedPartition::default()
        };
        let at = self.reported.add(start, partition)?;
        // A log that came twice.
        let said = (base, start, end, name.to_owned());
        if self.said.contains(&said) {
            self.reported.partitions.pop();
            return Ok(());
        }
        self.said.push(said);
        let part = &mut self.reported.partitions[at];
        let outer = part.parent;
        if is_lost {
            (part.offset_bytes, part.parent) = (None, None);
        } else if let Some(outer) = outer {
            if self.reported.partitions[outer].offset_bytes.is_none() {
                self.reported.partitions[at].offset_bytes = None;
            }
            self.inner.push(at);
        } else if is_bare {
            self.bare.push(at);
        }
        Ok(())
    }

    /// From where a line counts, whether the log has lost what that is, and whether it is
    /// without a heading.
    fn base(&mut self, start: Option<u64>, end: Option<u64>) -> (Base, bool, bool) {
        if self.headings.is_empty() {
            let chip = self.chip("");
            self.headings.push(((chip, None), 0, 0, 0));
            return ((chip, None), false, true);
        }
        if let Some((base, left, of)) = self.split.as_mut().filter(|(_, left, _)| *left > 0) {
            *left -= 1;
            if let (Some(of), Some(outer)) = (of.take(), *base) {
                *base = self.reported.split_base(outer, of, start, end);
            }
            let around = self.headings[self.headings.len() - 1].0;
            return (base.unwrap_or(around), base.is_none(), false);
        }
        while self.headings.len() > 1 && self.headings[self.headings.len() - 1].1 == 0 {
            self.headings.pop();
        }
        let at = self.headings.len() - 1;
        let (base, left, _, line) = &mut self.headings[at];
        *left = left.saturating_sub(1);
        (*base, false, *line == 0)
    }

    /// What is said of a partition behind its own line.
    fn kernels_word(&mut self, text: &str) -> Option<()> {
        let rest = text.strip_prefix("mtd: partition \"")?;
        let cut = rest
            .split_once("\" extends beyond the end of device \"")
            .and_then(|(name, rest)| Some((name, rest.rsplit_once("\" ")?.1)));
        let (name, word) = cut.or_else(|| rest.rsplit_once("\" "))?;
        let parts = &self.reported.partitions;
        let at = parts.iter().rposition(|p| p.name == name)?;
        let parent = self.reported.partitions[at].parent;
        let start = parent.and_then(|parent| self.reported.partitions[parent].offset_bytes);
        let part = &mut self.reported.partitions[at];
        if word.ends_with("forcing read-only") || word.ends_with("force read-only") {
            part.read_only = true;
        } else if word == "is out of reach -- disabled" {
            (part.offset_bytes, part.size_bytes) = (Some(start.unwrap_or(0)), Some(0));
        } else {
            let mut scan = Scan(word.strip_prefix("-- size truncated to ")?);
            let size = scan.hex().flatten().filter(|_| scan.0.is_empty())?;
            i64::try_from(size).ok()?;
            part.size_bytes = Some(size);
        }
        Some(())
    }
}

impl ReportedLayout {
    /// From where a split's lines count, by the first of them: what begins before the split
    /// partition does counts from it.
    fn split_base(
        &self,
        outer: Base,
        of: usize,
        start: Option<u64>,
        end: Option<u64>,
    ) -> Option<Base> {
        let part = &self.partitions[of];
        let zero = match outer.1 {
            Some(parent) => self.partitions[parent].offset_bytes,
            None => Some(0),
        };
        let (Some(own), Some(zero), Some(start)) = (part.offset_bytes, zero, start) else {
            return Some(outer);
        };
        if own < zero || start >= own - zero {
            return Some(outer);
        }
        let room = part.size_bytes?;
        end.filter(|end| *end <= room).map(|_| (outer.0, Some(of)))
    }
}

/// Whose words stand before a heading of a chip.
const OF_CHIPS: [&str; 6] = [
    "RedBoot",
    "bcm47xxpart",
    "cmdlinepart",
    "fixed-partitions",
    "ofpart",
    "qcomsmem",
];
