//! Bytes that look like code or like compressed data, from a seed.
//!
//! Each 4096 bytes are made alone, so that any part can be made first. The
//! generator is xoshiro256++ in its published form, little-endian: the bytes
//! are the same on any platform and for good.

use crate::format::jffs2::Source;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Bytes that are made at once.
pub(super) const PAGE_BYTES: usize = 4096;

/// What the bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Compressed or encrypted: any byte.
    Compressed,
    /// 32-bit ARM code: the top four bits of each word say "always".
    Code,
}

/// An endless stream of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    seed: u64,
    look: Look,
}

impl Noise {
    /// The stream of this seed and name: other names give other streams.
    pub(super) fn new(seed: u64, name: &str, look: Look) -> Self {
        // FNV-1a: short, published, and good enough to keep names apart.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            seed: seed ^ hash,
            look,
        }
    }

    /// Writes the bytes from `offset_bytes` on, which lies on a multiple of
    /// 4096.
    pub(super) fn fill(&self, offset_bytes: u64, buf: &mut [u8]) {
        debug_assert_eq!(
            offset_bytes % PAGE_BYTES as u64,
            0,
            "a part has its start on 4096"
        );
        let first = offset_bytes / PAGE_BYTES as u64;
        for (page, bytes) in (first..).zip(buf.chunks_mut(PAGE_BYTES)) {
            // Odd, so that each page has a seed of its own.
            let seed = self
                .seed
                .wrapping_add(page.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            fill_page(rng, bytes);
            if self.look == Look::Code {
                for top in bytes.iter_mut().skip(3).step_by(4) {
                    *top = *top & 0x0f | 0xe0;
                }
            }
        }
    }
}

/// By the generator's own crate, which is optimised in tests as well (Cargo.toml):
/// whole chips are made of this.
fn fill_page(mut rng: Xoshiro256PlusPlus, bytes: &mut [u8]) {
    let (words, rest) = bytes.split_at_mut(bytes.len() / 8 * 8);
    rng.fill_bytes(words);
    rest.copy_from_slice(&rng.next_u64().to_le_bytes()[..rest.len()]);
}

/// A file of noise after a fixed beginning.
pub(super) struct NoiseFile {
    /// Its first bytes.
    pub head: &'static [u8],
    /// The rest.
    pub noise: Noise,
    /// Its length.
    pub length_bytes: u32,
}

impl Source for NoiseFile {
    fn length_bytes(&self) -> u32 {
        self.length_bytes
    }

    fn fill(&self, offset_bytes: u32, buf: &mut [u8]) {
        self.noise.fill(offset_bytes.into(), buf);
        if offset_bytes == 0 {
            let length = self.head.len().min(buf.len());
            buf[..length].copy_from_slice(&self.head[..length]);
        }
    }
}
