//! Compares the flash with the backup, erase block by erase block.
//!
//! Invariants: nothing is changed. An image's bytes are digested on the way, so that what
//! is planned is what the manifest has a digest of.

use super::blocks::{self, Need, Route};
use super::crippled::{Crippled, lacks};
use super::error::{Obstacle, RestoreError};
use super::flash::{self, Source};
use super::journal::{Journal, Kept};
use super::plan::{PlannedBlock, PlannedPartition};
use crate::backup::{BackupError, Digests, Directory, Finding, Image, Work, sha256_of};
use crate::mtd::{MtdBackend, MtdInfo, MtdRead};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What a survey looks at.
pub(super) struct Survey<'a> {
    pub(super) backend: &'a dyn MtdBackend,
    pub(super) backup: &'a dyn Directory,
    pub(super) journal: Option<&'a Journal<'a>>,
    pub(super) in_hand: &'a [Kept],
    /// The backup is not read: the flash's bytes are digested, and all of them are right
    /// or none. Only for images of which a digest tells all.
    pub(super) digests_flash: bool,
    pub(super) work: &'a Work<'a>,
}

/// Two buffers of an erase block.
#[derive(Default)]
pub(super) struct Pair {
    pub(super) old: Vec<u8>,
    pub(super) wanted: Vec<u8>,
}

impl Pair {
    /// Both as large as that.
    pub(super) fn of(bytes: usize) -> Result<Self, Box<RestoreError>> {
        Ok(Self {
            old: buffer(bytes)?,
            wanted: buffer(bytes)?,
        })
    }
}

/// A buffer whose memory is there.
pub(super) fn buffer(bytes: usize) -> Result<Vec<u8>, Box<RestoreError>> {
    let mut buffer = Vec::new();
    let reserved = buffer.try_reserve_exact(bytes);
    reserved.map_err(|_| BackupError::NoMemory { bytes })?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}

impl Survey<'_> {
    /// What a partition needs; whether it can be written is decided before.
    pub(super) fn partition(
        &self,
        device: &MtdInfo,
        image: &Image,
        route: Result<Route, Obstacle>,
    ) -> Result<PlannedPartition, Box<RestoreError>> {
        let (route, obstacle) = match route {
            Ok(route) => (route, None),
            Err(obstacle) => (Route::own(device), Some(obstacle)),
        };
        let mut open = self.backend.open(&route.device)?;
        let obstacle = obstacle.or_else(|| {
            let pages = open.info().bit_writeable == Some(false);
            pages.then_some(Obstacle::NotBitwise)
        });
        let obstacle = obstacle.or_else(|| {
            let fixed = open.info().writeable == Some(false);
            fixed.then_some(Obstacle::ReadOnly)
        });
        let mut planned = PlannedPartition {
            device: device.clone(),
            same: 0,
            program: 0,
            erase: 0,
            locked: 0,
            bytes: 0,
            unknown_bytes: image.unreadable_bytes(),
            stays: obstacle.map(|obstacle| (obstacle, 0)),
            timing: route.device.timing,
            image: image.clone(),
            headers: Vec::new(),
            blocks: Vec::new(),
            route,
        };
        self.compare(&mut *open, &mut planned)?;
        Ok(planned)
    }

    fn compare(
        &self,
        open: &mut dyn MtdRead,
        planned: &mut PlannedPartition,
    ) -> Result<(), Box<RestoreError>> {
        let image = planned.image.clone();
        let ranges = planned.route.blocks(image.size_bytes);
        let longest = ranges.iter().map(|range| range.end - range.start).max();
        let mut pair = Pair::of(longest.unwrap_or(0) as usize)?;
        let is_digested = cfg!(feature = "full") && self.digests_flash;
        let mut source = (!is_digested).then(|| {
            // The medium is to be proven, not what the system remembers of it.
            self.backup.forget(&image.file);
            Source::new(self.backup, &image.file)
        });
        let mut digests = image.digests().map(Digests::new);
        for range in &ranges {
            if self.work.interrupt.load(Ordering::Relaxed) {
                return Err(BackupError::Interrupted.into());
            }
            let (within, at) = planned.route.share(range, image.size_bytes);
            let length = (range.end - range.start) as usize;
            let (old, wanted) = (&mut pair.old[..length], &mut pair.wanted[..length]);
            let kept = self.kept(planned, range);
            let read = self.old_bytes(open, planned, range, kept, old)?;
            if source.is_none() || within.len() < length {
                wanted.copy_from_slice(old);
            }
            if let Some(source) = &mut source {
                source.read(at, &mut wanted[within.clone()])?;
            }
            if let Some(digests) = &mut digests {
                digests.update(&wanted[within.clone()]);
            }
            blocks::keep_unknown(wanted, old, &within, at, &image.unreadable);
            let need = match kept.is_some() || !read {
                true => Need::Erase,
                false => blocks::need(old, wanted),
            };
            let block = PlannedBlock {
                offset_bytes: range.start,
                wanted: [0; 32],
                in_hand: kept.is_some(),
                is_unreadable: !read,
                is_locked: false,
            };
            planned.note(open, block, need, old, wanted);
            self.work.observer.progress(within.len() as u64);
        }
        let values = digests.map(Digests::finish);
        let agrees = values.is_some_and(|values| image.has(&values));
        match agrees {
            true => Ok(()),
            false => Err(RestoreError::NotRight {
                folder: self.backup.describe(),
                finding: Finding::damaged(&image).message(),
            }
            .into()),
        }
    }

    /// The old bytes that an earlier run kept of this erase block.
    fn kept(&self, planned: &PlannedPartition, range: &Range<u64>) -> Option<&Kept> {
        self.in_hand.iter().find(|kept| {
            planned.stays.is_none()
                && !lacks(Crippled::TrustsReading)
                && kept.mtd == planned.route.device.index.0
                && kept.offset_bytes == range.start
        })
    }

    /// What an erase block held before anything was restored; false where it cannot be
    /// read and the backup has all of it.
    fn old_bytes(
        &self,
        open: &mut dyn MtdRead,
        planned: &PlannedPartition,
        range: &Range<u64>,
        kept: Option<&Kept>,
        old: &mut [u8],
    ) -> Result<bool, Box<RestoreError>> {
        if let (Some(kept), Some(journal)) = (kept, self.journal) {
            return journal.old_bytes(kept, old).map(|()| true);
        }
        let Err(error) = flash::read(open, range.start, old) else {
            return Ok(true);
        };
        let (within, at) = planned.route.share(range, planned.image.size_bytes);
        let end = at + within.len() as u64;
        let mut holes = planned.image.unreadable.iter();
        let is_whole = within.len() == old.len()
            && !holes.any(|hole| {
                blocks::overlap(
                    &(at..end),
                    &(hole.offset_bytes..hole.offset_bytes + hole.length_bytes),
                )
            });
        match (planned.stays.is_some(), is_whole) {
            (true, _) => Err(error.into()),
            (false, true) => Ok(false),
            (false, false) => Err(RestoreError::LostPart {
                partition: planned.device.id(),
                offset_bytes: range.start,
            }
            .into()),
        }
    }
}

impl PlannedPartition {
    fn note(
        &mut self,
        open: &mut dyn MtdRead,
        block: PlannedBlock,
        need: Need,
        old: &[u8],
        wanted: &[u8],
    ) {
        if need == Need::Nothing {
            self.same += 1;
            return;
        }
        if let Some((_, differ)) = &mut self.stays {
            *differ += 1;
            return;
        }
        let cells = match need {
            Need::Program => {
                self.program += 1;
                Some(old)
            }
            _ => {
                self.erase += 1;
                None
            }
        };
        let pieces = blocks::pieces(cells, wanted);
        self.bytes += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let locked = open.is_locked(block.offset_bytes, wanted.len() as u64);
        let is_locked = locked == Some(true);
        self.locked += u64::from(is_locked);
        self.blocks.push(PlannedBlock {
            wanted: sha256_of(wanted),
            is_locked,
            ..block
        });
    }
}
