//! Lays a tree of files out over erase blocks.
//!
//! Invariants: planning touches no data, so it costs microseconds; each erase
//! block can then be written alone, in any order, by several threads, and
//! always comes out the same.

use super::node::{self, Dirent, Inode};
use super::{DATA_BYTES, Data, DeviceClass};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// Why a tree cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder that it belongs to is not there.
    #[error("{path}: add its folder first")]
    NoParent {
        /// The path.
        path: String,
    },
    /// It is there already, or its name is empty or too long.
    #[error("{path}: the name is taken, empty or longer than 254 bytes")]
    Name {
        /// The path.
        path: String,
    },
    /// More nodes than erase blocks.
    #[error("the file system needs {needed} erase blocks, and there are {available}")]
    Full {
        /// How many it needs.
        needed: usize,
        /// How many there are.
        available: usize,
    },
}

enum Kind {
    Directory,
    File { old: Option<Data>, data: Data },
    Symlink(String),
    Device(DeviceClass, [u8; 2]),
}

struct Entry {
    parent: usize,
    name: String,
    mode: u32,
    kind: Kind,
}

impl Entry {
    /// S_IFMT's value, and DT_…
    fn file_type(&self) -> (u32, u8) {
        match self.kind {
            Kind::Directory => (0o040_000, 4),
            Kind::File { .. } => (0o100_000, 8),
            Kind::Symlink(_) => (0o120_000, 10),
            Kind::Device(DeviceClass::Character, _) => (0o020_000, 2),
            Kind::Device(DeviceClass::Block, _) => (0o060_000, 6),
        }
    }

    /// What the nodes of `entry` carry: old contents or those that count.
    fn data(&self, old: bool) -> Cow<'_, Data> {
        match &self.kind {
            Kind::Directory => Cow::Owned(Data::Zeros(0)),
            Kind::File {
                old: Some(data), ..
            } if old => Cow::Borrowed(data),
            Kind::File { data, .. } => Cow::Borrowed(data),
            Kind::Symlink(target) => Cow::Owned(target.clone().into()),
            Kind::Device(_, id) => Cow::Owned(id.to_vec().into()),
        }
    }
}

/// A tree of files to be laid out. The root folder is there from the start.
///
/// ```
/// use mtd_harness::format::jffs2::{Builder, Content, check};
///
/// let mut files = Builder::new(1_300_000_000);
/// files.directory("etc", 0o755)?;
/// files.file("etc/version", 0o644, "1.0\n")?;
/// let image = files.build(0x2_0000, 4)?;
/// let bytes = image.to_bytes();
/// assert_eq!(bytes.len(), 4 * 0x2_0000);
///
/// let found = check(&bytes, 0x2_0000);
/// assert!(found.problems.is_empty());
/// assert_eq!(found.files["etc/version"].content, Content::File(b"1.0\n".to_vec()));
/// # Ok::<(), mtd_harness::format::jffs2::BuildError>(())
/// ```
pub struct Builder {
    entries: Vec<Entry>,
    by_path: HashMap<String, usize>,
    time: u32,
}

impl Builder {
    /// An empty tree; everything in it has this time (seconds since 1970).
    pub fn new(time: u32) -> Self {
        Self {
            entries: vec![Entry {
                parent: 0,
                name: String::new(),
                mode: 0o755,
                kind: Kind::Directory,
            }],
            by_path: HashMap::from([(String::new(), 0)]),
            time,
        }
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// [`BuildError::NoParent`] where the folder around it was not added before,
    /// [`BuildError::Name`] for a path that is taken or a name that JFFS2 cannot have.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<(), BuildError> {
        self.add(path, mode, Kind::Directory)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`Builder::directory`].
    pub fn file(&mut self, path: &str, mode: u32, data: impl Into<Data>) -> Result<(), BuildError> {
        let data = data.into();
        self.add(path, mode, Kind::File { old: None, data })
    }

    /// Adds a file that had other contents before: their nodes are there too,
    /// obsolete.
    ///
    /// # Errors
    /// As [`Builder::directory`].
    pub fn rewritten_file(
        &mut self,
        path: &str,
        mode: u32,
        old: impl Into<Data>,
        data: impl Into<Data>,
    ) -> Result<(), BuildError> {
        let (old, data) = (Some(old.into()), data.into());
        self.add(path, mode, Kind::File { old, data })
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`Builder::directory`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), BuildError> {
        self.add(path, 0o777, Kind::Symlink(target.to_owned()))
    }

    /// Adds a device node.
    ///
    /// # Errors
    /// As [`Builder::directory`].
    pub fn device(
        &mut self,
        path: &str,
        mode: u32,
        class: DeviceClass,
        major: u8,
        minor: u8,
    ) -> Result<(), BuildError> {
        // The old form of dev_t, two bytes, as mkfs.jffs2 writes it.
        self.add(path, mode, Kind::Device(class, [minor, major]))
    }

    fn add(&mut self, path: &str, mode: u32, kind: Kind) -> Result<(), BuildError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let no_parent = || BuildError::NoParent { path: path.into() };
        let parent = *self.by_path.get(parent).ok_or_else(no_parent)?;
        if !matches!(self.entries[parent].kind, Kind::Directory) {
            return Err(no_parent());
        }
        if self.by_path.contains_key(path) || name.is_empty() || name.len() > 254 {
            return Err(BuildError::Name { path: path.into() });
        }
        self.by_path.insert(path.into(), self.entries.len());
        self.entries.push(Entry {
            parent,
            name: name.to_owned(),
            mode,
            kind,
        });
        Ok(())
    }

    /// Lays the tree out over so many erase blocks, from the first one on.
    ///
    /// # Errors
    /// [`BuildError::Full`].
    pub fn build(self, erase_block_bytes: u32, erase_blocks: usize) -> Result<Image, BuildError> {
        let mut plan = Plan {
            erase_block_bytes,
            at: erase_block_bytes,
            nodes: Vec::new(),
            first_nodes: Vec::new(),
        };
        let mut names_in = vec![0; self.entries.len()];
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                names_in[entry.parent] += 1;
                let length = node::DIRENT_BYTES + entry.name.len();
                plan.place(length, index, What::Dirent, names_in[entry.parent]);
            }
            let mut version = 0;
            if matches!(entry.kind, Kind::File { old: Some(_), .. }) {
                plan.place_data(index, &entry.data(true), true, &mut version);
            }
            plan.place_data(index, &entry.data(false), false, &mut version);
        }
        if plan.first_nodes.len() > erase_blocks {
            return Err(BuildError::Full {
                needed: plan.first_nodes.len(),
                available: erase_blocks,
            });
        }
        Ok(Image {
            entries: self.entries,
            time: self.time,
            erase_block_bytes,
            erase_blocks,
            nodes: plan.nodes,
            first_nodes: plan.first_nodes,
        })
    }
}

#[derive(Clone, Copy)]
enum What {
    Dirent,
    Data { offset_bytes: u32, obsolete: bool },
}

/// A node and where it goes within its erase block.
struct Placed {
    start: u32,
    entry: u32,
    version: u32,
    what: What,
}

struct Plan {
    erase_block_bytes: u32,
    /// Where the next node goes in the last erase block.
    at: u32,
    nodes: Vec<Placed>,
    first_nodes: Vec<usize>,
}

impl Plan {
    fn place(&mut self, length: usize, entry: usize, what: What, version: u32) {
        let length = length.next_multiple_of(4) as u32;
        if self.at + length > self.erase_block_bytes {
            self.first_nodes.push(self.nodes.len());
            self.at = node::HEADER_BYTES as u32;
        }
        self.nodes.push(Placed {
            start: self.at,
            entry: entry as u32,
            version,
            what,
        });
        self.at += length;
    }

    fn place_data(&mut self, entry: usize, data: &Data, obsolete: bool, version: &mut u32) {
        let size = data.length_bytes();
        let mut offset_bytes = 0;
        loop {
            *version += 1;
            let what = What::Data {
                offset_bytes,
                obsolete,
            };
            let length = node::INODE_BYTES + stored_bytes(data, offset_bytes);
            self.place(length, entry, what, *version);
            offset_bytes += DATA_BYTES as u32;
            if offset_bytes >= size {
                return;
            }
        }
    }
}

fn stored_bytes(data: &Data, offset_bytes: u32) -> usize {
    match data {
        Data::Zeros(_) => 0,
        _ => DATA_BYTES.min((data.length_bytes() - offset_bytes) as usize),
    }
}

/// A file system, laid out and not yet written.
pub struct Image {
    entries: Vec<Entry>,
    time: u32,
    erase_block_bytes: u32,
    erase_blocks: usize,
    nodes: Vec<Placed>,
    /// The first node of each erase block in use.
    first_nodes: Vec<usize>,
}

impl Image {
    /// How many erase blocks hold nodes; the others hold a cleanmarker alone.
    pub fn used_erase_blocks(&self) -> usize {
        self.first_nodes.len()
    }

    /// All of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.erase_blocks * self.erase_block_bytes as usize];
        for (index, block) in bytes
            .chunks_exact_mut(self.erase_block_bytes as usize)
            .enumerate()
        {
            self.fill_erase_block(index, block);
        }
        bytes
    }

    /// Writes one erase block, every byte of it.
    ///
    /// # Panics
    /// If `block` has another length, or there is no such erase block.
    pub fn fill_erase_block(&self, index: usize, block: &mut [u8]) {
        assert_eq!(
            block.len(),
            self.erase_block_bytes as usize,
            "one whole erase block"
        );
        assert!(
            index < self.erase_blocks,
            "erase block {index} of {}",
            self.erase_blocks
        );
        node::put_cleanmarker(block);
        let mut end = node::HEADER_BYTES;
        for placed in &self.nodes[self.nodes_of(index)] {
            let start = placed.start as usize;
            // Up to three bytes that align the next node.
            block[end..start].fill(0xff);
            end = start + self.put(placed, &mut block[start..]);
        }
        block[end..].fill(0xff);
    }

    fn nodes_of(&self, index: usize) -> Range<usize> {
        let end = self.nodes.len();
        let first = |index| self.first_nodes.get(index).copied().unwrap_or(end);
        first(index)..first(index + 1)
    }

    /// Writes a node; its length.
    fn put(&self, placed: &Placed, node: &mut [u8]) -> usize {
        let entry = &self.entries[placed.entry as usize];
        let (type_bits, kind) = entry.file_type();
        let ino = placed.entry + 1;
        let What::Data {
            offset_bytes,
            obsolete,
        } = placed.what
        else {
            node::put_dirent(
                node,
                &Dirent {
                    parent: entry.parent as u32 + 1,
                    version: placed.version,
                    ino,
                    time: self.time,
                    kind,
                    name: &entry.name,
                },
            );
            return node::DIRENT_BYTES + entry.name.len();
        };
        let data = entry.data(obsolete);
        let stored = stored_bytes(&data, offset_bytes);
        let end = node::INODE_BYTES + stored;
        data.fill(offset_bytes, &mut node[node::INODE_BYTES..end]);
        let size = data.length_bytes();
        node::put_inode(
            node,
            &Inode {
                ino,
                version: placed.version,
                mode: type_bits | entry.mode,
                // Only a file has a size of its own in the old kernels' eyes;
                // links take theirs from the node's data.
                file_size_bytes: size,
                time: self.time,
                offset_bytes,
                stored_bytes: stored as u32,
                length_bytes: (size - offset_bytes).min(DATA_BYTES as u32),
                compression: (matches!(*data, Data::Zeros(_)) && size > 0).into(),
            },
        );
        if obsolete {
            node::make_obsolete(node);
        }
        end
    }
}
