//! What must hold before anything is written. Each is an error of its own.
//!
//! Invariant: no I/O; what was found out is handed in.

use super::blocks::{on_chip, overlap, seems_to_hold};
use super::crippled::{Crippled, lacks};
use super::error::RestoreError;
use super::journal::Kept;
use super::plan::PlannedPartition;
use super::roles::{Role, bank};
use crate::backup::{LayoutEntry, Manifest};
use crate::mtd::{InUse, MtdInfo};

/// That the device has the backup's layout: numbers, names, sizes, erase blocks, offsets.
pub(super) fn same_layout(
    manifest: &Manifest,
    devices: &[MtdInfo],
) -> Result<(), Box<RestoreError>> {
    let differ = |difference: String| Err(RestoreError::OtherLayout { difference }.into());
    for entry in &manifest.layout {
        let Some(device) = devices.iter().find(|device| device.index == entry.index()) else {
            return differ(format!("it has no {} ({})", entry.index(), entry.name));
        };
        if let Some((what, backup, device)) = difference(entry, device) {
            return differ(format!(
                "{} has {what} {device}, in the backup {backup}",
                entry.index()
            ));
        }
    }
    let unknown = devices.iter().find(|device| {
        !manifest
            .layout
            .iter()
            .any(|entry| entry.index() == device.index)
    });
    match unknown {
        Some(device) => differ(format!("the backup has no {}", device.id())),
        None => Ok(()),
    }
}

fn difference(entry: &LayoutEntry, device: &MtdInfo) -> Option<(&'static str, String, String)> {
    if entry.name != device.name {
        return Some(("the name", entry.name.clone(), device.name.clone()));
    }
    let numbers = [
        ("the size", Some(entry.size_bytes), Some(device.size_bytes)),
        (
            "the erase-block size",
            Some(entry.erase_block_bytes),
            Some(device.erase_block_bytes),
        ),
        ("the offset", entry.offset_bytes, device.offset_bytes()),
    ];
    numbers.into_iter().find_map(|(what, backup, device)| {
        let (backup, device) = (backup?, device?);
        (backup != device).then(|| (what, format!("{backup:#x}"), format!("{device:#x}")))
    })
}

/// What the user said beside the partitions.
pub(super) struct Said<'a> {
    /// Partitions named with `--allow`.
    pub(super) allowed: &'a [MtdInfo],
    /// The backup may be of another device.
    pub(super) other_device: bool,
    /// Partitions were named one by one.
    pub(super) by_name: bool,
}

/// All that concerns the partitions that are to be written.
pub(super) fn check(
    parts: &[PlannedPartition],
    devices: &[MtdInfo],
    in_use: &[InUse],
    in_hand: &[Kept],
    said: &Said<'_>,
) -> Result<(), Box<RestoreError>> {
    for part in parts {
        if let Some((why, 1..)) = part.stays.as_ref().filter(|_| said.by_name) {
            let partition = part.device.id();
            return Err(RestoreError::CannotWrite {
                partition,
                why: why.clone(),
            }
            .into());
        }
    }
    let written: Vec<_> = parts
        .iter()
        .filter(|part| !part.blocks.is_empty())
        .collect();
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    for part in &written {
        for device in changed(part, devices) {
            allowed(device, said)?;
        }
        unused(part, devices, in_use)?;
    }
    let of_bank = |number| {
        let mut all = written.iter().flat_map(|part| changed(part, devices));
        let found = all.find(|device| bank(&device.name, &names) == Some(number));
        found.map(MtdInfo::id)
    };
    if let (Some(one), Some(other)) = (of_bank(1), of_bank(2)) {
        return Err(RestoreError::BothBanks { one, other }.into());
    }
    for (at, one) in written.iter().enumerate() {
        for other in &written[at + 1..] {
            if on_same_flash(&one.device, &other.device, devices) {
                let (one, other) = (one.device.id(), other.device.id());
                return Err(RestoreError::Overlap { one, other }.into());
            }
        }
    }
    let is_planned = |kept: &Kept| {
        written.iter().any(|part| {
            part.route.device.index.0 == kept.mtd
                && part
                    .blocks
                    .iter()
                    .any(|b| b.offset_bytes == kept.offset_bytes)
        })
    };
    let in_hand = in_hand.iter().filter(|_| !lacks(Crippled::TrustsReading));
    match in_hand.into_iter().find(|kept| !is_planned(kept)) {
        Some(kept) => Err(RestoreError::InHandElsewhere {
            file: kept.file.clone(),
            mtd: kept.mtd,
            offset_bytes: kept.offset_bytes,
        }
        .into()),
        None => Ok(()),
    }
}

/// Whether two partitions have a part of the same erase block: one holds the other, or
/// they are neighbours in it.
fn on_same_flash(one: &MtdInfo, other: &MtdInfo, devices: &[MtdInfo]) -> bool {
    match (on_chip(one), on_chip(other)) {
        (Some(a), Some(b)) => one.chip == other.chip && overlap(&a, &b),
        _ => seems_to_hold(one, other, devices) || seems_to_hold(other, one, devices),
    }
}

/// The partitions whose bytes are written with this one's: itself, and what lies on the
/// same flash under another name, as where one device has the whole chip.
fn changed<'a>(
    part: &'a PlannedPartition,
    devices: &'a [MtdInfo],
) -> impl Iterator<Item = &'a MtdInfo> {
    let is_changed = |device: &&MtdInfo| {
        let (Some(start), Some(other)) = (part.device.offset_bytes(), device.offset_bytes()) else {
            return seems_to_hold(&part.device, device, devices);
        };
        let mut written = part.blocks.iter().map(|block| {
            let (within, at) = part.share(block);
            start + at..start + at + within.len() as u64
        });
        device.index != part.device.index
            && device.chip == part.device.chip
            && written.any(|range| overlap(&range, &(other..other + device.size_bytes)))
    };
    std::iter::once(&part.device).chain(devices.iter().filter(is_changed))
}

fn allowed(device: &MtdInfo, said: &Said<'_>) -> Result<(), Box<RestoreError>> {
    let role = Role::of(&device.name);
    let (partition, what) = (device.id(), role.words());
    if said.other_device && role.is_own() {
        return Err(RestoreError::Stays { partition, what }.into());
    }
    let is_allowed = said
        .allowed
        .iter()
        .any(|allowed| allowed.index == device.index);
    if role.is_protected() && !is_allowed {
        return Err(RestoreError::NeedsAllow { partition, what }.into());
    }
    Ok(())
}

/// That nobody else works on it.
pub(super) fn unused(
    part: &PlannedPartition,
    devices: &[MtdInfo],
    in_use: &[InUse],
) -> Result<(), Box<RestoreError>> {
    for used in in_use {
        let same = used.index == part.device.index || used.index == part.route.device.index;
        let other = devices.iter().find(|device| device.index == used.index);
        // Whatever has a part of these erase blocks: a parent, a child, a neighbour.
        let shares = other.is_some_and(|other| on_same_flash(&part.device, other, devices));
        if same || shares {
            let by = match other.filter(|_| !same) {
                Some(other) => format!("{} has a part of its flash and is ", other.id()),
                None => String::new(),
            };
            return Err(RestoreError::InUse {
                partition: part.device.id(),
                by,
                how: used.how.clone(),
            }
            .into());
        }
    }
    Ok(())
}
