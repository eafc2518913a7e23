//! What the user sees: text or one JSON document on standard output, everything
//! else on standard error.
//!
//! Invariants: a line goes out in one piece. Text from outside (names of files and
//! partitions, what a manifest says) reaches a terminal through here alone, and is
//! made [`printable`] here, so that nobody has to think of it: a line ends only
//! where the program ends it. A JSON document keeps such text exactly. Output that cannot be written
//! (a full disk behind `> file`) is an I/O error of the program; a reader that has gone
//! (`| head`) is not.

use super::Exit;
use super::error::CliError;
use crate::printable::{printable, printable_json};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The program's output.
#[derive(Debug, Default)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    /// Standard output has a backup on it, and what is said goes to standard error.
    diverted: AtomicBool,
    /// The first thing that went wrong with standard output.
    failed: Mutex<Option<io::Error>>,
    /// What was warned of, for the JSON document.
    warnings: Mutex<Vec<String>>,
}

/// How every JSON document begins; the command's own part follows.
#[derive(Serialize)]
struct Head<'a> {
    format: &'a str,
    format_version: &'a str,
    command: &'a str,
    exit_code: u8,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorText<'a>,
}

#[derive(Serialize)]
struct ErrorText<'a> {
    /// A fixed word, for programs.
    kind: &'a str,
    message: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    details: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    left_behind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            ..Self::default()
        }
    }

    /// Whether nothing but errors is wanted.
    #[cfg(feature = "full")]
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person may be asked something.
    pub(crate) fn asks(&self) -> bool {
        !self.quiet && !self.json
    }

    /// Whether progress may be shown.
    #[cfg(feature = "full")]
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && !self.json
    }

    /// Whether the result is one JSON document.
    #[cfg(feature = "full")]
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// From here on, what is said goes to standard error: standard output is for a
    /// backup's bytes.
    pub(crate) fn divert(&self) {
        self.diverted.store(true, Ordering::Relaxed);
    }

    /// A line of the result.
    pub(crate) fn line(&self, line: &str) {
        if !self.quiet && !self.json {
            self.text(&(printable(line) + "\n"));
        }
    }

    /// A sentence of the result, which may go on in another line.
    pub(crate) fn sentence(&self, text: &str) {
        #[cfg(feature = "full")]
        for line in wrapped(&printable(text)) {
            self.line(&line);
        }
        #[cfg(not(feature = "full"))]
        self.line(text);
    }

    /// The program's own text that was asked for by name: help, completions, a
    /// manual page. It goes out as it is.
    pub(crate) fn text(&self, text: &str) {
        let written = match self.diverted.load(Ordering::Relaxed) {
            true => io::stderr().lock().write_all(text.as_bytes()),
            false => to_stdout(text),
        };
        if let Err(error) = written {
            let mut failed = lock(&self.failed);
            if failed.is_none() && error.kind() != io::ErrorKind::BrokenPipe {
                *failed = Some(error);
            }
        }
    }

    /// That what was said so far could be written, for a command that is of no use where
    /// nobody reads it.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        match &*lock(&self.failed) {
            None => Ok(()),
            Some(error) => Err(CliError::Other {
                exit: Exit::Io,
                message: format!("cannot write the output: {error}"),
                help: None,
            }),
        }
    }

    /// What has to be known while a command runs whose result is a document.
    #[cfg(feature = "full")]
    pub(crate) fn aside(&self, text: &str) {
        if self.json && !self.quiet {
            to_stderr(&format!("mtdkeep: {}\n", printable(text)));
        }
    }

    /// What goes on, where that may take long.
    #[cfg(feature = "full")]
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(&on_stderr(&format!("mtdkeep: {}", printable(text))));
        }
    }

    /// Something that the user should know, and that is no error.
    pub(crate) fn warn(&self, text: &str) {
        lock(&self.warnings).push(text.into());
        if !self.quiet {
            to_stderr(&on_stderr(&format!("mtdkeep: {}", printable(text))));
        }
    }

    /// The JSON document of a command that came to an end.
    pub(crate) fn document(&self, command: &str, exit: Exit, body: &impl Serialize) {
        if self.json {
            self.document_of(command, exit, serde_json::to_string_pretty(body));
        }
    }

    /// Apart from the body, of which there are many kinds.
    fn document_of(&self, command: &str, exit: Exit, body: serde_json::Result<String>) {
        let warnings = lock(&self.warnings);
        let head = serde_json::to_string_pretty(&Head {
            format: "mtdkeep-output",
            format_version: "1.0",
            command,
            exit_code: exit.code(),
            warnings: &warnings,
        });
        match head.and_then(|head| Ok(joined(&head, &body?))) {
            Ok(text) => self.text(&(printable_json(&text) + "\n")),
            Err(error) => to_stderr(&format!("mtdkeep: no JSON document: {error}\n")),
        }
    }

    /// An error of a command (none has no name), in words and as a document, with the
    /// next step; gives its exit code.
    pub(crate) fn error(&self, command: &str, error: &CliError, help: Option<String>) -> Exit {
        let mut text = on_stderr(&format!("mtdkeep: error: {}", printable(&error.message())));
        for line in error.details() {
            text += &on_stderr(&format!("  {}", printable(line)));
        }
        if let Some(left) = error.left_behind() {
            text += &to_lines(&format!("mtdkeep: {}", printable(left)));
        }
        if let Some(help) = &help {
            text += &to_lines(&format!("mtdkeep: help: {}", printable(help)));
        }
        to_stderr(&text);
        let body = ErrorBody {
            error: ErrorText {
                kind: error.kind(),
                message: error.message(),
                details: error.details(),
                left_behind: error.left_behind(),
                help,
            },
        };
        self.document(command, error.exit(), &body);
        error.exit()
    }

    /// The exit code in the end: what could not be shown is an error as well, and whoever
    /// reads of it has to know that the work itself is done (of restore, on the flash).
    pub(crate) fn finish(self, exit: Exit) -> Exit {
        match (exit, &*lock(&self.failed)) {
            (Exit::Done, Some(error)) => {
                to_stderr(&format!(
                    "mtdkeep: error: cannot write the output: {error}; \
                     all was done, but not all was shown\n"
                ));
                Exit::Io
            }
            _ => exit,
        }
    }
}

/// What happened, for standard error: on a terminal as [`to_lines`], else in one line,
/// for whoever searches in it.
fn on_stderr(text: &str) -> String {
    match io::stderr().is_terminal() {
        true => to_lines(text),
        false => format!("{text}\n"),
    }
}

/// A sentence and its line end; in the full program in lines of 80 columns.
fn to_lines(text: &str) -> String {
    #[cfg(feature = "full")]
    let text = wrapped(text).join("\n");
    #[cfg(not(feature = "full"))]
    let text = text.to_owned();
    text + "\n"
}

/// A sentence in lines of a terminal's usual width, further ones indented. What is
/// there to be copied stays whole: a word without a blank (a digest, a path), what
/// stands between backticks, and a line for root.
#[cfg(feature = "full")]
fn wrapped(text: &str) -> Vec<String> {
    const COLUMNS: usize = 80;
    let mut lines: Vec<String> = Vec::new();
    let indent = text.len() - text.trim_start_matches(' ').len();
    for word in words(text.trim_start_matches(' ')) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                *line += " ";
                *line += word;
            }
            Some(_) => lines.push(" ".repeat(indent + 2) + word),
            None => lines.push(" ".repeat(indent) + word),
        }
    }
    lines
}

/// What a line may end between, without the blanks there.
#[cfg(feature = "full")]
fn words(text: &str) -> Vec<&str> {
    const FOR_ROOT: &str = "as root: ";
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let end = match rest.strip_prefix('`').and_then(|code| code.find('`')) {
            Some(code) => rest[code + 2..].find(' ').map(|after| code + 2 + after),
            None if rest.starts_with(FOR_ROOT) => None,
            None => rest.find(' '),
        };
        let Some(end) = end else {
            words.push(rest);
            return words;
        };
        words.push(&rest[..end]);
        rest = &rest[end + 1..];
    }
}

#[cfg(all(test, feature = "full"))]
#[rstest::rstest]
#[case("", &[""])]
#[case("short", &["short"])]
#[case("  a  b", &["  a  b"])]
#[case("a `b", &["a `b"])]
fn short_sentences_stay(#[case] text: &str, #[case] lines: &[&str]) {
    assert_eq!(wrapped(text), lines);
}

#[cfg(all(test, feature = "full"))]
#[test]
fn long_sentences_go_on_indented() {
    let digest = "f".repeat(90);
    let text = format!("note: {} end {digest} more", ["word"; 20].join(" "));
    let lines = wrapped(&text);
    assert_eq!(lines.len(), 4);
    let rest: Vec<&str> = lines.iter().map(|line| line.trim_start()).collect();
    assert_eq!(rest.join(" "), text);
    assert!(lines[1..].iter().all(|line| line.starts_with("  ")));
    let too_long = lines.iter().filter(|line| line.chars().count() > 80);
    assert_eq!(too_long.collect::<Vec<_>>(), [&format!("  {digest}")]);
}

#[cfg(all(test, feature = "full"))]
#[test]
fn what_is_there_to_be_copied_stays_whole() {
    let filling = ["word"; 14].join(" ");
    let text =
        format!("{filling} `mtdkeep verify --device x`, and as root: mknod /dev/mtd3 c 90 6");
    let expected = [
        filling,
        "  `mtdkeep verify --device x`, and".into(),
        "  as root: mknod /dev/mtd3 c 90 6".into(),
    ];
    let lines = wrapped(&text);
    assert_eq!(
        lines.join("\n").replace("and\n  as", "and as"),
        expected.join("\n").replace("and\n  as", "and as")
    );
    let long = format!(
        "help: as root: {}",
        ["mknod /dev/mtd3 c 90 6"; 6].join(" && ")
    );
    assert_eq!(wrapped(&long)[1].trim_start(), &long["help: ".len()..]);
}

/// Two objects as one. Serde could flatten one into the other, for another copy of
/// each command's serialiser in the device's program.
fn joined(head: &str, body: &str) -> String {
    match (head.strip_suffix("\n}"), body.strip_prefix("{\n")) {
        (Some(head), Some(body)) => format!("{head},\n{body}"),
        // An object without a field has no line end.
        _ => head.to_owned(),
    }
}

/// Past Rust's own standard output, which takes a descriptor that cannot be written to
/// (EBADF) for one that swallows everything.
fn to_stdout(text: &str) -> io::Result<()> {
    let stdout = io::stdout().lock();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(&stdout, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn to_stderr(text: &str) {
    // Where even this fails, there is nobody to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
