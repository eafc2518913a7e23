//! The word in the address that lets somebody in.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read as _};

/// Letters that nobody takes for another when he types them from a screen.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Sixteen letters, five bits each: 80 bits.
const LENGTH: usize = 16;

/// A word that nobody can guess.
///
/// # Errors
/// The system's, where it has no `/dev/urandom`; there is no other source on a kernel
/// of the device's time.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
    Ok(bytes.iter().map(letter).collect())
}

/// Whether a word can stand in an address as it is.
pub(crate) fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !word.is_empty() && word.len() <= 64 && word.bytes().all(plain)
}

/// Compares in a time that tells nothing of where two words differ.
pub(crate) fn is_same(given: &str, token: &str) -> bool {
    let pairs = given.bytes().zip(token.bytes());
    let differing = pairs.fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    given.len() == token.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared() {
        assert!(is_same("abc", "abc"));
        for other in ["abd", "bbc", "ab", "abcd", "", "ABC"] {
            assert!(!is_same(other, "abc"), "{other}");
        }
    }

    #[test]
    fn a_random_word_is_another_each_time_and_fits_an_address() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert!(is_plain(&one) && one.len() == LENGTH);
        let mut letters = LETTERS.to_vec();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 32);
    }

    #[test]
    fn words_for_an_address() {
        for (word, plain) in [
            ("a-Z_9", true),
            ("", false),
            ("a/b", false),
            ("a b", false),
            ("ä", false),
        ] {
            assert_eq!(is_plain(word), plain, "{word}");
        }
    }
}
