//! `MD5SUMS` as md5sum writes it: 32 hex digits, two blanks (or one and `*`),
//! name.
//!
//! MD5 is what a device of 2008 has. It finds every accident on the way, and
//! proves nothing against somebody who forges files.

use md5::{Digest as _, Md5};
use std::collections::BTreeMap;

use crate::backup::digest::{hex, is_hex};

/// Digests by file name, or the number (from 1) of the first bad line. A name
/// that comes again with another digest is bad.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut sums = BTreeMap::new();
    for (line, number) in text.lines().map(str::trim_end).zip(1..) {
        let (digest, name) = parse_line(line).ok_or(number)?;
        if let Some(first) = sums.insert(name.to_owned(), digest.clone()) {
            if first != digest {
                return Err(number);
            }
        }
    }
    Ok(sums)
}

fn parse_line(line: &str) -> Option<(String, &str)> {
    let (digest, rest) = line.split_at_checked(32)?;
    let name = rest
        .strip_prefix("  ")
        .or_else(|| rest.strip_prefix(" *"))?;
    let digest = digest.to_ascii_lowercase();
    (is_hex(&digest, 32) && !name.is_empty() && !name.contains('/')).then_some((digest, name))
}

/// A running MD5.
#[derive(Default)]
pub(super) struct RunningMd5(Md5);

impl RunningMd5 {
    pub(super) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    pub(super) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// MD5 of a text.
pub(super) fn of(data: &[u8]) -> String {
    let mut md5 = RunningMd5::default();
    md5.update(data);
    md5.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_published_test_vectors_come_out() {
        // RFC 1321, A.5.
        assert_eq!(of(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(of(b"message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[rstest]
    #[case("d41d8cd98f00b204e9800998ecf8427e  mtd0.bin", true)]
    #[case("D41D8CD98F00B204E9800998ECF8427E *mtd0.bin\r", true)]
    #[case("d41d8cd98f00b204e9800998ecf8427e mtd0.bin", false)]
    #[case("d41d8cd98f00b204e9800998ecf8427e  ", false)]
    #[case("d41d8cd98f00b204e9800998ecf8427e  ../x", false)]
    #[case("d41d8cd98f00b204e9800998ecf8427  mtd0.bin", false)]
    #[case("", false)]
    fn lines(#[case] line: &str, #[case] good: bool) {
        let parsed = parse(&format!("{line}\n"));
        match good {
            true => assert_eq!(parsed.unwrap()["mtd0.bin"], of(b"")),
            false => assert_eq!(parsed, Err(1)),
        }
    }
}
