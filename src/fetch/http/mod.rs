//! A backup, or what a script captured, from a web server: of `mtdkeep serve`, of the
//! device itself, of any other that has a page with links or a list of the folder.
//!
//! The files go into a folder of their own, beside the one that was asked for. What they
//! are is decided when all are there: a backup has to prove itself and then gets the
//! name; a capture is imported as any other one is.
//!
//! Invariants: a file gets its name when it came to its end, as long as the server said;
//! one of another version is never continued, and what an earlier run left only where a
//! manifest proves the whole in the end; nothing is asked of another host, and no
//! name is taken that is not a backup's or a capture's.

mod answer;
pub(crate) mod anything;
mod client;
mod file;
mod links;
mod pace;

pub(crate) use client::Url;

use super::wire::{Fault, Patience};
use crate::backup::contents::script_image;
use crate::backup::manifest::PART;
use crate::backup::{
    BackupError, DigestValues, Directory, INDEX, MANIFEST, NewFile, Work, file_error, read_full,
};
use crate::mtd::MtdError;
use answer::{hopeless, of_status};
use client::Client;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;

/// A page, a manifest or any other text is no longer.
const TEXT_BYTES_MAX: usize = 64 << 20;
const CHUNK_BYTES: usize = 512 << 10;

/// What is to be downloaded, and how.
pub(crate) struct Download<'a> {
    /// Where from.
    pub(crate) url: Url,
    /// Where to: a folder for this alone.
    pub(crate) folder: &'a dyn Directory,
    /// Each image is downloaded a second time and compared.
    pub(crate) twice: bool,
    /// How long a server that does not answer is waited for.
    pub(crate) patience: Patience,
    /// Set when the user asks to stop.
    pub(crate) interrupt: &'static AtomicBool,
    /// How the work is done.
    pub(crate) work: Work<'a>,
}

/// What was downloaded.
#[derive(Debug, Default)]
pub(crate) struct Downloaded {
    /// The images, in order.
    pub(crate) images: Vec<String>,
    /// Images that an earlier run had downloaded, whole or the first part of them.
    pub(crate) kept: Vec<String>,
    /// Whether there is a manifest.
    pub(crate) is_backup: bool,
    /// Images that were others the second time.
    pub(crate) changed: Vec<String>,
    /// Digests of the files that came in this run from their first byte on, as they came.
    pub(crate) digests: Came,
}

/// Digests by file names.
pub(crate) type Came = BTreeMap<String, DigestValues>;

/// The names of what a folder for downloads may hold.
pub(crate) fn is_download(name: &str) -> bool {
    let name = name.strip_suffix(PART).unwrap_or(name);
    script_image(name).is_some() || links::TEXTS.contains(&name)
}

impl Download<'_> {
    /// Downloads all that the page links to, images first and a manifest last.
    ///
    /// # Errors
    /// [`MtdError::Unreachable`], where the server does not answer or has nothing of a
    /// backup; what the folder's file system says.
    pub(crate) fn run(&self) -> Result<Downloaded, BackupError> {
        let page = self.text("", &self.patience.at_first())?;
        let names = links::names(&String::from_utf8_lossy(&page));
        let (images, texts): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| script_image(name).is_some());
        if images.is_empty() {
            return Err(self.error(hopeless(
                "no mtdN.bin is linked there",
                "name the address of the folder, or of the page that links its files",
            )));
        }
        let mut done = Downloaded {
            is_backup: texts.iter().any(|name| name == MANIFEST),
            ..Downloaded::default()
        };
        let (there, parts) = self.tidy(done.is_backup)?;
        let names: Vec<&str> = images.iter().map(String::as_str).collect();
        let mut lengths = Vec::with_capacity(images.len());
        for name in &names {
            lengths.push(self.stubbornly(|| self.length(name))?);
        }
        let ways = 1 + u64::from(self.twice);
        let bytes = lengths
            .iter()
            .fold(0, |sum: u64, length| sum.saturating_add(*length));
        self.work
            .observer
            .planned(&names, bytes.saturating_mul(ways));
        for (name, length) in images.iter().zip(&lengths) {
            self.work.observer.begin(name);
            if there
                .iter()
                .any(|(kept, bytes)| kept == name && bytes == length)
            {
                done.kept.push(name.clone());
                self.work.observer.progress(length.saturating_mul(ways));
                continue;
            }
            if parts.contains(name) {
                done.kept.push(name.clone());
            }
            done.digests.extend(self.file(name, Some(*length))?);
            if self.twice && !self.is_same(name)? {
                done.changed.push(name.clone());
            }
        }
        // The manifest last: a device's server tells of what was read, and may end then.
        let is_manifest = |name: &&String| *name == MANIFEST;
        let last = texts.iter().filter(is_manifest);
        if done.is_backup && !texts.iter().any(|name| name == INDEX) {
            self.page()?;
        }
        for name in texts.iter().filter(|name| !is_manifest(name)).chain(last) {
            self.file(name, None)?;
        }
        done.images = images;
        Ok(done)
    }

    /// The page of a backup's folder, which does not link itself; a backup is one
    /// without it.
    fn page(&self) -> Result<(), BackupError> {
        let status = self.stubbornly(|| self.client().head(INDEX).map(|answer| answer.status))?;
        match status {
            200 => self.file(INDEX, None).map(drop),
            _ => Ok(()),
        }
    }

    /// Downloads an image again that was not what the manifest says; its digests, as it
    /// came.
    ///
    /// # Errors
    /// As [`Download::run`].
    pub(crate) fn again(&self, name: &str) -> Result<Came, BackupError> {
        let length = self.stubbornly(|| self.length(name))?;
        Ok(self.file(name, Some(length))?.into_iter().collect())
    }

    /// Removes what an earlier run left and is of no use; what is left then, with its
    /// length, and images that only began. Without a manifest nothing can prove that it is
    /// still the server's.
    fn tidy(&self, keeps: bool) -> Result<Left, BackupError> {
        let entries = self.folder.list().map_err(|source| {
            BackupError::of_folder("cannot list", self.folder.describe(), source)
        })?;
        let (mut kept, mut parts) = (Vec::new(), Vec::new());
        for entry in entries {
            let image = entry.name.strip_suffix(PART).filter(|name| {
                let is_image = script_image(name).is_some();
                keeps && is_image && entry.size_bytes.is_some()
            });
            if let Some(image) = image {
                parts.push(image.to_owned());
                continue;
            }
            match entry.size_bytes {
                Some(bytes) if keeps && script_image(&entry.name).is_some() => {
                    kept.push((entry.name, bytes));
                }
                _ => self
                    .folder
                    .remove(&entry.name)
                    .map_err(|source| self.file_error("cannot remove", &entry.name, source))?,
            }
        }
        Ok((kept, parts))
    }

    /// Tells a server of `mtdkeep serve` that the backup with this digest of its
    /// manifest was proven here; any other server has no such name.
    pub(crate) fn tell_verified(&self, sha256: &str) {
        let name = format!("verified/{sha256}");
        // What it answers changes nothing here.
        let _ = self
            .client()
            .get(&name, None)
            .and_then(|answer| answer.text(4096));
    }

    fn client(&self) -> Client {
        Client {
            url: self.url.clone(),
            interrupt: self.interrupt,
        }
    }

    fn text(&self, name: &str, patience: &Patience) -> Result<Vec<u8>, BackupError> {
        self.until(patience, || {
            let answer = self.client().get(name, None)?;
            of_status(&answer, name)?;
            answer.text(TEXT_BYTES_MAX)
        })
    }

    /// How long the server says that a file is.
    fn length(&self, name: &str) -> Result<u64, Fault> {
        let answer = self.client().head(name)?;
        of_status(&answer, name)?;
        answer.length_bytes.ok_or_else(|| {
            hopeless(
                &format!("the server does not say how long {name} is"),
                "so nothing can tell whether all of it comes; use another server",
            )
        })
    }

    /// Whether the server sends the same bytes a second time.
    fn is_same(&self, name: &str) -> Result<bool, BackupError> {
        let cannot = |source| self.file_error("cannot read", name, source);
        self.stubbornly(|| {
            let mut answer = self.client().get(name, None)?;
            of_status(&answer, name)?;
            let mut stored = match self.folder.open(name) {
                Ok(stored) => stored,
                Err(source) => return Ok(Err(cannot(source))),
            };
            let (mut sent, mut kept) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
            let mut same = true;
            loop {
                let count = answer.read(&mut sent)?;
                match read_full(stored.as_mut(), &mut kept[..count.max(1)]) {
                    Ok(got) => same &= got == count && sent[..count] == kept[..got],
                    Err(source) => return Ok(Err(cannot(source))),
                }
                self.work.observer.progress(count as u64);
                if count == 0 {
                    return Ok(Ok(same));
                }
            }
        })?
    }

    /// Does something that starts from nothing, again after each loss.
    fn stubbornly<R>(&self, act: impl Fn() -> Result<R, Fault>) -> Result<R, BackupError> {
        self.until(&self.patience, act)
    }

    fn until<R>(
        &self,
        patience: &Patience,
        act: impl Fn() -> Result<R, Fault>,
    ) -> Result<R, BackupError> {
        let mut failures = 0;
        loop {
            match act() {
                Ok(done) => return Ok(done),
                Err(Fault::Lost(why)) => {
                    failures += 1;
                    if !patience.after(failures, &why) {
                        return Err(self.error(Fault::Lost(why)));
                    }
                }
                Err(fault) => return Err(self.error(fault)),
            }
        }
    }

    fn create(&self, part: &str) -> Result<Box<dyn NewFile>, BackupError> {
        let created = self.folder.create(part);
        created.map_err(|source| self.file_error("cannot create", part, source))
    }

    fn file_error(&self, operation: &'static str, file: &str, source: io::Error) -> BackupError {
        *file_error(self.folder, operation, file, source)
    }

    fn error(&self, fault: Fault) -> BackupError {
        let (why, help) = match fault {
            Fault::Stopped => return BackupError::Interrupted,
            Fault::Hopeless { why, help } => (why, help),
            Fault::Lost(why) => (
                why,
                "look whether the server is there; the same command goes on".into(),
            ),
            Fault::Device(errno) => (errno.to_string(), "look at the device".into()),
        };
        MtdError::Unreachable {
            from: self.url.place(),
            why,
            help,
        }
        .into()
    }
}

/// Images that an earlier run left, with their lengths, and those of which it left a
/// part.
type Left = (Vec<(String, u64)>, Vec<String>);
