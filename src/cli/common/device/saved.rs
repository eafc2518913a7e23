//! A simulated chip's contents as a new file, for the commands that change it.

use crate::backup::{NotFinished, SingleFile};
use crate::cli::Exit;
use crate::cli::error::CliError;
use mtd_harness::chip::Chip;
use mtd_harness::profile::SimulatedDevice;
use std::io;
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

/// Writes the file: all of the device's one chip, or none of it.
pub(crate) fn save(device: &SimulatedDevice, path: &Path) -> Result<(), CliError> {
    device.system.with_chip(0, |chip| save_chip(chip, path))
}

/// The same of a chip.
pub(crate) fn save_chip(chip: &Chip, path: &Path) -> Result<(), CliError> {
    let failed = |error: &io::Error, left: &str| CliError::Other {
        exit: Exit::Io,
        message: format!(
            "cannot save the chip to {}: {error}; {left}",
            path.display()
        ),
        help: Some("name a place with room for it with --save, and start again".into()),
    };
    let file = SingleFile::create(path);
    let mut file = file.map_err(|error| failed(&error, "nothing was written"))?;
    if let Err(error) = chip.write_image(&mut file) {
        let temporary = file.temporary().display().to_string();
        return Err(match file.discard() {
            true => failed(&error, "nothing of it was left behind"),
            false => failed(&error, &format!("{temporary} was left behind")),
        });
    }
    file.finish()
        .map_err(|NotFinished { source, is_named }| match is_named {
            true => failed(
                &source,
                "it is there, but perhaps not on the medium for good",
            ),
            false => failed(&source, "nothing of it was left behind"),
        })
}
