//! Makes the plan: looks at the backup and at the device, and changes nothing.

use super::blocks::{self, Route};
use super::error::{Obstacle, RestoreError, Stopped};
use super::journal::{self, Journal};
use super::overlap;
use super::plan::{self, Plan, PlannedPartition};
use super::preconditions::{self, Said};
use super::roles::Role;
use super::survey::Survey;
use crate::backup::opening::recognise;
use crate::backup::{
    self, Directory, Identity, Image, Kind, Manifest, Meaning, Report, Work, verify_but,
};
use crate::mtd::{MtdBackend, MtdInfo, select};

/// What is to be restored.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Request<'a> {
    /// Which partitions, by name or as `mtdN`; none: all that the backup has.
    pub(crate) partitions: &'a [String],
    /// Partitions that may be written although they decide whether the device starts, or
    /// which device it is.
    pub(crate) allow: &'a [String],
    /// The backup may be of another device.
    pub(crate) other_device: bool,
    /// The plan is carried out at once: who else has the flash in use is looked for then,
    /// when it is open and before the first erase block, and not twice in a row.
    pub(crate) at_once: bool,
}

/// Room for the head of a kept file, and for what the file system needs for it.
const JOURNAL_SPARE_BYTES: u64 = 16 << 10;

/// Looks at everything, and says what a restore will do. `journal` is the folder for old
/// bytes, where there is one already.
///
/// # Errors
/// What keeps the backup from being restored as it was asked for. Nothing is changed, and
/// nothing is opened for writing; but where an earlier run stopped in an erase block, the
/// flash is unfinished before, and stays so.
pub(crate) fn plan(
    backend: &dyn MtdBackend,
    backup: &dyn Directory,
    journal: Option<&dyn Directory>,
    request: &Request<'_>,
    work: &Work<'_>,
) -> Result<Plan, Stopped> {
    made(backend, backup, journal, request, work).map_err(|error| Stopped {
        changed: journal.is_some_and(journal::has_old),
        error,
    })
}

fn made(
    backend: &dyn MtdBackend,
    backup: &dyn Directory,
    journal: Option<&dyn Directory>,
    request: &Request<'_>,
    work: &Work<'_>,
) -> Result<Plan, Box<RestoreError>> {
    let devices = backend.devices()?;
    let chosen = select(&devices, request.partitions)?;
    let allowed = match request.allow {
        [] => Vec::new(),
        names => select(&devices, names)?,
    };
    let report = proven(backup, &chosen, work)?;
    let manifest = &report.manifest;
    preconditions::same_layout(manifest, &devices)?;
    let mut notes = Vec::new();
    let identity = same_device(
        backend, &devices, manifest, request, &allowed, &mut notes, work,
    )?;
    let journal = journal.map(|folder| Journal {
        folder,
        identity: &identity,
    });
    let in_hand = match &journal {
        Some(journal) => journal.in_hand()?,
        None => Vec::new(),
    };
    let survey = Survey {
        backend,
        backup,
        journal: journal.as_ref(),
        in_hand: &in_hand,
        digests_flash: false,
        work,
    };
    let images = images(manifest, &chosen, request, &mut notes)?;
    let mut partitions = survey.all(&images, &devices, request)?;
    overlap::join(&mut partitions, backup, &mut notes)?;
    let said = Said {
        allowed: &allowed,
        other_device: request.other_device,
        by_name: !request.partitions.is_empty(),
    };
    let in_use = match request.at_once {
        true => Vec::new(),
        false => backend.in_use(&devices),
    };
    preconditions::check(&partitions, &devices, &in_use, &in_hand, &said)?;
    let written = partitions.iter().filter(|part| !part.blocks.is_empty());
    let block_bytes = written
        .map(|part| part.route.device.erase_block_bytes)
        .max();
    let block_bytes = block_bytes.unwrap_or(0);
    if let Some(journal) = journal.as_ref().filter(|_| block_bytes > 0) {
        enough_space(journal.folder, block_bytes)?;
    }
    tell(&partitions, &in_hand, &mut notes);
    let sha256 = report.manifest_sha256.as_deref().unwrap_or_default();
    Ok(Plan {
        digest: plan::digest(sha256, request.other_device, &partitions),
        block_bytes: block_bytes as usize,
        partitions,
        notes,
        in_hand,
        identity,
        devices,
    })
}

/// The backup's report: it is finished, and right but for the images to restore. Those are
/// proven when they are compared with the flash: one reading of a backup that is as large
/// as the flash is enough.
fn proven(
    backup: &dyn Directory,
    chosen: &[MtdInfo],
    work: &Work<'_>,
) -> Result<Report, Box<RestoreError>> {
    let is_chosen = |image: &&Image| chosen.iter().any(|device| device.index.0 == image.mtd);
    let by_survey = |image: &Image| {
        let read = Some(image).filter(is_chosen);
        read.filter(|image| image.sha256.is_some()).map(Image::told)
    };
    let report = verify_but(backup, None, &by_survey, work).map_err(|failure| failure.error)?;
    right(backup, &report)?;
    Ok(report)
}

impl Survey<'_> {
    /// Looks at each partition, in the order in which they are written.
    fn all(
        &self,
        images: &[(&MtdInfo, &Image)],
        devices: &[MtdInfo],
        request: &Request<'_>,
    ) -> Result<Vec<PlannedPartition>, Box<RestoreError>> {
        let names: Vec<_> = images.iter().map(|(device, _)| &*device.name).collect();
        let bytes = crate::mtd::total_bytes(images.iter().map(|(_, image)| image.size_bytes));
        self.work.observer.planned(&names, bytes);
        let mut partitions = Vec::with_capacity(images.len());
        // What decides whether others are used comes after them. (A sort takes 4 KB of code.)
        let in_order = Role::ALL.into_iter().flat_map(|role| {
            let of_role = move |(device, _): &&(&MtdInfo, _)| Role::of(&device.name) == role;
            images.iter().filter(of_role)
        });
        for (device, image) in in_order {
            self.work.observer.begin(&device.name);
            let route = route(device, devices, request);
            partitions.push(self.partition(device, image, route)?);
        }
        Ok(partitions)
    }
}

/// Through which device a partition is written, or why it stays.
fn route(device: &MtdInfo, devices: &[MtdInfo], request: &Request<'_>) -> Result<Route, Obstacle> {
    let is_own = Role::of(&device.name).is_own();
    match request.other_device && request.partitions.is_empty() && is_own {
        true => Err(Obstacle::OfThisDevice),
        false => blocks::route(device, devices),
    }
}

/// That the backup is finished and what its manifest says. Files that are no part of it
/// do not matter here.
pub(super) fn right(backup: &dyn Directory, report: &Report) -> Result<(), Box<RestoreError>> {
    let matters = |meaning| matches!(meaning, Meaning::Differs | Meaning::Unchecked);
    let wrong = report
        .findings
        .iter()
        .find(|found| matters(found.kind.meaning()) && found.kind != Kind::NotPart);
    match wrong {
        Some(found) => Err(RestoreError::NotRight {
            folder: backup.describe(),
            finding: found.message(),
        }
        .into()),
        None => Ok(()),
    }
}

/// That the backup is of this device, or that the user says what to do where that is not
/// proven. Answers what kept files call the device.
fn same_device(
    backend: &dyn MtdBackend,
    devices: &[MtdInfo],
    manifest: &Manifest,
    request: &Request<'_>,
    allowed: &[MtdInfo],
    notes: &mut Vec<String>,
    work: &Work<'_>,
) -> Result<String, Box<RestoreError>> {
    let expected = manifest.device.identity.as_ref();
    let expected = expected.map(|identity| identity.sha256.as_str());
    let found = recognise(backend, devices, &mut Vec::new(), expected, work)?;
    let found = found.and_then(|found| found.identity());
    let word = |identity: &Option<Identity>| match identity {
        Some(identity) => identity.sha256.clone(),
        None => "unknown".into(),
    };
    let own = word(&manifest.device.identity);
    let why = match (&manifest.device.identity, &found) {
        (Some(backup), Some(device)) if backup == device => return Ok(own),
        (Some(_), Some(device)) => format!("its {} holds something else", device.partition),
        (Some(backup), None) => format!("its {} cannot be told", backup.partition),
        (None, _) => "the backup does not tell one device from another".into(),
    };
    // What tells devices apart differs whenever it is to be restored itself.
    let itself = manifest.device.identity.as_ref().is_some_and(|identity| {
        let is_it = |device: &MtdInfo| device.name == identity.partition;
        let chosen = |word: &String| {
            let named = |device: &&MtdInfo| is_it(device) && device.index.to_string() == *word;
            *word == identity.partition || devices.iter().any(|device| named(&device))
        };
        allowed.iter().any(is_it) && request.partitions.iter().any(chosen)
    });
    match request.other_device || itself {
        true => {
            notes.push(format!(
                "not proven to be the device that was backed up: {why}"
            ));
            // Where it is restored itself, it is not the same in each run.
            Ok(if itself { own } else { word(&found) })
        }
        false => Err(RestoreError::OtherDevice { why }.into()),
    }
}

/// The images of the chosen partitions.
fn images<'a>(
    manifest: &'a Manifest,
    chosen: &'a [MtdInfo],
    request: &Request<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<(&'a MtdInfo, &'a Image)>, Box<RestoreError>> {
    let mut images = Vec::new();
    for device in chosen {
        let partition = device.id();
        let image = manifest
            .images
            .iter()
            .find(|image| image.mtd == device.index.0);
        match image {
            Some(image) => match &image.doubt {
                Some(why) => {
                    let why = why.clone();
                    return Err(RestoreError::Doubtful { partition, why }.into());
                }
                None => images.push((device, image)),
            },
            None if request.partitions.is_empty() => {
                notes.push(format!("{partition} is not in the backup, and stays"));
            }
            None => return Err(RestoreError::NotInBackup { partition }.into()),
        }
    }
    Ok(images)
}

/// That there is room for an erase block's old bytes.
pub(super) fn enough_space(
    folder: &dyn Directory,
    block_bytes: u64,
) -> Result<(), Box<RestoreError>> {
    let needed_bytes = block_bytes + JOURNAL_SPARE_BYTES;
    match folder.free_bytes() {
        Ok(free_bytes) if free_bytes < needed_bytes => Err(RestoreError::NoSpace {
            folder: folder.describe(),
            needed_bytes,
            free_bytes,
        }
        .into()),
        // What cannot be told shows when the first erase block is kept.
        _ => Ok(()),
    }
}

fn tell(
    partitions: &[PlannedPartition],
    in_hand: &[super::journal::Kept],
    notes: &mut Vec<String>,
) {
    for part in partitions {
        let id = part.device.id();
        if let Some((why, differ @ 1..)) = &part.stays {
            notes.push(format!(
                "{id} differs in {} and stays: {why}",
                backup::count(*differ, "erase block")
            ));
        }
        if part.unknown_bytes > 0 {
            notes.push(format!(
                "{id}: {} are not in the backup, and stay as they are",
                backup::size(part.unknown_bytes)
            ));
        }
        if part.locked > 0 {
            notes.push(format!(
                "{id}: {} locked: unlocked, written, and locked again",
                backup::count(part.locked, "erase block")
            ));
        }
        if part.route.device.index != part.device.index {
            notes.push(format!(
                "{id} is written through {}: it shares an erase block",
                part.route.device.id()
            ));
        }
    }
    for kept in in_hand {
        notes.push(format!(
            "an earlier restore stopped in the erase block at {:#x} of mtd{}: it is written again",
            kept.offset_bytes, kept.mtd
        ));
    }
}
