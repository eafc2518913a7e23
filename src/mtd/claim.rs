//! What somebody says of a kernel's partitions unasked, put to its devices: its command
//! line, its device tree, a table on flash.
//!
//! Invariant: a chip's partitions count where every one of them is a device of that name
//! and size, and none is another's; else the kernel has them from elsewhere, and nothing
//! of that chip is taken. A place that somebody else tells otherwise is a contradiction,
//! for both to be told.

use super::info::{MtdIndex, MtdInfo, PartitionOffset};

/// A partition as somebody tells of it.
pub(crate) struct Claim<'a> {
    pub(crate) index: Option<MtdIndex>,
    pub(crate) name: &'a str,
    /// None: the rest of its chip.
    pub(crate) size_bytes: Option<u64>,
}

/// The device of each partition of a chip, by its place in `devices`; none where one has
/// none, or could be two.
pub(crate) fn owners(devices: &[MtdInfo], claims: &[Claim<'_>]) -> Option<Vec<usize>> {
    let mut owners = Vec::with_capacity(claims.len());
    for claim in claims {
        let fits = |device: &MtdInfo| {
            claim.name == device.name
                && claim.index.is_none_or(|index| index == device.index)
                && claim
                    .size_bytes
                    .is_none_or(|bytes| bytes == device.size_bytes)
        };
        let owner = devices.iter().position(fits)?;
        if devices[owner + 1..].iter().any(fits) || owners.contains(&owner) {
            return None;
        }
        owners.push(owner);
    }
    Some(owners)
}

/// Takes a place over, or notes that it is told otherwise.
pub(crate) fn take_place(device: &mut MtdInfo, told: PartitionOffset) {
    match device.offset {
        Some(known) if !known.source.is_inferred() => {
            if known.bytes != told.bytes {
                let other = format!("{:#x} by the {}", told.bytes, told.source);
                device.contradictions.push(other);
            }
        }
        _ => device.offset = Some(told),
    }
}
