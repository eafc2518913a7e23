//! The temporary folder of one sandbox, made when something is first kept in it.
//!
//! Invariants: its path is known from the start, and it is made only in answer to
//! a program's call: most programs never need it. It goes when the last [`Kept`] is
//! dropped, whoever else still knows of it; and should this process end before that,
//! in whatever way, by the hand of a janitor, who is there before the folder is.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A temporary folder that may not be there yet.
pub(in crate::sandbox) struct Scratch(Arc<Folder>);

/// As long as one of these is there, the folder stays.
pub(in crate::sandbox) struct Kept(Arc<Folder>);

struct Folder {
    root: PathBuf,
    stage: Mutex<Stage>,
}

enum Stage {
    /// Not there yet; it starts with these folders.
    Promised(Vec<PathBuf>),
    Made(Option<Janitor>),
    /// Removed for good.
    Gone,
}

impl Scratch {
    /// A name that nobody else has.
    pub fn new() -> io::Result<Self> {
        let mut above = std::env::temp_dir();
        if above.as_os_str().is_empty() {
            // As for a shell, an empty TMPDIR is none.
            above = "/tmp".into();
        }
        // The kernel tells of files by paths without links.
        let above = above.canonicalize().map_err(|error| {
            let text = format!("in {} (TMPDIR): {error}", above.display());
            io::Error::new(error.kind(), text)
        })?;
        let hasher = std::collections::hash_map::RandomState::new().build_hasher();
        let name = format!("mtdkeep-sandbox-{:016x}", hasher.finish());
        Ok(Self(Arc::new(Folder {
            root: above.join(name),
            stage: Mutex::new(Stage::Promised(Vec::new())),
        })))
    }

    /// What removes the folder when it is dropped.
    pub fn kept(&self) -> Kept {
        Kept(Arc::clone(&self.0))
    }

    /// Where it is, or will be.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// A folder inside that is there once the whole is.
    pub fn promise(&self, folder: PathBuf) -> io::Result<()> {
        match &mut *self.0.stage() {
            Stage::Promised(later) => {
                later.push(folder);
                Ok(())
            }
            Stage::Made(_) => fs::create_dir_all(folder),
            Stage::Gone => Err(gone()),
        }
    }

    /// Makes it, once.
    pub fn make(&self) -> io::Result<()> {
        let mut stage = self.0.stage();
        let folders = match &*stage {
            Stage::Promised(folders) => folders,
            Stage::Made(_) => return Ok(()),
            Stage::Gone => return Err(gone()),
        };
        let janitor = Janitor::start(&self.0.root)?;
        // A program of root's that became somebody else goes through here.
        // SAFETY: no arguments.
        let is_root = unsafe { libc::geteuid() } == 0;
        let mode = if is_root { 0o711 } else { 0o700 };
        let made = fs::DirBuilder::new().mode(mode).create(&self.0.root);
        let made = made.and_then(|()| folders.iter().try_for_each(fs::create_dir_all));
        *stage = Stage::Made(janitor);
        made
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the sandbox has ended")
}

impl Folder {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut stage = self.0.stage();
        let Stage::Made(janitor) = std::mem::replace(&mut *stage, Stage::Gone) else {
            return;
        };
        let removed = fs::remove_dir_all(&self.0.root);
        let is_gone = removed.is_ok() || !self.0.root.exists();
        match janitor {
            Some(janitor) if is_gone => janitor.dismiss(),
            // Somebody is still writing there: it goes with this process.
            _ => {}
        }
    }
}

/// A process that removes the folder after the end of this one.
struct Janitor(Child);

impl Janitor {
    /// None where there is no shell; the folder then stays if this process is killed.
    fn start(folder: &Path) -> io::Result<Option<Self>> {
        // The other end of its input is ours alone, and is closed when we end. What kills
        // us by a key or with our group does not reach it.
        const LINE: &str = "trap '' HUP INT QUIT TERM; read -r end; exec /bin/rm -rf -- \"$0\"";
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(LINE).arg(folder).current_dir("/");
        shell.stdin(Stdio::piped()).stdout(Stdio::null());
        shell.stderr(Stdio::null()).process_group(0);
        match shell.spawn() {
            Ok(child) => Ok(Some(Self(child))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The folder is gone already.
    fn dismiss(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_last_that_keeps_it_and_does_not_come_back() {
        let scratch = Scratch::new().unwrap();
        let kept = scratch.kept();
        assert!(!scratch.root().exists());
        scratch.make().unwrap();
        fs::write(scratch.root().join("file"), "something").unwrap();
        drop(kept);
        assert!(!scratch.root().exists());
        scratch.make().unwrap_err();
        scratch.promise(scratch.root().join("folder")).unwrap_err();
        assert!(!scratch.root().exists());
    }
}
