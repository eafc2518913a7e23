//! The forms in which programs print digests.
//!
//! | form | who prints it |
//! | --- | --- |
//! | `HEX  NAME`, `HEX *NAME`, `HEX NAME`, `\HEX  NAME` | coreutils, BusyBox, `md5 -r` of the BSDs and macOS |
//! | `MD5 (NAME) = HEX`, `SHA2-256(NAME)= HEX` | `md5`, `shasum --tag`, OpenSSL |
//! | `NAME: HEX` | GnuPG's `--print-md`, some web pages |
//! | `HEX` alone | BusyBox of standard input, some web pages' `.md5` |
//! | `SHA256 hash of NAME:` and `HEX` below it, before Windows 8 in pairs, in any language | Windows' certutil |
//! | `SHA256  HEX  NAME` below a head; `Hash : HEX` and `Path : NAME` | PowerShell's Get-FileHash |
//! | `NAME CRC` in a file called `.sfv` | file managers of Windows |
//!
//! What stands around them in a pasted session is passed over, where there is a digest.

use super::{Algorithm, Sum};
use crate::backup::digest::is_hex;
use std::collections::BTreeMap;

/// The digests of a text, or the number (from 1) of the first line that is none. What
/// comes again with another digest is one.
pub(in crate::capture) fn parse(file: &str, text: &str) -> Result<Vec<Sum>, usize> {
    let mut found = Found::default();
    let is_sfv = file.to_ascii_lowercase().ends_with(".sfv");
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || is_frame(line) {
            continue;
        }
        if let Some(name) = announced_by_certutil(line) {
            found.announced = Some(name.to_owned());
            continue;
        }
        if found.take_field(line) || is_of_another_kind(line) {
            continue;
        }
        let sum = match is_sfv {
            true => of_sfv(line),
            false => parse_line(line),
        };
        let sum = sum.or_else(|| spaced(line).filter(|_| found.announced.is_some()));
        match sum {
            Some(sum) => found.add(sum, number)?,
            None if is_around(line) => found.around = found.around.or(Some(number)),
            None => return Err(number),
        }
    }
    match (found.around, found.sums.is_empty()) {
        (Some(line), true) => Err(line),
        _ => Ok(found.sums),
    }
}

#[derive(Default)]
struct Found {
    sums: Vec<Sum>,
    seen: BTreeMap<(Algorithm, String), String>,
    /// A name that belongs to the digest on the next line.
    announced: Option<String>,
    /// A digest whose name comes on a line below.
    hash: Option<Sum>,
    /// The first line that belongs to nothing.
    around: Option<usize>,
}

impl Found {
    fn add(&mut self, mut sum: Sum, line: usize) -> Result<(), usize> {
        if let Some(name) = self.announced.take() {
            if !sum.name.is_empty() {
                return Err(line);
            }
            sum.name = name;
            sum.is_named = true;
        }
        let key = (sum.algorithm, sum.name.clone());
        match self.seen.insert(key, sum.digest.clone()) {
            Some(first) if first != sum.digest => return Err(line),
            Some(_) => {}
            None => self.sums.push(sum),
        }
        Ok(())
    }

    /// Takes a line of `Get-FileHash | Format-List`; whether it is one.
    fn take_field(&mut self, line: &str) -> bool {
        let Some((key, value)) = line.split_once(" :").or_else(|| line.split_once(':')) else {
            return false;
        };
        match (key.trim_end(), value.trim()) {
            ("Algorithm", value) => algorithm_called(value).is_some(),
            ("Hash", value) => {
                self.hash = sum(value, None, "");
                self.hash.is_some()
            }
            ("Path", value) => match self.hash.take() {
                Some(hash) if !value.contains(char::is_control) => {
                    let sum = Sum {
                        name: value.to_owned(),
                        is_named: true,
                        ..hash
                    };
                    // The same file again with another digest is an error as well.
                    self.add(sum, 0).is_ok()
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// A prompt, a command, a message: no digest, and nothing that looks like a torn one.
fn is_around(line: &str) -> bool {
    let is_hex = |word: &str| word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut runs = line.split(|c: char| !c.is_ascii_hexdigit());
    let first = line.split_ascii_whitespace().next().unwrap_or_default();
    let is_torn = first.len() >= 4 && is_hex(first);
    !is_torn && !line.contains(char::is_control) && runs.all(|run| run.len() < 16)
}

/// `a9 99 3e …` of certutil before Windows 8.
fn spaced(line: &str) -> Option<Sum> {
    let is_pairs = line.split(' ').all(|pair| is_hex(pair, 2));
    is_pairs.then(|| sum(&line.replace(' ', ""), None, ""))?
}

/// `NAME CRC`.
fn of_sfv(line: &str) -> Option<Sum> {
    let (name, digest) = line.rsplit_once(' ')?;
    let name = name.trim_end();
    (is_hex(&digest.to_ascii_lowercase(), 8) && !name.contains(char::is_control)).then(|| Sum {
        algorithm: Algorithm::Crc32,
        digest: digest.to_ascii_lowercase(),
        name: name.to_owned(),
        is_named: true,
    })
}

/// Lines around the digests.
fn is_frame(line: &str) -> bool {
    let is_head = line.starts_with("Algorithm ") && line.contains(" Hash");
    line.starts_with("CertUtil: ")
        || line.starts_with("//")
        || is_head
        || line.bytes().all(|b| b == b'-' || b == b' ')
}

/// The file in `MD5 hash of file X:`; older versions leave `file` out. In other languages
/// than English the words around are others (`SHA256-Hash von X:`, `Hachage MD5 du fichier
/// X :`): then X is the last word.
fn announced_by_certutil(line: &str) -> Option<&str> {
    let before = line.strip_suffix(':')?.trim_end();
    let name = match before.split_once(" hash of ") {
        Some((algorithm, name)) => {
            algorithm_called(algorithm)?;
            name.strip_prefix("file ").unwrap_or(name)
        }
        None => {
            let (words, name) = before.rsplit_once(char::is_whitespace)?;
            let mut words = words.split(|c: char| c.is_whitespace() || c == '-');
            words.find_map(algorithm_called)?;
            name
        }
    };
    (!name.contains(char::is_control)).then_some(name)
}

/// A digest that says of itself that it is of a kind which is not known here:
/// `BLAKE2b (NAME) = HEX`.
pub(super) fn is_of_another_kind(line: &str) -> bool {
    let algorithm_and_digest = || {
        let (before, digest) = line.rsplit_once('=')?;
        let (algorithm, _) = before.trim_end().strip_suffix(')')?.split_once('(')?;
        Some((algorithm.trim_end(), digest.trim()))
    };
    algorithm_and_digest().is_some_and(|(algorithm, digest)| {
        let is_of_word = |b: u8| b.is_ascii_alphanumeric() || b"-/_".contains(&b);
        let is_hex = digest.len() >= 16 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        let is_word = !algorithm.is_empty() && algorithm.bytes().all(is_of_word);
        is_hex && is_word && algorithm_called(algorithm).is_none()
    })
}

/// POSIX cksum's `CRC BYTES NAME`.
pub(super) fn is_of_cksum(line: &str) -> bool {
    let is_number = |word: &str| word.len() <= 20 && word.bytes().all(|b| b.is_ascii_digit());
    let mut words = line.splitn(3, ' ');
    let (crc, bytes, name) = (words.next(), words.next(), words.next());
    crc.is_some_and(|word| word.len() >= 5 && is_number(word))
        && bytes.is_some_and(|word| !word.is_empty() && is_number(word))
        && name.is_some()
}

pub(super) fn algorithm_called(word: &str) -> Option<Algorithm> {
    let letters = word.chars().filter(char::is_ascii_alphanumeric);
    let word: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    Some(match word.as_str() {
        "md5" => Algorithm::Md5,
        "sha1" => Algorithm::Sha1,
        "sha224" | "sha2224" => Algorithm::Sha224,
        "sha256" | "sha2256" => Algorithm::Sha256,
        "sha384" | "sha2384" => Algorithm::Sha384,
        "sha512" | "sha2512" => Algorithm::Sha512,
        _ => return None,
    })
}

fn parse_line(line: &str) -> Option<Sum> {
    tagged(line)
        .or_else(|| of_powershell(line))
        .or_else(|| digest_first(line))
        .or_else(|| name_first(line))
        .filter(|sum| !sum.name.contains(char::is_control))
}

fn digest_first(line: &str) -> Option<Sum> {
    // coreutils puts a backslash before a line whose name has escapes in it.
    let escaped = line.strip_prefix('\\');
    let (digest, name) = match escaped.unwrap_or(line).split_once(' ') {
        Some((digest, rest)) => {
            let name = rest.strip_prefix([' ', '*']).unwrap_or(rest);
            (digest, Some(name).filter(|name| !name.trim().is_empty())?)
        }
        None => (escaped.unwrap_or(line), ""),
    };
    match escaped {
        Some(_) => sum(digest, None, &name.replace("\\\\", "\\")),
        None => sum(digest, None, name),
    }
}

/// `NAME: HEX`.
fn name_first(line: &str) -> Option<Sum> {
    let (name, digest) = line.rsplit_once(": ")?;
    let name = Some(name.trim()).filter(|name| !name.is_empty())?;
    sum(digest.trim(), None, name)
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
        is_named: algorithm.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::digest::hex;
    use proptest::prelude::*;
    use rstest::rstest;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[rstest]
    #[case::coreutils("{}  mtd0.bin", "mtd0.bin")]
    #[case::binary_and_cr("{} *mtd0.bin\r", "mtd0.bin")]
    #[case::one_blank("{} mtd0.bin", "mtd0.bin")]
    #[case::node("{}  /dev/mtd0", "/dev/mtd0")]
    #[case::folder("{}  ./out/mtd0.bin", "./out/mtd0.bin")]
    #[case::escaped("\\{}  a\\\\b\\\\c", "a\\b\\c")]
    #[case::alone("{}", "")]
    #[case::standard_input("{}  -", "-")]
    #[case::name_first("mtd0.bin: {}", "mtd0.bin")]
    #[case::session(
        "root@x:~# md5sum /dev/mtd*\nmd5sum: read error: Is a directory\n{}  /dev/mtd0\nroot@x:~# ",
        "/dev/mtd0"
    )]
    #[case::total_commander("; made by a file manager\n{} *mtd0.bin", "mtd0.bin")]
    #[case::fciv(
        "//\n// File Checksum Integrity Verifier version 2.05.\n//\n{} mtd0.bin",
        "mtd0.bin"
    )]
    #[case::mark("\u{feff}{}  mtd0.bin", "mtd0.bin")]
    #[case::windows("{} *C:\\dump\\mtd0.bin", "C:\\dump\\mtd0.bin")]
    fn lines(#[case] form: &str, #[case] name: &str) {
        for digest in [MD5, SHA256, &MD5.to_uppercase()] {
            let sums = parse("", &form.replace("{}", digest)).unwrap();
            assert_eq!(sums[0].digest, digest.to_lowercase());
            assert_eq!(sums[0].name, name);
        }
    }

    #[rstest]
    #[case::bsd("MD5 (mtd0.bin) = {md5}")]
    #[case::openssl("SHA2-256(mtd0.bin)= {sha256}")]
    #[case::certutil("SHA256 hash of mtd0.bin:\n{sha256}\nCertUtil: -hashfile done.")]
    #[case::older_certutil("MD5 hash of file mtd0.bin:\n{md5}\n")]
    #[case::german_certutil("SHA256-Hash von mtd0.bin:\r\n{sha256}\r\nCertUtil: ausgeführt.\r\n")]
    #[case::french_certutil("Hachage MD5 du fichier mtd0.bin :\r\n{md5}\r\n")]
    #[case::spanish_certutil("SHA256 hash de mtd0.bin:\r\n{sha256}\r\n")]
    #[case::another_kind_beside_it("BLAKE2b (mtd0.bin) = {sha256}\nSHA256 (mtd0.bin) = {sha256}\n")]
    #[case::certutil_of_old("SHA1 hash of file mtd0.bin:\r\n{spaced}\r\nCertUtil: done.\r\n")]
    #[case::powershell_list(
        "\r\nAlgorithm : SHA256\r\nHash      : {sha256}\r\nPath      : mtd0.bin\r\n\r\n"
    )]
    #[case::powershell(
        "\nAlgorithm       Hash   Path\n---------       ----  ----\nSHA256  {sha256}   mtd0.bin\n\n"
    )]
    fn other_forms(#[case] form: &str) {
        let spaced = SHA256.as_bytes()[..40].chunks(2);
        let spaced: Vec<_> = spaced.map(|pair| String::from_utf8_lossy(pair)).collect();
        let text = form
            .replace("{md5}", MD5)
            .replace("{sha256}", SHA256)
            .replace("{spaced}", &spaced.join(" "));
        let sums = parse("", &text).unwrap();
        assert_eq!((sums.len(), sums[0].name.as_str()), (1, "mtd0.bin"));
    }

    #[rstest]
    #[case::one_digit_less(&MD5[1..], 1)]
    #[case::no_digest("hello  mtd0.bin", 1)]
    #[case::another_digest_for_it("{}  a\nc{}  b", 2)]
    #[case::other_algorithm("SHA1 (a) = {}", 1)]
    #[case::another_kind_beside_a_torn_one("BLAKE2b (a) = {}\nd41d8", 2)]
    #[case::torn("{}  mtd0.bin\nd41d8", 2)]
    #[case::control("{}  a\u{1b}[2J", 1)]
    #[case::control_in_an_announced_name("MD5 hash of b:\r6:\n{}", 1)]
    fn bad_lines(#[case] text: &str, #[case] line: usize) {
        assert_eq!(parse("", &text.replace("{}", MD5)), Err(line));
    }

    #[test]
    fn crc_of_a_list_that_is_called_so() {
        let text = "; made by somebody\nmtd0 a.bin CBF43926\n";
        let sums = parse("Dump.SFV", text).unwrap();
        assert_eq!(
            (sums[0].algorithm, sums[0].name.as_str()),
            (Algorithm::Crc32, "mtd0 a.bin")
        );
        assert_eq!(sums[0].digest, "cbf43926");
        assert_eq!(parse("dump.txt", text), Err(2));
        assert_eq!(parse("dump.sfv", "mtd0.bin CBF4392\n"), Err(1));
    }

    #[test]
    fn the_same_again_is_one_and_another_digest_is_an_error() {
        let same = format!("{MD5}  a\n{MD5} *a\n");
        assert_eq!(parse("", &same).unwrap().len(), 1);
        let other = format!("{MD5}  a\n{}  a\n", MD5.replace('d', "c"));
        assert_eq!(parse("", &other), Err(2));
        assert_eq!(
            parse("", &format!("{MD5}  a\n{SHA256}  a\n"))
                .unwrap()
                .len(),
            2
        );
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
            let sums = parse("", &text).unwrap();
            prop_assert_eq!(sums.len(), names.len());
            for (sum, name) in sums.iter().zip(&names) {
                // A leading blank is the separator's in coreutils' form.
                prop_assert_eq!(sum.name.trim(), name.trim());
                prop_assert_eq!(&sum.digest, &digest);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = parse("", &text);
        }
    }
}
