//! Tar archives, as far as a backup needs to write them: plain files whose sizes are
//! known before their bytes are (POSIX.1-1988, "ustar"; for more than 8 GiB the binary
//! sizes that GNU tar, bsdtar and BusyBox read).
//!
//! A backup's archive has its images first, then `manifest.json`, `SHA256SUMS` and
//! `index.html`: whoever reads it has digested every image when he learns what its
//! digest should be, and an archive that was cut off has no manifest.

/// Headers and contents take whole blocks.
pub(crate) const BLOCK_BYTES: usize = 512;

/// Two empty blocks say that nothing follows.
pub(crate) const END_BYTES: usize = 2 * BLOCK_BYTES;

/// How many bytes follow a file's last, up to a whole block.
pub(crate) fn padding_bytes(size_bytes: u64) -> usize {
    let over = (size_bytes % BLOCK_BYTES as u64) as usize;
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

/// A file's header. `name` has at most 100 bytes; `time` is in seconds since 1970.
pub(crate) fn header(name: &str, size_bytes: u64, time: u64) -> [u8; BLOCK_BYTES] {
    let mut header = [0; BLOCK_BYTES];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, &number(size_bytes));
    put(136, &number(time));
    // The sum counts its own field as blanks.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..155].copy_from_slice(&octal::<7>(sum));
    header
}

/// Appends a small file.
pub(crate) fn append(archive: &mut Vec<u8>, name: &str, contents: &[u8], time: u64) {
    let size_bytes = contents.len() as u64;
    archive.extend(header(name, size_bytes, time));
    archive.extend(contents);
    archive.resize(archive.len() + padding_bytes(size_bytes), 0);
}

/// Eleven octal digits, or, where these do not do, the number in binary.
fn number(value: u64) -> [u8; 12] {
    if value < 1 << 33 {
        return octal(value);
    }
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&value.to_be_bytes());
    field
}

/// Octal digits, and a NUL behind them.
fn octal<const N: usize>(mut value: u64) -> [u8; N] {
    let mut field = [0; N];
    for digit in field.iter_mut().rev().skip(1) {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    field
}

#[cfg(all(test, feature = "full"))]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_reader_by_others_reads_it() {
        let mut archive = Vec::new();
        append(&mut archive, "a", b"", 0);
        append(&mut archive, "manifest.json", &[7; 513], 1_262_304_000);
        append(&mut archive, "b", &[8; 1024], 0);
        archive.resize(archive.len() + END_BYTES, 0);
        let mut reader = tar::Archive::new(archive.as_slice());
        let seen: Vec<_> = reader
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents).unwrap();
                let header = entry.header();
                assert!(header.entry_type().is_file() && header.as_ustar().is_some());
                assert_eq!(header.mode().unwrap(), 0o644);
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, header.mtime().unwrap(), contents)
            })
            .collect();
        let expected = [
            ("a".to_owned(), 0, vec![]),
            ("manifest.json".to_owned(), 1_262_304_000, vec![7; 513]),
            ("b".to_owned(), 0, vec![8; 1024]),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn sizes_of_any_length() {
        for size in [0, 1, (1 << 33) - 1, 1 << 33, 1 << 40, u64::MAX >> 1] {
            let header = header("mtd0.bin", size, 0);
            let read = tar::Header::from_byte_slice(&header);
            assert_eq!(read.size().unwrap(), size);
        }
    }
}
