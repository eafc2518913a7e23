//! What can be reached from the root of a scanned image.
//!
//! Numbers in the image claim what they like: a size, a run of zeros, a name that
//! leads back to itself, a folder in a folder in a folder, one file under many
//! names. What is made of them is bounded here by the image's length.

use super::DeviceClass;
use super::check::{Checked, Content, Entry, InodeNode, Problem, Scan};
use std::collections::{BTreeMap, BTreeSet};

/// What a tree may always take: the files of any device that has this file system.
const FREE_BYTES: usize = 64 << 20;

/// How often the bytes of the image may be there in what is made of it.
const MOST_TIMES: usize = 8;

/// The longest path that Linux takes (PATH_MAX, without its final 0).
const PATH_BYTES: usize = 4095;

const ROOT: u32 = 1;

struct Tree<'a> {
    scan: Scan<'a>,
    entries: BTreeMap<u32, Result<Entry, Problem>>,
    bytes_left: usize,
}

/// Adds the files to what a scan found. The problems are in the order in which
/// the tree is walked.
pub(super) fn reachable(mut scan: Scan<'_>, image_bytes: usize) -> Checked {
    for nodes in scan.inodes.values_mut() {
        nodes.sort_by_key(|node| node.version);
        nodes.dedup_by(|later, first| {
            let same = later.version == first.version;
            if same {
                scan.found.problems.push(Problem {
                    offset: later.offset,
                    what: "two inode nodes of one version".into(),
                });
            }
            same
        });
    }
    let mut tree = Tree {
        scan,
        entries: BTreeMap::new(),
        bytes_left: image_bytes.saturating_mul(MOST_TIMES).max(FREE_BYTES),
    };
    if tree.walk().is_none() {
        let left = tree.scan.found.files.len();
        tree.problem(format!(
            "{left} entries take all the memory that an image of {image_bytes} bytes may take; \
             the others are left out"
        ));
    }
    tree.scan.found
}

impl Tree<'_> {
    fn problem(&mut self, what: String) {
        self.scan.found.problems.push(Problem { offset: 0, what });
    }

    /// None: there would be more than may be.
    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.bytes_left = self.bytes_left.checked_sub(bytes)?;
        Some(())
    }

    /// None: it was left off, see [`Tree::spend`].
    fn walk(&mut self) -> Option<()> {
        let mut open = vec![(String::new(), ROOT)];
        let mut walked = BTreeSet::new();
        while let Some((path, ino)) = open.pop() {
            let entry = self.entry(ino)?;
            // Names below a folder without its node are still worth a look.
            let is_folder = match &entry {
                Ok(entry) => entry.content == Content::Directory,
                Err(_) => self.scan.names.contains_key(&ino),
            };
            match entry {
                Ok(entry) => {
                    self.spend(path.len() + size_of::<Entry>())?;
                    self.scan.found.files.insert(path.clone(), entry);
                }
                Err(Problem { offset, what }) => {
                    self.spend(path.len() + what.len())?;
                    let what = format!("/{path}: {what}");
                    self.scan.found.problems.push(Problem { offset, what });
                }
            }
            if is_folder && walked.insert(ino) {
                self.children(&path, ino, &mut open)?;
            } else if is_folder {
                self.spend(path.len())?;
                self.problem(format!("/{path}: a folder with two names"));
            } else if self.scan.names.contains_key(&ino) {
                self.spend(path.len())?;
                self.problem(format!("/{path}: names in what is no folder"));
            }
        }
        Some(())
    }

    fn children(&mut self, path: &str, ino: u32, open: &mut Vec<(String, u32)>) -> Option<()> {
        let slash = if path.is_empty() { "" } else { "/" };
        let mut too_long = 0;
        let mut bytes = 0usize;
        for (name, child) in self.scan.names.get(&ino).into_iter().flatten() {
            let length = path.len() + slash.len() + name.len();
            // Inode 0 is the mark of a deleted name.
            if child.ino != 0 && length > PATH_BYTES {
                too_long += 1;
            } else if child.ino != 0 {
                bytes += length;
                if bytes > self.bytes_left {
                    return None;
                }
                open.push((format!("{path}{slash}{name}"), child.ino));
            }
        }
        self.spend(bytes)?;
        if too_long > 0 {
            self.spend(path.len())?;
            self.problem(format!(
                "/{path}: {too_long} names whose paths are longer than {PATH_BYTES} bytes"
            ));
        }
        Some(())
    }

    /// What the nodes of an inode make, once for all its names. None: as above.
    fn entry(&mut self, ino: u32) -> Option<Result<Entry, Problem>> {
        if !self.entries.contains_key(&ino) {
            let entry = self.make_entry(ino)?;
            self.entries.insert(ino, entry);
        }
        let entry = self.entries.get(&ino)?;
        let content_bytes = match entry.as_ref().map(|entry| &entry.content) {
            Ok(Content::File(bytes)) => bytes.len(),
            Ok(Content::Symlink(target)) => target.len(),
            _ => 0,
        };
        // Before it is there twice.
        if content_bytes > self.bytes_left {
            return None;
        }
        let entry = entry.clone();
        self.spend(content_bytes)?;
        Some(entry)
    }

    fn make_entry(&mut self, ino: u32) -> Option<Result<Entry, Problem>> {
        let nodes = self.scan.inodes.get(&ino).map_or(&[][..], |nodes| nodes);
        let Some(newest) = nodes.last() else {
            let what = format!("no inode node with number {ino}");
            return Some(Err(Problem { offset: 0, what }));
        };
        let (offset, mode, time) = (newest.offset, newest.mode & 0o7777, newest.time);
        let content = match content(nodes, newest, self.bytes_left)? {
            Ok(content) => content,
            Err(what) => return Some(Err(Problem { offset, what })),
        };
        if let Content::File(bytes) = &content {
            self.spend(bytes.len())?;
        }
        Some(Ok(Entry {
            mode,
            time,
            content,
        }))
    }
}

/// What the newest node says it is. None: more than `most_bytes`.
fn content(
    nodes: &[InodeNode<'_>],
    newest: &InodeNode<'_>,
    most_bytes: usize,
) -> Option<Result<Content, String>> {
    Some(match newest.mode & 0o170_000 {
        0o040_000 => Ok(Content::Directory),
        0o100_000 => return file(nodes, newest.size_bytes, most_bytes),
        0o120_000 => match std::str::from_utf8(newest.stored) {
            Ok(target) if nodes.len() == 1 => Ok(Content::Symlink(target.to_owned())),
            _ => Err("a link whose target is no text".into()),
        },
        kind @ (0o020_000 | 0o060_000) => match (newest.stored, kind) {
            ([minor, major], 0o020_000) => {
                Ok(Content::Device(DeviceClass::Character, *major, *minor))
            }
            ([minor, major], _) => Ok(Content::Device(DeviceClass::Block, *major, *minor)),
            _ => Err("a device node without its two numbers".into()),
        },
        other => Ok(Content::Other(other)),
    })
}

/// The bytes of a file: later versions over earlier ones, zeros in the gaps.
/// None: more than `most_bytes`.
fn file(
    nodes: &[InodeNode<'_>],
    size_bytes: u32,
    most_bytes: usize,
) -> Option<Result<Content, String>> {
    if let Some(node) = nodes.iter().find(|node| node.compression > 1) {
        return Some(Ok(Content::Compressed {
            size_bytes,
            compression: node.compression,
        }));
    }
    let ends = nodes.iter().map(end_bytes);
    if u64::from(size_bytes) > ends.max().unwrap_or(0) {
        return Some(Err(format!(
            "a size of {size_bytes} bytes that its nodes do not fill"
        )));
    }
    if size_bytes as usize > most_bytes {
        return None;
    }
    let mut bytes = vec![0; size_bytes as usize];
    let mut gaps = Gaps::new(size_bytes);
    // The newest first, each byte once: versions without number may claim it.
    for node in nodes.iter().rev() {
        let end = end_bytes(node).min(size_bytes.into()) as u32;
        gaps.fill(node.start_bytes, end, |from, to| {
            if node.compression == 0 {
                let stored = (from - node.start_bytes) as usize..(to - node.start_bytes) as usize;
                bytes[from as usize..to as usize].copy_from_slice(&node.stored[stored]);
            }
        });
    }
    Some(Ok(Content::File(bytes)))
}

fn end_bytes(node: &InodeNode<'_>) -> u64 {
    u64::from(node.start_bytes) + u64::from(node.length_bytes)
}

/// The parts of a file that no node has filled yet: start and end.
struct Gaps(BTreeMap<u32, u32>);

impl Gaps {
    fn new(size_bytes: u32) -> Self {
        Self(BTreeMap::from([(0, size_bytes)]))
    }

    /// Takes a range out and hands on what of it was a gap.
    fn fill(&mut self, start: u32, end: u32, mut each: impl FnMut(u32, u32)) {
        while let Some((&from, &to)) = self.0.range(..end).next_back() {
            if to <= start || start >= end {
                break;
            }
            self.0.remove(&from);
            if to > end {
                self.0.insert(end, to);
            }
            if from < start {
                self.0.insert(from, start);
            }
            if from.max(start) < to.min(end) {
                each(from.max(start), to.min(end));
            }
        }
    }
}
