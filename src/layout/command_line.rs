//! `mtdparts=` as Linux reads it (Linux 6.1, drivers/mtd/parsers/cmdlinepart.c):
//!
//! ```text
//! mtdparts=<chip>:<partition>[,<partition>…][;<chip>:…]
//! <partition> := <size>[@<offset>][(<name>)][ro][lk][slc]
//! ```
//!
//! A size is a number with k, M, G or `-` for the rest; without an offset a
//! partition follows the one before it, without a name it is called `Partition_` and
//! its number on its chip. In a chip's name everything up to the
//! last colon before the first parenthesis counts.
//!
//! What Linux does beyond: it cuts a partition that passes the chip's end, and
//! leaves out one without bytes. The chip's size is not in this text, so both
//! are for whoever knows it.

use super::error::{LayoutTextError, quoted};
use super::lines::lines;
use super::{ChipFacts, FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{FactSource, PartitionOffset};

const KEY: &str = "mtdparts=";

/// Where in a line the partitions stand, where it has any.
fn definition(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once(KEY)?;
    let quote = before.ends_with('"') || rest.starts_with('"');
    // U-Boot's own variable is printed as `mtdparts=mtdparts=…`.
    let rest = rest.trim_start_matches(['"', '\'']);
    let rest = rest.strip_prefix(KEY).unwrap_or(rest);
    // A boot loader's variable that is still to be put in tells nothing.
    if rest.starts_with('$') {
        return None;
    }
    let end = if quote {
        rest.find('"').unwrap_or(rest.len())
    } else {
        end_of_word(rest)
    };
    Some(&rest[..end])
}

/// The end of a word in which names in parentheses may hold blanks.
fn end_of_word(text: &str) -> usize {
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            c if !inside && (c.is_whitespace() || c == '"' || c == '\'') => return at,
            _ => {}
        }
    }
    text.len()
}

/// Reads a text that has `mtdparts=` in it; `None` where it has not.
pub(super) fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
    let mut reading = Reading::new(Form::CommandLine);
    let mut first: Option<String> = None;
    for line in lines(text) {
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
    if text.matches(KEY).count() != 1 {
        return None;
    }
    let mut reading = Reading::new(Form::CommandLine);
    read_definition(1, definition(text.trim_end())?, &mut reading).ok()?;
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
    let mut in_name = false;
    let ends_chip = |c: char| {
        in_name = (in_name || c == '(') && c != ')';
        c == ';' && !in_name
    };
    for chip in text.split(ends_chip).filter(|chip| !chip.is_empty()) {
        let before_names = &chip[..chip.find('(').unwrap_or(chip.len())];
        let colon = before_names
            .rfind(':')
            .filter(|at| *at > 0)
            .ok_or_else(|| bad(line, "no chip's name with a colon behind it", chip))?;
        let chip_at = reading.chips.len();
        reading.chips.push(ChipFacts {
            name: chip[..colon].to_owned(),
            ..ChipFacts::default()
        });
        let mut parser = Parser {
            line,
            all: chip,
            rest: &chip[colon + 1..],
        };
        let mut next_bytes = Some(0);
        for number in 0.. {
            let partition = parser.partition(chip_at, number, next_bytes)?;
            next_bytes = partition.end_bytes();
            let fills_up = partition.size_bytes.is_none();
            reading.partitions.push(partition);
            match parser.rest.strip_prefix(',') {
                Some(_) if fills_up => {
                    return Err(bad(
                        line,
                        "a partition behind one that takes the rest",
                        chip,
                    ));
                }
                Some(rest) => parser.rest = rest,
                None if parser.rest.is_empty() => break,
                None => return Err(bad(line, "something behind a partition", parser.rest)),
            }
        }
    }
    Ok(())
}

struct Parser<'a> {
    line: usize,
    all: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn partition(
        &mut self,
        chip: usize,
        number: usize,
        next_bytes: Option<u64>,
    ) -> Result<PartitionFacts, LayoutTextError> {
        let size_bytes = match self.rest.strip_prefix('-') {
            Some(rest) => {
                self.rest = rest;
                None
            }
            None => Some(self.number("no size")?),
        };
        let offset_bytes = match self.rest.strip_prefix('@') {
            Some(rest) => {
                self.rest = rest;
                Some(self.number("no offset behind the @")?)
            }
            None => next_bytes,
        };
        let name = match self.rest.strip_prefix('(') {
            Some(rest) => {
                let (name, rest) = rest
                    .split_once(')')
                    .ok_or_else(|| bad(self.line, "no closing parenthesis", self.all))?;
                self.rest = rest;
                name.to_owned()
            }
            None => format!("Partition_{number:03}"),
        };
        let mut read_only = false;
        for (flag, is_read_only) in [("ro", true), ("lk", false), ("slc", false)] {
            if let Some(rest) = self.rest.strip_prefix(flag) {
                self.rest = rest;
                read_only |= is_read_only;
            }
        }
        let partition = PartitionFacts {
            line: self.line,
            index: None,
            name,
            chip: Some(chip),
            parent: None,
            offset: offset_bytes.map(|bytes| PartitionOffset {
                bytes,
                source: FactSource::CommandLine,
            }),
            size_bytes,
            erase_block_bytes: None,
            // Without `ro` the kernel may still force it.
            read_only: read_only.then_some(true),
            sources: FactSources::default(),
        };
        let fits = |end: u64| i64::try_from(end).is_ok();
        let has_end = size_bytes.is_some() && offset_bytes.is_some();
        if has_end && !partition.end_bytes().is_some_and(fits) {
            return Err(bad(self.line, "a partition past 63 bits", self.all));
        }
        Ok(partition)
    }

    /// A number as Linux's memparse reads it: decimal, hex or octal, and k, M, G,
    /// T behind it.
    fn number(&mut self, missing: &'static str) -> Result<u64, LayoutTextError> {
        let (number, rest) =
            memory_size(self.rest).ok_or_else(|| bad(self.line, missing, self.rest))?;
        let number = number
            .filter(|number| i64::try_from(*number).is_ok())
            .ok_or_else(|| bad(self.line, "a number past 63 bits", self.all))?;
        self.rest = rest;
        Ok(number)
    }
}

/// A number with its unit, and what is behind it; the number is `None` where it
/// needs more than 64 bits. `None` where there is no number.
pub(super) fn memory_size(text: &str) -> Option<(Option<u64>, &str)> {
    let hex = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (digits, radix) = match hex {
        Some(rest) => (rest, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let number = u64::from_str_radix(&digits[..end], radix).ok();
    let rest = &digits[end..];
    let shift = match rest.chars().next() {
        Some('k' | 'K') => 10,
        Some('m' | 'M') => 20,
        Some('g' | 'G') => 30,
        Some('t' | 'T') => 40,
        _ => return Some((number, rest)),
    };
    let number = number.and_then(|number| number.checked_mul(1 << shift));
    Some((number, &rest[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

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
