//! Checked doors to the calls that the supervisor makes on the host's files in a
//! program's place. Paths are absolute; each function answers what the kernel did.

use crate::Errno;
use crate::sandbox::kernel::sys::raw;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a call answers.
type Answer = Result<i64, Errno>;

/// The folder that a path without a descriptor is relative to.
const HERE: u64 = libc::AT_FDCWD as i64 as u64;

fn text(text: &CStr) -> u64 {
    text.as_ptr() as u64
}

/// faccessat2(2).
pub(in crate::sandbox) fn access(path: &CStr, mode: i32, flags: i32) -> Answer {
    let args = [HERE, text(path), mode as u64, flags as u64, 0, 0];
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe { raw(libc::SYS_faccessat2, args) }
}

/// mknodat(2), with the umask of the calling thread.
pub(in crate::sandbox) fn mknod(path: &CStr, mode: u32, device: u64) -> Answer {
    let args = [HERE, text(path), u64::from(mode), device, 0, 0];
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe { raw(libc::SYS_mknodat, args) }
}

/// mkdirat(2), with the umask of the calling thread.
pub(in crate::sandbox) fn mkdir(path: &CStr, mode: u32) -> Answer {
    let args = [HERE, text(path), u64::from(mode), 0, 0, 0];
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe { raw(libc::SYS_mkdirat, args) }
}

/// symlinkat(2): a link at `path` that says `to`.
pub(in crate::sandbox) fn symlink(to: &CStr, path: &CStr) -> Answer {
    // SAFETY: both are C strings; the rest are numbers.
    unsafe { raw(libc::SYS_symlinkat, [text(to), HERE, text(path), 0, 0, 0]) }
}

/// unlinkat(2).
pub(in crate::sandbox) fn unlink(path: &CStr, flags: i32) -> Answer {
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe {
        raw(
            libc::SYS_unlinkat,
            [HERE, text(path), flags as u64, 0, 0, 0],
        )
    }
}

/// renameat2(2).
pub(in crate::sandbox) fn rename(old: &CStr, new: &CStr, flags: u32) -> Answer {
    let args = [HERE, text(old), HERE, text(new), u64::from(flags), 0];
    // SAFETY: both are C strings; the rest are numbers.
    unsafe { raw(libc::SYS_renameat2, args) }
}

/// linkat(2).
pub(in crate::sandbox) fn link(old: &CStr, new: &CStr, flags: u32) -> Answer {
    let args = [HERE, text(old), HERE, text(new), u64::from(flags), 0];
    // SAFETY: both are C strings; the rest are numbers.
    unsafe { raw(libc::SYS_linkat, args) }
}

/// truncate(2).
pub(in crate::sandbox) fn truncate(path: &CStr, length: u64) -> Answer {
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe { raw(libc::SYS_truncate, [text(path), length, 0, 0, 0, 0]) }
}

/// fchmodat(2).
pub(in crate::sandbox) fn chmod(path: &CStr, mode: u32) -> Answer {
    let args = [HERE, text(path), u64::from(mode), 0, 0, 0];
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe { raw(libc::SYS_fchmodat, args) }
}

/// fchownat(2); u32::MAX leaves user or group as it is.
pub(in crate::sandbox) fn chown(path: &CStr, owner: (u32, u32), flags: i32) -> Answer {
    let (user, group) = (u64::from(owner.0), u64::from(owner.1));
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe {
        raw(
            libc::SYS_fchownat,
            [HERE, text(path), user, group, flags as u64, 0],
        )
    }
}

/// utimensat(2): access and modification, as seconds and nanoseconds each; none is
/// now.
pub(in crate::sandbox) fn utimens(path: &CStr, times: Option<&[i64; 4]>, flags: i32) -> Answer {
    // On both architectures `struct timespec` is two of these.
    let times = times.map_or(0, |times| times.as_ptr() as u64);
    // SAFETY: the path is a C string, and the kernel reads four numbers or none.
    unsafe {
        raw(
            libc::SYS_utimensat,
            [HERE, text(path), times, flags as u64, 0, 0],
        )
    }
}

/// openat2(2) of no path: the kernel judges the structure (`struct open_how`) first,
/// so that ENOENT means that it is a good one.
pub(in crate::sandbox) fn openat2_nothing(how: &[u8]) -> Answer {
    let (at, length) = (how.as_ptr() as u64, how.len() as u64);
    // SAFETY: the path is a C string, and the kernel reads `length` bytes.
    unsafe { raw(libc::SYS_openat2, [HERE, text(c""), at, length, 0, 0]) }
}

/// getxattr(2), or lgetxattr(2); an empty buffer asks for the length.
pub(in crate::sandbox) fn attribute(
    path: &CStr,
    name: &CStr,
    value: &mut [u8],
    follow: bool,
) -> Answer {
    let number = match follow {
        true => libc::SYS_getxattr,
        false => libc::SYS_lgetxattr,
    };
    let (at, length) = (value.as_mut_ptr() as u64, value.len() as u64);
    // SAFETY: both are C strings, and the kernel writes at most `length` bytes.
    unsafe { raw(number, [text(path), text(name), at, length, 0, 0]) }
}

/// listxattr(2), or llistxattr(2); an empty buffer asks for the length.
pub(in crate::sandbox) fn attributes(path: &CStr, names: &mut [u8], follow: bool) -> Answer {
    let number = match follow {
        true => libc::SYS_listxattr,
        false => libc::SYS_llistxattr,
    };
    let (at, length) = (names.as_mut_ptr() as u64, names.len() as u64);
    // SAFETY: the path is a C string, and the kernel writes at most `length` bytes.
    unsafe { raw(number, [text(path), at, length, 0, 0, 0]) }
}

/// setxattr(2), or lsetxattr(2).
pub(in crate::sandbox) fn set_attribute(
    path: &CStr,
    name: &CStr,
    value: &[u8],
    flags: u64,
    follow: bool,
) -> Answer {
    let number = match follow {
        true => libc::SYS_setxattr,
        false => libc::SYS_lsetxattr,
    };
    let (at, length) = (value.as_ptr() as u64, value.len() as u64);
    // SAFETY: both are C strings, and the kernel reads `length` bytes.
    unsafe { raw(number, [text(path), text(name), at, length, flags, 0]) }
}

/// removexattr(2), or lremovexattr(2).
pub(in crate::sandbox) fn remove_attribute(path: &CStr, name: &CStr, follow: bool) -> Answer {
    let number = match follow {
        true => libc::SYS_removexattr,
        false => libc::SYS_lremovexattr,
    };
    // SAFETY: both are C strings; the rest are numbers.
    unsafe { raw(number, [text(path), text(name), 0, 0, 0, 0]) }
}

/// bind(2).
pub(in crate::sandbox) fn bind(socket: BorrowedFd, address: &[u8]) -> Answer {
    at_address(libc::SYS_bind, socket, address)
}

/// connect(2).
pub(in crate::sandbox) fn connect(socket: BorrowedFd, address: &[u8]) -> Answer {
    at_address(libc::SYS_connect, socket, address)
}

fn at_address(number: i64, socket: BorrowedFd, address: &[u8]) -> Answer {
    let (at, length) = (address.as_ptr() as u64, address.len() as u64);
    // SAFETY: both callers name a call whose second argument is an address of
    // `length` bytes, which the kernel reads.
    unsafe { raw(number, [socket.as_raw_fd() as u64, at, length, 0, 0, 0]) }
}

/// inotify_add_watch(2).
pub(in crate::sandbox) fn watch(list: BorrowedFd, path: &CStr, mask: u32) -> Answer {
    let args = [
        list.as_raw_fd() as u64,
        text(path),
        u64::from(mask),
        0,
        0,
        0,
    ];
    // SAFETY: the path is a C string; the rest are numbers.
    unsafe { raw(libc::SYS_inotify_add_watch, args) }
}

/// getsockname(2), or getpeername(2): the address, as far as a Unix socket's goes.
pub(in crate::sandbox) fn socket_name(socket: BorrowedFd, is_own: bool) -> Result<Vec<u8>, Errno> {
    const ROOM: u32 = 110;
    let number = match is_own {
        true => libc::SYS_getsockname,
        false => libc::SYS_getpeername,
    };
    let (mut address, mut length) = (vec![0u8; ROOM as usize], ROOM);
    let args = [
        socket.as_raw_fd() as u64,
        address.as_mut_ptr() as u64,
        &raw mut length as u64,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes at most `length` bytes, and the length.
    unsafe { raw(number, args) }?;
    address.truncate(length as usize);
    Ok(address)
}
