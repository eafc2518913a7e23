//! From where the numbers of a line count: what the lines before it announce.
//!
//! A log may have lost its headings, or somebody picked lines. Then nothing is guessed:
//! what a kernel says before a heading (`4 fixed-partitions partitions found on MTD device
//! spi0.0`) stands for it; a split's lines that begin before what is split count from
//! there; and where lines without a heading lie across each other, or begin at 0 again,
//! nobody knows from where they count.

use super::super::{ChipFacts, Incomplete, PartitionFacts, Reading};

/// Parsers of a whole chip, by the names that Linux prints (drivers/mtd/parsers,
/// cmdlinepart.c, ofpart_core.c, redboot.c).
const CHIP_PARSERS: [&str; 6] = [
    "fixed-partitions",
    "ofpart",
    "cmdlinepart",
    "RedBoot",
    "bcm47xxpart",
    "qcomsmem",
];

/// No device has as many partitions: more lines without a heading are not compared.
const HEADLESS_MAX: usize = 1 << 12;

/// On what the following lines are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub(super) chip: usize,
    pub(super) parent: Option<usize>,
}

/// So many lines are counted from there.
#[derive(Debug, Clone, Copy)]
struct Frame {
    base: Base,
    /// The line that announces them; 0 where that is missing.
    line: usize,
    announced: u32,
    left: u32,
}

impl Frame {
    fn new(base: Base, line: usize, announced: u32) -> Self {
        Self {
            base,
            line,
            announced,
            left: announced,
        }
    }
}

/// `2 squashfs-split partitions found on MTD device rootfs`, with no heading behind it.
#[derive(Debug, Clone, Copy)]
struct Split {
    /// From where its lines count; none where the log has lost what was split.
    base: Option<Base>,
    left: u32,
    /// What was split, until its first line has come.
    of: Option<usize>,
}

/// What the lines so far say of the next one.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// The headings whose lines are not all there yet, the innermost last.
    frames: Vec<Frame>,
    split: Option<Split>,
    /// What a parser found on a chip, for which the heading has not come yet: line, count
    /// and name.
    announced: Option<(usize, u32, String)>,
    /// Partitions of partitions, by their places in [`Reading::partitions`], since the
    /// last heading of a chip.
    inner: Vec<usize>,
    /// The last line was a split's.
    is_split: bool,
    /// Partitions that no heading announces.
    headless: Vec<usize>,
    /// Headings that are over, and whose lines are not all there.
    pub(super) incomplete: Vec<Incomplete>,
}

impl Counting {
    pub(super) fn heading(&mut self, line: usize, count: u32, base: Base, reading: &mut Reading) {
        if base.parent.is_none() {
            // Another chip, or the same log once more.
            self.end(reading);
        }
        self.frames.push(Frame::new(base, line, count));
        self.split = None;
        self.announced = None;
    }

    /// `N PARSER partitions found on MTD device NAME`.
    pub(super) fn found(
        &mut self,
        line: usize,
        (count, parser, name): Found<'_>,
        reading: &Reading,
    ) {
        let of = reading.partitions.iter().rposition(|p| p.name == name);
        let is_open = self.frames.iter().any(|frame| frame.left > 0);
        if of.is_none() && !is_open && CHIP_PARSERS.contains(&parser) {
            self.announced = Some((line, count, name.to_owned()));
            return;
        }
        self.split = Some(Split {
            base: of.map(|at| base_of_part(&reading.partitions[at])),
            left: count,
            of,
        });
    }

    /// The next line is a part that lies where the last one does.
    pub(super) fn created(&mut self, reading: &Reading) {
        self.split = reading.partitions.last().map(|last| Split {
            base: Some(base_of_part(last)),
            left: 1,
            of: None,
        });
    }

    /// The last partition is new.
    pub(super) fn added(&mut self, is_known: bool, reading: &mut Reading) {
        let at = reading.partitions.len() - 1;
        if !is_known {
            reading.partitions[at].offset = None;
            reading.partitions[at].parent = None;
        } else if reading.partitions[at].parent.is_some() {
            self.inner.push(at);
        } else if !self.is_split && self.frames.last().is_some_and(|frame| frame.line == 0) {
            self.headless.push(at);
        }
    }

    /// No line belongs to these headings any more.
    pub(super) fn end(&mut self, reading: &mut Reading) {
        let inner = std::mem::take(&mut self.inner);
        if self.frames.iter().any(|frame| frame.left > 0) {
            for at in inner {
                reading.partitions[at].offset = None;
                reading.partitions[at].parent = None;
            }
        }
        let lacking = self.frames.drain(..).filter(|frame| frame.left > 0);
        self.incomplete.extend(lacking.map(|frame| Incomplete {
            line: frame.line,
            announced: frame.announced,
            found: frame.announced - frame.left,
        }));
        self.doubt(reading);
    }

    /// Lines without a heading that cannot all count from the start of one chip, or might not.
    fn doubt(&mut self, reading: &mut Reading) {
        let parts = &mut reading.partitions;
        let headless = std::mem::take(&mut self.headless);
        let first = headless.first().map(|at| parts[*at].line);
        reading.headless = reading.headless.or(first);
        let range = |p: &PartitionFacts| {
            let range = (p.offset?.bytes, p.end_bytes()?);
            Some(range).filter(|(start, end)| start < end)
        };
        let ranges: Vec<_> = headless.iter().map(|at| range(&parts[*at])).collect();
        let chip_end = ranges.iter().flatten().map(|(_, end)| *end).max();
        // What holds all of it counts from the chip's start, and so does what lies in it.
        let is_whole = |(start, end): &(u64, u64)| *start == 0 && Some(*end) == chip_end;
        let is_odd = |(n, range): &(usize, &Option<(u64, u64)>)| {
            let Some((start, end)) = range.filter(|range| !is_whole(range)) else {
                return false;
            };
            let before = ranges[..*n].iter().flatten();
            before.filter(|range| !is_whole(range)).any(|&(a, b)| {
                let meet = a < end && start < b;
                let is_in_it = a <= start && end <= b;
                let is_around = start <= a && b <= end;
                (meet && !is_in_it && !is_around) || (start == 0 && a == 0)
            })
        };
        let odd = match headless.len() > HEADLESS_MAX {
            true => Some(0),
            false => ranges.iter().enumerate().find(is_odd).map(|(n, _)| n),
        };
        let Some(first) = odd.map(|n| headless[n]) else {
            return;
        };
        let (line, name) = (parts[first].line, parts[first].name.clone());
        reading.remarks.push(format!(
            "line {line}: nobody tells from where the places of {name:?} and of what follows \
             count, the chip's start or another partition's: the kernel's line \
             `Creating … MTD partitions on …` before it is missing; with it, all of it is known"
        ));
        for part in &mut parts[first..] {
            part.offset = None;
            part.parent = None;
        }
    }

    /// From where the next line counts, which begins and ends there, and whether that is known.
    pub(super) fn next(
        &mut self,
        (start, end): (Option<u64>, Option<u64>),
        reading: &mut Reading,
    ) -> (Base, bool) {
        if let Some((line, count, name)) = self.announced.take() {
            let base = base_of(&name, reading);
            self.heading(line, count, base, reading);
        }
        self.is_split = false;
        if let (Some(split), Some(frame)) = (&mut self.split, self.frames.last()) {
            if split.left > 0 {
                self.is_split = true;
                split.left -= 1;
                split.look_at(start, end, reading);
                return (split.base.unwrap_or(frame.base), split.base.is_some());
            }
        }
        while self.frames.len() > 1 && self.frames.last().is_some_and(|frame| frame.left == 0) {
            self.frames.pop();
        }
        match self.frames.last_mut() {
            Some(frame) => {
                frame.left = frame.left.saturating_sub(1);
                (frame.base, true)
            }
            None => {
                // A log that lost its heading: of one chip, as far as anybody can tell.
                let base = base_of("", reading);
                self.frames.push(Frame::new(base, 0, 0));
                (base, true)
            }
        }
    }
}

impl Split {
    /// A first line that begins before what is split counts from there, if it fits.
    fn look_at(&mut self, start: Option<u64>, end: Option<u64>, reading: &Reading) {
        let Some((at, base)) = self.of.take().zip(self.base) else {
            return;
        };
        let part = &reading.partitions[at];
        let around = base.parent.map_or(Some(0), |parent| {
            Some(reading.partitions[parent].offset?.bytes)
        });
        let own_start = part
            .offset
            .zip(around)
            .map(|(own, around)| own.bytes.checked_sub(around));
        let (Some(Some(own_start)), Some(start)) = (own_start, start) else {
            return;
        };
        if start < own_start {
            let fits = end.is_some() && end <= part.size_bytes;
            self.base = fits.then_some(Base {
                chip: base.chip,
                parent: Some(at),
            });
        }
    }
}

/// How many partitions which parser found on what.
pub(super) type Found<'a> = (u32, &'a str, &'a str);

/// From where a partition counts itself.
fn base_of_part(part: &PartitionFacts) -> Base {
    Base {
        chip: part.chip.unwrap_or_default(),
        parent: part.parent,
    }
}

/// The chip or the partition of that name: a partition that the log has named,
/// else a chip.
pub(super) fn base_of(name: &str, reading: &mut Reading) -> Base {
    let is_parent = |p: &&PartitionFacts| !name.is_empty() && p.name == name;
    if let Some(parent) = reading.partitions.iter().rposition(|p| is_parent(&p)) {
        return Base {
            chip: reading.partitions[parent].chip.unwrap_or_default(),
            parent: Some(parent),
        };
    }
    let known = reading.chips.iter().position(|chip| chip.name == name);
    let chip = known.unwrap_or_else(|| {
        reading.chips.push(ChipFacts {
            name: name.to_owned(),
            ..ChipFacts::default()
        });
        reading.chips.len() - 1
    });
    Base { chip, parent: None }
}
