//! What one sandbox knows, and what a path or a descriptor means in it.

use crate::Errno;
use crate::sandbox::call::{Job, Level, PathArgument, Trapped};
use crate::sandbox::child_handlers::ChildHandlers;
use crate::sandbox::covered::Covered;
use crate::sandbox::flash::handles::{Handles, OpenId, identity};
use crate::sandbox::flash::mirror::Refusal;
use crate::sandbox::kernel::kernels::Version;
use crate::sandbox::kernel::process::{PATH_BYTES_MAX, Process, SHORT_PATH_BYTES, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::power::Power;
use crate::sandbox::view::namespace::{Bytes, Kind, Namespace, Node, Place};
use crate::sandbox::view::resolve::{Resolved, Resolver};
use crate::sandbox::view::shadow::Shadow;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// What stands behind a path argument.
pub(super) enum Target {
    /// Nothing of ours: the kernel's business. The absolute path.
    Host(Bytes),
    Node(Bytes, Node),
    /// Seen at one path, really at another.
    Elsewhere {
        seen: Bytes,
        real: Bytes,
        kind: Kind,
    },
    /// A host's node of real flash, which the program shall not see.
    Hidden(Bytes),
    /// The path was empty: a descriptor.
    Descriptor(i32),
    /// Nothing of ours, wherever it is.
    Foreign,
    /// Not to be found out: the kernel finds the error by itself.
    Unknown,
}

/// One sandbox.
pub(super) struct State {
    pub namespace: Namespace,
    pub resolver: Resolver,
    pub handles: Handles,
    pub shadow: Shadow,
    pub power: Arc<Power>,
    /// No node opens for writing.
    pub read_only: bool,
    pub kernel: Option<Version>,
    /// The host has real flash, whose nodes are hidden.
    pub host_has_flash: bool,
    /// Traced processes by thread-group id.
    pub traced: HashMap<u32, Level>,
    /// Processes whose signals are to be watched no longer.
    pub left_alone: HashSet<u32>,
    /// On which numbers their calls stop, by thread-group id.
    pub covered: HashMap<u32, Covered>,
    /// What a traced thread does at its next stop.
    pub jobs: HashMap<u32, (Job<i32>, Trapped)>,
    /// How many programs run at once.
    pub running: usize,
    /// The threads that trace.
    pub tracers: Vec<std::thread::JoinHandle<()>>,
    /// A descriptor of a folder may be open whose listing is not the host's.
    pub may_list: bool,
    /// How many of our names a folder's listing has shown.
    pub listed: HashMap<(u32, i32), usize>,
    /// Threads that wait for a message, perhaps since before flash was opened.
    pub receiving: HashSet<u32>,
    /// Whose calls the end of a child interrupts, as far as that is known.
    pub of_children: ChildHandlers,
    /// Some socket may have a path of ours in its address.
    pub has_socket_paths: bool,
    /// Stand-ins for nodes opened with O_PATH, by inode; with the node's own.
    pub placeholders: HashMap<(u64, u64), u64>,
    /// What the call that is being answered is about; for the trace.
    pub about: crate::sandbox::trace::About,
    pub log: crate::sandbox::trace::Log,
    pidfds: HashMap<u32, OwnedFd>,
}

/// What a new sandbox starts from.
pub(super) struct Start {
    pub namespace: Namespace,
    pub handles: Handles,
    pub shadow: Shadow,
    pub power: Arc<Power>,
    pub read_only: bool,
    pub kernel: Option<Version>,
    pub log: crate::sandbox::trace::Log,
}

impl State {
    /// A sandbox in which nothing has happened.
    pub fn new(mut start: Start) -> Self {
        start.namespace.settle();
        Self {
            namespace: start.namespace,
            resolver: Resolver::default(),
            handles: start.handles,
            shadow: start.shadow,
            power: start.power,
            read_only: start.read_only,
            kernel: start.kernel,
            host_has_flash: std::path::Path::new("/proc/mtd").exists(),
            traced: HashMap::new(),
            left_alone: HashSet::new(),
            covered: HashMap::new(),
            jobs: HashMap::new(),
            running: 0,
            tracers: Vec::new(),
            may_list: false,
            listed: HashMap::new(),
            receiving: HashSet::new(),
            of_children: ChildHandlers::default(),
            has_socket_paths: false,
            placeholders: HashMap::new(),
            about: Default::default(),
            log: start.log,
            pidfds: HashMap::new(),
        }
    }

    /// A duplicate of one of the program's descriptors.
    pub fn duplicate(&mut self, process: Process, fd: i32) -> Result<OwnedFd, Errno> {
        const CACHED_MAX: usize = 64;
        for _ in 0..2 {
            if !self.pidfds.contains_key(&process.tid) {
                if self.pidfds.len() >= CACHED_MAX {
                    self.pidfds.clear();
                }
                let pidfd = match sys::pidfd_open(process.tid) {
                    // Not the first thread of its process.
                    Err(Errno::INVAL | Errno::NOENT) => sys::pidfd_open(process.tgid())?,
                    other => other?,
                };
                self.pidfds.insert(process.tid, pidfd);
            }
            match sys::pidfd_getfd(&self.pidfds[&process.tid], fd) {
                // The number was another process's before.
                Err(Errno::SRCH) => self.pidfds.remove(&process.tid),
                answer => return answer,
            };
        }
        Err(Errno::SRCH)
    }

    /// The flash behind a descriptor, with a duplicate of it; none if it is
    /// something else.
    pub fn flash(&mut self, process: Process, fd: i32) -> Option<(OwnedFd, OpenId)> {
        if !self.handles.is_any_open() {
            return None;
        }
        self.handles.device_of(&process.fd_stat(fd).ok()?)?;
        let duplicate = self.duplicate(process, fd).ok()?;
        let which = self.handles.which(duplicate.as_fd())?;
        if self.log.is_tracing() {
            let node = self.handles.get(which).map(|open| open.node);
            let node = node.ok().and_then(|node| self.namespace.node_of(node));
            let path = node.and_then(|node| self.namespace.path_of(node.inode));
            let path = path.map(|path| String::from_utf8_lossy(path).into_owned());
            self.about.text = match &path {
                Some(path) => format!("{fd}<{path}>"),
                None => format!("{fd}<mtd{}>", which.index),
            };
            self.about.path = path;
            self.about.node = self.handles.get(which).ok().map(|open| open.node);
        }
        Some((duplicate, which))
    }

    /// The node behind a descriptor, also one opened with O_PATH. It may have
    /// lost its names.
    pub fn node_behind(&mut self, process: Process, fd: i32) -> Option<Node> {
        if self.placeholders.is_empty() && !self.handles.is_any_open() {
            return None;
        }
        let stat = process.fd_stat(fd).ok()?;
        if self.log.is_tracing() {
            self.about.text = fd.to_string();
        }
        if let Some(inode) = self.placeholders.get(&identity(&stat)) {
            return self.namespace.node(*inode).cloned();
        }
        self.handles.device_of(&stat)?;
        let (_, which) = self.flash(process, fd)?;
        let open = self.handles.get(which).ok()?;
        let known = self.namespace.node(open.inode);
        known.or_else(|| self.namespace.node_of(open.node)).cloned()
    }

    /// Whether a descriptor of a node was opened with O_PATH.
    pub fn is_path_only(&self, process: Process, fd: i32) -> bool {
        let stat = (!self.placeholders.is_empty()).then(|| process.fd_stat(fd));
        matches!(stat, Some(Ok(stat)) if self.placeholders.contains_key(&identity(&stat)))
    }

    /// What a path argument is; an error is one that the kernel would not see.
    ///
    /// One question in four ways: this; [`State::target_to_look_at`], cheaper, for calls
    /// that only look; [`State::target_to_make`], which claims a free place in /dev; and
    /// [`State::target_at`], all of theirs, for a path that was read already.
    pub fn target(
        &mut self,
        trapped: &Trapped,
        path: PathArgument,
        follow: bool,
    ) -> Result<Target, Errno> {
        let process = trapped.process();
        let mut room = [0; SHORT_PATH_BYTES];
        if let Some(written) = process.short_path(path.address, &mut room) {
            return self.target_at(trapped, path.folder, written.to_vec(), follow);
        }
        let written = match process.path(path.address) {
            Ok(written) => written,
            Err(Errno::PERM) => return self.unreadable(process),
            Err(_) => return Ok(Target::Unknown),
        };
        self.target_at(trapped, path.folder, written, follow)
    }

    /// What a path argument is, for a call that only looks. A single name that is not ours in any
    /// folder, and is no link that is to be followed, is the kernel's business, wherever
    /// the program stands.
    pub fn target_to_look_at(
        &mut self,
        trapped: &Trapped,
        path: PathArgument,
        follow: bool,
    ) -> Result<Target, Errno> {
        // What is in our texts looks otherwise than it is.
        if self.shadow.is_filled() || self.host_has_flash || self.log.is_tracing() {
            return self.target(trapped, path, follow);
        }
        let mut room = [0; SHORT_PATH_BYTES];
        match trapped.process().short_path(path.address, &mut room) {
            Some(name)
                if self.namespace.is_foreign_name(name)
                    && !(follow && trapped.process().may_be_link(path.folder, name)) =>
            {
                Ok(Target::Foreign)
            }
            Some(written) => self.target_at(trapped, path.folder, written.to_vec(), follow),
            None => self.target(trapped, path, follow),
        }
    }

    /// What this path is, relative to a folder's descriptor.
    pub fn target_at(
        &mut self,
        trapped: &Trapped,
        folder: i32,
        written: Bytes,
        follow: bool,
    ) -> Result<Target, Errno> {
        let process = trapped.process();
        if written.is_empty() {
            return Ok(Target::Descriptor(folder));
        }
        if self.resolver.is_plain(&written, follow) {
            return Ok(Target::Host(written));
        }
        let resolved = self
            .resolver
            .resolve(&self.namespace, process, folder, &written, follow);
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(errno @ (Errno::NOTDIR | Errno::LOOP | Errno::NOENT)) => return Err(errno),
            Err(_) => return Ok(Target::Unknown),
        };
        if self.log.is_tracing() {
            self.about.text = format!("{:?}", String::from_utf8_lossy(&written));
            let path = String::from_utf8_lossy(&resolved.path);
            self.about.path = Some(path.into_owned());
            let node = self.namespace.node_at(&resolved.path);
            self.about.node = node.map(|node| node.id);
        }
        if let Some((pid, fd)) = resolved.descriptor {
            let Some(node) = self.node_behind(Process { tid: pid }, fd) else {
                return Ok(Target::Host(resolved.path));
            };
            if resolved.is_folder {
                return Err(Errno::NOTDIR);
            }
            let path = self.namespace.path_of(node.inode).cloned();
            return Ok(Target::Node(path.unwrap_or(resolved.path), node));
        }
        self.place_of(resolved, written, follow)
    }

    /// What stands where a path was found to lead.
    fn place_of(
        &mut self,
        resolved: Resolved,
        written: Bytes,
        follow: bool,
    ) -> Result<Target, Errno> {
        Ok(match self.namespace.place(&resolved.path) {
            Place::Node(_) if resolved.is_folder => return Err(Errno::NOTDIR),
            Place::Node(node) => Target::Node(resolved.path.clone(), node.clone()),
            Place::Elsewhere(mut real, kind) => {
                if real.len() >= PATH_BYTES_MAX && !written.contains(&b'/') {
                    // Too far down to be named from above: the kernel finds it from where
                    // the program stands.
                    return Ok(Target::Unknown);
                }
                resolved.complete(&mut real);
                self.make(&real, kind)?;
                Target::Elsewhere {
                    seen: resolved.path,
                    real,
                    kind,
                }
            }
            Place::Hidden => Target::Hidden(resolved.path),
            Place::Host if resolved.diverged => {
                let mut real = resolved.path.clone();
                match real.is_empty() {
                    true => real.push(b'/'),
                    false => resolved.complete(&mut real),
                }
                Target::Elsewhere {
                    seen: resolved.path,
                    real,
                    kind: Kind::Host,
                }
            }
            Place::Host => {
                let is_plain = follow || written == resolved.path;
                if is_plain && !self.namespace.is_listing_changed(&resolved.path) {
                    self.resolver.remember_plain(written, follow);
                }
                Target::Host(resolved.path)
            }
        })
    }

    /// Makes what is in the temporary folder where this is the first use of it.
    fn make(&mut self, real: &Bytes, kind: Kind) -> Result<(), Errno> {
        let made = match kind {
            Kind::Pseudo => self
                .shadow
                .fill()
                .and_then(|()| self.shadow.count_again(real)),
            _ => self.shadow.make_for(real),
        };
        made.map_err(|error| {
            let text = format!("the sandbox's temporary folder cannot be made: {error}");
            self.log.warn(&text);
            Errno::from_io_error(&error).unwrap_or(Errno::IO)
        })
    }

    /// A program whose memory may not be read: an undumpable one of an ordinary
    /// user's. What it means cannot be found out.
    fn unreadable(&mut self, process: Process) -> Result<Target, Errno> {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", process.tid));
        let name = name.unwrap_or_default();
        self.warn(&format!(
            "{} may not be looked into (it cannot be read, or made itself undumpable): \
             it sees the host's files, and no node",
            name.trim_end()
        ));
        if self.host_has_flash {
            return Err(Errno::ACCESS);
        }
        Ok(Target::Unknown)
    }

    /// Forgets what was known of links where this may change some.
    pub fn links_change(&mut self, target: &Target) {
        match target {
            Target::Host(path)
            | Target::Hidden(path)
            | Target::Node(path, _)
            | Target::Elsewhere { seen: path, .. } => self.resolver.forget_near(path),
            Target::Descriptor(_) | Target::Foreign | Target::Unknown => self.resolver.forget(),
        }
    }

    /// What the program calls the folder behind one of its descriptors.
    pub fn folder_behind(&self, process: Process, fd: i32) -> Option<Bytes> {
        let real = process.fd_path(fd).ok()?;
        Some(self.namespace.seen(&real).unwrap_or(real))
    }

    /// The file that stands in for a node opened with O_PATH.
    pub fn placeholder(&mut self, node: &Node) -> Result<Bytes, Errno> {
        let folder = self.shadow.folder("/nodes").map_err(|_| Errno::IO)?;
        let path = folder.join(node.inode.to_string());
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
        let fd = sys::open(&c_string(&bytes), libc::O_CREAT | libc::O_WRONLY, 0o600)?;
        let identity = identity(&sys::fstat(fd.as_fd())?);
        self.placeholders.insert(identity, node.inode);
        Ok(bytes)
    }

    /// Opens a node with open(2)'s flags.
    pub fn open_flash(&mut self, node: &Node, flags: i32) -> Result<OwnedFd, Errno> {
        self.handles
            .open(node.id, node.inode, flags)
            .map_err(|refusal| match refusal {
                Refusal::Errno(errno) => errno,
                Refusal::Memory(needed, left) => {
                    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
                    self.log.warn(&format!(
                    "a node was not opened: its contents need {:.1} MiB of memory, and {:.1} MiB \
                     are left (ENOMEM)",
                    mib(needed),
                    mib(left)
                ));
                    Errno::NOMEM
                }
            })
    }

    /// Shows a change of the flash where the kernel reads it by itself.
    pub fn show_changes(&mut self) {
        if self.handles.refresh().is_err() {
            self.warn("what the kernel reads of a block node by itself is out of date");
        }
    }

    /// Warns, once for each text.
    pub fn warn(&mut self, text: &str) {
        self.log.warn(text);
    }
}
