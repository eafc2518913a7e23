//! A folder of the tests with somebody in between, who notes what is asked of it and does
//! something behind each renaming.

use super::directory::{Directory, Entry, FileId, NewFile};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

/// What is done behind a renaming, with the file's new name.
type AfterRename<'a> = &'a (dyn Fn(&str) + Sync);

/// The folder behind it does what it does; names made, changed and removed are noted.
pub(super) struct Between<'a> {
    folder: &'a dyn Directory,
    asked: Mutex<Vec<String>>,
    after_rename: AfterRename<'a>,
}

impl<'a> Between<'a> {
    pub(super) fn new(folder: &'a dyn Directory, after_rename: AfterRename<'a>) -> Self {
        Self {
            folder,
            asked: Mutex::default(),
            after_rename,
        }
    }

    /// What was asked so far, as `remove mtd0.bin`.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, what: String) {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Directory for Between<'_> {
    fn describe(&self) -> String {
        self.folder.describe()
    }
    fn was_created(&self) -> bool {
        self.folder.was_created()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.folder.free_bytes()
    }
    fn list(&self) -> io::Result<Vec<Entry>> {
        self.folder.list()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        self.folder.create(name)
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.folder.open(name)
    }
    fn id(&self, name: &str) -> io::Result<FileId> {
        self.folder.id(name)
    }
    fn forget(&self, name: &str) {
        self.folder.forget(name);
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.note(format!("rename {from} {to}"));
        self.folder.rename(from, to)?;
        (self.after_rename)(to);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.note(format!("remove {name}"));
        self.folder.remove(name)
    }
    fn sync(&self) -> io::Result<()> {
        self.note("sync".into());
        self.folder.sync()
    }
}
