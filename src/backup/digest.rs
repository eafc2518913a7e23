//! CRC-32 and SHA-256 of a stream, computed together while the bytes are hot.
//!
//! Invariants: there is always one of them, because without any a backup could
//! not be proven; where there are both, they have seen the same bytes, in order.

use super::erased;
use sha2::Digest as _;

/// How many bytes both digests see before they move on: small enough that the
/// second one finds them in the first-level cache.
const STEP_BYTES: usize = 16 * 1024;

/// Which digests a backup gets.
///
/// Both find accidents: a torn download, a bit that flipped on the way. What somebody
/// changed on purpose neither finds that lies beside the images; the digest of the
/// manifest, noted elsewhere, finds it where the images have a SHA-256. On a core of
/// the iSpot's time SHA-256 costs more than reading and storing together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestChoice {
    /// CRC-32 and SHA-256.
    #[default]
    Both,
    /// CRC-32 alone.
    Crc32,
    /// SHA-256 alone.
    Sha256,
}

impl DigestChoice {
    /// The choice with exactly these; none where neither is wanted.
    pub(crate) fn of(crc32: bool, sha256: bool) -> Option<Self> {
        match (crc32, sha256) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Crc32),
            (false, true) => Some(Self::Sha256),
            (false, false) => None,
        }
    }

    /// Whether CRC-32 is among them.
    pub(crate) fn has_crc32(self) -> bool {
        self != Self::Sha256
    }

    /// Whether SHA-256 is among them.
    pub(crate) fn has_sha256(self) -> bool {
        self != Self::Crc32
    }
}

/// A running CRC-32 (the one of zlib and Ethernet), SHA-256 (FIPS 180-4), or both.
///
/// ```
/// use mtdkeep::backup::{DigestChoice, Digests};
///
/// let mut digests = Digests::new(DigestChoice::Crc32);
/// digests.update(b"1234");
/// digests.update(b"56789");
/// let values = digests.finish();
/// assert_eq!(values.crc32.as_deref(), Some("cbf43926"));
/// assert_eq!(values.sha256, None);
/// ```
#[derive(Clone)]
pub struct Digests {
    crc32: Option<Crc32>,
    sha256: Option<sha2::Sha256>,
    length_bytes: u64,
    ending: Ending,
}

#[cfg(not(all(feature = "device", not(feature = "full"))))]
type Crc32 = crc32fast::Hasher;

/// CRC-32 with one table of 1 KiB. crc32fast's sixteen are a twentieth of all
/// that the program for the device may be, and as much as its data cache holds.
#[cfg(all(feature = "device", not(feature = "full")))]
#[derive(Clone)]
struct Crc32(crc::Digest<'static, u32, crc::Table<1>>);

#[cfg(all(feature = "device", not(feature = "full")))]
impl Default for Crc32 {
    fn default() -> Self {
        static TABLE: crc::Crc<u32, crc::Table<1>> =
            crc::Crc::<u32, crc::Table<1>>::new(&crc::CRC_32_ISO_HDLC);
        Self(TABLE.digest())
    }
}

#[cfg(all(feature = "device", not(feature = "full")))]
impl Crc32 {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> u32 {
        self.0.finalize()
    }
}

/// The last byte of a stream, and how often it stands at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    pub(super) byte: u8,
    pub(super) run_bytes: u64,
}

impl Ending {
    /// Takes the next bytes of the stream.
    fn update(&mut self, data: &[u8]) {
        let Some(&last) = data.last() else {
            return;
        };
        // Whole steps first: erased flash is long.
        let steps = data.rchunks(erased::STEP_BYTES);
        let steps = steps.take_while(|step| erased::is_filled(step, last));
        let alike: usize = steps.map(<[u8]>::len).sum();
        let mut rest = data[..data.len() - alike].iter();
        match rest.rposition(|byte| *byte != last) {
            Some(at) => self.run_bytes = (data.len() - 1 - at) as u64,
            None if last == self.byte => self.run_bytes += data.len() as u64,
            None => self.run_bytes = data.len() as u64,
        }
        self.byte = last;
    }
}

/// What [`Digests`] come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestValues {
    /// How many bytes were digested.
    pub(crate) length_bytes: u64,
    /// CRC-32, eight lower-case hex digits, if it was chosen.
    pub crc32: Option<String>,
    /// SHA-256, 64 lower-case hex digits, if it was chosen.
    pub sha256: Option<String>,
    /// How the stream ends.
    pub(crate) ending: Ending,
}

impl Digests {
    /// Digests of nothing yet.
    pub fn new(choice: DigestChoice) -> Self {
        Self {
            crc32: choice.has_crc32().then(Crc32::default),
            sha256: choice.has_sha256().then(sha2::Sha256::default),
            length_bytes: 0,
            ending: Ending::default(),
        }
    }

    /// Takes the next bytes of the stream; how it is cut does not matter.
    pub fn update(&mut self, data: &[u8]) {
        for step in data.chunks(STEP_BYTES) {
            if let Some(crc32) = &mut self.crc32 {
                crc32.update(step);
            }
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(step);
            }
        }
        self.ending.update(data);
        self.length_bytes += data.len() as u64;
    }

    /// The values over everything seen.
    pub fn finish(self) -> DigestValues {
        DigestValues {
            length_bytes: self.length_bytes,
            crc32: self.crc32.map(|crc32| hex(&crc32.finalize().to_be_bytes())),
            sha256: self.sha256.map(|sha256| hex(&sha256.finalize())),
            ending: self.ending,
        }
    }
}

/// SHA-256 of a whole text, 64 lower-case hex digits.
pub(crate) fn sha256(text: &[u8]) -> String {
    hex(&sha256_of(text))
}

/// SHA-256 of these bytes.
pub(crate) fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes of a SHA-256 in hex, in base64 (RFC 4648): three digits are two letters.
pub(crate) fn base64(hex: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(44);
    let mut add = |bits: u32| text.push(char::from(LETTERS[(bits & 63) as usize]));
    for digits in hex.as_bytes().chunks(3) {
        let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0);
        let bits = digits
            .iter()
            .fold(0, |bits, digit| bits << 4 | value(digit));
        match digits.len() {
            3 => [bits >> 6, bits].into_iter().for_each(&mut add),
            // The last of 64, with two bits that mean nothing.
            _ => add(bits << 2),
        }
    }
    text.push('=');
    text
}

/// Whether a text is `digits` lower-case hex digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | openssl sha256 -binary | base64`
    #[test]
    fn a_digest_in_base64() {
        let text = base64(&sha256(b"hello"));
        assert_eq!(text, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    }

    #[test]
    fn the_published_test_vectors_come_out() {
        // The check value that every CRC-32 catalogue gives.
        const CRC32: &str = "cbf43926";
        const SHA256: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
        for choice in [
            DigestChoice::Both,
            DigestChoice::Crc32,
            DigestChoice::Sha256,
        ] {
            let mut digests = Digests::new(choice);
            digests.update(b"1234");
            digests.update(b"56789");
            let values = digests.finish();
            assert_eq!(values.length_bytes, 9);
            let (crc32, sha256) = (values.crc32.as_deref(), values.sha256.as_deref());
            assert_eq!(crc32, choice.has_crc32().then_some(CRC32), "{choice:?}");
            assert_eq!(sha256, choice.has_sha256().then_some(SHA256), "{choice:?}");
            assert_eq!(
                DigestChoice::of(crc32.is_some(), sha256.is_some()),
                Some(choice)
            );
        }
    }

    #[test]
    fn how_the_stream_is_cut_does_not_matter() {
        let data: Vec<u8> = (0..STEP_BYTES * 2 + 77)
            .map(|i| (i * 31 % 251) as u8)
            .collect();
        let mut whole = Digests::new(DigestChoice::Both);
        whole.update(&data);
        let mut cut = Digests::new(DigestChoice::Both);
        data.chunks(1000).for_each(|part| cut.update(part));
        assert_eq!(whole.finish(), cut.finish());
    }

    #[test]
    fn hex_is_recognised() {
        assert!(is_hex("00ff", 4));
        for bad in ["00fF", "00f", "00fg", "00ff0", ""] {
            assert!(!is_hex(bad, 4), "{bad}");
        }
    }
}
