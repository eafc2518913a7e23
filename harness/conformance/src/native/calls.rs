//! The system calls behind [`super::Native`] that need more than a line.

use super::{c_path, count, done, last_errno};
use crate::Errno;
use crate::{Fd, Look};
use std::ffi::{c_int, c_void};
use std::ptr;

/// read(2) or pread(2).
///
/// # Safety
///
/// Where memory is mapped at `address`, `length` bytes of it may be overwritten.
pub unsafe fn read(
    fd: Fd,
    address: *mut c_void,
    length: usize,
    offset: Option<i64>,
) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    count(unsafe {
        match offset {
            None => libc::read(fd.0, address, length),
            Some(offset) => libc::pread64(fd.0, address, length, offset),
        }
    })
}

/// write(2) or pwrite(2).
///
/// # Safety
///
/// Nobody changes the memory at `address` meanwhile, where there is any.
pub unsafe fn write(
    fd: Fd,
    address: *const c_void,
    length: usize,
    offset: Option<i64>,
) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    count(unsafe {
        match offset {
            None => libc::write(fd.0, address, length),
            Some(offset) => libc::pwrite64(fd.0, address, length, offset),
        }
    })
}

pub fn readv(fd: Fd, bufs: &mut [Vec<u8>], offset: Option<i64>) -> Result<usize, Errno> {
    let pieces: Vec<libc::iovec> = bufs
        .iter_mut()
        .map(|buf| libc::iovec {
            iov_base: buf.as_mut_ptr().cast(),
            iov_len: buf.len(),
        })
        .collect();
    let many = pieces.len() as c_int;
    // SAFETY: the pieces are the buffers, which outlive the call.
    count(unsafe {
        match offset {
            None => libc::readv(fd.0, pieces.as_ptr(), many),
            Some(offset) => libc::preadv(fd.0, pieces.as_ptr(), many, offset as _),
        }
    })
}

pub fn writev(fd: Fd, bufs: &[Vec<u8>], offset: Option<i64>) -> Result<usize, Errno> {
    let pieces: Vec<libc::iovec> = bufs
        .iter()
        .map(|buf| libc::iovec {
            iov_base: buf.as_ptr().cast_mut().cast(),
            iov_len: buf.len(),
        })
        .collect();
    let many = pieces.len() as c_int;
    // SAFETY: the pieces are the buffers, which outlive the call; the kernel
    // only reads them.
    count(unsafe {
        match offset {
            None => libc::writev(fd.0, pieces.as_ptr(), many),
            Some(offset) => libc::pwritev(fd.0, pieces.as_ptr(), many, offset as _),
        }
    })
}

/// A child that shares the descriptor seeks, and ends with the errno as its
/// exit status.
pub fn seek_in_child(fd: Fd, offset: i64) -> Result<(), Errno> {
    // SAFETY: this program has one thread; the child makes two system calls.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: no memory is involved; _exit runs no destructor.
        unsafe {
            let failed = libc::lseek64(fd.0, offset, libc::SEEK_SET) < 0;
            libc::_exit(if failed {
                last_errno().raw_os_error()
            } else {
                0
            })
        }
    }
    done(child)?;
    let mut status = 0;
    // SAFETY: the status outlives the call.
    done(unsafe { libc::waitpid(child, &mut status, 0) })?;
    match libc::WIFEXITED(status) {
        true if libc::WEXITSTATUS(status) == 0 => Ok(()),
        true => Err(Errno::from_raw_os_error(libc::WEXITSTATUS(status))),
        false => Err(Errno::INTR),
    }
}

pub fn look(stat: &libc::stat) -> Look {
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFCHR => "char",
        libc::S_IFBLK => "block",
        libc::S_IFREG => "file",
        libc::S_IFDIR => "dir",
        libc::S_IFLNK => "link",
        _ => "other",
    };
    // On 32-bit MIPS the structure has a narrower field than the type says.
    let device = stat.st_rdev as libc::dev_t;
    Look {
        kind,
        device: (libc::major(device) as u32, libc::minor(device) as u32),
        size_bytes: stat.st_size as u64,
    }
}

pub fn look_at(call: &str, path: &str) -> Result<Look, Errno> {
    let name = c_path(path)?;
    if call == "statx" {
        use rustix::fs::{AtFlags, CWD, FileType, StatxFlags};
        let x = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
            .map_err(|error| Errno::from_raw_os_error(error.raw_os_error()))?;
        let kind = match FileType::from_raw_mode(x.stx_mode.into()) {
            FileType::CharacterDevice => "char",
            FileType::BlockDevice => "block",
            FileType::RegularFile => "file",
            FileType::Directory => "dir",
            FileType::Symlink => "link",
            _ => "other",
        };
        return Ok(Look {
            kind,
            device: (x.stx_rdev_major, x.stx_rdev_minor),
            size_bytes: x.stx_size,
        });
    }
    // SAFETY: stat is plain numbers; zero is a value of each.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends in a NUL; it and the structure outlive the call.
    done(unsafe {
        match call {
            "lstat" => libc::lstat(name.as_ptr(), &mut stat),
            _ => libc::stat(name.as_ptr(), &mut stat),
        }
    })?;
    Ok(look(&stat))
}

pub fn mmap(
    fd: Fd,
    length: usize,
    offset: i64,
    write: bool,
    shared: bool,
) -> Result<Vec<u8>, Errno> {
    let access = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
    let sharing = match shared {
        true => libc::MAP_SHARED,
        false => libc::MAP_PRIVATE,
    };
    // SAFETY: the kernel picks the place.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, access, sharing, fd.0, offset as _) };
    if start == libc::MAP_FAILED {
        return Err(last_errno());
    }
    // SAFETY: the mapping is `length` bytes long and stays until munmap below;
    // cases map what the device has, so that no page of it is missing.
    unsafe {
        let bytes = std::slice::from_raw_parts(start.cast::<u8>(), length).to_vec();
        done(libc::munmap(start, length))?;
        Ok(bytes)
    }
}

/// A pipe that takes what a call sends, closed afterwards.
fn into_pipe(send: impl FnOnce(c_int) -> isize) -> Result<String, Errno> {
    let mut ends = [0; 2];
    // SAFETY: there is room for both ends.
    done(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    let sent = count(send(ends[1]));
    for end in ends {
        // SAFETY: these ends are ours.
        done(unsafe { libc::close(end) })?;
    }
    Ok(sent?.to_string())
}

pub fn other(name: &str, fd: Fd, numbers: &[i64]) -> Result<String, Errno> {
    let nothing = |returned: c_int| done(returned).map(|()| "ok".to_owned());
    // SAFETY: none of these calls touches memory of this process, except poll,
    // sendfile and splice, whose structures outlive the call.
    unsafe {
        match (name, numbers) {
            ("syncfs", []) => nothing(libc::syncfs(fd.0)),
            ("fadvise", &[offset, length, advice]) => {
                // This one returns the errno instead of setting it.
                match libc::posix_fadvise64(fd.0, offset, length, advice as c_int) {
                    0 => Ok("ok".into()),
                    errno => Err(Errno::from_raw_os_error(errno)),
                }
            }
            ("flock", &[operation]) => nothing(libc::flock(fd.0, operation as c_int)),
            ("isatty", []) => match libc::isatty(fd.0) {
                0 => Err(last_errno()),
                _ => Ok("yes".into()),
            },
            ("getfl", []) => {
                let flags = libc::fcntl(fd.0, libc::F_GETFL);
                done(flags).map(|()| status_flags(flags))
            }
            ("poll", []) => {
                let mut entry = libc::pollfd {
                    fd: fd.0,
                    events: libc::POLLIN | libc::POLLOUT,
                    revents: 0,
                };
                done(libc::poll(&mut entry, 1, 0))?;
                Ok(format!("{:#x}", entry.revents))
            }
            ("sendfile", &[length]) => {
                into_pipe(|pipe| libc::sendfile(pipe, fd.0, ptr::null_mut(), length as usize))
            }
            ("splice", &[length]) => into_pipe(|pipe| {
                let none = ptr::null_mut();
                libc::splice(fd.0, none, pipe, none, length as usize, 0)
            }),
            _ => Err(Errno::NOSYS),
        }
    }
}

fn status_flags(flags: c_int) -> String {
    let mut text = match flags & super::ACCESS_MODE_3 {
        libc::O_RDONLY => "RDONLY",
        libc::O_WRONLY => "WRONLY",
        libc::O_RDWR => "RDWR",
        _ => "NOACCESS",
    }
    .to_owned();
    for (bit, name) in [
        (libc::O_APPEND, "|APPEND"),
        (libc::O_NONBLOCK, "|NONBLOCK"),
        (libc::O_TRUNC, "|TRUNC"),
        (libc::O_CREAT, "|CREAT"),
        (libc::O_PATH, "|PATH"),
    ] {
        if flags & bit != 0 {
            text += name;
        }
    }
    text
}
