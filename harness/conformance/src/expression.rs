//! Numbers and bytes as the cases write them: `size-4`, `2*block`, `55*16`.
//!
//! Numbers are sums of products of decimal or hexadecimal literals and names.
//! Names mean what they say for the partition that a section is on, so that a
//! case reads the same whatever the partition's size is. What does not fit is
//! refused, never cut.

use std::fmt;

/// The most bytes that a case may ask to hold in memory at once.
const MOST_BYTES: usize = 256 << 20;

/// What the names in a number mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Names {
    /// `size`: the partition's size in bytes.
    pub size_bytes: u64,
    /// `block`: its erase-block size in bytes.
    pub erase_block_bytes: u32,
    /// `wordmax`: the largest `size_t` of the machine.
    pub word_max: u64,
}

/// A number or bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadExpression(pub String);

impl fmt::Display for BadExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no number or bytes of a case", self.0)
    }
}

impl std::error::Error for BadExpression {}

impl Names {
    /// The number that `text` stands for.
    pub fn number(&self, text: &str) -> Result<i128, BadExpression> {
        self.sum(text).ok_or_else(|| BadExpression(text.into()))
    }

    fn sum(&self, text: &str) -> Option<i128> {
        let mut sum = 0i128;
        let mut rest = text;
        let mut negative = rest.starts_with('-');
        if negative {
            rest = &rest[1..];
        }
        loop {
            let end = rest.find(['+', '-']).unwrap_or(rest.len());
            let mut product = 1i128;
            for factor in rest[..end].split('*') {
                product = product.checked_mul(self.factor(factor)?)?;
            }
            sum = match negative {
                true => sum.checked_sub(product)?,
                false => sum.checked_add(product)?,
            };
            if end == rest.len() {
                return Some(sum);
            }
            negative = rest.as_bytes()[end] == b'-';
            rest = &rest[end + 1..];
        }
    }

    fn factor(&self, text: &str) -> Option<i128> {
        Some(match text {
            "size" => self.size_bytes.into(),
            "block" => self.erase_block_bytes.into(),
            "wordmax" => self.word_max.into(),
            "max" => i64::MAX.into(),
            "u32max" => u32::MAX.into(),
            "u64max" => u64::MAX.into(),
            _ => match text.strip_prefix("0x") {
                Some(digits) => i128::from_str_radix(digits, 16).ok()?,
                None => text.parse().ok()?,
            },
        })
    }

    /// As [`Names::number`], for an argument of a smaller type.
    pub fn narrow<T: TryFrom<i128>>(&self, text: &str) -> Result<T, BadExpression> {
        T::try_from(self.number(text)?).map_err(|_| BadExpression(text.into()))
    }

    /// As [`Names::number`], for an offset.
    pub fn offset(&self, text: &str) -> Result<i64, BadExpression> {
        self.narrow(text)
    }

    /// As [`Names::number`], for a length or an index.
    pub fn length(&self, text: &str) -> Result<usize, BadExpression> {
        self.narrow(text)
    }

    /// As [`Names::number`], for the length of a buffer that is really there:
    /// at most 256 MiB.
    pub fn buffer_length(&self, text: &str) -> Result<usize, BadExpression> {
        let length = self.length(text)?;
        match length <= MOST_BYTES {
            true => Ok(length),
            false => Err(BadExpression(text.into())),
        }
    }

    /// As [`Names::number`], for the 64 bits of an argument: signed or not.
    pub fn bits(&self, text: &str) -> Result<u64, BadExpression> {
        match self.narrow::<u64>(text) {
            Ok(number) => Ok(number),
            Err(_) => Ok(self.narrow::<i64>(text)? as u64),
        }
    }

    /// The bytes that `text` stands for: pieces joined by commas, each
    /// `55*LENGTH` (a byte in hex), `seq*LENGTH` (a sequence that repeats late),
    /// or `none`; at most 256 MiB together.
    pub fn bytes(&self, text: &str) -> Result<Vec<u8>, BadExpression> {
        let bad = || BadExpression(text.into());
        let mut bytes = Vec::new();
        for piece in text.split(',').filter(|piece| *piece != "none") {
            let (what, length) = piece.split_once('*').ok_or_else(bad)?;
            let length = self.buffer_length(length)?;
            if bytes.len() + length > MOST_BYTES {
                return Err(bad());
            }
            if what == "seq" {
                bytes.extend((0..length).map(sequence));
            } else {
                let byte = u8::from_str_radix(what, 16).map_err(|_| bad())?;
                bytes.resize(bytes.len() + length, byte);
            }
        }
        Ok(bytes)
    }
}

/// Byte `index` of the sequence `seq`: no two erase blocks begin alike.
fn sequence(index: usize) -> u8 {
    (index.wrapping_mul(7) ^ (index >> 8) ^ (index >> 17)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use rstest::rstest;

    const NAMES: Names = Names {
        size_bytes: 0x100000,
        erase_block_bytes: 0x20000,
        word_max: u32::MAX as u64,
    };

    #[rstest]
    #[case("0", 0)]
    #[case("-1", -1)]
    #[case("size-4", 0xffffc)]
    #[case("2*block+7", 0x40007)]
    #[case("wordmax", u32::MAX as i128)]
    #[case("max", i64::MAX as i128)]
    #[case("-max-1", i64::MIN as i128)]
    #[case("size+block-0x10", 0x11fff0)]
    fn numbers(#[case] text: &str, #[case] value: i128) {
        assert_eq!(NAMES.number(text), Ok(value));
    }

    #[rstest]
    #[case("")]
    #[case("size+")]
    #[case("blocks")]
    #[case("--1")]
    #[case("u64max*u64max*u64max")]
    #[case("u64max*max*2+u64max*max*2")]
    #[case("-u64max*max-u64max*max-u64max*max")]
    fn no_numbers(#[case] text: &str) {
        assert!(NAMES.number(text).is_err());
    }

    #[test]
    fn bytes() {
        assert_eq!(NAMES.bytes("55*2,00*1"), Ok(vec![0x55, 0x55, 0]));
        assert_eq!(NAMES.bytes("none"), Ok(vec![]));
        assert_eq!(NAMES.bytes("seq*3"), Ok(vec![0, 7, 14]));
        assert!(NAMES.bytes("zz*1").is_err());
        assert!(NAMES.bytes("55").is_err());
        assert!(NAMES.bytes("55*u64max").is_err());
        assert!(NAMES.bytes("55*0x10000000,55*1").is_err());
        assert!(NAMES.buffer_length("max").is_err());
    }

    #[test]
    fn an_argument_is_refused_rather_than_cut() {
        assert_eq!(NAMES.bits("-1"), Ok(u64::MAX));
        assert_eq!(NAMES.bits("u64max"), Ok(u64::MAX));
        assert!(NAMES.bits("u64max+1").is_err());
        assert!(NAMES.bits("-max-2").is_err());
        assert_eq!(NAMES.narrow("31"), Ok(31u32));
        assert!(NAMES.narrow::<u32>("u32max+1").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_answered(text in "([-+*,0-9a-fx]|size|max|u64max|seq|none){0,12}") {
            let _ = NAMES.number(&text);
            let _ = NAMES.bits(&text);
            // What would only be slow: pieces of up to 256 MiB.
            if !text.contains("max") && text.len() < 12 {
                let _ = NAMES.bytes(&text);
            }
        }
    }
}
