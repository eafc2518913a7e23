//! What an erase block held before it was written, kept in a file of its own.
//!
//! The file gets its name when all of it is on the medium, and only then the erase block
//! is touched; it goes when the erase block was read back and is right. So a file that is
//! there names an erase block that is neither surely old nor surely new.
//!
//! Invariants: the file's last bytes are the erase block's; they are read again, from the
//! medium as far as that can be had, before the name is given.
//!
//! Faults tolerated: a medium that is full, read-only, torn by a power cut or that stores
//! something else: each is an error before the erase block is touched.

use super::crippled::{Crippled, lacks};
use super::error::RestoreError;
use crate::backup::{Directory, read_full, sha256};
use crate::mtd::MtdIndex;
use std::io::{self, Read, Write as _};

/// Ends the names.
const OLD: &str = ".old";
/// Ends the name of a file that is being written.
const OLD_PART: &str = ".old.part";
/// No head of such a file is longer.
const HEAD_BYTES_MAX: usize = 1024;
/// What is wrong with a file that another device's restore left.
const OTHER_DEVICE: &str = "it is of another device, whose restore is not finished";
const TITLE: &str = "mtdkeep restore: what an erase block held before it was written";

/// An erase block whose old bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) file: String,
    /// N of mtdN, the device that is written.
    pub(crate) mtd: u32,
    /// Where it starts, in bytes of that device.
    pub(crate) offset_bytes: u64,
    pub(crate) length_bytes: u64,
    /// It was locked.
    pub(crate) is_locked: bool,
    /// Which device's it is: see [`Journal::identity`].
    identity: String,
    /// Of its old bytes.
    sha256: String,
    head_bytes: usize,
}

/// What an erase block held.
pub(crate) struct Old<'a> {
    pub(crate) bytes: &'a [u8],
    /// All of it could be read.
    pub(crate) is_whole: bool,
    pub(crate) is_locked: bool,
}

/// The files of erase blocks' old bytes, in a folder.
pub(crate) struct Journal<'a> {
    pub(crate) folder: &'a dyn Directory,
    /// What tells the device from another, as far as that is known: old bytes of one
    /// are never put into the other. The same in each run of the same command, also
    /// where that partition itself is restored.
    pub(crate) identity: &'a str,
}

/// Whether an erase block's old bytes lie in a folder.
pub(crate) fn has_old(folder: &dyn Directory) -> bool {
    let entries = folder.list().unwrap_or_default();
    entries.iter().any(|entry| entry.name.ends_with(OLD))
}

fn file_name(mtd: u32, offset_bytes: u64) -> String {
    format!("mtd{mtd}-{offset_bytes:#x}{OLD}")
}

/// The erase block of which a file of that name keeps old bytes; none where it is none of
/// ours, whatever else lies in the folder.
fn block_of(name: &str, end: &str) -> Option<(u32, u64)> {
    let (mtd, offset) = name.strip_suffix(end)?.split_once('-')?;
    let mtd = mtd.strip_prefix("mtd")?.parse().ok()?;
    let offset_bytes = u64::from_str_radix(offset.strip_prefix("0x")?, 16).ok()?;
    let same = format!(
        "{}{end}",
        file_name(mtd, offset_bytes).trim_end_matches(OLD)
    );
    (same == name).then_some((mtd, offset_bytes))
}

/// The head of a file: text, so that a person can use the file without this program.
fn head(mtd: u32, offset_bytes: u64, old: &Old<'_>, identity: &str) -> String {
    let unread = if old.is_whole {
        ""
    } else {
        "Not all of it could be read: 0 stands there.\n"
    };
    let locked = if old.is_locked { "locked\n" } else { "" };
    format!(
        "{TITLE}.\nIts {length} bytes follow the empty line, to the end of this file:\n\
         tail -c {length} FILE. Run the same restore again before you remove it.\n\
         {unread}mtd {mtd}\noffset {offset_bytes}\nlength {length}\nsha256 {digest}\n\
         device {identity}\n{locked}\n",
        length = old.bytes.len(),
        digest = sha256(old.bytes),
    )
}

/// What a head says; none where it is not whole.
fn parse(file: &str, bytes: &[u8]) -> Option<Kept> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let number = |name| field(name)?.parse::<u64>().ok();
    text.starts_with(TITLE).then_some(Kept {
        file: file.to_owned(),
        mtd: number("mtd ")?.try_into().ok()?,
        offset_bytes: number("offset ")?,
        length_bytes: number("length ")?,
        is_locked: text.ends_with("\nlocked"),
        identity: field("device ")?.to_owned(),
        sha256: field("sha256 ")?.to_owned(),
        head_bytes: end + 2,
    })
}

impl Journal<'_> {
    fn failed(&self, operation: &'static str, file: &str, source: io::Error) -> Box<RestoreError> {
        Box::new(RestoreError::Journal {
            operation,
            file: file.to_owned(),
            folder: self.folder.describe(),
            source,
        })
    }

    fn bad(&self, file: &str, what: &str) -> Box<RestoreError> {
        Box::new(RestoreError::BadKept {
            file: file.to_owned(),
            folder: self.folder.describe(),
            what: what.to_owned(),
        })
    }

    /// Where a file is, for a person.
    pub(crate) fn place(&self, file: &str) -> String {
        format!("{}/{file}", self.folder.describe())
    }

    /// The erase blocks that an earlier run had in hand.
    pub(crate) fn in_hand(&self) -> Result<Vec<Kept>, Box<RestoreError>> {
        let entries = self.folder.list();
        let entries = entries.map_err(|error| self.failed("cannot list", "the files", error))?;
        let mut found = Vec::new();
        if lacks(Crippled::ForgetsEarlierRuns) {
            return Ok(found);
        }
        for entry in &entries {
            let Some(block) = block_of(&entry.name, OLD) else {
                continue;
            };
            let mut bytes = [0; HEAD_BYTES_MAX];
            let mut file = self.open(&entry.name)?;
            let count = read_full(&mut *file, &mut bytes)
                .map_err(|error| self.failed("cannot read", &entry.name, error))?;
            let kept = parse(&entry.name, &bytes[..count])
                .filter(|kept| (kept.mtd, kept.offset_bytes) == block);
            let kept = kept.ok_or_else(|| self.bad(&entry.name, "it is torn, or no such file"))?;
            if kept.identity != self.identity {
                return Err(self.bad(&entry.name, OTHER_DEVICE));
            }
            found.push(kept);
        }
        Ok(found)
    }

    fn open(&self, file: &str) -> Result<Box<dyn Read + Send>, Box<RestoreError>> {
        let opened = self.folder.open(file);
        opened.map_err(|error| self.failed("cannot open", file, error))
    }

    /// The old bytes of an erase block, all of them and right.
    pub(crate) fn old_bytes(&self, kept: &Kept, buf: &mut [u8]) -> Result<(), Box<RestoreError>> {
        let mut file = self.open(&kept.file)?;
        let is_right = |bytes: &[u8]| sha256(bytes) == kept.sha256;
        self.read(kept, &mut *file, buf, &is_right)
            .map_err(|error| self.failed("cannot read", &kept.file, error))?
            .map_err(|what| self.bad(&kept.file, what))
    }

    fn read(
        &self,
        kept: &Kept,
        file: &mut dyn Read,
        buf: &mut [u8],
        is_right: &dyn Fn(&[u8]) -> bool,
    ) -> io::Result<Result<(), &'static str>> {
        let mut head = [0; HEAD_BYTES_MAX];
        read_full(file, &mut head[..kept.head_bytes.min(HEAD_BYTES_MAX)])?;
        Ok(if kept.length_bytes != buf.len() as u64 {
            Err("it is of another erase-block size")
        } else if read_full(file, buf)? != buf.len() || read_full(file, &mut [0])? != 0 {
            Err("its length is wrong")
        } else if !is_right(buf) {
            Err("its bytes are not those that were kept")
        } else {
            Ok(())
        })
    }

    /// Keeps an erase block's old bytes: when this returns they are on the medium.
    /// `check` is of the same length.
    pub(crate) fn keep(
        &self,
        index: MtdIndex,
        offset_bytes: u64,
        old: &Old<'_>,
        check: &mut [u8],
    ) -> Result<Kept, Box<RestoreError>> {
        let name = file_name(index.0, offset_bytes);
        let part = format!("{}{OLD_PART}", name.trim_end_matches(OLD));
        let head = head(index.0, offset_bytes, old, self.identity);
        let kept = parse(&name, head.as_bytes())
            .ok_or_else(|| self.bad(&name, "its head cannot be written so"))?;
        if lacks(Crippled::KeepsNothing) {
            return Ok(kept);
        }
        let written = (|| {
            let mut file = self.folder.create(&part)?;
            file.write_all(head.as_bytes())?;
            file.write_all(old.bytes)?;
            file.sync()?;
            drop(file);
            self.folder.forget(&part);
            let mut file = self.folder.open(&part)?;
            let read = self.read(&kept, &mut *file, check, &|bytes| bytes == old.bytes)?;
            read.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))?;
            self.folder.rename(&part, &name)?;
            self.folder.sync()
        })();
        written.map_err(|error| {
            // Neither name is of use: the erase block was not touched.
            for file in [&part, &name] {
                let _ = self.folder.remove(file);
            }
            self.failed("cannot keep an erase block's old bytes as", &name, error)
        })?;
        Ok(kept)
    }

    /// Marks an erase block as right: its old bytes go.
    pub(crate) fn mark(&self, file: &str) -> Result<(), Box<RestoreError>> {
        if lacks(Crippled::KeepsNothing) {
            return Ok(());
        }
        self.folder
            .remove(file)
            .and_then(|()| self.folder.sync())
            .map_err(|error| self.failed("cannot remove", file, error))
    }

    /// Removes what a run that was cut off had not finished writing.
    pub(crate) fn tidy(&self) {
        let entries = self.folder.list().unwrap_or_default();
        let is_ours = |name: &str| block_of(name, OLD_PART).is_some();
        for entry in entries.iter().filter(|entry| is_ours(&entry.name)) {
            // It is of no use, and of no harm.
            let _ = self.folder.remove(&entry.name);
        }
    }
}
