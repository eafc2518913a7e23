//! What copying and pasting does to a text, undone: a byte-order mark, CR LF or CR alone,
//! tabs, indentation, curly, French and single quotes, no-break blanks, the time stamps
//! of a boot log, of a system log or of a terminal's record, a log level, the colours of a
//! terminal, a mail's `>`, lines that were wrapped; and what the software of forums makes
//! of quotation marks (`&quot;`, `\"`), of `0x` (`0×`), and of the hyphen between numbers.
//!
//! Invariant: a line keeps its number, so that an error leads to it.

mod stamps;
mod wrapped;

pub(crate) use stamps::without as without_stamps;

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

/// The lines that have something on them; cleaned once for all who read them.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Some programs end lines with CR alone.
    let end = if text.contains('\n') { '\n' } else { '\r' };
    let lines = text
        .split(end)
        .zip(1..)
        .map(|(line, number)| clean(number, line))
        .filter(|line| !line.text.is_empty());
    wrapped::joined(lines).collect()
}

fn clean(number: usize, line: &str) -> Line<'_> {
    // A line with a quotation mark of its own was not escaped.
    if !line.contains('"') && line.contains("&quot;") {
        let line = line
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        return owned(clean_plain(number, &line));
    }
    // All of a line was escaped where each mark in it is.
    let marks = line.matches('"').count();
    if marks > 0 && line.matches("\\\"").count() == marks {
        return owned(clean_plain(number, &line.replace("\\\"", "\"")));
    }
    clean_plain(number, line)
}

fn owned(line: Line<'_>) -> Line<'static> {
    Line {
        number: line.number,
        indent: line.indent,
        text: Cow::Owned(line.text.into_owned()),
    }
}

fn clean_plain(number: usize, line: &str) -> Line<'_> {
    let (indent, text) = match plain(line) {
        Cow::Borrowed(text) => {
            let (indent, text) = bare(text);
            (indent, Cow::Borrowed(text))
        }
        Cow::Owned(text) => {
            let (indent, text) = bare(&text);
            (indent, Cow::Owned(text.to_owned()))
        }
    };
    let text = doubly_quoted(&text).map_or(text, Cow::Owned);
    Line {
        number,
        indent,
        text,
    }
}

/// How far a line was indented, and what is on it, behind a mail's `>` and stamps.
fn bare(line: &str) -> (usize, &str) {
    let mut line = line;
    while let Some(rest) = {
        let start = line.trim_start();
        start.strip_prefix('>').or(start.strip_prefix("&gt;"))
    } {
        line = rest.strip_prefix(' ').unwrap_or(rest);
    }
    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
    (indent, stamps::without(line.trim()))
}

/// A line with a name in single quotes at its end, as some software shows it.
fn doubly_quoted(text: &str) -> Option<String> {
    let (quoted, colon) = match text.strip_suffix(':') {
        Some(rest) => (rest, ":"),
        None => (text, ""),
    };
    let (before, name) = quoted.strip_suffix('\'')?.split_once('\'')?;
    (!text.contains('"')).then(|| format!("{before}\"{name}\"{colon}"))
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
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' | '\u{ff02}' => {
                text.push('"');
            }
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => text.push('\''),
            // Whichever of the two comes first opens, and blanks inside are not the name's.
            '\u{ab}' | '\u{bb}' if text.matches('"').count() % 2 == 0 => {
                text.push('"');
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
            }
            '\u{ab}' | '\u{bb}' => {
                text.truncate(text.trim_end().len());
                text.push('"');
            }
            '\u{d7}' if text.ends_with('0') => text.push('x'),
            '\u{2010}'..='\u{2014}' | '\u{2212}' if is_number(chars.clone()) => text.push('-'),
            '\t' | '\u{a0}' | '\u{2007}' | '\u{202f}' => text.push(' '),
            '\u{1b}' => pass_escape(&mut chars),
            '\u{200b}' | '\u{feff}' => {}
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// Passes what a terminal does not show behind its escape character (ECMA-48; `ESC ( B` is
/// an older way to choose letters).
fn pass_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            // Up to the letter that ends it.
            for c in chars.by_ref().skip(1) {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        }
        Some('(' | ')') => drop(chars.nth(1)),
        // A window's title, up to BEL.
        Some(']') => {
            for c in chars.by_ref() {
                if c == '\u{7}' {
                    break;
                }
            }
        }
        _ => {}
    }
}

/// Whether the next word is `0x…`.
fn is_number(chars: impl Iterator<Item = char>) -> bool {
    let mut chars = chars.skip_while(|c| c.is_whitespace());
    chars.next() == Some('0') && matches!(chars.next(), Some('x' | '\u{d7}'))
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
    #[case("> >> 0x0-0x1 : \"a\"", "0x0-0x1 : \"a\"")]
    #[case("&gt; mtd0: \"a\"", "mtd0: \"a\"")]
    #[case("mtd0: \\\"a\\\"", "mtd0: \"a\"")]
    #[case("mtd0: \u{2018}a b\u{2019}", "mtd0: \"a b\"")]
    #[case("0x0-0x1 : \u{ab}\u{a0}a\u{202f}\u{bb}", "0x0-0x1 : \"a\"")]
    #[case("0x0-0x1 : \u{bb}a\u{ab}", "0x0-0x1 : \"a\"")]
    #[case("\u{1b}(B\u{1b}[mmtd0:\u{1b}(B", "mtd0:")]
    #[case("\u{1b}]0;root@x: ~\u{7}root@x:~# ls", "root@x:~# ls")]
    #[case("[0;32m[    0.5] mtd0: x[0m", "mtd0: x")]
    fn what_is_left_of_a_line(#[case] line: &str, #[case] left: &str) {
        let cleaned: Vec<_> = lines(line);
        assert_eq!(cleaned.len(), 1, "{cleaned:?}");
        assert_eq!(cleaned[0].text, left);
    }

    /// CR alone ends lines where nothing else does.
    #[test]
    fn lines_of_an_old_kind() {
        let found: Vec<_> = lines("a\rb\r").into_iter().map(|line| line.text).collect();
        assert_eq!(found, ["a", "b"]);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let numbers: Vec<_> = lines("a\n\n b\n")
            .iter()
            .map(|l| (l.number, l.indent))
            .collect();
        assert_eq!(numbers, [(1, 0), (3, 1)]);
    }
}
