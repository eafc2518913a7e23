//! One partition that is coming: how far it came, and what proves it.
//!
//! Invariants: its file holds whole erase blocks from the start on, without a gap; it is
//! called `.part` until the device's own digest, or a second pass, said what it is.

use super::asked::{Algorithm, Pass};
use crate::backup::digest::{DigestChoice, Digests, hex};
use crate::backup::manifest::{PART, image_file};
use crate::backup::{Directory, NewFile, read_full};
use crate::mtd::MtdInfo;
use md5::Digest as _;
use std::io::{self, Read, Write as _};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it came. Whether the flash gave the same bytes again, where that is known.
    Image {
        same: Option<bool>,
        digest: Option<(Algorithm, String)>,
    },
    Left(&'static str),
    Skipped,
}

/// What a device's proof came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proven {
    Same,
    /// Everything is to be sent anew.
    Again,
    /// For the second time: the flash changes while it is read.
    Differs,
}

pub(super) struct Coming {
    pub(super) info: MtdInfo,
    pub(super) fate: Option<Fate>,
    /// Offset and length of what could not be read, in bytes.
    pub(super) holes: Vec<(u64, u64)>,
    held_bytes: u64,
    out: Option<Box<dyn NewFile>>,
    second_bytes: u64,
    second_same: bool,
    stored: Option<Box<dyn Read + Send>>,
    /// It was sent anew already.
    is_anew: bool,
}

impl Coming {
    pub(super) fn new(info: MtdInfo, held_bytes: u64) -> Self {
        // A file that an earlier run left may end within a block.
        let torn = match held_bytes == info.size_bytes {
            true => 0,
            false => held_bytes % block_bytes(&info),
        };
        Self {
            held_bytes: held_bytes - torn,
            info,
            fate: None,
            holes: Vec::new(),
            out: None,
            second_bytes: 0,
            second_same: true,
            stored: None,
            is_anew: false,
        }
    }

    pub(super) fn file(&self) -> String {
        image_file(self.info.index)
    }

    fn part(&self) -> String {
        self.file() + PART
    }

    /// How much of it is there.
    pub(super) fn at(&self, pass: Pass) -> u64 {
        match pass {
            Pass::First => self.held_bytes,
            Pass::Second => self.second_bytes,
        }
    }

    /// Takes the next bytes; those that are there already are passed over, and what
    /// would leave a gap is refused by whoever calls.
    pub(super) fn put(
        &mut self,
        folder: &dyn Directory,
        pass: Pass,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let known = self.at(pass).saturating_sub(offset);
        let Some(bytes) = usize::try_from(known).ok().and_then(|at| bytes.get(at..)) else {
            return Ok(());
        };
        match pass {
            Pass::First => {
                self.open(folder)?.write_all(bytes)?;
                self.held_bytes += bytes.len() as u64;
            }
            Pass::Second => {
                let mut stored = vec![0; bytes.len()];
                let count = read_full(self.reader(folder)?, &mut stored)?;
                self.second_same &= count == bytes.len() && stored == bytes;
                self.second_bytes += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// What the device cannot read; zeros stand for it.
    pub(super) fn hole(
        &mut self,
        folder: &dyn Directory,
        pass: Pass,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let end = offset + length;
        let from = self.at(pass);
        let mut left = end.saturating_sub(from);
        if pass == Pass::Second {
            self.second_same &= left == 0;
        } else if left > 0 {
            match self.holes.last_mut() {
                Some((start, length)) if *start + *length == from => *length += left,
                _ => self.holes.push((from, left)),
            }
        }
        let zeros = [0; 4096];
        while left > 0 {
            let count = left.min(zeros.len() as u64);
            self.put(folder, pass, end - left, &zeros[..count as usize])?;
            left -= count;
        }
        Ok(())
    }

    fn open(&mut self, folder: &dyn Directory) -> io::Result<&mut Box<dyn NewFile>> {
        if self.out.is_none() {
            self.out = Some(match self.held_bytes {
                0 => folder.create(&self.part())?,
                held => folder.append(&self.part(), held)?,
            });
        }
        self.out.as_mut().ok_or_else(|| io::ErrorKind::Other.into())
    }

    fn reader(&mut self, folder: &dyn Directory) -> io::Result<&mut dyn Read> {
        if self.stored.is_none() {
            self.stored = Some(folder.open(&self.part())?);
        }
        match self.stored.as_deref_mut() {
            Some(stored) => Ok(stored),
            None => Err(io::ErrorKind::Other.into()),
        }
    }

    /// Whether all of it was sent in that pass.
    pub(super) fn is_whole(&self, pass: Pass) -> bool {
        self.at(pass) == self.info.size_bytes
    }

    /// Whether its device was told to send it anew, and has not begun.
    pub(super) fn is_to_come_anew(&self) -> bool {
        self.is_anew && self.held_bytes == 0
    }

    /// Compares what came with the digest that the device made of its flash.
    pub(super) fn prove(
        &mut self,
        folder: &dyn Directory,
        algorithm: Algorithm,
        theirs: &str,
    ) -> io::Result<Proven> {
        self.open(folder)?;
        let mut stored = folder.open(&self.part())?;
        let mut md5 = md5::Md5::default();
        let mut sha256 = Digests::new(DigestChoice::Sha256);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = read_full(stored.as_mut(), &mut buffer)?;
            match algorithm {
                Algorithm::Md5 => md5.update(&buffer[..count]),
                Algorithm::Sha256 => sha256.update(&buffer[..count]),
            }
            if count < buffer.len() {
                break;
            }
        }
        let ours = match algorithm {
            Algorithm::Md5 => hex(&md5.finalize()),
            Algorithm::Sha256 => sha256.finish().sha256.unwrap_or_default(),
        };
        let digest = Some((algorithm, theirs.to_ascii_lowercase()));
        let same = ours.eq_ignore_ascii_case(theirs);
        self.judge(folder, same, digest)
    }

    /// What the second pass came to.
    pub(super) fn twice(&mut self, folder: &dyn Directory) -> io::Result<Proven> {
        self.judge(folder, self.second_same, None)
    }

    fn judge(
        &mut self,
        folder: &dyn Directory,
        same: bool,
        digest: Option<(Algorithm, String)>,
    ) -> io::Result<Proven> {
        if !same && !self.is_anew {
            // What an earlier run left may be of another day; and bytes may have
            // changed on the way.
            let info = self.info.clone();
            *self = Self::new(info, 0);
            self.is_anew = true;
            return Ok(Proven::Again);
        }
        self.settle(folder, Some(same), digest.filter(|_| same))?;
        Ok(if same { Proven::Same } else { Proven::Differs })
    }

    /// Gives the file its name.
    pub(super) fn settle(
        &mut self,
        folder: &dyn Directory,
        same: Option<bool>,
        digest: Option<(Algorithm, String)>,
    ) -> io::Result<()> {
        self.open(folder)?.sync()?;
        (self.out, self.stored) = (None, None);
        folder.rename(&self.part(), &self.file())?;
        self.fate = Some(Fate::Image { same, digest });
        Ok(())
    }

    /// It does not come.
    pub(super) fn give_up(&mut self, folder: &dyn Directory, fate: Fate) -> io::Result<()> {
        (self.out, self.stored) = (None, None);
        self.fate = Some(fate);
        match folder.remove(&self.part()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// How much is stored at once: where a device stops in the middle of an erase block,
/// that one is sent anew.
pub(super) fn block_bytes(info: &MtdInfo) -> u64 {
    match info.erase_block_bytes {
        bytes @ 1..=0x10_0000 => bytes,
        _ => 64 << 10,
    }
}
