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

use super::contents::{self, Contents, State, names};
use super::destination::{Destination, Entry};
use super::digest::DigestChoice;
use super::error::{BackupError, Failure};
use super::events::Observer;
use super::image::{Buffers, Made, Workshop};
use super::manifest::{
    Device, FORMAT, FORMAT_VERSION, INDEX, Image, LayoutEntry, MANIFEST, Manifest, Origin, SUMS,
    UNFINISHED, image_file,
};
use super::opening::{Opened, Recognised, layout_entry, open, recognise};
use super::reader::Stop;
use super::{html, rejoin, sums, texts, time, workers};
use crate::mtd::{MtdBackend, MtdInfo, select};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Room for manifest, digests and page, beside the images.
const TEXTS_BYTES: u64 = 64 << 10;

/// What is wanted of a backup.
#[derive(Debug)]
pub struct Request<'a> {
    /// Names or `mtdN`; empty: all partitions.
    pub partitions: &'a [String],
    /// Read the flash a second time and compare.
    pub read_again: bool,
    /// Which digests the images get.
    pub digests: DigestChoice,
    /// The time to put into the manifest.
    pub now: SystemTime,
    /// How much is read at once.
    pub buffer_bytes: usize,
    /// How many partitions are read side by side; 1 in the device's own build.
    pub workers: usize,
    /// Whether the caller made the folder for this backup.
    pub folder_created: bool,
    /// Set when the user asks to stop.
    pub interrupt: &'a AtomicBool,
}

impl Request<'_> {
    fn stop(&self) -> Stop<'_> {
        Stop {
            interrupt: self.interrupt,
            failed: None,
        }
    }
}

/// What a finished backup came to.
#[derive(Debug)]
pub struct Summary {
    /// What was written as `manifest.json`.
    pub manifest: Manifest,
    /// How many images were there already from a cut-off run.
    pub kept: usize,
}

impl Summary {
    /// Whether a second reading of the flash differed from the first.
    pub fn changed_while_read(&self) -> bool {
        let differs = |image: &Image| image.second_reading.as_ref().is_some_and(|s| !s.same);
        let origin = self.manifest.origin.as_ref();
        self.manifest.images.iter().any(differs)
            || origin.is_some_and(|origin| !origin.changed_while_read.is_empty())
    }
}

/// Backs up a device into a folder.
pub fn backup(
    backend: &dyn MtdBackend,
    folder: &dyn Destination,
    request: &Request<'_>,
    observer: &dyn Observer,
) -> Result<Summary, Failure> {
    backup_of(backend, folder, request, observer, None)
}

/// The same; `origin` says where the images come from, if the backend is not the
/// device itself.
pub(crate) fn backup_of(
    backend: &dyn MtdBackend,
    folder: &dyn Destination,
    request: &Request<'_>,
    observer: &dyn Observer,
    origin: Option<Origin>,
) -> Result<Summary, Failure> {
    let layout = backend.devices()?;
    let wanted = select(&layout, request.partitions)?;
    let found = contents::look(folder)?;
    refuse_at_first_sight(folder, &found)?;
    let (mut opened, left_out) = open(backend, &wanted)?;
    let (bytes, stop) = (request.buffer_bytes, request.stop());
    let recognised = recognise(backend, &layout, &mut opened, bytes, stop)?;
    let manifest = Manifest {
        format: FORMAT.into(),
        format_version: format!("{}.{}", FORMAT_VERSION.0, FORMAT_VERSION.1),
        tool: concat!("mtdkeep ", env!("CARGO_PKG_VERSION")).into(),
        created_utc: time::utc(request.now),
        device: Device {
            description: backend.description(),
            identity: recognised.as_ref().and_then(Recognised::identity),
        },
        layout: layout
            .iter()
            .map(|info| layout_entry(info, &wanted, &left_out))
            .collect(),
        images: Vec::new(),
        folder_created: request.folder_created,
        origin,
        rebuilt: None,
    };
    let mut run = Run {
        folder,
        request,
        observer,
        manifest,
        recognised,
        existing: Vec::new(),
        demote: false,
        set_aside: false,
        kept: 0,
    };
    match &found.state {
        State::Damaged(damage) => {
            let finished = damage.was_finished();
            run.join_damaged_run(found, finished, &mut opened)?;
        }
        _ => run.join_earlier_run(found)?,
    }
    run.check_free_space(&opened)?;
    for (entry, error) in &left_out {
        let entry = LayoutEntry::new(entry);
        observer.left_out(&entry, &error.to_string(), error.help().as_deref());
    }
    run.carry_out(opened).map_err(|error| Failure {
        left_behind: run.left_behind(),
        error: Box::new(error),
    })?;
    Ok(Summary {
        manifest: run.manifest,
        kept: run.kept,
    })
}

/// Refuses what needs no look at the device.
fn refuse_at_first_sight(folder: &dyn Destination, found: &Contents) -> Result<(), BackupError> {
    let refuse = |holds: String, help: &str| {
        Err(BackupError::Refused {
            folder: folder.describe(),
            holds,
            help: help.into(),
        })
    };
    match &found.state {
        State::Script | State::Capture { .. } => refuse(
            "holds a backup made by a shell script".into(),
            "save it elsewhere, and `mtdkeep clean` removes it; or choose another folder with --output",
        ),
        State::Damaged(damage) if !damage.is_ours => refuse(
            format!("may hold a backup, but its {} {}", damage.file, damage.why),
            "`mtdkeep verify` says what is proven of it; choose another folder with --output",
        ),
        _ if !found.foreign.is_empty() => refuse(
            format!("holds what no backup made: {}", names(&found.foreign)),
            "a backup needs a folder of its own: choose an empty or a new one with --output",
        ),
        _ => Ok(()),
    }
}

/// A backup under way.
struct Run<'a> {
    folder: &'a dyn Destination,
    request: &'a Request<'a>,
    observer: &'a dyn Observer,
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
}

impl Run<'_> {
    /// Goes on with an earlier run of the same device, or refuses the folder.
    fn join_earlier_run(&mut self, found: Contents) -> Result<(), BackupError> {
        let earlier = match &found.state {
            State::Finished(manifest) | State::Unfinished(manifest) => manifest,
            _ => return Ok(()),
        };
        let finished = matches!(found.state, State::Finished(_));
        if !earlier.is_of_same_device(&self.manifest) {
            return Err(self.refuse(
                format!(
                    "holds the backup of another device: {}",
                    earlier.device.description
                ),
                "choose another folder with --output; two devices are never mixed",
            ));
        }
        if finished && !earlier.is_partial() {
            return Err(self.refuse(
                format!(
                    "already holds a finished backup of this device, made {}",
                    earlier.created_utc
                ),
                "choose another folder with --output, check this one with `mtdkeep verify`, or \
                 remove it with `mtdkeep clean`",
            ));
        }
        self.manifest.folder_created |= earlier.folder_created;
        self.take_over(found.own, found.parts)?;
        self.demote = finished;
        Ok(())
    }

    /// Goes on with an earlier run whose manifest or mark is damaged, so that
    /// nobody tells of which device it is: only where each image that is there is
    /// what this device's flash holds. All of them are compared before anything is
    /// changed.
    fn join_damaged_run(
        &mut self,
        found: Contents,
        finished: bool,
        opened: &mut Opened,
    ) -> Result<(), BackupError> {
        let other = rejoin::first_other(
            self.folder,
            &found.own,
            opened,
            self.request.buffer_bytes,
            self.request.stop(),
        )?;
        if let Some(file) = other {
            return Err(self.refuse(
                format!(
                    "holds {file}, which is not what this device's flash holds now, and the \
                     manifest that would tell whose it is is damaged"
                ),
                "`mtdkeep verify` says what is proven of the images there; back up into another \
                 folder with --output",
            ));
        }
        self.take_over(found.own, found.parts)?;
        self.set_aside = finished;
        Ok(())
    }

    /// Takes over the images of an earlier run; what was half written goes.
    fn take_over(&mut self, own: Vec<Entry>, parts: Vec<Entry>) -> Result<(), BackupError> {
        let (images, _): (Vec<_>, Vec<_>) = own
            .into_iter()
            .partition(|entry| contents::script_image(&entry.name).is_some());
        let stranger = images
            .iter()
            .find(|entry| !contents::is_planned(&self.manifest, &entry.name));
        if let Some(stranger) = stranger {
            return Err(self.refuse(
                format!(
                    "holds an earlier, unfinished backup with {}, which this one would not make",
                    stranger.name
                ),
                "start with the same partitions as then, choose another folder with --output, \
                 or remove the unfinished backup with `mtdkeep clean`",
            ));
        }
        self.existing = images;
        for entry in &parts {
            self.folder
                .remove(&entry.name)
                .map_err(|source| self.error("cannot remove", &entry.name, source))?;
        }
        Ok(())
    }

    fn refuse(&self, holds: String, help: &str) -> BackupError {
        BackupError::Refused {
            folder: self.folder.describe(),
            holds,
            help: help.into(),
        }
    }

    fn check_free_space(&self, opened: &Opened) -> Result<(), BackupError> {
        let is_there = |info: &MtdInfo| {
            let file = image_file(info.index);
            self.existing.iter().any(|entry| entry.name == file)
        };
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
            });
        }
        Ok(())
    }

    fn carry_out(&mut self, opened: Opened) -> Result<(), BackupError> {
        if self.demote {
            // From here on the folder is not a finished backup.
            self.rename(MANIFEST, UNFINISHED)?;
        }
        if self.set_aside {
            rejoin::set_aside(self.folder, MANIFEST)?;
        }
        self.write_whole(UNFINISHED, &self.manifest.to_json())?;
        self.make_images(opened)?;
        if self.request.interrupt.load(Ordering::Relaxed) {
            return Err(BackupError::Interrupted);
        }
        let text = self.manifest.to_json();
        self.write_sums(&text)?;
        self.write_whole(INDEX, html::render(&self.manifest, &text).as_bytes())?;
        // The mark gets the manifest's full text, and then the manifest's name:
        // at no moment are there both, or neither.
        self.write_whole(UNFINISHED, &text)?;
        self.rename(UNFINISHED, MANIFEST)
    }

    fn make_images(&mut self, opened: Opened) -> Result<(), BackupError> {
        let failed = AtomicBool::new(false);
        let workshop = Workshop {
            folder: self.folder,
            existing: &self.existing,
            read_again: self.request.read_again,
            digests: self.request.digests,
            buffer_bytes: self.request.buffer_bytes,
            recognised: self.recognised.as_ref(),
            stop: Stop {
                failed: Some(&failed),
                ..self.request.stop()
            },
            observer: self.observer,
        };
        let observer = self.observer;
        let passes = 1 + u64::from(self.request.read_again);
        let bytes: u64 = opened.iter().map(|device| device.info().size_bytes).sum();
        let names: Vec<&str> = opened.iter().map(|d| d.info().name.as_str()).collect();
        observer.planned(&names, bytes.saturating_mul(passes));
        let mut results: Vec<Result<Made, BackupError>> = Vec::with_capacity(opened.len());
        workers::run(
            self.request.workers,
            opened,
            |device| device.info().size_bytes,
            |device, buffers: &mut Buffers| {
                observer.begin(&device.info().name);
                let made = workshop.make(device.as_mut(), buffers);
                if made.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                made
            },
            |result| {
                if let Ok(made) = &result {
                    observer.image_done(&made.image, made.kept, made.recovered);
                }
                results.push(result);
            },
        );
        let mut first_error = None;
        for result in results {
            match result {
                Ok(made) => {
                    self.kept += usize::from(made.kept);
                    self.manifest.images.push(made.image);
                }
                // The others stopped because of the one that has something to say.
                Err(error) => {
                    if matches!(first_error, None | Some(BackupError::Interrupted)) {
                        first_error = Some(error);
                    }
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// `SHA256SUMS`; none where there is no SHA-256, and then none of an earlier
    /// run may stay.
    fn write_sums(&self, manifest: &[u8]) -> Result<(), BackupError> {
        if self.request.digests.has_sha256() {
            let text = sums::render(&self.manifest.images, manifest);
            return self.write_whole(SUMS, text.as_bytes());
        }
        match self.folder.remove(SUMS) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(self.error("cannot remove", SUMS, source))
            }
            _ => Ok(()),
        }
    }

    fn write_whole(&self, file: &str, text: &[u8]) -> Result<(), BackupError> {
        texts::write_whole(self.folder, file, text)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), BackupError> {
        texts::rename(self.folder, from, to)
    }

    fn error(&self, operation: &'static str, file: &str, source: io::Error) -> BackupError {
        texts::error(self.folder, operation, file, source)
    }

    /// What is in the folder after a failure, for the user.
    fn left_behind(&self) -> Option<String> {
        let entries = self.folder.list().ok()?;
        if entries.is_empty() {
            return None;
        }
        let is_image = |entry: &&Entry| contents::is_planned(&self.manifest, &entry.name);
        let images = entries.iter().filter(is_image).count();
        let wanted = self.manifest.layout.iter().filter(|e| e.left_out.is_none());
        Some(format!(
            "{} holds an unfinished backup: {images} of {} images, each of them whole; \
             starting again completes it, `mtdkeep clean` removes it",
            self.folder.describe(),
            wanted.count()
        ))
    }
}
