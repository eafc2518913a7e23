//! `mtdkeep script`: the capture for a device that runs no program of ours, as a
//! shell script for the BusyBox of 2008.
//!
//! The script itself is `capture.sh` beside this file; here its few parameters
//! are put in. Invariant: whatever a folder or a partition is called, it stands
//! in the script as one quoted word, and never as something that a shell obeys.

use super::format::{MD5_SUMS, RECORD, RECORD_HEAD, TABLE};
use crate::backup::html::head as page_head;

/// The script, with a mark for each parameter.
const TEMPLATE: &str = include_str!("capture.sh");

/// What a script is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRequest<'a> {
    /// The folder on the device: absolute.
    pub folder: &'a str,
    /// Names or `mtdN`; empty: all partitions.
    pub partitions: &'a [String],
    /// Read the flash a second time where the device has md5sum.
    pub read_again: bool,
}

/// Why there can be no such script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
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
pub fn render(request: &ScriptRequest<'_>) -> Result<String, ScriptError> {
    let folder = request.folder.trim_end_matches('/');
    if !folder.starts_with('/') {
        return Err(ScriptError::NotAbsolute {
            folder: request.folder.into(),
        });
    }
    let words = std::iter::once(folder).chain(request.partitions.iter().map(String::as_str));
    for word in words {
        if word.contains(char::is_control) {
            return Err(ScriptError::ControlCharacter { word: word.into() });
        }
    }
    let partitions: Vec<String> = request.partitions.iter().map(|word| quoted(word)).collect();
    let readings = if request.read_again { "2" } else { "1" };
    // One pass from front to back: a parameter that looks like a mark stays text.
    let mut script = String::with_capacity(TEMPLATE.len() + 256);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once('@') {
        script += before;
        let (mark, after_mark) = after.split_once('@').unwrap_or((after, ""));
        rest = after_mark;
        match mark {
            "DIR" => script += &quoted(folder),
            "QUOTED_DIR" => script += &quoted(&quoted(folder)),
            "READINGS" => script += readings,
            "PARTITIONS" => script += &partitions.join(" "),
            "RECORD" => script += RECORD,
            "RECORD_HEAD" => script += RECORD_HEAD,
            "TABLE" => script += TABLE,
            "MD5_SUMS" => script += MD5_SUMS,
            "PAGE_HEAD" => page_head(&mut script, "as a shell script captured it"),
            "VERSION" => script += env!("CARGO_PKG_VERSION"),
            _ => {
                // "$@" of the shell.
                script.push('@');
                rest = after;
            }
        }
    }
    Ok(script + rest)
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
