//! cpio archives of the "newc" kind: what Linux takes as an initramfs, and
//! what the guest hands files back in.
//!
//! Format: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
//! A header of 110 characters (magic 070701, then thirteen numbers of eight hex
//! digits), the name with its NUL, padded to 4, the contents, padded to 4; the
//! entry `TRAILER!!!` ends it.
//!
//! Invariant: what [`Writer`] writes, [`read`] reads back as it was.
//! Faults tolerated when reading: none; a cut or torn archive is refused.

const MAGIC: &[u8] = b"070701";
const HEADER_BYTES: usize = 110;
const TRAILER: &str = "TRAILER!!!";

/// `st_mode` bits of a directory.
pub const DIRECTORY: u32 = 0o040_000;
/// `st_mode` bits of a regular file.
pub const REGULAR: u32 = 0o100_000;
/// `st_mode` bits of a character node.
pub const CHARACTER: u32 = 0o020_000;
/// `st_mode` bits of a block node.
pub const BLOCK: u32 = 0o060_000;
/// `st_mode` bits of a fifo.
pub const FIFO: u32 = 0o010_000;
/// The bits that tell the kinds apart.
pub const KIND: u32 = 0o170_000;

/// One entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As in the archive.
    pub name: String,
    /// Kind and permissions, as in `st_mode`.
    pub mode: u32,
    /// Contents, or the target of a symbolic link.
    pub bytes: Vec<u8>,
}

/// Builds an archive.
#[derive(Default)]
pub struct Writer {
    archive: Vec<u8>,
    entries: u32,
}

impl Writer {
    /// Adds a file, directory or link.
    pub fn add(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        self.entry(name.as_bytes(), mode, bytes, (0, 0));
    }

    /// Adds a device node.
    pub fn add_node(&mut self, name: &str, mode: u32, major: u32, minor: u32) {
        self.entry(name.as_bytes(), mode, &[], (major, minor));
    }

    /// Adds a fifo with a body of zeros, its name padded with NULs so that the
    /// body starts at `body_offset_bytes` of the archive.
    ///
    /// Linux skips the body of whatever is neither a file nor a link, and does
    /// not make the entry (init/initramfs.c, `do_header`, 6.1): what is left is
    /// a piece of RAM that the kernel takes for a part of the initramfs.
    pub fn reserve(&mut self, name: &str, body_offset_bytes: usize, size_bytes: usize) {
        let mut padded = name.as_bytes().to_vec();
        // `entry` adds one more NUL.
        padded.resize(body_offset_bytes - self.archive.len() - HEADER_BYTES - 1, 0);
        self.entry(&padded, FIFO, &vec![0; size_bytes], (0, 0));
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER.as_bytes(), 0, &[], (0, 0));
        self.archive
    }

    fn entry(&mut self, name: &[u8], mode: u32, bytes: &[u8], node: (u32, u32)) {
        self.entries += 1;
        let size_bytes = u32::try_from(bytes.len()).expect("a guest file is far below 4 GiB");
        let name_bytes = u32::try_from(name.len() + 1).expect("a name is short");
        self.archive.extend_from_slice(MAGIC);
        for number in [
            self.entries, // inode: tells hard links apart, so each its own
            mode,
            0, // uid
            0, // gid
            1, // links
            0, // mtime
            size_bytes,
            0, // major and minor of the file system it came from
            0,
            node.0,
            node.1,
            name_bytes,
            0, // checksum, not used by this kind
        ] {
            self.archive
                .extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.archive.extend_from_slice(name);
        self.archive.push(0);
        self.pad();
        self.archive.extend_from_slice(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        while self.archive.len() % 4 != 0 {
            self.archive.push(0);
        }
    }
}

/// Reads an archive up to its trailer.
///
/// # Errors
/// What is wrong, and at which offset, if it is not a whole archive.
pub fn read(archive: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut at = 0;
    loop {
        let header = slice(archive, at, HEADER_BYTES)?;
        if &header[..MAGIC.len()] != MAGIC {
            return Err(format!("no cpio header at {at:#x}"));
        }
        let number = |index: usize| -> Result<usize, String> {
            let start = MAGIC.len() + 8 * index;
            std::str::from_utf8(&header[start..start + 8])
                .ok()
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .map(|number| number as usize)
                .ok_or_else(|| format!("a bad number in the cpio header at {at:#x}"))
        };
        let (mode, size_bytes, name_bytes) = (number(1)?, number(6)?, number(11)?);
        let name = slice(archive, at + HEADER_BYTES, name_bytes)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8(name.to_vec())
            .map_err(|_| format!("a name that is not UTF-8 at {at:#x}"))?;
        let contents = (at + HEADER_BYTES + name_bytes).next_multiple_of(4);
        if name == TRAILER {
            return Ok(entries);
        }
        entries.push(Entry {
            name,
            mode: u32::try_from(mode).expect("parsed from 32 bits"),
            bytes: slice(archive, contents, size_bytes)?.to_vec(),
        });
        at = (contents + size_bytes).next_multiple_of(4);
    }
}

fn slice(archive: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    at.checked_add(length)
        .and_then(|end| archive.get(at..end))
        .ok_or_else(|| format!("the archive is cut off at {:#x}", archive.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        let mut writer = Writer::default();
        writer.add("dir", DIRECTORY | 0o755, &[]);
        for length in 0..9 {
            writer.add(&format!("dir/{length}"), REGULAR | 0o644, &vec![7; length]);
        }
        let archive = writer.finish();
        let entries = read(&archive).unwrap();
        assert_eq!(entries.len(), 10);
        assert_eq!(entries[0].mode, DIRECTORY | 0o755);
        for (length, entry) in entries[1..].iter().enumerate() {
            assert_eq!(entry.name, format!("dir/{length}"));
            assert_eq!(entry.bytes, vec![7; length]);
        }
    }

    #[test]
    fn refuses_every_cut() {
        let mut writer = Writer::default();
        writer.add("a", REGULAR | 0o644, b"contents");
        let archive = writer.finish();
        let used = archive.len() - 3; // the padding behind the trailer may go
        for length in 0..used {
            assert!(read(&archive[..length]).is_err(), "cut to {length}");
        }
        let mut torn = archive;
        torn[0] = b'1';
        assert!(read(&torn).unwrap_err().contains("at 0x0"));
    }

    #[test]
    fn reserves_where_it_says() {
        let mut writer = Writer::default();
        writer.reserve("exchange", 4096, 100);
        writer.add("behind", REGULAR | 0o600, b"x");
        let archive = writer.finish();
        assert!(archive[4096..4196].iter().all(|byte| *byte == 0));
        let entries = read(&archive).unwrap();
        assert_eq!(entries[0].name, "exchange");
        assert_eq!(entries[1].bytes, b"x");
    }
}
