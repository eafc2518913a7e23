//! The forms of others.
//!
//! Sources: Linux 6.1, drivers/mtd/parsers/cmdlinepart.c; U-Boot, cmd/mtd.c,
//! cmd/mtdparts.c, common/flash.c.

use super::scan::{Line, Scan, decimal};
use super::{ReportedError, ReportedLayout, ReportedPartition};

pub(super) type Read = Result<Option<ReportedLayout>, ReportedError>;

pub(super) fn wrong(line: &Line, why: &'static str) -> ReportedError {
    ReportedError::Line {
        line: line.number,
        why,
    }
}

pub(super) fn below_2_63(number: Option<u64>, line: &Line) -> Result<u64, ReportedError> {
    number
        .filter(|number| *number <= i64::MAX as u64)
        .ok_or_else(|| wrong(line, "a number past 63 bits"))
}

/// `0x000000000000-0x000000040000 : "u-boot"`.
pub(super) fn range(text: &str) -> Option<(Option<u64>, Option<u64>, &str)> {
    let mut scan = Scan(text);
    let start = scan.hex()?;
    scan.blanks();
    scan.skip("-").then_some(())?;
    scan.blanks();
    let end = scan.hex()?;
    scan.blanks();
    scan.skip(":").then_some(())?;
    scan.blanks();
    Some((start, end, scan.quoted()?))
}

/// `mtdparts=` wherever it stands in a line.
pub(super) fn command_line(lines: &[Line]) -> Read {
    const KEY: &str = "mtdparts=";
    let mut reported: Option<(ReportedLayout, String)> = None;
    for line in lines {
        let Some(at) = line.text.find(KEY) else {
            continue;
        };
        let (before, after) = (&line.text[..at], &line.text[at + KEY.len()..]);
        let is_quoted = before.ends_with('"') || after.starts_with('"');
        let after = after.trim_start_matches(['"', '\'']);
        let after = after.strip_prefix(KEY).unwrap_or(after);
        if after.starts_with('$') {
            continue; // a variable, not yet put in
        }
        let value = match is_quoted {
            true => after.split('"').next().unwrap_or(""),
            false => word(after),
        };
        match &reported {
            Some((_, first)) if first == value => continue,
            Some(_) => return Err(wrong(line, "a second mtdparts= that says something else")),
            None => {
                let mut found = ReportedLayout::default();
                let mut rest = value.trim_start_matches(';');
                while !rest.is_empty() {
                    let (chip, others) = rest.split_at(end_of_chip(rest));
                    parts_of_chip(line, chip, &mut found)?;
                    rest = others.trim_start_matches(';');
                }
                reported = Some((found, value.to_owned()));
            }
        }
    }
    Ok(reported.map(|(reported, _)| reported))
}

/// Up to the first blank or quote that is in no parentheses.
fn word(text: &str) -> &str {
    let mut in_name = false;
    let ends = |c: char| {
        in_name = match c {
            '(' => true,
            ')' => false,
            _ => in_name,
        };
        !in_name && (c.is_whitespace() || c == '"' || c == '\'')
    };
    let end = text.find(ends).unwrap_or(text.len());
    &text[..end]
}

/// The first semicolon that is in no name.
fn end_of_chip(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        match rest.find([';', '(']) {
            None => return text.len(),
            Some(found) if rest[found..].starts_with(';') => return at + found,
            Some(found) => match rest[found..].find(')') {
                None => return text.len(),
                Some(end) => at += found + end + 1,
            },
        }
    }
}

fn parts_of_chip(
    line: &Line,
    text: &str,
    reported: &mut ReportedLayout,
) -> Result<(), ReportedError> {
    let names = text.find('(').unwrap_or(text.len());
    let colon = text[..names].rfind(':').filter(|colon| *colon > 0);
    let colon = colon.ok_or_else(|| wrong(line, "no chip before its partitions"))?;
    let chip = reported.add_chip(&text[..colon]);
    let mut scan = Scan(&text[colon + 1..]);
    let mut next = Some(0);
    let before = reported.partitions.len();
    loop {
        let size = match scan.skip("-") {
            true => None,
            false => {
                let size = scan.size().ok_or_else(|| wrong(line, "no size"))?;
                Some(below_2_63(size, line)?)
            }
        };
        if scan.skip("@") {
            let start = scan.size().ok_or_else(|| wrong(line, "no offset"))?;
            next = Some(below_2_63(start, line)?);
        }
        let mut name = format!("Partition_{:03}", reported.partitions.len() - before);
        if scan.skip("(") {
            let (inside, rest) = scan.0.split_once(')').ok_or_else(|| wrong(line, "no )"))?;
            (name, scan.0) = (inside.to_owned(), rest);
        }
        let read_only = scan.skip("ro");
        let _ = scan.skip("lk") | scan.skip("slc");
        let start = next.ok_or_else(|| wrong(line, "behind one that takes the rest"))?;
        let partition = ReportedPartition {
            line: line.number,
            name,
            chip: Some(chip),
            size_bytes: size,
            read_only,
            ..ReportedPartition::default()
        };
        reported.add(start, partition)?;
        next = size.and_then(|size| start.checked_add(size));
        if scan.0.is_empty() {
            return Ok(());
        }
        if !scan.skip(",") || next.is_none() {
            return Err(wrong(line, "something behind a partition"));
        }
    }
}

/// U-Boot's `mtd list`, `mtdparts` and `flinfo`.
pub(super) fn u_boot(lines: &[Line]) -> Read {
    let mut reported = ReportedLayout::default();
    let (mut has_bank, mut in_table, mut has_net) = (false, false, false);
    // Partitions around the line with their depths; the chip itself has no place.
    let mut around: Vec<(usize, Option<usize>)> = Vec::new();
    for line in lines {
        let text = line.text.as_str();
        let chip_name = text
            .strip_prefix("* ")
            .map(str::trim)
            .or_else(|| device(text));
        if let Some(name) = chip_name {
            reported.add_chip(name);
            around.clear();
            in_table = !text.starts_with('*');
        } else if text.starts_with("Bank # ") && text.contains("Size: ") && text.contains(" in ") {
            bank(line, &mut reported)?;
            around.clear();
            (has_bank, in_table) = (true, false);
        } else if in_table {
            if text.starts_with("#: name") {
                has_net = text.contains("net size");
            } else {
                in_table = row(line, has_net, &mut reported)?;
            }
        } else if let (Some(rest), Some(chip)) =
            (text.strip_prefix("- "), reported.chips.len().checked_sub(1))
        {
            if let Some((start, end, name)) = range(rest) {
                let (Some(start), Some(end)) = (start, end) else {
                    return Err(wrong(line, "a number past 64 bits"));
                };
                let size = end
                    .checked_sub(start)
                    .ok_or_else(|| wrong(line, "it ends before it starts"))?;
                around.retain(|(depth, _)| *depth < line.depth);
                let Some(&(_, parent)) = around.last() else {
                    reported.chips[chip].size_bytes = Some(size);
                    around.push((line.depth, None));
                    continue;
                };
                let partition = ReportedPartition {
                    line: line.number,
                    name: name.to_owned(),
                    chip: Some(chip),
                    parent,
                    size_bytes: Some(size),
                    ..ReportedPartition::default()
                };
                let at = reported.add(start, partition)?;
                around.push((line.depth, Some(at)));
            } else if let Some(rest) = rest.strip_prefix("block size: ") {
                let mut scan = Scan(rest);
                let block = scan
                    .hex()
                    .flatten()
                    .filter(|_| ["", " bytes"].contains(&scan.0));
                let block = block.ok_or_else(|| wrong(line, "no block size"))?;
                reported.chips[chip].erase_block_bytes = Some(block);
            }
        }
    }
    Ok((has_bank || !reported.partitions.is_empty()).then_some(reported))
}

/// The chip of `device nor0 <spi0.0>, # parts = 2`.
fn device(text: &str) -> Option<&str> {
    let (name, rest) = text
        .strip_prefix("device ")?
        .split_once('<')?
        .1
        .split_once('>')?;
    rest.contains("# parts").then_some(name)
}

/// ` 0: u-boot   0x00030000   0x00000000   0`; whether it is such a row. Some have the size
/// without bad blocks behind the size.
fn row(line: &Line, has_net: bool, reported: &mut ReportedLayout) -> Result<bool, ReportedError> {
    let Some((number, rest)) = line.text.split_once(": ") else {
        return Ok(false);
    };
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(false);
    }
    let words = rest
        .split_whitespace()
        .filter(|word| !has_net || *word != "(!)");
    let mut words: Vec<_> = words.collect();
    if let (true, Some(net)) = (has_net, words.len().checked_sub(3)) {
        words.remove(net);
    }
    let [name @ .., size, start, flags] = &words[..] else {
        return Err(wrong(line, "too few columns"));
    };
    let hex = |word: &str| {
        word.strip_prefix("0x")
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| u64::from_str_radix(d, 16).ok())
    };
    let (Some(size), Some(start)) = (hex(size), hex(start)) else {
        return Err(wrong(line, "no size and offset"));
    };
    let partition = ReportedPartition {
        line: line.number,
        name: name.join(" "),
        chip: reported.chips.len().checked_sub(1),
        size_bytes: Some(size),
        read_only: *flags != "0",
        ..ReportedPartition::default()
    };
    reported.add(start, partition)?;
    Ok(true)
}

/// `Size: 16 MB in 128 Sectors`.
fn bank(line: &Line, reported: &mut ReportedLayout) -> Result<(), ReportedError> {
    let why = || wrong(line, "no size of a bank");
    let (_, rest) = line.text.split_once("Size: ").ok_or_else(why)?;
    let (size, sectors) = rest.split_once(" in ").ok_or_else(why)?;
    let mut words = size.split_whitespace();
    let number: u64 = words.next().and_then(decimal).ok_or_else(why)?;
    let power = match words.next() {
        Some("kB" | "KB") => 1,
        Some("MB") => 2,
        Some("GB") => 3,
        _ => return Err(why()),
    };
    let size = number.checked_mul(1024_u64.pow(power)).ok_or_else(why)?;
    let count = sectors.split_whitespace().next().and_then(decimal::<u64>);
    let count = count.filter(|count| *count > 0).ok_or_else(why)?;
    let chip = reported.add_chip("");
    reported.chips[chip].size_bytes = Some(size);
    let even = size % count == 0 && (size / count).is_power_of_two();
    reported.chips[chip].erase_block_bytes = even.then(|| size / count);
    Ok(())
}
