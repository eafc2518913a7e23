//! `mtdkeep image`: the whole chip of a simulated device, or of a backup, as one file.

use crate::backup::{NotFinished, Observer as _, SingleFile, size};
use crate::cli::Exit;
use crate::cli::common::device::simulated;
use crate::cli::common::signals;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{
    CommandSpec, Job, OptionSpec, RESULT, SEED, SIMULATE, Takes, option, short,
};
use serde::Serialize;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

mod from_backup;
mod volume;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, RESULT],
    examples: &[
        "mtdkeep image --simulate --output flash.bin",
        "mtdkeep image --simulate --seed 7 --output flash-7.bin",
        "mtdkeep image --from ispot-backup --output chip.bin",
        "mtdkeep image --from router --layout boot.log --fill --output chip.bin",
        "mtdkeep image --from router --volume ubi:rootfs --output rootfs.squashfs",
    ],
    ..CommandSpec::new(
        "image",
        "Write a whole chip, of a backup or simulated, to one file",
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
    option(
        "from",
        Takes::Value("DIR"),
        "Put the chip together from this backup's images",
    ),
    option(
        "layout",
        Takes::Value("FILE"),
        "With --from: where the partitions lie, if the backup does not tell",
    ),
    option(
        "fill",
        Takes::Nothing,
        "With --from: write 0xFF where no partition lies",
    ),
    option(
        "volume",
        Takes::Value("MTD:NAME"),
        "With --from: write this volume of UBI, as /dev/ubiX_Y gives it, instead",
    ),
    SIMULATE,
    SEED,
];

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let simulated = simulated::parse(given)?;
    let file = given.path("output");
    let file = file.ok_or_else(|| UsageError("image needs --output FILE".into()))?;
    let (layout, fill) = (given.path("layout"), given.flag("fill"));
    let volume = given.text("volume")?;
    let device = match (given.path("from"), simulated) {
        (Some(_), Some(_)) => {
            return Err(UsageError(
                "--from is for a backup, --simulate for a simulated device: use one".into(),
            ));
        }
        (Some(_), None) if volume.is_some() && (layout.is_some() || fill) => {
            return Err(UsageError(
                "--layout and --fill are for a chip, not for --volume".into(),
            ));
        }
        (Some(from), None) if volume.is_some() => {
            let named = volume.as_deref().and_then(|text| text.split_once(':'));
            let Some((partition, name)) =
                named.filter(|(mtd, name)| !mtd.is_empty() && !name.is_empty())
            else {
                return Err(UsageError(
                    "--volume takes MTD:NAME, such as mtd5:rootfs or ubi:rootfs".into(),
                ));
            };
            let args = volume::Args {
                from,
                partition: partition.into(),
                volume: name.into(),
                to: file,
            };
            return Ok(Box::new(move |output| volume::run(&args, output)));
        }
        (Some(from), None) => {
            let args = from_backup::Args {
                from,
                layout,
                fill,
                to: file,
            };
            return Ok(Box::new(move |output| from_backup::run(&args, output)));
        }
        (None, _) if layout.is_some() || fill || volume.is_some() => {
            return Err(UsageError(
                "--layout, --fill and --volume are for --from".into(),
            ));
        }
        (None, Some(device)) => device,
        (None, None) => {
            return Err(UsageError(
                "image writes a backup's chip, or a simulated one: add --from DIR or --simulate"
                    .into(),
            ));
        }
    };
    Ok(Box::new(move |output| run(&device, &file, output)))
}

#[derive(Serialize)]
struct Body {
    output: String,
    size_bytes: u64,
    device: String,
}

fn run(device: &simulated::Args, path: &Path, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let simulated = simulated::open(device, output)?;
    if simulated.offsets_are_inferred() {
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
            help: Some("give --simulate a layout of one chip".into()),
        });
    }
    let file = make_above(path).and_then(|()| SingleFile::create(path));
    let mut file = file.map_err(|source| not_begun(path, &source))?;
    let progress = Progress::new(output, Lines::None);
    let written = write(&device, &mut file, interrupt, &progress);
    progress.end();
    let size_bytes = match written {
        Ok(size_bytes) => size_bytes,
        Err(stopped) => return Err(stopped.told(path, file)),
    };
    file.finish().map_err(|source| not_named(path, &source))?;
    output.sentence(&format!(
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

/// Makes the folders above the file that are missing.
fn make_above(path: &Path) -> io::Result<()> {
    let above = path.parent();
    let above = above.filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), std::fs::create_dir_all)
}

/// Why no more was written.
struct Stopped {
    /// Of the kind `Interrupted` where the user asked to stop.
    error: io::Error,
    done_bytes: u64,
    size_bytes: u64,
}

impl Stopped {
    fn told(self, path: &Path, file: SingleFile) -> CliError {
        let temporary = file.temporary().display().to_string();
        let left = if file.discard() {
            "nothing was left behind".into()
        } else {
            format!("{temporary} was left behind, and goes when the same command is started again")
        };
        let (exit, what, help) = match self.error.kind() {
            io::ErrorKind::Interrupted => (
                Exit::Interrupted,
                "interrupted".into(),
                "start the same command again",
            ),
            _ => (
                Exit::Io,
                format!("cannot write {}: {}", path.display(), self.error),
                help_for(&self.error),
            ),
        };
        CliError::Other {
            exit,
            message: format!(
                "{what} (after {} of {}); {left}",
                size(self.done_bytes),
                size(self.size_bytes)
            ),
            help: Some(help.into()),
        }
    }
}

/// Writes the next bytes of a file, and counts them, unless the user asked to stop.
fn go_on(
    file: &mut SingleFile,
    bytes: &[u8],
    done_bytes: &mut u64,
    interrupt: &AtomicBool,
) -> io::Result<()> {
    if interrupt.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    file.write_all(bytes)?;
    *done_bytes += bytes.len() as u64;
    Ok(())
}

fn help_for(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and start the same command again, or choose another place with --output"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a place that this user may write, with --output"
        }
        _ => "check the medium, or choose another place with --output",
    }
}

fn is_there(path: &Path) -> CliError {
    CliError::Other {
        exit: Exit::Refused,
        message: format!("{} is there already; it was not touched", path.display()),
        help: Some("choose another name with --output, or remove it first".into()),
    }
}

fn not_begun(path: &Path, source: &io::Error) -> CliError {
    match source.kind() {
        io::ErrorKind::AlreadyExists => is_there(path),
        io::ErrorKind::WouldBlock => CliError::Other {
            exit: Exit::Refused,
            message: format!("another mtdkeep is writing {}", path.display()),
            help: Some(
                "wait until that one has ended, or choose another name with --output".into(),
            ),
        },
        _ => CliError::Other {
            exit: Exit::Io,
            message: format!("cannot make {}: {source}", path.display()),
            help: Some(help_for(source).into()),
        },
    }
}

fn not_named(path: &Path, NotFinished { source, is_named }: &NotFinished) -> CliError {
    if source.kind() == io::ErrorKind::AlreadyExists && !is_named {
        return is_there(path);
    }
    let (left, help) = match is_named {
        true => (
            "the file is there and whole, but perhaps not on the medium for good",
            "check the medium, remove the file, and start the same command again",
        ),
        false => ("nothing of it was left behind", help_for(source)),
    };
    CliError::Other {
        exit: Exit::Io,
        message: format!("cannot finish {}: {source}; {left}", path.display()),
        help: Some(help.into()),
    }
}

fn write(
    device: &mtd_harness::profile::SimulatedDevice,
    file: &mut SingleFile,
    interrupt: &AtomicBool,
    progress: &Progress<'_>,
) -> Result<u64, Stopped> {
    device.system.with_chip(0, |chip| {
        let size_bytes = chip.geometry().size_bytes;
        let mut done_bytes = 0;
        progress.planned(&[], size_bytes);
        progress.begin("chip");
        let written = chip.peek_range(0, size_bytes, |_, cells| {
            go_on(file, cells, &mut done_bytes, interrupt)?;
            progress.progress(cells.len() as u64);
            Ok(())
        });
        match written {
            Ok(()) => Ok(size_bytes),
            Err(error) => Err(Stopped {
                error,
                done_bytes,
                size_bytes,
            }),
        }
    })
}
