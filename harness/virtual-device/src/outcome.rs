//! What a run of a virtual device brought.

use super::clock::Timed;
use super::cpio::{self, DIRECTORY, KIND, REGULAR};
use super::error::{Error, tail};
use super::guest::{ARCHIVE_OFFSET_BYTES, EXCHANGE_BYTES};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};
use std::time::Duration;

/// A file or folder that the guest handed back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestFile {
    /// Kind and permissions, as in `st_mode`.
    pub mode: u32,
    /// Contents; of a symbolic link its target.
    pub bytes: Vec<u8>,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its exit status; 128 and the number of the signal that ended it.
    pub status: i32,
    /// What it wrote to standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, byte for byte.
    pub stderr: Vec<u8>,
    /// What stood on the console: the kernel's messages above all.
    pub console: String,
    /// The files that were asked for, by absolute path. One that the guest did
    /// not have is not here.
    pub files: BTreeMap<String, GuestFile>,
    /// What the guest's command `timed` timed, in order; see
    /// [`VirtualDevice::timed_by`](super::VirtualDevice::timed_by).
    pub times: Vec<Timed>,
    /// From power-on to the end.
    pub elapsed: Duration,
}

impl Outcome {
    /// Standard output as text.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Contents of a file that was handed back.
    #[must_use]
    pub fn file(&self, guest_path: &str) -> Option<&[u8]> {
        self.files.get(guest_path).map(|file| file.bytes.as_slice())
    }

    /// Itself, if the command ended with status 0.
    ///
    /// # Panics
    /// With status, output and the end of the console otherwise: for tests.
    #[must_use]
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(
            self.status == 0,
            "status {}\nstdout: {}\nstderr: {}\nend of the console:\n{}",
            self.status,
            tail(&self.stdout_text()),
            tail(&self.stderr_text()),
            tail(&self.console)
        );
        self
    }

    /// Writes a folder that was handed back, or a single file, to the host.
    /// Folders and regular files only; a link or node in it is refused.
    ///
    /// # Errors
    /// If the guest did not hand it back, or the host refuses.
    pub fn copy_out(&self, guest_path: &str, to: &Path) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::HandedBack { reason });
        let mut found = false;
        for (path, file) in &self.files {
            let Some(below) = path.strip_prefix(guest_path.trim_end_matches('/')) else {
                continue;
            };
            if !below.is_empty() && !below.starts_with('/') {
                continue;
            }
            found = true;
            let below = Path::new(below.trim_start_matches('/'));
            if !below
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
            {
                return refuse(format!("{path:?} would leave its folder"));
            }
            // Joined with nothing, a path would end in a slash.
            let target = if below.as_os_str().is_empty() {
                to.to_path_buf()
            } else {
                to.join(below)
            };
            match file.mode & KIND {
                DIRECTORY => fs::create_dir_all(&target),
                REGULAR => fs::write(&target, &file.bytes),
                _ => return refuse(format!("{path:?} is neither a file nor a folder")),
            }
            .map_err(Error::io("write", &target))?;
        }
        if found {
            Ok(())
        } else {
            refuse(format!(
                "{guest_path:?} was not in the guest, or not asked for"
            ))
        }
    }
}

/// What was left when the power was cut.
#[derive(Debug, Clone)]
pub struct PowerCut {
    /// Standard output so far.
    pub stdout: Vec<u8>,
    /// Standard error so far.
    pub stderr: Vec<u8>,
    /// The console so far.
    pub console: String,
    /// From power-on to the cut.
    pub elapsed: Duration,
}

/// The record that the init script leaves last of all.
pub(super) fn status(exchange: &[u8]) -> Option<i32> {
    let record = exchange.split(|byte| *byte == b'\n').next()?;
    let record = std::str::from_utf8(record).ok()?;
    let status = record.strip_prefix("virtual iSpot ended: status ")?;
    status.strip_suffix('.')?.parse().ok()
}

/// The files that the init script left.
pub(super) fn files(exchange: &[u8]) -> Result<BTreeMap<String, GuestFile>, Error> {
    let archive = exchange.get(ARCHIVE_OFFSET_BYTES..).unwrap_or_default();
    let entries = cpio::read(archive).map_err(|reason| Error::HandedBack {
        reason: format!(
            "{reason} (there is room for {} bytes)",
            EXCHANGE_BYTES - ARCHIVE_OFFSET_BYTES
        ),
    })?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let file = GuestFile {
                mode: entry.mode,
                bytes: entry.bytes,
            };
            (format!("/{}", entry.name.trim_start_matches('/')), file)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_a_whole_record_only() {
        assert_eq!(status(b"virtual iSpot ended: status 137.\n\0\0"), Some(137));
        for other in [
            &b"virtual iSpot ended: status 1"[..],
            b"virtual iSpot ended: status .\n",
            b"\0\0\0\0",
            b"",
        ] {
            assert_eq!(status(other), None);
        }
    }

    fn outcome(files: &[(&str, u32, &[u8])]) -> Outcome {
        Outcome {
            status: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            console: String::new(),
            files: files
                .iter()
                .map(|(path, mode, bytes)| {
                    let file = GuestFile {
                        mode: *mode,
                        bytes: bytes.to_vec(),
                    };
                    ((*path).to_owned(), file)
                })
                .collect(),
            times: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn copies_a_folder_out_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out");
        let outcome = outcome(&[
            ("/tmp/b", DIRECTORY | 0o755, b""),
            ("/tmp/b/sub", DIRECTORY | 0o755, b""),
            ("/tmp/b/sub/file", REGULAR | 0o644, b"x"),
            ("/tmp/bad", REGULAR | 0o644, b"y"),
        ]);
        outcome.copy_out("/tmp/b", &to).unwrap();
        assert_eq!(fs::read(to.join("sub/file")).unwrap(), b"x");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
        outcome
            .copy_out("/tmp/bad", &folder.path().join("single"))
            .unwrap();
        assert!(outcome.copy_out("/tmp/none", &to).is_err());
    }

    #[test]
    fn lets_nothing_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = outcome(&[
            ("/b/../../x", REGULAR, b"x"),
            ("/l/link", 0o120_777, b"/etc"),
        ]);
        assert!(outcome.copy_out("/b", folder.path()).is_err());
        assert!(outcome.copy_out("/l", folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
