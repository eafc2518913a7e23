//! The sentences of a kernel about its partitions, each taken apart.

use super::super::scan::{Scan, decimal};
use super::Size;

/// What the kernel itself said in a line that something stamped.
pub(super) fn behind_stamps(text: &str) -> &str {
    let begins = |text: &str| {
        let words = [
            "Creating ",
            "mtd: ",
            "spi-nor ",
            "m25p80 ",
            "0x",
            "spi-nand ",
            "nand: ",
            "NAND device: ",
        ];
        words.iter().any(|word| text.starts_with(word))
    };
    if begins(text) {
        return text;
    }
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        if "])>:|".contains(last) && begins(&text[at..]) {
            return &text[at..];
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    text
}

pub(super) fn heading(text: &str) -> Option<(u32, &str)> {
    let at = text.find("Creating ")?;
    let is_word = text[..at]
        .chars()
        .next_back()
        .is_none_or(char::is_whitespace);
    let mut scan = Scan(&text[at + "Creating ".len()..]);
    is_word.then_some(())?;
    let count = scan.digits(10)?.parse().ok()?;
    scan.skip(" MTD partitions on \"").then_some(())?;
    Some((count, scan.0.rsplit_once('"')?.0))
}

pub(super) fn found_on(text: &str) -> Option<(u32, &str, &str)> {
    const WORDS: &str = " partitions found on MTD device ";
    let at = text.find(WORDS)?;
    let is_gap = |c: char| matches!(c, ']' | ')' | '>' | ':' | '|') || c.is_ascii_whitespace();
    let words: Vec<&str> = text[..at].split(is_gap).filter(|w| !w.is_empty()).collect();
    let is_number = |word: &&&str| word.chars().all(|c| c.is_ascii_digit());
    let count = words.iter().rev().find(is_number)?;
    let parser = text[..at]
        .rsplit(char::is_whitespace)
        .find(|w| !w.is_empty())?;
    Some((decimal(count)?, parser, &text[at + WORDS.len()..]))
}

/// `spi-nor spi0.0: w25q128 (16384 Kbytes)`, `spi-nand spi0.0: 128 MiB, block size: …`.
pub(super) fn size_of_chip(text: &str) -> Option<(String, Size)> {
    let mut scan = Scan(text);
    if scan.skip("spi-nand ") {
        let colon = scan.0.find(": ")?;
        let size = size_of_nand(&scan.0[colon + 2..])?;
        return Some((scan.0[..colon].to_owned(), size));
    }
    (scan.skip("spi-nor ") || scan.skip("m25p80 ")).then_some(())?;
    let colon = scan.0.find(": ")?;
    let open = scan.0.rfind('(').filter(|open| *open > colon + 1)?;
    let size = units(scan.0[open + 1..].strip_suffix(" Kbytes)")?, 10)?;
    Some((scan.0[..colon].to_owned(), (size, None)))
}

/// What stands before the size of pages: `128 MiB, SLC, erase size: 128 KiB`.
pub(super) fn size_of_nand(text: &str) -> Option<Size> {
    let said = &text[..text.find(", page size: ")?];
    let size_of = |word: &str| units(word.strip_suffix("MiB")?.trim_end(), 20);
    let size = said.split(", ").filter_map(size_of).last()?;
    let mut block = None;
    for word in said.split(", ") {
        let mut scan = Scan(word);
        if scan.skip("erase size: ") || scan.skip("block size: ") {
            if let Some(number) = scan.0.strip_suffix(" KiB") {
                block = units(number, 10);
            }
        }
    }
    Some((size, block))
}

fn units(number: &str, power: u32) -> Option<u64> {
    let size = decimal::<u64>(number)?.checked_mul(1 << power)?;
    (size > 0 && size <= i64::MAX as u64).then_some(size)
}

pub(super) fn is_created(text: &str) -> bool {
    let rest = text.strip_prefix("mtd: partition \"");
    let said = rest.and_then(|rest| rest.split_once('"'));
    said.is_some_and(|(_, said)| said.starts_with(" created automatically"))
}
