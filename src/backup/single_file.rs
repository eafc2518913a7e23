//! One file that is whole or not there: written under another name beside it, and
//! named when all of it is on the medium, in place of nothing.
//!
//! Invariants: a file that is there already is never replaced, not even one that
//! appeared meanwhile; what a killed run left is known by its name and by nobody
//! holding its lock, and goes; what somebody is writing is left alone.

use super::calls::{Call, call};
use super::directory::NewFile as _;
use super::folder::{OpenFile, make_missing, sync_around};
use super::lock::{self, Access};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Ends the name while the file is being written: nobody else's files end so.
const SUFFIX: &str = ".mtdkeep-part";

/// A file that is being written.
pub(crate) struct SingleFile {
    path: PathBuf,
    temporary: PathBuf,
    file: OpenFile,
    length_bytes: u64,
}

impl SingleFile {
    /// Begins a file, and makes the folders that are missing around it.
    ///
    /// Errors: the system's; [`io::ErrorKind::AlreadyExists`] where the file is
    /// there; [`io::ErrorKind::WouldBlock`] where another process is writing it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        refuse_existing(path)?;
        if let Some(around) = path.parent().filter(|around| *around != Path::new("")) {
            make_missing(around, &mut Vec::new())?;
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(SUFFIX);
        let temporary = PathBuf::from(temporary);
        let file = match create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_stale(&temporary)?;
                create_new(&temporary)
            }
            made => made,
        }?;
        let begun = Self {
            path: path.into(),
            temporary,
            file: OpenFile(file),
            length_bytes: 0,
        };
        match begun.lock() {
            Ok(()) => Ok(begun),
            // Somebody took it for stale, and removes it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                begun.discard();
                Err(error)
            }
        }
    }

    /// Keeps others from taking it for stale; whoever did in the moment before has
    /// removed it.
    fn lock(&self) -> io::Result<()> {
        lock::lock(&self.file.0, Access::Change)?;
        match lock::is_at(&self.file.0, &self.temporary)? {
            true => Ok(()),
            false => Err(Errno::WOULDBLOCK.into()),
        }
    }

    /// Gives the file its name.
    ///
    /// Errors: the system's; [`io::ErrorKind::AlreadyExists`] where a file has
    /// that name meanwhile.
    pub(crate) fn finish(mut self) -> Result<(), NotFinished> {
        let named = self.file.sync().and_then(|()| {
            let whole = self.file.id()?.size_bytes == self.length_bytes;
            if whole && lock::is_at(&self.file.0, &self.temporary)? {
                rename_to_nothing(&self.temporary, &self.path)
            } else {
                Err(io::Error::other("something else is at work on it"))
            }
        });
        named
            .and_then(|()| sync_around(&self.path))
            .map_err(|source| {
                let is_named = lock::is_at(&self.file.0, &self.path).unwrap_or(false);
                self.discard();
                NotFinished { source, is_named }
            })
    }

    /// Removes what was written; whether nothing is left.
    pub(crate) fn discard(self) -> bool {
        let is_ours = lock::is_at(&self.file.0, &self.temporary).unwrap_or(false);
        !is_ours || remove(&self.temporary).is_ok()
    }

    /// Where it is being written.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }
}

/// Why a file is not finished.
#[derive(Debug)]
pub(crate) struct NotFinished {
    /// The system's answer.
    pub(crate) source: io::Error,
    /// It has its name, and all of it is there, but perhaps not on the medium for good.
    /// What else has that name is somebody else's.
    pub(crate) is_named: bool,
}

impl Write for SingleFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buf)?;
        self.length_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refuse_existing(path: &Path) -> io::Result<()> {
    match call(Call::Look, || rustix::fs::lstat(path)) {
        Ok(_) => Err(Errno::EXIST.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn create_new(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    call(Call::Create, || {
        rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))
    })
}

/// Removes what a run left that was killed.
fn remove_stale(path: &Path) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = call(Call::Open, || rustix::fs::open(path, flags, Mode::empty()))?;
    lock::lock(&file, Access::Change)?;
    if lock::is_at(&file, path)? {
        remove(path)?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    call(Call::Remove, || rustix::fs::unlink(path))
}

/// Renames a file in place of nothing.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    let cannot = |errors: &[Errno], error: &io::Error| {
        let code = error.raw_os_error();
        errors
            .iter()
            .any(|errno| code == Some(errno.raw_os_error()))
    };
    // Linux 3.15, and not on every file system.
    let renamed = call(Call::RenameNew, || {
        rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
    });
    match renamed {
        Err(error) if cannot(&[Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP], &error) => {}
        done => return done,
    }
    let linked = call(Call::Link, || {
        rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())
    });
    match linked {
        Ok(()) => return remove(from),
        Err(error) if cannot(&[Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP], &error) => {}
        Err(error) => return Err(error),
    }
    // No links either (vfat before Linux 4.9): an empty file claims the name.
    create_new(to)?;
    let renamed = call(Call::Rename, || rustix::fs::rename(from, to));
    if renamed.is_err() {
        let _ = remove(to);
    }
    renamed
}

#[cfg(test)]
mod tests;
