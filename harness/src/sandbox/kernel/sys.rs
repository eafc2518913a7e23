//! Checked doors to the system calls that the standard library lacks.
//!
//! Every `unsafe` for a plain system call lives here, so that the rest of the
//! sandbox is ordinary Rust. Each function answers the kernel's error number.

use crate::Errno;
use crate::sandbox::kernel::plain::Plain;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The error number of the system call that just failed.
pub(in crate::sandbox) fn last_errno() -> Errno {
    let number = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(number.unwrap_or(libc::EIO))
}

pub(super) fn check(answer: i64) -> Result<i64, Errno> {
    if answer < 0 {
        Err(last_errno())
    } else {
        Ok(answer)
    }
}

pub(super) fn check_int(answer: libc::c_int) -> Result<i32, Errno> {
    check(i64::from(answer)).map(|value| value as i32)
}

fn owned(answer: i64) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel just made this descriptor for us; nobody else has it.
    check(answer).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Number of the signal that an open file description sends
/// (include/uapi/asm-generic/fcntl.h).
pub(in crate::sandbox) const F_SETSIG: i32 = 10;
/// Asks for it.
pub(in crate::sandbox) const F_GETSIG: i32 = 11;

/// Copies memory out of another process; answers how many bytes came before
/// the first address that is not there.
pub(in crate::sandbox) fn memory_read(
    tid: u32,
    address: u64,
    buf: &mut [u8],
) -> Result<usize, Errno> {
    if buf.is_empty() {
        return Ok(0);
    }
    let local = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: buf.len(),
    };
    // SAFETY: `local` covers `buf`; `remote` is only looked up over there.
    check(unsafe { libc::process_vm_readv(tid as i32, &local, 1, &remote, 1, 0) } as i64)
        .map(|count| count as usize)
}

/// Copies memory into another process; all or an error.
pub(in crate::sandbox) fn memory_write(tid: u32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    if bytes.is_empty() {
        return Ok(());
    }
    let local = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: `local` is only read; `remote` is only looked up over there.
    let count =
        check(unsafe { libc::process_vm_writev(tid as i32, &local, 1, &remote, 1, 0) } as i64)?;
    if count as usize == bytes.len() {
        Ok(())
    } else {
        Err(Errno::FAULT)
    }
}

/// A handle on a process that never means another one.
pub(in crate::sandbox) fn pidfd_open(pid: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: plain numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::c_long, 0) } as i64)
}

/// A duplicate of another process's descriptor.
pub(in crate::sandbox) fn pidfd_getfd(pidfd: &OwnedFd, fd: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: plain numbers.
    owned(unsafe {
        libc::syscall(
            libc::SYS_pidfd_getfd,
            pidfd.as_raw_fd() as libc::c_long,
            fd as libc::c_long,
            0,
        )
    } as i64)
}

/// open(2) with the given raw flags; the descriptor is closed on exec here.
pub(in crate::sandbox) fn open(path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: the path is a C string.
    owned(i64::from(unsafe {
        libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode)
    }))
}

/// One of the kernel's short texts below /proc, which tell no size: read in one go, as
/// each read makes the text anew.
pub(in crate::sandbox) fn text(path: &CStr) -> Result<String, Errno> {
    const ROOM: usize = 8192;
    let fd = open(path, libc::O_RDONLY, 0)?;
    let mut text = vec![0u8; ROOM];
    let mut length = 0;
    loop {
        let rest = &mut text[length..];
        // SAFETY: the buffer is ours.
        let count =
            check(
                unsafe { libc::read(fd.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len()) } as i64,
            )? as usize;
        length += count;
        // What ends before the room does is whole.
        if count == 0 || length < text.len() {
            text.truncate(length);
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        text.resize(2 * length, 0);
    }
}

/// pwrite(2).
pub(in crate::sandbox) fn write_at(fd: BorrowedFd, bytes: &[u8], at: u64) -> Result<usize, Errno> {
    let start = bytes.as_ptr().cast();
    // SAFETY: the kernel reads that many bytes.
    let count = unsafe { libc::pwrite(fd.as_raw_fd(), start, bytes.len(), at as libc::off_t) };
    check(count as i64).map(|count| count as usize)
}

/// readlink(2).
pub(in crate::sandbox) fn readlink(path: &CStr) -> Result<Vec<u8>, Errno> {
    let mut buf = [0u8; 4096];
    // SAFETY: the path is a C string, the buffer is ours.
    let count =
        check(unsafe { libc::readlink(path.as_ptr(), buf.as_mut_ptr().cast(), buf.len()) } as i64)?;
    Ok(buf[..count as usize].to_vec())
}

/// fstatat(2) on an absolute path.
pub(in crate::sandbox) fn stat(path: &CStr, follow: bool) -> Result<libc::stat, Errno> {
    let mut answer = libc::stat::zero();
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    // SAFETY: the path is a C string, the structure is ours.
    check_int(unsafe { libc::fstatat(libc::AT_FDCWD, path.as_ptr(), &mut answer, flags) })?;
    Ok(answer)
}

/// fstat(2).
pub(in crate::sandbox) fn fstat(fd: BorrowedFd) -> Result<libc::stat, Errno> {
    let mut answer = libc::stat::zero();
    // SAFETY: the structure is ours.
    check_int(unsafe { libc::fstat(fd.as_raw_fd(), &mut answer) })?;
    Ok(answer)
}

/// lseek(2).
pub(in crate::sandbox) fn lseek(fd: BorrowedFd, offset: i64, whence: i32) -> Result<i64, Errno> {
    // SAFETY: plain numbers.
    check(unsafe { libc::lseek(fd.as_raw_fd(), offset, whence) })
}

/// fcntl(2) with a command that takes a number, or nothing; others are EINVAL.
pub(in crate::sandbox) fn fcntl(fd: BorrowedFd, command: i32, argument: i32) -> Result<i32, Errno> {
    const BY_NUMBER: [i32; 7] = [
        libc::F_GETFL,
        libc::F_SETFL,
        F_SETSIG,
        F_GETSIG,
        libc::F_SETLEASE,
        libc::F_ADD_SEALS,
        libc::F_GETFD,
    ];
    if !BY_NUMBER.contains(&command) {
        return Err(Errno::INVAL);
    }
    // SAFETY: none of these commands takes an address.
    check_int(unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) })
}

/// getdents64(2): raw directory entries.
pub(in crate::sandbox) fn getdents64(fd: BorrowedFd, buf: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is ours.
    check(unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            fd.as_raw_fd() as libc::c_long,
            buf.as_mut_ptr(),
            buf.len(),
        )
    } as i64)
    .map(|count| count as usize)
}

/// Whether two descriptors, each with the thread or process that has it, are of one
/// open file (kcmp(2)).
pub(in crate::sandbox) fn is_same_open_file(one: (u32, i32), other: (u32, i32)) -> bool {
    const KCMP_FILE: libc::c_long = 0;
    // SAFETY: plain numbers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_kcmp,
            one.0 as libc::c_long,
            other.0 as libc::c_long,
            KCMP_FILE,
            one.1 as libc::c_long,
            other.1 as libc::c_long,
        )
    };
    answer == 0
}

/// Sends a signal to one thread.
pub(in crate::sandbox) fn tgkill(tgid: u32, tid: u32, signal: i32) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    check(unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            tgid as libc::c_long,
            tid as libc::c_long,
            signal as libc::c_long,
        )
    } as i64)
    .map(drop)
}

/// The calling thread's kernel id.
pub(in crate::sandbox) fn gettid() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Gives the calling thread a working directory and umask of its own.
pub(in crate::sandbox) fn unshare_fs() -> Result<(), Errno> {
    // SAFETY: plain numbers; only this thread is affected.
    check_int(unsafe { libc::unshare(libc::CLONE_FS) }).map(drop)
}

/// Sets the calling thread's umask (after [`unshare_fs`]).
pub(in crate::sandbox) fn umask(mask: u32) {
    // SAFETY: plain numbers.
    unsafe { libc::umask(mask as libc::mode_t) };
}

/// Any system call with numbers and addresses as arguments.
///
/// # Safety
/// Addresses among the arguments must be valid for what the call does.
pub(in crate::sandbox) unsafe fn raw(number: i64, args: [u64; 6]) -> Result<i64, Errno> {
    // SAFETY: the caller vouches for the addresses.
    check(unsafe {
        libc::syscall(
            number as libc::c_long,
            args[0],
            args[1],
            args[2],
            args[3],
            args[4],
            args[5],
        )
    } as i64)
}

/// Sets the user and group by which the calling thread's access to files is
/// judged; a user that is not root has none of root's rights on files then.
pub(in crate::sandbox) fn set_file_ids(user: u32, group: u32) {
    // SAFETY: plain numbers; only this thread is affected.
    unsafe {
        libc::setfsgid(group);
        libc::setfsuid(user);
    }
}

/// Sets the calling thread's further groups. The C library's function would
/// set them for every thread.
pub(in crate::sandbox) fn set_groups(groups: &[u32]) {
    // SAFETY: the kernel reads that many numbers of four bytes.
    unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
}
