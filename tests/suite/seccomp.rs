//! Filters of a program's system calls, made between fork and exec: nothing here
//! allocates.

use std::io;

/// Loads the word at that offset of seccomp_data.
pub(crate) const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
/// Ends with that answer.
pub(crate) const GIVE: u32 = libc::BPF_RET | libc::BPF_K;
/// Goes on behind the next `jt` or `jf` instructions.
pub(crate) const JUMP: u32 = libc::BPF_JMP | libc::BPF_K;

/// One instruction of a filter.
pub(crate) const fn op(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

/// Has the filter decide on each call of this process from now on.
pub(crate) fn restrict(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: two calls of prctl with the arguments they document; the kernel copies
    // the filter before it answers.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
    };
    match refused {
        true => Err(io::Error::last_os_error()),
        false => Ok(()),
    }
}
