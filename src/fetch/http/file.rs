//! One file that comes: in as many answers as it takes, each byte digested as it comes.
//!
//! Invariants: bytes of two versions are never put together, as long as the server tells
//! its versions apart; a file that does not end ends the download; a digest that follows
//! the file on the wire is that of the bytes that came, or they come again.

use super::answer::{Answer, hopeless, of_status};
use super::pace::LEAST_BYTES;
use super::{CHUNK_BYTES, Download, TEXT_BYTES_MAX};
use crate::backup::manifest::PART;
use crate::backup::{BackupError, DigestChoice, DigestValues, Digests, NewFile, digest};
use crate::fetch::wire::Fault;
use std::sync::mpsc;
use std::thread;

/// How many pieces wait to be digested at most.
const CHUNKS_WAITING: usize = 4;

/// A file that is being downloaded.
struct Coming {
    out: Box<dyn NewFile>,
    done_bytes: u64,
    validator: Option<String>,
    /// An earlier run began it, of a version that nobody knows: a manifest has to prove
    /// it.
    is_old: bool,
    /// Of all that came, where it came in this run.
    digests: Option<Digests>,
    /// How often all of it came, and was not what the server sent.
    mistakes: u32,
}

/// What broke.
enum Broken {
    Wire(Fault),
    Folder(BackupError),
}

impl Download<'_> {
    /// Downloads a file; after a loss it goes on where it was, if the server can tell
    /// that it is still the same file. Its name and digests, where it came in one run.
    pub(super) fn file(
        &self,
        name: &str,
        length: Option<u64>,
    ) -> Result<Option<(String, DigestValues)>, BackupError> {
        let part = format!("{name}{PART}");
        let mut coming = self.coming(&part, length)?;
        let mut failures = 0;
        loop {
            let before = coming.done_bytes;
            match self.piece(name, &part, length, &mut coming) {
                Ok(()) => break,
                Err(Broken::Folder(error)) => return Err(error),
                Err(Broken::Wire(Fault::Lost(why))) => {
                    // A few bytes each time would be a download without end.
                    failures = match coming.done_bytes.saturating_sub(before) >= LEAST_BYTES {
                        true => 1,
                        false => failures + 1,
                    };
                    if !self.patience.after(failures, &why) {
                        return Err(self.error(Fault::Lost(why)));
                    }
                }
                Err(Broken::Wire(fault)) => return Err(self.error(fault)),
            }
        }
        let synced = coming.out.sync();
        synced.map_err(|source| self.file_error("cannot sync", &part, source))?;
        let renamed = self.folder.rename(&part, name);
        renamed.map_err(|source| self.file_error("cannot rename", &part, source))?;
        let values = coming.digests.map(Digests::finish);
        Ok(values.map(|values| (name.to_owned(), values)))
    }

    /// Where a file begins: behind what an earlier run left of it, where something did.
    fn coming(&self, part: &str, length: Option<u64>) -> Result<Coming, BackupError> {
        let left = self.folder.id(part).map_or(0, |file| file.size_bytes);
        // At least a byte is asked for, which shows that the server has the file still.
        let keep = left.min(length.unwrap_or(0).saturating_sub(1));
        let appended = match keep {
            0 => None,
            _ => self.folder.append(part, keep).ok(),
        };
        let is_old = appended.is_some();
        let out = match appended {
            Some(out) => out,
            None => self.create(part)?,
        };
        let done_bytes = if is_old { keep } else { 0 };
        self.work.observer.progress(done_bytes);
        Ok(Coming {
            out,
            done_bytes,
            validator: None,
            is_old,
            digests: (!is_old).then(|| Digests::new(DigestChoice::Both)),
            mistakes: 0,
        })
    }

    /// A file that is begun anew.
    fn anew(&self, part: &str, coming: &mut Coming) -> Result<(), BackupError> {
        *coming = Coming {
            out: self.create(part)?,
            done_bytes: 0,
            validator: None,
            is_old: false,
            digests: Some(Digests::new(DigestChoice::Both)),
            mistakes: coming.mistakes,
        };
        Ok(())
    }

    /// One answer of the server, to the file's end.
    fn piece(
        &self,
        name: &str,
        part: &str,
        length: Option<u64>,
        coming: &mut Coming,
    ) -> Result<(), Broken> {
        let validator = coming.validator.as_deref();
        let can_go_on = coming.done_bytes > 0 && (validator.is_some() || coming.is_old);
        let from = can_go_on.then_some((coming.done_bytes, validator));
        let mut answer = self.client().get(name, from)?;
        of_status(&answer, name)?;
        let goes_on = answer.status == 206;
        let whole = match answer.part {
            Some((start, size)) if goes_on && start == coming.done_bytes => Some(size),
            _ if goes_on => {
                let why = "the server sends another part than it was asked for";
                return Err(hopeless(why, "use another server").into());
            }
            _ => answer.length_bytes,
        };
        let other_length = || {
            let why = format!("{name} has another length now");
            hopeless(&why, "start the same command again")
        };
        // In chunks it says none before the end.
        if length.is_some() && whole.is_some() && whole != length {
            return Err(other_length().into());
        }
        let theirs = answer.validator.as_deref();
        if goes_on && validator.is_some_and(|ours| theirs.is_some_and(|theirs| theirs != ours)) {
            self.anew(part, coming)?;
            return Err(Fault::Lost(format!("{name} is another one now")).into());
        }
        if !goes_on {
            if coming.done_bytes > 0 {
                // Another version, or a server that knows no parts: from the start.
                self.anew(part, coming)?;
            }
            coming.validator = answer.validator.clone();
        }
        let most = whole.or(length).unwrap_or(TEXT_BYTES_MAX as u64);
        self.take(&mut answer, part, most, coming)?;
        match whole.or(length) {
            Some(whole) if whole > coming.done_bytes => {
                Err(Fault::Lost("the file ended before its length".into()).into())
            }
            _ => self.compare(answer.digest(), name, part, coming),
        }
    }

    /// Takes an answer to its end, which must come before `most` bytes of the file. The
    /// digests are made beside, so that the wire does not wait for them.
    fn take(
        &self,
        answer: &mut Answer,
        part: &str,
        most: u64,
        coming: &mut Coming,
    ) -> Result<(), Broken> {
        let Some(mut digests) = coming.digests.clone() else {
            return self.store(answer, part, most, coming, &mut |chunk, _| chunk);
        };
        thread::scope(|scope| {
            let (full, to_digest) = mpsc::sync_channel::<(Vec<u8>, usize)>(CHUNKS_WAITING);
            let (empty, free) = mpsc::channel();
            let digest = move || {
                for (chunk, count) in to_digest {
                    digests.update(&chunk[..count]);
                    // At the end nobody wants it any more.
                    let _ = empty.send(chunk);
                }
                digests
            };
            let spawned = thread::Builder::new().spawn_scoped(scope, digest);
            let digesting =
                spawned.map_err(|source| self.file_error("cannot digest", part, source))?;
            let result = self.store(answer, part, most, coming, &mut |chunk, count| {
                // Who does not take it any more has no digests either.
                let _ = full.send((chunk, count));
                free.try_recv().unwrap_or_else(|_| vec![0; CHUNK_BYTES])
            });
            drop(full);
            // Also of what came before a loss: it is gone on with.
            coming.digests = digesting.join().ok();
            result
        })
    }

    /// Stores an answer to its end, and passes each piece on, for a buffer for the next.
    fn store(
        &self,
        answer: &mut Answer,
        part: &str,
        most: u64,
        coming: &mut Coming,
        pass: &mut dyn FnMut(Vec<u8>, usize) -> Vec<u8>,
    ) -> Result<(), Broken> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = answer.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            if coming.done_bytes + count as u64 > most {
                // Without an end it would fill the disk.
                let why = format!("the server sends more than {most} bytes of a file");
                return Err(hopeless(&why, "use another server").into());
            }
            let written = coming.out.write_all(&chunk[..count]);
            written.map_err(|source| self.file_error("cannot write", part, source))?;
            coming.done_bytes += count as u64;
            self.work.observer.progress(count as u64);
            chunk = pass(chunk, count);
        }
    }

    /// What came whole, against the digest that the server made of what it sent. What
    /// differs comes again: only so often.
    fn compare(
        &self,
        theirs: Option<&str>,
        name: &str,
        part: &str,
        coming: &mut Coming,
    ) -> Result<(), Broken> {
        const MISTAKES_MAX: u32 = 3;
        let ours = coming.digests.clone().and_then(|it| it.finish().sha256);
        let (Some(theirs), Some(ours)) = (theirs, ours) else {
            return Ok(());
        };
        if digest::base64(&ours) == theirs {
            return Ok(());
        }
        self.anew(part, coming)?;
        coming.mistakes += 1;
        match coming.mistakes {
            ..MISTAKES_MAX => Err(Fault::Lost(format!("{name} came damaged")).into()),
            _ => Err(hopeless(
                &format!("{name} never came as the server read it"),
                "something on the way changes bytes: try another cable or another network",
            )
            .into()),
        }
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Wire(fault)
    }
}

impl From<BackupError> for Broken {
    fn from(error: BackupError) -> Self {
        Self::Folder(error)
    }
}
