//! Where things are kept that take long to make: outside the source tree, in
//! `$MTDKEEP_CACHE`, else `$XDG_CACHE_HOME/mtdkeep`, else `~/.cache/mtdkeep`.
//!
//! Each thing has a folder whose name ends in a hash of everything it was made
//! from, and in it the text `inputs`, which is that everything.
//!
//! Invariants: a folder of that name is whole (it is made beside and renamed);
//! at most one process makes things at a time (a lock on `lock`); a thing whose
//! `inputs` do not match is not used.
//! Faults tolerated: leftovers of a process that was killed while it made one.

use super::error::Error;
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A cache of made things.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of this user.
    ///
    /// # Errors
    /// If no variable says where it is.
    pub fn of_user() -> Result<Self, Error> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = set("MTDKEEP_CACHE")
            .map(PathBuf::from)
            .or_else(|| set("XDG_CACHE_HOME").map(|base| Path::new(&base).join("mtdkeep")))
            .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache/mtdkeep")))
            .ok_or_else(|| Error::Io {
                operation: "find a cache folder: set MTDKEEP_CACHE; looked at",
                path: "$XDG_CACHE_HOME, $HOME".into(),
                source: io::ErrorKind::NotFound.into(),
            })?;
        // Programs are started elsewhere with paths into it.
        let folder = std::path::absolute(&folder).map_err(Error::io("resolve", &folder))?;
        Ok(Self { folder })
    }

    /// The folder of `name` made from `inputs`; calls `make` with an empty
    /// folder if there is none yet.
    ///
    /// # Errors
    /// What `make` or the file system said; nothing half made stays behind
    /// under the name.
    pub fn obtain(
        &self,
        name: &str,
        inputs: &str,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        let folder = self
            .folder
            .join(format!("{name}-{:016x}", hash(inputs.as_bytes())));
        if holds(&folder, inputs) {
            return Ok(folder);
        }
        fs::create_dir_all(&self.folder).map_err(Error::io("make the folder", &self.folder))?;
        let lock_path = self.folder.join("lock");
        let lock = fs::File::create(&lock_path).map_err(Error::io("open", &lock_path))?;
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| Error::io("lock", &lock_path)(errno.into()))?;
        // Somebody else may have made it while this one waited.
        if holds(&folder, inputs) {
            return Ok(folder);
        }
        let unfinished = folder.with_extension("unfinished");
        remove(&unfinished)?;
        remove(&folder)?;
        fs::create_dir(&unfinished).map_err(Error::io("make the folder", &unfinished))?;
        let made = make(&unfinished).and_then(|()| {
            let path = unfinished.join("inputs");
            fs::write(&path, inputs).map_err(Error::io("write", &path))?;
            fs::rename(&unfinished, &folder).map_err(Error::io("rename", &unfinished))
        });
        if let Err(error) = made {
            // The first error is the one to report.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        Ok(folder)
    }
}

impl Cache {
    /// A folder of `name`, whatever version of its inputs `wanted` accepts: the
    /// one that was made last.
    pub fn any(&self, name: &str, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
        let made = |folder: &Path| fs::metadata(folder.join("inputs")).and_then(|m| m.modified());
        fs::read_dir(&self.folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|folder| {
                // Its own name, which an unfinished one does not have.
                fs::read_to_string(folder.join("inputs")).is_ok_and(|inputs| {
                    let own = format!("{name}-{:016x}", hash(inputs.as_bytes()));
                    wanted(&inputs) && folder.file_name().is_some_and(|found| *found == *own)
                })
            })
            .max_by_key(|folder| made(folder).ok())
    }
}

fn holds(folder: &Path, inputs: &str) -> bool {
    fs::read(folder.join("inputs")).is_ok_and(|made_from| made_from == inputs.as_bytes())
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// FNV-1a, 64 bits: only names folders; `inputs` is compared in full.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache {
            folder: folder.path().join("cache"),
        };
        (folder, cache)
    }

    fn put(text: &'static str) -> impl FnOnce(&Path) -> Result<(), Error> {
        move |folder| {
            fs::write(folder.join("made"), text).unwrap();
            Ok(())
        }
    }

    #[test]
    fn makes_once_per_inputs() {
        let (_folder, cache) = cache();
        let first = cache.obtain("thing", "one", put("1")).unwrap();
        let again = cache
            .obtain("thing", "one", |_| panic!("made twice"))
            .unwrap();
        assert_eq!(first, again);
        let other = cache.obtain("thing", "two", put("2")).unwrap();
        assert_ne!(first, other);
        assert_eq!(fs::read(other.join("made")).unwrap(), b"2");
    }

    #[test]
    fn finds_any_that_is_whole_and_wanted() {
        let (_folder, cache) = cache();
        assert_eq!(cache.any("thing", |_| true), None);
        let one = cache.obtain("thing", "of one", put("1")).unwrap();
        cache.obtain("other", "of one", put("2")).unwrap();
        assert_eq!(cache.any("thing", |_| true), Some(one.clone()));
        assert_eq!(cache.any("thing", |inputs| inputs == "of two"), None);
        fs::rename(&one, one.with_extension("unfinished")).unwrap();
        assert_eq!(cache.any("thing", |_| true), None);
    }

    #[test]
    fn a_failure_leaves_nothing_and_can_be_repeated() {
        let (_folder, cache) = cache();
        let refused = cache.obtain("thing", "one", |folder| {
            fs::write(folder.join("half"), "").unwrap();
            Err(Error::HandedBack {
                reason: "no".into(),
            })
        });
        assert!(refused.is_err());
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1); // the lock
        let made = cache.obtain("thing", "one", put("1")).unwrap();
        assert!(!made.join("half").exists());
    }

    #[test]
    fn does_not_use_what_was_made_from_something_else() {
        let (_folder, cache) = cache();
        let made = cache.obtain("thing", "one", put("1")).unwrap();
        fs::write(made.join("inputs"), "another").unwrap();
        cache.obtain("thing", "one", put("again")).unwrap();
        assert_eq!(fs::read(made.join("made")).unwrap(), b"again");
    }
}
