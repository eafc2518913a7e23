//! The part of a file that a client wants (RFC 9110, 14).

use std::ops::Range;

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no part is named, or in a way that need not be understood.
    Whole,
    /// These bytes; never none.
    Part(Range<u64>),
    /// There are no such bytes.
    Nothing,
}

/// What `Range:` says of a file of that size. Several parts at once are answered with
/// the whole file, as anybody may.
pub(crate) fn wanted(range: &str, size_bytes: u64) -> Wanted {
    let Some((unit, parts)) = range.split_once('=') else {
        return Wanted::Whole;
    };
    let Some((first, last)) = parts.trim().split_once('-') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1),
        (Some(first), None) if last.is_empty() => first..size_bytes.max(first),
        (None, Some(last)) if first.is_empty() => size_bytes.saturating_sub(last)..size_bytes,
        _ => return Wanted::Whole,
    };
    let part = part.start..part.end.min(size_bytes);
    match part.is_empty() {
        true => Wanted::Nothing,
        false => Wanted::Part(part),
    }
}

/// Digits, and nothing but digits; one that is too large is as large as it gets.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("bytes=0-9", Wanted::Part(0..10))]
    #[case("bytes=10-", Wanted::Part(10..100))]
    #[case("bytes=-10", Wanted::Part(90..100))]
    #[case("bytes=-1000", Wanted::Part(0..100))]
    #[case("Bytes=99-99", Wanted::Part(99..100))]
    #[case("bytes=99-1000", Wanted::Part(99..100))]
    #[case("bytes=0-99999999999999999999999", Wanted::Part(0..100))]
    #[case("bytes=100-", Wanted::Nothing)]
    #[case("bytes=100-200", Wanted::Nothing)]
    #[case("bytes=99999999999999999999999-", Wanted::Nothing)]
    #[case("bytes=-0", Wanted::Nothing)]
    #[case("bytes=9-0", Wanted::Whole)]
    #[case("bytes=0-1,5-6", Wanted::Whole)]
    #[case("bytes=-", Wanted::Whole)]
    #[case("bytes=+1-2", Wanted::Whole)]
    #[case("bytes=a-", Wanted::Whole)]
    #[case("bytes", Wanted::Whole)]
    #[case("items=0-1", Wanted::Whole)]
    #[case("", Wanted::Whole)]
    fn of_a_hundred_bytes(#[case] range: &str, #[case] expected: Wanted) {
        assert_eq!(wanted(range, 100), expected);
    }

    #[test]
    fn an_empty_file_has_no_part() {
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Nothing);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside(range in ".{0,30}", size in any::<u64>()) {
            for range in [range.clone(), format!("bytes={range}")] {
                if let Wanted::Part(part) = wanted(&range, size) {
                    prop_assert!(part.start < part.end && part.end <= size);
                }
            }
        }
    }
}
