//! The text of `/proc/mtd` as people paste it: between a prompt and the next one,
//! indented, with curly quotes, with something in front of each line, on one line, or
//! without its heading.
//!
//! Invariant: a line that begins like one of the table's is one, or an error; a
//! table that lost lines in the middle cannot be told from a whole one, but for
//! its numbers.

use super::error::LayoutTextError;
use super::lines::Line;
use super::{FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{MtdIndex, MtdInfo, parse_proc_mtd_line};
use std::collections::BTreeMap;

/// Reads a text that has the table's heading, or a line that can be nothing but a row of
/// it; `None` where it has neither.
pub(super) fn read(lines: &[Line<'_>]) -> Option<Result<Reading, LayoutTextError>> {
    let pieces = lines.iter().map(|line| (line, pieces(&line.text)));
    let pieces: Vec<_> = pieces.collect();
    let has_heading = pieces
        .iter()
        .any(|(_, pieces)| pieces.iter().any(|piece| is_header(piece)));
    let is_whole = |(line, pieces): &(&Line<'_>, Vec<&str>)| {
        pieces
            .iter()
            .any(|piece| parse_proc_mtd_line(line.number, piece).is_ok())
    };
    if !has_heading && !pieces.iter().any(is_whole) {
        return None;
    }
    let mut found = !has_heading;
    let mut reading = Reading::new(Form::ProcMtd);
    let mut seen: BTreeMap<MtdIndex, usize> = BTreeMap::new();
    for (line, pieces) in pieces {
        let mut is_skipped = true;
        for piece in pieces {
            if is_header(piece) {
                found = true;
                is_skipped = false;
            } else if found && is_row(piece) {
                is_skipped = false;
                let added = parse_proc_mtd_line(line.number, piece)
                    .map_err(LayoutTextError::from)
                    .and_then(|entry| add(line.number, entry, &mut seen, &mut reading));
                if let Err(error) = added {
                    return Some(Err(error));
                }
            }
        }
        if is_skipped {
            reading.skipped.push(line.skipped());
        }
    }
    let first = reading.partitions.iter().filter_map(|p| p.index).min();
    if !has_heading && first != Some(MtdIndex(0)) {
        reading.remarks.push(
            "the heading of /proc/mtd is not in it, and no mtd0: lines before may be missing"
                .into(),
        );
    }
    Some(Ok(reading))
}

fn add(
    line: usize,
    entry: MtdInfo,
    seen: &mut BTreeMap<MtdIndex, usize>,
    reading: &mut Reading,
) -> Result<(), LayoutTextError> {
    if let Some(first_line) = seen.insert(entry.index, line) {
        return Err(LayoutTextError::NumberTwice {
            line,
            index: entry.index,
            first_line,
        });
    }
    reading.partitions.push(PartitionFacts {
        line,
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
    Ok(())
}

/// The rows on a line, behind a heading or something else: a row may begin where one is
/// whole. What stands before a row is dropped only if all rows on the line are whole.
fn pieces(text: &str) -> Vec<&str> {
    let is_whole = |row: &str| parse_proc_mtd_line(0, row).is_ok();
    let mut cuts: Vec<usize> = Vec::new();
    for (at, _) in text.match_indices("mtd") {
        let is_free = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '/' || c == '"');
        let last = cuts.last().copied();
        let follows = last.is_none_or(|last| is_whole(text[last..at].trim_end()));
        if is_free && follows && is_row(&text[at..]) {
            cuts.push(at);
        }
    }
    let Some(&first) = cuts.first() else {
        return vec![text];
    };
    let ends = cuts.iter().skip(1).copied().chain([text.len()]);
    let row = |(from, to): (&usize, usize)| text[*from..to].trim_end();
    let rows: Vec<&str> = cuts.iter().zip(ends).map(row).collect();
    let head = text[..first].trim_end();
    match is_header(head) {
        true => [vec![head], rows].concat(),
        false if head.is_empty() || rows.iter().all(|row| is_whole(row)) => rows,
        false => vec![text],
    }
}

/// The heading, whatever stands before it.
fn is_header(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace().rev();
    let last = [words.next(), words.next(), words.next()];
    last == [Some("name"), Some("erasesize"), Some("size")]
        && words.next().is_some_and(|word| word.ends_with("dev:"))
}

/// `mtd3:` and whatever follows.
fn is_row(line: &str) -> bool {
    line.strip_prefix("mtd")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::lines::lines;
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
        super::read(&lines(text))
    }

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
        for none in ["mtd0: 00040000", "cat /proc/mtd", "ubi0: attached mtd0: ok"] {
            assert!(read(none).is_none(), "{none}");
        }
    }

    #[rstest]
    #[case::mail("> ")]
    #[case::quoted_twice(">> > ")]
    #[case::minicom("[2024-02-22 23:37:30] ")]
    #[case::ts("Feb 22 23:37:30 ")]
    #[case::grep("/proc/mtd:")]
    #[case::grep_n("12:")]
    #[case::nl("     3\t")]
    #[case::list("- ")]
    #[case::bullet("* ")]
    #[case::cell("| ")]
    fn something_before_each_line(#[case] before: &str) {
        let table = [
            "dev:    size   erasesize  name",
            "mtd0: 00040000 00010000 \"a\"",
            "mtd1: 00010000 00010000 \"b c\"",
        ];
        let text: String = table
            .iter()
            .map(|line| format!("{before}{line}\n"))
            .collect();
        let reading = read(&text).unwrap().unwrap();
        let names: Vec<_> = reading.partitions.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "b c"], "{text}");
        assert_eq!((reading.skipped.len(), reading.remarks.len()), (0, 0));
        // And without the heading.
        let reading = read(&table[1..].join("\n")).unwrap().unwrap();
        assert_eq!((reading.partitions.len(), reading.remarks.len()), (2, 0));
        let reading = read(table[2]).unwrap().unwrap();
        assert_eq!((reading.partitions.len(), reading.remarks.len()), (1, 1));
    }

    #[test]
    fn all_on_one_line() {
        let text = "dev: size erasesize name mtd0: 00040000 00010000 \"a\" mtd1: 00010000 00010000 \"b mtd2\"";
        let reading = read(text).unwrap().unwrap();
        let names: Vec<_> = reading.partitions.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "b mtd2"]);
        read(&text.replace("00010000 \"b", "0001000 \"b"))
            .unwrap()
            .unwrap_err();
    }
}
