//! The manifest's copy in the page.

use super::MANIFEST;
use std::fmt::Write as _;

/// Before and after it.
const COPY: &str = "<pre id=\"manifest\">";
const COPY_END: &str = "</pre>";

pub(super) fn put(page: &mut String, text: &str) {
    let _ = write!(
        page,
        "<details><summary>A copy of {MANIFEST}, should it be lost: \
         <code>mtdkeep repair</code> takes it</summary>\n{COPY}"
    );
    copy_exactly(page, text);
    page.push_str(COPY_END);
    page.push_str("\n</details>\n");
}

/// Text that comes back to the byte, and is no markup. Control characters are
/// escaped by JSON already, but for the line end and those of the second set.
fn copy_exactly(page: &mut String, text: &str) {
    for c in text.chars() {
        if c != '\n' && (c.is_control() || "&<>".contains(c)) {
            let _ = write!(page, "&#{};", u32::from(c));
        } else {
            page.push(c);
        }
    }
}

/// The copy of the manifest in a page, as far as it goes; none where there is none.
pub(crate) fn manifest_copy(page: &str) -> Option<Vec<u8>> {
    let (_, copy) = page.split_once(COPY)?;
    let copy = copy.split(COPY_END).next().unwrap_or(copy);
    let mut text = String::with_capacity(copy.len());
    let mut pieces = copy.split("&#");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (number, rest) = piece.split_once(';')?;
        text.push(char::from_u32(number.parse().ok()?)?);
        text.push_str(rest);
    }
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_copy_comes_back_to_the_byte(text in any::<String>()) {
            let mut page = format!("<p>{COPY}");
            copy_exactly(&mut page, &text);
            page += COPY_END;
            let markup = page.matches('<').count();
            prop_assert_eq!(markup, 3, "no markup of the text's own");
            prop_assert_eq!(manifest_copy(&page), Some(text.into_bytes()));
        }

        #[test]
        fn no_page_makes_it_panic(text in any::<String>()) {
            manifest_copy(&format!("{COPY}{text}"));
        }
    }
}
