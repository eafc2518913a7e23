//! The files of /proc and /sys that the simulated device has, in a temporary
//! folder, and the redirects that put them in place.
//!
//! The texts are written when the program first asks for one of them: most
//! programs never do. Of them, ECC's counters alone change.

use crate::mtd::{MtdDevice, MtdSystem, NodeId};
use crate::sandbox::view::block;
use crate::sandbox::view::namespace::{Bytes, Kind, Namespace};
use crate::sandbox::view::scratch::{Kept, Scratch};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The temporary folder of one sandbox.
pub(in crate::sandbox) struct Shadow {
    scratch: Scratch,
    system: MtdSystem,
    filled: bool,
}

/// What stat tells of the size of such files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Pretended {
    /// /proc: empty by its looks.
    Empty,
    /// /sys: one page by its looks.
    Page,
}

impl Shadow {
    /// A folder that is not there yet, with the redirects into it.
    pub fn new(system: &MtdSystem, namespace: &mut Namespace) -> io::Result<Self> {
        let shadow = Self {
            scratch: Scratch::new()?,
            system: system.clone(),
            filled: false,
        };
        let host_has = |path: &str| Path::new(path).exists();
        let mut put = |path: &str, kind: u8| {
            let listed = (!host_has(path)).then_some(kind);
            namespace.redirect(path.as_bytes(), &shadow.at(path), Kind::Pseudo, listed);
        };
        for path in ["/proc/mtd", "/proc/devices", "/proc/partitions"] {
            put(path, libc::DT_REG);
        }
        put("/sys/class/mtd", libc::DT_DIR);
        put("/sys/devices/virtual/mtd", libc::DT_DIR);
        for device in system.devices() {
            for minor in [2 * device.index, 2 * device.index + 1] {
                put(&format!("/sys/dev/char/90:{minor}"), libc::DT_LNK);
            }
        }
        block::redirect(&shadow, system, namespace);
        Ok(shadow)
    }

    /// What removes the folder when it is dropped.
    pub fn kept(&self) -> Kept {
        self.scratch.kept()
    }

    /// The folder itself, which may not be there yet.
    pub fn root(&self) -> &Path {
        self.scratch.root()
    }

    /// Makes the folder if this real path is in it.
    pub fn make_for(&self, real: &[u8]) -> io::Result<()> {
        if real.starts_with(self.root().as_os_str().as_bytes()) {
            self.scratch.make()?;
        }
        Ok(())
    }

    /// Where something that the program sees at `path` really is.
    pub fn at(&self, path: &str) -> Bytes {
        self.file(path).as_os_str().as_bytes().to_vec()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Makes a folder for the caller's use, and answers where.
    pub fn folder(&self, path: &str) -> io::Result<PathBuf> {
        self.scratch.make()?;
        let folder = self.file(path);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Where something that the program makes at `seen` comes to lie.
    pub fn made(&self, seen: &[u8]) -> io::Result<Bytes> {
        self.scratch.make()?;
        let seen = Path::new(OsStr::from_bytes(seen));
        let path = self
            .root()
            .join("made")
            .join(seen.strip_prefix("/").unwrap_or(seen));
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        Ok(path.into_os_string().into_vec())
    }

    /// A folder for the caller's use that is there once the whole is; answers
    /// where.
    pub fn folder_later(&self, path: &str) -> io::Result<PathBuf> {
        let folder = self.file(path);
        self.scratch.promise(folder.clone())?;
        Ok(folder)
    }

    /// Whether a real path is one of the device's files, which differ from
    /// plain files in their looks.
    pub fn pretended(&self, real: &[u8]) -> Option<Pretended> {
        let rest = real.strip_prefix(self.root().as_os_str().as_bytes())?;
        if rest.starts_with(b"/proc/") {
            Some(Pretended::Empty)
        } else if rest.starts_with(b"/sys/") {
            Some(Pretended::Page)
        } else {
            None
        }
    }

    /// Whether the texts are there yet.
    pub fn is_filled(&self) -> bool {
        self.filled
    }

    /// Writes the texts, once.
    pub fn fill(&mut self) -> io::Result<()> {
        if self.filled {
            return Ok(());
        }
        self.filled = true;
        self.fill_proc()?;
        for path in [
            "/sys/class/mtd",
            "/sys/dev/char",
            "/sys/devices/virtual/mtd",
        ] {
            self.folder(path)?;
        }
        for device in self.system.devices() {
            let index = device.index;
            let files = self.system.sysfs(index).unwrap_or_default();
            self.fill_device(&device, "", 2 * index, &files)?;
            let files = self.system.sysfs_read_only_twin(index).unwrap_or_default();
            self.fill_device(&device, "ro", 2 * index + 1, &files)?;
            block::fill(self, &device, &self.place(&device))?;
        }
        Ok(())
    }

    /// Writes ECC's counters anew where the program asks for one: they change while flash
    /// is read.
    pub fn count_again(&self, real: &[u8]) -> io::Result<()> {
        const COUNTERS: [&str; 2] = ["corrected_bits", "ecc_failures"];
        if !COUNTERS.iter().any(|name| real.ends_with(name.as_bytes())) {
            return Ok(());
        }
        for device in self.system.devices() {
            let home = format!("/sys/devices/virtual/mtd/{}", self.place(&device));
            let files = self.system.sysfs(device.index).unwrap_or_default();
            for (name, text) in files.iter().filter(|(name, _)| COUNTERS.contains(name)) {
                let file = self.file(&home).join(name);
                if fs::read_to_string(&file).is_ok_and(|written| written != *text) {
                    fs::remove_file(&file)?;
                    write_read_only(&file, text)?;
                }
            }
        }
        Ok(())
    }

    /// Writes one of the kernel's texts.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        write_read_only(&file, text)
    }

    /// Makes one of the kernel's links.
    pub fn link(&self, path: &str, target: String) -> io::Result<()> {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        symlink(target, file)
    }

    /// Where a device stands below `/sys/devices/virtual/mtd`: in its parent's folder.
    fn place(&self, device: &MtdDevice) -> String {
        let place = self.system.sysfs_path(device.index);
        place.unwrap_or_else(|| format!("mtd{}", device.index))
    }

    fn fill_device(
        &self,
        device: &MtdDevice,
        twin: &str,
        minor: u32,
        files: &[(&str, String)],
    ) -> io::Result<()> {
        let place = format!("devices/virtual/mtd/{}{twin}", self.place(device));
        let home = self.folder(&format!("/sys/{place}"))?;
        for (file, text) in files {
            write_read_only(&home.join(file), text)?;
        }
        let up = "../".repeat(place.matches('/').count() + 1);
        symlink(format!("{up}class/mtd"), home.join("subsystem"))?;
        let name = format!("/sys/class/mtd/mtd{}{twin}", device.index);
        for link in [name, format!("/sys/dev/char/90:{minor}")] {
            symlink(format!("../../{place}"), self.file(&link))?;
        }
        Ok(())
    }

    fn fill_proc(&self) -> io::Result<()> {
        self.folder("/proc")?;
        write_read_only(&self.file("/proc/mtd"), &self.system.proc_mtd())?;
        let devices = fs::read_to_string("/proc/devices").unwrap_or_default();
        write_read_only(&self.file("/proc/devices"), &with_drivers(&devices))?;
        let partitions = fs::read_to_string("/proc/partitions").unwrap_or_default();
        let text = self.with_partitions(&partitions);
        write_read_only(&self.file("/proc/partitions"), &text)
    }

    /// The host's block devices without real flash, and ours.
    fn with_partitions(&self, host: &str) -> String {
        let mut text = String::from("major minor  #blocks  name\n\n");
        for device in self.system.devices() {
            let (index, blocks) = (device.index, device.size_bytes / 1024);
            text += &format!("{:4}  {index:7} {blocks:10} mtdblock{index}\n", 31);
        }
        for line in host.lines().skip(2) {
            if !line.trim_start().starts_with("31 ") {
                text += line;
                text.push('\n');
            }
        }
        text
    }
}

/// Adds MTD's two drivers to /proc/devices, in the order of their numbers.
fn with_drivers(host: &str) -> String {
    let mut text = String::new();
    let put = |number: u32, name: &str, rest: &mut Vec<(u32, String)>| {
        rest.retain(|(other, _)| *other != number);
        rest.push((number, name.to_owned()));
        rest.sort_by_key(|(number, _)| *number);
    };
    let (characters, blocks) = host.split_once("Block devices:").unwrap_or((host, ""));
    for (title, list, number, name) in [
        ("Character devices:", characters, 90, "mtd"),
        ("\nBlock devices:", blocks, 31, "mtdblock"),
    ] {
        let parse = |line: &str| {
            let (number, name) = line.trim_start().split_once(' ')?;
            Some((number.parse().ok()?, name.to_owned()))
        };
        let mut rest: Vec<(u32, String)> = list.lines().filter_map(parse).collect();
        put(number, name, &mut rest);
        text += title;
        text.push('\n');
        for (number, name) in rest {
            text += &format!("{number:3} {name}\n");
        }
    }
    text
}

/// Whether root may write to this text on Linux.
pub(in crate::sandbox) fn is_setting(path: &[u8]) -> bool {
    path.ends_with(b"/bitflip_threshold")
}

fn write_read_only(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    let mode = match is_setting(path.as_os_str().as_bytes()) {
        true => 0o644,
        false => 0o444,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// The node that a host's real device file is, if it is one of MTD's.
pub(in crate::sandbox) fn flash_node(path: &Path) -> Option<NodeId> {
    use std::os::unix::fs::FileTypeExt;
    let about = fs::symlink_metadata(path).ok()?;
    let (major, minor) = (libc::major(about.rdev()), libc::minor(about.rdev()));
    if about.file_type().is_char_device() && major == crate::mtd::MTD_CHAR_MAJOR {
        Some(NodeId::Character { major, minor })
    } else if about.file_type().is_block_device() && major == crate::mtd::MTD_BLOCK_MAJOR {
        Some(NodeId::Block { major, minor })
    } else {
        None
    }
}
