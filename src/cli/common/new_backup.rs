//! What is said of a backup that was made, wherever its bytes came from.

use super::{NOTE_DIGEST, missing, partitions};
use crate::backup::{Manifest, size};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::mtd::total_bytes;
use serde::Serialize;

/// A backup that was made.
pub(crate) struct NewBackup<'a> {
    pub(crate) manifest: &'a Manifest,
    /// SHA-256 of the manifest's file.
    pub(crate) digest: &'a str,
    /// The flash changed while it was read.
    pub(crate) changed: bool,
    /// Where it is.
    pub(crate) output: &'a str,
    /// How many images were there before, of commands that go on in a folder.
    pub(crate) kept: Option<usize>,
}

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    output: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_images: Option<usize>,
    manifest_sha256: &'a str,
    manifest: &'a Manifest,
}

impl NewBackup<'_> {
    fn outcome(&self) -> (Exit, &'static str) {
        if self.manifest.is_partial() {
            (Exit::Partial, "partial")
        } else if self.changed {
            (Exit::Differs, "differs")
        } else {
            (Exit::Done, "done")
        }
    }

    /// `11 partitions, 16 MiB, in ispot-backup`, and what it lacks.
    pub(crate) fn tell(&self, place: &str, output: &Output) {
        let images = &self.manifest.images;
        let total = total_bytes(images.iter().map(|image| image.size_bytes));
        let mut line = format!("{}, {}, {place}", partitions(images.len()), size(total));
        match self.outcome().0 {
            Exit::Partial => line += &format!("; partial: {}", missing(self.manifest)),
            Exit::Differs => line += "; the flash changed while it was read",
            _ => {}
        }
        output.sentence(&line);
    }

    /// The digest over the whole of it.
    pub(crate) fn tell_digest(&self, output: &Output) {
        output.line(&format!("backup digest: {}", self.digest));
    }

    /// What to do with the digest, where the backup is whole.
    pub(crate) fn tell_next(&self, output: &Output) {
        if self.outcome().0 == Exit::Done {
            output.sentence(&format!("next: {NOTE_DIGEST}"));
        }
    }

    /// All that is said of one that came from elsewhere, and how the command ends.
    #[cfg(feature = "full")]
    pub(crate) fn tell_origin(&self, command: &str, output: &Output) -> Exit {
        self.tell(&format!("in {}", self.output), output);
        if let Some(origin) = &self.manifest.origin {
            for what in &origin.proven {
                output.sentence(&format!("proven: {what}"));
            }
            for what in &origin.not_proven {
                output.warn(&format!("not proven: {what}"));
            }
        }
        self.tell_digest(output);
        self.tell_next(output);
        self.document(command, output)
    }

    /// The document of `--json`, and how the command ends.
    pub(crate) fn document(&self, command: &str, output: &Output) -> Exit {
        let (exit, outcome) = self.outcome();
        let body = Body {
            outcome,
            output: self.output,
            kept_images: self.kept,
            manifest_sha256: self.digest,
            manifest: self.manifest,
        };
        output.document(command, exit, &body);
        exit
    }
}
