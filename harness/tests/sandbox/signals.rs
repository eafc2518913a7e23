//! Signals: what they interrupt, and what they do not.

use crate::support::{bench, inside};
use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};

pub static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// A handler without SA_RESTART, and a timer that calls it, in microseconds.
pub fn start(signal: i32, every_us: i64) {
    // SAFETY: all-zero is a valid value of these plain structures; the handler
    // touches one atomic.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as usize;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        let mut timer: libc::itimerval = std::mem::zeroed();
        timer.it_interval.tv_usec = every_us;
        timer.it_value.tv_usec = every_us;
        if every_us > 0 {
            let set = libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
            assert_eq!(set, 0);
        }
    }
}

/// Runs a test in a process of one thread: a signal to the process, as a timer
/// sends it, can be meant for no other. The test program itself has two.
pub fn alone(test: fn()) {
    // SAFETY: the child has this thread alone, and ends here; the other thread of
    // this program waits for this one, and holds no lock meanwhile.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let failed = std::panic::catch_unwind(test).is_err();
            libc::_exit(i32::from(failed));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0, "the test's own words are above");
    }
}

fn is_interrupted(answer: i32) -> bool {
    answer == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
}

/// Calls that never answer EINTR on Linux; how many did.
pub fn interrupted_calls(rounds: u32) -> u32 {
    let mut found = 0;
    let nowhere: &CStr = c"/nowhere/at/all";
    for _ in 0..rounds {
        // SAFETY: the paths are C strings, the structure is a local.
        unsafe {
            let mut about: libc::stat = std::mem::zeroed();
            found += u32::from(is_interrupted(libc::stat(
                c"/etc/passwd".as_ptr(),
                &mut about,
            )));
            found += u32::from(is_interrupted(libc::unlink(nowhere.as_ptr())));
            found += u32::from(is_interrupted(libc::access(nowhere.as_ptr(), 0)));
            for path in [c"/etc/passwd", c"/dev/mtd4"] {
                let fd = libc::open(path.as_ptr(), libc::O_RDONLY);
                found += u32::from(is_interrupted(fd));
                if fd >= 0 {
                    found += u32::from(is_interrupted(libc::fstat(fd, &mut about)));
                    libc::close(fd);
                }
            }
        }
    }
    found
}

#[test]
#[ignore = "started in a sandbox by a_timer_interrupts_no_call_on_files"]
fn under_a_timer() {
    alone(under_a_timer_alone);
}

fn under_a_timer_alone() {
    start(libc::SIGALRM, 300);
    assert_eq!(interrupted_calls(8000), 0);
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
    // Two processes that both handle it, and one writes to flash.
    let node = std::fs::File::options()
        .write(true)
        .open("/dev/mtd7")
        .unwrap();
    assert_eq!(interrupted_calls(2000), 0);
    drop(node);
}

#[test]
fn a_timer_interrupts_no_call_on_files() {
    inside(&bench(), "signals::under_a_timer");
}

#[test]
#[ignore = "started in a sandbox by a_signal_from_another_process_interrupts_no_call_on_files"]
fn under_fire() {
    alone(under_fire_alone);
}

fn under_fire_alone() {
    start(libc::SIGUSR1, 0);
    // SAFETY: the child makes system calls alone.
    unsafe {
        let me = libc::getpid();
        let child = libc::fork();
        if child == 0 {
            loop {
                if libc::kill(me, libc::SIGUSR1) != 0 {
                    libc::_exit(0);
                }
                libc::usleep(200);
            }
        }
        assert_eq!(interrupted_calls(4000), 0);
        libc::kill(child, libc::SIGKILL);
    }
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_signal_from_another_process_interrupts_no_call_on_files() {
    inside(&bench(), "signals::under_fire");
}

/// Signals that are sent by a child, every 200 microseconds.
pub fn under_fire_of(send: fn(me: i32, signal: i32) -> libc::c_long) {
    start(libc::SIGUSR1, 0);
    // SAFETY: the child makes system calls alone.
    unsafe {
        // A group of its own, so that nobody else is meant.
        libc::setpgid(0, 0);
        let me = libc::getpid();
        let child = libc::fork();
        if child == 0 {
            libc::signal(libc::SIGUSR1, libc::SIG_IGN);
            while send(me, libc::SIGUSR1) == 0 {
                libc::usleep(200);
            }
            libc::_exit(0);
        }
        assert_eq!(interrupted_calls(2000), 0);
        libc::kill(child, libc::SIGKILL);
    }
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
}

#[test]
#[ignore = "started in a sandbox by signals_to_a_group_or_by_descriptor_interrupt_no_call_on_files"]
fn under_fire_of_a_group() {
    // SAFETY: plain numbers.
    alone(|| under_fire_of(|me, signal| unsafe { libc::kill(-me, signal) }.into()));
}

#[test]
#[ignore = "started in a sandbox by signals_to_a_group_or_by_descriptor_interrupt_no_call_on_files"]
fn under_fire_by_descriptor() {
    alone(|| {
        under_fire_of(|me, signal| {
            // SAFETY: plain numbers; no further word on the signal.
            unsafe {
                let process = libc::syscall(libc::SYS_pidfd_open, me, 0);
                let answer = libc::syscall(libc::SYS_pidfd_send_signal, process, signal, 0, 0);
                libc::close(process as i32);
                answer
            }
        });
    });
}

#[test]
fn signals_to_a_group_or_by_descriptor_interrupt_no_call_on_files() {
    let bench = bench();
    inside(&bench, "signals::under_fire_of_a_group");
    inside(&bench, "signals::under_fire_by_descriptor");
}

/// As a shell that has started something and goes on: dash handles SIGCHLD without
/// SA_RESTART all its life.
#[test]
#[ignore = "started in a sandbox by the_end_of_a_child_interrupts_no_call_on_files"]
fn with_children() {
    alone(|| {
        start(libc::SIGCHLD, 0);
        let lives_for = |microseconds: u32| {
            // SAFETY: the child makes system calls alone.
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    libc::usleep(microseconds);
                    libc::_exit(0);
                }
                child
            }
        };
        let long = lives_for(60_000_000);
        assert_eq!(interrupted_calls(1), 0);
        for round in 0..400 {
            lives_for(round % 40 * 10);
            assert_eq!(interrupted_calls(5), 0, "{round}");
            // SAFETY: the status is not asked for.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
        }
        // SAFETY: plain numbers.
        unsafe { libc::kill(long, libc::SIGKILL) };
        assert!(SIGNALS.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn the_end_of_a_child_interrupts_no_call_on_files() {
    inside(&bench(), "signals::with_children");
}

#[test]
#[ignore = "started in a sandbox by a_wait_for_a_fifo_can_be_interrupted"]
fn waiting_for_a_fifo() {
    alone(waiting_for_a_fifo_alone);
}

fn waiting_for_a_fifo_alone() {
    start(libc::SIGALRM, 20_000);
    for path in [c"here", c"/var/wwwroot/here"] {
        // SAFETY: the paths are C strings.
        unsafe {
            libc::mkfifo(path.as_ptr(), 0o600);
            assert!(is_interrupted(libc::open(path.as_ptr(), libc::O_RDONLY)));
        }
    }
}

#[test]
fn a_wait_for_a_fifo_can_be_interrupted() {
    inside(&bench(), "signals::waiting_for_a_fifo");
}

#[test]
#[ignore = "started in a sandbox by a_debugger_gets_a_process_that_is_watched"]
fn debugging() {
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors; the child makes system calls alone.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            start(libc::SIGALRM, 300);
            libc::write(pipe[1], b"x".as_ptr().cast(), 1);
            loop {
                libc::pause();
            }
        }
        let mut byte = 0u8;
        assert_eq!(libc::read(pipe[0], (&raw mut byte).cast(), 1), 1);
        let nothing = std::ptr::null_mut::<libc::c_void>();
        let answer = libc::ptrace(libc::PTRACE_SEIZE, child, nothing, nothing);
        assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
        libc::kill(child, libc::SIGKILL);
        let mut status = 0;
        // Its stops on the way to its end.
        while libc::waitpid(child, &mut status, libc::__WALL) == child && libc::WIFSTOPPED(status) {
            libc::ptrace(libc::PTRACE_CONT, child, nothing, nothing);
        }
        assert_eq!(libc::WTERMSIG(status), libc::SIGKILL);
    }
}

#[test]
fn a_debugger_gets_a_process_that_is_watched() {
    inside(&bench(), "signals::debugging");
}

/// Whoever opened flash for writing has a tracer already: a debugger and LeakSanitizer
/// are told so, and nothing waits for anybody.
#[test]
#[ignore = "started in a sandbox by a_debugger_of_who_writes_to_flash_is_refused_by_name"]
fn debugging_a_writer() {
    let node = std::fs::File::options().write(true).open("/dev/mtd7");
    let _node = node.unwrap();
    // SAFETY: the child makes system calls alone.
    unsafe {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        let refused = |answer: libc::c_long| {
            answer == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
        };
        let me = libc::getpid();
        let child = libc::fork();
        if child == 0 {
            let asked = refused(libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing));
            let seized = refused(libc::ptrace(libc::PTRACE_SEIZE, me, nothing, nothing));
            libc::_exit(if asked && seized { 7 } else { 8 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(libc::WEXITSTATUS(status), 7);
    }
}

#[test]
fn a_debugger_of_who_writes_to_flash_is_refused_by_name() {
    let bench = bench();
    inside(&bench, "signals::debugging_a_writer");
    assert_named(&bench);
}

#[track_caller]
fn assert_named(bench: &crate::support::Bench) {
    // Warnings are told once for a sandbox, and every later outcome has them all.
    let warnings = bench.sh("true").warnings.join("\n");
    assert!(warnings.contains("LeakSanitizer get EPERM"), "{warnings}");
}

#[test]
#[ignore = "needs strace"]
fn strace_of_who_writes_to_flash_is_refused_by_name() {
    let bench = bench();
    let told = bench.fails("exec 3<> /dev/mtd7; exec strace -f true");
    assert!(told.contains("Operation not permitted"), "{told}");
    assert_named(&bench);
    // Who only reads is nobody's.
    assert_eq!(
        bench.ok("exec 3< /dev/mtd7; strace -o told true; grep -c exited told"),
        "1\n"
    );
}

/// A program with LeakSanitizer, which attaches to its own threads in the end.
#[test]
#[ignore = "needs gcc"]
fn leak_sanitizer_works_or_says_why_not() {
    let bench = bench();
    let program = "#include <fcntl.h>\n#include <stdlib.h>\n#include <string.h>\n\
        int main(int c, char **v) { char *p = malloc(9); int f = open(v[1], c > 2 ? O_RDWR : O_RDONLY);\n\
        memset(p, 0, 9); p = 0; return f < 0; }\n";
    std::fs::write(bench.file("leak.c"), program).unwrap();
    bench.ok("gcc -w -fsanitize=address -o leak leak.c");
    let told = bench.fails("./leak /dev/mtd7");
    assert!(told.contains("9 byte(s) leaked"), "{told}");
    let told = bench.fails("./leak /dev/mtd7 w");
    assert!(told.contains("does not work under ptrace"), "{told}");
    assert_named(&bench);
    bench.ok("ASAN_OPTIONS=detect_leaks=0 ./leak /dev/mtd7 w");
}
