//! What a backup finds out about its device before anything is written: which
//! devices open, which stay out and why, and which device of its kind it is.

use super::buffer;
use super::digest::{DigestChoice, DigestValues, Digests};
use super::error::BackupError;
use super::known;
use super::manifest::{
    Device, FORMAT, FORMAT_VERSION, Identity, Image, LayoutEntry, LeftOut, Manifest,
};
use super::reader::Reader;
use super::time;
use super::work::Work;
use crate::mtd::{MtdBackend, MtdError, MtdErrorKind, MtdInfo, MtdName, MtdRead};
use std::time::SystemTime;

pub(crate) type Opened = Vec<Source>;
pub(crate) type Unopened = Vec<(MtdInfo, MtdError)>;

/// A device that opens.
pub(crate) enum Source {
    /// It stays open: from its first reading to its last it is the same one.
    Open(Box<dyn MtdRead>),
    /// It was opened to see whether that can be done, and is opened again for its
    /// turn: there are more devices than files that may be open at once.
    Closed(MtdInfo),
}

impl Source {
    pub(crate) fn info(&self) -> &MtdInfo {
        match self {
            Self::Open(device) => device.info(),
            Self::Closed(info) => info,
        }
    }

    /// The open device.
    pub(crate) fn open(&mut self, backend: &dyn MtdBackend) -> Result<&mut dyn MtdRead, MtdError> {
        if let Self::Closed(info) = self {
            *self = Self::Open(backend.open(info)?);
        }
        match self {
            Self::Open(device) => Ok(device.as_mut()),
            Self::Closed(_) => unreachable!("it was opened just now"),
        }
    }

    /// Closes it as long as it is not its turn, where there are few descriptors.
    fn close(&mut self) {
        if let Self::Open(device) = self {
            *self = Self::Closed(device.info().clone());
        }
    }
}

/// Files that are open beside the devices at some moment of a backup.
const OTHER_FILES: u64 = 16;

/// Whether so many devices may be open at once.
fn fit(devices: usize) -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it gets a structure of its own to fill. rustix's call is of Linux
    // 2.6.36, and takes every answer for one.
    let told = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    // Where nobody tells, opening them does.
    // Its type is another one on other machines.
    #[allow(clippy::useless_conversion)]
    let limit = u64::from(limit.rlim_cur);
    !told || (devices as u64).saturating_add(OTHER_FILES) <= limit
}

/// What a backup has before its first image, wherever it goes.
pub(crate) struct Beginning {
    pub(crate) opened: Opened,
    pub(crate) left_out: Unopened,
    pub(crate) recognised: Option<Recognised>,
    /// Without images.
    pub(crate) manifest: Manifest,
}

/// Opens the wanted devices of a layout and finds out which device it is.
pub(crate) fn begin(
    backend: &dyn MtdBackend,
    layout: &[MtdInfo],
    wanted: &[MtdInfo],
    now: SystemTime,
    work: &Work<'_>,
) -> Result<Beginning, Box<BackupError>> {
    let (mut opened, left_out) = open(backend, wanted)?;
    let recognised = recognise(backend, layout, &mut opened, None, work)?;
    let manifest = Manifest {
        format: FORMAT.into(),
        format_version: format!("{}.{}", FORMAT_VERSION.0, FORMAT_VERSION.1),
        tool: concat!("mtdkeep ", env!("CARGO_PKG_VERSION")).into(),
        created_utc: time::utc(now),
        device: Device {
            description: backend.description(),
            identity: recognised.as_ref().and_then(Recognised::identity),
        },
        layout: layout_entries(layout, wanted, &left_out),
        images: Vec::new(),
        folder_created: false,
        origin: None,
        rebuilt: None,
    };
    Ok(Beginning {
        opened,
        left_out,
        recognised,
        manifest,
    })
}

/// Says which partitions will not be in the backup.
pub(crate) fn tell_left_out(left_out: &Unopened, work: &Work<'_>) {
    for (info, error) in left_out {
        let (reason, help) = (error.to_string(), error.help());
        work.observer.left_out(&info.id(), &reason, help.as_deref());
    }
}

/// The same of devices that opened at first and did not open again, by number; an
/// error where no image is left.
pub(crate) fn leave_out(
    manifest: &mut Manifest,
    mut gone: Vec<(u32, MtdError)>,
    work: &Work<'_>,
) -> Result<(), Box<BackupError>> {
    gone.sort_unstable_by_key(|(number, _)| *number);
    for entry in &mut manifest.layout {
        if let Ok(at) = gone.binary_search_by_key(&entry.mtd, |(number, _)| *number) {
            let error = &gone[at].1;
            let reason = error.to_string();
            let help = error.help();
            let device = MtdName {
                index: entry.index(),
                name: entry.name.clone(),
            };
            work.observer.left_out(&device, &reason, help.as_deref());
            entry.left_out = Some(LeftOut {
                by_choice: false,
                reason,
            });
        }
    }
    match gone.into_iter().next() {
        Some((_, first)) if manifest.images.iter().all(|image| image.size_bytes == 0) => {
            Err(BackupError::NothingReadable { first }.into())
        }
        _ => Ok(()),
    }
}

/// Opens the wanted devices, all at once where that can be, else one after the
/// other; an error only where none of them opens, or none that does has a byte.
fn open(
    backend: &dyn MtdBackend,
    wanted: &[MtdInfo],
) -> Result<(Opened, Unopened), Box<BackupError>> {
    let mut keep = fit(wanted.len());
    let (mut opened, mut left_out) = (Opened::new(), Vec::new());
    for info in wanted {
        let mut tried = backend.open(info);
        if keep && matches!(&tried, Err(error) if error.lacks_descriptors()) {
            keep = false;
            opened.iter_mut().for_each(Source::close);
            tried = backend.open(info);
        }
        match tried {
            Ok(device) if keep => opened.push(Source::Open(device)),
            Ok(device) => opened.push(Source::Closed(device.info().clone())),
            Err(error) if error.kind() == MtdErrorKind::Unreachable => return Err(error.into()),
            Err(error) => left_out.push((info.clone(), error)),
        }
    }
    // A backup without a byte is one that verify calls none.
    if opened.iter().any(|device| device.info().size_bytes > 0) {
        return Ok((opened, left_out));
    }
    Err(match left_out.into_iter().next() {
        Some((_, first)) => BackupError::NothingReadable { first },
        None => BackupError::NothingWanted,
    }
    .into())
}

/// The manifest's layout: each device, with the reason where it has no image.
fn layout_entries(layout: &[MtdInfo], wanted: &[MtdInfo], unopened: &Unopened) -> Vec<LayoutEntry> {
    // Both are in the order of the layout.
    let mut wanted = wanted.iter().peekable();
    let mut unopened = unopened.iter().peekable();
    let entry = |info: &MtdInfo| {
        let is_wanted = wanted.next_if(|one| one.index == info.index).is_some();
        let error = unopened.next_if(|(one, _)| one.index == info.index);
        let left_out = match error {
            Some((_, error)) => Some((false, error.to_string())),
            None if is_wanted => None,
            None => Some((true, "not asked for".into())),
        };
        let mut entry = LayoutEntry::new(info);
        entry.left_out = left_out.map(|(by_choice, reason)| LeftOut { by_choice, reason });
        entry
    };
    layout.iter().map(entry).collect()
}

/// The partition that tells this device from others of its kind, as it was read
/// before anything was written.
pub(crate) struct Recognised {
    mtd: u32,
    partition: String,
    /// What two readings in a row gave; none where no two were the same.
    values: Option<DigestValues>,
}

impl Recognised {
    /// For the manifest.
    pub(crate) fn identity(&self) -> Option<Identity> {
        Some(Identity {
            partition: self.partition.clone(),
            sha256: self.values.as_ref()?.sha256.clone()?,
        })
    }

    /// Why an image may not be what the flash holds, if it is of that partition.
    pub(crate) fn doubt(&self, image: &Image) -> Option<String> {
        if image.mtd != self.mtd || !image.unreadable.is_empty() {
            return None;
        }
        let Some(values) = &self.values else {
            return Some(
                "the flash gives other bytes each time it is read; the image has one reading's"
                    .into(),
            );
        };
        // Whichever the image has.
        let same = |image: &Option<String>, known: &Option<String>| match (image, known) {
            (Some(image), Some(known)) => image == known,
            _ => true,
        };
        if same(&image.crc32, &values.crc32) && same(&image.sha256, &values.sha256) {
            return None;
        }
        Some("two readings before gave other bytes: the flash does not always read alike".into())
    }
}

/// Reads the partition that tells this device from others of its kind, where
/// there is one and it can be read without a hole: until two readings in a row
/// are the same, because a bit that flipped on the way would make of it another
/// device. A reading with the SHA-256 that is `expected` is enough: no flipped bit makes
/// that of another's.
pub(crate) fn recognise(
    backend: &dyn MtdBackend,
    layout: &[MtdInfo],
    opened: &mut Opened,
    expected: Option<&str>,
    work: &Work<'_>,
) -> Result<Option<Recognised>, Box<BackupError>> {
    const READINGS: u32 = 4;
    let found = layout.iter().find(|info| {
        known::tells_devices_apart(&info.name)
            && (1..=known::IDENTITY_BYTES_MAX).contains(&info.size_bytes)
    });
    let Some(info) = found else {
        return Ok(None);
    };
    let mut own;
    let there = opened.iter_mut().find(|d| d.info().index == info.index);
    let device = match there {
        Some(Source::Open(device)) => device.as_mut(),
        _ => match backend.open(info) {
            Ok(device) => {
                own = device;
                own.as_mut()
            }
            Err(error) if error.kind() == MtdErrorKind::Unreachable => return Err(error.into()),
            Err(_) => return Ok(None),
        },
    };
    let mut recognised = Recognised {
        mtd: info.index.0,
        partition: info.name.clone(),
        values: None,
    };
    let mut before = None;
    for _ in 0..READINGS {
        let Some(values) = read_whole(device, work)? else {
            return Ok(None);
        };
        let is_expected = expected.is_some() && values.sha256.as_deref() == expected;
        if is_expected || before.as_ref() == Some(&values) {
            recognised.values = Some(values);
            break;
        }
        before = Some(values);
    }
    Ok(Some(recognised))
}

/// Both digests of all that a device holds; none where it has a hole.
fn read_whole(
    device: &mut dyn MtdRead,
    work: &Work<'_>,
) -> Result<Option<DigestValues>, Box<BackupError>> {
    let mut buffer = Vec::new();
    let buffer = buffer::grow(&mut buffer, work.buffer_bytes.clamp(1, 64 << 10))?;
    let mut reader = Reader::new(device, work.stop());
    let mut digests = Digests::new(DigestChoice::Both);
    loop {
        match reader.next(buffer)? {
            0 => break,
            count => digests.update(&buffer[..count]),
        }
    }
    Ok(reader.unreadable().is_empty().then(|| digests.finish()))
}
