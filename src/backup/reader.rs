//! Reads an MTD device from front to back, past read errors.
//!
//! Invariants: the stream is exactly as long as the layout says; a byte is either
//! what the device gave, or 0xFF inside a recorded unreadable range; memory does
//! not grow with the device (but for one record per group of neighbouring
//! unreadable erase blocks).
//!
//! Faults tolerated: short reads; interrupted reads, unless somebody asked to stop
//! ([`Stop`]); read errors that go away when tried again; read errors that stay
//! (their erase block is given up, nothing else); a device that ends early (what
//! came before its end counts, and what follows is not asked for again).

use super::error::BackupError;
use super::manifest::Unreadable;
use crate::mtd::{Errno, MtdError, MtdErrorKind, MtdRead};
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a piece is read before it is given up.
const TRIES: u32 = 3;

/// How many interruptions in a row are taken for what signals do; a device that
/// answers nothing else is as good as one that cannot be read.
const INTERRUPTIONS: u32 = 1000;

/// Who may ask for an end before the end.
#[derive(Clone, Copy)]
pub(crate) struct Stop<'a> {
    /// The user.
    pub(crate) interrupt: &'a AtomicBool,
    /// Another worker, that failed.
    pub(crate) failed: Option<&'a AtomicBool>,
}

impl Stop<'_> {
    /// An error as soon as somebody asked.
    pub(crate) fn check(&self) -> Result<(), Box<BackupError>> {
        let asked = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        match asked(self.interrupt) || self.failed.is_some_and(asked) {
            true => Err(BackupError::Interrupted.into()),
            false => Ok(()),
        }
    }
}

/// The stream of one device.
pub(crate) struct Reader<'a> {
    device: &'a mut dyn MtdRead,
    stop: Stop<'a>,
    size_bytes: u64,
    so_far: Progress,
}

/// How far a stream came, to go on with another reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Where the next piece starts.
    pub(crate) position_bytes: u64,
    recovered: u64,
    /// The device ended here, before its size.
    pub(crate) ended_early: bool,
    /// What could not be read, in order, neighbours with a read error joined.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Progress {
    /// Nothing read yet, and not from the start.
    pub(crate) fn at(position_bytes: u64) -> Self {
        Self {
            position_bytes,
            ..Self::default()
        }
    }
}

/// Why a piece of flash was not read.
enum Failure {
    Error(MtdError),
    /// The device ended at this offset.
    End(u64),
    /// Somebody asked for that.
    Stopped,
    /// The way to the device is gone, which says nothing of its flash.
    Gone(Box<MtdError>),
}

impl Failure {
    /// What ends the reading of the whole device, where this does.
    fn ends_all(self) -> Result<Self, Box<BackupError>> {
        match self {
            Self::Stopped => Err(BackupError::Interrupted.into()),
            Self::Gone(error) => Err((*error).into()),
            other => Ok(other),
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(device: &'a mut dyn MtdRead, stop: Stop<'a>) -> Self {
        Self::going_on(device, stop, Progress::default())
    }

    pub(crate) fn going_on(device: &'a mut dyn MtdRead, stop: Stop<'a>, so_far: Progress) -> Self {
        let size_bytes = device.info().size_bytes;
        Self {
            device,
            stop,
            size_bytes,
            so_far,
        }
    }

    pub(crate) fn into_progress(self) -> Progress {
        self.so_far
    }

    /// The next bytes of the stream, in `buf`; how many; 0 at the end. An error is
    /// [`BackupError::Interrupted`], where somebody asked to stop, or that the way to
    /// the device is gone ([`MtdErrorKind::Unreachable`]).
    ///
    /// A piece ends on an erase block's end where `buf` holds a whole erase
    /// block, so that an erase block that cannot be read is filled as a whole.
    /// Where `buf` is smaller, what is filled is the erase block's rest in reach.
    pub(crate) fn next(&mut self, buf: &mut [u8]) -> Result<usize, Box<BackupError>> {
        self.stop.check()?;
        let want = self.piece_bytes(buf.len());
        if want == 0 {
            return Ok(0);
        }
        let buf = &mut buf[..want];
        if self.so_far.ended_early {
            buf.fill(0xFF);
        } else {
            match self.read_piece(self.so_far.position_bytes, buf) {
                Ok(()) => {}
                Err((done, failure)) => {
                    failure.ends_all()?;
                    self.narrow_down(buf, done)?;
                }
            }
        }
        self.so_far.position_bytes += want as u64;
        Ok(want)
    }

    /// What could not be read, in order, neighbours with a read error joined.
    pub(crate) fn unreadable(&self) -> &[Unreadable] {
        &self.so_far.unreadable
    }

    pub(crate) fn into_unreadable(self) -> Vec<Unreadable> {
        self.so_far.unreadable
    }

    /// How many reads failed and then succeeded.
    pub(crate) fn recovered(&self) -> u64 {
        self.so_far.recovered
    }

    /// Whether the device goes on past the end that the layout gives.
    pub(crate) fn goes_on(&mut self) -> bool {
        // Any other error here says that there is nothing, as it should be.
        matches!(
            self.device.read_at(self.size_bytes, &mut [0]),
            Ok(1..) | Err(MtdError::GoesOn { .. })
        )
    }

    /// How many bytes the next piece has: as many whole erase blocks as fit.
    fn piece_bytes(&self, buf_bytes: usize) -> usize {
        let left = self.size_bytes - self.so_far.position_bytes;
        let reach = left.min(buf_bytes as u64);
        if reach == left || reach == 0 {
            return reach as usize;
        }
        let (start, _) = self
            .device
            .info()
            .erase_block_around(self.so_far.position_bytes + reach);
        // The erase block that does not fit as a whole waits for the next piece.
        let whole = start.saturating_sub(self.so_far.position_bytes);
        (if whole > 0 { whole } else { reach }) as usize
    }

    /// Reads all of `buf`, or tells how much of it was read before the failure.
    fn read_piece(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), (usize, Failure)> {
        let mut done = 0;
        let mut interruptions = 0;
        while done < buf.len() {
            let at = offset_bytes + done as u64;
            match self.device.read_at(at, &mut buf[done..]) {
                // A backend that breaks the contract must not keep us here.
                Ok(0) | Err(MtdError::EndedEarly { .. }) => return Err((done, Failure::End(at))),
                Ok(count) => (done, interruptions) = (done + count, 0),
                Err(error) if error.errno() == Some(Errno::INTR) => {
                    interruptions += 1;
                    if self.stop.check().is_err() {
                        return Err((done, Failure::Stopped));
                    }
                    if interruptions == INTERRUPTIONS {
                        return Err((done, Failure::Error(error)));
                    }
                }
                Err(error) if error.kind() == MtdErrorKind::Unreachable => {
                    return Err((done, Failure::Gone(Box::new(error))));
                }
                Err(error) => return Err((done, Failure::Error(error))),
            }
        }
        Ok(())
    }

    /// The piece at the current position failed after `done` bytes: goes on from
    /// that erase block, each one by itself.
    fn narrow_down(&mut self, buf: &mut [u8], done: usize) -> Result<(), Box<BackupError>> {
        let first = self.so_far.position_bytes;
        let mut at = self.block_within(done, buf.len()).0;
        let mut failed_before = true;
        while at < buf.len() {
            let end = self.block_within(at, buf.len()).1;
            match self.read_stubbornly(first + at as u64, &mut buf[at..end]) {
                Ok(tries) => self.so_far.recovered += u64::from(failed_before || tries > 1),
                Err(Failure::Error(error)) => {
                    buf[at..end].fill(0xFF);
                    self.record(first + at as u64, (end - at) as u64, error.to_string());
                }
                Err(Failure::End(end_bytes)) => {
                    buf[(end_bytes - first) as usize..].fill(0xFF);
                    self.end_early(end_bytes);
                    return Ok(());
                }
                Err(failure) => drop(failure.ends_all()?),
            }
            failed_before = false;
            at = end;
        }
        Ok(())
    }

    /// Start and end, within the piece, of the erase block at `at`.
    fn block_within(&self, at: usize, piece_bytes: usize) -> (usize, usize) {
        let first = self.so_far.position_bytes;
        let (start, length) = self.device.info().erase_block_around(first + at as u64);
        let end = (start + length).saturating_sub(first);
        (
            start.saturating_sub(first) as usize,
            end.min(piece_bytes as u64) as usize,
        )
    }

    /// Reads one erase block in up to [`TRIES`] tries; how many it took.
    fn read_stubbornly(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<u32, Failure> {
        let mut tries = 1;
        loop {
            match self.read_piece(offset_bytes, buf) {
                Ok(()) => return Ok(tries),
                Err((_, failure @ (Failure::Stopped | Failure::Gone(_)))) => return Err(failure),
                Err((_, failure)) if tries == TRIES => return Err(failure),
                Err(_) => tries += 1,
            }
        }
    }

    fn end_early(&mut self, end_bytes: u64) {
        self.so_far.ended_early = true;
        // By itself, whatever precedes it: it has another reason.
        self.so_far.unreadable.push(Unreadable {
            offset_bytes: end_bytes,
            length_bytes: self.size_bytes - end_bytes,
            reason: format!(
                "the device ends at {end_bytes:#x}, before the {:#x} bytes that its size promises",
                self.size_bytes
            ),
        });
    }

    fn record(&mut self, offset_bytes: u64, length_bytes: u64, reason: String) {
        if let Some(last) = self.so_far.unreadable.last_mut() {
            // Joined, so that a dead chip costs one record and not thousands.
            if last.offset_bytes + last.length_bytes == offset_bytes {
                last.length_bytes += length_bytes;
                return;
            }
        }
        self.so_far.unreadable.push(Unreadable {
            offset_bytes,
            length_bytes,
            reason,
        });
    }
}
