//! Gives files their final names, and makes sure that the files which have these
//! names are the ones that were written.
//!
//! A lock keeps other runs of this program out of the folder, where there are
//! locks; nothing keeps out the rest. So before and after each rename, and for all
//! files before the manifest gets its name, the file under the name is compared
//! with the one that was written: by the file system's numbers, and where these
//! differ by the bytes, because some file systems number the same file in two
//! ways. The mark is compared as well before each image gets its name, so that of
//! two runs that share a folder the one that came first stops.
//!
//! Invariant: a file that is not the one that was written is never renamed or
//! removed on purpose, and never part of a success.

use super::buffer::read_full;
use super::contents::part;
use super::digest::{DigestChoice, DigestValues, Digests};
use super::directory::{Directory, FileId, NewFile};
use super::error::BackupError;
use super::texts;
use std::io;

/// A file that was given its name.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) name: String,
    id: FileId,
    values: DigestValues,
}

/// The files of one run.
#[derive(Clone, Copy)]
pub(super) struct Naming<'a>(pub(super) &'a dyn Directory);

impl Naming<'_> {
    /// Gives a file that was written as `from`, and synced, its name.
    pub(super) fn give(
        self,
        file: &dyn NewFile,
        from: &str,
        to: &str,
        values: DigestValues,
    ) -> Result<Placed, Box<BackupError>> {
        let failed = |source| self.error("cannot name", to, source);
        let id = file.id().map_err(failed)?;
        if id.size_bytes != values.length_bytes && !is_blind() {
            return Err(self.interfered(from));
        }
        let mut placed = Placed {
            name: from.into(),
            id,
            values,
        };
        self.confirm(&placed)?;
        texts::rename(self.0, from, to)?;
        placed.name = to.into();
        self.confirm(&placed)?;
        Ok(placed)
    }

    /// Gives a placed file another name.
    pub(super) fn give_again(self, placed: Placed, to: &str) -> Result<Placed, Box<BackupError>> {
        self.confirm(&placed)?;
        texts::rename(self.0, &placed.name, to)?;
        let placed = Placed {
            name: to.into(),
            ..placed
        };
        self.confirm(&placed)?;
        Ok(placed)
    }

    /// An image of an earlier run, as it is before it is compared with the flash.
    pub(super) fn existing(self, name: &str) -> Result<FileId, Box<BackupError>> {
        self.0
            .id(name)
            .map_err(|source| self.error("cannot look at", name, source))
    }

    /// The same after it was compared.
    pub(super) fn kept(self, name: &str, id: FileId, values: DigestValues) -> Placed {
        Placed {
            name: name.into(),
            id,
            values,
        }
    }

    /// Whether a name is still that of the file that got it; an error if not.
    pub(super) fn confirm(self, placed: &Placed) -> Result<(), Box<BackupError>> {
        if is_blind() {
            return Ok(());
        }
        let Placed { name, id, values } = placed;
        let same = match self.0.id(name) {
            Ok(now) if now == *id => Ok(true),
            Ok(_) => self.digest(name, values).map(|now| now == *values),
            Err(error) => Err(error),
        };
        match same {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.interfered(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.interfered(name)),
            Err(source) => Err(self.error("cannot check", name, source)),
        }
    }

    /// Removes what was being written, if the name is still that of this file.
    /// What cannot go, the next run or `clean` removes.
    pub(super) fn discard(self, file: &dyn NewFile, name: &str) {
        let same = |id: FileId| self.0.id(name).is_ok_and(|now| now == id);
        if file.id().is_ok_and(same) {
            let _ = self.0.remove(name);
        }
    }

    /// A file's digests, those that are wanted.
    fn digest(self, name: &str, wanted: &DigestValues) -> io::Result<DigestValues> {
        let choice = DigestChoice::of(wanted.crc32.is_some(), wanted.sha256.is_some());
        let mut digests = Digests::new(choice.unwrap_or_default());
        let mut stream = self.0.open(name)?;
        let mut buffer = [0; 4096];
        loop {
            match read_full(stream.as_mut(), &mut buffer)? {
                0 => return Ok(digests.finish()),
                count => digests.update(&buffer[..count]),
            }
        }
    }

    fn interfered(self, file: &str) -> Box<BackupError> {
        BackupError::Interfered {
            file: file.into(),
            folder: self.0.describe(),
        }
        .into()
    }

    fn error(self, operation: &'static str, file: &str, source: io::Error) -> Box<BackupError> {
        texts::error(self.0, operation, file, source)
    }
}

/// Whether a test has this module compare nothing, to see that it is caught.
#[inline]
fn is_blind() -> bool {
    #[cfg(test)]
    return super::calls::faults::crippled().is_some();
    #[cfg(not(test))]
    false
}

/// Writes a small file so that its name stands for all of it or nothing.
pub(super) fn write_whole(
    folder: &dyn Directory,
    file: &str,
    text: &[u8],
) -> Result<Placed, Box<BackupError>> {
    let temporary = part(file);
    let failed = |source| texts::error(folder, "cannot write", &temporary, source);
    let naming = Naming(folder);
    let mut out = folder.create(&temporary).map_err(failed)?;
    let mut digests = Digests::new(DigestChoice::Both);
    digests.update(text);
    let placed = out
        .write_all(text)
        .and_then(|()| out.sync())
        .map_err(failed)
        .and_then(|()| naming.give(out.as_ref(), &temporary, file, digests.finish()));
    if placed.is_err() {
        naming.discard(out.as_ref(), &temporary);
    }
    placed
}

#[cfg(test)]
mod tests;
