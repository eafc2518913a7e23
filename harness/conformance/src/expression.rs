//! Numbers and bytes as the cases write them: `size-4`, `2*block`, `55*16`.
//!
//! Numbers are sums of products of decimal or hexadecimal literals and names.
//! Names mean what they say for the partition that a section is on, so that a
//! case reads the same whatever the partition's size is.

use std::fmt;

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
                product *= self
                    .factor(factor)
                    .ok_or_else(|| BadExpression(text.into()))?;
            }
            sum += if negative { -product } else { product };
            if end == rest.len() {
                return Ok(sum);
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

    /// As [`Names::number`], for an offset.
    pub fn offset(&self, text: &str) -> Result<i64, BadExpression> {
        i64::try_from(self.number(text)?).map_err(|_| BadExpression(text.into()))
    }

    /// As [`Names::number`], for a length or an index.
    pub fn length(&self, text: &str) -> Result<usize, BadExpression> {
        usize::try_from(self.number(text)?).map_err(|_| BadExpression(text.into()))
    }

    /// The bytes that `text` stands for: pieces joined by commas, each
    /// `55*LENGTH` (a byte in hex), `seq*LENGTH` (a sequence that repeats late),
    /// or `none`.
    pub fn bytes(&self, text: &str) -> Result<Vec<u8>, BadExpression> {
        let bad = || BadExpression(text.into());
        let mut bytes = Vec::new();
        for piece in text.split(',').filter(|piece| *piece != "none") {
            let (what, length) = piece.split_once('*').ok_or_else(bad)?;
            let length = self.length(length)?;
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
    }
}
