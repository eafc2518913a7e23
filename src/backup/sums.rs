//! `SHA256SUMS` as coreutils' `sha256sum -c` takes it: digest, two blanks, name.
//!
//! Names that coreutils would have to escape (a backslash or a line end in them)
//! cannot come up: images are called mtdN.bin. The last line is the manifest's.

use super::digest::{is_hex, sha256};
use super::manifest::{Image, MANIFEST};
use std::fmt::Write as _;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SumLine {
    /// 64 lower-case hex digits.
    pub(crate) sha256: String,
    /// The file's name.
    pub(crate) file: String,
}

/// The text for those of a backup's images that have a SHA-256, and for its
/// manifest, whose text is given: a manifest that changed is then told as such.
pub(crate) fn render(images: &[Image], manifest: &[u8]) -> String {
    let mut text = String::new();
    for image in images {
        if let Some(sha256) = &image.sha256 {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{sha256}  {}", image.file);
        }
    }
    let _ = writeln!(text, "{}  {MANIFEST}", sha256(manifest));
    text
}

/// Reads such a text, or gives the number (from 1) of the first line that is
/// none of ours. Both of coreutils' modes, text and binary (` *`), are taken.
pub(crate) fn parse(text: &str) -> Result<Vec<SumLine>, usize> {
    text.lines()
        .enumerate()
        .map(|(at, line)| parse_line(line).ok_or(at + 1))
        .collect()
}

/// The lines of such a text that are whole, however torn the others are.
pub(crate) fn whole_lines(text: &str) -> Vec<SumLine> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<SumLine> {
    let (sha256, rest) = line.split_at_checked(64)?;
    let file = rest
        .strip_prefix("  ")
        .or_else(|| rest.strip_prefix(" *"))?;
    (is_hex(sha256, 64) && !file.is_empty()).then(|| SumLine {
        sha256: sha256.into(),
        file: file.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[rstest]
    #[case("  mtd0.bin", Some("mtd0.bin"))]
    #[case(" *mtd0.bin", Some("mtd0.bin"))]
    #[case(" mtd0.bin", None)]
    #[case("  ", None)]
    #[case("", None)]
    fn lines(#[case] rest: &str, #[case] file: Option<&str>) {
        let parsed = parse(&format!("{DIGEST}{rest}\n"));
        match file {
            Some(file) => assert_eq!(parsed.unwrap()[0].file, file),
            None => assert_eq!(parsed, Err(1)),
        }
    }

    #[rstest]
    #[case("e3b0  mtd0.bin")]
    #[case("é3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85  mtd0.bin")]
    fn digests_that_are_none(#[case] line: &str) {
        assert_eq!(parse(&format!("{DIGEST}  mtd0.bin\n{line}\n")), Err(2));
    }
}
