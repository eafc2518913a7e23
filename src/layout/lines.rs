//! What copying and pasting does to a text, undone: a byte-order mark, CR LF,
//! tabs, indentation, curly quotes, no-break blanks, the time stamps of a boot
//! log, a log level, the colours of a terminal; and what the software of forums makes
//! of quotation marks (`&quot;`), of `0x` (`0×`), and of the hyphen between two numbers.
//!
//! Invariant: a line keeps its number, so that an error leads to it.

use super::Skipped;
use super::error::quoted;
use std::borrow::Cow;

/// A line of a text, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// How many columns it was indented by, before anything was taken away.
    pub(super) indent: usize,
    /// Without time stamp, indentation and blanks at its end.
    pub(super) text: Cow<'a, str>,
}

impl Line<'_> {
    pub(super) fn skipped(&self) -> Skipped {
        Skipped {
            line: self.number,
            text: quoted(&self.text),
        }
    }
}

/// The lines that have something on them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n')
        .zip(1..)
        .map(|(line, number)| clean(number, line))
        .filter(|line| !line.text.is_empty())
}

fn clean(number: usize, line: &str) -> Line<'_> {
    // A line with a quotation mark of its own was not escaped.
    if !line.contains('"') && line.contains("&quot;") {
        let line = line
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        let Line { indent, text, .. } = clean_plain(number, &line);
        return Line {
            number,
            indent,
            text: Cow::Owned(text.into_owned()),
        };
    }
    clean_plain(number, line)
}

fn clean_plain(number: usize, line: &str) -> Line<'_> {
    let plain = plain(line);
    let indent = plain.chars().take_while(|c| c.is_whitespace()).count();
    let text = match plain {
        Cow::Borrowed(text) => Cow::Borrowed(without_time(text.trim())),
        Cow::Owned(text) => Cow::Owned(without_time(text.trim()).to_owned()),
    };
    Line {
        number,
        indent,
        text,
    }
}

/// Straight quotes, plain blanks, no escape sequences.
fn plain(line: &str) -> Cow<'_, str> {
    let odd = |c: char| c.is_control() || !c.is_ascii();
    if !line.contains(odd) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{ab}' | '\u{bb}'
            | '\u{2033}' | '\u{ff02}' => {
                text.push('"');
            }
            '\u{d7}' if text.ends_with('0') => text.push('x'),
            '\u{2010}'..='\u{2014}' | '\u{2212}' if is_number(chars.clone()) => text.push('-'),
            '\t' | '\u{a0}' | '\u{2007}' | '\u{202f}' => text.push(' '),
            '\u{1b}' if chars.peek() == Some(&'[') => {
                // Up to the letter that ends it.
                for c in chars.by_ref().skip(1) {
                    if c.is_ascii_alphabetic() {
                        break;
                    }
                }
            }
            '\u{200b}' | '\u{feff}' => {}
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// Whether the next word is `0x…`.
fn is_number(chars: impl Iterator<Item = char>) -> bool {
    let mut chars = chars.skip_while(|c| c.is_whitespace());
    chars.next() == Some('0') && matches!(chars.next(), Some('x' | '\u{d7}'))
}

/// Takes off `<6>`, `[    1.003000]`, `kern.notice kernel:` and the like, as often
/// as they come.
fn without_time(text: &str) -> &str {
    let mut text = text;
    loop {
        let rest = text
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .filter(|(level, _)| is_level(level))
            .or_else(|| {
                let (stamp, rest) = text.strip_prefix('[')?.split_once(']')?;
                is_stamp(stamp).then_some((stamp, rest))
            })
            .map(|(_, rest)| rest.trim_start());
        match rest {
            Some(rest) => text = rest,
            None => break,
        }
    }
    // What a system log puts in front of the kernel's own words.
    match text.split_once("kernel: ") {
        Some((_, rest)) => without_stamp(rest.trim_start()),
        None => text,
    }
}

fn without_stamp(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .filter(|(stamp, _)| is_stamp(stamp))
        .map_or(text, |(_, rest)| rest.trim_start())
}

fn is_level(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `    1.003000`, or a date and a time in digits.
fn is_stamp(text: &str) -> bool {
    let text = text.trim();
    text.contains('.')
        && text.bytes().any(|b| b.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b' ' | b':' | b'-'))
}

/// A decimal number. Rust's own reading takes a sign, which has no place here.
pub(super) fn decimal<T: std::str::FromStr>(digits: &str) -> Option<T> {
    let only_digits = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| only_digits)
}

/// `0x` and a hexadecimal number without a sign.
pub(super) fn hex(word: &str) -> Option<u64> {
    let digits = word.strip_prefix("0x")?;
    let only_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| only_digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("[    1.003000] 0x0-0x1 : \"a\"", "0x0-0x1 : \"a\"")]
    #[case("<5>[    1.003000] 0x0-0x1 : \"a\"", "0x0-0x1 : \"a\"")]
    #[case("<5>0x0-0x1 : \"a\"", "0x0-0x1 : \"a\"")]
    #[case(
        "Jan  1 00:00:09 OpenWrt user.notice kernel: [ 1.2] 0x0-0x1 : \"a\"",
        "0x0-0x1 : \"a\""
    )]
    #[case(
        "\u{1b}[32m  0x0-0x1 :\t\u{201c}a\u{201d}\u{1b}[0m\r",
        "0x0-0x1 : \"a\""
    )]
    #[case("\u{feff}dev:", "dev:")]
    #[case("0\u{d7}0\u{2013}0\u{d7}1 : \u{2033}a\u{2033}", "0x0-0x1 : \"a\"")]
    #[case("0x0 \u{2212} 0x1 : \"a\u{2013}b\"", "0x0 - 0x1 : \"a\u{2013}b\"")]
    #[case("&lt;5&gt;0x0-0x1 : &quot;a&amp;b&quot;", "0x0-0x1 : \"a&b\"")]
    #[case("0x0-0x1 : \"&quot;\"", "0x0-0x1 : \"&quot;\"")]
    #[case("[x] y", "[x] y")]
    fn what_is_left_of_a_line(#[case] line: &str, #[case] left: &str) {
        let cleaned: Vec<_> = lines(line).collect();
        assert_eq!(cleaned.len(), 1, "{cleaned:?}");
        assert_eq!(cleaned[0].text, left);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let numbers: Vec<_> = lines("a\n\n b\n").map(|l| (l.number, l.indent)).collect();
        assert_eq!(numbers, [(1, 0), (3, 1)]);
    }
}
