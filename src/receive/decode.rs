//! Bytes of flash that came as text, because the device's wget cuts at a zero byte.

use super::asked::Form;

/// The bytes in a body; none where it is torn or foreign.
pub(super) fn decode(form: Form, body: &[u8]) -> Option<Vec<u8>> {
    match form {
        Form::Raw => Some(body.to_vec()),
        Form::Hex => hex(body),
        Form::Base64 => base64(body),
    }
}

/// How long a body for so many bytes may be: `od` writes three letters a byte, and
/// breaks lines.
pub(super) fn text_bytes_max(length: u64) -> u64 {
    length.saturating_mul(4).saturating_add(256)
}

fn hex(body: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = body
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    is_whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// RFC 4648, and as `uuencode -m` frames it.
fn base64(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let framed = |line: &&str| line.starts_with("begin-base64 ") || *line == "====";
    let lines = text.lines().map(str::trim).filter(|line| !framed(line));
    let letters: Vec<u8> = lines.flat_map(str::bytes).collect();
    if letters.len() % 4 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    let last = letters.len() / 4;
    for (four, at) in letters.chunks_exact(4).zip(1..) {
        let padding = four
            .iter()
            .rev()
            .take_while(|letter| **letter == b'=')
            .count();
        if padding > 2 || (padding > 0 && at < last) {
            return None;
        }
        let mut bits = 0;
        for letter in &four[..4 - padding] {
            bits = bits << 6 | sextet(*letter)?;
        }
        bits <<= 6 * padding;
        bytes.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

fn sextet(letter: u8) -> Option<u32> {
    Some(match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(Form::Base64, "bXRka2VlcAo=")]
    #[case(Form::Base64, "begin-base64 644 x\nbXRka2Vl\ncAo=\n====\n")]
    #[case(Form::Hex, "6d74646b6565700a")]
    #[case(Form::Hex, " 6d 74 64 6b 65\n 65 70 0A\n")]
    #[case(Form::Raw, "mtdkeep\n")]
    fn all_forms(#[case] form: Form, #[case] body: &str) {
        assert_eq!(decode(form, body.as_bytes()).unwrap(), b"mtdkeep\n");
    }

    #[rstest]
    #[case(Form::Base64, "bXRka2VlcAo")]
    #[case(Form::Base64, "bXRk=2Vl")]
    #[case(Form::Base64, "b===")]
    #[case(Form::Base64, "bX-k")]
    #[case(Form::Hex, "6d7")]
    #[case(Form::Hex, "6g")]
    fn what_is_torn(#[case] form: Form, #[case] body: &str) {
        assert_eq!(decode(form, body.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn hex_is_undone(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(decode(Form::Hex, text.as_bytes()), Some(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            decode(Form::Base64, &body);
            decode(Form::Hex, &body);
        }
    }
}
