//! Digests that somebody made of captured files, in whatever form the program that
//! made them prints.
//!
//! | form | who prints it |
//! | --- | --- |
//! | `HEX  NAME`, `HEX *NAME`, `HEX NAME` | coreutils, BusyBox, `md5 -r` of the BSDs and macOS |
//! | `MD5 (NAME) = HEX`, `SHA2-256(NAME)= HEX` | `md5`, `shasum --tag`, OpenSSL |
//! | `HEX` alone | BusyBox of standard input, some web pages' `.md5` |
//! | `SHA256 hash of NAME:` and `HEX` below it | Windows' certutil |
//! | `SHA256  HEX  NAME` below a head | PowerShell's Get-FileHash |
//!
//! MD5 is what a device of 2008 has. It finds every accident on the way, and
//! proves nothing against somebody who forges files.

use crate::backup::digest::{hex, is_hex};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha512;
use std::collections::BTreeMap;

/// Which digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Algorithm {
    /// Only this program's own manifest has it here.
    Crc32,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    const BY_DIGITS: [(usize, Self); 4] = [
        (32, Self::Md5),
        (40, Self::Sha1),
        (64, Self::Sha256),
        (128, Self::Sha512),
    ];

    /// As people write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC-32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
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

/// The digests of a text, or the number (from 1) of the first line that is none. What
/// comes again with another digest is one.
pub(super) fn parse(text: &str) -> Result<Vec<Sum>, usize> {
    let mut sums: Vec<Sum> = Vec::new();
    let mut seen = BTreeMap::new();
    // A name that belongs to the digest on the next line.
    let mut announced: Option<String> = None;
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || is_frame(line) {
            continue;
        }
        if let Some(name) = announced_by_certutil(line) {
            announced = Some(name.to_owned());
            continue;
        }
        let mut sum = parse_line(line).ok_or(number)?;
        if let Some(name) = announced.take() {
            if !sum.name.is_empty() {
                return Err(number);
            }
            sum.name = name;
        }
        let key = (sum.algorithm, sum.name.clone());
        if let Some(first) = seen.insert(key, sum.digest.clone()) {
            if first != sum.digest {
                return Err(number);
            }
            continue;
        }
        sums.push(sum);
    }
    Ok(sums)
}

/// Lines around the digests.
fn is_frame(line: &str) -> bool {
    let is_head = line.starts_with("Algorithm ") && line.contains(" Hash");
    line.starts_with("CertUtil: ") || is_head || line.bytes().all(|b| b == b'-' || b == b' ')
}

/// The file in `MD5 hash of file X:`; older versions leave `file` out.
fn announced_by_certutil(line: &str) -> Option<&str> {
    let (algorithm, name) = line.strip_suffix(':')?.split_once(" hash of ")?;
    algorithm_called(algorithm)?;
    let name = name.strip_prefix("file ").unwrap_or(name);
    (!name.contains(char::is_control)).then_some(name)
}

fn algorithm_called(word: &str) -> Option<Algorithm> {
    let letters = word.chars().filter(char::is_ascii_alphanumeric);
    let word: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    Some(match word.as_str() {
        "md5" => Algorithm::Md5,
        "sha1" => Algorithm::Sha1,
        "sha256" | "sha2256" => Algorithm::Sha256,
        "sha512" | "sha2512" => Algorithm::Sha512,
        _ => return None,
    })
}

fn parse_line(line: &str) -> Option<Sum> {
    tagged(line)
        .or_else(|| of_powershell(line))
        .or_else(|| digest_first(line))
        .filter(|sum| !sum.name.contains(char::is_control))
}

fn digest_first(line: &str) -> Option<Sum> {
    // coreutils puts a backslash before a name with escapes in it.
    let line = line.strip_prefix('\\').unwrap_or(line);
    let (digest, name) = match line.split_once(' ') {
        Some((digest, rest)) => {
            let name = rest.strip_prefix([' ', '*']).unwrap_or(rest);
            (digest, Some(name).filter(|name| !name.trim().is_empty())?)
        }
        None => (line, ""),
    };
    sum(digest, None, name)
}

/// `MD5 (NAME) = HEX`.
fn tagged(line: &str) -> Option<Sum> {
    let (before, digest) = line.rsplit_once('=')?;
    let (algorithm, name) = before.trim_end().strip_suffix(')')?.split_once('(')?;
    let algorithm = algorithm_called(algorithm.trim_end())?;
    Some(name).filter(|name| !name.is_empty())?;
    sum(digest.trim(), Some(algorithm), name)
}

/// `SHA256  HEX  NAME`.
fn of_powershell(line: &str) -> Option<Sum> {
    let (algorithm, rest) = line.split_once(' ')?;
    let algorithm = algorithm_called(algorithm)?;
    let (digest, name) = rest.trim_start().split_once(' ')?;
    sum(digest, Some(algorithm), name.trim_start())
}

fn sum(digest: &str, algorithm: Option<Algorithm>, name: &str) -> Option<Sum> {
    let digest = digest.to_ascii_lowercase();
    let by_digits = Algorithm::of(&digest)?;
    let agrees = algorithm.is_none_or(|algorithm| algorithm == by_digits);
    agrees.then(|| Sum {
        algorithm: by_digits,
        digest,
        name: name.to_owned(),
    })
}

/// Whether a file is called as files with digests are, so that a line in it which is
/// none is damage.
pub(super) fn is_called_so(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    let words = ["md5", "sha1", "sha256", "sha512", "sums", "checksum"];
    words.iter().any(|word| file.contains(word))
}

/// The file that one with a single digest is called after: `mtd0.bin.md5`.
pub(super) fn called_after(file: &str) -> Option<&str> {
    let (before, ending) = file.rsplit_once('.')?;
    let ending = ending.strip_suffix("sum").unwrap_or(ending);
    algorithm_called(ending).map(|_| before)
}

/// Digests that are made side by side, SHA-1 and SHA-512 only where they are wanted.
#[derive(Default)]
pub(super) struct Running {
    md5: Md5,
    sha1: Option<Sha1>,
    sha512: Option<Sha512>,
}

impl Running {
    pub(super) fn new(wanted: &[Algorithm]) -> Self {
        let wants = |algorithm| wanted.contains(&algorithm);
        Self {
            md5: Md5::default(),
            sha1: wants(Algorithm::Sha1).then(Sha1::default),
            sha512: wants(Algorithm::Sha512).then(Sha512::default),
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(data);
        }
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(data);
        }
    }

    pub(super) fn finish(self) -> BTreeMap<Algorithm, String> {
        let mut made = BTreeMap::from([(Algorithm::Md5, hex(&self.md5.finalize()))]);
        made.extend(
            self.sha1
                .map(|sha1| (Algorithm::Sha1, hex(&sha1.finalize()))),
        );
        made.extend(
            self.sha512
                .map(|sha512| (Algorithm::Sha512, hex(&sha512.finalize()))),
        );
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_published_test_vectors_come_out() {
        let mut running = Running::new(&[Algorithm::Sha1, Algorithm::Sha512]);
        running.update(b"a");
        running.update(b"bc");
        let made = running.finish();
        // RFC 1321, A.5; FIPS 180-2, A.1 and C.1.
        assert_eq!(made[&Algorithm::Md5], "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            made[&Algorithm::Sha1],
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert!(made[&Algorithm::Sha512].starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(Running::new(&[]).finish().len(), 1);
    }

    #[rstest]
    #[case::coreutils("{}  mtd0.bin", "mtd0.bin")]
    #[case::binary_and_cr("{} *mtd0.bin\r", "mtd0.bin")]
    #[case::one_blank("{} mtd0.bin", "mtd0.bin")]
    #[case::node("{}  /dev/mtd0", "/dev/mtd0")]
    #[case::folder("{}  ./out/mtd0.bin", "./out/mtd0.bin")]
    #[case::escaped("\\{}  a b", "a b")]
    #[case::alone("{}", "")]
    #[case::standard_input("{}  -", "-")]
    #[case::mark("\u{feff}{}  mtd0.bin", "mtd0.bin")]
    #[case::windows("{} *C:\\dump\\mtd0.bin", "C:\\dump\\mtd0.bin")]
    fn lines(#[case] form: &str, #[case] name: &str) {
        for digest in [MD5, SHA256, &MD5.to_uppercase()] {
            let sums = parse(&form.replace("{}", digest)).unwrap();
            assert_eq!(sums[0].digest, digest.to_lowercase());
            assert_eq!(sums[0].name, name);
        }
    }

    #[rstest]
    #[case::bsd("MD5 (mtd0.bin) = {md5}")]
    #[case::openssl("SHA2-256(mtd0.bin)= {sha256}")]
    #[case::certutil("SHA256 hash of mtd0.bin:\n{sha256}\nCertUtil: -hashfile done.")]
    #[case::older_certutil("MD5 hash of file mtd0.bin:\n{md5}\n")]
    #[case::powershell(
        "\nAlgorithm       Hash   Path\n---------       ----  ----\nSHA256  {sha256}   mtd0.bin\n\n"
    )]
    fn other_forms(#[case] form: &str) {
        let text = form.replace("{md5}", MD5).replace("{sha256}", SHA256);
        let sums = parse(&text).unwrap();
        assert_eq!((sums.len(), sums[0].name.as_str()), (1, "mtd0.bin"));
    }

    #[rstest]
    #[case::one_digit_less(&MD5[1..], 1)]
    #[case::no_digest("hello  mtd0.bin", 1)]
    #[case::another_digest_for_it("{}  a\nc{}  b", 2)]
    #[case::other_algorithm("SHA1 (a) = {}", 1)]
    #[case::torn("{}  mtd0.bin\nd41d8", 2)]
    #[case::control("{}  a\u{1b}[2J", 1)]
    #[case::control_in_an_announced_name("MD5 hash of b:\r6:\n{}", 1)]
    fn bad_lines(#[case] text: &str, #[case] line: usize) {
        assert_eq!(parse(&text.replace("{}", MD5)), Err(line));
    }

    #[test]
    fn the_same_again_is_one_and_another_digest_is_an_error() {
        let same = format!("{MD5}  a\n{MD5} *a\n");
        assert_eq!(parse(&same).unwrap().len(), 1);
        let other = format!("{MD5}  a\n{}  a\n", MD5.replace('d', "c"));
        assert_eq!(parse(&other), Err(2));
        assert_eq!(parse(&format!("{MD5}  a\n{SHA256}  a\n")).unwrap().len(), 2);
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

    proptest! {
        /// What a program prints comes back, in each of its forms.
        #[test]
        fn what_is_written_is_read(
            names in prop::collection::btree_set("[a-zA-Z0-9_/. -]{0,12}[a-z0-9]", 1..6),
            form in 0..4,
            bytes in any::<[u8; 32]>(),
        ) {
            let digest = hex(&bytes);
            let line = |name: &String| match form {
                0 => format!("{digest}  {name}\n"),
                1 => format!("{digest} *{name}\r\n"),
                2 => format!("SHA256 ({name}) = {digest}\n"),
                _ => format!("# a remark\n\nSHA256 hash of {name}:\r\n{digest}\r\n"),
            };
            let text: String = names.iter().map(line).collect();
            let sums = parse(&text).unwrap();
            prop_assert_eq!(sums.len(), names.len());
            for (sum, name) in sums.iter().zip(&names) {
                // A leading blank is the separator's in coreutils' form.
                prop_assert_eq!(sum.name.trim(), name.trim());
                prop_assert_eq!(&sum.digest, &digest);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
