//! Why a file has not its partition's length: what transfers and tools are known to do
//! to a dump, as far as its bytes show it.
//!
//! A cause is told as one only where its arithmetic comes out to the byte; what only
//! looks like it is told so. Nothing is changed here.
//!
//! Sources: ONLCR of a terminal (POSIX, General Terminal Interface; dikeckaan/
//! mu300-linux#2, dlenski/tetherback#21); telnet's IAC doubled (RFC 854); out-of-band
//! bytes of mtd-utils' nanddump (16 in 512, and others); UTF-16 of PowerShell's `>`; U+FFFD for
//! what is no UTF-8 (Unicode 15, 3.9).

use super::kinds;
use super::oob::OobPages;
use std::io::{self, Read};

/// What was counted in one pass over a file.
#[derive(Debug, Default, Clone)]
pub(super) struct Counted {
    pub(super) length_bytes: u64,
    /// 0a, and those behind a 0d.
    line_feeds: u64,
    after_cr: u64,
    /// Runs of ff of an odd length, and pairs of ff.
    odd_ff_runs: u64,
    ff_pairs: u64,
    replaced: u64,
    latin1: Latin1,
    /// The last byte, and how often it stands at the end.
    last: u8,
    last_run_bytes: u64,
    head: Vec<u8>,
    /// What comes behind the partition's bytes, its beginning.
    beyond: Vec<u8>,
}

/// So much of the beginning is looked at: some lines, where it is text.
const HEAD_BYTES: usize = 512;

/// So much of what comes behind is looked at.
const BEYOND_BYTES: usize = 256;

/// Counts what a stream has; `size_bytes` is how long it should be.
pub(super) fn count(stream: &mut dyn Read, size_bytes: u64) -> io::Result<Counted> {
    let mut counted = Counted::default();
    let mut buffer = vec![0; 64 << 10];
    let (mut before, mut ff_run, mut replacing) = (0, 0_u64, 0);
    loop {
        let got = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            got => got?,
        };
        if got == 0 {
            break;
        }
        let piece = &buffer[..got];
        let beyond_at = size_bytes.saturating_sub(counted.length_bytes);
        if let Some(beyond) = usize::try_from(beyond_at)
            .ok()
            .and_then(|at| piece.get(at..))
        {
            let room = BEYOND_BYTES - counted.beyond.len();
            counted.beyond.extend(beyond.iter().take(room));
        }
        let room = HEAD_BYTES - counted.head.len().min(HEAD_BYTES);
        counted.head.extend(piece.iter().take(room));
        for &byte in piece {
            if byte == b'\n' {
                counted.line_feeds += 1;
                counted.after_cr += u64::from(before == b'\r');
            }
            replacing = match (replacing, byte) {
                (_, 0xef) => 1,
                (1, 0xbf) => 2,
                (2, 0xbd) => {
                    counted.replaced += 1;
                    0
                }
                _ => 0,
            };
            counted.latin1.take(byte);
            if byte == 0xff {
                ff_run += 1;
            } else {
                counted.end_ff_run(&mut ff_run);
            }
            if byte == counted.last && counted.last_run_bytes > 0 {
                counted.last_run_bytes += 1;
            } else {
                (counted.last, counted.last_run_bytes) = (byte, 1);
            }
            before = byte;
        }
        counted.length_bytes += got as u64;
    }
    counted.end_ff_run(&mut ff_run);
    Ok(counted)
}

/// Bytes that were taken for characters of Latin-1 and written as UTF-8: c2 or c3, and
/// one from 80 to bf, for each from 80 on.
#[derive(Debug, Default, Clone, Copy)]
struct Latin1 {
    characters: u64,
    is_inside: bool,
    is_other: bool,
}

impl Latin1 {
    fn take(&mut self, byte: u8) {
        let (is_inside, is_other) = match (self.is_inside, byte) {
            (false, ..0x80) | (true, 0x80..=0xbf) => (false, false),
            (false, 0xc2 | 0xc3) => (true, false),
            _ => (false, true),
        };
        self.is_inside = is_inside;
        self.is_other |= is_other;
        self.characters += u64::from(!is_inside);
    }

    /// How many bytes there were, if it is that.
    fn bytes(&self) -> Option<u64> {
        (!self.is_other && !self.is_inside).then_some(self.characters)
    }
}

/// What is wrong with a file's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diagnosis {
    /// In words, to be put behind the lengths; may be empty.
    pub(super) text: String,
    /// Taking the 0d before each 0a away makes it fit.
    pub(super) crlf: bool,
}

impl Counted {
    fn end_ff_run(&mut self, run: &mut u64) {
        self.odd_ff_runs += *run % 2;
        self.ff_pairs += *run / 2;
        *run = 0;
    }

    /// Whether a terminal or a transfer in text mode put a 0d before each 0a, and the
    /// length without them is the right one.
    pub(super) fn is_crlf_of(&self, size_bytes: u64) -> bool {
        self.line_feeds > 0
            && self.after_cr == self.line_feeds
            && self.length_bytes - self.after_cr == size_bytes
    }

    /// Why it is not `size_bytes` long.
    pub(super) fn diagnose(&self, size_bytes: u64) -> Diagnosis {
        let crlf = self.is_crlf_of(size_bytes);
        let kind = kinds::of(&self.head);
        let text = match self.length_bytes > size_bytes {
            _ if kind.is_some() && !crlf => kind.unwrap_or_default().to_owned(),
            true => self.too_long(size_bytes),
            false => self.too_short(size_bytes),
        };
        Diagnosis { text, crlf }
    }

    fn too_long(&self, size_bytes: u64) -> String {
        let (length_bytes, more_bytes) = (self.length_bytes, self.length_bytes - size_bytes);
        if self.is_crlf_of(size_bytes) {
            return format!(
                "each of its {} bytes 0a follows a 0d, as a terminal or a transfer in text mode \
                 makes it; with these taken away it has exactly the partition's size \
                 (--undo-crlf does that)",
                self.line_feeds
            );
        }
        if self.odd_ff_runs == 0 && self.ff_pairs == more_bytes {
            return "each ff in it stands twice, as telnet sends it; fetch it by another way"
                .into();
        }
        let other_halves = self.head.iter().take(16).skip(3).step_by(2);
        let zeros = other_halves.filter(|byte| **byte == 0).count();
        if self.head.starts_with(&[0xff, 0xfe]) && zeros >= 5 {
            return UTF16.into();
        }
        if let [first, others @ ..] = &OobPages::that_fit(size_bytes, length_bytes)[..] {
            let others: Vec<_> = others.iter().map(OobPages::to_string).collect();
            let or = match others.is_empty() {
                true => String::new(),
                false => format!(" (or {})", others.join(", ")),
            };
            return format!(
                "that is pages of NAND with their out-of-band bytes, {first}{or}, which nanddump \
                 adds unless told --omitoob (-o in old versions): where the chip's pages are \
                 known, --omit-oob {first} leaves them out; else dump it again"
            );
        }
        if self.replaced >= 8 && self.replaced > size_bytes / 1024 {
            return format!(
                "it has {} times ef bf bd, which stands for bytes that were no text: what \
                 fetched it took it for UTF-8, and they are lost",
                self.replaced
            );
        }
        if self.latin1.bytes() == Some(size_bytes) {
            return "each byte from 80 on is two, as UTF-8 writes that character: what fetched it \
                    took it for text; all is there, and `iconv -f UTF-8 -t LATIN1` undoes it"
                .into();
        }
        if self.last_run_bytes >= more_bytes {
            return format!(
                "what follows is {:#04x} alone: was it filled up to a larger size, or is the \
                 partition another?",
                self.last
            );
        }
        let is_text = |b: &u8| (b' '..=b'~').contains(b) || matches!(b, b'\r' | b'\n' | b'\t');
        if more_bytes <= BEYOND_BYTES as u64 && self.beyond.iter().all(is_text) {
            let text = String::from_utf8_lossy(&self.beyond);
            return format!(
                "what follows is text, as a terminal or dd prints it: {:?}",
                text.trim()
            );
        }
        String::new()
    }

    fn too_short(&self, size_bytes: u64) -> String {
        let length_bytes = self.length_bytes;
        if length_bytes == 0 {
            return "it is empty".into();
        }
        if self.replaced >= 8 && self.replaced > length_bytes / 1024 {
            return format!(
                "it has {} times ef bf bd: the bytes are lost",
                self.replaced
            );
        }
        // Of random pairs of bytes one in 65536 is that.
        if size_bytes - length_bytes < size_bytes / 64
            && length_bytes > 1 << 20
            && self.line_feeds > 0
            && self.after_cr < length_bytes / 65536 / 8
        {
            return "no 0a in it follows a 0d: was it fetched in text mode? That cannot be undone"
                .into();
        }
        // TFTP's, TCP's over Ethernet, and what tools read at a time.
        const BLOCKS_BYTES: [u64; 8] = [65536, 4096, 2048, 1460, 1448, 1440, 1024, 512];
        let block = BLOCKS_BYTES
            .into_iter()
            .find(|block| length_bytes % block == 0);
        match block {
            Some(block) => format!(
                "it ends after {} blocks of {block} bytes, as a transfer that was cut off does",
                length_bytes / block
            ),
            None => format!("{:#x} bytes of it are missing", size_bytes - length_bytes),
        }
    }
}

const UTF16: &str = "it begins with ff fe, and every second byte is 00: PowerShell's > wrote it as \
                     UTF-16, and bytes are lost; fetch it with another shell, or with scp";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn diagnosed(data: &[u8], size_bytes: u64) -> Diagnosis {
        let mut stream = data;
        count(&mut stream, size_bytes).unwrap().diagnose(size_bytes)
    }

    fn random(length: usize) -> Vec<u8> {
        (0..length as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect()
    }

    fn replaced(data: &[u8], what: u8, with: &[u8]) -> Vec<u8> {
        let each = |byte: &u8| {
            if *byte == what {
                with.to_vec()
            } else {
                vec![*byte]
            }
        };
        data.iter().flat_map(each).collect()
    }

    #[rstest]
    #[case::text_mode(replaced(&random(4096), b'\n', b"\r\n"), "--undo-crlf")]
    #[case::telnet(replaced(&random(4096), 0xff, &[0xff; 2]), "as telnet sends it")]
    #[case::oob([random(4096), vec![0x55; 128]].concat(), "--omit-oob 512+16")]
    #[case::more_oob([random(4096), vec![0x55; 224]].concat(), "bytes, 2048+112 (or 4096+224)")]
    #[case::filled_up([random(4096), vec![0; 1000]].concat(), "0x00 alone")]
    #[case::prompt([random(4096), b"\r\n# ".to_vec()].concat(), "is text")]
    #[case::dd([random(4096), b"8+0 records in\n".to_vec()].concat(), "8+0 records in")]
    #[case::utf16(
        [vec![0xff, 0xfe], replaced(&[b'a'; 4096], b'a', b"a\0")].concat(), "PowerShell")]
    #[case::utf8(replaced(&random(4096), 7, "\u{fffd}".as_bytes()), "ef bf bd")]
    #[case::latin1(random(4096).iter().map(|b| char::from(*b)).collect::<String>().into(), "iconv")]
    #[case::empty(Vec::new(), "it is empty")]
    #[case::cut_off(random(2920), "2 blocks of 1460 bytes")]
    #[case::cut_off_by_tftp(random(1536), "3 blocks of 512 bytes")]
    #[case::cut_off_anywhere(random(2921), "0x497 bytes of it are missing")]
    fn causes(#[case] data: Vec<u8>, #[case] says: &str) {
        let found = diagnosed(&data, 4096);
        assert!(found.text.contains(says), "{found:?}");
        assert_eq!(found.crlf, says == "--undo-crlf");
    }

    #[test]
    fn the_other_text_mode_cannot_be_undone() {
        let mut data = random(2 << 20);
        data.chunks_mut(60000)
            .for_each(|piece| piece[..2].copy_from_slice(b"\r\n"));
        let mut shorter = Vec::new();
        for byte in &data {
            if *byte == b'\n' && shorter.last() == Some(&b'\r') {
                shorter.pop();
            }
            shorter.push(*byte);
        }
        assert!(
            diagnosed(&shorter, 2 << 20)
                .text
                .contains("cannot be undone")
        );
    }

    proptest! {
        /// It is said to fit only where it does: one 0a that stands alone, and it was
        /// something else.
        #[test]
        fn line_ends_are_blamed_only_where_all_of_them_are_changed(
            data in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 1..300),
        ) {
            let size_bytes = data.len() as u64;
            let feeds = data.iter().filter(|b| **b == b'\n').count();
            let mut changed = replaced(&data, b'\n', b"\r\n");
            prop_assert_eq!(diagnosed(&changed, size_bytes).crlf, feeds > 0);
            changed.extend(b"x\n");
            prop_assert!(!diagnosed(&changed, size_bytes + 2).crlf);
        }
    }
}
