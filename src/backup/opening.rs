//! What a backup finds out about its device before anything is written: which
//! devices open, which stay out and why, and which device of its kind it is.

use super::digest::{DigestChoice, Digests};
use super::error::BackupError;
use super::known;
use super::manifest::{Identity, LayoutEntry, LeftOut};
use super::reader::Reader;
use crate::mtd::{MtdBackend, MtdError, MtdInfo, MtdRead};

pub(super) type Opened = Vec<Box<dyn MtdRead>>;
pub(super) type Unopened = Vec<(MtdInfo, MtdError)>;

/// Opens the wanted devices; an error only where none of them opens.
pub(super) fn open(
    backend: &dyn MtdBackend,
    wanted: &[MtdInfo],
) -> Result<(Opened, Unopened), BackupError> {
    let (mut opened, mut left_out) = (Vec::new(), Vec::new());
    for info in wanted {
        match backend.open(info) {
            Ok(device) => opened.push(device),
            Err(error) => left_out.push((info.clone(), error)),
        }
    }
    match left_out.first() {
        Some((_, first)) if opened.is_empty() => Err(BackupError::NothingReadable {
            first: first.clone(),
        }),
        _ => Ok((opened, left_out)),
    }
}

/// A device's entry in the manifest's layout, with the reason where it has no image.
pub(super) fn layout_entry(info: &MtdInfo, wanted: &[MtdInfo], unopened: &Unopened) -> LayoutEntry {
    let mut entry = LayoutEntry::new(info);
    entry.left_out = if let Some((_, error)) = unopened.iter().find(|(i, _)| i.index == info.index)
    {
        Some(LeftOut {
            by_choice: false,
            reason: error.to_string(),
        })
    } else if wanted.iter().any(|other| other.index == info.index) {
        None
    } else {
        Some(LeftOut {
            by_choice: true,
            reason: "not asked for".into(),
        })
    };
    entry
}

/// Reads the partition that tells this device from others of its kind, where
/// there is one and it can be read without a hole.
pub(super) fn identity(
    backend: &dyn MtdBackend,
    layout: &[MtdInfo],
    opened: &mut Opened,
    buffer_bytes: usize,
) -> Option<Identity> {
    let info = layout.iter().find(|info| {
        known::tells_devices_apart(&info.name)
            && (1..=known::IDENTITY_BYTES_MAX).contains(&info.size_bytes)
    })?;
    let mut own;
    let device = match opened.iter_mut().find(|d| d.info().index == info.index) {
        Some(device) => device.as_mut(),
        None => {
            own = backend.open(info).ok()?;
            own.as_mut()
        }
    };
    let mut buffer = vec![0; buffer_bytes.clamp(1, 64 << 10)];
    let mut reader = Reader::new(device);
    let mut digests = Digests::new(DigestChoice::Sha256);
    loop {
        match reader.next(&mut buffer) {
            0 => break,
            count => digests.update(&buffer[..count]),
        }
    }
    if !reader.unreadable().is_empty() {
        return None;
    }
    Some(Identity {
        partition: info.name.clone(),
        sha256: digests.finish().sha256?,
    })
}
