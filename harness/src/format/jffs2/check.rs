//! Reads a JFFS2 image back and names what is wrong with it.
//!
//! It takes the image as a kernel would find it: in any order of nodes, with
//! obsolete nodes, gaps of FF and erase blocks without a cleanmarker.
//!
//! Invariants: any bytes are answered, without a panic, in a time and a memory
//! that the image's length bounds, whatever its numbers claim; no node is trusted
//! before its CRCs have been checked.

use super::super::crc32;
use super::{DeviceClass, node, tree};
use std::collections::BTreeMap;

/// What an image holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// What can be reached from the root, by path without a leading slash. The
    /// root itself has the empty path.
    pub files: BTreeMap<String, Entry>,
    /// Everything that a kernel would complain about.
    pub problems: Vec<Problem>,
    /// Nodes that count.
    pub nodes: usize,
    /// Nodes that were made obsolete.
    pub obsolete_nodes: usize,
    /// Erase blocks with a cleanmarker.
    pub cleanmarkers: usize,
    /// Erase blocks with nothing but FF (after a cleanmarker, if any).
    pub free_erase_blocks: usize,
}

/// One file, folder, link or node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Permissions, without the type.
    pub mode: u32,
    /// Seconds since 1970.
    pub time: u32,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A folder.
    Directory,
    /// A file, with its bytes.
    File(Vec<u8>),
    /// A file whose nodes use a compression that is not read here.
    Compressed {
        /// Its size.
        size_bytes: u32,
        /// JFFS2_COMPR_…
        compression: u8,
    },
    /// A symbolic link.
    Symlink(String),
    /// A device node: class, major, minor.
    Device(DeviceClass, u8, u8),
    /// A type that this does not know.
    Other(u32),
}

/// Something that a kernel would complain about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JFFS2 at {offset:#x}: {what}")]
#[non_exhaustive]
pub struct Problem {
    /// Where in the image.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

pub(super) struct InodeNode<'a> {
    pub offset: usize,
    pub version: u32,
    pub mode: u32,
    pub size_bytes: u32,
    pub time: u32,
    pub start_bytes: u32,
    pub length_bytes: u32,
    pub compression: u8,
    pub stored: &'a [u8],
}

pub(super) struct Name {
    version: u32,
    pub ino: u32,
}

/// The nodes of an image that count, and what was wrong with the others.
#[derive(Default)]
pub(super) struct Scan<'a> {
    /// By inode number, in the order in which they stand in the image.
    pub inodes: BTreeMap<u32, Vec<InodeNode<'a>>>,
    /// By the parent's inode number and name, the newest.
    pub names: BTreeMap<u32, BTreeMap<String, Name>>,
    pub found: Checked,
    /// Problems of the erase block that is being looked at.
    block_problems: usize,
}

/// How many problems of one erase block are listed, as in Linux (`noisy_printk`
/// in scan.c): a block of noise would make one of each of its words.
const LISTED_PROBLEMS: usize = 10;

/// Reads an image of whole erase blocks.
///
/// Of one erase block the first 10 problems are listed, and how many more there
/// are. Of a tree that would take more than 64 MiB and eight times the image to
/// show, the rest is left out, and a problem says so.
pub fn check(image: &[u8], erase_block_bytes: u32) -> Checked {
    let mut scan = Scan::default();
    if erase_block_bytes == 0 {
        scan.problem(0, "erase blocks of 0 bytes hold nothing");
        return scan.found;
    }
    let mut base = 0;
    for block in image.chunks(erase_block_bytes as usize) {
        scan.erase_block(base, block);
        base += block.len();
    }
    tree::reachable(scan, image.len())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl<'a> Scan<'a> {
    fn problem(&mut self, offset: usize, what: impl Into<String>) {
        self.block_problems += 1;
        if self.block_problems <= LISTED_PROBLEMS {
            let what = what.into();
            self.found.problems.push(Problem { offset, what });
        }
    }

    fn erase_block(&mut self, base: usize, block: &'a [u8]) {
        self.block_problems = 0;
        self.nodes(base, block);
        if let Some(more @ 1..) = self.block_problems.checked_sub(LISTED_PROBLEMS) {
            self.found.problems.push(Problem {
                offset: base,
                what: format!("{more} more problems in this erase block"),
            });
        }
    }

    fn nodes(&mut self, base: usize, block: &'a [u8]) {
        let mut at = 0;
        let mut nodes = 0;
        while at + node::HEADER_BYTES <= block.len() {
            let rest = &block[at..];
            if rest[..4] == [0xff; 4] {
                at += 4;
                continue;
            }
            match self.node(base + at, rest) {
                Some((kind, length)) => {
                    self.found.cleanmarkers += usize::from(kind == node::CLEANMARKER && at == 0);
                    nodes += usize::from(kind != node::CLEANMARKER);
                    at += length.next_multiple_of(4);
                }
                // Not a node: the kernel looks on at the next word.
                None => {
                    nodes += 1;
                    at += 4;
                }
            }
        }
        self.found.free_erase_blocks += usize::from(nodes == 0);
    }

    /// One node: its type and length. None: there is none.
    fn node(&mut self, offset: usize, rest: &'a [u8]) -> Option<(u16, usize)> {
        let magic = u16::from_le_bytes([rest[0], rest[1]]);
        if magic != node::MAGIC {
            self.problem(offset, format!("magic {magic:#06x} instead of 0x1985"));
            return None;
        }
        let stored_kind = u16::from_le_bytes([rest[2], rest[3]]);
        let kind = stored_kind | node::ACCURATE;
        let mut head: [u8; 8] = rest[..8].try_into().expect("eight bytes");
        head[2..4].copy_from_slice(&kind.to_le_bytes());
        if crc32(&head) != u32_at(rest, 8) {
            self.problem(offset, "the header's CRC does not fit");
            return None;
        }
        let length = u32_at(rest, 4) as usize;
        if !(node::HEADER_BYTES..=rest.len()).contains(&length) {
            self.problem(
                offset,
                format!("a node of {length} bytes does not end in its erase block"),
            );
            return None;
        }
        let bytes = &rest[..length];
        if stored_kind != kind {
            self.found.obsolete_nodes += 1;
            return Some((kind, length));
        }
        self.found.nodes += 1;
        match kind {
            node::INODE => self.inode(offset, bytes),
            node::DIRENT => self.dirent(offset, bytes),
            node::CLEANMARKER | node::PADDING => {}
            // Incompatible feature bits: the kernel refuses to mount.
            _ if kind & 0xc000 == 0xc000 => {
                self.problem(offset, format!("a node of unknown type {kind:#06x}"));
            }
            _ => {}
        }
        Some((kind, length))
    }

    fn inode(&mut self, offset: usize, bytes: &'a [u8]) {
        if bytes.len() < node::INODE_BYTES {
            return self.problem(offset, "an inode node shorter than its header");
        }
        if crc32(&bytes[..60]) != u32_at(bytes, 64) {
            return self.problem(offset, "the inode node's CRC does not fit");
        }
        let Some(stored) = bytes[node::INODE_BYTES..].get(..u32_at(bytes, 48) as usize) else {
            return self.problem(offset, "more data than the inode node has room for");
        };
        if crc32(stored) != u32_at(bytes, 60) {
            return self.problem(offset, "the CRC of the inode node's data does not fit");
        }
        let inode = InodeNode {
            offset,
            version: u32_at(bytes, 16),
            mode: u32_at(bytes, 20),
            size_bytes: u32_at(bytes, 28),
            time: u32_at(bytes, 36),
            start_bytes: u32_at(bytes, 44),
            length_bytes: u32_at(bytes, 52),
            compression: bytes[56],
            stored,
        };
        if inode.compression == 0 && inode.length_bytes as usize != stored.len() {
            return self.problem(offset, "uncompressed data of another length than it says");
        }
        let nodes = self.inodes.entry(u32_at(bytes, 12)).or_default();
        nodes.push(inode);
    }

    fn dirent(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.len() < node::DIRENT_BYTES {
            return self.problem(offset, "a dirent node shorter than its header");
        }
        if crc32(&bytes[..32]) != u32_at(bytes, 32) {
            return self.problem(offset, "the dirent node's CRC does not fit");
        }
        let Some(name) = bytes[node::DIRENT_BYTES..].get(..usize::from(bytes[28])) else {
            return self.problem(offset, "a longer name than the dirent node has room for");
        };
        if crc32(name) != u32_at(bytes, 36) {
            return self.problem(offset, "the CRC of the dirent node's name does not fit");
        }
        let name = match std::str::from_utf8(name) {
            Ok(name) if !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) => {
                name.to_owned()
            }
            _ => return self.problem(offset, "a name that no file can have"),
        };
        let (version, ino) = (u32_at(bytes, 16), u32_at(bytes, 20));
        let names = self.names.entry(u32_at(bytes, 12)).or_default();
        let newest = names.entry(name).or_insert(Name { version, ino });
        if version > newest.version {
            *newest = Name { version, ino };
        }
    }
}
