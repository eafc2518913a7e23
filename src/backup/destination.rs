//! Where a backup goes: a folder, and nothing outside it.
//!
//! The pipeline asks for everything through [`Destination`], so that tests can
//! stand between it and the folder. Names are plain file names; [`Folder`]
//! refuses any other.
//!
//! Invariants of [`Folder`]: a new file is opened so that neither an existing
//! file nor a symbolic link is ever written through; only regular files are
//! read; a name never leads out of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One thing that lies in a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its length, where it is a regular file; none for anything else.
    pub size_bytes: Option<u64>,
}

/// A folder for a backup's files.
pub trait Destination: Sync {
    /// The folder, as messages call it.
    fn describe(&self) -> String;
    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
    /// What lies there, sorted by name.
    fn list(&self) -> io::Result<Vec<Entry>>;
    /// Makes a new, empty file for writing; an older file of that name goes.
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>>;
    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;
    /// Gives a file another name in one step, in place of an older file there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when names made, changed and removed so far are on the medium.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is being written.
pub trait NewFile: Write + Send {
    /// Returns when all that was written is on the medium.
    fn sync(&mut self) -> io::Result<()>;
}

impl NewFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// A real folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    created: bool,
    /// The folder itself, for syncing it.
    handle: OnceLock<File>,
}

impl Folder {
    /// Opens a folder, and makes it where it is missing; its parent must be there.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        match fs::create_dir(path) {
            Ok(()) => Ok(Self {
                path: path.into(),
                created: true,
                handle: OnceLock::new(),
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            Err(error) => Err(error),
        }
    }

    /// Opens a folder that must be there.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            path: path.into(),
            created: false,
            handle: OnceLock::new(),
        })
    }

    /// Whether opening it made it.
    pub fn was_created(&self) -> bool {
        self.created
    }

    /// Removes the folder itself if nothing lies in it.
    pub fn remove_if_empty(&self) -> bool {
        fs::remove_dir(&self.path).is_ok()
    }

    fn at(&self, name: &str) -> io::Result<PathBuf> {
        let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if plain {
            Ok(self.path.join(name))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} is not a plain file name"),
            ))
        }
    }
}

impl Destination for Folder {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // Of the entry itself: a link is no regular file.
            let metadata = entry.metadata()?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                size_bytes: metadata.is_file().then_some(metadata.len()),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let path = self.at(name)?;
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path)?;
                create()?
            }
            made => made?,
        };
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let path = self.at(name)?;
        // Looked at before opening: opening a pipe would wait for its other end.
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        Ok(Box::new(File::open(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from)?, self.at(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.at(name)?)
    }

    fn sync(&self) -> io::Result<()> {
        // Opened once: a backup asks for this after every name.
        let handle = match self.handle.get() {
            Some(handle) => handle,
            None => {
                let opened = File::open(&self.path)?;
                self.handle.get_or_init(|| opened)
            }
        };
        match handle.sync_all() {
            // Some file systems cannot sync a folder (vfat on old kernels, some
            // network shares) and say EINVAL; there is nothing more to ask for.
            Err(error) if error.raw_os_error() == Some(22) => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("../x")]
    #[case("a/b")]
    #[case("/x")]
    #[case("..")]
    #[case(".")]
    #[case("")]
    fn a_name_never_leads_out(#[case] name: &str) {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("x"), b"mine").unwrap();
        let folder = Folder::open_or_create(&outer.path().join("inner")).unwrap();
        assert!(folder.create(name).is_err());
        assert!(folder.open(name).is_err());
        assert!(folder.remove(name).is_err());
        assert!(folder.rename(name, "y").is_err());
        assert_eq!(std::fs::read(outer.path().join("x")).unwrap(), b"mine");
    }

    #[test]
    fn a_link_is_neither_written_nor_read_through() {
        let outer = tempfile::tempdir().unwrap();
        let target = outer.path().join("target");
        std::fs::write(&target, b"mine").unwrap();
        let folder = Folder::open_or_create(&outer.path().join("inner")).unwrap();
        std::os::unix::fs::symlink(&target, outer.path().join("inner/mtd0.bin.part")).unwrap();
        assert_eq!(folder.list().unwrap()[0].size_bytes, None);
        assert!(folder.open("mtd0.bin.part").is_err());
        let mut file = folder.create("mtd0.bin.part").unwrap();
        file.write_all(b"new").unwrap();
        file.sync().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"mine");
        assert_eq!(folder.list().unwrap()[0].size_bytes, Some(3));
        folder.sync().unwrap();
    }

    #[test]
    fn only_a_folder_that_was_missing_counts_as_created() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("new");
        assert!(Folder::open_or_create(&path).unwrap().was_created());
        assert!(!Folder::open_or_create(&path).unwrap().was_created());
        assert!(Folder::open_or_create(&path.join("a/b")).is_err());
    }
}
