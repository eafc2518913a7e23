//! `mtdkeep image`: the whole chip of a simulated device as one file.

use crate::cli::Exit;
use crate::cli::common::device::simulated;
use crate::cli::common::signals;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{
    CommandSpec, Job, OptionSpec, RESULT, SEED, SIMULATE, Takes, option, short,
};
use mtdkeep::backup::size;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, RESULT],
    examples: &[
        "mtdkeep image --simulate --output flash.bin",
        "mtdkeep image --simulate --seed 7 --output flash-7.bin",
    ],
    ..CommandSpec::new(
        "image",
        "Write the whole chip of a simulated device to one file",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    short(
        'o',
        option(
            "output",
            Takes::Value("FILE"),
            "The file; must not be there yet",
        ),
    ),
    SIMULATE,
    SEED,
];

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let device = simulated::parse(given)?
        .ok_or_else(|| UsageError("image writes a simulated chip: add --simulate".into()))?;
    let output = given.path("output");
    let file = output.ok_or_else(|| UsageError("image needs --output FILE".into()))?;
    Ok(Box::new(move |output| run(&device, &file, output)))
}

#[derive(Serialize)]
struct Body {
    output: String,
    size_bytes: u64,
    device: String,
}

fn run(device: &simulated::Args, path: &Path, output: &Output) -> Result<Exit, CliError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(CliError::Other {
            exit: Exit::Refused,
            message: format!("{} is there already; it was not touched", path.display()),
            help: Some("choose another name with --output, or remove it first".into()),
        });
    }
    let failed = |source: io::Error| CliError::Other {
        exit: Exit::Io,
        message: format!(
            "cannot write {}: {source}; nothing was left behind",
            path.display()
        ),
        help: None,
    };
    let interrupt = signals::interrupt_flag()?;
    let simulated = simulated::open(device)?;
    if simulated.offsets_are_inferred {
        output.warn(
            "the partitions stand in the order of the table, one after the other; on the real \
             device's chip they may lie otherwise",
        );
    }
    let device = simulated.device;
    if device.system.chip_count() != 1 {
        return Err(CliError::Other {
            exit: Exit::Refused,
            message: format!(
                "the layout has {} chips, and one file holds one chip",
                device.system.chip_count()
            ),
            help: None,
        });
    }
    let temporary = temporary(path);
    let size_bytes = write(&device, &temporary, &interrupt)
        .and_then(|size_bytes| fs::rename(&temporary, path).map(|()| size_bytes))
        .map_err(|source| {
            if source.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&temporary);
            }
            if interrupt.load(Ordering::Relaxed) {
                return mtdkeep::backup::BackupError::Interrupted.into();
            }
            failed(source)
        })?;
    output.line(&format!(
        "{}, {}, in {}",
        device.description,
        size(size_bytes),
        path.display()
    ));
    let body = Body {
        output: path.display().to_string(),
        size_bytes,
        device: device.description.clone(),
    };
    output.document("image", Exit::Done, &body);
    Ok(Exit::Done)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn write(
    device: &mtd_harness::profile::SimulatedDevice,
    path: &Path,
    interrupt: &AtomicBool,
) -> io::Result<u64> {
    let mut file = File::create_new(path)?;
    device.system.with_chip(0, |chip| {
        let size_bytes = chip.geometry().size_bytes;
        chip.peek_range(0, size_bytes, |_, cells| {
            if interrupt.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            file.write_all(cells)
        })?;
        file.sync_all()?;
        Ok(size_bytes)
    })
}
