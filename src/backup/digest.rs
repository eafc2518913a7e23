//! CRC-32 and SHA-256 of a stream, computed together while the bytes are hot.
//!
//! Invariant: both digests have seen exactly the same bytes, in order.

use sha2::Digest as _;

/// How many bytes both digests see before they move on: small enough that the
/// second one finds them in the first-level cache.
const STEP_BYTES: usize = 16 * 1024;

/// A running CRC-32 (the one of zlib and Ethernet) and SHA-256.
#[derive(Clone, Default)]
pub struct Digests {
    crc32: Crc32,
    sha256: sha2::Sha256,
    length_bytes: u64,
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

/// What [`Digests`] come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestValues {
    /// How many bytes were digested.
    pub length_bytes: u64,
    /// CRC-32, eight lower-case hex digits.
    pub crc32: String,
    /// SHA-256, 64 lower-case hex digits.
    pub sha256: String,
}

impl Digests {
    /// Digests of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream.
    pub fn update(&mut self, data: &[u8]) {
        for step in data.chunks(STEP_BYTES) {
            self.crc32.update(step);
            self.sha256.update(step);
        }
        self.length_bytes += data.len() as u64;
    }

    /// The values over everything seen.
    pub fn finish(self) -> DigestValues {
        DigestValues {
            length_bytes: self.length_bytes,
            crc32: hex(&self.crc32.finalize().to_be_bytes()),
            sha256: hex(&self.sha256.finalize()),
        }
    }
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

/// Whether a text is `digits` lower-case hex digits.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vectors_come_out() {
        let mut digests = Digests::new();
        digests.update(b"1234");
        digests.update(b"56789");
        let values = digests.finish();
        assert_eq!(values.length_bytes, 9);
        // The check value that every CRC-32 catalogue gives.
        assert_eq!(values.crc32, "cbf43926");
        assert_eq!(
            values.sha256,
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
    }

    #[test]
    fn how_the_stream_is_cut_does_not_matter() {
        let data: Vec<u8> = (0..STEP_BYTES * 2 + 77)
            .map(|i| (i * 31 % 251) as u8)
            .collect();
        let mut whole = Digests::new();
        whole.update(&data);
        let mut cut = Digests::new();
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
