//! Where an image is more than erased flash, for the page's picture: a bit for each of
//! a few parts, so that it costs nothing whatever the size.

/// How many parts of an image are told apart.
pub(crate) const CELLS: u64 = 64;

/// Which parts of an image have a byte that is not 0xFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    cells: u64,
    cell_bytes: u64,
    size_bytes: u64,
}

impl Used {
    pub(crate) fn new(size_bytes: u64) -> Self {
        Self {
            cells: 0,
            cell_bytes: size_bytes.div_ceil(CELLS).max(1),
            size_bytes,
        }
    }

    /// Takes a piece that stands at an offset.
    pub(crate) fn take(&mut self, offset_bytes: u64, piece: &[u8]) {
        let (mut at, mut rest) = (offset_bytes, piece);
        while !rest.is_empty() {
            let cell = (at / self.cell_bytes).min(CELLS - 1);
            let end = (cell + 1).saturating_mul(self.cell_bytes);
            let length = rest.len().min((end - at.min(end)).max(1) as usize);
            let (part, after) = rest.split_at(length);
            if self.is_erased(cell) && !is_filled(part, 0xff) {
                self.cells |= 1 << cell;
            }
            (at, rest) = (at + length as u64, after);
        }
    }

    /// How many parts there are; of a small image fewer.
    pub(crate) fn count(self) -> u64 {
        self.size_bytes.div_ceil(self.cell_bytes)
    }

    /// Whether a part had nothing but 0xFF.
    pub(crate) fn is_erased(self, cell: u64) -> bool {
        self.cells >> cell & 1 == 0
    }
}

/// Whether all bytes are that one. A step has no way out, so that the compiler compares
/// many at once: erased flash is long.
pub(crate) fn is_filled(bytes: &[u8], byte: u8) -> bool {
    let differs = |step: &[u8]| step.iter().fold(0, |bits, one| bits | (one ^ byte)) != 0;
    !bytes.chunks(STEP_BYTES).any(differs)
}

/// How many bytes [`is_filled`] compares at once.
pub(crate) const STEP_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_part_is_erased_if_all_of_it_is(
            bytes in prop::collection::vec(prop_oneof![9 => Just(0xff_u8), 1 => any::<u8>()], 1..700),
            cut in 1_usize..200,
        ) {
            let mut used = Used::new(bytes.len() as u64);
            for (number, piece) in bytes.chunks(cut).enumerate() {
                used.take((number * cut) as u64, piece);
            }
            let cell_bytes = bytes.len().div_ceil(CELLS as usize);
            for (cell, part) in bytes.chunks(cell_bytes).enumerate() {
                let erased = part.iter().all(|byte| *byte == 0xff);
                prop_assert_eq!(used.is_erased(cell as u64), erased);
            }
        }
    }
}
