//! The text of a `/proc/mtd` from a file, as `--layout` takes it.

use crate::cli::Exit;
use crate::cli::error::CliError;
use std::io::Read as _;
use std::path::Path;

/// A `/proc/mtd` longer than this is none.
const TABLE_BYTES_MAX: u64 = 1 << 20;

pub(crate) const HELP: &str = "--layout takes a file with the text of the device's /proc/mtd";

/// The file's name and its text.
pub(crate) fn read(file: &Path) -> Result<(String, Vec<u8>), CliError> {
    let mut text = Vec::new();
    std::fs::File::open(file)
        .and_then(|table| table.take(TABLE_BYTES_MAX).read_to_end(&mut text))
        .map_err(|error| CliError::Other {
            exit: Exit::Io,
            message: format!("cannot read the layout {}: {error}", file.display()),
            help: Some(HELP.into()),
        })?;
    Ok((file.display().to_string(), text))
}
