//! The guest's userland: a static BusyBox for ARMv5TE, from Debian's package
//! `busybox-static` of architecture armel.
//!
//! That package cannot stand beside the host's own of the same name, so it is
//! never installed: it is downloaded and unpacked into the cache, which needs no
//! privileges, only that apt knows the architecture.

use super::cache::Cache;
use super::error::{Error, Missing};
use super::programs::{on_path, step, variable};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of its folder in the cache, and of the program in it.
const NAME: &str = "busybox";
const PACKAGE: &str = "busybox-static:armel";

/// Where BusyBox comes from.
pub enum Origin {
    /// `MTDKEEP_BUSYBOX`, or one from the cache.
    File(PathBuf),
    /// Debian's package, with its version, to be downloaded.
    Package(String),
}

impl Origin {
    /// Finds out. One in the cache will do, of whatever version: to ask apt
    /// which is the newest takes longer than to boot.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(cache: &Cache) -> Result<Self, Vec<Missing>> {
        if let Some(path) = variable("MTDKEEP_BUSYBOX") {
            return check_program(&path)
                .map(|()| Self::File(path.clone()))
                .map_err(|reason| {
                    vec![Missing {
                        what: format!("BusyBox ({})", path.display()),
                        remedy: format!(
                            "{reason}; set MTDKEEP_BUSYBOX to a static one for ARMv5TE"
                        ),
                    }]
                });
        }
        let kept = cache.any(NAME, |inputs| inputs.starts_with(PACKAGE));
        if let Some(folder) = kept {
            return Ok(Self::File(folder.join(NAME)));
        }
        let missing = |remedy: &str| {
            Err(vec![Missing {
                what: "a static BusyBox for ARMv5TE".into(),
                remedy: remedy.into(),
            }])
        };
        if !["apt-get", "apt-cache", "dpkg-deb"]
            .iter()
            .all(|program| on_path(program.as_ref()))
        {
            return missing("set MTDKEEP_BUSYBOX to one (Debian's comes in busybox-static, armel)");
        }
        match version_of_package() {
            Some(version) => Ok(Self::Package(version)),
            None => missing(
                "dpkg --add-architecture armel && apt-get update (the package itself is downloaded, not installed), or set MTDKEEP_BUSYBOX",
            ),
        }
    }

    /// The program: from the cache, or downloaded now.
    ///
    /// # Errors
    /// [`Error::Build`] and those of the file system.
    pub fn obtain(&self, cache: &Cache, report: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
        let version = match self {
            Self::File(path) => return Ok(path.clone()),
            Self::Package(version) => version,
        };
        let folder = cache.obtain(NAME, &format!("{PACKAGE} {version}"), |folder| {
            report("downloading BusyBox for the guest, once (from the Debian archive, by apt-get)");
            download(folder)
        })?;
        Ok(folder.join(NAME))
    }
}

fn version_of_package() -> Option<String> {
    let output = Command::new("apt-cache")
        .args(["show", "--no-all-versions", PACKAGE])
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("Version: ").map(str::to_owned))
}

fn download(folder: &Path) -> Result<(), Error> {
    let work = folder.join("work");
    fs::create_dir(&work).map_err(Error::io("make the folder", &work))?;
    step(
        "downloading busybox-static of architecture armel",
        Command::new("apt-get")
            .current_dir(&work)
            .args(["--quiet", "download", PACKAGE]),
    )?;
    let package = fs::read_dir(&work)
        .map_err(Error::io("list", &work))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .ok_or_else(|| {
            Error::io("find a package in", &work)(std::io::ErrorKind::NotFound.into())
        })?;
    step(
        "unpacking busybox-static",
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&package)
            .arg(work.join("tree")),
    )?;
    // /bin in Debian 12, /usr/bin in later ones.
    let program = ["bin/busybox", "usr/bin/busybox"]
        .map(|path| work.join("tree").join(path))
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| work.join("tree/bin/busybox"));
    check_program(&program).map_err(|reason| Error::Build {
        step: "unpacking busybox-static".into(),
        status: "not what was expected".into(),
        tail: reason,
    })?;
    let kept = folder.join(NAME);
    fs::copy(&program, &kept).map_err(Error::io("copy", &program))?;
    fs::remove_dir_all(&work).map_err(Error::io("remove", &work))
}

/// A wrong program would end in a kernel panic: look at it here.
fn check_program(path: &Path) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    // ELF, 32 bits, little-endian; machine 40 is ARM (ELF header, offset 18).
    let is_arm = bytes.starts_with(b"\x7fELF\x01\x01") && bytes.get(18..20) == Some(&[40, 0]);
    if is_arm {
        Ok(())
    } else {
        Err("not a little-endian 32-bit ARM program".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_arm_programs_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let mut header = vec![0; 52];
        header[..6].copy_from_slice(b"\x7fELF\x01\x01");
        header[18] = 40;
        fs::write(&path, &header).unwrap();
        check_program(&path).unwrap();
        header[18] = 62; // x86-64
        fs::write(&path, &header).unwrap();
        assert!(check_program(&path).is_err());
        assert!(check_program(&folder.path().join("absent")).is_err());
    }
}
