//! Makes a damaged backup's texts anew: `manifest.json`, `SHA256SUMS`, `index.html`.
//!
//! Each of the three speaks of the others (`SHA256SUMS` has the manifest's digest,
//! the page a copy of it), so that what one lost, another tells. Where nobody has
//! the manifest whole, one is made of what is provable, and says so itself.
//!
//! Invariants: images are only read; nothing is written where nothing is provable or
//! where two witnesses contradict each other; a damaged text is kept under another
//! name before it is replaced, and at no moment is a name without its file.

mod rebuild;
mod salvage;

use super::buffer;
use super::contents::{self, Contents, State};
use super::damage::{TORN, page_copy, read_sums};
use super::digest::{Digests, sha256};
use super::directory::{self, Directory, Entry};
use super::error::{BackupError, Failure};
use super::manifest::{
    FORMAT_VERSION, INDEX, MANIFEST, MANIFEST_BYTES_MAX, Manifest, Rebuilt, SUMS,
};
use super::sums::{self, SumLine};
use super::work::Work;
use super::{damage, html, naming, texts, time};
use crate::mtd::MtdInfo;
use rebuild::Sources;
use salvage::Salvaged;
use std::io;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// How a repair is to be done.
#[derive(Debug)]
pub(crate) struct RepairRequest {
    /// The device's layout, where somebody gives it.
    pub(crate) layout: Option<RepairLayout>,
    /// The time to put into a rebuilt manifest.
    pub(crate) now: SystemTime,
}

/// A layout that somebody gives.
#[derive(Debug)]
pub(crate) struct RepairLayout {
    /// All MTD devices.
    pub(crate) devices: Vec<MtdInfo>,
    /// Who says so, in words.
    pub(crate) from: String,
}

/// How the manifest came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It was whole; at most its companions were not.
    Whole,
    /// From its copy in the page, exact to the byte: `SHA256SUMS` vouches for it.
    Restored,
    /// From what was provable; [`Manifest::rebuilt`] says what.
    Rebuilt,
}

/// What a repair came to.
#[derive(Debug)]
pub(crate) struct Repaired {
    /// The manifest that is there now.
    pub(crate) manifest: Manifest,
    /// How it came about.
    pub(crate) how: How,
    /// The files that were written.
    pub(crate) written: Vec<String>,
    /// The names under which damaged files are kept.
    pub(crate) kept: Vec<String>,
}

/// Makes a backup's texts whole again.
pub(crate) fn repair(
    folder: &dyn Directory,
    request: &RepairRequest,
    work: &Work<'_>,
) -> Result<Repaired, Failure> {
    let found = contents::look(folder)?;
    check_state(folder, &found)?;
    let (text, how) = find_manifest(folder, &found.own, request, work)?;
    let manifest = Manifest::parse(&text).map_err(|source| BackupError::Manifest {
        file: MANIFEST,
        folder: folder.describe(),
        source,
    })?;
    let mut repaired = Repaired {
        how,
        written: Vec::new(),
        kept: Vec::new(),
        manifest,
    };
    write(folder, &found, &text, &mut repaired).map_err(|error| Failure {
        left_behind: Some(format!(
            "no image was touched; written so far: {}; start again to go on",
            if repaired.written.is_empty() {
                "nothing".into()
            } else {
                repaired.written.join(", ")
            }
        )),
        error,
    })?;
    Ok(repaired)
}

fn check_state(folder: &dyn Directory, found: &Contents) -> Result<(), Box<BackupError>> {
    let unfinished = match &found.state {
        State::Finished(_) => return Ok(()),
        State::Damaged(damage) if damage.was_finished() => return Ok(()),
        State::Damaged(_) | State::Unfinished(_) => true,
        _ => false,
    };
    let (holds, help) = if unfinished {
        (
            "holds a backup that was never finished",
            "start the same `mtdkeep backup` again: it compares what is there with the flash, \
             and completes it",
        )
    } else {
        (
            "holds no backup that could be repaired",
            "name a folder that `mtdkeep backup` filled; `mtdkeep import` makes a backup of a \
             shell script's files",
        )
    };
    Err(refused(folder, holds.into(), help))
}

fn refused(folder: &dyn Directory, holds: String, help: &str) -> Box<BackupError> {
    BackupError::Refused {
        folder: folder.describe(),
        holds,
        help: help.into(),
    }
    .into()
}

/// The manifest's text, from whoever has it.
fn find_manifest(
    folder: &dyn Directory,
    own: &[Entry],
    request: &RepairRequest,
    work: &Work<'_>,
) -> Result<(Vec<u8>, How), Box<BackupError>> {
    let lines = read_sums(folder, own)?;
    let line = lines.iter().find(|line| line.file == MANIFEST);
    let vouched = |text: &[u8]| line.map(|line| line.sha256 == sha256(text));
    let stands = read_if_there(folder, own, MANIFEST)?;
    let copy = page_copy(folder, own)?;
    let whole = |text: &Option<Vec<u8>>| {
        let text = text.as_ref()?;
        Manifest::parse(text).is_ok().then(|| text.clone())
    };
    match (whole(&stands), whole(&copy)) {
        (Some(stands), _) if vouched(&stands) == Some(true) => Ok((stands, How::Whole)),
        (_, Some(copy)) if vouched(&copy) == Some(true) => Ok((copy, How::Restored)),
        (Some(stands), Some(copy)) if stands == copy => Ok((stands, How::Whole)),
        (Some(_), Some(_)) => Err(refused(
            folder,
            format!(
                "has a {MANIFEST} and another copy of it in {INDEX}, and {SUMS} does not tell \
                 which is right"
            ),
            "look at both; move the wrong one away, and start again",
        )),
        (Some(stands), None) if line.is_none() => Ok((stands, How::Whole)),
        (Some(text), None) => Ok((
            marked(
                &text,
                request,
                MANIFEST,
                "as it stands: its digest in SHA256SUMS is another",
            ),
            How::Rebuilt,
        )),
        (None, Some(text)) => {
            one_image_fits(folder, own, &text, work)?;
            let why = match line {
                Some(_) => "is unchanged: its digest in SHA256SUMS is another",
                None => "is unchanged: nothing has its digest",
            };
            let from = format!("the copy in {INDEX}");
            Ok((marked(&text, request, &from, why), How::Rebuilt))
        }
        (None, None) => {
            let mut torn: Vec<Vec<u8>> = stands.into_iter().chain(copy).collect();
            for entry in own.iter().filter(|entry| damage::is_torn_copy(&entry.name)) {
                torn.push(contents::read_text(
                    folder,
                    &entry.name,
                    MANIFEST_BYTES_MAX,
                )?);
            }
            let pieces = Sources {
                folder,
                own,
                lines: lines.iter().rev().map(|line| (&*line.file, line)).collect(),
                salvaged: Salvaged::of(&torn),
            };
            Ok((pieces.rebuild(request, work)?.to_json(), How::Rebuilt))
        }
    }
}

/// A whole text that nobody vouches for, with a word on that.
fn marked(text: &[u8], request: &RepairRequest, from: &str, doubt: &str) -> Vec<u8> {
    let Ok(mut manifest) = Manifest::parse(text) else {
        return text.into();
    };
    manifest.format_version = format!("{}.{}", FORMAT_VERSION.0, FORMAT_VERSION.1);
    let rebuilt = manifest.rebuilt.get_or_insert_with(Rebuilt::default);
    rebuilt.rebuilt_utc = time::utc(request.now);
    rebuilt.made_from.push(from.into());
    let doubt = format!("that {from} {doubt}");
    if !rebuilt.not_proven.contains(&doubt) {
        rebuilt.not_proven.push(doubt);
    }
    manifest.to_json()
}

/// A copy that nobody vouches for is only taken where it fits an image at least.
fn one_image_fits(
    folder: &dyn Directory,
    own: &[Entry],
    text: &[u8],
    work: &Work<'_>,
) -> Result<(), Box<BackupError>> {
    let images = Manifest::parse(text).map(|manifest| manifest.images);
    for image in images.unwrap_or_default() {
        let there = directory::named(own, &image.file);
        let (Some(choice), Some(_)) = (image.digests(), there) else {
            continue;
        };
        work.observer.begin(&image.name);
        let mut digests = Digests::new(choice);
        each_piece(folder, &image.file, work, |piece| digests.update(piece))?;
        let values = digests.finish();
        if image.has(&values) {
            return Ok(());
        }
    }
    Err(refused(
        folder,
        format!("holds no image that is what the copy of {MANIFEST} in {INDEX} says"),
        "the images and the page are not of one backup: look for the images' own manifest",
    ))
}

/// Reads a file of the folder from end to end.
fn each_piece(
    folder: &dyn Directory,
    file: &str,
    work: &Work<'_>,
    mut piece: impl FnMut(&[u8]),
) -> Result<(), Box<BackupError>> {
    let cannot = |source| texts::error(folder, "cannot read", file, source);
    let mut stream = folder.open(file).map_err(cannot)?;
    let mut buffer = Vec::new();
    let buffer = buffer::grow(&mut buffer, work.buffer_bytes.max(1))?;
    loop {
        if work.interrupt.load(Ordering::Relaxed) {
            return Err(BackupError::Interrupted.into());
        }
        match stream.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => piece(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot(error)),
        }
    }
}

fn read_if_there(
    folder: &dyn Directory,
    own: &[Entry],
    file: &str,
) -> Result<Option<Vec<u8>>, Box<BackupError>> {
    if !contents::has(own, file) {
        return Ok(None);
    }
    contents::read_text(folder, file, MANIFEST_BYTES_MAX).map(Some)
}

/// Writes what is not right yet, the manifest last.
fn write(
    folder: &dyn Directory,
    found: &Contents,
    text: &[u8],
    repaired: &mut Repaired,
) -> Result<(), Box<BackupError>> {
    let manifest = repaired.manifest.clone();
    if manifest.has_sha256() {
        let wanted = sums::render(&manifest.images, text);
        let there = read_if_there(folder, &found.own, SUMS)?;
        let lines = |text: &[u8]| -> Option<Vec<SumLine>> {
            sums::parse(std::str::from_utf8(text).ok()?).ok()
        };
        let same = there.is_some_and(|there| lines(&there) == lines(wanted.as_bytes()));
        if !same {
            replace(folder, &found.own, SUMS, wanted.as_bytes(), repaired)?;
        }
    }
    let foreign_page = contents::has(&found.foreign, INDEX);
    if !foreign_page && page_copy(folder, &found.own)?.as_deref() != Some(text) {
        let page = html::of_folder(&manifest, text, &[]);
        replace(folder, &found.own, INDEX, page.as_bytes(), repaired)?;
    }
    if read_if_there(folder, &found.own, MANIFEST)?.as_deref() != Some(text) {
        replace(folder, &found.own, MANIFEST, text, repaired)?;
    }
    Ok(())
}

/// Replaces a text; what stood there is kept under another name.
fn replace(
    folder: &dyn Directory,
    own: &[Entry],
    file: &str,
    text: &[u8],
    repaired: &mut Repaired,
) -> Result<(), Box<BackupError>> {
    let there = read_if_there(folder, own, file)?.unwrap_or_default();
    if !there.is_empty() {
        let is_free = |name: &String| own.iter().all(|entry| entry.name != *name);
        let numbered = (2..1000).map(|number| format!("{file}{TORN}{number}"));
        let name = std::iter::once(format!("{file}{TORN}"))
            .chain(numbered)
            .find(is_free)
            .unwrap_or_else(|| format!("{file}{TORN}"));
        naming::write_whole(folder, &name, &there)?;
        repaired.kept.push(name);
    }
    naming::write_whole(folder, file, text)?;
    repaired.written.push(file.into());
    Ok(())
}
