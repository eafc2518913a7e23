//! Lines that a terminal or a mail program wrapped, put together again where the quotation
//! marks of a name, or the kernel's words before a split, tell it.

use super::Line;
use std::borrow::Cow;

/// The lines, with those joined that were one.
pub(super) fn joined<'a>(lines: impl Iterator<Item = Line<'a>>) -> impl Iterator<Item = Line<'a>> {
    let mut lines = lines.peekable();
    std::iter::from_fn(move || {
        let mut line = lines.next()?;
        if let Some(gap) = lines.peek().and_then(|next| gap(&line.text, &next.text)) {
            if let Some(next) = lines.next() {
                line.text = Cow::Owned(format!("{}{gap}{}", line.text, next.text));
            }
        }
        Some(line)
    })
}

/// What stood between the two, where both are one: nothing inside a name, which a terminal
/// broke at its width, a blank before it, where a mail breaks.
fn gap(line: &str, next: &str) -> Option<&'static str> {
    let is_start = |text: &str| text.starts_with("0x") || text.starts_with("mtd");
    if let Some(gap) = torn_split(line) {
        return (!is_start(next)).then_some(gap);
    }
    if !is_start(line) && !line.contains(" MTD partitions on") {
        return None;
    }
    let quotes = |text: &str| text.bytes().filter(|b| *b == b'"').count();
    let ends = |text: &str| text.strip_suffix(':').unwrap_or(text).ends_with('"');
    match (quotes(line), quotes(next)) {
        (1, 1) => (!line.ends_with('"') && ends(next) && !is_start(next)).then_some(""),
        (0, 2) => (next.starts_with('"') && ends(next)).then_some(" "),
        _ => None,
    }
}

/// What is missing behind `2 uimage-fw partitions found on MTD device X` that is broken before
/// X: a blank, or nothing inside a word.
fn torn_split(line: &str) -> Option<&'static str> {
    const PHRASE: &str = " partitions found on MTD device ";
    if !line.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let ends = (4..PHRASE.len()).filter(|end| !PHRASE[..*end].ends_with(' '));
    let end = ends
        .into_iter()
        .find(|end| line.ends_with(&PHRASE[..*end]))?;
    Some(if PHRASE[end..].starts_with(' ') {
        " "
    } else {
        ""
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines;

    /// What is split is told apart from what it is split into.
    #[test]
    fn announcements() {
        for (first, second) in [
            ("1 a-b partitions found on MTD device", " rootfs"),
            ("1 a-b partitions found on ", "MTD device rootfs"),
            ("1 a-b par", "titions found on MTD device rootfs"),
        ] {
            let text = format!("{first}\n{second}\n");
            let whole = "1 a-b partitions found on MTD device rootfs";
            assert_eq!(lines(&text)[0].text, whole, "{text}");
        }
        assert_eq!(lines("1 a-b partitions found\n0x0-0x1 : \"a\"\n").len(), 2);
    }

    #[test]
    fn what_was_one_line_is_one_again() {
        let text = "[ 0.5] 0x0-0x1 : \"fac\ntory\"\n> mtd0: 00010000 00010000\n> \"a b\"\n\
                    mtd1: 00010000 00010000 \"a\"\nroot@x:~# \n0x1-0x2 :\n\n\"c\"\n";
        let found: Vec<_> = lines(text)
            .into_iter()
            .map(|line| (line.number, line.text))
            .collect();
        let found: Vec<_> = found.iter().map(|(at, text)| (*at, &**text)).collect();
        assert_eq!(
            found,
            [
                (1, "0x0-0x1 : \"factory\""),
                (3, "mtd0: 00010000 00010000 \"a b\""),
                (5, "mtd1: 00010000 00010000 \"a\""),
                (6, "root@x:~#"),
                (7, "0x1-0x2 : \"c\""),
            ]
        );
    }

    /// A torn name does not eat the next partition.
    #[test]
    fn what_is_torn_stays_so() {
        for text in [
            "0x0-0x1 : \"fac\n0x1-0x2 : \"b\"\n",
            "mtd0: 1 \"a\nmtd1: 1 b\"\n",
            "x \"a\nb\"\n",
        ] {
            assert_eq!(lines(text).len(), 2, "{text}");
        }
    }
}
