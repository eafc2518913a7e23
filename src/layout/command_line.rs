//! `mtdparts=` in a text. How it is read, as Linux does it, is in [`mtdparts`]; what
//! Linux does beyond (it cuts a partition that passes the chip's end, and leaves out one
//! without bytes) needs the chip's size, which is not in this text.

use super::error::{LayoutTextError, quoted};
use super::lines::Line;
use super::{ChipFacts, FactSources, Form, PartitionFacts, Reading};
use crate::mtd::mtdparts::{self, Parts, definition};
use crate::mtd::{FactSource, PartitionOffset};

/// Reads a text that has `mtdparts=` in it; `None` where it has not.
pub(super) fn read(lines: &[Line<'_>]) -> Option<Result<Reading, LayoutTextError>> {
    let mut reading = Reading::new(Form::CommandLine);
    let mut first: Option<String> = None;
    for line in lines {
        let Some(found) = definition(&line.text) else {
            reading.skipped.push(line.skipped());
            continue;
        };
        // A boot log often has the same command line twice.
        match &first {
            Some(first) if first == found => continue,
            Some(_) => {
                return Some(Err(bad(
                    line.number,
                    "another mtdparts= than on a line before",
                    found,
                )));
            }
            None => first = Some(found.to_owned()),
        }
        if let Err(error) = read_definition(line.number, found, &mut reading) {
            return Some(Err(error));
        }
    }
    first.map(|_| Ok(reading))
}

/// Reads a kernel's own command line; `None` where it defines no partitions, or not in
/// one way that Linux would understand.
pub(crate) fn read_kernels(text: &str) -> Option<Reading> {
    let mut reading = Reading::new(Form::CommandLine);
    read_definition(1, mtdparts::of_kernel(text)?, &mut reading).ok()?;
    Some(reading)
}

fn bad(line: usize, what: &'static str, found: &str) -> LayoutTextError {
    LayoutTextError::BadLine {
        line,
        what,
        found: quoted(found),
    }
}

fn read_definition(line: usize, text: &str, reading: &mut Reading) -> Result<(), LayoutTextError> {
    for chip in mtdparts::chips(text) {
        let parts = Parts::of(chip);
        let (name, parts) =
            parts.ok_or_else(|| bad(line, "no chip's name with a colon behind it", chip))?;
        let chip_at = reading.chips.len();
        reading.chips.push(ChipFacts {
            name: name.to_owned(),
            ..ChipFacts::default()
        });
        for (number, part) in parts.enumerate() {
            let part = part.map_err(|(what, found)| bad(line, what, found))?;
            let name = part.name.map(str::to_owned);
            reading.partitions.push(PartitionFacts {
                line,
                index: None,
                name: name.unwrap_or_else(|| format!("Partition_{number:03}")),
                chip: Some(chip_at),
                parent: None,
                offset: part.offset_bytes.map(|bytes| PartitionOffset {
                    bytes,
                    source: FactSource::CommandLine,
                }),
                size_bytes: part.size_bytes,
                erase_block_bytes: None,
                // Without `ro` the kernel may still force it.
                read_only: part.read_only.then_some(true),
                sources: FactSources::default(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::lines::lines;
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
        super::read(&lines(text))
    }

    #[allow(clippy::type_complexity)]
    fn facts(text: &str) -> Vec<(usize, String, Option<u64>, Option<u64>, bool)> {
        let reading = read(text).expect("it has mtdparts=").unwrap();
        reading
            .partitions
            .into_iter()
            .map(|p| {
                let read_only = p.read_only.unwrap_or_default();
                let offset_bytes = p.offset.map(|offset| offset.bytes);
                (
                    p.chip.unwrap(),
                    p.name,
                    offset_bytes,
                    p.size_bytes,
                    read_only,
                )
            })
            .collect()
    }

    #[test]
    fn one_chip_in_a_row() {
        let got =
            facts("console=ttyS0 mtdparts=spi0.0:256k(u-boot)ro,64k(env),-(rest) root=/dev/x");
        let at = |name: &str, offset, size, ro| (0, name.to_owned(), Some(offset), size, ro);
        assert_eq!(
            got,
            [
                at("u-boot", 0, Some(0x4_0000), true),
                at("env", 0x4_0000, Some(0x1_0000), false),
                at("rest", 0x5_0000, None, false),
            ]
        );
    }

    #[test]
    fn offsets_order_and_several_chips() {
        let got = facts("mtdparts=a:1M@2M(late),512K(then);b.1:c:0x20000@0(x y)rolk");
        let names: Vec<_> = got.iter().map(|g| (g.0, g.1.as_str(), g.2, g.4)).collect();
        assert_eq!(
            names,
            [
                (0, "late", Some(0x20_0000), false),
                (0, "then", Some(0x30_0000), false),
                (1, "x y", Some(0), true),
            ]
        );
        let reading = read("mtdparts=a:1M(x);b.1:c:1M(y)").unwrap().unwrap();
        assert_eq!(reading.chips[1].name, "b.1:c");
    }

    #[rstest]
    #[case("mtdparts=nothing")]
    #[case("mtdparts=:1M(a)")]
    #[case("mtdparts=a:1M(open")]
    #[case("mtdparts=a:-(all),1M(more)")]
    #[case("mtdparts=a:1M(b)rw")]
    #[case("mtdparts=a:99999999999999999999(b)")]
    #[case("mtdparts=a:9223372036854775807@9223372036854775807(b)")]
    #[case("mtdparts=a:0x7fffffffffffffffk(b)")]
    #[case("mtdparts=a:@5(b)")]
    #[case("mtdparts=a:1M(x)\nmtdparts=a:2M(x)")]
    fn what_is_none(#[case] text: &str) {
        assert!(read(text).expect("it has mtdparts=").is_err(), "{text}");
    }

    #[test]
    fn a_name_that_is_not_there_is_linuxs() {
        let got = facts("mtdparts=a:1M,2M(x),-;b:1M");
        let names: Vec<_> = got.iter().map(|g| g.1.as_str()).collect();
        assert_eq!(
            names,
            ["Partition_000", "x", "Partition_002", "Partition_000"]
        );
    }

    /// What a boot loader's `printenv` prints.
    #[test]
    fn a_variable_is_no_definition() {
        let text = "bootargs=root=/dev/mtdblock2 mtdparts=${mtdparts}\nmtdparts=mtdparts=a:1M(x)\n";
        assert_eq!(facts(text).len(), 1);
        assert!(read("bootargs=mtdparts=$mtdparts").is_none());
    }

    #[test]
    fn a_text_without_it_is_not_this_form() {
        assert!(read("root=/dev/mtdblock3").is_none());
    }

    #[rstest]
    #[case("\"mtdparts=a:1M(b c)\" quiet")]
    #[case("mtdparts=\"a:1M(b c)\" quiet")]
    #[case("mtdparts=mtdparts=a:1M(b c)")]
    #[case("bootargs=x mtdparts=a:1M(b c) quiet\nKernel command line: mtdparts=a:1M(b c)")]
    fn quotes_and_repetition(#[case] text: &str) {
        assert_eq!(
            facts(text),
            [(0, "b c".to_owned(), Some(0), Some(1 << 20), false)]
        );
    }
}
