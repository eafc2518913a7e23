//! Picks partitions by name or number.
//!
//! Invariants: nothing is guessed. A word that fits several devices, no device,
//! or a device already picked is an error; the result is in the order of numbers.

use super::error::MtdError;
use super::info::MtdInfo;

/// The devices that `wanted` names, each word either a partition's name
/// (`rootfs`), `mtdN`, or `/dev/mtdN`; all devices where `wanted` is empty.
pub(crate) fn select<S: AsRef<str>>(
    devices: &[MtdInfo],
    wanted: &[S],
) -> Result<Vec<MtdInfo>, MtdError> {
    if wanted.is_empty() {
        return Ok(devices.to_vec());
    }
    // Once for all words, of which there may be as many as devices. A partition may be
    // *named* mtd5 without having that number: then the word fits two devices, and
    // picking either would be a guess; the node's path tells.
    let mut words: Vec<(String, usize)> = Vec::with_capacity(devices.len() * 3);
    for (at, device) in devices.iter().enumerate() {
        words.push((device.index.to_string(), at));
        words.push((format!("/dev/{}", device.index), at));
        words.push((device.name.clone(), at));
    }
    words.sort_unstable();
    words.dedup();
    let mut picked: Vec<Option<&str>> = vec![None; devices.len()];
    for word in wanted {
        let word = word.as_ref();
        let at = find(devices, &words, word)?;
        if let Some(first) = picked[at].replace(word) {
            return Err(MtdError::PartitionTwice {
                device: devices[at].id(),
                first: first.to_owned(),
                second: word.to_owned(),
            });
        }
    }
    let picked = devices
        .iter()
        .zip(picked)
        .filter(|(_, word)| word.is_some());
    Ok(picked.map(|(device, _)| device.clone()).collect())
}

/// Which of the devices a word means.
fn find(devices: &[MtdInfo], words: &[(String, usize)], word: &str) -> Result<usize, MtdError> {
    let first = words.partition_point(|(known, _)| known.as_str() < word);
    let fitting = words[first..].iter().take_while(|(known, _)| known == word);
    let mut fitting = fitting.map(|(_, at)| *at);
    match (fitting.next(), fitting.next()) {
        (Some(at), None) => Ok(at),
        (None, _) => Err(MtdError::UnknownPartition {
            wanted: word.to_owned(),
            known: devices.iter().map(MtdInfo::id).collect(),
        }),
        (Some(first), Some(second)) => Err(MtdError::AmbiguousPartition {
            wanted: word.to_owned(),
            candidates: [first, second]
                .into_iter()
                .chain(fitting)
                .map(|at| devices[at].id())
                .collect(),
        }),
    }
}
