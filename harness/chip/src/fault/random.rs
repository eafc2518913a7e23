//! Plans left to chance, for suites of thousands of cases: one number replays
//! a case.

use super::trigger::below;
use super::{DestinationFaults, Fault, FaultKind, FaultPlan, Trigger};
use crate::Errno;
use crate::Geometry;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use std::ops::Range;

/// A plan that a seed gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RandomPlan {
    /// The plan.
    pub plan: FaultPlan,
    /// Whether a read may deliver wrong bytes without an error (bit flips).
    /// Where it may not, a reader that reports no error must have the true
    /// bytes.
    pub may_change_data: bool,
}

impl FaultPlan {
    /// Up to four faults of single reads, programs and erases, anywhere on a chip of
    /// this geometry: read errors, short reads, bit flips in a known or in some bit,
    /// program errors, erase errors. None of those that lie, age, cut power or change a
    /// size: they mean something only with what the caller does, who adds them. The same
    /// seed and geometry give the same plan, in every version.
    ///
    /// ```
    /// use mtd_chip::{Geometry, fault::FaultPlan};
    ///
    /// let geometry = Geometry { size_bytes: 16 << 20, erase_block_bytes: 128 << 10 };
    /// let case = FaultPlan::random(7, geometry);
    /// assert_eq!(case, FaultPlan::random(7, geometry));
    /// ```
    pub fn random(seed: u64, geometry: Geometry) -> RandomPlan {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let count = below(&mut rng, 5);
        let faults: Vec<_> = (0..count).map(|_| fault(&mut rng, geometry)).collect();
        let may_change_data = faults
            .iter()
            .any(|f| matches!(f.kind, FaultKind::BitFlip(_) | FaultKind::RandomBitFlip));
        RandomPlan {
            plan: FaultPlan::new(faults),
            may_change_data,
        }
    }
}

fn fault(rng: &mut Xoshiro256PlusPlus, geometry: Geometry) -> Fault {
    let errno = *pick(
        rng,
        &[Errno::IO, Errno::IO, Errno::IO, Errno::TIME, Errno::INVAL],
    );
    let place = place(rng, geometry);
    let fault = match below(rng, 8) {
        0..=2 => Fault::at(place, FaultKind::ReadError(errno)),
        3 => Fault::at(place, FaultKind::ShortRead),
        4 => Fault::everywhere(FaultKind::ShortRead),
        5 => {
            let kind = FaultKind::BitFlip(below(rng, 8) as u8);
            Fault::at(place.start..place.start + 1, kind)
        }
        6 => Fault::at(place, FaultKind::RandomBitFlip),
        _ if below(rng, 2) == 0 => Fault::at(place, FaultKind::ProgramError(errno)),
        _ => Fault::at(place, FaultKind::EraseError(errno)),
    };
    let trigger = Trigger {
        after: *pick(rng, &[0, 0, 0, 1, 2, 10]),
        times: *pick(rng, &[None, Some(1), Some(1), Some(2), Some(3), Some(20)]),
    };
    // Short seeds keep the text of a plan short.
    fault.when(trigger).seeded(below(rng, 1 << 16))
}

/// One byte, a few, an erase block, or anything; inside the chip.
fn place(rng: &mut Xoshiro256PlusPlus, geometry: Geometry) -> Range<u64> {
    let size_bytes = geometry.size_bytes.max(1);
    let erase_block_bytes = u64::from(geometry.erase_block_bytes).max(1);
    let start = match below(rng, 4) {
        // The edges of the chip and of its erase blocks are where code errs.
        0 => *pick(rng, &[0, size_bytes - 1, size_bytes / 2]),
        1 => below(rng, size_bytes.div_ceil(erase_block_bytes)) * erase_block_bytes,
        _ => below(rng, size_bytes),
    };
    let left_bytes = size_bytes - start;
    let wanted_bytes = match below(rng, 4) {
        0 => 1,
        1 => 1 + below(rng, 4096),
        2 => erase_block_bytes,
        _ => 1 + below(rng, left_bytes),
    };
    start..start + wanted_bytes.min(left_bytes)
}

/// Up to two faults of a destination that is to take `total_bytes`.
pub fn random_destination(seed: u64, total_bytes: u64) -> DestinationFaults {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let count = below(&mut rng, 3);
    let parts: Vec<String> = (0..count)
        .map(|_| {
            let at = below(&mut rng, total_bytes.saturating_add(1));
            let often = *pick(&mut rng, &["once", "always", "times=2"]);
            let after = below(&mut rng, 12);
            let seed = below(&mut rng, 1 << 16);
            match below(&mut rng, 6) {
                0 => format!("no-space@{at:#x}"),
                1 => format!("io-error@{at:#x}:{often}"),
                2 => format!("short-write:seed={seed}"),
                3 => format!("permission-denied:{often}:after={after}"),
                4 => format!("sync-error:{often}:after={after}"),
                _ => format!("rename-error:{often}:after={after}"),
            }
        })
        .collect();
    if parts.is_empty() {
        return DestinationFaults::default();
    }
    parts
        .join(",")
        .parse()
        .expect("the texts above keep to the grammar")
}

fn pick<'a, T>(rng: &mut Xoshiro256PlusPlus, choices: &'a [T]) -> &'a T {
    &choices[below(rng, choices.len() as u64) as usize]
}
