//! Texts as Windows writes them.
//!
//! PowerShell's `>` makes UTF-16 of what a device printed, and editors put a mark before
//! UTF-8. Nothing is lost of a text by either, unlike of an image.

use std::borrow::Cow;

/// The same text in UTF-8, without a mark before it; bytes that are no UTF-16 text stay as
/// they are.
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let decoded = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => return Cow::Borrowed(rest),
        _ => None,
    };
    match decoded {
        Some(text) => Cow::Owned(text.into_bytes()),
        None => Cow::Borrowed(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let pairs = bytes.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    (is_whole && !text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_comes_back(text in "[^\0\u{feff}]{0,40}") {
            let bytes = |mark: &[u8], order: fn(u16) -> [u8; 2]| {
                mark.iter().copied().chain(text.encode_utf16().flat_map(order)).collect::<Vec<_>>()
            };
            let marked = format!("\u{feff}{text}");
            for written in [
                bytes(b"\xff\xfe", u16::to_le_bytes),
                bytes(b"\xfe\xff", u16::to_be_bytes),
                marked.into_bytes(),
                text.clone().into_bytes(),
            ] {
                prop_assert_eq!(&*utf8(&written), text.as_bytes());
            }
        }

        #[test]
        fn what_is_no_text_stays(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let flash = [b"\xff\xfe\0\0", &*bytes].concat();
            prop_assert_eq!(&*utf8(&flash), &*flash);
        }
    }
}
