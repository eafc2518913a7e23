//! Makes one image: reads the device once, digests and stores on the way, and
//! gives the file its name only when all of it is on the medium.
//!
//! Invariants: `mtdN.bin` is whole or absent, whatever happens; an image that is
//! already there from an earlier, cut-off run is kept only after the flash was
//! read in full and gave exactly its bytes; it is never replaced by an image with
//! more holes. One buffer, a second one only to compare.

use super::blank::Blank;
use super::buffer::{self, read_full};
use super::contents::part;
use super::digest::{DigestChoice, DigestValues, Digests};
use super::directory::{self, Directory, Entry, NewFile};
use super::erased::Used;
use super::error::BackupError;
use super::manifest::{Image, SecondReading, image_file};
use super::naming::{Naming, Placed};
use super::opening::Recognised;
use super::reader::{Reader, Stop};
use super::work::Work;
use crate::mtd::{MtdIndex, MtdInfo, MtdRead};
use std::io;
#[cfg(feature = "full")]
use vouched::Vouched;

#[cfg(feature = "full")]
mod vouched;

/// How often an image is made that is not what the device was recognised by.
const TRIES: u64 = 3;

/// What making an image needs beside the device; shared by all workers.
pub(crate) struct ImageWriter<'a> {
    pub(crate) folder: &'a dyn Directory,
    /// The mark of this run; while it lies there, nobody else's does.
    pub(crate) mark: &'a Placed,
    /// Images of an earlier run, sorted by name.
    pub(crate) existing: &'a [Entry],
    pub(crate) read_again: bool,
    pub(crate) digests: DigestChoice,
    /// What an earlier reading in this run gave of one of the partitions.
    pub(crate) recognised: Option<&'a Recognised>,
    pub(crate) stop: Stop<'a>,
    pub(crate) work: &'a Work<'a>,
}

/// A worker's buffers, made once and used for every image.
#[derive(Default)]
pub(crate) struct Buffers {
    flash: Vec<u8>,
    file: Vec<u8>,
}

/// An image, and how it came about.
#[derive(Debug)]
pub(crate) struct FinishedImage {
    pub(crate) image: Image,
    /// The file that has its name.
    pub(crate) placed: Placed,
    /// It was there already, and is what the flash has.
    pub(crate) kept: bool,
    /// Reads that failed and then succeeded.
    pub(crate) recovered: u64,
    /// Where it is more than erased flash.
    pub(crate) used: Used,
}

impl ImageWriter<'_> {
    /// Whether an earlier run made this device's image.
    pub(crate) fn has(&self, number: MtdIndex) -> bool {
        directory::named(self.existing, &image_file(number)).is_some()
    }

    /// Makes the image of one device, or finds that it is there already.
    ///
    /// The partition that tells devices apart was read before: an image that is
    /// not the same is made again, and where it stays different, it is in doubt.
    pub(crate) fn make(
        &self,
        device: &mut dyn MtdRead,
        buffers: &mut Buffers,
    ) -> Result<FinishedImage, Box<BackupError>> {
        let mut tries = 1;
        loop {
            let mut made = self.make_once(device, buffers)?;
            made.recovered += tries - 1;
            let doubt = self.recognised.and_then(|known| known.doubt(&made.image));
            if doubt.is_none() || tries == TRIES {
                made.image.doubt = made.image.doubt.or(doubt);
                return Ok(made);
            }
            tries += 1;
            self.work.observer.begin(&device.info().name);
        }
    }

    fn make_once(
        &self,
        device: &mut dyn MtdRead,
        buffers: &mut Buffers,
    ) -> Result<FinishedImage, Box<BackupError>> {
        let info = device.info().clone();
        let file = image_file(info.index);
        let existing = directory::named(self.existing, &file);
        #[cfg_attr(not(feature = "full"), allow(unused_mut))]
        let mut compares = existing.is_some_and(|e| e.size_bytes == Some(info.size_bytes));
        #[cfg(feature = "full")]
        if compares {
            match self.vouched(device, &info, &file, buffers)? {
                Vouched::Yes(image) => return Ok(*image),
                Vouched::No => compares = false,
                Vouched::Silent => {}
            }
        }
        if compares {
            let mut reader = Reader::new(device, self.stop);
            let naming = Naming(self.folder);
            let id = naming.existing(&file)?;
            let mut digests = Digests::new(self.digests);
            let (mut used, mut at) = (Used::new(info.size_bytes), 0);
            let seen = |piece: &[u8]| {
                digests.update(piece);
                used.take(at, piece);
                at += piece.len() as u64;
            };
            if self
                .compare(&mut reader, &info, &file, buffers, seen)?
                .is_none()
            {
                let values = digests.finish();
                let (mut image, recovered) = finish(info, file, &values, reader);
                image.second_reading = self.read_again.then_some(SecondReading {
                    same: true,
                    first_difference_bytes: None,
                });
                return Ok(FinishedImage {
                    placed: naming.kept(&image.file, id, values),
                    image,
                    kept: true,
                    recovered,
                    used,
                });
            }
            // The earlier image is not what the flash has: all of it once more.
            self.work.observer.begin(&info.name);
        }
        let temporary = part(&file);
        let mut out = self
            .folder
            .create(&temporary)
            .map_err(|source| self.error("cannot create", &temporary, None, source))?;
        let replaces = existing.is_some();
        let made = self.make_new(device, &info, out.as_mut(), &temporary, replaces, buffers);
        if made.is_err() {
            // What is cut off is of no use, and the device is short of space.
            Naming(self.folder).discard(out.as_ref(), &temporary);
        }
        made
    }

    fn make_new(
        &self,
        device: &mut dyn MtdRead,
        info: &MtdInfo,
        out: &mut dyn NewFile,
        temporary: &str,
        replaces: bool,
        buffers: &mut Buffers,
    ) -> Result<FinishedImage, Box<BackupError>> {
        let file = image_file(info.index);
        let mut reader = Reader::new(device, self.stop);
        let (digests, used) = self.copy(&mut reader, info, out, temporary, buffers)?;
        out.sync()
            .map_err(|source| self.error("cannot sync", temporary, None, source))?;
        let missing_bytes = total_bytes(&reader);
        if replaces && missing_bytes > 0 {
            return Err(BackupError::WouldLose {
                file,
                folder: self.folder.describe(),
                unreadable_bytes: missing_bytes,
            }
            .into());
        }
        let values = digests.finish();
        let (mut image, recovered) = finish(info.clone(), file, &values, reader);
        let has_holes = missing_bytes > 0;
        image.second_reading = self.second_reading(device, info, temporary, has_holes, buffers)?;
        let naming = Naming(self.folder);
        naming.confirm(self.mark)?;
        let placed = naming.give(out, temporary, &image.file, values)?;
        Ok(FinishedImage {
            image,
            placed,
            kept: false,
            recovered,
            used,
        })
    }

    /// Flash into file and digests.
    fn copy(
        &self,
        reader: &mut Reader<'_>,
        info: &MtdInfo,
        out: &mut dyn NewFile,
        temporary: &str,
        buffers: &mut Buffers,
    ) -> Result<(Digests, Used), Box<BackupError>> {
        let flash = self.buffer(&mut buffers.flash, info)?;
        let mut digests = Digests::new(self.digests);
        let mut used = Used::new(info.size_bytes);
        let mut offset_bytes = 0;
        loop {
            let count = reader.next(flash)?;
            if count == 0 {
                return Ok((digests, used));
            }
            let piece = &flash[..count];
            digests.update(piece);
            used.take(offset_bytes, piece);
            out.write_all(piece).map_err(|source| {
                self.error(
                    "cannot write",
                    temporary,
                    Some((offset_bytes, count)),
                    source,
                )
            })?;
            offset_bytes += count as u64;
            self.work.observer.progress(count as u64);
        }
    }

    /// Flash against a file of the folder, to the end even where they differ;
    /// where they differ first. `seen` gets every piece of the flash.
    fn compare(
        &self,
        reader: &mut Reader<'_>,
        info: &MtdInfo,
        file: &str,
        buffers: &mut Buffers,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<Option<u64>, Box<BackupError>> {
        let mut stream = self
            .folder
            .open(file)
            .map_err(|source| self.error("cannot open", file, None, source))?;
        let flash = self.buffer(&mut buffers.flash, info)?;
        let stored = self.buffer(&mut buffers.file, info)?;
        let mut offset_bytes = 0;
        let mut first_difference_bytes = None;
        loop {
            let count = reader.next(flash)?;
            if count == 0 {
                return Ok(first_difference_bytes);
            }
            let piece = &flash[..count];
            seen(piece);
            if first_difference_bytes.is_none() {
                let got = read_full(stream.as_mut(), &mut stored[..count]).map_err(|source| {
                    self.error("cannot read", file, Some((offset_bytes, count)), source)
                })?;
                first_difference_bytes =
                    first_difference(piece, &stored[..got]).map(|at| offset_bytes + at as u64);
            }
            offset_bytes += count as u64;
            self.work.observer.progress(count as u64);
        }
    }

    /// Reads the flash once more, against what was stored of the first reading.
    fn second_reading(
        &self,
        device: &mut dyn MtdRead,
        info: &MtdInfo,
        stored: &str,
        has_holes: bool,
        buffers: &mut Buffers,
    ) -> Result<Option<SecondReading>, Box<BackupError>> {
        if !self.read_again {
            return Ok(None);
        }
        #[cfg(feature = "full")]
        if !has_holes {
            match self.is_vouched_for(device, info, stored, buffers)? {
                Some(true) => {
                    return Ok(Some(SecondReading {
                        same: true,
                        first_difference_bytes: None,
                    }));
                }
                // Read once more, to see where; what the device said of it stands.
                Some(false) => {
                    let mut reader = Reader::new(device, self.stop);
                    let first = self.compare(&mut reader, info, stored, buffers, |_| ())?;
                    return Ok(Some(SecondReading {
                        same: false,
                        first_difference_bytes: first,
                    }));
                }
                None => {}
            }
        }
        #[cfg(not(feature = "full"))]
        let _ = has_holes;
        let mut reader = Reader::new(device, self.stop);
        let first_difference_bytes = self.compare(&mut reader, info, stored, buffers, |_| ())?;
        Ok(Some(SecondReading {
            same: first_difference_bytes.is_none(),
            first_difference_bytes,
        }))
    }

    fn buffer<'b>(
        &self,
        buffer: &'b mut Vec<u8>,
        info: &MtdInfo,
    ) -> Result<&'b mut [u8], Box<BackupError>> {
        buffer::grow(buffer, buffer_bytes(self.work.buffer_bytes, info))
    }

    fn error(
        &self,
        operation: &'static str,
        file: &str,
        place: Option<(u64, usize)>,
        source: io::Error,
    ) -> Box<BackupError> {
        BackupError::File {
            operation,
            file: file.into(),
            folder: self.folder.describe(),
            offset_bytes: place.map(|(offset_bytes, _)| offset_bytes),
            length_bytes: place.map(|(_, length)| length as u64),
            source,
        }
        .into()
    }
}

/// How large a buffer is: at least one erase block, so that one that cannot be
/// read is filled as a whole; but no more than a limit, for devices with huge
/// erase blocks and little memory.
pub(crate) fn buffer_bytes(wanted_bytes: usize, info: &MtdInfo) -> usize {
    const LIMIT_BYTES: u64 = 512 << 10;
    let block_bytes = info.erase_block_bytes.min(LIMIT_BYTES) as usize;
    wanted_bytes.max(block_bytes).max(1)
}

fn total_bytes(reader: &Reader<'_>) -> u64 {
    crate::mtd::total_bytes(reader.unreadable().iter().map(|r| r.length_bytes))
}

/// A device's image, and how many reads failed first.
pub(crate) fn finish(
    info: MtdInfo,
    file: String,
    values: &DigestValues,
    mut reader: Reader<'_>,
) -> (Image, u64) {
    let doubt = reader.goes_on().then(|| {
        format!(
            "the device goes on past the {:#x} bytes that its size promises; what follows is not in the image",
            info.size_bytes
        )
    });
    let recovered = reader.recovered();
    let unreadable = reader.into_unreadable();
    let blank = Blank::of(values, info.erase_block_bytes);
    let image = Image {
        mtd: info.index.0,
        name: info.name,
        file,
        size_bytes: values.length_bytes,
        erase_block_bytes: info.erase_block_bytes,
        crc32: values.crc32.clone(),
        sha256: values.sha256.clone(),
        // What was filled in for what could not be read is told as that.
        blank: blank.filter(|_| unreadable.is_empty()),
        unreadable,
        second_reading: None,
        doubt,
    };
    (image, recovered)
}

/// Where two pieces differ first; where one ends counts as a difference.
pub(crate) fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    let common = a.len().min(b.len());
    Some(a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(common))
}
