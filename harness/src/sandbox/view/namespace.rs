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
use std::collections::{BTreeMap, HashMap, HashSet};

/// A path as the kernel takes it.
pub(in crate::sandbox) type Bytes = Vec<u8>;

/// Seconds since 1970, and nanoseconds.
pub(in crate::sandbox) type Moment = (i64, i64);

/// A node with what chmod, chown and utimensat may have changed. It lives on
/// without a name for as long as the sandbox: a description may be open.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Node {
    pub id: NodeId,
    /// Its inode number.
    pub inode: u64,
    /// How many names it has.
    pub links: u32,
    /// Permission bits.
    pub mode: u32,
    /// Who owns it; the caller itself, as long as nobody changed that.
    pub owner: Option<(u32, u32)>,
    pub accessed: Moment,
    pub modified: Moment,
    /// When mode, owner, times or names last changed.
    pub changed: Moment,
}

/// Where a redirect's contents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Kind {
    /// Text that only the kernel writes: /proc and /sys.
    Pseudo,
    /// A folder of the caller's, writeable as far as its permissions go.
    Mapped,
    /// The host's own, where the kernel would find something else under what
    /// was written.
    Host,
    /// Something that a program made in /dev: the host never has it.
    Private,
}

#[derive(Debug, Clone)]
struct Redirect {
    real: Bytes,
    kind: Kind,
    /// The d_type under which the folder above shows it; none where the host
    /// does.
    listed_as: Option<u8>,
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
    /// An entry of the host's that is not there: a node of a real flash, or
    /// one that the program removed.
    Hidden,
}

/// The program's view of the file system.
pub(in crate::sandbox) struct Namespace {
    /// The inode number of the node at each path.
    names: BTreeMap<Bytes, u64>,
    inodes: HashMap<u64, Node>,
    redirects: BTreeMap<Bytes, Redirect>,
    reverse: BTreeMap<Bytes, Bytes>,
    /// Names that a listing of a folder shows beside the host's, with d_type.
    listed: HashMap<Bytes, BTreeMap<Bytes, u8>>,
    /// The host's entries of /dev that the program removed.
    removed: HashSet<Bytes>,
    /// The last names of all paths at which something of ours ever stood, and of the
    /// folders that show something of ours.
    last_names: HashSet<Bytes>,
    /// A folder shows something since [`Namespace::settle`] that it did not show before.
    lists_more: bool,
    next_inode: u64,
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

/// Whether `path` is `folder` itself or below it.
fn is_in(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Whether what is made at this path stays in the sandbox: /dev is the host's
/// own, but for the file systems of memory and terminals below it.
pub(in crate::sandbox) fn is_private_place(path: &[u8]) -> bool {
    const OTHERS: [&[u8]; 4] = [b"/dev/shm", b"/dev/pts", b"/dev/mqueue", b"/dev/hugepages"];
    path.starts_with(b"/dev/") && !OTHERS.iter().any(|other| is_in(path, other))
}

/// The time of now.
pub(in crate::sandbox) fn now() -> Moment {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or((0, 0), |now| {
        (now.as_secs() as i64, i64::from(now.subsec_nanos()))
    })
}

impl Namespace {
    /// A view that is the host's own.
    pub fn new() -> Self {
        Self {
            names: BTreeMap::new(),
            inodes: HashMap::new(),
            redirects: BTreeMap::new(),
            reverse: BTreeMap::new(),
            listed: HashMap::new(),
            removed: HashSet::new(),
            last_names: HashSet::from([b"dev".to_vec()]),
            lists_more: false,
            next_inode: 0x6d74_6400,
        }
    }

    /// Makes a node at a path, at some time. False: one stands there already.
    pub fn add_node(&mut self, path: &[u8], id: NodeId, mode: u32, when: Moment) -> bool {
        if self.names.contains_key(path) {
            return false;
        }
        self.next_inode += 1;
        let inode = self.next_inode;
        let node = Node {
            id,
            inode,
            links: 0,
            mode,
            owner: None,
            accessed: when,
            modified: when,
            changed: when,
        };
        self.inodes.insert(inode, node);
        self.link_node(path, inode);
        if let Some(node) = self.inodes.get_mut(&inode) {
            node.changed = when;
        }
        true
    }

    /// Gives a node a further name, whatever node had that name before.
    pub fn link_node(&mut self, path: &[u8], inode: u64) {
        self.remove_node(path);
        let Some(node) = self.inodes.get_mut(&inode) else {
            return;
        };
        node.links += 1;
        node.changed = now();
        let kind = match node.id {
            NodeId::Character { .. } => libc::DT_CHR,
            NodeId::Block { .. } => libc::DT_BLK,
        };
        self.names.insert(path.to_vec(), inode);
        self.last_names.insert(split(path).1.to_vec());
        self.list(path, kind);
    }

    /// Takes the node's name at a path away; answers its inode number.
    pub fn remove_node(&mut self, path: &[u8]) -> Option<u64> {
        let inode = self.names.remove(path)?;
        if let Some(node) = self.inodes.get_mut(&inode) {
            node.links -= 1;
            node.changed = now();
        }
        self.unlist(path);
        Some(inode)
    }

    /// The node at a path.
    pub fn node_at(&self, path: &[u8]) -> Option<&Node> {
        self.inodes.get(self.names.get(path)?)
    }

    /// The node of an inode number, which may have lost its names.
    pub fn node(&self, inode: u64) -> Option<&Node> {
        self.inodes.get(&inode)
    }

    /// The same, to change it.
    pub fn node_mut(&mut self, inode: u64) -> Option<&mut Node> {
        self.inodes.get_mut(&inode)
    }

    /// A path of this node.
    pub fn path_of(&self, inode: u64) -> Option<&Bytes> {
        let mut names = self.names.iter();
        names
            .find(|(_, other)| **other == inode)
            .map(|(path, _)| path)
    }

    /// A node with these numbers.
    pub fn node_of(&self, id: NodeId) -> Option<&Node> {
        let mut nodes = self.names.values().filter_map(|inode| self.node(*inode));
        nodes.find(|node| node.id == id)
    }

    /// Whether this view puts something directly into this folder.
    pub fn has_entries_in(&self, folder: &[u8]) -> bool {
        self.listed
            .get(folder)
            .is_some_and(|names| !names.is_empty())
    }

    /// Makes the contents of `path` come from `real`. `listed_as` is the d_type
    /// under which the folder above shows it; none where the host shows it.
    pub fn redirect(&mut self, path: &[u8], real: &[u8], kind: Kind, listed_as: Option<u8>) {
        let real = real.to_vec();
        self.reverse.insert(real.clone(), path.to_vec());
        let redirect = Redirect {
            real,
            kind,
            listed_as,
        };
        self.redirects.insert(path.to_vec(), redirect);
        self.last_names.insert(split(path).1.to_vec());
        if let Some(kind) = listed_as {
            self.list(path, kind);
        }
    }

    /// Takes a redirect away.
    pub fn remove_redirect(&mut self, path: &[u8]) {
        if let Some(redirect) = self.redirects.remove(path) {
            self.reverse.remove(&redirect.real);
            if redirect.listed_as.is_some() && !self.names.contains_key(path) {
                self.unlist(path);
            }
        }
    }

    /// The kind of the redirect that stands exactly here.
    pub fn redirect_at(&self, path: &[u8]) -> Option<Kind> {
        self.redirects.get(path).map(|redirect| redirect.kind)
    }

    /// Whether this view puts anything below this folder.
    pub fn has_anything_below(&self, folder: &[u8]) -> bool {
        let below = |path: &Bytes| path.len() > folder.len() && is_in(path, folder);
        self.names.keys().any(below) || self.redirects.keys().any(below)
    }

    /// Takes an entry of the host's out of the program's sight.
    pub fn hide(&mut self, path: &[u8]) {
        self.removed.insert(path.to_vec());
        self.last_names.insert(split(path).1.to_vec());
    }

    /// After a folder was renamed: what stands below `old` stands below `new`;
    /// the other way round too, if they were exchanged.
    pub fn move_below(&mut self, old: &[u8], new: &[u8], exchanged: bool) {
        let moved = |path: &[u8]| -> Option<Bytes> {
            let (from, to) = if is_in(path, old) {
                (old, new)
            } else if exchanged && is_in(path, new) {
                (new, old)
            } else {
                return None;
            };
            (path.len() > from.len()).then(|| [to, &path[from.len()..]].concat())
        };
        let names = self.names.iter();
        let names: Vec<(Bytes, Bytes, u64)> = names
            .filter_map(|(path, inode)| Some((path.clone(), moved(path)?, *inode)))
            .collect();
        let redirects = self.redirects.iter();
        let redirects: Vec<(Bytes, Bytes, Redirect)> = redirects
            .filter_map(|(path, redirect)| Some((path.clone(), moved(path)?, redirect.clone())))
            .collect();
        for (path, ..) in &names {
            self.remove_node(path);
        }
        for (path, ..) in &redirects {
            self.remove_redirect(path);
        }
        for (_, path, inode) in names {
            self.link_node(&path, inode);
        }
        for (_, path, redirect) in redirects {
            self.redirect(&path, &redirect.real, redirect.kind, redirect.listed_as);
        }
    }

    fn list(&mut self, path: &[u8], kind: u8) {
        let (folder, name) = split(path);
        self.last_names.insert(split(folder).1.to_vec());
        self.lists_more = true;
        let names = self.listed.entry(folder.to_vec()).or_default();
        names.insert(name.to_vec(), kind);
    }

    fn unlist(&mut self, path: &[u8]) {
        let (folder, name) = split(path);
        if let Some(names) = self.listed.get_mut(folder) {
            names.remove(name);
        }
    }

    /// What stands at a path.
    pub fn place(&self, path: &[u8]) -> Place<'_> {
        match self.node_at(path) {
            Some(node) => Place::Node(node),
            None => self.place_below(path),
        }
    }

    /// What would stand at a path if no node did.
    pub fn place_below(&self, path: &[u8]) -> Place<'_> {
        for above in ancestors(path) {
            if let Some(redirect) = self.redirects.get(above) {
                let mut real = redirect.real.clone();
                real.extend_from_slice(&path[above.len()..]);
                return Place::Elsewhere(real, redirect.kind);
            }
            if is_host_flash(above) || self.removed.contains(above) {
                return Place::Hidden;
            }
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

    /// Whether this is a single name that nothing of ours has, in whatever folder. Who
    /// looks it up, and follows no link, finds what is really there: a process that
    /// stands in a redirected folder really stands there.
    pub fn is_foreign_name(&self, name: &[u8]) -> bool {
        let is_of_flash = || {
            let number = name.strip_suffix(b"ro").unwrap_or(name);
            name.starts_with(b"mtd") || number.iter().all(u8::is_ascii_digit)
        };
        let is_single = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
        is_single && !is_of_flash() && !self.last_names.contains(name)
    }

    /// From now on it is noticed if a folder shows more; before, nothing was open.
    pub fn settle(&mut self) {
        self.lists_more = false;
    }

    /// Whether a folder that was opened when it was the host's may show more by now.
    pub fn lists_more(&self) -> bool {
        self.lists_more
    }

    /// Whether a listing of this folder differs from the host's.
    pub fn is_listing_changed(&self, folder: &[u8]) -> bool {
        let folder = if folder == b"/" { b"" } else { folder };
        is_in(folder, b"/dev") || self.has_entries_in(folder)
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
        let path = [folder, b"/", name].concat();
        is_host_flash(&path) || self.removed.contains(&path)
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

/// Names that Linux, devfs and Android give to nodes of real flash.
pub(in crate::sandbox) fn is_host_flash(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 4] = [b"", b"mtd/", b"mtdblock/", b"block/"];
    let Some(name) = path.strip_prefix(b"/dev/") else {
        return false;
    };
    FOLDERS.iter().any(|folder| {
        let Some(name) = name.strip_prefix(*folder) else {
            return false;
        };
        let number = match name.strip_prefix(b"mtd") {
            Some(name) => name.strip_prefix(b"block").unwrap_or(name),
            // /dev/mtd/0 and /dev/mtdblock/0 of devfs.
            None if folder.starts_with(b"mtd") => name,
            None => return false,
        };
        let number = number.strip_suffix(b"ro").unwrap_or(number);
        !number.is_empty() && number.iter().all(u8::is_ascii_digit)
    })
}
