//! The system calls of x86-64 and aarch64 with the kernel that brought them.
//!
//! Source: the table of syscalls(2) in the Linux man-pages 6.03; membarrier,
//! which that table has wrong, and what came after 5.14 from
//! include/uapi/asm-generic/unistd.h and arch/x86/entry/syscalls/syscall_64.tbl
//! of Linux 6.17. Where architectures got a call at different times, the earliest
//! counts. Calls before 2.6.17 are left out: no kernel in use lacks them.

use super::Version;

const fn v(major: u16, minor: u16, patch: u16) -> Version {
    Version {
        major,
        minor,
        patch,
    }
}

/// (number, kernel), numbers up to 423.
pub(super) static OLD_NUMBERS: &[(i64, Version)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_eventfd, v(2, 6, 22)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_signalfd, v(2, 6, 22)),
    (libc::SYS_get_robust_list, v(2, 6, 17)),
    (libc::SYS_set_robust_list, v(2, 6, 17)),
    (libc::SYS_splice, v(2, 6, 17)),
    (libc::SYS_sync_file_range, v(2, 6, 17)),
    (libc::SYS_tee, v(2, 6, 17)),
    (libc::SYS_vmsplice, v(2, 6, 17)),
    (libc::SYS_move_pages, v(2, 6, 18)),
    (libc::SYS_epoll_pwait, v(2, 6, 19)),
    (libc::SYS_getcpu, v(2, 6, 19)),
    (libc::SYS_utimensat, v(2, 6, 22)),
    (libc::SYS_fallocate, v(2, 6, 23)),
    (libc::SYS_timerfd_create, v(2, 6, 25)),
    (libc::SYS_timerfd_gettime, v(2, 6, 25)),
    (libc::SYS_timerfd_settime, v(2, 6, 25)),
    (libc::SYS_dup3, v(2, 6, 27)),
    (libc::SYS_epoll_create1, v(2, 6, 27)),
    (libc::SYS_eventfd2, v(2, 6, 27)),
    (libc::SYS_inotify_init1, v(2, 6, 27)),
    (libc::SYS_pipe2, v(2, 6, 27)),
    (libc::SYS_signalfd4, v(2, 6, 27)),
    (libc::SYS_accept4, v(2, 6, 28)),
    (libc::SYS_preadv, v(2, 6, 30)),
    (libc::SYS_pwritev, v(2, 6, 30)),
    (libc::SYS_perf_event_open, v(2, 6, 31)),
    (libc::SYS_rt_tgsigqueueinfo, v(2, 6, 31)),
    (libc::SYS_recvmmsg, v(2, 6, 33)),
    (libc::SYS_prlimit64, v(2, 6, 36)),
    (libc::SYS_fanotify_init, v(2, 6, 37)),
    (libc::SYS_fanotify_mark, v(2, 6, 37)),
    (libc::SYS_clock_adjtime, v(2, 6, 39)),
    (libc::SYS_name_to_handle_at, v(2, 6, 39)),
    (libc::SYS_open_by_handle_at, v(2, 6, 39)),
    (libc::SYS_syncfs, v(2, 6, 39)),
    (libc::SYS_sendmmsg, v(3, 0, 0)),
    (libc::SYS_setns, v(3, 0, 0)),
    (libc::SYS_process_vm_readv, v(3, 2, 0)),
    (libc::SYS_process_vm_writev, v(3, 2, 0)),
    (libc::SYS_kcmp, v(3, 5, 0)),
    (libc::SYS_finit_module, v(3, 8, 0)),
    (libc::SYS_sched_getattr, v(3, 14, 0)),
    (libc::SYS_sched_setattr, v(3, 14, 0)),
    (libc::SYS_renameat2, v(3, 15, 0)),
    (libc::SYS_getrandom, v(3, 17, 0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_kexec_file_load, v(3, 17, 0)),
    (libc::SYS_memfd_create, v(3, 17, 0)),
    (libc::SYS_bpf, v(3, 18, 0)),
    (libc::SYS_execveat, v(3, 19, 0)),
    (libc::SYS_membarrier, v(4, 3, 0)),
    (libc::SYS_userfaultfd, v(4, 3, 0)),
    (libc::SYS_mlock2, v(4, 4, 0)),
    (libc::SYS_copy_file_range, v(4, 5, 0)),
    (libc::SYS_preadv2, v(4, 6, 0)),
    (libc::SYS_pwritev2, v(4, 6, 0)),
    (libc::SYS_pkey_alloc, v(4, 8, 0)),
    (libc::SYS_pkey_free, v(4, 8, 0)),
    (libc::SYS_pkey_mprotect, v(4, 8, 0)),
    (libc::SYS_statx, v(4, 11, 0)),
    (
        if cfg!(target_arch = "x86_64") {
            333
        } else {
            292
        },
        v(4, 18, 0),
    ),
    (libc::SYS_rseq, v(4, 18, 0)),
];

/// (first number, last number, kernel): from 424 on all architectures share
/// their numbers.
pub(super) static SHARED_NUMBERS: &[(i64, i64, Version)] = &[
    // pidfd_send_signal, io_uring
    (424, 427, v(5, 1, 0)),
    // open_tree … fspick
    (428, 433, v(5, 2, 0)),
    // pidfd_open, clone3
    (434, 435, v(5, 3, 0)),
    // close_range
    (436, 436, v(5, 9, 0)),
    // openat2, pidfd_getfd
    (437, 438, v(5, 6, 0)),
    // faccessat2
    (439, 439, v(5, 8, 0)),
    // process_madvise
    (440, 440, v(5, 10, 0)),
    // epoll_pwait2
    (441, 441, v(5, 11, 0)),
    // mount_setattr
    (442, 442, v(5, 12, 0)),
    // quotactl_fd
    (443, 443, v(5, 14, 0)),
    // landlock
    (444, 446, v(5, 13, 0)),
    // memfd_secret
    (447, 447, v(5, 14, 0)),
    // process_mrelease
    (448, 448, v(5, 15, 0)),
    // futex_waitv
    (449, 449, v(5, 16, 0)),
    // set_mempolicy_home_node
    (450, 450, v(5, 17, 0)),
    // cachestat
    (451, 451, v(6, 5, 0)),
    // fchmodat2, map_shadow_stack
    (452, 453, v(6, 6, 0)),
    // futex_wake, futex_wait, futex_requeue
    (454, 456, v(6, 7, 0)),
    // statmount, listmount, lsm_*
    (457, 461, v(6, 8, 0)),
    // mseal
    (462, 462, v(6, 10, 0)),
    // setxattrat … removexattrat
    (463, 466, v(6, 13, 0)),
    // open_tree_attr
    (467, 467, v(6, 15, 0)),
    // file_getattr, file_setattr
    (468, 469, v(6, 17, 0)),
];
