//! Further calls that bring a signal: it interrupts no call on files either.

use crate::signals::{SIGNALS, alone, interrupted_calls, start, under_fire_of};
use crate::support::{bench, inside};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

/// What a signal that a program queues carries.
fn queued(signal: i32) -> libc::siginfo_t {
    const SI_QUEUE: i32 = -1;
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::siginfo_t = unsafe { std::mem::zeroed() };
    about.si_signo = signal;
    about.si_code = SI_QUEUE;
    about
}

#[test]
#[ignore = "started in a sandbox by queued_signals_interrupt_no_call_on_files"]
fn queued_for_a_process() {
    alone(|| {
        under_fire_of(|me, signal| {
            // SAFETY: the structure is a local.
            unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, me, signal, &queued(signal)) }
        });
    });
}

#[test]
#[ignore = "started in a sandbox by queued_signals_interrupt_no_call_on_files"]
fn queued_for_a_thread() {
    alone(|| {
        under_fire_of(|me, signal| {
            let about = queued(signal);
            // SAFETY: the structure is a local.
            unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, me, me, signal, &about) }
        });
    });
}

#[test]
fn queued_signals_interrupt_no_call_on_files() {
    let bench = bench();
    inside(&bench, "notices::queued_for_a_process");
    inside(&bench, "notices::queued_for_a_thread");
}

/// Has a child do something every 200 microseconds while this process makes calls on
/// files.
fn while_a_child(does: impl Fn()) {
    // SAFETY: the child has one thread, makes system calls alone, and ends here.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::signal(libc::SIGIO, libc::SIG_IGN);
            loop {
                does();
                libc::usleep(200);
            }
        }
        assert_eq!(interrupted_calls(2000), 0);
        libc::kill(child, libc::SIGKILL);
    }
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
}

#[test]
#[ignore = "started in a sandbox by a_descriptor_that_tells_its_owner_interrupts_no_call_on_files"]
fn owned() {
    alone(|| {
        start(libc::SIGIO, 0);
        let (ours, theirs) = UnixStream::pair().unwrap();
        // SAFETY: plain numbers.
        unsafe {
            let me = libc::getpid();
            assert_eq!(libc::fcntl(ours.as_raw_fd(), libc::F_SETOWN, me), 0);
            let flags = libc::O_ASYNC | libc::O_NONBLOCK;
            assert_eq!(libc::fcntl(ours.as_raw_fd(), libc::F_SETFL, flags), 0);
        }
        theirs.set_nonblocking(true).unwrap();
        while_a_child(|| {
            let mut drained = [0; 64];
            let _ = (&theirs).write(b"x");
            // SAFETY: the buffer is a local.
            unsafe { libc::read(ours.as_raw_fd(), drained.as_mut_ptr().cast(), 64) };
        });
    });
}

#[test]
fn a_descriptor_that_tells_its_owner_interrupts_no_call_on_files() {
    inside(&bench(), "notices::owned");
}

/// A message queue's word that something came, which is asked for each time.
#[test]
#[ignore = "started in a sandbox by a_message_queue_interrupts_no_call_on_files"]
fn notified() {
    alone(|| {
        start(libc::SIGUSR1, 0);
        let name = std::ffi::CString::new(format!("/mtdkeep-test-{}", std::process::id())).unwrap();
        // SAFETY: names are C strings, buffers and structures are locals.
        unsafe {
            let queue = libc::mq_open(
                name.as_ptr(),
                libc::O_CREAT | libc::O_RDWR | libc::O_NONBLOCK,
                0o600,
                std::ptr::null_mut::<libc::mq_attr>(),
            );
            if queue < 0 {
                let error = std::io::Error::last_os_error();
                assert_eq!(error.raw_os_error(), Some(libc::ENOSYS), "{error}");
                return;
            }
            libc::mq_unlink(name.as_ptr());
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_SIGNAL;
            event.sigev_signo = libc::SIGUSR1;
            let child = libc::fork();
            if child == 0 {
                loop {
                    libc::mq_send(queue, c"x".as_ptr(), 1, 0);
                    libc::usleep(150);
                }
            }
            let mut message = [0; 8192];
            for _ in 0..2000 {
                libc::mq_receive(
                    queue,
                    message.as_mut_ptr().cast(),
                    8192,
                    std::ptr::null_mut(),
                );
                libc::syscall(libc::SYS_mq_notify, queue, &raw const event);
                assert_eq!(interrupted_calls(1), 0);
            }
            libc::kill(child, libc::SIGKILL);
        }
        assert!(SIGNALS.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn a_message_queue_interrupts_no_call_on_files() {
    inside(&bench(), "notices::notified");
}
