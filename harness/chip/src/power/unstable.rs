//! Bits that read differently each time, until their erase block is erased.
//!
//! Source: cells that a cut left between the levels read now one way, now the other
//! (Ivan Djelic on linux-mtd, October 2011, 038170; MCUboot pull request 34). Programming
//! a bit to 0 settles it. What such a bit reads as is left to a generator that is part of
//! the chip's state, so that the same run reads the same.

use crate::memory::pieces;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) struct Unstable {
    /// By erase block: the unstable bits of each byte.
    blocks: BTreeMap<u64, Arc<Vec<u8>>>,
    rng: SplitMix64,
    seed: u64,
}

impl Unstable {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            blocks: BTreeMap::new(),
            rng: SplitMix64::seed_from_u64(seed),
            seed,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn add(&mut self, block_bytes: usize, offset_bytes: u64, masks: &[u8]) {
        for piece in pieces(block_bytes, offset_bytes, masks.len()) {
            let known = self.blocks.entry(piece.block).or_default();
            let known = Arc::make_mut(known);
            known.resize(block_bytes, 0);
            let masks = &masks[piece.done..piece.done + piece.length];
            let bytes = known[piece.start..].iter_mut();
            bytes.zip(masks).for_each(|(known, mask)| *known |= mask);
        }
    }

    /// `buf` holds what the cells would read as.
    pub(crate) fn on_read(&mut self, block_bytes: usize, offset_bytes: u64, buf: &mut [u8]) {
        for piece in pieces(block_bytes, offset_bytes, buf.len()) {
            let Some(masks) = self.blocks.get(&piece.block) else {
                continue;
            };
            let buf = &mut buf[piece.done..piece.done + piece.length];
            for (byte, mask) in buf.iter_mut().zip(&masks[piece.start..]) {
                if *mask != 0 {
                    *byte = *byte & !mask | self.rng.next_u64() as u8 & mask;
                }
            }
        }
    }

    /// Bits that are programmed to 0 are 0.
    pub(crate) fn on_program(&mut self, block_bytes: usize, offset_bytes: u64, data: &[u8]) {
        for piece in pieces(block_bytes, offset_bytes, data.len()) {
            let Some(masks) = self.blocks.get_mut(&piece.block) else {
                continue;
            };
            let masks = Arc::make_mut(masks);
            let data = &data[piece.done..piece.done + piece.length];
            let known = masks[piece.start..].iter_mut();
            known.zip(data).for_each(|(mask, new)| *mask &= new);
            if masks.iter().all(|mask| *mask == 0) {
                self.blocks.remove(&piece.block);
            }
        }
    }

    /// None of them is unstable any more. Where erase blocks are of several sizes, that
    /// can be a part of a block here.
    pub(crate) fn on_erase(&mut self, block_bytes: usize, offset_bytes: u64, length: usize) {
        for piece in pieces(block_bytes, offset_bytes, length) {
            let Some(masks) = self.blocks.get_mut(&piece.block) else {
                continue;
            };
            if piece.length < block_bytes {
                let masks = Arc::make_mut(masks);
                masks[piece.start..piece.start + piece.length].fill(0);
                if masks.iter().any(|mask| *mask != 0) {
                    continue;
                }
            }
            self.blocks.remove(&piece.block);
        }
    }

    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.blocks.hash(hasher);
        self.seed.hash(hasher);
    }
}
