//! Picks partitions by name or number.
//!
//! Invariants: nothing is guessed. A word that fits several devices, no device,
//! or a device already picked is an error; the result is in the order of numbers.

use super::error::MtdError;
use super::info::MtdInfo;

/// The devices that `wanted` names, each word either a partition's name
/// (`rootfs`) or `mtdN`; all devices where `wanted` is empty.
pub fn select<S: AsRef<str>>(devices: &[MtdInfo], wanted: &[S]) -> Result<Vec<MtdInfo>, MtdError> {
    if wanted.is_empty() {
        return Ok(devices.to_vec());
    }
    let mut picked: Vec<(&MtdInfo, &str)> = Vec::new();
    for word in wanted {
        let word = word.as_ref();
        let device = find(devices, word)?;
        if let Some((_, first)) = picked.iter().find(|(d, _)| d.index == device.index) {
            return Err(MtdError::PartitionTwice {
                device: device.id(),
                first: (*first).to_owned(),
                second: word.to_owned(),
            });
        }
        picked.push((device, word));
    }
    picked.sort_by_key(|(device, _)| device.index);
    Ok(picked
        .into_iter()
        .map(|(device, _)| device.clone())
        .collect())
}

fn find<'a>(devices: &'a [MtdInfo], word: &str) -> Result<&'a MtdInfo, MtdError> {
    // A partition may be *named* mtd5 without having that number: then the word
    // fits two devices, and picking either would be a guess.
    let mut fitting = devices
        .iter()
        .filter(|device| device.name == word || device.index.to_string() == word);
    match (fitting.next(), fitting.next()) {
        (Some(device), None) => Ok(device),
        (None, _) => Err(MtdError::UnknownPartition {
            wanted: word.to_owned(),
            known: devices.iter().map(MtdInfo::id).collect(),
        }),
        (Some(first), Some(second)) => Err(MtdError::AmbiguousPartition {
            wanted: word.to_owned(),
            candidates: [first, second]
                .into_iter()
                .chain(fitting)
                .map(MtdInfo::id)
                .collect(),
        }),
    }
}
