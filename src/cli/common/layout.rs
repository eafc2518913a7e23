//! A layout's text from a file, as `--layout` and `--simulate` take it.

use super::signals::{self, WaitFor};
use crate::backup::BackupError;
use crate::cli::Exit;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::layout::{self, LayoutTextError, Reading};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::Ordering;

/// A file longer than this is no layout. A dump with a partition table in it is
/// one, and a boot log may be long.
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 20;

/// How many passed-over lines are quoted.
const SKIPPED_MAX: usize = 3;

pub(crate) const FORMS: &str = "a layout is the text of a /proc/mtd, a boot log with the lines \
    of its partitions, mtdparts=, U-Boot's `mtd list`, a device tree (.dtb), a dump with \
    RedBoot's table in it, or what `mtdkeep list --layout` prints";

/// The file's name and what is in it.
pub(crate) fn read(file: &Path) -> Result<(String, Vec<u8>), CliError> {
    let name = file.display().to_string();
    let failed = |why: &dyn std::fmt::Display| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot read the layout {name}: {why}"),
        help: Some(FORMS.into()),
    };
    let mut bytes = Vec::new();
    open(file)
        .and_then(|text| text.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| match signals::asked().load(Ordering::Relaxed) {
            true => CliError::Backup(BackupError::Interrupted.into()),
            false => failed(&error),
        })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(&"it has more than 256 MiB, which no layout has"));
    }
    Ok((name, bytes))
}

/// A file; or a pipe, such as that of `--layout <(ssh router dmesg)`, whose writer may keep
/// it waiting for long: then a wish to stop is heard, which opening and reading it plainly
/// would not.
fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    if !file.metadata()?.file_type().is_fifo() {
        return Ok(Box::new(File::open(file)?));
    }
    let mut options = OpenOptions::new();
    let pipe = options.read(true).custom_flags(libc::O_NONBLOCK);
    Ok(Box::new(Pipe(pipe.open(file)?)))
}

struct Pipe(File);

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if !signals::wait_for(self.0.as_raw_fd(), WaitFor::Input, signals::asked())? {
                // Not of the kind `Interrupted`, after which it would be read again.
                return Err(io::Error::other("interrupted"));
            }
            match self.0.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

/// The facts of a text; `name` is its file's.
pub(crate) fn understand(name: &str, bytes: &[u8]) -> Result<Reading, CliError> {
    layout::read(bytes).map_err(|error| bad(name, &error))
}

/// That a text is no layout.
pub(crate) fn bad(name: &str, error: &LayoutTextError) -> CliError {
    let (exit, help) = match error {
        LayoutTextError::Contradiction { .. } => (
            Exit::Refused,
            "find out which one is the device's, and leave the other one out",
        ),
        _ => (Exit::Io, FORMS),
    };
    CliError::Other {
        exit,
        message: format!("the layout {name}: {error}"),
        help: Some(help.into()),
    }
}

/// The facts of a file's text. What was passed over in it is said.
pub(crate) fn reading(file: &Path, output: &Output) -> Result<(String, Reading), CliError> {
    let (name, bytes) = read(file)?;
    let reading = understand(&name, &bytes)?;
    for note in remarks(&name, &reading) {
        output.warn(&note);
    }
    Ok((name, reading))
}

/// What must be said of a text: which lines of it belong to nothing, which of its forms
/// do not agree.
pub(crate) fn remarks(name: &str, reading: &Reading) -> Vec<String> {
    let remarks = reading.remarks.iter();
    remarks
        .map(|remark| format!("{name}: {remark}"))
        .chain(passed_over(name, reading))
        .collect()
}

fn passed_over(name: &str, reading: &Reading) -> Option<String> {
    if reading.skipped.is_empty() {
        // Which forms it has is worth a word where they are several.
        let several = !reading.also.is_empty();
        return several.then(|| format!("{name} was read as {}", reading.forms()));
    }
    let lines = reading.skipped.iter().take(SKIPPED_MAX);
    let lines: Vec<_> = lines
        .map(|skipped| format!("line {}: {:?}", skipped.line, skipped.text))
        .collect();
    let more = match reading.skipped.len().saturating_sub(SKIPPED_MAX) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!(
        "{name} was read as {}; passed over: {}{more}",
        reading.forms(),
        lines.join(", ")
    ))
}
