//! A backup from end to end.
//!
//! Order of work, and why: devices are opened and the folder is looked at before
//! anything is changed; the mark `unfinished.json` (which names the device) is on
//! the medium before the first image, so that a cut-off backup is recognised and
//! never mixed with another device's; images follow; digests and page; and the
//! manifest last, by renaming the mark. A folder with `manifest.json` is finished.
//!
//! Faults tolerated: everything that [`Reader`](super::reader) tolerates on the
//! flash side; on the folder's side any error at any call stops the backup with
//! what is finished kept, and starting again goes on from there.

mod joining;
mod rounds;

use super::contents::{self, State};
use super::digest::DigestChoice;
use super::directory::{Directory, Entry};
use super::erased::Used;
use super::error::{BackupError, Failure};
use super::image::{Buffers, FinishedImage, ImageWriter};
use super::manifest::{INDEX, Image, MANIFEST, Manifest, Origin, SUMS, UNFINISHED};
use super::naming::{self, Naming, Placed};
use super::opening::{Beginning, Opened, Recognised, begin, leave_out, tell_left_out};
use super::reader::Stop;
use super::work::Work;
use super::{html, rejoin, sums, texts, workers};
use crate::mtd::{MtdBackend, MtdError, MtdIndex, MtdInfo, select, total_bytes};
use joining::refuse_at_first_sight;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Room for manifest, digests and page, beside the images.
const TEXTS_BYTES: u64 = 64 << 10;

/// What is wanted of a backup.
///
/// ```
/// use mtdkeep::backup::{DigestChoice, Request};
///
/// let wanted = ["rootfs".to_owned(), "mtd9".to_owned()];
/// let request = Request { partitions: &wanted, read_again: true, ..Request::default() };
/// assert_eq!(request.digests, DigestChoice::Both);
/// ```
#[derive(Debug)]
pub struct Request<'a> {
    /// Partitions' names or `mtdN`, each once; empty: all partitions.
    pub partitions: &'a [String],
    /// Read the flash a second time and compare: what changed meanwhile is in the manifest.
    pub read_again: bool,
    /// Which digests the images get.
    pub digests: DigestChoice,
    /// The time to put into the manifest, as UTC in whole seconds.
    pub now: SystemTime,
}

/// All partitions, read once, with both digests, now.
impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            partitions: &[],
            read_again: false,
            digests: DigestChoice::Both,
            now: SystemTime::now(),
        }
    }
}

/// What a finished backup came to.
#[derive(Debug)]
pub struct Summary {
    /// What was written as `manifest.json`.
    pub manifest: Manifest,
    /// How many images were there already from a cut-off run.
    pub(crate) kept: usize,
}

impl Summary {
    /// Whether a second reading of the flash differed from the first.
    pub(crate) fn changed_while_read(&self) -> bool {
        let differs = |image: &Image| image.second_reading.as_ref().is_some_and(|s| !s.same);
        let origin = self.manifest.origin.as_ref();
        self.manifest.images.iter().any(differs)
            || origin.is_some_and(|origin| !origin.changed_while_read.is_empty())
    }
}

/// Backs up a device into a folder.
pub(crate) fn backup(
    backend: &dyn MtdBackend,
    folder: &dyn Directory,
    request: &Request<'_>,
    work: &Work<'_>,
) -> Result<Summary, Failure> {
    backup_of(backend, folder, request, work, None)
}

/// Says where images come from, and what is known of them once they are there.
pub(crate) type OriginOf<'a> = &'a dyn Fn(&[Image]) -> Origin;

/// The same; `origin` says where the images come from, if the backend is not the
/// device itself.
pub(crate) fn backup_of(
    backend: &dyn MtdBackend,
    folder: &dyn Directory,
    request: &Request<'_>,
    work: &Work<'_>,
    origin: Option<OriginOf<'_>>,
) -> Result<Summary, Failure> {
    let layout = backend.devices()?;
    let wanted = select(&layout, request.partitions)?;
    let found = contents::look(folder)?;
    refuse_at_first_sight(folder, &found)?;
    let Beginning {
        mut opened,
        left_out,
        recognised,
        mut manifest,
    } = begin(backend, &layout, &wanted, request.now, work)?;
    manifest.folder_created = folder.was_created();
    manifest.origin = origin.map(|origin| origin(&[]));
    let mut run = Run {
        backend,
        origin,
        folder,
        request,
        work,
        manifest,
        recognised,
        existing: Vec::new(),
        demote: false,
        set_aside: false,
        kept: 0,
        used: Vec::new(),
        placed: Vec::new(),
    };
    match &found.state {
        State::Damaged(damage) => {
            let finished = damage.was_finished();
            run.join_damaged_run(found, finished, &mut opened)?;
        }
        _ => run.join_earlier_run(found)?,
    }
    run.check_free_space(&opened)?;
    tell_left_out(&left_out, work);
    run.carry_out(opened).map_err(|error| Failure {
        left_behind: run.left_behind(&error),
        error,
    })?;
    Ok(Summary {
        manifest: run.manifest,
        kept: run.kept,
    })
}

/// What became of a device that opened at first.
enum Outcome {
    Image(Box<FinishedImage>),
    /// It did not open a second time.
    Gone(MtdIndex, MtdError),
}

/// A backup under way.
struct Run<'a> {
    backend: &'a dyn MtdBackend,
    origin: Option<OriginOf<'a>>,
    folder: &'a dyn Directory,
    request: &'a Request<'a>,
    work: &'a Work<'a>,
    /// Grows its images as they are finished.
    manifest: Manifest,
    recognised: Option<Recognised>,
    /// Images of an earlier run that was cut off or stayed partial.
    existing: Vec<Entry>,
    /// The earlier run had finished, but its backup is partial.
    demote: bool,
    /// The earlier run's manifest is damaged, and is kept under another name.
    set_aside: bool,
    kept: usize,
    /// Where the images are more than erased flash.
    used: Vec<(u32, Used)>,
    /// What this run gave a final name, or found there as it should be.
    placed: Vec<Placed>,
}

impl Run<'_> {
    fn check_free_space(&self, opened: &Opened) -> Result<(), Box<BackupError>> {
        let existing = contents::image_numbers(&self.existing);
        let is_there = |info: &MtdInfo| existing.binary_search(&info.index.0).is_ok();
        let images_bytes = opened
            .iter()
            .map(|device| device.info())
            .filter(|info| !is_there(info))
            .fold(0, |sum: u64, info| sum.saturating_add(info.size_bytes));
        let needed_bytes = images_bytes.saturating_add(TEXTS_BYTES);
        let free_bytes = self
            .folder
            .free_bytes()
            .map_err(|source| BackupError::Folder {
                operation: "cannot tell the free space of",
                folder: self.folder.describe(),
                source,
            })?;
        if free_bytes < needed_bytes {
            return Err(BackupError::NoSpace {
                folder: self.folder.describe(),
                needed_bytes,
                free_bytes,
            }
            .into());
        }
        Ok(())
    }

    fn carry_out(&mut self, opened: Opened) -> Result<(), Box<BackupError>> {
        let naming = Naming(self.folder);
        if self.demote {
            // From here on the folder is not a finished backup.
            texts::rename(self.folder, MANIFEST, UNFINISHED)?;
        }
        if self.set_aside {
            rejoin::set_aside(self.folder, MANIFEST)?;
        }
        let mark = self.write_whole(UNFINISHED, &self.manifest.to_json())?;
        self.make_images(opened, &mark)?;
        if self.work.interrupt.load(Ordering::Relaxed) {
            return Err(BackupError::Interrupted.into());
        }
        naming.confirm(&mark)?;
        if let Some(origin) = self.origin {
            self.manifest.origin = Some(origin(&self.manifest.images));
        }
        let text = self.manifest.to_json();
        let sums = self.write_sums(&text)?;
        self.placed.extend(sums);
        let page = html::of_folder(&self.manifest, &text, &self.used);
        let page = self.write_whole(INDEX, page.as_bytes())?;
        self.placed.push(page);
        // The mark gets the manifest's full text, and then the manifest's name:
        // at no moment are there both, or neither.
        let mark = self.write_whole(UNFINISHED, &text)?;
        self.placed
            .iter()
            .try_for_each(|placed| naming.confirm(placed))?;
        naming.give_again(mark, MANIFEST)?;
        Ok(())
    }

    fn make_images(&mut self, opened: Opened, mark: &Placed) -> Result<(), Box<BackupError>> {
        let failed = AtomicBool::new(false);
        let writer = ImageWriter {
            folder: self.folder,
            mark,
            existing: &self.existing,
            read_again: self.request.read_again,
            digests: self.request.digests,
            recognised: self.recognised.as_ref(),
            stop: Stop {
                failed: Some(&failed),
                ..self.work.stop()
            },
            work: self.work,
        };
        let (backend, observer) = (self.backend, self.work.observer);
        let passes = 1 + u64::from(self.request.read_again);
        let bytes = total_bytes(opened.iter().map(|device| device.info().size_bytes));
        let names: Vec<&str> = opened.iter().map(|d| d.info().name.as_str()).collect();
        observer.planned(&names, bytes.saturating_mul(passes));
        let mut results = Vec::with_capacity(opened.len());
        workers::run(
            self.work.workers,
            opened,
            |device| device.info().size_bytes,
            |source, buffers: &mut Buffers| {
                observer.begin(&source.info().name);
                let number = source.info().index;
                let made = match source.open(backend) {
                    Ok(device) => writer
                        .make(device, buffers)
                        .map(|made| Outcome::Image(Box::new(made))),
                    Err(error) if error.is_of_all() || writer.has(number) => Err(error.into()),
                    Err(error) => Ok(Outcome::Gone(number, error)),
                };
                if made.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                made
            },
            |result| {
                if let Ok(Outcome::Image(made)) = &result {
                    observer.image_done(&made.image, made.kept, made.recovered);
                }
                results.push(result);
            },
        );
        self.take_in(results)
    }

    /// What became of each device.
    fn take_in(
        &mut self,
        results: Vec<Result<Outcome, Box<BackupError>>>,
    ) -> Result<(), Box<BackupError>> {
        let mut gone = Vec::new();
        let mut first_error = None;
        for result in results {
            match result {
                Ok(Outcome::Gone(number, error)) => gone.push((number.0, error)),
                Ok(Outcome::Image(made)) => {
                    self.kept += usize::from(made.kept);
                    self.used.push((made.image.mtd, made.used));
                    self.manifest.images.push(made.image);
                    self.placed.push(made.placed);
                }
                // The others stopped because of the one that has something to say.
                Err(error) => {
                    if matches!(
                        first_error.as_deref(),
                        None | Some(BackupError::Interrupted)
                    ) {
                        first_error = Some(error);
                    }
                }
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        // Those of earlier rounds came first.
        let images = &mut self.manifest.images;
        images.sort_unstable_by_key(|image| image.mtd);
        leave_out(&mut self.manifest, gone, self.work)
    }

    /// `SHA256SUMS`; none where there is no SHA-256, and then none of an earlier
    /// run may stay.
    fn write_sums(&self, manifest: &[u8]) -> Result<Option<Placed>, Box<BackupError>> {
        if self.manifest.has_sha256() {
            let text = sums::render(&self.manifest.images, manifest);
            return self.write_whole(SUMS, text.as_bytes()).map(Some);
        }
        match self.folder.remove(SUMS) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(self.error("cannot remove", SUMS, source))
            }
            _ => Ok(None),
        }
    }

    fn write_whole(&self, file: &str, text: &[u8]) -> Result<Placed, Box<BackupError>> {
        naming::write_whole(self.folder, file, text)
    }

    fn error(&self, operation: &'static str, file: &str, source: io::Error) -> Box<BackupError> {
        texts::error(self.folder, operation, file, source)
    }

    /// What is in the folder after a failure, for the user.
    fn left_behind(&self, error: &BackupError) -> Option<String> {
        let entries = self.folder.list().ok()?;
        if entries.is_empty() {
            return None;
        }
        let folder = self.folder.describe();
        if entries.iter().any(|entry| entry.name == MANIFEST) {
            return Some(format!(
                "{folder} holds a backup with its manifest; `mtdkeep verify` says whether it is good"
            ));
        }
        let planned = contents::planned(&self.manifest);
        let is_image = |entry: &&Entry| contents::is_image_of(&planned, &entry.name);
        let images = entries.iter().filter(is_image).count();
        let whole = match error {
            // Whose they are is not known then.
            BackupError::Interfered { .. } => "",
            _ => ", each of them whole",
        };
        Some(format!(
            "{folder} holds an unfinished backup: {images} of {} images{whole}; \
             starting again completes it, `mtdkeep clean` removes it",
            planned.len()
        ))
    }
}
