//! The record that the script of `mtdkeep script` keeps of its run, `capture.txt`.
//!
//! Invariant: a record is understood whole or refused with the number of its bad
//! line; one without its last line, `complete`, is of a run that was cut off.

use crate::backup::capture_format::RECORD_HEAD;
use std::collections::BTreeMap;

/// What became of one MTD device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its image was stored.
    Image {
        size_bytes: u64,
        /// Whether a second reading was the same; none where there was none.
        same: Option<bool>,
        /// Offset and length of what could not be read, in bytes.
        holes: Vec<(u64, u64)>,
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
        ("hole", _) => {
            let (device, rest) = rest.split_once(' ')?;
            return hole(record.fates.get_mut(&number(device)?)?, rest);
        }
        ("image" | "left" | "skipped", _) => {
            let (device, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let mtd = number(device)?;
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

/// N of `mtdN`, as a shell counts.
fn number(device: &str) -> Option<u32> {
    let mtd: u32 = device.strip_prefix("mtd")?.parse().ok()?;
    (device == format!("mtd{mtd}")).then_some(mtd)
}

/// A hole lies in its image, behind those before it.
fn hole(fate: &mut Fate, text: &str) -> Option<()> {
    let Fate::Image {
        size_bytes, holes, ..
    } = fate
    else {
        return None;
    };
    let (offset, length) = text.split_once(' ')?;
    let (offset, length): (u64, u64) = (offset.parse().ok()?, length.parse().ok()?);
    let free_from = holes.last().map_or(0, |(offset, length)| offset + length);
    let fits = offset.checked_add(length)? <= *size_bytes && length > 0 && offset >= free_from;
    fits.then(|| holes.push((offset, length)))
}

fn image(text: &str) -> Option<Fate> {
    let (size, reading) = text.split_once(' ').unwrap_or((text, ""));
    Some(Fate::Image {
        size_bytes: size.parse().ok()?,
        holes: Vec::new(),
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
            "{HEAD}image mtd0 262144\nimage mtd1 4096 differs\nhole mtd1 0 512\nhole mtd1 1024 3072\nleft mtd2 no node\nskipped mtd10\ncomplete\n"
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
            holes: vec![(0, 512), (1024, 3072)],
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
    #[case("hole mtd0 0 1")]
    #[case("image mtd0 8\nhole mtd0 0 9")]
    #[case("image mtd0 8\nhole mtd0 4 4\nhole mtd0 0 4")]
    #[case("image mtd0 8\nhole mtd0 4 0")]
    #[case("image mtd0 8\nhole mtd0 18446744073709551615 2")]
    #[case("left mtd0 x\nhole mtd0 0 1")]
    #[case("complete\nimage mtd0 1")]
    #[case("tool again")]
    #[case("")]
    fn bad_lines(#[case] lines: &str) {
        parse(&format!("{HEAD}{lines}\n")).unwrap_err();
    }
}
