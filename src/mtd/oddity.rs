//! Words for what is odd about a device's partitions.
//!
//! Invariants: an oddity never stops anything; each is one fact with its devices;
//! nothing is said of chips whose offsets are unknown or only inferred. Partitions
//! of a chip that somebody names are compared with all others on it, in whatever
//! order and however deep they lie. Where nobody names the chip, only partitions
//! that follow each other on one are compared (same erase-block size, offsets that do
//! not go back), and where sysfs tells the offsets, gaps and overlaps are said with the
//! condition. Where the kernel's offsets go back there, partitions lie
//! inside others, or in another order than their numbers, or on several chips;
//! nobody tells which. Then only one thing is said, and with its condition: what contains
//! what if all lie on one chip, where that makes a whole chip without a gap in which no
//! two overlap by halves.

mod words;

use super::info::{FactSource, MtdIndex, MtdInfo, MtdName, NodeState};
use words::{Edge, Oddity};

/// All that is odd about these devices, which are in the order of their numbers: a
/// sentence each, without a stop.
pub(crate) fn oddities(devices: &[MtdInfo]) -> Vec<String> {
    found(devices).iter().map(ToString::to_string).collect()
}

fn found(devices: &[MtdInfo]) -> Vec<Oddity> {
    let mut found = Vec::new();
    for device in devices {
        match &device.node {
            NodeState::Present => {}
            NodeState::Missing => found.push(Oddity::NodeMissing {
                device: device.id(),
            }),
            NodeState::Wrong(what) => found.push(Oddity::NodeWrong {
                device: device.id(),
                found: what.clone(),
            }),
        }
        if device.size_bytes == 0 {
            found.push(Oddity::ZeroSize {
                device: device.id(),
            });
        } else if device.erase_block_bytes == 0 {
            found.push(Oddity::NoEraseBlocks {
                device: device.id(),
            });
        } else if let Some(edge) = edge_off(device) {
            found.push(Oddity::OffBoundary {
                device: device.id(),
                edge,
                read_only: device.writeable == Some(false),
            });
        }
        if !device.contradictions.is_empty() {
            found.push(Oddity::Contradicted {
                device: device.id(),
                offset: device.offset,
                others: device.contradictions.clone(),
            });
        }
    }
    found.extend(duplicate_names(devices));
    if devices.iter().all(|device| device.chip.is_some()) {
        let by_number: Vec<&MtdInfo> = devices.iter().collect();
        let on_chips = sorted(by_number, |device| [device.chip.unwrap_or(0).into(), 0]);
        for chip in on_chips.chunk_by(|a, b| a.chip == b.chip) {
            on_one_chip(chip, &mut found);
        }
    } else if !kernels_offsets_go_back(devices) {
        for chip in devices.chunk_by(follows_on_one_chip) {
            let mut said = Vec::new();
            neighbours(chip, &mut said);
            // A kernel's offsets count from a chip that nobody names here: two chips
            // would have such places as well, but for two that meet in an erase block.
            let by_sysfs = is_by_sysfs(&chip[0]);
            found.extend(said.into_iter().map(|one| match one {
                Oddity::Gap { .. } | Oddity::Overlap { .. } if by_sysfs => {
                    Oddity::IfOneChip(Box::new(one))
                }
                one => one,
            }));
        }
    } else {
        if_on_one_chip(devices, &mut found);
    }
    found
}

/// What contains what, if all devices lie on one chip.
fn if_on_one_chip(devices: &[MtdInfo], found: &mut Vec<Oddity>) {
    let mut maybe = Vec::new();
    let all: Vec<&MtdInfo> = devices.iter().collect();
    let end_bytes = on_one_chip(&all, &mut maybe);
    let same_blocks = |device: &MtdInfo| device.erase_block_bytes == devices[0].erase_block_bytes;
    if !end_bytes.is_some_and(u64::is_power_of_two) || !devices.iter().all(same_blocks) {
        return;
    }
    let is_odd = |one: &Oddity| matches!(one, Oddity::Gap { .. } | Oddity::Overlap { .. });
    if maybe.iter().any(is_odd) {
        return;
    }
    found.extend(maybe.into_iter().filter_map(|one| match one {
        Oddity::Contains { .. } => Some(Oddity::IfOneChip(Box::new(one))),
        _ => None,
    }));
}

fn edge_off(device: &MtdInfo) -> Option<Edge> {
    if device.erase_block_assumed {
        return None;
    }
    let block_bytes = device.erase_block_bytes;
    let Some(offset_bytes) = device.certain_offset_bytes() else {
        return (device.size_bytes % block_bytes != 0).then_some(Edge::Unknown);
    };
    let start = offset_bytes % block_bytes != 0;
    let end = offset_bytes.wrapping_add(device.size_bytes) % block_bytes != 0;
    match (start, end) {
        (false, false) => None,
        (true, false) => Some(Edge::Start),
        (false, true) => Some(Edge::End),
        (true, true) => Some(Edge::Both),
    }
}

fn duplicate_names(devices: &[MtdInfo]) -> Vec<Oddity> {
    let mut found: Vec<Oddity> = Vec::new();
    for (position, device) in devices.iter().enumerate() {
        let has_name = |other: &&MtdInfo| other.name == device.name;
        if devices[..position].iter().any(|other| has_name(&other)) {
            continue;
        }
        let same: Vec<_> = devices.iter().filter(has_name).map(|d| d.index).collect();
        if same.len() > 1 {
            found.push(Oddity::DuplicateName {
                name: device.name.clone(),
                devices: same,
            });
        }
    }
    found
}

/// Whether sysfs tells an offset that lies before the one of the device before. The
/// offset of a partition inside another counts from that other's start (Linux 6.1,
/// drivers/mtd/mtdpart.c).
fn kernels_offsets_go_back(devices: &[MtdInfo]) -> bool {
    devices.windows(2).any(|pair| {
        let [device, next] = pair else { return false };
        device.erase_block_bytes == next.erase_block_bytes
            && match (device.offset, next.offset) {
                (Some(a), Some(b)) => {
                    b.source == FactSource::Sysfs && a.source == b.source && a.bytes > b.bytes
                }
                _ => false,
            }
    })
}

fn is_by_sysfs(device: &MtdInfo) -> bool {
    device
        .offset
        .is_some_and(|offset| offset.source == FactSource::Sysfs)
}

/// Whether `next` surely lies behind `device` on the same chip. An offset that
/// goes back starts another chip, as far as anybody can tell.
fn follows_on_one_chip(device: &MtdInfo, next: &MtdInfo) -> bool {
    device.erase_block_bytes == next.erase_block_bytes
        && match (device.offset, next.offset) {
            (Some(a), Some(b)) => {
                a.source == b.source && !a.source.is_inferred() && a.bytes <= b.bytes
            }
            _ => false,
        }
}

fn neighbours(chip: &[MtdInfo], found: &mut Vec<Oddity>) {
    let block_bytes = chip[0].erase_block_bytes;
    // The partition that reaches farthest so far, and where it ends.
    let mut farthest: Option<(&MtdInfo, u64)> = None;
    for device in chip.iter().filter(|device| device.size_bytes > 0) {
        let Some(start_bytes) = device.certain_offset_bytes() else {
            continue;
        };
        let end_bytes = start_bytes.saturating_add(device.size_bytes);
        let reached_bytes = farthest.map_or(0, |(_, end)| end);
        if start_bytes > reached_bytes {
            found.push(Oddity::Gap {
                after: farthest.map(|(before, _)| before.id()),
                offset_bytes: reached_bytes,
                length_bytes: start_bytes - reached_bytes,
            });
        }
        if let Some((before, reached_bytes)) = farthest {
            if start_bytes < reached_bytes {
                found.push(Oddity::Overlap {
                    first: before.id(),
                    second: device.id(),
                });
            } else if block_bytes > 0
                && (reached_bytes - 1) / block_bytes == start_bytes / block_bytes
            {
                found.push(Oddity::SharedEraseBlock {
                    first: before.id(),
                    second: device.id(),
                    block_offset_bytes: start_bytes / block_bytes * block_bytes,
                });
            }
        }
        if farthest.is_none_or(|(_, reached)| end_bytes > reached) {
            farthest = Some((device, end_bytes));
        }
    }
}

/// In the order of their keys, and as before where these are alike. One instance of
/// the library's sorting for all kinds of items: each takes kilobytes on the device.
fn sorted<T>(items: Vec<T>, key: impl Fn(&T) -> [u64; 2]) -> Vec<T> {
    let mut order: Vec<([u64; 2], usize)> = Vec::with_capacity(items.len());
    order.extend(items.iter().enumerate().map(|(at, item)| (key(item), at)));
    order.sort_unstable();
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    let sorted = order.iter().filter_map(|(_, at)| items[*at].take());
    sorted.collect()
}

/// A partition and where it lies.
#[derive(Clone, Copy)]
struct Lying<'a> {
    device: &'a MtdInfo,
    start_bytes: u64,
    end_bytes: u64,
}

/// What is to be said of the partitions of one chip, whatever their order; where the last
/// of them ends, unless somebody does not tell where one lies.
fn on_one_chip(devices: &[&MtdInfo], found: &mut Vec<Oddity>) -> Option<u64> {
    let mut lying = Vec::new();
    for device in devices.iter().filter(|device| device.size_bytes > 0) {
        // Where one of them lies is unknown: it could fill any gap.
        let start_bytes = device.certain_offset_bytes()?;
        lying.push(Lying {
            device,
            start_bytes,
            end_bytes: start_bytes.saturating_add(device.size_bytes),
        });
    }
    // What is around comes before what is inside.
    let lying = sorted(lying, |one| [one.start_bytes, !one.end_bytes]);
    nesting(&lying, found);
    let mut reached: Option<Lying<'_>> = None;
    for one in &lying {
        let reached_bytes = reached.map_or(0, |before| before.end_bytes);
        if one.start_bytes > reached_bytes {
            found.push(Oddity::Gap {
                after: reached.map(|before| before.device.id()),
                offset_bytes: reached_bytes,
                length_bytes: one.start_bytes - reached_bytes,
            });
        }
        if reached.is_none_or(|before| one.end_bytes > before.end_bytes) {
            reached = Some(*one);
        }
    }
    shared_blocks(&lying, found);
    reached.map(|last| last.end_bytes)
}

/// Who lies inside whom, or half inside.
fn nesting(lying: &[Lying<'_>], found: &mut Vec<Oddity>) {
    // Those that reach over the place where the next one starts, outermost first.
    let mut around: Vec<Lying<'_>> = Vec::new();
    let mut pairs: Vec<(MtdIndex, MtdName, MtdName)> = Vec::new();
    for one in lying {
        around.retain(|outer| outer.end_bytes > one.start_bytes);
        let is_inside = |outer: &&Lying<'_>| outer.end_bytes >= one.end_bytes;
        let mut add = |outer: &Lying<'_>| {
            pairs.push((outer.device.index, outer.device.id(), one.device.id()));
        };
        // The nearest and the outermost one say it all.
        let nearest = around.iter().rfind(is_inside);
        let outermost = around.iter().find(is_inside);
        if let Some(outermost) = outermost {
            add(outermost);
        }
        if let Some(nearest) = nearest {
            if outermost.is_some_and(|outer| outer.device.index != nearest.device.index) {
                add(nearest);
            }
        }
        if let Some(half) = around.iter().rfind(|outer| !is_inside(outer)) {
            found.push(Oddity::Overlap {
                first: half.device.id(),
                second: one.device.id(),
            });
        }
        around.push(*one);
    }
    let pairs = sorted(pairs, |(index, ..)| [index.0.into(), 0]);
    for group in pairs.chunk_by(|a, b| a.0 == b.0) {
        found.push(Oddity::Contains {
            outer: group[0].1.clone(),
            inner: group.iter().map(|(_, _, inner)| inner.clone()).collect(),
        });
    }
}

/// Partitions that end in the erase block in which another one starts.
fn shared_blocks(lying: &[Lying<'_>], found: &mut Vec<Oddity>) {
    let by_end = sorted(lying.to_vec(), |one| [one.end_bytes, 0]);
    for second in lying {
        let block_bytes = second.device.erase_block_bytes;
        if block_bytes == 0 || second.device.erase_block_assumed {
            continue;
        }
        let block_offset_bytes = second.start_bytes / block_bytes * block_bytes;
        let before = by_end.partition_point(|one| one.end_bytes <= second.start_bytes);
        // The one that ends last before it; others would say the same again.
        if let Some(first) = by_end[..before].last() {
            if first.end_bytes > block_offset_bytes {
                found.push(Oddity::SharedEraseBlock {
                    first: first.device.id(),
                    second: second.device.id(),
                    block_offset_bytes,
                });
            }
        }
    }
}
