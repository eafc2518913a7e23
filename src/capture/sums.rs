//! Digests that somebody made of captured files, in whatever form the program that
//! made them prints.
//!
//! [`text`] has the forms.
//!
//! MD5 is what a device of 2008 has. It finds every accident on the way, and
//! proves nothing against somebody who forges files.

use super::names;
use crate::backup::digest::{hex, is_hex};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha384, Sha512};
use std::collections::BTreeMap;

mod text;

pub(super) use text::parse;

/// Which digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Algorithm {
    /// Of this program's own manifest, and of lists that are called `.sfv`.
    Crc32,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const BY_DIGITS: [(usize, Self); 6] = [
        (32, Self::Md5),
        (40, Self::Sha1),
        (56, Self::Sha224),
        (64, Self::Sha256),
        (96, Self::Sha384),
        (128, Self::Sha512),
    ];

    /// As people write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC-32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Other programs' digests have as many digits.
    pub(super) fn has_a_double(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha384 | Self::Sha512)
    }

    fn of(digest: &str) -> Option<Self> {
        let mut known = Self::BY_DIGITS.into_iter();
        known
            .find(|(digits, _)| is_hex(digest, *digits))
            .map(|(_, algorithm)| algorithm)
    }
}

/// A digest of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) algorithm: Algorithm,
    /// In lower case.
    pub(super) digest: String,
    /// Of what, as it is written there; empty where the line does not say.
    pub(super) name: String,
    /// The text says which digest it is; else its length does.
    pub(super) is_named: bool,
}

impl Sum {
    /// The name without its folders, of either kind.
    pub(super) fn base(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// Whether it was made of the device's own node.
    pub(super) fn is_of_node(&self) -> bool {
        self.name.starts_with("/dev/")
    }
}

/// Whether a file is called as files with digests are, so that a line in it which is
/// none is damage.
pub(super) fn is_called_so(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    let words = ["md5", "sha1", "sha256", "sha512", "sums", "checksum"];
    words.iter().any(|word| file.contains(word))
}

/// Whether a file is called after digests that are not known here and have the length of
/// some that are: BLAKE2, BLAKE3, SHA-3, SM3. They are compared with nothing.
pub(super) fn is_of_another_kind(file: &str) -> bool {
    let file: String = names::plain(file);
    let words = [
        "blake",
        "b2sum",
        "b3sum",
        "sha3",
        "sm3",
        "keccak",
        "shake",
        "whirlpool",
    ];
    let is_called = words
        .iter()
        .any(|word| file.contains(word) && !file.contains("sha384"));
    is_called || file.ends_with("b2") || file.ends_with("b3")
}

/// Whether a text has lines of such digests, which say so, or nothing but what POSIX cksum
/// prints.
pub(super) fn has_another_kind(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.clone().any(text::is_of_another_kind)
        || (lines.clone().count() > 0 && lines.all(text::is_of_cksum))
}

/// Whether most lines of a text have a word as long as a digest is, of its letters.
pub(super) fn has_digests(text: &str) -> bool {
    let is_digest = |word: &str| Algorithm::of(&word.to_ascii_lowercase()).is_some();
    let has_one = |line: &&str| {
        line.split(|c: char| !c.is_ascii_alphanumeric())
            .any(is_digest)
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let with_one = lines.clone().filter(has_one).count();
    with_one > 0 && 2 * with_one >= lines.count()
}

/// The file that one with a single digest is called after: `mtd0.bin.md5`.
pub(super) fn called_after(file: &str) -> Option<&str> {
    let (before, ending) = file.rsplit_once('.')?;
    let ending = ending.strip_suffix("sum").unwrap_or(ending);
    text::algorithm_called(ending).map(|_| before)
}

/// Digests that are made side by side: MD5, and others where they are wanted.
#[derive(Default)]
pub(super) struct Running {
    md5: Md5,
    sha1: Option<Sha1>,
    sha224: Option<Sha224>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

impl Running {
    pub(super) fn new(wanted: &[Algorithm]) -> Self {
        let wants = |algorithm| wanted.contains(&algorithm);
        Self {
            md5: Md5::default(),
            sha1: wants(Algorithm::Sha1).then(Sha1::default),
            sha224: wants(Algorithm::Sha224).then(Sha224::default),
            sha384: wants(Algorithm::Sha384).then(Sha384::default),
            sha512: wants(Algorithm::Sha512).then(Sha512::default),
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        update(&mut self.sha1, data);
        update(&mut self.sha224, data);
        update(&mut self.sha384, data);
        update(&mut self.sha512, data);
    }

    pub(super) fn finish(self) -> BTreeMap<Algorithm, String> {
        let made = [
            (Algorithm::Md5, finish(Some(self.md5))),
            (Algorithm::Sha1, finish(self.sha1)),
            (Algorithm::Sha224, finish(self.sha224)),
            (Algorithm::Sha384, finish(self.sha384)),
            (Algorithm::Sha512, finish(self.sha512)),
        ];
        let made = made.into_iter();
        made.filter_map(|(algorithm, digest)| Some((algorithm, digest?)))
            .collect()
    }
}

fn update<D: Digest>(digest: &mut Option<D>, data: &[u8]) {
    if let Some(digest) = digest {
        digest.update(data);
    }
}

fn finish<D: Digest>(digest: Option<D>) -> Option<String> {
    digest.map(|digest| hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vectors_come_out() {
        let others = [
            Algorithm::Sha1,
            Algorithm::Sha224,
            Algorithm::Sha384,
            Algorithm::Sha512,
        ];
        let mut running = Running::new(&others);
        running.update(b"a");
        running.update(b"bc");
        let made = running.finish();
        // RFC 1321, A.5; FIPS 180-2, A.1 and C.1; RFC 3874; FIPS 180-2, D.1.
        assert_eq!(made[&Algorithm::Md5], "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            made[&Algorithm::Sha1],
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert!(made[&Algorithm::Sha224].starts_with("23097d223405d8228642a477bda255b3"));
        assert!(made[&Algorithm::Sha384].starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(made[&Algorithm::Sha512].starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(Running::new(&[]).finish().len(), 1);
    }

    #[test]
    fn files_with_digests_are_known_by_their_names() {
        for file in [
            "MD5SUMS",
            "md5sum",
            "sha256sum.txt",
            "mtd0.bin.sha1",
            "checksums",
        ] {
            assert!(is_called_so(file), "{file}");
        }
        assert!(!is_called_so("mtd0.bin"));
        assert_eq!(called_after("mtd0.bin.md5"), Some("mtd0.bin"));
        assert_eq!(called_after("mtd0.bin.sha256sum"), Some("mtd0.bin"));
        assert_eq!(called_after("mtd0.bin"), None);
    }

    #[test]
    fn digests_of_another_kind_are_known_by_their_names() {
        for file in [
            "B2SUMS",
            "b2sum.txt",
            "mtd0.bin.b3",
            "blake3.txt",
            "SHA3-256SUMS",
        ] {
            assert!(is_of_another_kind(file), "{file}");
        }
        for file in ["SHA384SUMS", "SHA256SUMS", "md5.txt", "sha512sum", "b2.bin"] {
            assert!(!is_of_another_kind(file), "{file}");
        }
    }
}
