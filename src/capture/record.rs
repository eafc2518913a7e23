//! The record that the script of `mtdkeep script` keeps of its run, `capture.txt`.
//!
//! Invariant: a record is understood whole or refused with the number of its bad
//! line; one without its last line, `complete`, is of a run that was cut off.

use super::format::RECORD_HEAD;
use std::collections::BTreeMap;

/// What became of one MTD device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its image was stored.
    Image {
        size_bytes: u64,
        /// Whether a second reading was the same; none where there was none.
        same: Option<bool>,
    },
    /// It should have been captured, and could not be.
    Left(String),
    /// Nobody had asked for it.
    Skipped,
}

/// A record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The script's name and version.
    pub(super) tool: String,
    /// Whether the device had md5sum.
    pub(super) md5sum: bool,
    pub(super) fates: BTreeMap<u32, Fate>,
    pub(super) complete: bool,
}

/// Reads a record, or gives the number (from 1) of the first bad line.
pub(super) fn parse(text: &str) -> Result<Record, usize> {
    let mut record = Record::default();
    let mut lines = text.lines().map(str::trim_end).zip(1..);
    match lines.next() {
        Some((RECORD_HEAD, _)) => {}
        _ => return Err(1),
    }
    for (line, number) in lines {
        if record.complete {
            return Err(number);
        }
        // What stands here is shown to people, and stands in a manifest.
        if line.contains(char::is_control) {
            return Err(number);
        }
        parse_line(line, &mut record).ok_or(number)?;
    }
    Ok(record)
}

fn parse_line(line: &str, record: &mut Record) -> Option<()> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, rest) {
        ("tool", _) if record.tool.is_empty() => record.tool = rest.into(),
        ("folder", "made" | "found") => {}
        ("md5sum", "yes") => record.md5sum = true,
        ("md5sum", "no") => {}
        ("complete", "") => record.complete = true,
        ("image" | "left" | "skipped", _) => {
            let (device, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let digits = device.strip_prefix("mtd")?;
            let mtd: u32 = digits.parse().ok()?;
            if device != format!("mtd{mtd}") {
                return None;
            }
            let fate = match word {
                "left" => Fate::Left(rest.into()),
                "skipped" => Fate::Skipped,
                _ => image(rest)?,
            };
            if record.fates.insert(mtd, fate).is_some() {
                return None;
            }
        }
        _ => return None,
    }
    Some(())
}

fn image(text: &str) -> Option<Fate> {
    let (size, reading) = text.split_once(' ').unwrap_or((text, ""));
    Some(Fate::Image {
        size_bytes: size.parse().ok()?,
        same: match reading {
            "" => None,
            "same" => Some(true),
            "differs" => Some(false),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const HEAD: &str = "mtdkeep-capture 1\ntool mtdkeep 0.1.0\nfolder made\nmd5sum yes\n";

    #[test]
    fn a_record_is_understood() {
        let text = format!(
            "{HEAD}image mtd0 262144\nimage mtd1 4096 differs\nleft mtd2 no node\nskipped mtd10\ncomplete\n"
        );
        let record = parse(&text).unwrap();
        assert_eq!(record, parse(&text.replace('\n', "\r\n")).unwrap());
        assert!(record.md5sum && record.complete);
        assert_eq!(record.tool, "mtdkeep 0.1.0");
        assert_eq!(record.fates[&2], Fate::Left("no node".into()));
        assert_eq!(record.fates[&10], Fate::Skipped);
        let changed = Fate::Image {
            size_bytes: 4096,
            same: Some(false),
        };
        assert_eq!(record.fates[&1], changed);
    }

    #[rstest]
    #[case("image mtd0 x")]
    #[case("image mtd00 1")]
    #[case("image mtd0")]
    #[case("image mtd0 1 maybe")]
    #[case("image mtd0 1\nleft mtd0 x")]
    #[case("nonsense")]
    #[case("complete\nimage mtd0 1")]
    #[case("tool again")]
    #[case("")]
    fn bad_lines(#[case] lines: &str) {
        parse(&format!("{HEAD}{lines}\n")).unwrap_err();
    }
}
