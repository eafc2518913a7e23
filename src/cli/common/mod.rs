//! What several commands need: the device they work on, the backup's folder,
//! the user's wish to stop, words for what is printed.

pub(crate) mod device;
pub(crate) mod folder;
#[cfg(feature = "full")]
pub(crate) mod generated;
#[cfg(feature = "full")]
pub(crate) mod layout;
pub(crate) mod new_backup;
pub(crate) mod signals;
#[cfg(feature = "full")]
pub(crate) mod staging;
pub(crate) mod stream;

use super::spec::OperandSpec;
use crate::backup::{Image, Manifest, Observer, Work, size};
#[cfg(feature = "full")]
use crate::backup::{Meaning, Report};
use crate::mtd::total_bytes;
use std::sync::atomic::AtomicBool;

/// The operand of commands that work on a backup.
pub(crate) const FOLDER: OperandSpec = OperandSpec {
    name: "DIR",
    help: "The backup's folder",
    required: true,
    rest: false,
};

/// What to do after a backup that is good.
pub(crate) const NOTE_DIGEST: &str =
    "note this digest elsewhere; `mtdkeep verify --digest` compares it";

/// How much is read at once: small enough for a cache, large enough for the
/// system calls not to count; on the device one erase block of its chip.
pub(crate) const BUFFER_BYTES: usize = if cfg!(feature = "full") {
    128 << 10
} else {
    64 << 10
};

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

/// How every command works on a backup.
pub(crate) fn work<'a>(interrupt: &'a AtomicBool, observer: &'a dyn Observer) -> Work<'a> {
    Work {
        buffer_bytes: BUFFER_BYTES,
        workers: workers(),
        interrupt,
        observer,
    }
}

/// What speaks against a backup as a whole.
#[cfg(feature = "full")]
pub(crate) fn problems(report: &Report) -> Vec<String> {
    let decides = |meaning| matches!(meaning, Meaning::Differs | Meaning::Unchecked);
    let bad = report.findings.iter().filter(|f| decides(f.kind.meaning()));
    bad.flat_map(|finding| finding.lines(false)).collect()
}

/// What a partial backup lacks, and nothing that it does not lack.
pub(crate) fn missing(manifest: &Manifest) -> String {
    let images = || manifest.images.iter();
    let left_out = manifest.missing().count();
    let unreadable_bytes = total_bytes(images().map(Image::unreadable_bytes));
    let doubtful = images().filter(|image| image.doubt.is_some()).count();
    let lacks = [
        (left_out > 0).then(|| format!("{} left out", partitions(left_out))),
        (unreadable_bytes > 0).then(|| format!("{} unreadable", size(unreadable_bytes))),
        (doubtful > 0).then(|| format!("{} in doubt", partitions(doubtful))),
    ];
    let lacks: Vec<String> = lacks.into_iter().flatten().collect();
    lacks.join(", ")
}

/// `11 partitions`.
pub(crate) fn partitions(number: usize) -> String {
    crate::backup::count(number as u64, "partition")
}
