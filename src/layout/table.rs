//! The text of `/proc/mtd` as people paste it: between a prompt and the next one,
//! indented, with curly quotes.
//!
//! Invariant: a line that begins like one of the table's is one, or an error; a
//! table that lost lines in the middle cannot be told from a whole one, but for
//! its numbers.

use super::error::LayoutTextError;
use super::lines::lines;
use super::{FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{MtdIndex, parse_proc_mtd_line};
use std::collections::BTreeMap;

/// Reads a text that has the table's header; `None` where it has not.
pub(super) fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
    let mut found = false;
    let mut reading = Reading::new(Form::ProcMtd);
    let mut seen: BTreeMap<MtdIndex, usize> = BTreeMap::new();
    for line in lines(text) {
        if is_header(&line.text) {
            found = true;
            continue;
        }
        if !found || !is_row(&line.text) {
            reading.skipped.push(line.skipped());
            continue;
        }
        let entry = match parse_proc_mtd_line(line.number, &line.text) {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error.into())),
        };
        if let Some(first_line) = seen.insert(entry.index, line.number) {
            return Some(Err(LayoutTextError::NumberTwice {
                line: line.number,
                index: entry.index,
                first_line,
            }));
        }
        reading.partitions.push(PartitionFacts {
            line: line.number,
            index: Some(entry.index),
            name: entry.name,
            chip: None,
            parent: None,
            offset: None,
            size_bytes: Some(entry.size_bytes),
            erase_block_bytes: Some(entry.erase_block_bytes),
            read_only: None,
            sources: FactSources::default(),
        });
    }
    found.then_some(Ok(reading))
}

fn is_header(line: &str) -> bool {
    line.split_ascii_whitespace()
        .eq(["dev:", "size", "erasesize", "name"])
}

/// `mtd3:` and whatever follows.
fn is_row(line: &str) -> bool {
    line.strip_prefix("mtd")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_table() {
        let text = "\u{feff}root@OpenWrt:~# cat /proc/mtd\r\n  dev:    size   erasesize  name\r\n\
                    \tmtd0: 00040000 00010000 \u{201c}u-boot\u{201d}\r\n  mtd10: 00010000 00010000 \"a b\"\r\n\
                    root@OpenWrt:~# exit\r\n";
        let reading = read(text).unwrap().unwrap();
        let got: Vec<_> = reading
            .partitions
            .iter()
            .map(|p| (p.index.unwrap().0, p.name.as_str(), p.size_bytes, p.line))
            .collect();
        assert_eq!(
            got,
            [
                (0, "u-boot", Some(0x4_0000), 3),
                (10, "a b", Some(0x1_0000), 4)
            ]
        );
        let skipped: Vec<_> = reading.skipped.iter().map(|s| s.line).collect();
        assert_eq!(skipped, [1, 5]);
    }

    #[test]
    fn torn_lines_and_repetitions_are_errors() {
        let header = "dev:    size   erasesize  name\n";
        for rest in [
            "mtd0: 0004",
            "mtd0: 00040000 00010000 \"a",
            "mtd0: 00040000 00010000 \"a\"\nmtd0: 00040000 00010000 \"a\"",
        ] {
            read(&format!("{header}{rest}")).unwrap().unwrap_err();
        }
        assert!(read("mtd0: 00040000 00010000 \"a\"").is_none());
    }
}
