//! Calls that a signal interrupted while they waited for the supervisor.
//!
//! Until the supervisor has received a call, a signal ends its wait with the
//! restart code of a call that may be interrupted: EINTR unless the handler has
//! SA_RESTART. On Linux these calls never answer EINTR. So where a process is
//! watched, the code becomes, before the handler runs, that of a call that is
//! always made again.

use crate::sandbox::call::Rule;
use crate::sandbox::calls::table;
use crate::sandbox::kernel::arch;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::ptrace;
use crate::sandbox::kernel::sys;

/// Sees to it that the call of a thread that is about to get a signal is made
/// again, if it is one that no signal interrupts.
pub(in crate::sandbox) fn restart(tid: u32) {
    let Ok(mut registers) = ptrace::registers(tid) else {
        return;
    };
    if !arch::is_interrupted(&registers) {
        return;
    }
    let (number, args) = arch::call(&registers);
    if is_never_interrupted(Process { tid }, number, &args) {
        arch::set_restarted(&mut registers);
        let _ = ptrace::set_registers(tid, &registers);
    }
}

fn is_never_interrupted(process: Process, number: i64, args: &[u64; 6]) -> bool {
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open | libc::SYS_creat => !may_wait(process, libc::AT_FDCWD, args[0]),
        libc::SYS_openat | libc::SYS_openat2 => !may_wait(process, args[0] as i32, args[1]),
        // The kernel's own wait for data, for a lock or for a medium may end so.
        libc::SYS_sendfile
        | libc::SYS_splice
        | libc::SYS_copy_file_range
        | libc::SYS_fsync
        | libc::SYS_fdatasync
        | libc::SYS_sync_file_range
        | libc::SYS_fallocate
        | libc::SYS_io_submit => false,
        // So may that for whoever is at the other end.
        libc::SYS_connect
        | libc::SYS_sendto
        | libc::SYS_sendmsg
        | libc::SYS_sendmmsg
        | libc::SYS_recvmsg
        | libc::SYS_recvmmsg => false,
        libc::SYS_ioctl => args[1] >> 8 & 0xff == u64::from(b'M'),
        libc::SYS_mmap | libc::SYS_lseek => true,
        _ => table::by_number(number).is_some_and(|call| {
            matches!(
                call.rule,
                Rule::Always | Rule::Signal(_) | Rule::ChildHandler | Rule::Unmarked
            )
        }),
    }
}

/// Whether an open of this waits for somebody, and may be interrupted in that.
fn may_wait(process: Process, folder: i32, address: u64) -> bool {
    let Ok(path) = process.path(address) else {
        return false;
    };
    let path = match path.first() {
        Some(b'/') => c_string(&path),
        _ if folder == libc::AT_FDCWD => below(process, "cwd", &path),
        _ => below(process, &format!("fd/{folder}"), &path),
    };
    let kind = sys::stat(&path, true).map(|about| about.st_mode & libc::S_IFMT);
    matches!(kind, Ok(libc::S_IFIFO | libc::S_IFCHR | libc::S_IFBLK))
}

fn below(process: Process, folder: &str, path: &[u8]) -> std::ffi::CString {
    let mut whole = process.proc(folder).into_bytes();
    whole.push(b'/');
    whole.extend_from_slice(path);
    c_string(&whole)
}
