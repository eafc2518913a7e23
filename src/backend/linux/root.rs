//! The folder in which `proc`, `sys` and `dev` are looked for.
//!
//! Invariants: below another root than `/` nothing outside of it is found: what a
//! symbolic link says counts from that root, as it does for a process whose root it
//! is, and `..` ends there. Links are followed one by one, because the kernel's own
//! way to say so (openat2) is Linux 5.6's.
//!
//! Faults tolerated: links that lead nowhere, out of the tree, or to each other.

use super::super::open_device::uninterrupted;
use crate::mtd::Errno;
use rustix::fs::CWD;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As many as Linux follows (Linux 6.1, include/linux/namei.h, MAXSYMLINKS).
const LINKS_MAX: u32 = 40;

/// Where `proc`, `sys` and `dev` are.
#[derive(Debug, Clone)]
pub(super) struct Root {
    path: PathBuf,
    is_other: bool,
}

impl Root {
    /// The running system's, or another one.
    pub(super) fn new(other: Option<PathBuf>) -> Self {
        Self {
            is_other: other.is_some(),
            path: other.unwrap_or_else(|| PathBuf::from("/")),
        }
    }

    /// Whether it is another than the running system's.
    pub(super) fn is_other(&self) -> bool {
        self.is_other
    }

    /// A path below it, as people write it.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.path.join(below)
    }

    /// The same path without symbolic links below the root; ENOENT where there is
    /// nothing, ELOOP where links do not end.
    pub(super) fn resolve(&self, below: &str) -> Result<PathBuf, Errno> {
        if !self.is_other {
            return Ok(self.path(below));
        }
        let mut found = PathBuf::new();
        let mut left = Vec::new();
        push_names(&mut left, below.as_bytes());
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == b".." {
                found.pop();
                continue;
            }
            found.push(OsStr::from_bytes(&name));
            let target = match self.read_link(&found) {
                // No link.
                Err(Errno::INVAL) => continue,
                other => other?,
            };
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::LOOP);
            }
            found.pop();
            if target.starts_with(b"/") {
                found = PathBuf::new();
            }
            push_names(&mut left, &target);
        }
        Ok(self.path.join(found))
    }

    fn read_link(&self, below: &Path) -> Result<Vec<u8>, Errno> {
        let path = self.path.join(below);
        let target = uninterrupted(|| rustix::fs::readlinkat(CWD, &path, Vec::new()))?;
        Ok(target.into_bytes())
    }
}

/// Puts the names of a path on a stack, so that its first comes off first.
fn push_names(stack: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|byte| *byte == b'/');
    let names = names.filter(|name| !name.is_empty() && *name != b".");
    stack.extend(names.rev().map(<[u8]>::to_vec));
}
