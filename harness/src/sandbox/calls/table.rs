//! The system calls that the first filter stops: each with its number, the
//! filter's rule, and where its arguments are.
//!
//! A call is here when its answer could differ between a simulated node and
//! the file that stands in for it, or when it takes a path. read and write are
//! not: reads of a stand-in are right as they are, and writes are caught by
//! the tracer in the few processes that opened a node for writing (their table
//! is `kernel::read_write`).
//!
//! To add one: a line here, and a handler in the file of its kind.

use crate::Errno;
use crate::sandbox::call::{Decision, Rule, Trapped};
use crate::sandbox::calls::attributes::{self as attributes, Change, Times};
use crate::sandbox::calls::descriptors as fds;
use crate::sandbox::calls::{
    asynchronous, changes, folders, looks, names, opening, passing, programs, refused, signals,
    sockets, xattrs,
};
use crate::sandbox::state::State;
use Rule::{
    Address, Always, ChildHandler, Fcntl, Flags, Ioctl, Kinds, Listener, Lseek, Mmap, Signal,
    Uname, Unmarked,
};
use folders::Entries;
use looks::Form;

/// Decides about one call.
type Handler = fn(&mut State, &Trapped) -> Decision;

/// One system call.
pub(in crate::sandbox) struct Entry {
    pub name: &'static str,
    /// Its number on this architecture.
    pub number: i64,
    pub rule: Rule,
    pub decide: Handler,
}

const fn call(name: &'static str, number: libc::c_long, rule: Rule, decide: Handler) -> Entry {
    Entry {
        name,
        number,
        rule,
        decide,
    }
}

const NOFOLLOW: i32 = libc::AT_SYMLINK_NOFOLLOW;

/// All of them, the frequent ones first: the filter asks in this order.
#[rustfmt::skip]
pub(in crate::sandbox) static CALLS: &[Entry] = &[
    // On a descriptor, in most cases not of flash.
    call("ioctl", libc::SYS_ioctl, Ioctl, fds::ioctl),
    call("fcntl", libc::SYS_fcntl, Fcntl, fds::fcntl),
    call("lseek", libc::SYS_lseek, Lseek, fds::lseek),
    call("mmap", libc::SYS_mmap, Mmap, fds::mmap),

    // Opening.
    call("openat", libc::SYS_openat, Always, |s, c| opening::open(s, c, c.at(0), c.int(2), c.word(3))),
    call("newfstatat", libc::SYS_newfstatat, Always, |s, c| looks::stat(s, c, c.at(0), c.int(3), c.args[2], Form::Stat)),
    call("fstat", libc::SYS_fstat, Always, |s, c| looks::fstat(s, c, c.int(0), c.args[1], Form::Stat)),
    call("statx", libc::SYS_statx, Always, |s, c| looks::stat(s, c, c.at(0), c.int(2), c.args[4], Form::Statx { mask: c.word(3) })),
    #[cfg(target_arch = "x86_64")]
    call("open", libc::SYS_open, Always, |s, c| opening::open(s, c, c.here(0), c.int(1), c.word(2))),
    #[cfg(target_arch = "x86_64")]
    call("creat", libc::SYS_creat, Always, |s, c| opening::open(s, c, c.here(0), libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, c.word(1))),
    call("openat2", libc::SYS_openat2, Always, |s, c| opening::openat2(s, c, c.at(0), c.args[2], c.args[3])),

    // Looking.
    #[cfg(target_arch = "x86_64")]
    call("stat", libc::SYS_stat, Always, |s, c| looks::stat(s, c, c.here(0), 0, c.args[1], Form::Stat)),
    #[cfg(target_arch = "x86_64")]
    call("lstat", libc::SYS_lstat, Always, |s, c| looks::stat(s, c, c.here(0), NOFOLLOW, c.args[1], Form::Stat)),
    #[cfg(target_arch = "x86_64")]
    call("access", libc::SYS_access, Always, |s, c| looks::access(s, c, c.here(0), c.int(1), 0)),
    // The fourth argument of faccessat is the C library's, not the kernel's.
    call("faccessat", libc::SYS_faccessat, Always, |s, c| looks::access(s, c, c.at(0), c.int(2), 0)),
    call("faccessat2", libc::SYS_faccessat2, Always, |s, c| looks::access(s, c, c.at(0), c.int(2), c.int(3))),
    #[cfg(target_arch = "x86_64")]
    call("readlink", libc::SYS_readlink, Always, |s, c| looks::readlink(s, c, c.here(0), c.args[1], c.args[2])),
    call("readlinkat", libc::SYS_readlinkat, Always, |s, c| looks::readlink(s, c, c.at(0), c.args[2], c.args[3])),
    call("statfs", libc::SYS_statfs, Always, |s, c| looks::statfs(s, c, c.here(0), c.args[1])),
    call("fstatfs", libc::SYS_fstatfs, Always, looks::fstatfs),

    // Making, moving and removing.
    #[cfg(target_arch = "x86_64")]
    call("mknod", libc::SYS_mknod, Always, |s, c| changes::mknod(s, c, c.here(0), c.word(1), c.args[2])),
    call("mknodat", libc::SYS_mknodat, Always, |s, c| changes::mknod(s, c, c.at(0), c.word(2), c.args[3])),
    #[cfg(target_arch = "x86_64")]
    call("mkdir", libc::SYS_mkdir, Always, |s, c| changes::mkdir(s, c, c.here(0), c.word(1))),
    call("mkdirat", libc::SYS_mkdirat, Always, |s, c| changes::mkdir(s, c, c.at(0), c.word(2))),
    #[cfg(target_arch = "x86_64")]
    call("unlink", libc::SYS_unlink, Always, |s, c| changes::unlink(s, c, c.here(0), 0)),
    #[cfg(target_arch = "x86_64")]
    call("rmdir", libc::SYS_rmdir, Always, |s, c| changes::unlink(s, c, c.here(0), libc::AT_REMOVEDIR)),
    call("unlinkat", libc::SYS_unlinkat, Always, |s, c| changes::unlink(s, c, c.at(0), c.int(2))),
    #[cfg(target_arch = "x86_64")]
    call("rename", libc::SYS_rename, Always, |s, c| names::rename(s, c, c.here(0), c.here(1), 0)),
    call("renameat", libc::SYS_renameat, Always, |s, c| names::rename(s, c, c.at(0), c.at(2), 0)),
    call("renameat2", libc::SYS_renameat2, Always, |s, c| names::rename(s, c, c.at(0), c.at(2), c.word(4))),
    #[cfg(target_arch = "x86_64")]
    call("link", libc::SYS_link, Always, |s, c| names::link(s, c, c.here(0), c.here(1), 0)),
    call("linkat", libc::SYS_linkat, Always, |s, c| names::link(s, c, c.at(0), c.at(2), c.int(4))),
    #[cfg(target_arch = "x86_64")]
    call("symlink", libc::SYS_symlink, Always, |s, c| changes::symlink(s, c, c.args[0], c.here(1))),
    call("symlinkat", libc::SYS_symlinkat, Always, |s, c| changes::symlink(s, c, c.args[0], c.at(1))),
    call("truncate", libc::SYS_truncate, Always, |s, c| changes::truncate(s, c, c.here(0), c.args[1])),

    // Mode, owner and times.
    #[cfg(target_arch = "x86_64")]
    call("chmod", libc::SYS_chmod, Always, |s, c| attributes::change(s, c, c.here(0), 0, Change::mode(c, 1))),
    call("fchmodat", libc::SYS_fchmodat, Always, |s, c| attributes::change(s, c, c.at(0), 0, Change::mode(c, 2))),
    call("fchmodat2", 452, Always, |s, c| attributes::change(s, c, c.at(0), c.int(3), Change::mode(c, 2))),
    call("fchmod", libc::SYS_fchmod, Always, |s, c| attributes::of_descriptor(s, c, c.int(0), Change::mode(c, 1))),
    #[cfg(target_arch = "x86_64")]
    call("chown", libc::SYS_chown, Always, |s, c| attributes::change(s, c, c.here(0), 0, Change::owner(c, 1))),
    #[cfg(target_arch = "x86_64")]
    call("lchown", libc::SYS_lchown, Always, |s, c| attributes::change(s, c, c.here(0), NOFOLLOW, Change::owner(c, 1))),
    call("fchownat", libc::SYS_fchownat, Always, |s, c| attributes::change(s, c, c.at(0), c.int(4), Change::owner(c, 2))),
    call("fchown", libc::SYS_fchown, Always, |s, c| attributes::of_descriptor(s, c, c.int(0), Change::owner(c, 1))),
    call("utimensat", libc::SYS_utimensat, Always, |s, c| attributes::utimes(s, c, c.at(0), c.int(3), c.args[2], Times::Nanoseconds)),
    #[cfg(target_arch = "x86_64")]
    call("utime", libc::SYS_utime, Always, |s, c| attributes::utimes(s, c, c.here(0), 0, c.args[1], Times::Seconds)),
    #[cfg(target_arch = "x86_64")]
    call("utimes", libc::SYS_utimes, Always, |s, c| attributes::utimes(s, c, c.here(0), 0, c.args[1], Times::Microseconds)),
    #[cfg(target_arch = "x86_64")]
    call("futimesat", libc::SYS_futimesat, Always, |s, c| attributes::utimes(s, c, c.at(0), 0, c.args[2], Times::Microseconds)),

    // Extended attributes.
    call("getxattr", libc::SYS_getxattr, Always, |s, c| xattrs::get(s, c, c.here(0), true)),
    call("lgetxattr", libc::SYS_lgetxattr, Always, |s, c| xattrs::get(s, c, c.here(0), false)),
    call("fgetxattr", libc::SYS_fgetxattr, Always, xattrs::fget),
    call("listxattr", libc::SYS_listxattr, Always, |s, c| xattrs::list(s, c, c.here(0), true)),
    call("llistxattr", libc::SYS_llistxattr, Always, |s, c| xattrs::list(s, c, c.here(0), false)),
    call("flistxattr", libc::SYS_flistxattr, Always, xattrs::flist),
    call("setxattr", libc::SYS_setxattr, Always, |s, c| xattrs::set(s, c, c.here(0), true)),
    call("lsetxattr", libc::SYS_lsetxattr, Always, |s, c| xattrs::set(s, c, c.here(0), false)),
    call("fsetxattr", libc::SYS_fsetxattr, Always, xattrs::fchange),
    call("removexattr", libc::SYS_removexattr, Always, |s, c| xattrs::remove(s, c, c.here(0), true)),
    call("lremovexattr", libc::SYS_lremovexattr, Always, |s, c| xattrs::remove(s, c, c.here(0), false)),
    call("fremovexattr", libc::SYS_fremovexattr, Always, xattrs::fchange),

    // Folders.
    call("chdir", libc::SYS_chdir, Always, |s, c| folders::chdir(s, c, c.here(0))),
    call("getcwd", libc::SYS_getcwd, Always, folders::getcwd),
    call("getdents64", libc::SYS_getdents64, Always, |s, c| folders::list(s, c, Entries::New)),
    #[cfg(target_arch = "x86_64")]
    call("getdents", libc::SYS_getdents, Always, |s, c| folders::list(s, c, Entries::Old)),
    call("execve", libc::SYS_execve, Always, |s, c| programs::exec(s, c, c.here(0), (c.args[1], c.args[2]), 0)),
    call("execveat", libc::SYS_execveat, Always, |s, c| programs::exec(s, c, c.at(0), (c.args[2], c.args[3]), c.int(4))),

    // On a descriptor.
    call("sync", libc::SYS_sync, Always, fds::sync),
    call("readahead", libc::SYS_readahead, Always, fds::readahead),
    call("fsync", libc::SYS_fsync, Always, fds::fsync),
    call("fdatasync", libc::SYS_fdatasync, Always, fds::fsync),
    call("sync_file_range", libc::SYS_sync_file_range, Always, fds::sync_file_range),
    call("ftruncate", libc::SYS_ftruncate, Always, fds::ftruncate),
    call("fallocate", libc::SYS_fallocate, Always, fds::fallocate),
    call("io_submit", libc::SYS_io_submit, Always, |s, c| asynchronous::submit(s, c, c.args[1], c.args[2])),
    call("preadv2", libc::SYS_preadv2, Flags, fds::with_flags),
    call("pwritev2", libc::SYS_pwritev2, Flags, fds::with_flags),
    call("sendfile", libc::SYS_sendfile, Always, |s, c| fds::copy(s, c, c.int(1), c.int(0), true)),
    call("splice", libc::SYS_splice, Always, |s, c| fds::copy(s, c, c.int(0), c.int(2), true)),
    call("copy_file_range", libc::SYS_copy_file_range, Always, |s, c| fds::copy(s, c, c.int(0), c.int(2), false)),

    // A path that is put into something else.
    call("bind", libc::SYS_bind, Always, sockets::bind),
    call("connect", libc::SYS_connect, Always, sockets::connect),
    call("sendto", libc::SYS_sendto, Address(4), sockets::send_to),
    call("sendmsg", libc::SYS_sendmsg, Unmarked, sockets::send_message),
    call("sendmmsg", libc::SYS_sendmmsg, Always, sockets::send_messages),
    call("recvmsg", libc::SYS_recvmsg, Unmarked, passing::receive),
    call("recvmmsg", libc::SYS_recvmmsg, Unmarked, passing::receive),
    call("pidfd_getfd", libc::SYS_pidfd_getfd, Unmarked, passing::receive),
    call("getsockname", libc::SYS_getsockname, Always, |s, c| sockets::name(s, c, true)),
    call("getpeername", libc::SYS_getpeername, Always, |s, c| sockets::name(s, c, false)),
    call("inotify_add_watch", libc::SYS_inotify_add_watch, Always, sockets::watch),

    // Only the host's files take these.
    call("mount", libc::SYS_mount, Always, refused::mount),
    call("fsconfig", libc::SYS_fsconfig, Always, refused::fsconfig),
    call("umount2", libc::SYS_umount2, Always, |s, c| refused::on_path(s, c, c.here(0), Errno::BUSY)),
    call("chroot", libc::SYS_chroot, Always, refused::chroot),
    call("pivot_root", libc::SYS_pivot_root, Always, |s, _| refused::by_name(s, "pivot_root", Errno::PERM)),
    call("move_mount", libc::SYS_move_mount, Always, |s, c| refused::on_paths(s, c, [c.at(0), c.at(2)], Errno::PERM)),
    call("open_tree", libc::SYS_open_tree, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::PERM)),
    call("open_tree_attr", 467, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::PERM)),
    call("fspick", libc::SYS_fspick, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::PERM)),
    call("mount_setattr", libc::SYS_mount_setattr, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::PERM)),
    call("swapon", libc::SYS_swapon, Always, |s, c| refused::on_path(s, c, c.here(0), Errno::PERM)),
    call("swapoff", libc::SYS_swapoff, Always, |s, c| refused::on_path(s, c, c.here(0), Errno::INVAL)),
    call("acct", libc::SYS_acct, Always, |s, c| refused::on_path(s, c, c.here(0), Errno::PERM)),
    call("quotactl", libc::SYS_quotactl, Always, |s, c| refused::on_path(s, c, c.here(1), Errno::NODEV)),
    call("fanotify_mark", libc::SYS_fanotify_mark, Always, |s, c| refused::on_path_to_open(s, c, c.at(3), Errno::PERM)),
    call("name_to_handle_at", libc::SYS_name_to_handle_at, Always, |s, c| refused::on_path_to_open(s, c, c.at(0), Errno::OPNOTSUPP)),

    // Later kernels' ways to attributes: whoever uses them knows kernels without.
    call("setxattrat", 463, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::NOSYS)),
    call("getxattrat", 464, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::NOSYS)),
    call("listxattrat", 465, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::NOSYS)),
    call("removexattrat", 466, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::NOSYS)),
    call("file_getattr", 468, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::NOSYS)),
    call("file_setattr", 469, Always, |s, c| refused::on_path(s, c, c.at(0), Errno::NOSYS)),

    // A path in memory that another thread of the program fills would hold up the sandbox;
    // io_uring opens and writes files past any filter; and the kernel has one listener.
    call("userfaultfd", libc::SYS_userfaultfd, Always, |s, _| refused::by_name(s, "userfaultfd", Errno::NOSYS)),
    call("io_uring_setup", libc::SYS_io_uring_setup, Always, |s, _| refused::by_name(s, "io_uring", Errno::NOSYS)),
    call("seccomp", libc::SYS_seccomp, Listener, |s, _| refused::by_name(s, "a seccomp listener", Errno::BUSY)),

    // Allowed, with a word of what will not work then.
    call("clone", libc::SYS_clone, Kinds(refused::KINDS), |s, c| refused::kinds(s, c, c.word(0))),
    call("unshare", libc::SYS_unshare, Kinds(libc::CLONE_NEWNS as u32), |s, c| refused::kinds(s, c, c.word(0))),
    call("setns", libc::SYS_setns, Always, refused::setns),

    // What may bring a signal soon.
    call("setitimer", libc::SYS_setitimer, Always, signals::timer),
    call("timer_settime", libc::SYS_timer_settime, Always, signals::timer),
    #[cfg(target_arch = "x86_64")]
    call("alarm", libc::SYS_alarm, Always, signals::timer),
    call("kill", libc::SYS_kill, Signal(1), signals::kill),
    call("tkill", libc::SYS_tkill, Signal(1), |s, c| signals::send(s, c, c.int(0), c.int(1))),
    call("tgkill", libc::SYS_tgkill, Signal(2), |s, c| signals::send(s, c, c.int(0), c.int(2))),
    call("rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo, Signal(2), |s, c| signals::send(s, c, c.int(1), c.int(2))),
    call("pidfd_send_signal", libc::SYS_pidfd_send_signal, Signal(1), signals::send_by_descriptor),
    call("mq_notify", libc::SYS_mq_notify, Always, signals::timer),
    call("rt_sigaction", libc::SYS_rt_sigaction, ChildHandler, signals::handler),
    call("ptrace", libc::SYS_ptrace, Always, |s, c| signals::ptrace(s, c, c.word(0), c.args[1])),
    call("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, Signal(1), |s, c| signals::send(s, c, c.int(0), c.int(1))),

    call("uname", libc::SYS_uname, Uname, looks::uname),
];

/// The call of a number that the filter stopped.
pub(in crate::sandbox) fn by_number(number: i64) -> Option<&'static Entry> {
    CALLS.iter().find(|entry| entry.number == number)
}

/// What the filter needs of the table.
pub(in crate::sandbox) fn rules() -> Vec<(i64, Rule)> {
    CALLS.iter().map(|call| (call.number, call.rule)).collect()
}
