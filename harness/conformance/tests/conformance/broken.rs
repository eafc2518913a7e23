//! A target that tells one lie, to see that the comparison finds it.

use mtd_conformance::in_process::InProcess;
use mtd_conformance::{Argument, Fd, Look, NodeKind, OpenRequest, Target};
use mtd_harness::Errno;

/// What it gets wrong; each is what some stand-in for MTD does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: only looks on.
    None,
    /// EINVAL instead of 0 beyond the end.
    ReadPastTheEndFails,
    /// A read leaves the position where it was.
    ReadMovesNothing,
    /// A pread moves the position.
    PositionalReadMoves,
    /// 0 instead of ENOSPC beyond the end.
    WritePastTheEndIsShort,
    /// EROFS instead of EACCES when a read-only device is opened for writing.
    ReadOnlyIsErofs,
    /// Opening a read-only device for writing works.
    EverythingOpensForWriting,
    /// EINVAL instead of ENOTTY.
    UnknownIoctlIsEinval,
    /// MEMERASE says 0 and does nothing.
    EraseDoesNothing,
    /// fsync on a character node works.
    FsyncSucceeds,
    /// Positions beyond the end are legal, as in a file.
    SeekBeyondTheEnd,
    /// An attribute's text without its newline.
    NameWithoutNewline,
    /// fstat of a node tells a size.
    NodesHaveASize,
    /// mknod on an existing path works.
    MknodReplaces,
}

/// MEMERASE and MEMERASE64, on every machine with this numbering of ioctls.
const ERASE_COMMANDS: [u32; 2] = [0x4008_4d02, 0x4010_4d14];

pub struct Broken {
    inner: InProcess,
    lie: Lie,
    /// Whether the lie was told at least once.
    pub told: bool,
    /// Paths that were opened for writing, or tried to.
    pub opened_for_writing: Vec<String>,
}

impl Broken {
    pub fn new(inner: InProcess, lie: Lie) -> Self {
        Self {
            inner,
            lie,
            told: false,
            opened_for_writing: Vec::new(),
        }
    }

    /// Whether to lie now: `here` is the place for `lie`.
    fn lies(&mut self, lie: Lie, here: bool) -> bool {
        let lies = self.lie == lie && here;
        self.told |= lies;
        lies
    }
}

impl Target for Broken {
    fn pointer_bytes(&self) -> usize {
        self.inner.pointer_bytes()
    }

    fn open(&mut self, path: &str, request: &OpenRequest) -> Result<Fd, Errno> {
        if request.write {
            self.opened_for_writing.push(path.into());
        }
        let answer = self.inner.open(path, request);
        let refused = answer == Err(Errno::ACCESS);
        if self.lies(Lie::ReadOnlyIsErofs, refused) {
            return Err(Errno::ROFS);
        }
        if self.lies(Lie::EverythingOpensForWriting, refused) {
            let request = OpenRequest {
                read: true,
                write: false,
                flags: Vec::new(),
            };
            return self.inner.open(path, &request);
        }
        answer
    }

    fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        self.inner.close(fd)
    }

    fn read(&mut self, fd: Fd, buf: &mut [u8], offset: Option<i64>) -> Result<usize, Errno> {
        let before = self.inner.seek(fd, 1, 0)?;
        let answer = self.inner.read(fd, buf, offset);
        let moved = offset.is_none() && answer.is_ok_and(|count| count > 0 && count < 1000);
        let positional = offset.is_some() && answer.is_ok_and(|count| count > 0);
        let nothing = offset.is_some() && !buf.is_empty() && answer == Ok(0);
        if self.lies(Lie::ReadMovesNothing, moved) {
            self.inner.seek(fd, 0, before as i64)?;
        }
        if self.lies(Lie::PositionalReadMoves, positional) {
            self.inner.seek(fd, 0, before as i64 + 1)?;
        }
        if self.lies(Lie::ReadPastTheEndFails, nothing) {
            return Err(Errno::INVAL);
        }
        answer
    }

    fn write(&mut self, fd: Fd, data: &[u8], offset: Option<i64>) -> Result<usize, Errno> {
        let answer = self.inner.write(fd, data, offset);
        match self.lies(Lie::WritePastTheEndIsShort, answer == Err(Errno::NOSPC)) {
            true => Ok(0),
            false => answer,
        }
    }

    fn seek(&mut self, fd: Fd, whence: i32, offset: i64) -> Result<u64, Errno> {
        let answer = self.inner.seek(fd, whence, offset);
        let beyond = whence == 0 && offset > 0 && answer == Err(Errno::INVAL);
        match self.lies(Lie::SeekBeyondTheEnd, beyond) {
            true => Ok(offset as u64),
            false => answer,
        }
    }

    fn ioctl(&mut self, fd: Fd, command: u32, argument: Argument<'_>) -> Result<i32, Errno> {
        let erases = ERASE_COMMANDS.contains(&command) && matches!(argument, Argument::Struct(_));
        if self.lies(Lie::EraseDoesNothing, erases) {
            return Ok(0);
        }
        let answer = self.inner.ioctl(fd, command, argument);
        match self.lies(Lie::UnknownIoctlIsEinval, answer == Err(Errno::NOTTY)) {
            true => Err(Errno::INVAL),
            false => answer,
        }
    }

    fn fsync(&mut self, fd: Fd) -> Result<(), Errno> {
        let answer = self.inner.fsync(fd);
        match self.lies(Lie::FsyncSucceeds, answer == Err(Errno::INVAL)) {
            true => Ok(()),
            false => answer,
        }
    }

    fn fdatasync(&mut self, fd: Fd) -> Result<(), Errno> {
        self.inner.fdatasync(fd)
    }

    fn sync(&mut self) {
        self.inner.sync();
    }

    fn ftruncate(&mut self, fd: Fd, length: i64) -> Result<(), Errno> {
        self.inner.ftruncate(fd, length)
    }

    fn fallocate(&mut self, fd: Fd, mode: i32, offset: i64, length: i64) -> Result<(), Errno> {
        self.inner.fallocate(fd, mode, offset, length)
    }

    fn fstat(&mut self, fd: Fd) -> Result<Look, Errno> {
        let look = self.inner.fstat(fd)?;
        let size_bytes = match self.lies(Lie::NodesHaveASize, true) {
            true => 1,
            false => look.size_bytes,
        };
        Ok(Look { size_bytes, ..look })
    }

    fn mknod(&mut self, path: &str, kind: NodeKind, major: u32, minor: u32) -> Result<(), Errno> {
        let answer = self.inner.mknod(path, kind, major, minor);
        match self.lies(Lie::MknodReplaces, answer == Err(Errno::EXIST)) {
            true => Ok(()),
            false => answer,
        }
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        self.inner.unlink(path)
    }

    fn text(&mut self, path: &str) -> Result<String, Errno> {
        let text = self.inner.text(path)?;
        match self.lies(Lie::NameWithoutNewline, path.ends_with("/name")) {
            true => Ok(text.trim_end().into()),
            false => Ok(text),
        }
    }
}
