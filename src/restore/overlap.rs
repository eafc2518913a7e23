//! Partitions of the plan that lie in each other, as OpenWrt's `firmware` holds `kernel`
//! and `rootfs`: each erase block is written once, with the one that holds the other.
//!
//! Invariants: the backup's images of both agree where they overlap, or nothing is
//! written; the first erase block of what lies inside comes after all others, but for the
//! first one of what holds it. Only where places are certain and both images have all of
//! their bytes; what is left apart here is refused by [`preconditions`](super::preconditions).

use super::blocks::Route;
use super::error::RestoreError;
use super::flash::Source;
use super::plan::PlannedPartition;
use super::survey::Pair;
use crate::backup::{Directory, first_difference};

/// How much of two images is compared at once.
const PIECE_BYTES: u64 = 16 << 10;

/// Lets each partition that lies in another of the plan be written with that.
pub(super) fn join(
    parts: &mut [PlannedPartition],
    backup: &dyn Directory,
    notes: &mut Vec<String>,
) -> Result<(), Box<RestoreError>> {
    for at in 0..parts.len() {
        // The largest holds all that lies in what it holds.
        let outer = (0..parts.len())
            .filter(|outer| holds(&parts[*outer], &parts[at]))
            .max_by_key(|outer| parts[*outer].device.size_bytes);
        let Some(outer) = outer else { continue };
        let (whole, part) = (&parts[outer], &parts[at]);
        if whole.blocks.is_empty() && part.blocks.is_empty() {
            continue;
        }
        agree(whole, part, backup)?;
        let first = whole.route.device.erase_block_around(start_in(whole, part));
        notes.push(format!(
            "{} is a part of {}: written with that",
            part.device.id(),
            whole.device.id()
        ));
        parts[outer].headers.push(first.0);
        let part = &mut parts[at];
        part.blocks.clear();
        (part.program, part.erase, part.locked, part.bytes) = (0, 0, 0, 0);
        if let Some((_, differ)) = &mut part.stays {
            *differ = 0;
        }
    }
    Ok(())
}

/// Whether one partition is written by itself, and has all of another's bytes.
fn holds(whole: &PlannedPartition, part: &PlannedPartition) -> bool {
    let (outer, inner) = (&whole.device, &part.device);
    let (Some(start), Some(from)) = (outer.certain_offset_bytes(), inner.certain_offset_bytes())
    else {
        return false;
    };
    let is_larger = (outer.size_bytes, inner.index) > (inner.size_bytes, outer.index);
    let has_all = |part: &PlannedPartition| part.unknown_bytes == 0;
    is_larger
        && outer.chip == inner.chip
        && outer.erase_block_bytes == inner.erase_block_bytes
        && start <= from
        && from + inner.size_bytes <= start + outer.size_bytes
        && whole.stays.is_none()
        && whole.route == Route::own(outer)
        && has_all(whole)
        && has_all(part)
}

/// Where one partition starts in the other.
fn start_in(whole: &PlannedPartition, part: &PlannedPartition) -> u64 {
    let offset = |part: &PlannedPartition| part.device.offset_bytes().unwrap_or(0);
    offset(part) - offset(whole)
}

/// That the images of both have the same bytes.
fn agree(
    whole: &PlannedPartition,
    part: &PlannedPartition,
    backup: &dyn Directory,
) -> Result<(), Box<RestoreError>> {
    let start = start_in(whole, part);
    let mut outer = Source::new(backup, &whole.image.file);
    let mut inner = Source::new(backup, &part.image.file);
    let mut pair = Pair::of(PIECE_BYTES as usize)?;
    let size_bytes = part.image.size_bytes;
    for at in (0..size_bytes).step_by(PIECE_BYTES as usize) {
        let length = (size_bytes - at).min(PIECE_BYTES) as usize;
        let (one, other) = (&mut pair.old[..length], &mut pair.wanted[..length]);
        outer.read(start + at, one)?;
        inner.read(at, other)?;
        if let Some(first) = first_difference(one, other) {
            return Err(RestoreError::Disagree {
                one: whole.device.id(),
                other: part.device.id(),
                offset_bytes: at + first as u64,
            }
            .into());
        }
    }
    Ok(())
}
