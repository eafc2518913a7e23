//! A tar of a backup, or of a capture, as the folder that it stands for: only to be read.
//!
//! Invariants: only names that a backup or a capture uses are taken, each once, and only plain
//! files; no path is ever made from a name. A common folder around all members, as
//! whoever packs a folder makes it, is taken off. What reaches past the archive's end
//! is an error.

use super::buffer::read_full;
use super::capture_format::{MD5_SUMS, RECORD, TABLE};
use super::contents::script_image;
use super::directory::{Directory, Entry, FileId, NewFile};
use super::manifest::{INDEX, MANIFEST, SUMS};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// Why a file is no tar of a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TarError {
    /// The system's answer.
    #[error("cannot read {archive}: {source}")]
    Read {
        /// The archive.
        archive: String,
        /// The system's answer.
        source: io::Error,
    },
    /// What comes as a stream cannot be stored.
    #[error("cannot store {archive} in {folder}: {source}")]
    NoRoom {
        /// The stream.
        archive: String,
        /// Where it was to be stored.
        folder: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Not a tar at all, or none after some members.
    #[error("{archive} is no tar, or torn: {why}")]
    Torn {
        /// The archive.
        archive: String,
        /// What is wrong, in words.
        why: String,
    },
    /// A member that no backup has.
    #[error("{archive} is no backup: it holds {member:?}{why}")]
    Foreign {
        /// The archive.
        archive: String,
        /// The member's name.
        member: String,
        /// What is wrong with it, as a sentence's end.
        why: &'static str,
    },
}

/// How much of a stream is stored at once.
const PIECE_BYTES: usize = 64 << 10;

/// A file in the archive.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    offset_bytes: u64,
    size_bytes: u64,
}

/// A backup's tar.
#[derive(Debug)]
pub(crate) struct TarFolder {
    name: String,
    file: Arc<File>,
    /// Sorted by name.
    members: Vec<Member>,
}

impl TarFolder {
    /// A tar in a file.
    ///
    /// # Errors
    /// [`TarError`].
    pub(crate) fn open(path: &Path) -> Result<Self, TarError> {
        let name = path.display().to_string();
        let opened = File::open(path);
        let file = opened.map_err(|source| read_error(&name, source))?;
        Self::of(name, file)
    }

    /// Whether a file begins as a tar does.
    pub(crate) fn is_one(path: &Path) -> bool {
        let mut magic = [0; 5];
        let read = File::open(path).and_then(|file| file.read_exact_at(&mut magic, 257));
        read.is_ok() && &magic == b"ustar"
    }

    /// A tar from a stream. It is stored first in a file without a name in `folder`, of
    /// which nothing stays: who reads a stream cannot go back to what came first.
    ///
    /// # Errors
    /// [`TarError`].
    pub(crate) fn spool(
        stream: &mut dyn Read,
        name: &str,
        folder: &Path,
    ) -> Result<Self, TarError> {
        let no_room = |source| TarError::NoRoom {
            archive: name.into(),
            folder: folder.display().to_string(),
            source,
        };
        let mut file = tempfile::tempfile_in(folder).map_err(no_room)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = read_full(stream, &mut piece).map_err(|error| read_error(name, error))?;
            if count == 0 {
                break;
            }
            file.write_all(&piece[..count]).map_err(no_room)?;
        }
        Self::of(name.to_owned(), file)
    }

    fn of(name: String, file: File) -> Result<Self, TarError> {
        let mut head = [0; 6];
        let got = file.read_at(&mut head, 0);
        let got = got.map_err(|source| read_error(&name, source))?;
        if let Some(packed) = packed_with(&head[..got]) {
            return Err(TarError::Torn {
                why: format!("it is compressed: unpack it first, with {packed}"),
                archive: name,
            });
        }
        let members = members(&name, &file)?;
        Ok(Self {
            name,
            file: Arc::new(file),
            members,
        })
    }

    /// Whether it is of a capture: a record, and no manifest.
    pub(crate) fn is_capture(&self) -> bool {
        let has = |name| self.member(name).is_ok();
        !has(MANIFEST) && (has(TABLE) || has(RECORD))
    }

    fn member(&self, name: &str) -> io::Result<&Member> {
        let at = self
            .members
            .binary_search_by(|member| member.name.as_str().cmp(name));
        at.map(|at| &self.members[at])
            .map_err(|_| io::ErrorKind::NotFound.into())
    }
}

fn read_error(archive: &str, source: io::Error) -> TarError {
    TarError::Read {
        archive: archive.into(),
        source,
    }
}

/// The program that unpacks what begins so.
fn packed_with(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "gunzip"),
        (b"BZh", "bunzip2"),
        (b"\xfd7zXZ\0", "unxz"),
        (b"\x28\xb5\x2f\xfd", "unzstd"),
    ];
    known
        .into_iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, program)| program)
}

fn members(archive: &str, file: &File) -> Result<Vec<Member>, TarError> {
    let length_bytes = file
        .metadata()
        .map_err(|source| read_error(archive, source))?
        .len();
    let torn = |why: String| TarError::Torn {
        archive: archive.into(),
        why,
    };
    let at = Positioned { file, at: 0 };
    let mut reader = tar::Archive::new(at);
    let entries = reader.entries_with_seek();
    let entries = entries.map_err(|error| torn(error.to_string()))?;
    let mut members = BTreeMap::new();
    let mut around = None;
    for entry in entries {
        let entry = entry.map_err(|error| torn(error.to_string()))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        let foreign = |why| TarError::Foreign {
            archive: archive.into(),
            member: path.clone(),
            why,
        };
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if !is_known(name) {
            return Err(foreign(", which no backup has"));
        }
        if !kind.is_file() {
            return Err(foreign(", which is no plain file"));
        }
        if around.get_or_insert_with(|| folder.to_owned()) != folder {
            return Err(foreign(", and others in another folder"));
        }
        if members.contains_key(name) {
            return Err(foreign(" twice"));
        }
        let member = Member {
            name: name.into(),
            offset_bytes: entry.raw_file_position(),
            size_bytes: entry.size(),
        };
        let end_bytes = member.offset_bytes.checked_add(member.size_bytes);
        if end_bytes.is_none_or(|end| end > length_bytes) {
            return Err(torn(format!("it was cut off in {name}")));
        }
        members.insert(member.name.clone(), member);
    }
    if members.is_empty() {
        return Err(torn("there is no file in it".into()));
    }
    Ok(members.into_values().collect())
}

/// The names that files of a backup have, and those of a capture.
fn is_known(name: &str) -> bool {
    let texts = [MANIFEST, SUMS, INDEX, TABLE, RECORD, MD5_SUMS];
    texts.contains(&name) || script_image(name).is_some()
}

/// A file that is read at a place of its own, so that several can read one.
struct Positioned<F> {
    file: F,
    at: u64,
}

impl Read for Positioned<&File> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buf, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl io::Seek for Positioned<&File> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
            io::SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// A member that is being read.
struct Reading {
    file: Arc<File>,
    at: u64,
    left_bytes: u64,
}

impl Read for Reading {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left_bytes).unwrap_or(usize::MAX);
        let length = length.min(buf.len());
        let count = self.file.read_at(&mut buf[..length], self.at)?;
        self.at += count as u64;
        self.left_bytes -= count as u64;
        Ok(count)
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

impl Directory for TarFolder {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn was_created(&self) -> bool {
        false
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let entry = |member: &Member| Entry {
            name: member.name.clone(),
            size_bytes: Some(member.size_bytes),
        };
        Ok(self.members.iter().map(entry).collect())
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn NewFile>> {
        Err(read_only())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let member = self.member(name)?;
        Ok(Box::new(Reading {
            file: Arc::clone(&self.file),
            at: member.offset_bytes,
            left_bytes: member.size_bytes,
        }))
    }

    fn id(&self, name: &str) -> io::Result<FileId> {
        let member = self.member(name)?;
        Ok(FileId {
            device: 0,
            inode: member.offset_bytes,
            size_bytes: member.size_bytes,
        })
    }

    fn forget(&self, _: &str) {}

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
