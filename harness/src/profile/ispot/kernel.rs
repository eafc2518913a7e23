//! The kernel of a firmware image: a zImage by its header.

use super::super::noise::{Look, Noise};

/// The part before the compressed kernel: the decompressor.
const CODE_BYTES: u64 = 0x4000;

/// `mov r0, r0`, with which every zImage begins (eight times).
const NOP: u32 = 0xe1a0_0000;
/// At 0x24 (Linux Documentation/arm/booting, "calling the kernel image").
const MAGIC: u32 = 0x016f_2818;

pub(super) struct Kernel {
    length_bytes: u64,
    code: Noise,
    compressed: Noise,
}

impl Kernel {
    /// The kernel of firmware image 1 or 2.
    pub(super) fn new(seed: u64, image: u8) -> Self {
        // A multiple of 4, near the size of a small 2.6 kernel.
        let spread = (seed.wrapping_mul(7919) % 4096) * 16;
        Self {
            length_bytes: 980_000 + u64::from(image) * 8192 + spread,
            code: Noise::new(seed, &format!("kernel {image} code"), Look::Code),
            compressed: Noise::new(seed, &format!("kernel {image}"), Look::Compressed),
        }
    }

    pub(super) fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Writes its erase block of this index.
    pub(super) fn fill(&self, index: usize, cells: &mut [u8]) {
        let start = index as u64 * cells.len() as u64;
        let used = self
            .length_bytes
            .saturating_sub(start)
            .min(cells.len() as u64) as usize;
        self.compressed.fill(start, &mut cells[..used]);
        cells[used..].fill(0xff);
        if index > 0 {
            return;
        }
        self.code.fill(0, &mut cells[..CODE_BYTES as usize]);
        for word in 0..8 {
            put(cells, word * 4, NOP);
        }
        // A branch over the header, then magic, start and end of the image.
        put(cells, 0x20, 0xea00_0002);
        put(cells, 0x24, MAGIC);
        put(cells, 0x28, 0);
        put(cells, 0x2c, self.length_bytes as u32);
        // The gzip header of the compressed kernel: deflate, no name, no time.
        cells[CODE_BYTES as usize..][..10].copy_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3]);
    }
}

fn put(cells: &mut [u8], at: usize, word: u32) {
    cells[at..at + 4].copy_from_slice(&word.to_le_bytes());
}
