//! Text from outside (file names, what a manifest says, names of partitions), made
//! harmless for a terminal and a page.
//!
//! Invariant: what comes out has no control or format character (escape sequences,
//! line ends, marks that turn the direction of writing); doing it twice changes
//! nothing.

use std::fmt::Write as _;

/// The text with every character that is not simply shown written as `\n`,
/// `\u{1b}` and so on.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // Quotes and backslashes, which `escape_debug` would escape as well, are
    // harmless. The rest is escaped piece by piece and not letter by letter, so
    // that accents that are characters of their own stay with their letters.
    for piece in text.split_inclusive(QUOTES) {
        let plain = piece.strip_suffix(QUOTES).unwrap_or(piece);
        shown.extend(plain.escape_debug());
        shown.push_str(&piece[plain.len()..]);
    }
    shown
}

const QUOTES: [char; 3] = ['"', '\'', '\\'];

/// A JSON text with the same characters written as JSON writes them, `\u001b`: it
/// means what it meant. They can only stand inside its strings.
pub(crate) fn printable_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || (' '..='~').contains(&c) || c.escape_debug().count() == 1 {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing into a String cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{printable, printable_json};
    use rstest::rstest;

    #[rstest]
    #[case::plain("RedBoot config", "RedBoot config")]
    #[case::quotes(r#"a "b" 'c' \d"#, r#"a "b" 'c' \d"#)]
    #[case::languages("Ünïcode, ไฟล์, 日本", "Ünïcode, ไฟล์, 日本")]
    #[case::accent_apart("e\u{301}", "e\u{301}")]
    #[case::escape("\u{1b}[31m", "\\u{1b}[31m")]
    #[case::c1("\u{9b}31m", "\\u{9b}31m")]
    #[case::line("a\r\nb\tc\u{7f}\u{7}\0", "a\\r\\nb\\tc\\u{7f}\\u{7}\\0")]
    #[case::turned("\u{202e}x\u{2066}\u{200f}", "\\u{202e}x\\u{2066}\\u{200f}")]
    #[case::separators("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c")]
    #[case::unseen("\u{feff}a\u{200b}\u{ad}", "\\u{feff}a\\u{200b}\\u{ad}")]
    fn what_is_shown(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(printable(text), shown);
        assert_eq!(printable(shown), shown, "a second time");
    }

    #[test]
    fn json_means_what_it_meant() {
        let name = "a\"\\b\u{7f}\u{9b}\u{202e}\u{2028}\u{e0001}\n\u{301}日";
        let text = serde_json::to_string_pretty(&[name]).unwrap();
        let shown = printable_json(&text);
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&shown).unwrap()[0],
            name
        );
        assert!(
            shown.contains(r"\u007f\u009b\u202e\u2028\udb40\udc01\n"),
            "{shown}"
        );
        assert!(shown.ends_with("日\"\n]"), "{shown}");
    }
}
