//! `mtdkeep script`: the capture for a device that runs no program of ours, as a
//! shell script for the BusyBox of 2008; one that stores files there, one that sends
//! them to a PC, and one that writes them as one tar.
//!
//! The scripts themselves are `capture.sh`, `send.sh` and `stream.sh` beside this file,
//! with `device.sh` in all; here their few parameters are put in. Invariant: whatever a
//! folder or a partition is called, it stands in the script as one quoted word, and never
//! as something that a shell obeys.

use crate::backup::capture_format::{MD5_SUMS, RECORD, RECORD_HEAD, TABLE};
use crate::backup::html::head as page_head;

/// The scripts, with a mark for each parameter.
const CAPTURE: &str = include_str!("capture.sh");
const SEND: &str = include_str!("send.sh");
#[cfg(feature = "full")]
const STREAM: &str = include_str!("stream.sh");
/// What all do with a device.
const DEVICE: &str = include_str!("device.sh");

/// What a script is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptRequest<'a> {
    /// The folder on the device: absolute.
    pub(crate) folder: &'a str,
    /// Names or `mtdN`; empty: all partitions.
    pub(crate) partitions: &'a [String],
    /// Read the flash a second time where the device has md5sum.
    pub(crate) read_again: bool,
}

/// What a script that sends is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendRequest<'a> {
    /// The PC, as the device reaches it.
    pub(crate) host: &'a str,
    /// Where [`crate::receive::Receiver`] listens there.
    pub(crate) port: u16,
    /// The word that lets the device in.
    pub(crate) token: &'a str,
    /// Names or `mtdN`; empty: all partitions.
    pub(crate) partitions: &'a [String],
}

/// Why there can be no such script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ScriptError {
    /// The folder cannot be used from wherever the script is started.
    #[error("the folder on the device must be absolute and not / itself, not {folder:?}")]
    NotAbsolute {
        /// The folder.
        folder: String,
    },
    /// A word with a line end or another control character in it.
    #[error("{word:?} has a control character in it, which no script should carry")]
    ControlCharacter {
        /// The word.
        word: String,
    },
}

/// The text of the script.
pub(crate) fn render(request: &ScriptRequest<'_>) -> Result<String, ScriptError> {
    let folder = request.folder.trim_end_matches('/');
    if !folder.starts_with('/') {
        return Err(ScriptError::NotAbsolute {
            folder: request.folder.into(),
        });
    }
    check(std::iter::once(folder).chain(request.partitions.iter().map(String::as_str)))?;
    let readings = if request.read_again { "2" } else { "1" };
    Ok(fill(CAPTURE, |mark, script| {
        match mark {
            "DIR" => *script += &quoted(folder),
            "QUOTED_DIR" => *script += &quoted(&quoted(folder)),
            "READINGS" => *script += readings,
            "PARTITIONS" => *script += &list(request.partitions),
            "RECORD" => *script += RECORD,
            "RECORD_HEAD" => *script += RECORD_HEAD,
            "TABLE" => *script += TABLE,
            "MD5_SUMS" => *script += MD5_SUMS,
            "PAGE_HEAD" => page_head(script, "as a shell script captured it"),
            _ => return false,
        }
        true
    }))
}

/// The text of the script that sends.
pub(crate) fn render_send(request: &SendRequest<'_>) -> Result<String, ScriptError> {
    let words = [request.host, request.token].into_iter();
    check(words.chain(request.partitions.iter().map(String::as_str)))?;
    Ok(fill(SEND, |mark, script| {
        match mark {
            "HOST" => *script += &quoted(request.host),
            "PORT" => *script += &request.port.to_string(),
            "TOKEN" => *script += &quoted(request.token),
            "PARTITIONS" => *script += &list(request.partitions),
            _ => return false,
        }
        true
    }))
}

/// The text of the script that writes a tar with these partitions; empty: all.
#[cfg(feature = "full")]
pub(crate) fn render_stream(partitions: &[String]) -> Result<String, ScriptError> {
    check(partitions.iter().map(String::as_str))?;
    // What a name adds to the sum in a tar's header.
    let sum = |name: &str| name.bytes().map(u32::from).sum::<u32>().to_string();
    Ok(fill(STREAM, |mark, script| {
        match mark {
            "PARTITIONS" => *script += &list(partitions),
            "RECORD" => *script += RECORD,
            "RECORD_SUM" => *script += &sum(RECORD),
            "RECORD_HEAD" => *script += RECORD_HEAD,
            "TABLE" => *script += TABLE,
            "TABLE_SUM" => *script += &sum(TABLE),
            "MD5_SUMS" => *script += MD5_SUMS,
            "MD5_SUMS_SUM" => *script += &sum(MD5_SUMS),
            _ => return false,
        }
        true
    }))
}

fn check<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<(), ScriptError> {
    match words.find(|word| word.contains(char::is_control)) {
        Some(word) => Err(ScriptError::ControlCharacter { word: word.into() }),
        None => Ok(()),
    }
}

/// The template with what `put` has for each mark. One pass from front to back: a
/// parameter that looks like a mark stays text.
fn fill(template: &str, mut put: impl FnMut(&str, &mut String) -> bool) -> String {
    let mut script = String::with_capacity(template.len() + DEVICE.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        script += before;
        let (mark, after_mark) = after.split_once('@').unwrap_or((after, ""));
        rest = after_mark;
        match mark {
            "DEVICE" => script += DEVICE.trim_end(),
            "VERSION" => script += env!("CARGO_PKG_VERSION"),
            _ if put(mark, &mut script) => {}
            _ => {
                // "$@" of the shell.
                script.push('@');
                rest = after;
            }
        }
    }
    script + rest
}

fn list(partitions: &[String]) -> String {
    let quoted: Vec<String> = partitions.iter().map(|word| quoted(word)).collect();
    quoted.join(" ")
}

/// A word in single quotes, in which a shell obeys nothing.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a", "'a'")]
    #[case("RedBoot config", "'RedBoot config'")]
    #[case("it's", "'it'\\''s'")]
    #[case("$(reboot)", "'$(reboot)'")]
    fn words_are_quoted(#[case] word: &str, #[case] expected: &str) {
        assert_eq!(quoted(word), expected);
    }

    /// It stands in a text of the script in which a shell obeys these.
    #[test]
    fn the_page_has_nothing_that_a_shell_obeys() {
        let mut head = String::new();
        page_head(&mut head, "x");
        assert!(!head.contains(['$', '`', '\\']), "{head}");
    }

    #[test]
    fn parameters_are_put_in_once_and_nothing_else_changes() {
        let partitions = vec!["@DIR@".to_owned(), "it's".to_owned()];
        let script = render(&ScriptRequest {
            folder: "/tmp/x y/",
            partitions: &partitions,
            read_again: true,
        })
        .unwrap();
        assert!(script.contains("\nDIR='/tmp/x y'\n"));
        assert!(script.contains("\nREADINGS=2\n"));
        assert!(script.contains("|| set -- '@DIR@' 'it'\\''s'\n"));
        assert!(script.contains("for WORD in \"$@\"; do"));
        assert!(!script.contains("@VERSION@"));
    }

    /// What the script takes for the sum of all that never changes in a header.
    #[test]
    fn the_sum_of_a_header_is_that_of_the_tars_that_backup_writes() {
        let header = crate::backup::tar_header("mtd10.bin", 0o1234567, 0);
        let digits = header[148..154].iter().map(|b| u64::from(b - b'0'));
        let sum = digits.fold(0, |sum, digit| sum * 8 + digit);
        let name: u64 = "mtd10.bin".bytes().map(u64::from).sum();
        assert_eq!(sum - name - (1 + 2 + 3 + 4 + 5 + 6 + 7), 3037);
        assert!(
            render_stream(&[])
                .unwrap()
                .contains("sum=$((3037 + $2 + DIGITS))")
        );
        assert!(!render_stream(&[]).unwrap().contains("@TABLE"));
    }

    #[rstest]
    #[case("relative")]
    #[case("")]
    #[case("/")]
    #[case("/a\nb")]
    fn folders_that_cannot_be(#[case] folder: &str) {
        let request = ScriptRequest {
            folder,
            partitions: &[],
            read_again: false,
        };
        render(&request).unwrap_err();
    }
}
