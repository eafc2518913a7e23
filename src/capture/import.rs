//! `mtdkeep import`: a verified backup from what a shell script captured.
//!
//! The script of `mtdkeep script` leaves images with a copy of `/proc/mtd`,
//! digests and a record; the well-known older script leaves images and a page.
//! [`inspect`](super::inspect) holds all of it against the layout and against each other;
//! [`import`] then makes the backup with the same pipeline that reads flash,
//! with the captured files as the device.
//!
//! Invariants: the captured files are only read; nothing is made unless every
//! file that is there is right as far as can be told; where the device gave a
//! digest, a wrong byte never becomes a backup; what could not be proven is said
//! and stands in the manifest.
//!
//! Faults tolerated: files that are missing (the backup is partial), line ends
//! that a download changed in texts, foreign files (named, not taken), other names,
//! packing by gzip, bytes as text. Files of another length, digests that differ and
//! torn texts are errors; what names and sizes do not tell is asked.
//!
//! ```text
//! found ──▶ layout ──▶ assign ──▶ check, diagnose ──▶ origin ──▶ the pipeline
//! texts      table,     which      lengths and all     what is    reads the files
//! and files  manifest   file is    digests at hand     proven     through `captured`
//!                       whose                                     and `decode`
//! ```

use super::captured::CapturedBackend;
use super::error::ImportError;
use super::inspect::Capture;
use crate::backup::{self, DigestChoice, Directory, Image, Request, Summary, Work};
use std::time::SystemTime;

/// Makes a backup of an inspected capture, in a folder of its own; `now` is the time to
/// put into the manifest.
pub(crate) fn import(
    capture: &Capture,
    folder: &dyn Directory,
    now: SystemTime,
    work: &Work<'_>,
) -> Result<Summary, ImportError> {
    let backend = CapturedBackend::new(capture);
    let wanted = capture.wanted();
    let origin = |_: &[Image]| capture.origin.clone();
    let request = Request {
        partitions: &wanted,
        read_again: false,
        digests: DigestChoice::Both,
        now,
    };
    let summary = backup::pipeline::backup_of(&backend, folder, &request, work, Some(&origin))?;
    let changed = summary.manifest.images.iter().find(|image| {
        // Of an earlier round, or of a partition without a byte, which needs no file.
        if capture.file_of(image.mtd).is_none() {
            return false;
        }
        if !capture.holes_of(image.mtd).is_empty() {
            return image.unreadable.is_empty();
        }
        let inspected = capture.sha256_of(image.mtd);
        let same = inspected.is_some() && inspected == image.sha256.as_deref();
        !same || !image.unreadable.is_empty()
    });
    if let Some(image) = changed {
        let file = image.file.clone();
        // A finished backup of bytes that nobody has checked must not stay; but what
        // earlier rounds made must.
        let images = &summary.manifest.images;
        let all_new = images
            .iter()
            .all(|i| capture.file_of(i.mtd).is_some() || i.size_bytes == 0);
        let removed = all_new && backup::clean::clean(folder).is_ok();
        return Err(ImportError::ChangedMeanwhile { file, removed });
    }
    Ok(summary)
}
