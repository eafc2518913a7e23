//! A simulated chip's contents as a new file, for the commands that change it.

use crate::cli::Exit;
use crate::cli::error::CliError;
use mtd_harness::profile::SimulatedDevice;
use std::path::Path;

fn other(exit: Exit, message: String) -> CliError {
    CliError::Other {
        exit,
        message,
        help: None,
    }
}

/// What can be refused is refused before anything runs.
pub(crate) fn check(device: &SimulatedDevice, path: Option<&Path>) -> Result<(), CliError> {
    let Some(path) = path else {
        return Ok(());
    };
    if std::fs::symlink_metadata(path).is_ok() {
        let text = format!("{} is there already; nothing was run", path.display());
        return Err(other(Exit::Refused, text));
    }
    match device.system.chip_count() {
        1 => Ok(()),
        chips => {
            let text = format!("the layout has {chips} chips, and --save takes one");
            Err(other(Exit::Refused, text))
        }
    }
}

/// Writes the file.
pub(crate) fn save(device: &SimulatedDevice, path: &Path) -> Result<(), CliError> {
    let saved = device.system.with_chip(0, |chip| chip.save_to(path));
    saved.map_err(|error| {
        let text = format!("cannot save the chip to {}: {error}", path.display());
        other(Exit::Io, text)
    })
}
