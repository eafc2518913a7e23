//! Where the files of a backup lie, as those see it who write and who read them, so that
//! tests can stand between them and the folder. Names are plain file names.

use std::io::{self, Read, Write};

/// One thing that lies in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name. One that is not UTF-8 is shown with escapes.
    pub(crate) name: String,
    /// Its length in bytes, where it is a regular file with a name in UTF-8; none
    /// for anything else, which is never a backup's.
    pub(crate) size_bytes: Option<u64>,
}

/// The entry of that name in a list that is sorted by name, of which a folder may
/// have tens of thousands.
pub(crate) fn named<'a>(sorted: &'a [Entry], name: &str) -> Option<&'a Entry> {
    let at = sorted.binary_search_by(|entry| {
        #[cfg(test)]
        super::calls::faults::looked_at();
        entry.name.as_str().cmp(name)
    });
    at.ok().map(|at| &sorted[at])
}

/// What tells a file from every other of its file system, as long as it is open;
/// afterwards its numbers may go to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    /// The file system's number.
    pub(crate) device: u64,
    /// The file's own.
    pub(crate) inode: u64,
    /// Its length, which a file that is written to the end keeps.
    pub(crate) size_bytes: u64,
}

/// What the files of a backup lie in: a folder, a tar, or what a test puts there.
pub(crate) trait Directory: Sync {
    /// The folder, as messages call it.
    fn describe(&self) -> String;
    /// Whether it was made for the backup that goes there, so that whoever removes the
    /// backup may remove it as well.
    fn was_created(&self) -> bool;
    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
    /// What lies there, sorted by name.
    fn list(&self) -> io::Result<Vec<Entry>>;
    /// Makes a new, empty file for writing; an older file of that name goes.
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>>;
    /// Opens a file to go on behind its first `keep_bytes`; what is behind them goes.
    /// Not every directory can.
    #[cfg(feature = "full")]
    fn append(&self, name: &str, keep_bytes: u64) -> io::Result<Box<dyn NewFile>> {
        let _ = (name, keep_bytes);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;
    /// Which file has a name now; of a link, the link itself.
    fn id(&self, name: &str) -> io::Result<FileId>;
    /// Asks that the file is read from the medium the next time, and not from what
    /// the system keeps of it in memory; as far as that can be had.
    fn forget(&self, name: &str);
    /// Gives a file another name in one step, in place of an older file there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when names made, changed and removed so far are on the medium.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is being written.
pub(crate) trait NewFile: Write + Send {
    /// Returns when all that was written is on the medium.
    fn sync(&mut self) -> io::Result<()>;
    /// Which file it is.
    fn id(&self) -> io::Result<FileId>;
}
