//! A backup's folder from its tar, exact to the byte.
//!
//! Invariants: nothing is made unless every image in the archive is what its manifest
//! says; each file gets its name when all of it is on the medium, and the manifest its
//! own last, as in a backup that is made of flash: a folder with `manifest.json` is
//! finished, and one that was cut off is told by its mark, and completed by doing it
//! again.

use super::buffer;
use super::buffer::read_full;
use super::contents::{self, State, part};
use super::digest::{DigestChoice, Digests};
use super::directory::Directory;
use super::error::{BackupError, Failure};
use super::manifest::{INDEX, Image, MANIFEST, MANIFEST_BYTES_MAX, Manifest, SUMS, UNFINISHED};
use super::naming::{self, Naming, Placed};
use super::report::{Meaning, Report};
use super::tar_folder::TarFolder;
use super::texts;
use super::verify::verify;
use super::work::Work;

/// Checks an archive, and where it is right, makes the backup's folder of it, which is
/// opened (or made) only then. Gives what was found out about the archive, and the
/// folder where it was made.
///
/// # Errors
/// [`Failure`]: the archive cannot be read, the folder not be used, or it holds
/// something else.
pub(crate) fn unpack<D: Directory>(
    archive: &TarFolder,
    folder: impl FnOnce() -> Result<D, Failure>,
    work: &Work<'_>,
) -> Result<(Report, Option<D>), Failure> {
    let report = verify(archive, None, work)?;
    let is_right = report.known_by.is_none()
        && !matches!(
            report.outcome(),
            Some(Meaning::Differs | Meaning::Unchecked)
        );
    if !is_right {
        return Ok((report, None));
    }
    let folder = folder()?;
    let text = contents::read_text(archive, MANIFEST, MANIFEST_BYTES_MAX)?;
    let existing = look(&folder, &text)?;
    let copy = Copy {
        archive,
        folder: &folder,
        work,
    };
    copy.all(&report.manifest, &text, &existing)
        .map_err(|error| Failure {
            left_behind: Some(format!(
                "{} holds a part of the backup, and no manifest; doing it again completes it",
                folder.describe()
            )),
            error,
        })?;
    Ok((report, Some(folder)))
}

/// What is to be taken out of the folder first: what an earlier run of the same began.
fn look(folder: &dyn Directory, text: &[u8]) -> Result<Vec<String>, Box<BackupError>> {
    let found = contents::look(folder)?;
    let same = match &found.state {
        State::Empty => true,
        State::Unfinished(_) => {
            contents::read_text(folder, UNFINISHED, MANIFEST_BYTES_MAX)? == text
        }
        _ => false,
    };
    if !same || !found.foreign.is_empty() {
        return Err(BackupError::Refused {
            folder: folder.describe(),
            holds: "is not empty".into(),
            help: "choose a new folder with --output".into(),
        }
        .into());
    }
    Ok(found.parts.into_iter().map(|entry| entry.name).collect())
}

struct Copy<'a> {
    archive: &'a TarFolder,
    folder: &'a dyn Directory,
    work: &'a Work<'a>,
}

impl Copy<'_> {
    fn all(
        &self,
        manifest: &Manifest,
        text: &[u8],
        stale: &[String],
    ) -> Result<(), Box<BackupError>> {
        for name in stale {
            let removed = self.folder.remove(name);
            removed.map_err(|source| texts::error(self.folder, "cannot remove", name, source))?;
        }
        let mark = naming::write_whole(self.folder, UNFINISHED, text)?;
        let mut placed = Vec::new();
        let mut buffer = Vec::new();
        let buffer = buffer::grow(&mut buffer, self.work.buffer_bytes.max(1))?;
        for image in &manifest.images {
            self.work.observer.begin(&image.name);
            placed.push(self.image(image, buffer)?);
            self.work.observer.image_done(image, false, 0);
        }
        for name in [SUMS, INDEX] {
            if self.archive.id(name).is_ok() {
                let text = contents::read_text(self.archive, name, 2 * MANIFEST_BYTES_MAX)?;
                placed.push(naming::write_whole(self.folder, name, &text)?);
            }
        }
        let naming = Naming(self.folder);
        placed
            .iter()
            .try_for_each(|placed| naming.confirm(placed))?;
        naming.give_again(mark, MANIFEST)?;
        Ok(())
    }

    fn image(&self, image: &Image, buffer: &mut [u8]) -> Result<Placed, Box<BackupError>> {
        let (file, temporary) = (image.file.as_str(), part(&image.file));
        let failed = |operation| {
            let (folder, file) = (self.folder, file);
            move |source| texts::error(folder, operation, file, source)
        };
        let mut from = self.archive.open(file).map_err(failed("cannot read"))?;
        let mut out = self
            .folder
            .create(&temporary)
            .map_err(failed("cannot create"))?;
        let naming = Naming(self.folder);
        let choice = image.digests().unwrap_or(DigestChoice::Both);
        let mut digests = Digests::new(choice);
        let mut copy = || {
            loop {
                self.work.stop().check()?;
                let count = read_full(from.as_mut(), buffer).map_err(failed("cannot read"))?;
                if count == 0 {
                    break;
                }
                digests.update(&buffer[..count]);
                let written = out.write_all(&buffer[..count]);
                written.map_err(failed("cannot write"))?;
                self.work.observer.progress(count as u64);
            }
            out.sync().map_err(failed("cannot sync"))
        };
        let copied = copy().and_then(|()| {
            let values = digests.finish();
            // It was right when it was checked.
            if !image.has(&values) {
                return Err(BackupError::Interfered {
                    file: file.into(),
                    folder: self.archive.describe(),
                }
                .into());
            }
            naming.give(out.as_ref(), &temporary, file, values)
        });
        if copied.is_err() {
            naming.discard(out.as_ref(), &temporary);
        }
        copied
    }
}
