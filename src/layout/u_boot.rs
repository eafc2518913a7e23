//! What U-Boot prints:
//!
//! ```text
//! * nor0                                       mtd list (U-Boot 2019.01 and later, cmd/mtd.c)
//!   - block size: 0x10000 bytes
//!   - 0x000000000000-0x000001000000 : "nor0"
//!           - 0x000000000000-0x000000030000 : "u-boot"
//!
//! device nor0 <spi0.0>, # parts = 2            mtdparts (cmd/mtdparts.c)
//!  #: name        size            offset          mask_flags
//!  0: u-boot      0x00030000      0x00000000      0
//!
//! (With CONFIG_CMD_MTDPARTS_SHOW_NET_SIZES that table has `net size` behind `size`, and
//! `(!)` where the two differ.)
//!
//! Bank # 1: CFI conformant FLASH (16 x 16)  Size: 16 MB in 128 Sectors     flinfo
//! ```
//!
//! `flinfo` tells of a chip and of no partition. Where its erase blocks are of one
//! size, that is the chip's size by their number; with boot blocks it is not, so
//! only a power of two is taken.

use super::error::{LayoutTextError, quoted};
use super::lines::{Line, decimal, hex};
use super::{ChipFacts, FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{FactSource, PartitionOffset};

/// Reads a text with one of these lists; `None` where it has none.
pub(super) fn read(lines: &[Line<'_>]) -> Option<Result<Reading, LayoutTextError>> {
    let mut list = List::default();
    for line in lines {
        match list.take(line) {
            Ok(true) => {}
            Ok(false) => list.reading.skipped.push(line.skipped()),
            Err(error) => return Some(Err(error)),
        }
    }
    let found = list.is_flinfo || !list.reading.partitions.is_empty();
    found.then_some(Ok(list.reading))
}

struct List {
    reading: Reading,
    is_flinfo: bool,
    /// Inside the table of `mtdparts`.
    in_table: bool,
    /// That table has a column more: the sizes without bad blocks.
    has_net_sizes: bool,
    /// In `mtd list`, the partitions around the line: index and indentation.
    around: Vec<(Option<usize>, usize)>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            reading: Reading::new(Form::UBoot),
            is_flinfo: false,
            in_table: false,
            has_net_sizes: false,
            around: Vec::new(),
        }
    }
}

impl List {
    /// Takes a line in; whether it belongs to a list.
    fn take(&mut self, line: &Line<'_>) -> Result<bool, LayoutTextError> {
        let text = line.text.as_ref();
        if let Some(name) = text.strip_prefix("* ") {
            self.chip(name.trim());
            return Ok(true);
        }
        if let Some(rest) = text.strip_prefix("device ") {
            let name = rest
                .split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .filter(|(_, rest)| rest.contains("# parts"));
            if let Some((name, _)) = name {
                self.chip(name);
                self.in_table = true;
                return Ok(true);
            }
        }
        if text.starts_with("Bank # ") {
            return self.bank(line);
        }
        // Before a list that it makes by `mtdparts` (drivers/mtd/mtdpart.c).
        if super::boot_log::found(text).is_some() {
            return Ok(true);
        }
        if self.in_table {
            return self.table_row(line);
        }
        match text.strip_prefix("- ") {
            Some(rest) if !self.reading.chips.is_empty() => self.list_row(line, rest),
            _ => Ok(false),
        }
    }

    fn chip(&mut self, name: &str) {
        self.reading.chips.push(ChipFacts {
            name: name.to_owned(),
            ..ChipFacts::default()
        });
        self.in_table = false;
        self.around.clear();
    }

    /// `Bank # 1: CFI conformant FLASH (16 x 16)  Size: 16 MB in 128 Sectors`.
    fn bank(&mut self, line: &Line<'_>) -> Result<bool, LayoutTextError> {
        let said = line
            .text
            .split_once("Size: ")
            .and_then(|(_, rest)| rest.split_once(" in "));
        let Some((size, sectors)) = said else {
            return Ok(false);
        };
        let bad = || LayoutTextError::BadLine {
            line: line.number,
            what: "no size of a bank and no count of its erase blocks",
            found: quoted(&line.text),
        };
        let mut words = size.split_whitespace();
        let number: u64 = words.next().and_then(decimal).ok_or_else(bad)?;
        let unit = match words.next() {
            Some("MB") => 1 << 20,
            Some("kB" | "KB") => 1 << 10,
            Some("GB") => 1 << 30,
            _ => return Err(bad()),
        };
        let count: u64 = sectors
            .split_whitespace()
            .next()
            .and_then(decimal)
            .filter(|count| *count > 0)
            .ok_or_else(bad)?;
        let size_bytes = number.checked_mul(unit).ok_or_else(bad)?;
        let each_bytes = size_bytes / count;
        self.chip("");
        if let Some(chip) = self.reading.chips.last_mut() {
            chip.size_bytes = Some(size_bytes);
            let even = size_bytes % count == 0 && each_bytes.is_power_of_two();
            chip.erase_block_bytes = even.then_some(each_bytes);
        }
        self.is_flinfo = true;
        Ok(true)
    }

    /// ` 0: u-boot   0x00030000   0x00000000   0`.
    fn table_row(&mut self, line: &Line<'_>) -> Result<bool, LayoutTextError> {
        if line.text.starts_with("#: name") {
            self.has_net_sizes = line.text.contains("net size");
            return Ok(true);
        }
        let row = line
            .text
            .split_once(": ")
            .filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
        let Some((_, rest)) = row else {
            self.in_table = false;
            return Ok(false);
        };
        // From the end: the name may hold blanks.
        let words = rest.split_whitespace().rev();
        let mut words = words.filter(|word| !self.has_net_sizes || *word != "(!)");
        let (flags, offset) = (words.next(), words.next());
        if self.has_net_sizes {
            words.next();
        }
        let size = words.next();
        let name: Vec<_> = words.rev().collect();
        let (size, offset) = (size.and_then(hex), offset.and_then(hex));
        let (Some(size_bytes), Some(offset_bytes)) = (size, offset) else {
            return Err(self.bad(line, "no size and offset"));
        };
        self.add(line, &name.join(" "), (offset_bytes, size_bytes), None)?;
        if let Some(partition) = self.reading.partitions.last_mut() {
            // MTD_WRITEABLE is the only flag that a list of partitions masks.
            partition.read_only = (flags != Some("0")).then_some(true);
        }
        Ok(true)
    }

    /// `0x000000000000-0x000000030000 : "u-boot"`, or a property of the chip.
    fn list_row(&mut self, line: &Line<'_>, rest: &str) -> Result<bool, LayoutTextError> {
        if let Some(word) = rest.strip_prefix("block size: ") {
            let word = word.strip_suffix(" bytes").unwrap_or(word);
            let bytes = hex(word).ok_or_else(|| self.bad(line, "no block size"))?;
            if let Some(chip) = self.reading.chips.last_mut() {
                chip.erase_block_bytes = Some(bytes);
            }
            return Ok(true);
        }
        let Some((start, end, name)) = super::boot_log::row(rest) else {
            // Type, device, driver, path: nothing of the layout, and U-Boot's all the same.
            return Ok(rest.contains(": "));
        };
        let (Some(start), Some(end)) = (start, end) else {
            return Err(self.bad(line, "a number past 64 bits"));
        };
        let size_bytes = end
            .checked_sub(start)
            .ok_or_else(|| self.bad(line, "it ends before it starts"))?;
        while self.around.last().is_some_and(|(_, at)| *at >= line.indent) {
            self.around.pop();
        }
        let Some(&(parent, _)) = self.around.last() else {
            // The first line of a chip is the chip itself.
            if let Some(chip) = self.reading.chips.last_mut() {
                chip.size_bytes = Some(size_bytes);
            }
            self.around.push((None, line.indent));
            return Ok(true);
        };
        self.add(line, name, (start, size_bytes), parent)?;
        let at = self.reading.partitions.len() - 1;
        self.around.push((Some(at), line.indent));
        Ok(true)
    }

    fn bad(&self, line: &Line<'_>, what: &'static str) -> LayoutTextError {
        LayoutTextError::BadLine {
            line: line.number,
            what,
            found: quoted(&line.text),
        }
    }

    /// Adds a partition that starts at `bytes.0` of its parent and is `bytes.1` long.
    fn add(
        &mut self,
        line: &Line<'_>,
        name: &str,
        bytes: (u64, u64),
        parent: Option<usize>,
    ) -> Result<(), LayoutTextError> {
        let from_bytes = match parent.map(|at| self.reading.partitions[at].offset) {
            None => 0,
            Some(offset) => offset.map_or(0, |offset| offset.bytes),
        };
        let end = from_bytes
            .checked_add(bytes.0)
            .and_then(|start| start.checked_add(bytes.1))
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| self.bad(line, "a number past 63 bits"))?;
        let chip = self.reading.chips.len() - 1;
        let outer = parent.map(|at| &self.reading.partitions[at]);
        let outer_limit = outer.and_then(PartitionFacts::end_bytes);
        let outer_name = outer.map(|outer| format!("{:?}, which it lies in", outer.name));
        let limits = [
            (
                self.reading.chips[chip].size_bytes,
                Some("its chip".to_owned()),
            ),
            (outer_limit, outer_name),
        ];
        for (limit, of) in limits {
            if let Some(limit_bytes) = limit.filter(|limit| end > *limit) {
                return Err(LayoutTextError::PastTheEnd {
                    line: line.number,
                    name: name.to_owned(),
                    end_bytes: end,
                    limit_bytes,
                    of: of.unwrap_or_default(),
                });
            }
        }
        self.reading.partitions.push(PartitionFacts {
            line: line.number,
            index: None,
            name: name.to_owned(),
            chip: Some(chip),
            parent,
            offset: Some(PartitionOffset {
                bytes: from_bytes + bytes.0,
                source: FactSource::BootLoader,
            }),
            size_bytes: Some(bytes.1),
            erase_block_bytes: None,
            read_only: None,
            sources: FactSources::default(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::lines;
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
        super::read(&lines(text))
    }

    fn facts(reading: &Reading) -> Vec<(&str, Option<usize>, u64, Option<u64>)> {
        let partitions = reading.partitions.iter();
        partitions
            .map(|p| {
                (
                    p.name.as_str(),
                    p.parent,
                    p.offset.unwrap().bytes,
                    p.size_bytes,
                )
            })
            .collect()
    }

    #[test]
    fn mtd_list() {
        let text = "\
=> mtd list
List of MTD devices:
* nor0
  - device: flash@0
  - type: NOR flash
  - block size: 0x10000 bytes
  - min I/O: 0x1 bytes
  - 0x000000000000-0x000001000000 : \"nor0\"
\t  - 0x000000000000-0x000000030000 : \"u-boot\"
\t  - 0x000000030000-0x000001000000 : \"firmware\"
\t\t  - 0x000000000000-0x000000200000 : \"kernel\"
* nand0
  - block size: 0x20000 bytes
  - 0x000000000000-0x000008000000 : \"nand0\"
";
        let reading = read(text).unwrap().unwrap();
        assert_eq!(
            facts(&reading),
            [
                ("u-boot", None, 0, Some(0x3_0000)),
                ("firmware", None, 0x3_0000, Some(0xfd_0000)),
                ("kernel", Some(1), 0x3_0000, Some(0x20_0000)),
            ]
        );
        assert_eq!(reading.chips[0].size_bytes, Some(1 << 24));
        assert_eq!(reading.chips[0].erase_block_bytes, Some(0x1_0000));
        assert_eq!(reading.chips[1].size_bytes, Some(1 << 27));
        assert_eq!(reading.skipped.len(), 2);
    }

    /// With a column more, and a mark where bad blocks make a partition smaller.
    #[test]
    fn net_sizes() {
        let text = "\
device nand0 <nand.0>, # parts = 2
 #: name\t\tsize\t\tnet size\toffset\t\tmask_flags
 0: u-boot              0x00100000\t0x00100000 \t0x00000000\t0
 1: rootfs              0x07f00000\t0x07ee0000 (!)\t0x00100000\t0
";
        let reading = read(text).unwrap().unwrap();
        assert_eq!(
            facts(&reading),
            [
                ("u-boot", None, 0, Some(0x10_0000)),
                ("rootfs", None, 0x10_0000, Some(0x7f0_0000)),
            ]
        );
    }

    #[test]
    fn mtdparts() {
        let text = "\
device nor0 <spi0.0>, # parts = 2
 #: name\t\tsize\t\toffset\t\tmask_flags
 0: u-boot env          0x00030000\t0x00000000\t1
 1: rest                0x00fd0000\t0x00030000\t0

active partition: nor0,0 - (u-boot) 0x00030000 @ 0x00000000
";
        let reading = read(text).unwrap().unwrap();
        assert_eq!(
            facts(&reading),
            [
                ("u-boot env", None, 0, Some(0x3_0000)),
                ("rest", None, 0x3_0000, Some(0xfd_0000))
            ]
        );
        assert_eq!(reading.partitions[0].read_only, Some(true));
        assert_eq!(reading.partitions[1].read_only, None);
    }

    #[rstest]
    #[case("Bank # 1: CFI conformant FLASH (16 x 16)  Size: 16 MB in 128 Sectors", 1 << 24, Some(1 << 17))]
    #[case("Bank # 1: CFI conformant FLASH (8 x 8)  Size: 8 MB in 135 Sectors", 1 << 23, None)]
    fn flinfo(#[case] text: &str, #[case] size_bytes: u64, #[case] erase: Option<u64>) {
        let reading = read(text).unwrap().unwrap();
        assert_eq!(reading.chips[0].size_bytes, Some(size_bytes));
        assert_eq!(reading.chips[0].erase_block_bytes, erase);
    }

    #[rstest]
    #[case("* nor0\n - 0x0-0x1000 : \"nor0\"\n   - 0x0-0x2000 : \"past\"")]
    #[case(
        "* nor0\n - 0x0-0x9000 : \"nor0\"\n   - 0x0-0x2000 : \"a\"\n     - 0x0-0x3000 : \"past\""
    )]
    #[case("* nor0\n - 0x2000-0x1000 : \"nor0\"")]
    #[case("device nor0 <a>, # parts = 1\n 0: x nonsense 0x0 0")]
    #[case("Bank # 1: FLASH Size: 16 PB in 128 Sectors")]
    fn what_is_none(#[case] text: &str) {
        read(text).unwrap_or_else(|| panic!("{text}")).unwrap_err();
    }
}
