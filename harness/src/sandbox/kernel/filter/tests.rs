//! The filter, run by a small machine of our own.

use super::*;
use rstest::rstest;

/// What the program answers to a call.
fn ask(program: &[libc::sock_filter], arch: u32, number: i64, args: [u64; 6]) -> u32 {
    let mut data = [0u8; 64];
    data[..4].copy_from_slice(&(number as u32).to_le_bytes());
    data[4..8].copy_from_slice(&arch.to_le_bytes());
    for (index, arg) in args.iter().enumerate() {
        data[16 + 8 * index..24 + 8 * index].copy_from_slice(&arg.to_le_bytes());
    }
    let (mut at, mut value) = (0usize, 0u32);
    loop {
        let op = &program[at];
        at += 1;
        let yes = match op.code {
            LOAD => {
                let offset = op.k as usize;
                value = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                continue;
            }
            AND => {
                value &= op.k;
                continue;
            }
            SHIFT_RIGHT => {
                value >>= op.k;
                continue;
            }
            RETURN => return op.k,
            JUMP_EQUAL => value == op.k,
            JUMP_GREATER => value > op.k,
            JUMP_AT_LEAST => value >= op.k,
            JUMP_SET => value & op.k != 0,
            other => panic!("no such instruction: {other:#x}"),
        };
        at += usize::from(if yes { op.jt } else { op.jf });
    }
}

fn plan(kernel: Option<Version>) -> Vec<libc::sock_filter> {
    notifying(&FilterPlan {
        seek_free_bytes: 0x1000,
        kernel,
        calls: crate::sandbox::calls::table::rules(),
    })
}

const ALL: u64 = u64::MAX;

#[rstest]
#[case::read(libc::SYS_read, [3, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::write(libc::SYS_write, [3, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::openat(libc::SYS_openat, [0; 6], RET_NOTIFY)]
#[case::execve(libc::SYS_execve, [0; 6], RET_NOTIFY)]
#[case::uname_as_it_is(libc::SYS_uname, [0; 6], RET_ALLOW)]
#[case::terminal_ioctl(libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0], RET_ALLOW)]
#[case::close_on_exec_ioctl(libc::SYS_ioctl, [0, 0x5451, 0, 0, 0, 0], RET_ALLOW)]
#[case::memgetinfo(libc::SYS_ioctl, [0, 0x8020_4d01, 0, 0, 0, 0], RET_NOTIFY)]
#[case::memgetinfo_sign_extended(libc::SYS_ioctl, [0, 0xffff_ffff_8020_4d01, 0, 0, 0, 0], RET_NOTIFY)]
#[case::blkgetsize(libc::SYS_ioctl, [0, 0x1260, 0, 0, 0, 0], RET_NOTIFY)]
#[case::ficlone(libc::SYS_ioctl, [0, 0x4004_9409, 0, 0, 0, 0], RET_NOTIFY)]
#[case::fionread(libc::SYS_ioctl, [0, 0x541b, 0, 0, 0, 0], RET_NOTIFY)]
#[case::loop_device(libc::SYS_ioctl, [3, 0x4c00, 4, 0, 0, 0], RET_NOTIFY)]
#[case::loop_device_at_once(libc::SYS_ioctl, [3, 0x4c0a, 4, 0, 0, 0], RET_NOTIFY)]
#[case::record_lock(libc::SYS_fcntl, [3, 6, 0, 0, 0, 0], RET_ALLOW)]
#[case::duplicate(libc::SYS_fcntl, [3, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::signal_of_a_description(libc::SYS_fcntl, [3, 11, 0, 0, 0, 0], RET_NOTIFY)]
#[case::seals(libc::SYS_fcntl, [3, 1034, 0, 0, 0, 0], RET_NOTIFY)]
#[case::timer(libc::SYS_setitimer, [0; 6], RET_NOTIFY)]
#[case::signal_to_somebody(libc::SYS_kill, [1, 10, 0, 0, 0, 0], RET_NOTIFY)]
#[case::is_it_there(libc::SYS_kill, [1, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::kill(libc::SYS_kill, [1, 9, 0, 0, 0, 0], RET_ALLOW)]
#[case::signal_to_a_thread(libc::SYS_tgkill, [1, 1, 10, 0, 0, 0], RET_NOTIFY)]
#[case::asynchronous(libc::SYS_io_submit, [0; 6], RET_NOTIFY)]
#[case::seek_to_the_start(libc::SYS_lseek, [3, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::seek_inside(libc::SYS_lseek, [3, 0x1000, 0, 0, 0, 0], RET_ALLOW)]
#[case::seek_maybe_outside(libc::SYS_lseek, [3, 0x1001, 0, 0, 0, 0], RET_NOTIFY)]
#[case::seek_far(libc::SYS_lseek, [3, 1 << 32, 0, 0, 0, 0], RET_NOTIFY)]
#[case::seek_below(libc::SYS_lseek, [3, ALL, 0, 0, 0, 0], RET_NOTIFY)]
#[case::where_am_i(libc::SYS_lseek, [3, 0, 1, 0, 0, 0], RET_ALLOW)]
#[case::back(libc::SYS_lseek, [3, ALL, 1, 0, 0, 0], RET_ALLOW)]
#[case::forth(libc::SYS_lseek, [3, 1, 1, 0, 0, 0], RET_NOTIFY)]
#[case::far_forth(libc::SYS_lseek, [3, 1 << 32, 1, 0, 0, 0], RET_NOTIFY)]
#[case::to_the_end(libc::SYS_lseek, [3, 0, 2, 0, 0, 0], RET_ALLOW)]
#[case::before_the_end(libc::SYS_lseek, [3, ALL - 511, 2, 0, 0, 0], RET_ALLOW)]
#[case::behind_the_end(libc::SYS_lseek, [3, 1, 2, 0, 0, 0], RET_NOTIFY)]
#[case::data(libc::SYS_lseek, [3, 0, 3, 0, 0, 0], RET_NOTIFY)]
#[case::hole(libc::SYS_lseek, [3, 0, 4, 0, 0, 0], RET_NOTIFY)]
#[case::anonymous_memory(libc::SYS_mmap, [0, 4096, 3, 0x22, ALL, 0], RET_ALLOW)]
#[case::the_loaders_mapping(libc::SYS_mmap, [0, 4096, 3, 0x802, 3, 0], RET_ALLOW)]
#[case::a_files_mapping(libc::SYS_mmap, [0, 4096, 1, 2, 3, 0], RET_NOTIFY)]
#[case::preadv2_without_flags(libc::SYS_preadv2, [3, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::preadv2_with_flags(libc::SYS_preadv2, [3, 0, 0, 0, 0, 8], RET_NOTIFY)]
#[case::a_datagram(libc::SYS_sendto, [3, 0, 1, 0, 0, 0], RET_ALLOW)]
#[case::a_datagram_to_somebody(libc::SYS_sendto, [3, 0, 1, 0, 1 << 32, 0], RET_NOTIFY)]
#[case::a_message(libc::SYS_recvmsg, [3, 0, 0, 0, 0, 0], RET_NOTIFY)]
#[case::a_marked_message(libc::SYS_recvmsg, [3, 0, 0, 0, 0, SUPERVISOR_COOKIE as u64], RET_ALLOW)]
#[case::a_handler_of_children(libc::SYS_rt_sigaction, [17, 1, 0, 8, 0, 0], RET_NOTIFY)]
#[case::what_is_the_handler(libc::SYS_rt_sigaction, [17, 0, 1, 8, 0, 0], RET_ALLOW)]
#[case::another_handler(libc::SYS_rt_sigaction, [2, 1, 0, 8, 0, 0], RET_ALLOW)]
#[case::flags(libc::SYS_fcntl, [3, 4, 0x800, 0, 0, 0], RET_ALLOW)]
#[case::direct_transfers(libc::SYS_fcntl, [3, 4, libc::O_DIRECT as u64, 0, 0, 0], RET_NOTIFY)]
#[case::signals_of_data(libc::SYS_fcntl, [3, 8, 1, 0, 0, 0], RET_NOTIFY)]
#[case::io_uring(libc::SYS_io_uring_setup, [0; 6], RET_NOTIFY)]
#[case::thread(libc::SYS_clone, [0x3d0f00, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::fork(libc::SYS_clone, [0x1200011, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::shares_descriptors(libc::SYS_clone, [0x411, 0, 0, 0, 0, 0], RET_NOTIFY)]
#[case::filter_of_its_own(libc::SYS_seccomp, [1, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::listener_of_its_own(libc::SYS_seccomp, [1, 8, 0, 0, 0, 0], RET_NOTIFY)]
fn calls_stop_where_a_node_differs(
    #[case] number: i64,
    #[case] args: [u64; 6],
    #[case] expected: u32,
) {
    assert_eq!(ask(&plan(None), AUDIT_ARCH, number, args), expected);
}

#[test]
fn other_architectures_are_stopped_whole() {
    assert_eq!(ask(&plan(None), 0x4000_0003, 4, [0; 6]), RET_NOTIFY);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(
            ask(&plan(None), AUDIT_ARCH, 0x4000_0001, [0; 6]),
            RET_NOTIFY
        );
    }
}

const LACKS: u32 = RET_ERRNO | libc::ENOSYS as u32;

#[rstest]
#[case(libc::SYS_pipe2, [0, 0x80000, 0, 0, 0, 0], (2, 6, 24), LACKS)]
#[case(libc::SYS_pipe2, [0, 0x80000, 0, 0, 0, 0], (2, 6, 27), RET_ALLOW)]
#[case(libc::SYS_pipe2, [0; 6], (2, 6, 24), RET_ALLOW)]
#[case(libc::SYS_preadv, [3, 0, 0, 0, 0, 0], (2, 6, 24), LACKS)]
#[case(libc::SYS_utimensat, [0; 6], (2, 6, 24), RET_NOTIFY)]
#[case(libc::SYS_statx, [0; 6], (4, 10, 0), LACKS)]
#[case(libc::SYS_statx, [0; 6], (4, 11, 0), RET_NOTIFY)]
#[case(libc::SYS_openat2, [0; 6], (5, 5, 0), LACKS)]
#[case(libc::SYS_clone3, [0; 6], (5, 2, 0), LACKS)]
#[case(libc::SYS_uname, [0; 6], (2, 6, 24), RET_NOTIFY)]
#[case(libc::SYS_seccomp, [1, 0, 0, 0, 0, 0], (2, 6, 24), LACKS)]
#[case(libc::SYS_seccomp, [1, 1, 0, 0, 0, SUPERVISOR_COOKIE as u64], (2, 6, 24), RET_ALLOW)]
fn an_older_kernel_lacks_what_came_later(
    #[case] number: i64,
    #[case] args: [u64; 6],
    #[case] version: (u16, u16, u16),
    #[case] expected: u32,
) {
    let version = Version {
        major: version.0,
        minor: version.1,
        patch: version.2,
    };
    let program = plan(Some(version));
    assert_eq!(ask(&program, AUDIT_ARCH, number, args), expected);
}

#[rstest]
#[case::flash(libc::SYS_write, [4, 0, 0, 0, 0, 0], RET_TRACE)]
#[case::another_file(libc::SYS_write, [5, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::a_read(libc::SYS_read, [4, 0, 0, 0, 0, 0], RET_ALLOW)]
#[case::dup2_of_flash(libc::SYS_dup3, [4, 9, 0, 0, 0, 0], RET_TRACE)]
#[case::dup2_over_flash(libc::SYS_dup3, [9, 6, 0, 0, 0, 0], RET_TRACE)]
#[case::dup2_of_a_file(libc::SYS_dup3, [9, 8, 0, 0, 0, 0], RET_ALLOW)]
#[case::duplicated(libc::SYS_fcntl, [6, 0, 10, 0, 0, 0], RET_TRACE)]
#[case::duplicated_to_close(libc::SYS_fcntl, [6, 1030, 10, 0, 0, 0], RET_TRACE)]
#[case::flags(libc::SYS_fcntl, [6, 3, 0, 0, 0, 0], RET_ALLOW)]
#[case::of_a_file(libc::SYS_fcntl, [7, 0, 10, 0, 0, 0], RET_ALLOW)]
#[case::received(libc::SYS_recvmsg, [7, 0, 0, 0, 0, 0], RET_TRACE)]
fn the_second_filter_stops_calls_on_flash_alone(
    #[case] number: i64,
    #[case] args: [u64; 6],
    #[case] expected: u32,
) {
    let calls = [
        (libc::SYS_write, StopOn::First),
        (libc::SYS_dup3, StopOn::FirstOrSecond),
        (libc::SYS_fcntl, StopOn::Duplicating),
        (libc::SYS_recvmsg, StopOn::Any),
    ];
    let some = tracing(&calls, Some(vec![4, 6]));
    assert_eq!(ask(&some, AUDIT_ARCH, number, args), expected);
    assert_eq!(ask(&some, 0x4000_0003, number, args), RET_ALLOW);
    let all = ask(&tracing(&calls, None), AUDIT_ARCH, number, args);
    let passes = number == libc::SYS_read || number == libc::SYS_fcntl && args[1] == 3;
    assert_eq!(all, if passes { RET_ALLOW } else { RET_TRACE });
}
