//! Reads a JFFS2 image back and names what is wrong with it.
//!
//! It takes the image as a kernel would find it: in any order of nodes, with
//! obsolete nodes, gaps of FF and erase blocks without a cleanmarker.
//!
//! Invariant: any bytes are answered, without a panic, and no node is trusted
//! before its CRCs have been checked.

use super::super::crc32;
use super::{DeviceClass, node};
use std::collections::BTreeMap;

/// What an image holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
pub struct Problem {
    /// Where in the image.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

struct InodeNode<'a> {
    offset: usize,
    version: u32,
    mode: u32,
    size_bytes: u32,
    time: u32,
    start_bytes: u32,
    length_bytes: u32,
    compression: u8,
    stored: &'a [u8],
}

struct Name {
    version: u32,
    ino: u32,
}

#[derive(Default)]
struct Scan<'a> {
    inodes: BTreeMap<u32, Vec<InodeNode<'a>>>,
    /// By parent and name, the newest.
    names: BTreeMap<(u32, String), Name>,
    found: Checked,
}

/// Reads an image of whole erase blocks.
pub fn check(image: &[u8], erase_block_bytes: u32) -> Checked {
    let mut scan = Scan::default();
    for (index, block) in image.chunks(erase_block_bytes as usize).enumerate() {
        scan.erase_block(index * erase_block_bytes as usize, block);
    }
    scan.tree()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl<'a> Scan<'a> {
    fn problem(&mut self, offset: usize, what: impl Into<String>) {
        self.found.problems.push(Problem {
            offset,
            what: what.into(),
        });
    }

    fn erase_block(&mut self, base: usize, block: &'a [u8]) {
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
        if nodes.iter().any(|other| other.version == inode.version) {
            return self.problem(offset, "two inode nodes of one version");
        }
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
            Ok(name) if !name.is_empty() && !name.contains(['/', '\0']) => name.to_owned(),
            _ => return self.problem(offset, "a name that no file can have"),
        };
        let (version, ino) = (u32_at(bytes, 16), u32_at(bytes, 20));
        let newest = self
            .names
            .entry((u32_at(bytes, 12), name))
            .or_insert(Name { version, ino });
        if version > newest.version {
            *newest = Name { version, ino };
        }
    }

    /// What can be reached from the root.
    fn tree(mut self) -> Checked {
        for nodes in self.inodes.values_mut() {
            nodes.sort_by_key(|node| node.version);
        }
        let mut open = vec![(String::new(), 1)];
        let mut seen = std::collections::BTreeSet::new();
        while let Some((path, ino)) = open.pop() {
            let content = match self.entry(ino) {
                Ok(entry) => {
                    let is_directory = entry.content == Content::Directory;
                    self.found.files.insert(path.clone(), entry);
                    is_directory
                }
                Err(problem) => {
                    self.problem(problem.offset, format!("/{path}: {}", problem.what));
                    false
                }
            };
            if content && !seen.insert(ino) {
                self.problem(0, format!("/{path}: a folder with two names"));
                continue;
            }
            for ((_, name), child) in self
                .names
                .range((ino, String::new())..(ino.saturating_add(1), String::new()))
            {
                // Inode 0 is the mark of a deleted name.
                if child.ino != 0 {
                    let slash = if path.is_empty() { "" } else { "/" };
                    open.push((format!("{path}{slash}{name}"), child.ino));
                }
            }
        }
        self.found
    }

    fn entry(&self, ino: u32) -> Result<Entry, Problem> {
        let missing = || Problem {
            offset: 0,
            what: format!("no inode node with number {ino}"),
        };
        let nodes = self.inodes.get(&ino).ok_or_else(missing)?;
        let newest = nodes.last().ok_or_else(missing)?;
        let problem = |what: &str| Problem {
            offset: newest.offset,
            what: what.into(),
        };
        let content = match newest.mode & 0o170_000 {
            0o040_000 => Content::Directory,
            0o100_000 => file(nodes, newest.size_bytes)?,
            0o120_000 => match std::str::from_utf8(newest.stored) {
                Ok(target) if nodes.len() == 1 => Content::Symlink(target.to_owned()),
                _ => return Err(problem("a link whose target is no text")),
            },
            kind @ (0o020_000 | 0o060_000) => match (newest.stored, kind) {
                ([minor, major], 0o020_000) => {
                    Content::Device(DeviceClass::Character, *major, *minor)
                }
                ([minor, major], _) => Content::Device(DeviceClass::Block, *major, *minor),
                _ => return Err(problem("a device node without its two numbers")),
            },
            other => Content::Other(other),
        };
        Ok(Entry {
            mode: newest.mode & 0o7777,
            time: newest.time,
            content,
        })
    }
}

/// The bytes of a file: later versions over earlier ones, zeros in the gaps.
fn file(nodes: &[InodeNode<'_>], size_bytes: u32) -> Result<Content, Problem> {
    if let Some(node) = nodes.iter().find(|node| node.compression > 1) {
        return Ok(Content::Compressed {
            size_bytes,
            compression: node.compression,
        });
    }
    // A size that no node backs would be a hole; keep a torn one from
    // reserving gigabytes.
    let most_bytes = nodes
        .iter()
        .map(|n| u64::from(n.start_bytes) + u64::from(n.length_bytes))
        .max();
    if u64::from(size_bytes) > most_bytes.unwrap_or(0) || size_bytes > 1 << 30 {
        return Err(Problem {
            offset: nodes.last().map_or(0, |node| node.offset),
            what: format!("a size of {size_bytes} bytes that its nodes do not fill"),
        });
    }
    let mut bytes = vec![0; size_bytes as usize];
    for node in nodes {
        let start = (node.start_bytes as usize).min(bytes.len());
        let end = (start + node.length_bytes as usize).min(bytes.len());
        match node.compression {
            0 => bytes[start..end].copy_from_slice(&node.stored[..end - start]),
            _ => bytes[start..end].fill(0),
        }
    }
    Ok(Content::File(bytes))
}
