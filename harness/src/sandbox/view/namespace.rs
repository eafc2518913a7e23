//! What the program finds under which path.
//!
//! Three kinds of things stand over the host's tree: **nodes** (in `/dev`, or
//! wherever the program makes one), **redirects** (a path whose contents are
//! really somewhere else: `/proc/mtd`, `/sys/class/mtd`, mapped folders), and
//! host nodes that are **hidden**, so that no program in a sandbox ever reaches
//! a real flash.
//!
//! Invariants: paths here are absolute, without `.`, `..`, symbolic links and
//! trailing slash; the root is the empty path. A redirect may stand inside
//! another one: the longest wins.

use crate::mtd::NodeId;
use std::collections::{BTreeMap, HashMap};

/// A path as the kernel takes it.
pub(in crate::sandbox) type Bytes = Vec<u8>;

/// A node with what chmod, chown and utimensat may have changed.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Node {
    pub id: NodeId,
    /// Its inode number.
    pub inode: u64,
    /// Permission bits.
    pub mode: u32,
    /// Who owns it; the caller itself, as long as nobody changed that.
    pub owner: Option<(u32, u32)>,
    /// Seconds since 1970.
    pub changed_s: i64,
}

/// Where a redirect's contents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Kind {
    /// Text that only the kernel writes: /proc and /sys.
    Pseudo,
    /// A folder of the caller's, writeable as far as its permissions go.
    Mapped,
}

#[derive(Debug, Clone)]
struct Redirect {
    real: Bytes,
    kind: Kind,
}

/// What stands at a path.
#[derive(Debug)]
pub(in crate::sandbox) enum Place<'a> {
    /// Nothing of ours.
    Host,
    /// A simulated node.
    Node(&'a Node),
    /// Its contents are really at this path.
    Elsewhere(Bytes, Kind),
    /// A host's node of a real flash: not there.
    Hidden,
}

/// The program's view of the file system.
pub(in crate::sandbox) struct Namespace {
    nodes: BTreeMap<Bytes, Node>,
    redirects: BTreeMap<Bytes, Redirect>,
    reverse: BTreeMap<Bytes, Bytes>,
    /// Names that a listing of a folder shows beside the host's, with d_type.
    listed: HashMap<Bytes, BTreeMap<Bytes, u8>>,
    next_inode: u64,
    now_s: i64,
}

/// The folder that a path stands in, and its name there.
pub(in crate::sandbox) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// The path itself and the folders above it, without the root.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |path| Some(split(path).0))
        .take_while(|path| !path.is_empty())
}

impl Namespace {
    /// A view that is the host's own.
    pub fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            nodes: BTreeMap::new(),
            redirects: BTreeMap::new(),
            reverse: BTreeMap::new(),
            listed: HashMap::new(),
            next_inode: 0x6d74_6400,
            now_s: now.map_or(0, |now| now.as_secs() as i64),
        }
    }

    /// Puts a node at a path. False: something of ours stands there already.
    pub fn add_node(&mut self, path: &[u8], id: NodeId, mode: u32) -> bool {
        if self.nodes.contains_key(path) {
            return false;
        }
        self.next_inode += 1;
        let node = Node {
            id,
            inode: self.next_inode,
            mode,
            owner: None,
            changed_s: self.now_s,
        };
        self.nodes.insert(path.to_vec(), node);
        let kind = match id {
            NodeId::Character { .. } => libc::DT_CHR,
            NodeId::Block { .. } => libc::DT_BLK,
        };
        self.list(path, kind);
        true
    }

    /// Takes the node at a path away.
    pub fn remove_node(&mut self, path: &[u8]) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        let (folder, name) = split(path);
        if let Some(names) = self.listed.get_mut(folder) {
            names.remove(name);
        }
        Some(node)
    }

    /// Puts an existing node at a further or another path.
    pub fn put_node(&mut self, path: &[u8], node: Node) {
        self.remove_node(path);
        self.add_node(path, node.id, node.mode);
        self.nodes.insert(path.to_vec(), node);
    }

    /// Whether a node stands at a path.
    pub fn is_node(&self, path: &[u8]) -> bool {
        self.nodes.contains_key(path)
    }

    /// The node at a path.
    pub fn node_mut(&mut self, path: &[u8]) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// A node that is this one, wherever it stands.
    pub fn node_of(&self, id: NodeId) -> Option<(&Bytes, &Node)> {
        self.nodes.iter().find(|(_, node)| node.id == id)
    }

    /// Whether a node stands directly in this folder.
    pub fn has_nodes_in(&self, folder: &[u8]) -> bool {
        self.nodes.keys().any(|path| split(path).0 == folder)
    }

    /// Makes the contents of `path` come from `real`. `listed_as` is the d_type
    /// under which the folder above shows it; none where the host shows it.
    pub fn redirect(&mut self, path: &[u8], real: &[u8], kind: Kind, listed_as: Option<u8>) {
        let real = real.to_vec();
        self.reverse.insert(real.clone(), path.to_vec());
        self.redirects
            .insert(path.to_vec(), Redirect { real, kind });
        if let Some(kind) = listed_as {
            self.list(path, kind);
        }
    }

    fn list(&mut self, path: &[u8], kind: u8) {
        let (folder, name) = split(path);
        let names = self.listed.entry(folder.to_vec()).or_default();
        names.insert(name.to_vec(), kind);
    }

    /// What stands at a path.
    pub fn place(&self, path: &[u8]) -> Place<'_> {
        if let Some(node) = self.nodes.get(path) {
            return Place::Node(node);
        }
        for above in ancestors(path) {
            if let Some(redirect) = self.redirects.get(above) {
                let mut real = redirect.real.clone();
                real.extend_from_slice(&path[above.len()..]);
                return Place::Elsewhere(real, redirect.kind);
            }
        }
        if is_host_flash(path) {
            return Place::Hidden;
        }
        Place::Host
    }

    /// Where a path's contents really are.
    pub fn real(&self, path: &[u8]) -> Bytes {
        match self.place(path) {
            Place::Elsewhere(real, _) => real,
            _ => path.to_vec(),
        }
    }

    /// What the program calls a real path.
    pub fn seen(&self, real: &[u8]) -> Option<Bytes> {
        for above in ancestors(real) {
            if let Some(path) = self.reverse.get(above) {
                let mut seen = path.clone();
                seen.extend_from_slice(&real[above.len()..]);
                return Some(seen);
            }
        }
        None
    }

    /// Whether a listing of this folder differs from the host's.
    pub fn is_listing_changed(&self, folder: &[u8]) -> bool {
        folder == b"/dev"
            || self
                .listed
                .get(folder)
                .is_some_and(|names| !names.is_empty())
    }

    /// The names that a listing of a folder shows beside the host's.
    pub fn listed(&self, folder: &[u8]) -> impl Iterator<Item = (&Bytes, u8)> {
        let names = self.listed.get(folder).into_iter().flatten();
        names.map(|(name, kind)| (name, *kind))
    }

    /// Whether the host's entry of that name is left out of a listing.
    pub fn is_unlisted(&self, folder: &[u8], name: &[u8]) -> bool {
        let ours = |names: &BTreeMap<Bytes, u8>| names.contains_key(name);
        if self.listed.get(folder).is_some_and(ours) {
            return true;
        }
        folder == b"/dev" && is_host_flash(&[b"/dev/".as_slice(), name].concat())
    }

    /// The topmost folder above `path` that neither the host nor this view has.
    pub fn missing_above(&self, path: &[u8]) -> Option<Bytes> {
        let exists = |folder: &[u8]| {
            let real = crate::sandbox::kernel::process::c_string(&self.real(folder));
            crate::sandbox::kernel::sys::stat(&real, true).is_ok()
        };
        let above: Vec<&[u8]> = ancestors(split(path).0).collect();
        let missing = above.into_iter().rev().find(|folder| !exists(folder))?;
        Some(missing.to_vec())
    }
}

/// Names that Linux gives to nodes of real flash.
fn is_host_flash(path: &[u8]) -> bool {
    let Some(name) = path.strip_prefix(b"/dev/mtd") else {
        return false;
    };
    let name = name.strip_prefix(b"block").unwrap_or(name);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let name = name.strip_suffix(b"ro").unwrap_or(name);
    name.iter().all(u8::is_ascii_digit)
}
