//! Files in shared memory that stand in for nodes: the kernel serves a
//! program's reads from them, at full speed.
//!
//! A stand-in is a memfd that nobody but its one mapping can write to, not even
//! a descriptor that is open for writing, from its first open on. It is made when its node is first
//! opened, filled when that is first opened for reading, and kept in step with
//! the flash from then on: the kernel may read from a description at any moment
//! and for anybody, and never finds anything else than what the node holds.
//!
//! Invariants: only we hold the description that [`StandIn::is_alone`] asks
//! about; nothing of ours is in a description that programs get but the number
//! of its signal.

use crate::Errno;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared memory that only its mapping can write to.
pub(in crate::sandbox) struct StandIn {
    pub size_bytes: u64,
    memfd: OwnedFd,
    base: *mut u8,
    is_sealed: AtomicBool,
}

// SAFETY: the mapping belongs to no thread; who writes to it holds the lock of
// what is shown in it: [`StandIn::write`] demands that.
unsafe impl Send for StandIn {}
// SAFETY: as above; all else only looks at the descriptor.
unsafe impl Sync for StandIn {}

impl StandIn {
    /// All zero and taking no memory yet. `name` shows up in /proc/PID/fd.
    pub fn new(name: &str, size_bytes: u64) -> Result<Self, Errno> {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string.
        let fd = unsafe { libc::memfd_create(c_string(name.as_bytes()).as_ptr(), flags) };
        if fd < 0 {
            return Err(sys::last_errno());
        }
        // SAFETY: the kernel just made this descriptor for us.
        let made = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: plain numbers.
        if unsafe { libc::ftruncate(fd, size_bytes as i64) } != 0 {
            return Err(sys::last_errno());
        }
        // The kernel counts the openers of what was opened, not of what was made.
        let memfd = reopen(&made, libc::O_RDWR)?;
        // Who opens it in the moment of `is_alone` has us signalled: by one that
        // does nothing.
        sys::fcntl(memfd.as_fd(), sys::F_SETSIG, libc::SIGURG)?;
        let base = map(&memfd, size_bytes)?;
        Ok(Self {
            size_bytes,
            memfd,
            base,
            is_sealed: AtomicBool::new(false),
        })
    }

    /// From now on only the mapping writes to it.
    fn seal(&self) -> Result<(), Errno> {
        if self.is_sealed.load(Ordering::Acquire) {
            return Ok(());
        }
        let seals =
            libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;
        match sys::fcntl(self.memfd.as_fd(), libc::F_ADD_SEALS, seals) {
            // Another thread was faster.
            Ok(_) | Err(Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
        self.is_sealed.store(true, Ordering::Release);
        Ok(())
    }

    /// Puts bytes in while no program has it. That is half the work of filling the
    /// mapping, whose pages would be made, and mapped, one by one. False: it is
    /// sealed already.
    pub fn put(&self, mut at: u64, mut bytes: &[u8]) -> Result<bool, Errno> {
        if self.is_sealed.load(Ordering::Acquire) {
            return Ok(false);
        }
        while !bytes.is_empty() {
            let count = sys::write_at(self.memfd.as_fd(), bytes, at)?;
            at += count as u64;
            bytes = &bytes[count..];
        }
        Ok(true)
    }

    /// Device and inode number, which no other file has.
    pub fn identity(&self) -> Result<(u64, u64), Errno> {
        let about = sys::fstat(self.memfd.as_fd())?;
        Ok((about.st_dev, about.st_ino))
    }

    /// A new description for a program. The flags that mean something else on a
    /// file than on a node are left out.
    pub fn open(&self, flags: i32) -> Result<OwnedFd, Errno> {
        self.seal()?;
        const FILE_ONLY: i32 =
            libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC | libc::O_DIRECT | libc::O_NOFOLLOW;
        if flags & libc::O_DIRECT != 0 {
            // Linux 6.6 and later know it of files in memory, which it changes nothing of.
            let direct = reopen(&self.memfd, flags & !FILE_ONLY | libc::O_DIRECT);
            if !matches!(direct, Err(Errno::INVAL)) {
                return direct;
            }
        }
        reopen(&self.memfd, flags & !FILE_ONLY)
    }

    /// Whether no description but ours is open, mappings included: only then the
    /// kernel grants a lease for writing (fs/locks.c, check_conflicting_open).
    pub fn is_alone(&self) -> bool {
        let lease = |kind| sys::fcntl(self.memfd.as_fd(), libc::F_SETLEASE, kind);
        if lease(libc::F_WRLCK).is_err() {
            return false;
        }
        let _ = lease(libc::F_UNLCK);
        true
    }

    /// Makes all pages of a sealed one at once, before every byte is written: that costs
    /// a fraction of a fault for each. A kernel before 5.14 cannot, and takes the faults.
    pub fn populate(&self) {
        if self.is_sealed.load(Ordering::Acquire) && !self.base.is_null() {
            let length = self.size_bytes as usize;
            // SAFETY: the mapping is that long; its contents stay.
            unsafe { libc::madvise(self.base.cast(), length, libc::MADV_POPULATE_WRITE) };
        }
    }

    /// Has `write` put in bytes, from `at` on and at most `length_bytes`.
    ///
    /// # Safety
    /// Nobody else does so at the same time.
    pub unsafe fn write<R>(
        &self,
        at: u64,
        length_bytes: u64,
        write: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let at = at.min(self.size_bytes);
        let length = length_bytes.min(self.size_bytes - at) as usize;
        if length == 0 {
            return write(&mut []);
        }
        // SAFETY: the range lies in the mapping; programs only read it, and the
        // caller sees to it that nobody else writes.
        write(unsafe { std::slice::from_raw_parts_mut(self.base.add(at as usize), length) })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if !self.base.is_null() {
            // SAFETY: the mapping was made with this length and nobody else
            // keeps a pointer into it.
            unsafe { libc::munmap(self.base.cast(), self.size_bytes as usize) };
        }
    }
}

fn map(memfd: &OwnedFd, size_bytes: u64) -> Result<*mut u8, Errno> {
    let Ok(length @ 1..) = usize::try_from(size_bytes) else {
        return Ok(std::ptr::null_mut());
    };
    // SAFETY: a fresh shared mapping of our own file, nothing is replaced.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            memfd.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(sys::last_errno());
    }
    Ok(base.cast())
}

fn reopen(memfd: &OwnedFd, flags: i32) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", memfd.as_raw_fd());
    sys::open(&c_string(path.as_bytes()), flags, 0)
}
