//! The system calls that the filter stops, by name and number.
//!
//! A call is stopped when its answer could differ between a simulated node and
//! the file that stands in for it, or when it takes a path. read and write are
//! not among them: reads of a stand-in are right as they are, and writes are
//! caught by [`crate::sandbox::tracing::tracer`] in the few processes that opened a node for
//! writing.

/// Which calls of one number are stopped; see [`crate::sandbox::kernel::filter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Rule {
    /// All of them.
    Always,
    /// Those whose command is of a flash, block or file-system kind.
    Ioctl,
    /// Those that a stand-in would answer differently.
    Lseek,
    /// Those that map a file.
    Mmap,
    /// Those whose sixth argument (flags) is not zero.
    Flags,
    /// Only when an old kernel is played.
    Uname,
}

macro_rules! calls {
    ($($(#[$meta:meta])* $call:ident $name:literal $number:expr, $rule:ident;)*) => {
        /// A system call that the filter knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(in crate::sandbox) enum Call {
            $($(#[$meta])* $call,)*
        }
        /// All of them, with name, number here, and rule.
        pub(in crate::sandbox) static CALLS: &[(Call, &str, i64, Rule)] = &[
            $($(#[$meta])* (Call::$call, $name, $number as i64, Rule::$rule),)*
        ];
    };
}

calls! {
    Ioctl "ioctl" libc::SYS_ioctl, Ioctl;
    Lseek "lseek" libc::SYS_lseek, Lseek;
    Mmap "mmap" libc::SYS_mmap, Mmap;
    Openat "openat" libc::SYS_openat, Always;
    Newfstatat "newfstatat" libc::SYS_newfstatat, Always;
    Fstat "fstat" libc::SYS_fstat, Always;
    Statx "statx" libc::SYS_statx, Always;
    #[cfg(target_arch = "x86_64")] Open "open" libc::SYS_open, Always;
    #[cfg(target_arch = "x86_64")] Creat "creat" libc::SYS_creat, Always;
    #[cfg(target_arch = "x86_64")] Stat "stat" libc::SYS_stat, Always;
    #[cfg(target_arch = "x86_64")] Lstat "lstat" libc::SYS_lstat, Always;
    #[cfg(target_arch = "x86_64")] Access "access" libc::SYS_access, Always;
    #[cfg(target_arch = "x86_64")] Readlink "readlink" libc::SYS_readlink, Always;
    #[cfg(target_arch = "x86_64")] Mknod "mknod" libc::SYS_mknod, Always;
    #[cfg(target_arch = "x86_64")] Unlink "unlink" libc::SYS_unlink, Always;
    #[cfg(target_arch = "x86_64")] Rmdir "rmdir" libc::SYS_rmdir, Always;
    #[cfg(target_arch = "x86_64")] Mkdir "mkdir" libc::SYS_mkdir, Always;
    #[cfg(target_arch = "x86_64")] Rename "rename" libc::SYS_rename, Always;
    #[cfg(target_arch = "x86_64")] Link "link" libc::SYS_link, Always;
    #[cfg(target_arch = "x86_64")] Symlink "symlink" libc::SYS_symlink, Always;
    #[cfg(target_arch = "x86_64")] Chmod "chmod" libc::SYS_chmod, Always;
    #[cfg(target_arch = "x86_64")] Chown "chown" libc::SYS_chown, Always;
    #[cfg(target_arch = "x86_64")] Lchown "lchown" libc::SYS_lchown, Always;
    #[cfg(target_arch = "x86_64")] Utime "utime" libc::SYS_utime, Always;
    #[cfg(target_arch = "x86_64")] Utimes "utimes" libc::SYS_utimes, Always;
    #[cfg(target_arch = "x86_64")] Futimesat "futimesat" libc::SYS_futimesat, Always;
    #[cfg(target_arch = "x86_64")] Getdents "getdents" libc::SYS_getdents, Always;
    Openat2 "openat2" libc::SYS_openat2, Always;
    Faccessat "faccessat" libc::SYS_faccessat, Always;
    Faccessat2 "faccessat2" libc::SYS_faccessat2, Always;
    Readlinkat "readlinkat" libc::SYS_readlinkat, Always;
    Mknodat "mknodat" libc::SYS_mknodat, Always;
    Unlinkat "unlinkat" libc::SYS_unlinkat, Always;
    Mkdirat "mkdirat" libc::SYS_mkdirat, Always;
    Renameat "renameat" libc::SYS_renameat, Always;
    Renameat2 "renameat2" libc::SYS_renameat2, Always;
    Linkat "linkat" libc::SYS_linkat, Always;
    Symlinkat "symlinkat" libc::SYS_symlinkat, Always;
    Fchmodat "fchmodat" libc::SYS_fchmodat, Always;
    Fchmodat2 "fchmodat2" 452, Always;
    Fchmod "fchmod" libc::SYS_fchmod, Always;
    Fchownat "fchownat" libc::SYS_fchownat, Always;
    Fchown "fchown" libc::SYS_fchown, Always;
    Utimensat "utimensat" libc::SYS_utimensat, Always;
    Truncate "truncate" libc::SYS_truncate, Always;
    Ftruncate "ftruncate" libc::SYS_ftruncate, Always;
    Chdir "chdir" libc::SYS_chdir, Always;
    Getcwd "getcwd" libc::SYS_getcwd, Always;
    Statfs "statfs" libc::SYS_statfs, Always;
    Execve "execve" libc::SYS_execve, Always;
    Getdents64 "getdents64" libc::SYS_getdents64, Always;
    Sync "sync" libc::SYS_sync, Always;
    Fsync "fsync" libc::SYS_fsync, Always;
    Fdatasync "fdatasync" libc::SYS_fdatasync, Always;
    SyncFileRange "sync_file_range" libc::SYS_sync_file_range, Always;
    Fallocate "fallocate" libc::SYS_fallocate, Always;
    Sendfile "sendfile" libc::SYS_sendfile, Always;
    Splice "splice" libc::SYS_splice, Always;
    CopyFileRange "copy_file_range" libc::SYS_copy_file_range, Always;
    Preadv2 "preadv2" libc::SYS_preadv2, Flags;
    Pwritev2 "pwritev2" libc::SYS_pwritev2, Flags;
    Getxattr "getxattr" libc::SYS_getxattr, Always;
    Lgetxattr "lgetxattr" libc::SYS_lgetxattr, Always;
    Fgetxattr "fgetxattr" libc::SYS_fgetxattr, Always;
    Listxattr "listxattr" libc::SYS_listxattr, Always;
    Llistxattr "llistxattr" libc::SYS_llistxattr, Always;
    Flistxattr "flistxattr" libc::SYS_flistxattr, Always;
    Setxattr "setxattr" libc::SYS_setxattr, Always;
    Lsetxattr "lsetxattr" libc::SYS_lsetxattr, Always;
    Removexattr "removexattr" libc::SYS_removexattr, Always;
    InotifyAddWatch "inotify_add_watch" libc::SYS_inotify_add_watch, Always;
    Chroot "chroot" libc::SYS_chroot, Always;
    Mount "mount" libc::SYS_mount, Always;
    Umount2 "umount2" libc::SYS_umount2, Always;
    Uname "uname" libc::SYS_uname, Uname;
}

/// What the kernel calls a number that the filter stopped.
pub(in crate::sandbox) fn by_number(number: i64) -> Option<(Call, &'static str)> {
    CALLS
        .iter()
        .find(|entry| entry.2 == number)
        .map(|entry| (entry.0, entry.1))
}
