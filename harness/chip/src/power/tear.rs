//! What a power cut leaves of a program or an erase.
//!
//! Each model is one that the field has written down; none is the only truth, and real
//! silicon may do worse. Sources:
//! - **Programs**: a prefix of what was being programmed, or any subset of the bits that
//!   were to be cleared. The Rust contract (`embedded-storage`, nor_flash.rs) leaves the
//!   written words undefined and the rest unchanged.
//! - **Erases**: a NOR chip first programs everything to 0, often from the end of the erase
//!   block on, then pulls it to 0xFF (Artem Bityutskiy, "UBI: fix NOR flash recovery";
//!   Linux 6.1 drivers/mtd/ubi/io.c, nor_erase_prepare). The order is not guaranteed
//!   (linux-mtd, July 2009, 026435): both are here.
//! - **Unstable bits**: Ivan Djelic, linux-mtd, October 2011, 038170; MCUboot pull
//!   request 34: what was written partly may read differently each time.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A way that a cut operation can end; see the table at [`Tear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the table at Tear says it, once for all")]
pub enum Model {
    Before,
    After,
    Bytes,
    Words,
    Bits,
    Subset,
    WordsAndBits,
    UnstableProgram,
    EraseForward,
    EraseBackward,
    ZerosForward,
    ZerosBackward,
    Zeros,
    PulledForward,
    Pulled,
    Between,
    UnstableErase,
}

impl Model {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 17] = [
        Self::Before,
        Self::After,
        Self::Words,
        Self::Bytes,
        Self::Subset,
        Self::Bits,
        Self::WordsAndBits,
        Self::UnstableProgram,
        Self::EraseForward,
        Self::EraseBackward,
        Self::ZerosForward,
        Self::ZerosBackward,
        Self::Zeros,
        Self::PulledForward,
        Self::Pulled,
        Self::Between,
        Self::UnstableErase,
    ];

    /// The letter that it has in a text.
    pub fn letter(self) -> char {
        match self {
            Self::Before => 'b',
            Self::After => 'a',
            Self::Bytes => 'p',
            Self::Words => 'w',
            Self::Bits => 's',
            Self::Subset => 'x',
            Self::WordsAndBits => 'e',
            Self::UnstableProgram => 'u',
            Self::EraseForward => 'f',
            Self::EraseBackward => 'r',
            Self::ZerosForward => 'y',
            Self::ZerosBackward => 'z',
            Self::Zeros => 'n',
            Self::PulledForward => 'q',
            Self::Pulled => 'h',
            Self::Between => 'm',
            Self::UnstableErase => 'v',
        }
    }

    /// Whether cells that it leaves read differently each time.
    pub fn is_unstable(self) -> bool {
        matches!(self, Self::UnstableProgram | Self::UnstableErase)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Bytes => "bytes",
            Self::Words => "words",
            Self::Bits => "bits",
            Self::Subset => "subset",
            Self::WordsAndBits => "words and bits",
            Self::UnstableProgram => "unstable program",
            Self::EraseForward => "erase forward",
            Self::EraseBackward => "erase backward",
            Self::ZerosForward => "zeros forward",
            Self::ZerosBackward => "zeros backward",
            Self::Zeros => "zeros",
            Self::PulledForward => "pulled forward",
            Self::Pulled => "pulled",
            Self::Between => "between",
            Self::UnstableErase => "unstable erase",
        })
    }
}

/// What a cut leaves of the operation that it strikes: a model and which variant of it.
///
/// As text, the model's letter and the variant's number, which a model with a single
/// variant does not have: `b`, `w3`, `z8`.
///
/// | letter | [`Model`] | what is left | variants |
/// | --- | --- | --- | --- |
/// | `b` | `Before` | nothing was done | |
/// | `a` | `After` | all was done, but nobody was told | |
/// | `p` | `Bytes` | a program: the first N bytes | 1 up to all but one |
/// | `w` | `Words` | a program: the first N words of the bus | 1 up to all but one |
/// | `x` | `Subset` | a program: of the bits to be cleared, in order, those that N has | each subset, where there are few such bits |
/// | `s` | `Bits` | a program: each bit that was to be cleared is, or not, by seed N | any |
/// | `e` | `WordsAndBits` | a program: the first N words; of the next one some bits, by seed N | from 0 |
/// | `u` | `UnstableProgram` | a program: the first N words; the bits to be cleared in the next one read differently each time; one past the last, where there are several: in all words; from there on: all was done, but one to three weak bits read so, by seed | from 0 |
/// | `f` | `EraseForward` | an erase: 0xFF up to place N, old data after it | 0 to 8 |
/// | `r` | `EraseBackward` | an erase: old data up to place N, 0xFF after it | 0 to 8 |
/// | `y` | `ZerosForward` | an erase: 0 up to place N, old data after it | 0 to 8 |
/// | `z` | `ZerosBackward` | an erase: old data up to place N, 0 after it | 0 to 8 |
/// | `n` | `Zeros` | an erase: all is 0 | |
/// | `q` | `PulledForward` | an erase: 0xFF up to place N, 0 after it | 0 to 8 |
/// | `h` | `Pulled` | an erase: each bit is 0 or 1, by seed N | any |
/// | `m` | `Between` | an erase: each bit is old or 1, by seed N | any |
/// | `v` | `UnstableErase` | an erase: all bits read differently each time (0); all 0xFF, but for some weak bits that do, by seed N | any |
///
/// The places in an erase block: 0 is after its first word, 1 to 7 are its eighths, 8 is
/// before its last word. An unstable bit does so until its erase block is erased or it is
/// programmed to 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tear {
    /// The way.
    pub model: Model,
    /// Which one of it.
    pub variant: u32,
}

/// Why a text is no tear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no tear: write one of the letters {letters} and a variant's number, such as w3",
    letters = Model::ALL.iter().map(|model| model.letter()).collect::<String>()
)]
pub struct TearError {
    /// The text.
    text: String,
}

impl Tear {
    /// Nothing was done.
    pub const BEFORE: Self = Self {
        model: Model::Before,
        variant: 0,
    };
    /// All was done.
    pub const AFTER: Self = Self {
        model: Model::After,
        variant: 0,
    };

    /// This variant of that model.
    pub fn new(model: Model, variant: u32) -> Self {
        Self { model, variant }
    }
}

impl fmt::Display for Tear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.model.letter())?;
        match self.model {
            Model::Before | Model::After | Model::Zeros => Ok(()),
            _ => write!(f, "{}", self.variant),
        }
    }
}

impl FromStr for Tear {
    type Err = TearError;

    fn from_str(text: &str) -> Result<Self, TearError> {
        let parse = || {
            let letter = text.chars().next()?;
            let number = &text[letter.len_utf8()..];
            let model = Model::ALL
                .into_iter()
                .find(|model| model.letter() == letter)?;
            let plain = number.bytes().all(|byte| byte.is_ascii_digit());
            let variant = match model {
                Model::Before | Model::After | Model::Zeros => number.is_empty().then_some(0)?,
                _ => plain.then(|| number.parse().ok())??,
            };
            Some(Self { model, variant })
        };
        parse().ok_or_else(|| TearError {
            text: text.to_owned(),
        })
    }
}

/// Cells as a cut left them, and which of their bits are unstable (none: empty).
pub(crate) struct Torn {
    pub(crate) cells: Vec<u8>,
    pub(crate) unstable: Vec<u8>,
}

impl Torn {
    fn stable(cells: Vec<u8>) -> Self {
        Self {
            cells,
            unstable: Vec::new(),
        }
    }
}

/// The ends of the words of a range, from its start; the last one is its length.
fn word_ends(offset_bytes: u64, length: usize, word_bytes: u32) -> impl Iterator<Item = usize> {
    let word = word_bytes as usize;
    let first = word - (offset_bytes % word as u64) as usize;
    (0..)
        .map(move |n| (first + n * word).min(length))
        .take(length.saturating_sub(first).div_ceil(word) + usize::from(length > 0))
}

/// Word number `n` of a range; None past the last one.
fn word(offset_bytes: u64, length: usize, word_bytes: u32, n: u32) -> Option<Range<usize>> {
    let n = n as usize;
    let end = word_ends(offset_bytes, length, word_bytes).nth(n)?;
    let start = match n {
        0 => 0,
        _ => word_ends(offset_bytes, length, word_bytes).nth(n - 1)?,
    };
    Some(start..end)
}

/// How many words a range touches.
pub(crate) fn words(offset_bytes: u64, length: usize, word_bytes: u32) -> u32 {
    word_ends(offset_bytes, length, word_bytes).count() as u32
}

/// How many bits a program clears.
pub(crate) fn bits_to_clear(old: &[u8], data: &[u8]) -> u32 {
    old.iter()
        .zip(data)
        .map(|(old, new)| (old & !new).count_ones())
        .sum()
}

/// A program of `data` over `old` that was torn; None where it has no such variant.
pub(crate) fn torn_program(
    tear: Tear,
    offset_bytes: u64,
    word_bytes: u32,
    old: &[u8],
    data: &[u8],
) -> Option<Torn> {
    let length = old.len();
    let variant = tear.variant;
    let done = |range: Range<usize>| {
        let mut cells = old.to_vec();
        let target = cells[range.clone()].iter_mut();
        target
            .zip(&data[range])
            .for_each(|(cell, new)| *cell &= new);
        cells
    };
    let inside = |end: usize| (1..length).contains(&end).then_some(end);
    let nth_word = |n| word(offset_bytes, length, word_bytes, n);
    Some(Torn::stable(match tear.model {
        Model::Before => old.to_vec(),
        Model::After => done(0..length),
        Model::Bytes => done(0..inside(variant as usize)?),
        Model::Words => done(0..inside(nth_word(variant.checked_sub(1)?)?.end)?),
        Model::Subset => subset(old, data, variant)?,
        Model::Bits => {
            let mut cells = old.to_vec();
            clear_some(&mut cells, data, variant);
            cells
        }
        Model::WordsAndBits => {
            let word = nth_word(variant)?;
            let mut cells = done(0..word.start);
            clear_some(&mut cells[word.clone()], &data[word], variant);
            cells
        }
        Model::UnstableProgram => {
            let all = words(offset_bytes, length, word_bytes);
            let first_weak = if all == 1 { 1 } else { all + 1 };
            if let Some(seed) = variant.checked_sub(first_weak) {
                let unstable = weak(old, data, seed)?;
                let cells = done(0..length);
                return Some(Torn { cells, unstable });
            }
            let word = match variant == all && all > 1 {
                true => 0..length,
                false => nth_word(variant)?,
            };
            let mut unstable = vec![0; length];
            for n in word.clone() {
                unstable[n] = old[n] & !data[n];
            }
            let cells = done(0..word.start);
            return Some(Torn { cells, unstable });
        }
        _ => return None,
    }))
}

/// The bits to be cleared, in order, are cleared where `mask` has a 1.
fn subset(old: &[u8], data: &[u8], mask: u32) -> Option<Vec<u8>> {
    let count = bits_to_clear(old, data);
    if count > 31 || mask == 0 || mask >= (1 << count) - 1 {
        return None; // none and all are Before and After
    }
    let mut cells = old.to_vec();
    let mut left = mask;
    for (cell, new) in cells.iter_mut().zip(data) {
        for bit in (0..8).map(|n| 1u8 << n) {
            if *cell & !new & bit != 0 {
                if left & 1 != 0 {
                    *cell &= !bit;
                }
                left >>= 1;
            }
        }
    }
    Some(cells)
}

/// Each bit that is to be cleared is cleared or not.
fn clear_some(cells: &mut [u8], data: &[u8], seed: u32) {
    let mut chance = Chance::new(seed);
    for (cell, new) in cells.iter_mut().zip(data) {
        *cell &= new | chance.byte();
    }
}

/// Where an erase stood; None past the last place.
fn place(length: usize, word_bytes: u32, n: u32) -> Option<usize> {
    let word = (word_bytes as usize).min(length);
    match n {
        0 => Some(word),
        1..=7 => Some(length / 8 * n as usize / word * word),
        8 => Some(length - word),
        _ => None,
    }
}

/// An erase of `old` that was torn; None where it has no such variant.
pub(crate) fn torn_erase(tear: Tear, word_bytes: u32, old: &[u8]) -> Option<Torn> {
    let length = old.len();
    let two = |head: Option<u8>, tail: Option<u8>| {
        let place = place(length, word_bytes, tear.variant)?;
        let mut cells = old.to_vec();
        let (first, last) = cells.split_at_mut(place);
        head.into_iter().for_each(|byte| first.fill(byte));
        tail.into_iter().for_each(|byte| last.fill(byte));
        Some(cells)
    };
    let mut chance = Chance::new(tear.variant);
    Some(Torn::stable(match tear.model {
        Model::Before => old.to_vec(),
        Model::After => vec![0xff; length],
        Model::EraseForward => two(Some(0xff), None)?,
        Model::EraseBackward => two(None, Some(0xff))?,
        Model::ZerosForward => two(Some(0), None)?,
        Model::ZerosBackward => two(None, Some(0))?,
        Model::Zeros => vec![0; length],
        Model::PulledForward => two(Some(0xff), Some(0))?,
        Model::Pulled => (0..length).map(|_| chance.byte()).collect(),
        Model::Between => old.iter().map(|old| old | chance.byte()).collect(),
        Model::UnstableErase => {
            let weak = |_| match tear.variant {
                0 => 0xff,
                // One bit in 64.
                _ => (0..6).fold(0xff, |bits, _| bits & chance.byte()),
            };
            let unstable = (0..length).map(weak).collect();
            let cells = vec![0xff; length];
            return Some(Torn { cells, unstable });
        }
        _ => return None,
    }))
}

/// A few of the bits that a program clears; None where it clears none. That many, because
/// what is nearly done looks done: now it passes a checksum, and later it does not.
fn weak(old: &[u8], data: &[u8], seed: u32) -> Option<Vec<u8>> {
    let cleared = old.iter().zip(data).map(|(old, new)| old & !new);
    let bits: Vec<(usize, u8)> = (0..)
        .zip(cleared)
        .flat_map(|(at, byte)| (0..8).map(move |bit| (at, byte & 1 << bit)))
        .filter(|(_, bit)| *bit != 0)
        .collect();
    let mut unstable = vec![0; old.len()];
    let mut chance = Chance::new(seed);
    for _ in 0..=seed % 3 {
        let number = u32::from_le_bytes([0; 4].map(|_: u8| chance.byte()));
        let (at, bit) = bits.get((number as usize).checked_rem(bits.len())?)?;
        unstable[*at] |= bit;
    }
    Some(unstable)
}

/// SplitMix64's bytes: the same seed is the same tear in every later version.
struct Chance {
    rng: SplitMix64,
    word: u64,
    left: u32,
}

impl Chance {
    fn new(seed: u32) -> Self {
        Self {
            rng: SplitMix64::seed_from_u64(u64::from(seed)),
            word: 0,
            left: 0,
        }
    }

    fn byte(&mut self) -> u8 {
        if self.left == 0 {
            self.word = self.rng.next_u64();
            self.left = 8;
        }
        self.left -= 1;
        let byte = self.word as u8;
        self.word >>= 8;
        byte
    }
}
