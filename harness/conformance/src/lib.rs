//! Several hundred calls on the MTD interface, each with its answer as one line
//! of text: the means by which the simulation is measured against a kernel.
//!
//! The calls are data: text files in `cases/` in the small language of
//! [`script`]. A [`Target`] performs them. There are two:
//!
//! - [`native::Native`] makes raw system calls on real paths. It runs on a
//!   kernel with real MTD, on the virtual iSpot, and inside the sandbox.
//! - [`in_process::InProcess`] calls the harness's MTD layer.
//!
//! What one prints must be what the other prints, on 32-bit ARM as on x86-64.
//!
//! Invariants:
//!
//! - Nothing is written, erased, locked or even opened for writing except on the
//!   partitions that the caller names ([`Permit`]); a section that aims at
//!   another one is left out and says so.
//! - Contents of the scratch partition are read before the first section that
//!   writes to it and put back at the end.
//! - A line's text depends on the layout, never on what the chip holds, on inode
//!   numbers, times or addresses.
//!
//! Faults tolerated: any call may fail with any error; the line says so and the
//! run goes on. A call on a handle that could not be opened answers `no handle`.

pub mod answer;
pub mod compare;
pub mod expression;
pub mod in_process;
pub mod ioctls;
#[cfg(target_os = "linux")]
pub mod native;
pub mod run;
pub mod script;
mod verbs;

use ioctls::UserStruct;
pub use mtd_harness::Errno;

/// A handle number of a [`Target`]; a file descriptor where it is [`native`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fd(pub i32);

/// What a case asks of open(2). Flags that do not concern MTD are kept by name,
/// because a number differs between architectures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// O_RDONLY or O_RDWR.
    pub read: bool,
    /// O_WRONLY or O_RDWR.
    pub write: bool,
    /// Further flags without their `O_`, such as `CREAT`.
    pub flags: Vec<String>,
}

/// What kind of node mknod(2) is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// The third argument of an ioctl.
pub enum Argument<'a> {
    /// A plain number.
    Number(u64),
    /// An address where nothing is.
    Bad,
    /// A structure in memory, perhaps with pointers to more.
    Struct(&'a mut UserStruct),
}

/// Memory of a read or write that a slice cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Address 0.
    Null,
    /// An address where nothing is.
    Bad,
    /// Good memory, but shorter than the length that is claimed for it.
    Short,
}

/// Something that answers the calls which make sense for a kernel and for the
/// harness's MTD layer alike. Errors are what the kernel answers, as errno.
pub trait Target {
    /// 4 or 8: the width of a pointer, and of C's `long`.
    fn pointer_bytes(&self) -> usize;
    /// open(2).
    fn open(&mut self, path: &str, request: &OpenRequest) -> Result<Fd, Errno>;
    /// close(2).
    fn close(&mut self, fd: Fd) -> Result<(), Errno>;
    /// read(2), or pread(2) with an offset in bytes.
    fn read(&mut self, fd: Fd, buf: &mut [u8], offset: Option<i64>) -> Result<usize, Errno>;
    /// write(2), or pwrite(2) with an offset in bytes.
    fn write(&mut self, fd: Fd, data: &[u8], offset: Option<i64>) -> Result<usize, Errno>;
    /// lseek(2) with Linux's `whence` number: the new position in bytes.
    fn seek(&mut self, fd: Fd, whence: i32, offset: i64) -> Result<u64, Errno>;
    /// ioctl(2).
    fn ioctl(&mut self, fd: Fd, command: u32, argument: Argument<'_>) -> Result<i32, Errno>;
    /// fsync(2).
    fn fsync(&mut self, fd: Fd) -> Result<(), Errno>;
    /// fdatasync(2).
    fn fdatasync(&mut self, fd: Fd) -> Result<(), Errno>;
    /// sync(2).
    fn sync(&mut self);
    /// ftruncate(2).
    fn ftruncate(&mut self, fd: Fd, length: i64) -> Result<(), Errno>;
    /// fallocate(2).
    fn fallocate(&mut self, fd: Fd, mode: i32, offset: i64, length: i64) -> Result<(), Errno>;
    /// fstat(2).
    fn fstat(&mut self, fd: Fd) -> Result<Look, Errno>;
    /// mknod(2).
    fn mknod(&mut self, path: &str, kind: NodeKind, major: u32, minor: u32) -> Result<(), Errno>;
    /// unlink(2).
    fn unlink(&mut self, path: &str) -> Result<(), Errno>;
    /// The whole of a small text file.
    fn text(&mut self, path: &str) -> Result<String, Errno>;
    /// The calls that only a real process can make; none by default.
    fn process(&mut self) -> Option<&mut dyn Process> {
        None
    }
}

/// What stat(2) tells that does not depend on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// `char`, `block`, `file`, `dir`, `link` or `other`.
    pub kind: &'static str,
    /// Major and minor number of the device that a node stands for.
    pub device: (u32, u32),
    /// `st_size` in bytes.
    pub size_bytes: u64,
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor) = self.device;
        match self.kind {
            "char" | "block" => write!(f, "{} {major}:{minor} size {}", self.kind, self.size_bytes),
            // A folder's size is its file system's affair.
            "file" => write!(f, "file size {}", self.size_bytes),
            kind => f.write_str(kind),
        }
    }
}

/// The calls that make sense for a real process only.
pub trait Process {
    /// read(2) or pread(2) of `length` bytes into memory that is not there.
    fn read_into(
        &mut self,
        fd: Fd,
        memory: Memory,
        length: usize,
        offset: Option<i64>,
    ) -> Result<usize, Errno>;
    /// write(2) or pwrite(2) of `length` bytes from memory that is not there.
    fn write_from(
        &mut self,
        fd: Fd,
        memory: Memory,
        length: usize,
        offset: Option<i64>,
    ) -> Result<usize, Errno>;
    /// readv(2), or preadv(2) with an offset, into buffers of these lengths.
    fn readv(&mut self, fd: Fd, bufs: &mut [Vec<u8>], offset: Option<i64>) -> Result<usize, Errno>;
    /// writev(2), or pwritev(2) with an offset.
    fn writev(&mut self, fd: Fd, bufs: &[Vec<u8>], offset: Option<i64>) -> Result<usize, Errno>;
    /// dup(2).
    fn dup(&mut self, fd: Fd) -> Result<Fd, Errno>;
    /// lseek(2) from the start, made by a child process of this one.
    fn seek_in_child(&mut self, fd: Fd, offset: i64) -> Result<(), Errno>;
    /// stat(2), or lstat(2), or statx(2), by its name.
    fn stat(&mut self, call: &str, path: &str) -> Result<Look, Errno>;
    /// access(2); `mode` is made of `r`, `w`, `x`, or is `f`.
    fn access(&mut self, path: &str, mode: &str) -> Result<(), Errno>;
    /// The sorted names in a folder.
    fn names(&mut self, path: &str) -> Result<Vec<String>, Errno>;
    /// mmap(2) of `length` bytes: the bytes as far as asked, then unmapped.
    fn mmap(
        &mut self,
        fd: Fd,
        length: usize,
        offset: i64,
        write: bool,
        shared: bool,
    ) -> Result<Vec<u8>, Errno>;
    /// sendfile, splice, poll, fcntl, flock and other
    /// calls that take a handle and numbers, by name.
    fn other(&mut self, name: &str, fd: Fd, numbers: &[i64]) -> Result<String, Errno>;
}

/// Which partitions calls may aim at that write, or would write if they were
/// not refused. Indices as in mtdN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permit(pub Vec<u32>);

impl Permit {
    /// Whether the partition may be aimed at.
    pub fn allows(&self, index: u32) -> bool {
        self.0.contains(&index)
    }
}
