//! What one sandbox knows, and what a path or a descriptor means in it.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Job, Level, PathArgument, Trapped};
use crate::sandbox::flash::handles::{Handles, Which, identity};
use crate::sandbox::kernel::kernels::Version;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::view::namespace::{Bytes, Kind, Namespace, Node, Place};
use crate::sandbox::view::resolve::Resolver;
use crate::sandbox::view::shadow::Shadow;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

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
    /// Not to be found out: the kernel finds the error by itself.
    Unknown,
}

/// One sandbox.
pub(super) struct State {
    pub namespace: Namespace,
    pub resolver: Resolver,
    pub handles: Handles,
    pub shadow: Shadow,
    /// No node opens for writing.
    pub read_only: bool,
    pub kernel: Option<Version>,
    /// The host has real flash, whose nodes are hidden.
    pub host_has_flash: bool,
    /// Traced processes by thread-group id.
    pub traced: HashMap<u32, Level>,
    /// What a traced thread does at its next stop.
    pub jobs: HashMap<u32, (Job<i32>, Trapped)>,
    /// How many programs run at once.
    pub running: usize,
    /// The threads that trace.
    pub tracers: Vec<std::thread::JoinHandle<()>>,
    /// How many of our names a folder's listing has shown.
    pub listed: HashMap<(u32, i32), usize>,
    /// Stand-ins for nodes opened with O_PATH, by inode.
    pub placeholders: HashMap<(u64, u64), NodeId>,
    /// What the call that is being answered is about; for the trace.
    pub about: String,
    pub log: crate::sandbox::trace::Log,
    pidfds: HashMap<u32, OwnedFd>,
}

/// What a new sandbox starts from.
pub(super) struct Start {
    pub namespace: Namespace,
    pub handles: Handles,
    pub shadow: Shadow,
    pub read_only: bool,
    pub kernel: Option<Version>,
    pub log: crate::sandbox::trace::Log,
}

impl State {
    /// A sandbox in which nothing has happened.
    pub fn new(start: Start) -> Self {
        Self {
            namespace: start.namespace,
            resolver: Resolver::default(),
            handles: start.handles,
            shadow: start.shadow,
            read_only: start.read_only,
            kernel: start.kernel,
            host_has_flash: std::path::Path::new("/proc/mtd").exists(),
            traced: HashMap::new(),
            jobs: HashMap::new(),
            running: 0,
            tracers: Vec::new(),
            listed: HashMap::new(),
            placeholders: HashMap::new(),
            about: String::new(),
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
    pub fn flash(&mut self, process: Process, fd: i32) -> Option<(OwnedFd, Which)> {
        if !self.handles.is_any_open() {
            return None;
        }
        self.handles.device_of(&process.fd_stat(fd).ok()?)?;
        let duplicate = self.duplicate(process, fd).ok()?;
        let which = self.handles.which(duplicate.as_fd())?;
        if self.log.is_tracing() {
            let node = self.handles.get(which).map(|open| open.node);
            self.about = match node.ok().and_then(|node| self.namespace.node_of(node)) {
                Some((path, _)) => format!("{fd}<{}>", String::from_utf8_lossy(path)),
                None => format!("{fd}<mtd{}>", which.index),
            };
        }
        Some((duplicate, which))
    }

    /// The node behind a descriptor, also one opened with O_PATH.
    pub fn node_behind(&mut self, process: Process, fd: i32) -> Option<NodeId> {
        if self.placeholders.is_empty() && !self.handles.is_any_open() {
            return None;
        }
        let stat = process.fd_stat(fd).ok()?;
        if self.log.is_tracing() {
            self.about = fd.to_string();
        }
        if let Some(node) = self.placeholders.get(&identity(&stat)) {
            return Some(*node);
        }
        self.handles.device_of(&stat)?;
        let (_, which) = self.flash(process, fd)?;
        self.handles.get(which).ok().map(|open| open.node)
    }

    /// What a path argument is; an error is one that the kernel would not see.
    pub fn target(
        &mut self,
        trapped: &Trapped,
        path: PathArgument,
        follow: bool,
    ) -> Result<Target, Errno> {
        let process = trapped.process();
        let Ok(written) = process.path(path.address) else {
            return Ok(Target::Unknown);
        };
        if written.is_empty() {
            return Ok(Target::Descriptor(path.folder));
        }
        if self.resolver.is_plain(&written) {
            return Ok(Target::Host(written));
        }
        let resolved =
            self.resolver
                .resolve(&self.namespace, process, path.folder, &written, follow);
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(Errno::NOTDIR) => return Err(Errno::NOTDIR),
            Err(_) => return Ok(Target::Unknown),
        };
        if self.log.is_tracing() {
            self.about = format!("{:?}", String::from_utf8_lossy(&written));
        }
        if let Some((pid, fd)) = resolved.descriptor {
            let Some(id) = self.node_behind(Process { tid: pid }, fd) else {
                return Ok(Target::Host(resolved.path));
            };
            return Ok(match self.namespace.node_of(id) {
                Some((path, node)) => Target::Node(path.clone(), node.clone()),
                None => Target::Unknown,
            });
        }
        Ok(match self.namespace.place(&resolved.path) {
            Place::Node(node) => Target::Node(resolved.path.clone(), node.clone()),
            Place::Elsewhere(mut real, kind) => {
                if resolved.is_folder {
                    real.push(b'/');
                }
                if kind == Kind::Pseudo && self.shadow.fill().is_err() {
                    return Ok(Target::Unknown);
                }
                Target::Elsewhere {
                    seen: resolved.path,
                    real,
                    kind,
                }
            }
            Place::Hidden => Target::Hidden(resolved.path),
            Place::Host if resolved.diverged => {
                let mut real = resolved.path.clone();
                if real.is_empty() || resolved.is_folder {
                    real.push(b'/');
                }
                Target::Elsewhere {
                    seen: resolved.path,
                    real,
                    kind: Kind::Mapped,
                }
            }
            Place::Host => {
                if follow {
                    self.resolver.remember_plain(written);
                }
                Target::Host(resolved.path)
            }
        })
    }

    /// Forgets what was known of links where this may change some.
    pub fn links_change(&mut self, target: &Target) {
        match target {
            Target::Host(path)
            | Target::Hidden(path)
            | Target::Node(path, _)
            | Target::Elsewhere { seen: path, .. } => self.resolver.forget_near(path),
            Target::Descriptor(_) | Target::Unknown => self.resolver.forget(),
        }
    }

    /// What the program calls the folder behind one of its descriptors.
    pub fn folder_behind(&self, process: Process, fd: i32) -> Option<Bytes> {
        let real = process.fd_path(fd).ok()?;
        Some(self.namespace.seen(&real).unwrap_or(real))
    }

    /// The file that stands in for a node opened with O_PATH.
    pub fn placeholder(&mut self, id: NodeId) -> Result<Bytes, Errno> {
        let (kind, minor) = match id {
            NodeId::Character { minor, .. } => ("c", minor),
            NodeId::Block { minor, .. } => ("b", minor),
        };
        let folder = self.shadow.folder("/nodes").map_err(|_| Errno::IO)?;
        let path = folder.join(format!("{kind}{minor}"));
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
        let fd = sys::open(&c_string(&bytes), libc::O_CREAT | libc::O_WRONLY, 0o600)?;
        self.placeholders
            .insert(identity(&sys::fstat(fd.as_fd())?), id);
        Ok(bytes)
    }

    /// Warns, once for each text.
    pub fn warn(&mut self, text: &str) {
        self.log.warn(text);
    }
}
