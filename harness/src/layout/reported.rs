//! What people have of a device's layout: a boot log, `mtdparts=`, U-Boot's lists, a
//! pasted `/proc/mtd`, and the form that `mtdkeep list --layout` prints.
//!
//! `mtdkeep` has a reader of its own for them. This one is written apart from it, for
//! those who test other tools, and so that each checks the other: a test compares them.
//!
//! Invariants: what a text does not say is absent; an offset is its chip's; a number past
//! 63 bits and a partition past its parent or chip are errors with their line.
//!
//! Faults tolerated: what pasting does to a text (see `scan`).

mod boot_log;
mod forms;
mod own;
mod scan;
mod table;
mod types;

pub use types::{Lacking, ReportedChip, ReportedError, ReportedLayout, ReportedPartition};

use super::{ChipLayout, Layout, PartitionSpec};
use crate::chip::Geometry;

impl ReportedLayout {
    /// Reads a text of any of the forms.
    ///
    /// ```
    /// use mtd_harness::layout::ReportedLayout;
    ///
    /// let reported = ReportedLayout::parse("mtdparts=spi0.0:256k(boot)ro,-(rest)")?;
    /// assert_eq!(reported.partitions[1].offset_bytes, Some(0x4_0000));
    /// assert_eq!(reported.partitions[1].size_bytes, None);
    /// # Ok::<(), mtd_harness::layout::ReportedError>(())
    /// ```
    ///
    /// # Errors
    /// [`ReportedError::Nothing`], [`ReportedError::Line`].
    pub fn parse(text: &str) -> Result<Self, ReportedError> {
        let first = Self::each(text).into_iter().next();
        first.unwrap_or(Err(ReportedError::Nothing))
    }

    /// Reads a text in each form that it has, the one that tells most first: this
    /// program's own, the table of the device, what its kernel did, what its boot loader
    /// lists, what its kernel was told.
    pub fn each(text: &str) -> Vec<Result<Self, ReportedError>> {
        let lines = scan::lines(text);
        let forms = [
            own::read,
            table::read,
            boot_log::read,
            forms::u_boot,
            forms::command_line,
        ];
        forms
            .into_iter()
            .filter_map(|form| form(&lines).transpose())
            .collect()
    }

    /// The layout of it. Erase blocks that are not told have `erase_block_bytes`; a chip
    /// whose size is not told ends with its last partition.
    ///
    /// # Errors
    /// [`ReportedError::Lacks`] where places or sizes are not told; [`ReportedError::Layout`].
    pub fn layout(&self, erase_block_bytes: u32) -> Result<Layout, ReportedError> {
        let count = self.chips.len().max(1);
        let mut layout = Layout { chips: Vec::new() };
        for chip in 0..count {
            let on_chip = |(_, p): &(usize, &ReportedPartition)| p.chip.unwrap_or(0) == chip;
            let places: Vec<_> = self.partitions.iter().enumerate().filter(on_chip).collect();
            let known = self.chips.get(chip).cloned().unwrap_or_default();
            let block = places.iter().find_map(|(_, p)| p.erase_block_bytes);
            let block = known.erase_block_bytes.or(block);
            let block = block
                .and_then(|b| u32::try_from(b).ok())
                .unwrap_or(erase_block_bytes);
            let mut partitions = Vec::new();
            let mut end = 0;
            for (at, reported) in &places {
                let lacks = |what| ReportedError::Lacks {
                    name: reported.name.clone(),
                    what,
                };
                let start = reported.offset_bytes.ok_or_else(|| lacks("a place"))?;
                let rest = || known.size_bytes?.checked_sub(start);
                let size = reported
                    .size_bytes
                    .or_else(rest)
                    .ok_or_else(|| lacks("a size"))?;
                end = end.max(start.saturating_add(size));
                let place_of = |parent: usize| places.iter().position(|(at, _)| *at == parent);
                partitions.push(PartitionSpec {
                    number: reported.number.or(u32::try_from(*at).ok()),
                    parent: reported.parent.and_then(place_of),
                    read_only: reported.read_only,
                    ..PartitionSpec::new(reported.name.clone(), start, size)
                });
            }
            let size = known.size_bytes.unwrap_or(end).max(1);
            let size = size.checked_next_multiple_of(u64::from(block.max(1)));
            layout.chips.push(ChipLayout {
                geometry: Geometry {
                    size_bytes: size.unwrap_or(0),
                    erase_block_bytes: block,
                },
                partitions,
            });
        }
        layout.chips.retain(|chip| !chip.partitions.is_empty());
        layout.check()?;
        Ok(layout)
    }

    /// Adds a partition after looking at its end, and answers its place. `start` counts
    /// from its parent.
    fn add(&mut self, start: u64, mut reported: ReportedPartition) -> Result<usize, ReportedError> {
        let line = reported.line;
        let wrong = |why| ReportedError::Line { line, why };
        let outer = reported.parent.map(|at| &self.partitions[at]);
        let base = outer.map_or(0, |outer| outer.offset_bytes.unwrap_or(0));
        let offset = base
            .checked_add(start)
            .ok_or_else(|| wrong("past 64 bits"))?;
        let end = match reported.size_bytes {
            Some(size) => offset
                .checked_add(size)
                .ok_or_else(|| wrong("past 64 bits"))?,
            None => offset,
        };
        if i64::try_from(end).is_err() {
            return Err(wrong("past 63 bits"));
        }
        let outer_end = outer.and_then(|o| o.offset_bytes?.checked_add(o.size_bytes?));
        let chip_end = reported.chip.and_then(|chip| self.chips[chip].size_bytes);
        if [outer_end, chip_end]
            .into_iter()
            .flatten()
            .any(|limit| end > limit)
        {
            return Err(wrong("past the end of what it lies in"));
        }
        reported.offset_bytes = Some(offset);
        self.partitions.push(reported);
        Ok(self.partitions.len() - 1)
    }

    fn add_chip(&mut self, name: &str) -> usize {
        self.chips.push(ReportedChip {
            name: name.to_owned(),
            ..ReportedChip::default()
        });
        self.chips.len() - 1
    }
}

#[cfg(test)]
mod tests;
