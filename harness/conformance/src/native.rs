//! The cases as raw system calls on real paths.
//!
//! Invariant: one case, one system call, with the arguments of the case; nothing
//! is retried, clamped or checked beforehand, since the kernel's own answer is
//! what is asked for.

use super::ioctls::{Pointee, UserStruct, put_number};
use super::{Argument, Fd, Look, Memory, NodeKind, OpenRequest, Process, Target};
use crate::Errno;
use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::sync::atomic::AtomicU8;

mod calls;

/// This machine's kernel, or what stands in for it.
#[derive(Debug, Default)]
pub struct Native;

/// An address in the first page, which is never mapped.
const BAD_ADDRESS: usize = 16;

/// Neither reading nor writing; ioctls only (fs/open.c: `ACC_MODE`, Linux 6.1).
const ACCESS_MODE_3: c_int = 3;

/// Memory that is there, but shorter than what [`Memory::Short`] claims. Static,
/// so that on 32-bit machines there is room above it in the address space.
static SHORT: [AtomicU8; 4096] = [const { AtomicU8::new(0) }; 4096];

fn last_errno() -> Errno {
    let raw = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(raw.unwrap_or(0))
}

/// A count that a system call returned, or its errno.
fn count(returned: isize) -> Result<usize, Errno> {
    usize::try_from(returned).map_err(|_| last_errno())
}

fn done(returned: c_int) -> Result<(), Errno> {
    match returned {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}

fn c_path(path: &str) -> Result<CString, Errno> {
    CString::new(path).map_err(|_| Errno::INVAL)
}

fn open_flags(request: &OpenRequest) -> Result<c_int, Errno> {
    let mut flags = match (request.read, request.write) {
        (true, false) => libc::O_RDONLY,
        (false, true) => libc::O_WRONLY,
        (true, true) => libc::O_RDWR,
        // Not libc's O_ACCMODE: musl's has O_PATH in it.
        (false, false) => ACCESS_MODE_3,
    };
    for flag in &request.flags {
        flags |= match flag.as_str() {
            "NOACCESS" => 0,
            "CREAT" => libc::O_CREAT,
            "EXCL" => libc::O_EXCL,
            "TRUNC" => libc::O_TRUNC,
            "APPEND" => libc::O_APPEND,
            "NONBLOCK" => libc::O_NONBLOCK,
            "DIRECTORY" => libc::O_DIRECTORY,
            "NOFOLLOW" => libc::O_NOFOLLOW,
            "CLOEXEC" => libc::O_CLOEXEC,
            "SYNC" => libc::O_SYNC,
            "DSYNC" => libc::O_DSYNC,
            "NOCTTY" => libc::O_NOCTTY,
            "PATH" => libc::O_PATH,
            _ => return Err(Errno::INVAL),
        };
    }
    Ok(flags)
}

/// Puts the addresses of the buffers into the structure's pointers.
fn fill_in_pointers(memory: &mut UserStruct) {
    for field in &mut memory.pointers {
        let address = match &mut field.to {
            Pointee::Null => 0,
            Pointee::Bad => BAD_ADDRESS,
            Pointee::Buffer(buffer) => buffer.as_mut_ptr() as usize,
        };
        let place = &mut memory.bytes[field.at..field.at + field.width_bytes];
        put_number(place, address as u64);
    }
}

impl Target for Native {
    fn pointer_bytes(&self) -> usize {
        size_of::<usize>()
    }

    fn open(&mut self, path: &str, request: &OpenRequest) -> Result<Fd, Errno> {
        let path = c_path(path)?;
        // SAFETY: the path ends in a NUL and outlives the call.
        let fd = unsafe { libc::open(path.as_ptr(), open_flags(request)?, 0o600 as c_int) };
        done(fd).map(|()| Fd(fd))
    }

    fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        // SAFETY: descriptors are plain numbers here; no other owner exists.
        done(unsafe { libc::close(fd.0) })
    }

    fn read(&mut self, fd: Fd, buf: &mut [u8], offset: Option<i64>) -> Result<usize, Errno> {
        let (address, length) = (buf.as_mut_ptr().cast(), buf.len());
        // SAFETY: address and length are those of `buf`.
        unsafe { calls::read(fd, address, length, offset) }
    }

    fn write(&mut self, fd: Fd, data: &[u8], offset: Option<i64>) -> Result<usize, Errno> {
        let (address, length) = (data.as_ptr().cast(), data.len());
        // SAFETY: address and length are those of `data`.
        unsafe { calls::write(fd, address, length, offset) }
    }

    fn seek(&mut self, fd: Fd, whence: i32, offset: i64) -> Result<u64, Errno> {
        // SAFETY: no memory is involved.
        let position = unsafe { libc::lseek64(fd.0, offset, whence) };
        u64::try_from(position).map_err(|_| last_errno())
    }

    fn ioctl(&mut self, fd: Fd, command: u32, argument: Argument<'_>) -> Result<i32, Errno> {
        let address: *mut c_void = match argument {
            Argument::Number(number) => number as usize as *mut c_void,
            Argument::Bad => BAD_ADDRESS as *mut c_void,
            Argument::Struct(memory) => {
                fill_in_pointers(memory);
                memory.bytes.as_mut_ptr().cast()
            }
        };
        // SAFETY: a structure is as long as the command says (and 16 bytes more)
        // and outlives the call, as do its buffers, each as long as the
        // structure says. Numbers and bad addresses point to nothing of ours.
        let returned = unsafe { libc::ioctl(fd.0, command as _, address) };
        done(returned).map(|()| returned)
    }

    fn fsync(&mut self, fd: Fd) -> Result<(), Errno> {
        // SAFETY: no memory is involved.
        done(unsafe { libc::fsync(fd.0) })
    }

    fn fdatasync(&mut self, fd: Fd) -> Result<(), Errno> {
        // SAFETY: no memory is involved.
        done(unsafe { libc::fdatasync(fd.0) })
    }

    fn sync(&mut self) {
        // SAFETY: no memory is involved.
        unsafe { libc::sync() };
    }

    fn ftruncate(&mut self, fd: Fd, length: i64) -> Result<(), Errno> {
        // SAFETY: no memory is involved.
        done(unsafe { libc::ftruncate64(fd.0, length) })
    }

    fn fallocate(&mut self, fd: Fd, mode: i32, offset: i64, length: i64) -> Result<(), Errno> {
        // SAFETY: no memory is involved.
        done(unsafe { libc::fallocate64(fd.0, mode, offset, length) })
    }

    fn fstat(&mut self, fd: Fd) -> Result<Look, Errno> {
        // SAFETY: stat is plain numbers; zero is a value of each.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the structure outlives the call.
        done(unsafe { libc::fstat(fd.0, &mut stat) })?;
        Ok(calls::look(&stat))
    }

    fn mknod(&mut self, path: &str, kind: NodeKind, major: u32, minor: u32) -> Result<(), Errno> {
        let path = c_path(path)?;
        let mode = match kind {
            NodeKind::Character => libc::S_IFCHR,
            NodeKind::Block => libc::S_IFBLK,
        };
        let device = libc::makedev(major, minor);
        // SAFETY: the path ends in a NUL and outlives the call.
        done(unsafe { libc::mknod(path.as_ptr(), mode | 0o600, device) })
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let path = c_path(path)?;
        // SAFETY: the path ends in a NUL and outlives the call.
        done(unsafe { libc::unlink(path.as_ptr()) })
    }

    fn text(&mut self, path: &str) -> Result<String, Errno> {
        let bytes = std::fs::read(path).map_err(|error| {
            error
                .raw_os_error()
                .map_or(Errno::IO, Errno::from_raw_os_error)
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn process(&mut self) -> Option<&mut dyn Process> {
        Some(self)
    }
}

impl Process for Native {
    fn read_into(
        &mut self,
        fd: Fd,
        memory: Memory,
        length: usize,
        offset: Option<i64>,
    ) -> Result<usize, Errno> {
        let address = match memory {
            Memory::Null => ptr::null_mut(),
            Memory::Bad => BAD_ADDRESS as *mut c_void,
            Memory::Short => SHORT.as_ptr().cast_mut().cast(),
        };
        // SAFETY: the kernel writes nothing to addresses that are not mapped.
        // The short memory may be written to (atomics), and cases read into it
        // only what is left before the end of a device.
        unsafe { calls::read(fd, address, length, offset) }
    }

    fn write_from(
        &mut self,
        fd: Fd,
        memory: Memory,
        length: usize,
        offset: Option<i64>,
    ) -> Result<usize, Errno> {
        let address = match memory {
            Memory::Null => ptr::null(),
            Memory::Bad => BAD_ADDRESS as *const c_void,
            Memory::Short => SHORT.as_ptr().cast(),
        };
        // SAFETY: the kernel checks what it reads from; nothing is written.
        unsafe { calls::write(fd, address, length, offset) }
    }

    fn readv(&mut self, fd: Fd, bufs: &mut [Vec<u8>], offset: Option<i64>) -> Result<usize, Errno> {
        calls::readv(fd, bufs, offset)
    }

    fn writev(&mut self, fd: Fd, bufs: &[Vec<u8>], offset: Option<i64>) -> Result<usize, Errno> {
        calls::writev(fd, bufs, offset)
    }

    fn dup(&mut self, fd: Fd) -> Result<Fd, Errno> {
        // SAFETY: no memory is involved.
        let new = unsafe { libc::dup(fd.0) };
        done(new).map(|()| Fd(new))
    }

    fn seek_in_child(&mut self, fd: Fd, offset: i64) -> Result<(), Errno> {
        calls::seek_in_child(fd, offset)
    }

    fn stat(&mut self, call: &str, path: &str) -> Result<Look, Errno> {
        calls::look_at(call, path)
    }

    fn access(&mut self, path: &str, mode: &str) -> Result<(), Errno> {
        let mode = mode.chars().fold(libc::F_OK, |bits, letter| {
            bits | match letter {
                'r' => libc::R_OK,
                'w' => libc::W_OK,
                'x' => libc::X_OK,
                _ => libc::F_OK,
            }
        });
        let path = c_path(path)?;
        // SAFETY: the path ends in a NUL and outlives the call.
        done(unsafe { libc::access(path.as_ptr(), mode) })
    }

    fn names(&mut self, path: &str) -> Result<Vec<String>, Errno> {
        let failed = |error: std::io::Error| {
            let raw = error.raw_os_error();
            raw.map_or(Errno::IO, Errno::from_raw_os_error)
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn mmap(
        &mut self,
        fd: Fd,
        length: usize,
        offset: i64,
        write: bool,
        shared: bool,
    ) -> Result<Vec<u8>, Errno> {
        calls::mmap(fd, length, offset, write, shared)
    }

    fn other(&mut self, name: &str, fd: Fd, numbers: &[i64]) -> Result<String, Errno> {
        calls::other(name, fd, numbers)
    }
}
