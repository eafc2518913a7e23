//! The temporary folder of one sandbox, made when something is first kept in it.
//!
//! Invariant: its path is known from the start, and it is made only in answer to
//! a program's call. By then there are processes that remove it should this one
//! be killed, and most programs never need it.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A temporary folder that may not be there yet. Dropping it removes the folder.
pub(in crate::sandbox) struct Scratch {
    root: PathBuf,
    /// The folders that it starts with; none once it is made.
    later: Mutex<Option<Vec<PathBuf>>>,
}

impl Scratch {
    /// A name that nobody else has.
    pub fn new() -> io::Result<Self> {
        // The kernel tells of files by paths without links.
        let above = std::env::temp_dir().canonicalize()?;
        let hasher = std::collections::hash_map::RandomState::new().build_hasher();
        let name = format!("mtdkeep-sandbox-{:016x}", hasher.finish());
        Ok(Self {
            root: above.join(name),
            later: Mutex::new(Some(Vec::new())),
        })
    }

    /// Where it is, or will be.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder inside that is there once the whole is.
    pub fn promise(&self, folder: PathBuf) -> io::Result<()> {
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *later {
            Some(later) => {
                later.push(folder);
                Ok(())
            }
            None => fs::create_dir_all(folder),
        }
    }

    /// Makes it, once.
    pub fn make(&self) -> io::Result<()> {
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(folders) = &*later else {
            return Ok(());
        };
        // A program of root's that became somebody else goes through here.
        // SAFETY: no arguments.
        let is_root = unsafe { libc::geteuid() } == 0;
        let mode = if is_root { 0o711 } else { 0o700 };
        fs::DirBuilder::new().mode(mode).create(&self.root)?;
        let made = folders.iter().try_for_each(fs::create_dir_all);
        *later = None;
        made
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let later = self.later.get_mut().unwrap_or_else(PoisonError::into_inner);
        if later.is_none() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}
