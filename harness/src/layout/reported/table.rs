//! The text of `/proc/mtd`.
//!
//! Source: Linux 6.1, drivers/mtd/mtdcore.c.

use super::forms::{Read, below_2_63, wrong};
use super::scan::{Line, Scan};
use super::{ReportedError, ReportedLayout, ReportedPartition};

/// From the heading on, or, without one, wherever there are whole rows; several may stand
/// on a line, and something before them.
pub(super) fn read(lines: &[Line]) -> Read {
    let all: Vec<(&Line, Vec<&str>)> = lines.iter().map(|line| (line, split(line))).collect();
    let heading = all
        .iter()
        .position(|(_, found)| found.iter().any(|text| is_heading(text)));
    let start = match heading {
        Some(at) => at,
        None => {
            let any = all.iter().any(|(line, found)| {
                found
                    .iter()
                    .any(|text| matches!(row(line, text), Ok(Some(_))))
            });
            if !any {
                return Ok(None);
            }
            0
        }
    };
    let mut reported = ReportedLayout::default();
    for (line, found) in &all[start..] {
        for text in found.iter().filter(|text| !is_heading(text)) {
            let Some(partition) = row(line, text)? else {
                continue;
            };
            if reported
                .partitions
                .iter()
                .any(|p| p.number == partition.number)
            {
                return Err(wrong(line, "a number that was there before"));
            }
            reported.partitions.push(partition);
        }
    }
    Ok(Some(reported))
}

/// The heading, perhaps with something before it.
fn is_heading(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    matches!(words[..], [.., dev, "size", "erasesize", "name"] if dev.ends_with("dev:"))
}

/// What is on a line: a heading, rows, or something else.
fn split(line: &Line) -> Vec<&str> {
    let text = line.text.as_str();
    let is_whole = |text: &str| matches!(row(line, text), Ok(Some(_)));
    let mut found = Vec::new();
    let mut rest = text;
    // Where a row could begin from `from` on.
    let next = |from: usize, text: &str| {
        let mut at = from;
        while let Some(step) = text[at..].find("mtd") {
            at += step;
            let is_free = text[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric() && c != '/' && c != '"');
            if is_free && number(&mut Scan(&text[at..])).is_some() {
                return Some(at);
            }
            at += 3;
        }
        None
    };
    let Some(first) = next(0, text) else {
        return vec![text];
    };
    let head = text[..first].trim_end();
    rest = &rest[first..];
    loop {
        // Up to the first place where a row may begin and one is whole before it.
        let mut from = 3;
        let cut = loop {
            match next(from, rest) {
                Some(at) if is_whole(rest[..at].trim_end()) => break Some(at),
                Some(at) => from = at + 3,
                None => break None,
            }
        };
        let Some(cut) = cut else {
            found.push(rest.trim_end());
            break;
        };
        found.push(rest[..cut].trim_end());
        rest = &rest[cut..];
    }
    if is_heading(head) {
        found.insert(0, head);
    } else if !head.is_empty() && !found.iter().all(|text| is_whole(text)) {
        return vec![text];
    }
    found
}

/// The digits of `mtd12:`.
fn number<'a>(scan: &mut Scan<'a>) -> Option<&'a str> {
    scan.skip("mtd").then_some(())?;
    let digits = scan.digits(10)?;
    scan.skip(":").then_some(digits)
}

/// A row; nothing where the text does not begin as one.
fn row(line: &Line, text: &str) -> Result<Option<ReportedPartition>, ReportedError> {
    let mut scan = Scan(text);
    let Some(number) = number(&mut scan) else {
        return Ok(None);
    };
    if !scan.0.starts_with(char::is_whitespace) {
        return Err(wrong(line, "no blank behind the number"));
    }
    let number = number
        .parse()
        .ok()
        .filter(|number| *number <= super::super::NUMBER_MAX);
    let number = number.ok_or_else(|| wrong(line, "a number that no device has"))?;
    let mut column = || {
        scan.blanks();
        let digits = scan.digits(16).filter(|digits| digits.len() >= 8);
        let digits = digits.ok_or_else(|| wrong(line, "no eight hex digits"))?;
        below_2_63(u64::from_str_radix(digits, 16).ok(), line)
    };
    let (size, block) = (column()?, column()?);
    if !scan.0.starts_with(char::is_whitespace) || u32::try_from(block).is_err() {
        return Err(wrong(line, "no erase-block size of 32 bits"));
    }
    scan.blanks();
    let name = scan
        .quoted()
        .ok_or_else(|| wrong(line, "no name in quotes"))?;
    Ok(Some(ReportedPartition {
        line: line.number,
        number: Some(number),
        name: name.to_owned(),
        size_bytes: Some(size),
        erase_block_bytes: Some(block),
        ..ReportedPartition::default()
    }))
}
