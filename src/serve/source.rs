//! One image that is served: from flash, or from a file of a backup.
//!
//! Nothing is read to be digested alone, as long as somebody fetches it: the digests
//! take the pieces as they are sent, in order, from whoever's connection comes to their
//! place first. Later readings are compared with the first by the quicker of the two
//! digests.

use crate::backup::digest::{DigestChoice, DigestValues, Digests};
use crate::backup::erased::Used;
use crate::backup::manifest::{Image, SecondReading, Unreadable, image_file};
use crate::backup::opening::Recognised;
use crate::backup::reader::{Progress, Reader, Stop};
use crate::backup::{BackupError, Work, finish};
use crate::mtd::{MtdInfo, MtdRead};

/// A reading under way.
struct Running {
    digests: Digests,
    used: Used,
    position_bytes: u64,
    unreadable: Vec<Unreadable>,
}

impl Running {
    fn new(choice: DigestChoice, size_bytes: u64) -> Self {
        Self {
            digests: Digests::new(choice),
            used: Used::new(size_bytes),
            position_bytes: 0,
            unreadable: Vec::new(),
        }
    }

    /// Takes what of a piece at `at` comes next, if anything does.
    fn take(&mut self, at: u64, piece: &[u8], unreadable: &[Unreadable]) {
        let end = at + piece.len() as u64;
        let from = self.position_bytes;
        if !(at..end).contains(&from) {
            return;
        }
        let piece = &piece[(from - at) as usize..];
        self.digests.update(piece);
        self.used.take(from, piece);
        self.position_bytes = end;
        for range in unreadable {
            let start = range.offset_bytes.max(from);
            let stop = (range.offset_bytes + range.length_bytes).min(end);
            if start >= stop {
                continue;
            }
            match self.unreadable.last_mut() {
                // The same hole goes on.
                Some(last) if last.offset_bytes + last.length_bytes == start => {
                    last.length_bytes += stop - start;
                }
                _ => self.unreadable.push(Unreadable {
                    offset_bytes: start,
                    length_bytes: stop - start,
                    reason: range.reason.clone(),
                }),
            }
        }
    }
}

/// An image, and what is known of it.
pub(crate) struct Source {
    device: Box<dyn MtdRead>,
    info: MtdInfo,
    choice: DigestChoice,
    /// What the manifest says of it, once all of it was read.
    known: Option<Image>,
    /// Where it is more than erased flash, as that reading had it.
    used: Option<Used>,
    /// The first reading, until all of it was read.
    first: Option<Running>,
    /// A later one.
    again: Option<Running>,
    /// Where the device was found to end, before its size.
    ended: Option<Unreadable>,
    /// What is fixed: the bytes are those of a file with these digests.
    is_file: bool,
    /// How often the bytes were found to have changed.
    pub(crate) changes: u32,
    /// Up to here, some client or other has got it.
    sent_bytes: u64,
}

impl Source {
    pub(crate) fn of_device(device: Box<dyn MtdRead>, choice: DigestChoice) -> Self {
        Self {
            info: device.info().clone(),
            device,
            choice,
            known: None,
            used: None,
            first: None,
            again: None,
            ended: None,
            is_file: false,
            changes: 0,
            sent_bytes: 0,
        }
    }

    /// A file of a backup, as its manifest has it.
    #[cfg(feature = "full")]
    pub(crate) fn of_file(file: Box<dyn MtdRead>, image: Image) -> Self {
        let choice = image.digests().unwrap_or_default();
        Self {
            known: Some(image),
            is_file: true,
            ..Self::of_device(file, choice)
        }
    }

    pub(crate) fn info(&self) -> &MtdInfo {
        &self.info
    }

    /// What the manifest will say of it; none before all of it was read.
    pub(crate) fn known(&self) -> Option<&Image> {
        self.known.as_ref()
    }

    /// Whether its SHA-256 is known once it was read.
    pub(crate) fn has_sha256(&self) -> bool {
        self.choice.has_sha256()
    }

    /// Where it is more than erased flash, where that is known.
    pub(crate) fn used(&self) -> Option<(u32, Used)> {
        Some((self.info.index.0, self.used?))
    }

    /// The same, without what is not known yet.
    pub(crate) fn image(&self) -> Image {
        self.known.clone().unwrap_or_else(|| Image {
            mtd: self.info.index.0,
            name: self.info.name.clone(),
            file: image_file(self.info.index),
            size_bytes: self.info.size_bytes,
            erase_block_bytes: self.info.erase_block_bytes,
            crc32: None,
            sha256: None,
            unreadable: Vec::new(),
            second_reading: None,
            doubt: None,
            blank: None,
        })
    }

    /// Reads the next piece for somebody who came as far as `progress`; how many bytes.
    ///
    /// # Errors
    /// A file that cannot be read; flash that cannot is a hole.
    pub(crate) fn read(
        &mut self,
        progress: &mut Progress,
        buffer: &mut [u8],
        recognised: Option<&Recognised>,
        work: &Work<'_>,
    ) -> Result<usize, Box<BackupError>> {
        let at = progress.position_bytes;
        let is_past = |ended: &Unreadable| at >= ended.offset_bytes;
        progress.ended_early |= self.ended.as_ref().is_some_and(is_past);
        let stop = work.stop();
        let taken = std::mem::take(progress);
        let mut reader = Reader::going_on(self.device.as_mut(), stop, taken);
        let count = reader.next(buffer)?;
        *progress = reader.into_progress();
        if progress.ended_early && self.ended.is_none() {
            // Its own record; the others are told by where they end.
            self.ended = progress.unreadable.pop();
        }
        if self.is_file && !(progress.unreadable.is_empty() && self.ended.is_none()) {
            let lost = progress.unreadable.first().or(self.ended.as_ref());
            return Err(BackupError::File {
                operation: "cannot read",
                file: image_file(self.info.index),
                folder: "the backup".into(),
                offset_bytes: lost.map(|range| range.offset_bytes),
                length_bytes: None,
                source: std::io::ErrorKind::InvalidData.into(),
            }
            .into());
        }
        let changes = self.changes;
        self.digest(at, &buffer[..count], progress, recognised, stop);
        if self.is_file && self.changes > changes {
            // The last piece is kept back, and nobody takes the file for whole.
            return Err(BackupError::Interfered {
                file: image_file(self.info.index),
                folder: "the backup".into(),
            }
            .into());
        }
        Ok(count)
    }

    fn digest(
        &mut self,
        at: u64,
        piece: &[u8],
        progress: &Progress,
        recognised: Option<&Recognised>,
        stop: Stop<'_>,
    ) {
        let size_bytes = self.info.size_bytes;
        if self.known.is_some() {
            let quick = match self.choice.has_crc32() {
                true => DigestChoice::Crc32,
                false => DigestChoice::Sha256,
            };
            if at == 0 {
                self.again = Some(Running::new(quick, size_bytes));
            }
            if let Some(again) = &mut self.again {
                again.take(at, piece, &[]);
                if again.position_bytes == size_bytes {
                    self.compare();
                }
            }
            return;
        }
        let first = self
            .first
            .get_or_insert_with(|| Running::new(self.choice, size_bytes));
        first.take(at, piece, &progress.unreadable);
        if first.position_bytes == size_bytes {
            self.finish(recognised, stop);
        }
    }

    /// All of the first reading is in.
    fn finish(&mut self, recognised: Option<&Recognised>, stop: Stop<'_>) {
        let Some(first) = self.first.take() else {
            return;
        };
        self.used = Some(first.used);
        let values: DigestValues = first.digests.finish();
        let mut so_far = Progress::at(self.info.size_bytes);
        so_far.unreadable = first.unreadable;
        so_far.unreadable.extend(self.ended.clone());
        let reader = Reader::going_on(self.device.as_mut(), stop, so_far);
        let file = image_file(self.info.index);
        let (mut image, _) = finish(self.info.clone(), file, &values, reader);
        let doubt = recognised.and_then(|known| known.doubt(&image));
        image.doubt = image.doubt.or(doubt);
        if self.changes > 0 {
            image.second_reading = Some(SecondReading {
                same: false,
                first_difference_bytes: None,
            });
        }
        self.known = Some(image);
    }

    /// All of a later reading is in.
    fn compare(&mut self) {
        let (Some(again), Some(known)) = (self.again.take(), &self.known) else {
            return;
        };
        if self.is_file {
            self.used = Some(again.used);
        }
        let values = again.digests.finish();
        let differs = |known: &Option<String>, now: Option<String>| match (known, now) {
            (Some(known), Some(now)) => *known != now,
            _ => false,
        };
        if differs(&known.crc32, values.crc32) || differs(&known.sha256, values.sha256) {
            self.changes += 1;
            if !self.is_file {
                // What is there now has to be read once more to be told.
                self.known = None;
                self.ended = None;
            }
        }
    }

    /// Reads on where nobody did, until all of it is known.
    pub(crate) fn read_on(
        &mut self,
        buffer: &mut [u8],
        recognised: Option<&Recognised>,
        work: &Work<'_>,
    ) -> Result<(), Box<BackupError>> {
        let at = self.first.as_ref().map_or(0, |first| first.position_bytes);
        let mut progress = Progress::at(at);
        self.read(&mut progress, buffer, recognised, work)?;
        if self.info.size_bytes == 0 {
            self.digest(0, &[], &progress, recognised, work.stop());
        }
        Ok(())
    }

    /// Some client has got these bytes.
    pub(crate) fn sent(&mut self, from: u64, to: u64) {
        if from <= self.sent_bytes {
            self.sent_bytes = self.sent_bytes.max(to);
        }
    }

    /// Whether all of it was sent, and what was sent is known.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent_bytes == self.info.size_bytes && self.known.is_some()
    }
}
