//! `mtdkeep backup`.

use super::args::{BackupArgs, Global};
use super::error::CliError;
use super::output::Output;
use super::progress::Progress;
use super::{Exit, device, signals};
use crate::backup::{
    self, BackupError, Destination as _, Folder, Manifest, Request, Summary, size,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where a backup goes on a device: below its web server's root.
pub(crate) const FOLDER_ON_DEVICE: &str = "/var/wwwroot/mtd_backup";
/// Where it goes otherwise: below the current folder.
const FOLDER_ELSEWHERE: &str = "mtd_backup";

/// How much is read at once: small enough for a cache, large enough for the
/// system calls not to count; on the device one erase block of its chip.
pub(crate) const BUFFER_BYTES: usize = if cfg!(feature = "full") {
    128 << 10
} else {
    64 << 10
};

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    output: String,
    kept_images: usize,
    manifest: &'a Manifest,
}

pub(crate) fn run(global: &Global, args: &BackupArgs, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag().map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot watch for signals: {error}"),
        help: None,
    })?;
    let backend = device::open(global)?;
    // Before the folder is made: a wrong name or a missing device leaves nothing.
    crate::mtd::select(&backend.devices()?, &args.partitions)?;
    let folder = open_or_create_folder(&folder_path(global, args))?;
    let request = Request {
        partitions: &args.partitions,
        read_again: args.read_again,
        digests: args.digests,
        now: SystemTime::now(),
        buffer_bytes: BUFFER_BYTES,
        workers: workers(),
        folder_created: folder.was_created(),
        interrupt: &interrupt,
    };
    let progress = Progress::new(output, true);
    let result = backup::backup(backend.as_ref(), &folder, &request, &progress);
    progress.end();
    let summary = result.inspect_err(|_| {
        if folder.was_created() {
            folder.remove_if_empty();
        }
    })?;
    Ok(tell(&summary, &folder, output))
}

fn tell(summary: &Summary, folder: &Folder, output: &Output) -> Exit {
    let manifest = &summary.manifest;
    let total = manifest.images.iter().map(|image| image.size_bytes).sum();
    let (exit, outcome) = if manifest.is_partial() {
        (Exit::Partial, "partial")
    } else if summary.changed_while_read() {
        (Exit::Differs, "differs")
    } else {
        (Exit::Done, "done")
    };
    let mut line = format!(
        "{}, {}, in {}",
        partitions(manifest.images.len()),
        size(total),
        folder.describe()
    );
    match exit {
        Exit::Partial => {
            let missing = manifest.missing_partitions().count();
            let holes: u64 = manifest
                .images
                .iter()
                .map(backup::Image::unreadable_bytes)
                .sum();
            line += &format!(
                "; partial: {} left out, {} unreadable",
                partitions(missing),
                size(holes)
            );
        }
        Exit::Differs => line += "; the flash changed while it was read",
        _ => {}
    }
    output.line(&line);
    let body = Body {
        outcome,
        output: folder.describe(),
        kept_images: summary.kept,
        manifest,
    };
    output.document("backup", exit, &body);
    exit
}

pub(crate) fn partitions(number: usize) -> String {
    backup::count(number as u64, "partition")
}

fn folder_path(global: &Global, args: &BackupArgs) -> PathBuf {
    let real = global.root.is_none() && !global.is_simulated();
    let default = if real {
        FOLDER_ON_DEVICE
    } else {
        FOLDER_ELSEWHERE
    };
    args.output.clone().unwrap_or_else(|| default.into())
}

/// Two at most: what one of them waits for, the other uses; more gain nothing,
/// because one chip is read.
pub(crate) fn workers() -> usize {
    if cfg!(feature = "full") {
        // Not available_parallelism: it reads a handful of files for quotas that
        // do not matter here, and takes longer than reading a megabyte of flash.
        rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count().clamp(1, 2) as usize)
    } else {
        1
    }
}

pub(crate) fn open_or_create_folder(path: &Path) -> Result<Folder, CliError> {
    Folder::open_or_create(path).map_err(|source| folder_error("cannot use", path, source))
}

/// Opens a folder that must be there.
pub(crate) fn open_folder(path: &Path) -> Result<Folder, CliError> {
    Folder::open(path).map_err(|source| folder_error("cannot open", path, source))
}

fn folder_error(operation: &'static str, path: &Path, source: std::io::Error) -> CliError {
    BackupError::Folder {
        operation,
        folder: path.display().to_string(),
        source,
    }
    .into()
}
