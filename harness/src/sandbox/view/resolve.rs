//! From a path argument to the absolute path that it means to the program.
//!
//! The kernel cannot do this for us: it knows nothing of our nodes and
//! redirects, which may stand behind a symbolic link, a relative path, a
//! descriptor of a folder or /proc/self/fd.
//!
//! Invariant: a result that is not `diverged` names the file that the kernel
//! itself would find.
//! Tolerates: a tree that changes meanwhile (like any user of paths), folders
//! that the supervisor may not look into (taken as they are written).

use crate::Errno;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::view::namespace::{Bytes, Namespace, Place, split};
use std::collections::{HashMap, HashSet, VecDeque};

/// As many symbolic links as Linux follows (fs/namei.c, MAXSYMLINKS).
const LINKS_MAX: u32 = 40;

/// What a path means.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Resolved {
    /// Absolute, as the program sees the tree.
    pub path: Bytes,
    /// The kernel would find something else under what was written.
    pub diverged: bool,
    /// It ended in a slash: only a folder may stand there.
    pub is_folder: bool,
    /// It ended in `.` or `..`: a folder that is neither made nor taken away there.
    pub ends_in_dots: bool,
    /// A symbolic link was followed.
    pub followed: bool,
    /// It is a descriptor in /proc/PID/fd: (process, descriptor).
    pub descriptor: Option<(u32, i32)>,
}

impl Resolved {
    /// Ends a real path as it was written, so that the kernel says about it what it says.
    pub fn complete(&self, real: &mut Bytes) {
        if self.ends_in_dots {
            real.extend_from_slice(b"/.");
        } else if self.is_folder {
            real.push(b'/');
        }
    }
}

/// Resolves paths, and remembers what system folders are.
#[derive(Default)]
pub(in crate::sandbox) struct Resolver {
    /// Folders like /lib/x86_64-linux-gnu, by what was written.
    folders: HashMap<Bytes, Bytes>,
    /// Paths in system folders that are the host's, as they were written.
    plain: HashSet<Bytes>,
    /// The same for who does not follow a link at their end. No other link is in them:
    /// what is made or moved at such a path is known by it.
    plain_unfollowed: HashSet<Bytes>,
    /// Some process may have a root folder of its own.
    has_roots: bool,
}

struct Walk<'a> {
    namespace: &'a Namespace,
    process: Process,
    /// The process's root folder, as everybody sees it.
    root: Bytes,
    at: Bytes,
    todo: VecDeque<Bytes>,
    links: u32,
    diverged: bool,
    is_folder: bool,
    descriptor: Option<(u32, i32)>,
    /// Nothing below here exists on the host.
    missing: bool,
    /// It starts in a folder of ours that was removed, and is about to leave it.
    leaves_removed: bool,
}

impl Resolver {
    /// Forgets everything: links may have changed.
    pub fn forget(&mut self) {
        self.folders.clear();
        self.plain.clear();
        self.plain_unfollowed.clear();
    }

    /// Forgets everything if something changes at this path.
    pub fn forget_near(&mut self, path: &[u8]) {
        if is_system(path) {
            self.forget();
        }
    }

    /// Whether this was found to be the host's before.
    pub fn is_plain(&self, written: &[u8], follow: bool) -> bool {
        let known = match follow {
            true => &self.plain,
            false => &self.plain_unfollowed,
        };
        !self.has_roots && known.contains(written)
    }

    /// Remembers that this is the host's, if it is in a folder that stays.
    pub fn remember_plain(&mut self, written: Bytes, follow: bool) {
        const REMEMBERED_MAX: usize = 4096;
        if !self.has_roots && is_system(&written) {
            let known = match follow {
                true => &mut self.plain,
                false => &mut self.plain_unfollowed,
            };
            if known.len() >= REMEMBERED_MAX {
                known.clear();
            }
            known.insert(written);
        }
    }

    /// From now on processes may have root folders of their own.
    pub fn notice_roots(&mut self) {
        self.has_roots = true;
        self.forget();
    }

    /// Resolves `path` relative to the descriptor `dirfd` (or AT_FDCWD).
    pub fn resolve(
        &mut self,
        namespace: &Namespace,
        process: Process,
        dirfd: i32,
        path: &[u8],
        follow: bool,
    ) -> Result<Resolved, Errno> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let (folder, name) = split(path);
        let cacheable = !self.has_roots && is_system(folder) && !matches!(name, b"" | b"." | b"..");
        let mut walk = Walk::new(namespace, process);
        if self.has_roots {
            let root = process.root();
            walk.root = root.map_or_else(Bytes::new, |it| namespace.seen(&it).unwrap_or(it));
        }
        if let Some(known) = self.folders.get(folder).filter(|_| cacheable) {
            walk.at.clone_from(known);
            walk.push_front(name);
        } else if path[0] == b'/' {
            walk.at.clone_from(&walk.root);
            walk.push_front(path);
        } else {
            walk.start_at(dirfd, path)?;
            walk.push_front(path);
        }
        walk.run(follow)?;
        if cacheable && !walk.diverged && split(&walk.at).1 == name {
            let real_folder = split(&walk.at).0.to_vec();
            self.folders.insert(folder.to_vec(), real_folder);
        }
        Ok(Resolved {
            path: walk.at,
            diverged: walk.diverged,
            is_folder: walk.is_folder,
            ends_in_dots: ends_in_dots(path),
            followed: walk.links > 0,
            descriptor: walk.descriptor,
        })
    }
}

/// Folders that programs look into at every start, and nearly never change.
fn is_system(folder: &[u8]) -> bool {
    [b"/usr".as_slice(), b"/lib", b"/etc", b"/bin", b"/sbin"]
        .iter()
        .any(|system| folder.starts_with(system))
}

impl<'a> Walk<'a> {
    fn new(namespace: &'a Namespace, process: Process) -> Self {
        Self {
            namespace,
            process,
            root: Vec::new(),
            at: Vec::new(),
            todo: VecDeque::new(),
            links: 0,
            diverged: false,
            is_folder: false,
            descriptor: None,
            missing: false,
            leaves_removed: false,
        }
    }

    fn start_at(&mut self, dirfd: i32, path: &[u8]) -> Result<(), Errno> {
        let mut real = if dirfd == libc::AT_FDCWD {
            self.process.cwd()?
        } else {
            // Not open: the kernel says so itself.
            self.process.fd_path(dirfd).map_err(|_| Errno::BADF)?
        };
        if real.first() != Some(&b'/') {
            return Err(Errno::NOTDIR);
        }
        if is_removed(&real) && self.namespace.seen(&real).is_some() {
            let mut parts = path.split(|&byte| byte == b'/');
            if parts.find(|part| !matches!(*part, b"" | b".")) != Some(b"..") {
                // What is left of it the kernel finds by itself.
                return Err(Errno::SRCH);
            }
            real.truncate(real.len() - REMOVED.len());
            self.leaves_removed = true;
        }
        self.at = match self.namespace.seen(&real) {
            Some(seen) => {
                self.diverged = true;
                seen
            }
            None if real == b"/" => Vec::new(),
            None => real,
        };
        Ok(())
    }

    fn push_front(&mut self, path: &[u8]) {
        for part in path.rsplit(|&byte| byte == b'/') {
            self.todo.push_front(part.to_vec());
        }
    }

    /// Whether nothing but slashes and dots is left; notes a trailing slash.
    fn is_last(&mut self) -> bool {
        let last = self.todo.iter().all(|part| part.is_empty() || part == b".");
        if last && !self.todo.is_empty() {
            self.is_folder = true;
        }
        last
    }

    fn run(&mut self, follow: bool) -> Result<(), Errno> {
        while let Some(part) = self.todo.pop_front() {
            match part.as_slice() {
                b"" | b"." => {}
                b".." => self.climb()?,
                _ => self.step(&part, follow)?,
            }
        }
        Ok(())
    }

    /// Goes to the folder above, which exists only if this one does.
    fn climb(&mut self) -> Result<(), Errno> {
        if self.missing {
            return Err(Errno::NOENT);
        }
        if std::mem::take(&mut self.leaves_removed) {
            self.diverged = true;
        } else if !matches!(self.namespace.place(&self.at), Place::Host) {
            self.diverged = true;
            let real = self.namespace.real(&self.at);
            let about = sys::stat(&c_string(&real), true)?;
            if about.st_mode & libc::S_IFMT != libc::S_IFDIR {
                return Err(Errno::NOTDIR);
            }
        }
        if self.at != self.root {
            let above = split(&self.at).0.len();
            self.at.truncate(above);
        }
        Ok(())
    }

    fn step(&mut self, part: &[u8], follow: bool) -> Result<(), Errno> {
        let last = self.is_last();
        self.at.push(b'/');
        self.at.extend_from_slice(part);
        if self.at == b"/proc/self" {
            self.at = format!("/proc/{}", self.process.tgid()).into_bytes();
        } else if self.at == b"/proc/thread-self" {
            let (tgid, tid) = (self.process.tgid(), self.process.tid);
            self.at = format!("/proc/{tgid}/task/{tid}").into_bytes();
        }
        if last && !(follow || self.is_folder) {
            return Ok(());
        }
        if last {
            self.descriptor = descriptor(&self.at);
            if self.descriptor.is_some() {
                return Ok(());
            }
        }
        if self.missing && !self.at.starts_with(b"/proc") {
            return Ok(());
        }
        if self.namespace.node_at(&self.at).is_some() {
            return if last && !self.is_folder {
                Ok(())
            } else {
                Err(Errno::NOTDIR)
            };
        }
        let real = self.namespace.real(&self.at);
        match sys::readlink(&c_string(&real)) {
            Ok(target) => self.follow(&real, &target)?,
            // Ours may still stand below: `place` asks for the path alone.
            Err(Errno::NOENT) => self.missing = true,
            Err(_) => {}
        }
        Ok(())
    }

    fn follow(&mut self, real: &[u8], target: &[u8]) -> Result<(), Errno> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::LOOP);
        }
        if real != self.at {
            self.diverged = true;
        }
        // The links of /proc name real files, not what the program calls them.
        let is_of_proc = self.at.starts_with(b"/proc/");
        if is_of_proc && target.starts_with(b"/memfd:") {
            // A stand-in, or other memory that is no folder.
            return Err(Errno::NOTDIR);
        }
        let seen = match is_of_proc {
            true => self.namespace.seen(target),
            false => None,
        };
        if seen.is_some() {
            self.diverged = true;
        }
        let target = seen.as_deref().unwrap_or(target);
        if target.first() == Some(&b'/') {
            self.at.clear();
            if !is_of_proc {
                self.at.extend_from_slice(&self.root);
            }
        } else {
            let above = split(&self.at).0.len();
            self.at.truncate(above);
        }
        self.push_front(target);
        Ok(())
    }
}

/// What the kernel puts behind the name of what was removed (fs/d_path.c).
const REMOVED: &[u8] = b" (deleted)";

/// Whether a name that the kernel gave is of something that was removed.
pub(in crate::sandbox) fn is_removed(real: &[u8]) -> bool {
    real.ends_with(REMOVED) && sys::stat(&c_string(real), false).is_err()
}

/// The last part of a path, without the slashes behind it.
pub(in crate::sandbox) fn last_part(written: &[u8]) -> &[u8] {
    let end = written.iter().rposition(|&byte| byte != b'/');
    split(&written[..end.map_or(0, |end| end + 1)]).1
}

/// Whether the last part of a path is `.` or `..`.
pub(in crate::sandbox) fn ends_in_dots(written: &[u8]) -> bool {
    matches!(last_part(written), b"." | b"..")
}

/// Takes /proc/PID/fd/N and /proc/PID/task/TID/fd/N apart. What this process holds for
/// the sandbox itself is no open device: nobody on a device would see it.
pub(in crate::sandbox) fn descriptor(path: &[u8]) -> Option<(u32, i32)> {
    let text = std::str::from_utf8(path.strip_prefix(b"/proc/")?).ok()?;
    let parts: Vec<&str> = text.split('/').collect();
    let (id, fd) = match parts.as_slice() {
        [pid, "fd", fd] => (pid, fd),
        [_, "task", tid, "fd", fd] => (tid, fd),
        _ => return None,
    };
    let id = id.parse().ok().filter(|id| *id != std::process::id())?;
    Some((id, fd.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_to_who_follows_links_is_not_to_who_does_not() {
        let mut resolver = Resolver::default();
        resolver.remember_plain(b"/lib/x".to_vec(), true);
        resolver.remember_plain(b"/usr/y".to_vec(), false);
        resolver.remember_plain(b"/tmp/z".to_vec(), true);
        let known = |resolver: &Resolver, path: &str| {
            [true, false].map(|follow| resolver.is_plain(path.as_bytes(), follow))
        };
        assert_eq!(known(&resolver, "/lib/x"), [true, false]);
        assert_eq!(known(&resolver, "/usr/y"), [false, true]);
        // Links elsewhere change.
        assert_eq!(known(&resolver, "/tmp/z"), [false, false]);
        resolver.forget_near(b"/tmp/z");
        assert_eq!(known(&resolver, "/usr/y"), [false, true]);
        resolver.forget_near(b"/usr/z");
        assert_eq!(known(&resolver, "/lib/x"), [false, false]);
        assert_eq!(known(&resolver, "/usr/y"), [false, false]);
    }
}
