//! A real folder as a backup's directory.
//!
//! Invariants: it is locked as long as it is open ([`lock`](super::lock)); a new
//! file is opened so that neither an existing file nor a symbolic link is ever
//! written through; only regular files are read; a name never leads out of the
//! folder, not even where the folder was moved meanwhile. Its own name, and those
//! of the folders made for it, are on the medium before anything is put into it.

use super::calls::{self, Call, call};
use super::directory::{Directory, Entry, FileId, NewFile};
use super::lock::{self, Access, LockedFolder};
use super::page_cache;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A folder on a disk that holds a backup or is to hold one, open and locked by flock(2)
/// as long as this value lives.
///
/// ```
/// use mtdkeep::backup::{Access, Folder};
///
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path().join("backup");
/// let folder = Folder::open_or_create(&path)?;
/// let second = Folder::open(&path, Access::Look).unwrap_err();
/// assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
///
/// drop(folder);
/// Folder::open(&path, Access::Look)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folders that were made for it, the outermost first; itself the last.
    made: Vec<PathBuf>,
    access: Access,
    open: LockedFolder,
}

impl Folder {
    /// Opens a folder for [`Access::Change`], and makes it where it is missing,
    /// with the folders around it.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] where somebody else has the folder's
    /// lock. Whatever was made is gone again.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        let mut made = Vec::new();
        let opened = lock::open(path, Access::Change, || make_missing(path, &mut made));
        match opened {
            Ok(open) => Ok(Self {
                path: path.into(),
                made,
                access: Access::Change,
                open,
            }),
            Err(error) => {
                // Who has the lock may be about to put something there.
                if error.kind() != io::ErrorKind::WouldBlock {
                    remove_folders(&made);
                }
                Err(error)
            }
        }
    }

    /// Opens a folder that must be there. Where its file system has no locks, it is open
    /// without one.
    ///
    /// # Errors
    /// As [`Folder::open_or_create`]; [`io::ErrorKind::NotFound`] where it is missing.
    pub fn open(path: &Path, access: Access) -> io::Result<Self> {
        Ok(Self {
            path: path.into(),
            made: Vec::new(),
            access,
            open: lock::open(path, access, || Ok(()))?,
        })
    }

    /// Why it is not locked: the answer of a file system that has no locks.
    pub(crate) fn unlocked(&self) -> Option<&io::Error> {
        self.open.unlocked.as_ref()
    }

    /// Whether it lies in a file system that a power cut takes away; false where that
    /// cannot be told.
    pub(crate) fn is_in_memory(&self) -> bool {
        // Linux 6.1, include/uapi/linux/magic.h and fs/ramfs/inode.c.
        const TMPFS_MAGIC: u32 = 0x0102_1994;
        const RAMFS_MAGIC: u32 = 0x8584_58f6;
        let stat = call(Call::Look, || rustix::fs::fstatfs(&self.open.handle));
        stat.is_ok_and(|stat| matches!(stat.f_type as u32, TMPFS_MAGIC | RAMFS_MAGIC))
    }

    /// Removes the folder itself, and those that opening it made around it, as
    /// far as nothing lies in them; whether it is gone.
    pub(crate) fn remove_if_empty(&self) -> bool {
        // A look that fails is made once more: what is left here is litter beside a backup.
        let look = |_| lock::is_at(&self.open.handle, &self.path).ok();
        let is_here = || (0..2).find_map(look).unwrap_or(false);
        if self.access != Access::Change || !is_here() || !remove_folder(&self.path) {
            return false;
        }
        remove_folders(self.made.split_last().map_or(&[], |(_, around)| around));
        true
    }

    fn plain(name: &str) -> io::Result<&str> {
        let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if plain {
            Ok(name)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} is not a plain file name"),
            ))
        }
    }

    /// What has a name, itself and not what it may lead to.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<OwnedFd> {
        let name = Self::plain(name)?;
        let regular = |stat: &Stat| match is_file(stat) {
            true => Ok(()),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            )),
        };
        // Looked at before opening, which can have an effect on a device; and
        // after, because it may be another one by then. NONBLOCK: opening a pipe
        // would wait for its other end.
        regular(&self.stat(name)?)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = call(Call::Open, || {
            rustix::fs::openat(&self.open.handle, name, flags, Mode::empty())
        })?;
        regular(&call(Call::Look, || rustix::fs::fstat(&file))?)?;
        Ok(file)
    }

    fn stat(&self, name: impl rustix::path::Arg + Copy) -> io::Result<Stat> {
        call(Call::Look, || {
            rustix::fs::statat(&self.open.handle, name, AtFlags::SYMLINK_NOFOLLOW)
        })
    }
}

impl Directory for Folder {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn was_created(&self) -> bool {
        !self.made.is_empty()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = call(Call::FreeSpace, || rustix::fs::fstatvfs(&self.open.handle))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        // Not std's, which panics where closing fails.
        let mut names = call(Call::OpenFolder, || Dir::read_from(&self.open.handle))?;
        while let Some(name) = call(Call::List, || names.read().transpose())? {
            let name = name.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            // One that has gone since is an error: who is told of half a folder acts
            // on it.
            let stat = self.stat(name)?;
            let (name, is_text) = match name.to_str() {
                Ok(name) => (name.into(), true),
                Err(_) => (name.to_bytes().escape_ascii().to_string(), false),
            };
            entries.push(Entry {
                name,
                size_bytes: (is_text && is_file(&stat)).then_some(stat.st_size as u64),
            });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let name = Self::plain(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let create = || {
            call(Call::Create, || {
                let mode = Mode::from_raw_mode(0o666);
                rustix::fs::openat(&self.open.handle, name, flags, mode)
            })
        };
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(name)?;
                create()?
            }
            made => made?,
        };
        Ok(Box::new(OpenFile(file)))
    }

    #[cfg(feature = "full")]
    #[cfg(feature = "full")]
    fn append(&self, name: &str, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        let name = Self::plain(name)?;
        let stat = self.stat(name)?;
        // Of another name of the same file the bytes would go as well.
        if !is_file(&stat) || stat.st_nlink != 1 || (stat.st_size as u64) < keep_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = call(Call::Create, || {
            let flags = flags | OFlags::CLOEXEC;
            rustix::fs::openat(&self.open.handle, name, flags, Mode::empty())
        })?;
        call(Call::Write, || rustix::fs::ftruncate(&file, keep_bytes))?;
        Ok(Box::new(OpenFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(OpenFile(self.open_file(name)?)))
    }

    fn forget(&self, name: &str) {
        // What cannot be opened is told of when it is read.
        if let Ok(file) = self.open_file(name) {
            page_cache::forget(file);
        }
    }

    fn id(&self, name: &str) -> io::Result<FileId> {
        Ok(file_id(&self.stat(Self::plain(name)?)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (Self::plain(from)?, Self::plain(to)?);
        let handle = &self.open.handle;
        call(Call::Rename, || {
            rustix::fs::renameat(handle, from, handle, to)
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let name = Self::plain(name)?;
        call(Call::Remove, || {
            rustix::fs::unlinkat(&self.open.handle, name, AtFlags::empty())
        })
    }

    fn sync(&self) -> io::Result<()> {
        sync_folder(&self.open.handle)
    }
}

/// A file that was made or opened by its name in a folder.
pub(crate) struct OpenFile(pub(crate) OwnedFd);

impl Read for OpenFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        call(Call::Read, || rustix::io::read(&self.0, &mut *buf))
    }
}

impl Write for OpenFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = call(Call::Write, || rustix::io::write(&self.0, buf));
        #[cfg(test)]
        if calls::faults::crippled() == Some(calls::faults::Crippled::SwallowsErrorsOfWrites) {
            return Ok(written.unwrap_or(buf.len()));
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        calls::sync(Call::Sync, &self.0)
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(file_id(&call(Call::Look, || rustix::fs::fstat(&self.0))?))
    }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

#[allow(clippy::unnecessary_cast)] // The fields' types differ between processors.
fn file_id(stat: &Stat) -> FileId {
    FileId {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size_bytes: stat.st_size as u64,
    }
}

/// Makes a folder and those around it as far as they are missing, and brings
/// their names onto the medium, each before the next; `made` gets those that were
/// missing.
///
/// The name of a folder that is there already is synced as well: it may be of a
/// run that was killed after it made the folder.
pub(crate) fn make_missing(path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let path: PathBuf = path.components().collect();
    // The innermost first.
    let mut missing = Vec::new();
    let mut outermost = path.as_path();
    while !make_folder(outermost, made)? {
        missing.push(outermost);
        match outermost.parent() {
            Some(around) if around != Path::new("") => outermost = around,
            _ => return Err(Errno::NOENT.into()),
        }
    }
    for path in missing.into_iter().rev() {
        if !make_folder(path, made)? {
            return Err(Errno::NOENT.into());
        }
    }
    Ok(())
}

/// Makes a folder in one that is there; false where that one is missing.
fn make_folder(path: &Path, made: &mut Vec<PathBuf>) -> io::Result<bool> {
    match call(Call::MakeFolder, || {
        rustix::fs::mkdir(path, Mode::from_raw_mode(0o777))
    }) {
        Ok(()) => made.push(path.into()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    sync_around(path)?;
    Ok(true)
}

/// Returns when the name of a file or folder is on the medium.
pub(crate) fn sync_around(path: &Path) -> io::Result<()> {
    let around = match path.parent() {
        Some(around) if around != Path::new("") => around,
        Some(_) => Path::new("."),
        // A root has no name.
        None => return Ok(()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match call(Call::OpenFolder, || {
        rustix::fs::open(around, flags, Mode::empty())
    }) {
        Ok(handle) => sync_folder(&handle),
        // A folder may take names from those who may not read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            rustix::fs::sync();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn sync_folder(handle: &OwnedFd) -> io::Result<()> {
    match calls::sync(Call::SyncFolder, handle) {
        // Some file systems cannot sync a folder (vfat on old kernels, some
        // network shares) and say EINVAL; there is nothing more to ask for.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        other => other,
    }
}

fn remove_folder(path: &Path) -> bool {
    call(Call::RemoveFolder, || rustix::fs::rmdir(path)).is_ok()
}

/// Removes folders that were made, the last first, as far as they are empty.
fn remove_folders(made: &[PathBuf]) {
    for path in made.iter().rev() {
        if !remove_folder(path) {
            break;
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(all(test, feature = "full"))]
mod every_call;
