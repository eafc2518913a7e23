//! A sandboxed thread as its supervisor sees it: memory, paths, descriptors.
//!
//! Invariant: everything here only looks; nothing changes the process.
//! Tolerates: a process that dies or changes under our eyes (errors, which the
//! kernel reports to nobody).

use crate::Errno;
use crate::mtd::UserMemory;
use crate::sandbox::call::Trapped;
use crate::sandbox::kernel::sys;
use std::ffi::CString;

/// The longest path that Linux takes.
pub(in crate::sandbox) const PATH_BYTES_MAX: usize = 4096;

/// What [`Process::short_path`] reads at most.
pub(in crate::sandbox) const SHORT_PATH_BYTES: usize = 256;

/// One thread of the sandboxed program.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Process {
    /// Its thread id.
    pub tid: u32,
}

/// Turns bytes into a C string; a path with a zero byte inside cannot exist.
pub(in crate::sandbox) fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|&byte| byte == 0);
    CString::new(&bytes[..end.unwrap_or(bytes.len())]).expect("cut at the first zero byte")
}

impl Process {
    /// Reads a path argument as far as that takes a single look; none: it is longer, or
    /// cannot be read.
    pub fn short_path(self, address: u64, room: &mut [u8; SHORT_PATH_BYTES]) -> Option<&[u8]> {
        // Do not read across a page that may not be there.
        let in_page = 4096 - (address % 4096) as usize;
        let part = &mut room[..in_page.min(SHORT_PATH_BYTES)];
        let count = sys::memory_read(self.tid, address, part).ok()?;
        let end = part[..count].iter().position(|&byte| byte == 0)?;
        Some(&part[..end])
    }

    /// Reads a path argument.
    pub fn path(self, address: u64) -> Result<Vec<u8>, Errno> {
        let mut path = Vec::with_capacity(256);
        let mut chunk = [0u8; 256];
        while path.len() < PATH_BYTES_MAX {
            let at = address + path.len() as u64;
            // Do not read across a page that may not be there.
            let in_page = 4096 - (at % 4096) as usize;
            let part = &mut chunk[..in_page.min(256)];
            let count = sys::memory_read(self.tid, at, part)?;
            if let Some(end) = part[..count].iter().position(|&byte| byte == 0) {
                path.extend_from_slice(&part[..end]);
                return Ok(path);
            }
            if count < part.len() {
                return Err(Errno::FAULT);
            }
            path.extend_from_slice(part);
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Reads exactly `buf.len()` bytes.
    pub fn read(self, address: u64, buf: &mut [u8]) -> Result<(), Errno> {
        if sys::memory_read(self.tid, address, buf)? == buf.len() {
            Ok(())
        } else {
            Err(Errno::FAULT)
        }
    }

    /// Whether these bytes are at an address already.
    pub fn has(self, address: u64, bytes: &[u8]) -> bool {
        let mut found = vec![0u8; bytes.len()];
        self.read(address, &mut found).is_ok() && found == bytes
    }

    /// Reads a number of eight bytes.
    pub fn read_u64(self, address: u64) -> Result<u64, Errno> {
        let mut bytes = [0u8; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Writes all of `bytes`.
    pub fn write(self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        sys::memory_write(self.tid, address, bytes)
    }

    /// The name of something below its folder in /proc.
    pub fn proc(self, rest: &str) -> CString {
        c_string(format!("/proc/{}/{rest}", self.tid).as_bytes())
    }

    /// Whether a name in one of its folders (by descriptor, or AT_FDCWD) may be a
    /// symbolic link.
    pub fn may_be_link(self, folder: i32, name: &[u8]) -> bool {
        let mut path = match folder {
            libc::AT_FDCWD => format!("/proc/{}/cwd/", self.tid),
            fd => format!("/proc/{}/fd/{fd}/", self.tid),
        }
        .into_bytes();
        path.extend_from_slice(name);
        !matches!(
            sys::readlink(&c_string(&path)),
            Err(Errno::INVAL | Errno::NOENT)
        )
    }

    /// Where its working directory really is.
    pub fn cwd(self) -> Result<Vec<u8>, Errno> {
        sys::readlink(&self.proc("cwd"))
    }

    /// Its root folder, if that is not everybody's (chroot).
    pub fn root(self) -> Option<Vec<u8>> {
        let root = sys::readlink(&self.proc("root")).ok()?;
        (root != b"/").then_some(root)
    }

    /// The path by which it reaches what is really there; none: it cannot.
    pub fn inside(self, real: &[u8]) -> Option<Vec<u8>> {
        let Some(root) = self.root() else {
            return Some(real.to_vec());
        };
        match real.strip_prefix(root.as_slice())? {
            b"" => Some(b"/".to_vec()),
            rest if rest[0] == b'/' => Some(rest.to_vec()),
            _ => None,
        }
    }

    /// What one of its descriptors really is, as the kernel names it.
    pub fn fd_path(self, fd: i32) -> Result<Vec<u8>, Errno> {
        sys::readlink(&self.proc(&format!("fd/{fd}")))
    }

    /// fstat of one of its descriptors.
    pub fn fd_stat(self, fd: i32) -> Result<libc::stat, Errno> {
        sys::stat(&self.proc(&format!("fd/{fd}")), true)
    }

    /// A line of its `status` file, such as `Tgid`.
    pub fn status(self, key: &str) -> Option<String> {
        let text = sys::text(&self.proc("status")).ok()?;
        let line = text
            .lines()
            .find(|line| line.split(':').next() == Some(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }

    /// The id of the process that this thread belongs to.
    pub fn tgid(self) -> u32 {
        let tgid = self.status("Tgid").and_then(|text| text.parse().ok());
        tgid.unwrap_or(self.tid)
    }

    /// How long a file may become by what it does (RLIMIT_FSIZE).
    pub fn file_size_limit(self) -> u64 {
        let mut limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        let pid = self.tgid() as libc::pid_t;
        // SAFETY: the limit is a local; nothing is set. What cannot be asked stays.
        unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, std::ptr::null(), &mut limit) };
        limit.rlim_cur
    }

    /// Its umask.
    pub fn umask(self) -> u32 {
        let mask = self.status("Umask");
        mask.and_then(|text| u32::from_str_radix(&text, 8).ok())
            .unwrap_or(0o022)
    }

    /// Its effective user and group: they own its folder in /proc
    /// (fs/proc/base.c, task_dump_owner).
    pub fn owner(self) -> (u32, u32) {
        let folder = sys::stat(&self.proc(""), true);
        folder.map_or((0, 0), |about| (about.st_uid, about.st_gid))
    }
}

impl Trapped {
    /// The thread that made the call.
    pub fn process(&self) -> Process {
        Process { tid: self.tid }
    }
}

impl UserMemory for Process {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Errno> {
        Process::read(*self, address, buf)
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        Process::write(*self, address, bytes)
    }
}
