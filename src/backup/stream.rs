//! A backup as one stream: a tar, for a device that has no room for files.
//!
//! Nothing is stored on the way, so nothing can be compared afterwards or made again:
//! an image that does not fit what was read before is in doubt.
//!
//! Invariants: the stream ends with its manifest only if all that was wanted was read,
//! or is told in the manifest as missing; a stream that was cut off anywhere has no
//! manifest, or not all of it, and nobody takes it for a backup.

use super::buffer;
use super::digest::Digests;
use super::erased::Used;
use super::error::{BackupError, Failure};
use super::image::{buffer_bytes, finish};
use super::manifest::{INDEX, Image, MANIFEST, Manifest, SUMS, SecondReading, image_file};
use super::opening::{Beginning, Opened, Recognised, begin, leave_out, tell_left_out};
use super::pipeline::{Request, Summary};
use super::reader::Reader;
use super::tar;
use super::work::Work;
use super::{html, sums};
use crate::mtd::{MtdBackend, MtdRead, select, total_bytes};
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// Backs up a device into a stream, which gets a tar of the files that a backup's
/// folder has. Partitions are read one after the other.
///
/// # Errors
/// [`Failure`]; then what was written is no backup, and says so by its lack of a
/// manifest.
pub(crate) fn stream(
    backend: &dyn MtdBackend,
    out: &mut dyn Write,
    request: &Request<'_>,
    work: &Work<'_>,
) -> Result<Summary, Failure> {
    let layout = backend.devices()?;
    let wanted = select(&layout, request.partitions)?;
    let Beginning {
        opened,
        left_out,
        recognised,
        manifest,
    } = begin(backend, &layout, &wanted, request.now, work)?;
    tell_left_out(&left_out, work);
    let mut stream = Stream {
        out,
        request,
        work,
        recognised,
        manifest,
        used: Vec::new(),
        time: seconds(request.now),
    };
    stream.carry_out(backend, opened).map_err(|error| Failure {
        left_behind: Some(format!(
            "the stream has no manifest, so that nobody takes it for a backup: {} of its images \
             are whole",
            stream.manifest.images.len()
        )),
        error,
    })?;
    Ok(Summary {
        manifest: stream.manifest,
        kept: 0,
    })
}

/// For the headers: a device's clock may stand before 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What follows the images, with the archive's end.
pub(crate) fn texts(manifest: &Manifest, used: &[(u32, Used)], time: u64) -> Vec<u8> {
    let text = manifest.to_json();
    let mut archive = Vec::new();
    tar::append(&mut archive, MANIFEST, &text, time);
    if manifest.has_sha256() {
        let sums = sums::render(&manifest.images, &text);
        tar::append(&mut archive, SUMS, sums.as_bytes(), time);
    }
    let page = html::of_folder(manifest, &text, used);
    tar::append(&mut archive, INDEX, page.as_bytes(), time);
    archive.resize(archive.len() + tar::END_BYTES, 0);
    archive
}

struct Stream<'a> {
    out: &'a mut dyn Write,
    request: &'a Request<'a>,
    work: &'a Work<'a>,
    recognised: Option<Recognised>,
    /// Grows its images as they are finished.
    manifest: Manifest,
    used: Vec<(u32, Used)>,
    time: u64,
}

impl Stream<'_> {
    fn carry_out(
        &mut self,
        backend: &dyn MtdBackend,
        opened: Opened,
    ) -> Result<(), Box<BackupError>> {
        let passes = 1 + u64::from(self.request.read_again);
        let bytes = total_bytes(opened.iter().map(|device| device.info().size_bytes));
        let names: Vec<&str> = opened.iter().map(|d| d.info().name.as_str()).collect();
        let observer = self.work.observer;
        observer.planned(&names, bytes.saturating_mul(passes));
        let mut buffer = Vec::new();
        let mut gone = Vec::new();
        for mut source in opened {
            observer.begin(&source.info().name);
            let number = source.info().index.0;
            let device = match source.open(backend) {
                Ok(device) => device,
                Err(error) if error.is_of_all() => return Err(error.into()),
                Err(error) => {
                    gone.push((number, error));
                    continue;
                }
            };
            let (image, recovered) = self.image(device, &mut buffer)?;
            observer.image_done(&image, false, recovered);
            self.manifest.images.push(image);
        }
        leave_out(&mut self.manifest, gone, self.work)?;
        self.work.stop().check()?;
        let texts = texts(&self.manifest, &self.used, self.time);
        self.write(MANIFEST, 0, &texts)?;
        let flushed = self.out.flush();
        flushed.map_err(|source| error(MANIFEST, texts.len() as u64, 0, source))
    }

    /// Writes one image; with how many reads failed first.
    fn image(
        &mut self,
        device: &mut dyn MtdRead,
        buffer: &mut Vec<u8>,
    ) -> Result<(Image, u64), Box<BackupError>> {
        let info = device.info().clone();
        let file = image_file(info.index);
        let buffer = buffer::grow(buffer, buffer_bytes(self.work.buffer_bytes, &info))?;
        self.write(&file, 0, &tar::header(&file, info.size_bytes, self.time))?;
        let mut digests = Digests::new(self.request.digests);
        let mut used = Used::new(info.size_bytes);
        let mut reader = Reader::new(device, self.work.stop());
        let mut offset_bytes = 0;
        loop {
            let count = reader.next(buffer)?;
            if count == 0 {
                break;
            }
            let piece = &buffer[..count];
            digests.update(piece);
            used.take(offset_bytes, piece);
            self.write(&file, offset_bytes, piece)?;
            offset_bytes += count as u64;
            self.work.observer.progress(count as u64);
        }
        let padding = tar::padding_bytes(info.size_bytes);
        self.write(&file, offset_bytes, &[0; tar::BLOCK_BYTES][..padding])?;
        self.used.push((info.index.0, used));
        let values = digests.finish();
        let (mut image, recovered) = finish(info, file, &values, reader);
        let doubt = self.recognised.as_ref();
        let doubt = doubt.and_then(|known| known.doubt(&image));
        image.doubt = image.doubt.or(doubt);
        if self.request.read_again {
            let again = self.digest(device, buffer)?;
            image.second_reading = Some(SecondReading {
                same: again.finish() == values,
                // What the first reading gave there is gone.
                first_difference_bytes: None,
            });
        }
        Ok((image, recovered))
    }

    /// Reads a device once more.
    fn digest(
        &self,
        device: &mut dyn MtdRead,
        buffer: &mut [u8],
    ) -> Result<Digests, Box<BackupError>> {
        let mut digests = Digests::new(self.request.digests);
        let mut reader = Reader::new(device, self.work.stop());
        loop {
            let count = reader.next(buffer)?;
            if count == 0 {
                return Ok(digests);
            }
            digests.update(&buffer[..count]);
            self.work.observer.progress(count as u64);
        }
    }

    fn write(
        &mut self,
        file: &str,
        offset_bytes: u64,
        piece: &[u8],
    ) -> Result<(), Box<BackupError>> {
        let written = self.out.write_all(piece);
        written.map_err(|source| match self.work.stop().check() {
            // Who waits for a reader that takes nothing hears of it there.
            Err(stopped) => stopped,
            Ok(()) => error(file, offset_bytes, piece.len(), source),
        })
    }
}

fn error(file: &str, offset_bytes: u64, length: usize, source: io::Error) -> Box<BackupError> {
    BackupError::File {
        operation: "cannot write",
        file: file.into(),
        folder: "the stream".into(),
        offset_bytes: Some(offset_bytes),
        length_bytes: Some(length as u64),
        source,
    }
    .into()
}
