//! The supervisor's end of a seccomp filter: stopped calls come out of it, and answers
//! go in.

use crate::Errno;
use crate::sandbox::kernel::kernels::release;
use crate::sandbox::kernel::sys::check_int;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Linux 6.11 ends a wait for calls that cannot come any more (kernel/seccomp.c,
/// recv_wait_event).
const TELLS_THE_END_SINCE: (u32, u32) = (6, 11);

/// One trapped system call, as the kernel describes it
/// (`struct seccomp_notif`, include/uapi/linux/seccomp.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sandbox) struct Notification {
    pub id: u64,
    /// The thread that made the call.
    pub tid: u32,
    pub flags: u32,
    pub nr: i32,
    pub arch: u32,
    pub instruction_pointer: u64,
    pub args: [u64; 6],
}

#[repr(C)]
#[derive(Default)]
struct Response {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    srcfd: u32,
    newfd: u32,
    newfd_flags: u32,
}

const fn ioc(direction: u64, number: u64, size_bytes: usize) -> u64 {
    (direction << 30) | ((size_bytes as u64) << 16) | ((b'!' as u64) << 8) | number
}
const NOTIF_RECV: u64 = ioc(3, 0, size_of::<Notification>());
const NOTIF_SEND: u64 = ioc(3, 1, size_of::<Response>());
const NOTIF_ID_VALID: u64 = ioc(1, 2, 8);
const NOTIF_ADDFD: u64 = ioc(1, 3, size_of::<AddFd>());
const NOTIF_SET_FLAGS: u64 = ioc(1, 4, 8);
const SYNC_WAKE_UP: u64 = 1;
const ADDFD_SEND: u32 = 2;

/// How many of the last calls tell whether threads of the program run side by side.
const LAST_CALLS: usize = 8;

/// Which threads made the last calls, and with that, where to wake them.
///
/// Who is woken on the processor of whoever answers needs no other one woken first: the
/// fastest way while one thread makes all the calls. Where several run side by side it
/// draws all of them to one processor, and the kernel's balancer leaves them there for
/// milliseconds: in `make -j2` the other one stood still for a third of the time. A new
/// process that goes on alone, as a shell's commands do one after the other, is not
/// several: nobody whom it took over from calls meanwhile.
#[derive(Default)]
struct Callers {
    /// The newest at the front. One thread receives at a time.
    last: [AtomicU32; LAST_CALLS],
    are_several: AtomicBool,
}

impl Callers {
    fn note(&self, tid: u32) {
        // It called, then somebody else, then it again.
        let (mut is_other, mut are_several) = (false, false);
        let mut newer = tid;
        for place in &self.last {
            let known = place.load(Ordering::Relaxed);
            is_other |= known != tid;
            are_several |= is_other && known == tid;
            place.store(newer, Ordering::Relaxed);
            newer = known;
        }
        self.are_several.store(are_several, Ordering::Relaxed);
    }

    /// Whether the kernel is to choose where a thread goes on.
    fn are_several(&self) -> bool {
        self.are_several.load(Ordering::Relaxed)
    }
}

/// The supervisor's end of a filter.
pub(in crate::sandbox) struct Listener {
    fd: OwnedFd,
    /// The kernel knows [`SYNC_WAKE_UP`].
    wakes_here: bool,
    callers: Callers,
    /// Waiting for a call ends with the last filtered process.
    tells_the_end: bool,
}

impl Listener {
    /// Takes a listener over, and makes the hand-over between program and supervisor
    /// cheaper where the kernel can (Linux 6.6); without it everything works the same.
    pub fn new(fd: OwnedFd) -> Self {
        let mut listener = Self {
            fd,
            wakes_here: false,
            callers: Callers::default(),
            tells_the_end: false,
        };
        listener.wakes_here = listener.set_flags(SYNC_WAKE_UP);
        listener.tells_the_end = listener.wakes_here && release() >= Some(TELLS_THE_END_SINCE);
        listener
    }

    fn set_flags(&self, flags: u64) -> bool {
        // SAFETY: the argument is a plain number.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), NOTIF_SET_FLAGS as _, flags) == 0 }
    }

    /// Whether [`receive`](Self::receive) may be called before there is a call: it then
    /// answers ENOENT at the end of the last filtered process, and is woken where the
    /// call was made. That saves asking first.
    pub fn tells_the_end(&self) -> bool {
        self.tells_the_end
    }

    /// Waits for the next trapped call. ENOENT: the caller died meanwhile.
    pub fn receive(&self) -> Result<Notification, Errno> {
        let mut notification = Notification::default();
        // SAFETY: the kernel fills exactly this structure, zeroed as it asks.
        check_int(unsafe { libc::ioctl(self.fd.as_raw_fd(), NOTIF_RECV as _, &mut notification) })?;
        self.callers.note(notification.tid);
        Ok(notification)
    }
    /// Answers, and wakes the caller: here, unless there are several. The next call
    /// wakes us where it is made, as always.
    fn respond(&self, response: &Response) -> Result<(), Errno> {
        let spreads = self.wakes_here && self.callers.are_several();
        if spreads {
            self.set_flags(0);
        }
        // SAFETY: the kernel reads exactly this structure.
        let sent = unsafe { libc::ioctl(self.fd.as_raw_fd(), NOTIF_SEND as _, response) };
        let sent = check_int(sent).map(drop);
        if spreads {
            self.set_flags(SYNC_WAKE_UP);
        }
        sent
    }
    /// Lets the kernel execute the call as if it had never been trapped.
    pub fn let_through(&self, id: u64) -> Result<(), Errno> {
        self.respond(&Response {
            id,
            flags: 1, // SECCOMP_USER_NOTIF_FLAG_CONTINUE
            ..Response::default()
        })
    }
    /// Answers the call with a value.
    pub fn answer(&self, id: u64, val: i64) -> Result<(), Errno> {
        self.respond(&Response {
            id,
            val,
            ..Response::default()
        })
    }
    /// Answers the call with a raw error number, also one that only the kernel
    /// sees (ERESTARTSYS).
    pub fn fail(&self, id: u64, errno: i32) -> Result<(), Errno> {
        self.respond(&Response {
            id,
            error: -errno,
            ..Response::default()
        })
    }
    /// Puts a copy of `fd` into the caller. With `send` the call is answered
    /// with the new number in the same step (Linux 5.14), else the number is
    /// only returned.
    pub fn add_fd(&self, id: u64, fd: RawFd, cloexec: bool, send: bool) -> Result<i32, Errno> {
        let mut request = AddFd {
            id,
            flags: if send { ADDFD_SEND } else { 0 },
            srcfd: fd as u32,
            newfd: 0,
            newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        // SAFETY: the kernel reads exactly this structure.
        check_int(unsafe { libc::ioctl(self.fd.as_raw_fd(), NOTIF_ADDFD as _, &mut request) })
    }
    /// Whether the trapped call still waits: a process id may be used for
    /// something else once its process is gone.
    pub fn is_valid(&self, id: u64) -> bool {
        // SAFETY: the kernel reads eight bytes.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), NOTIF_ID_VALID as _, &id) == 0 }
    }
    /// Waits for a call, for the end of the last filtered process, or for
    /// `other` to become readable or closed, or not at all. Answers (call waits, ended).
    ///
    /// Waiting here, and not in `receive`, lets kernels before 6.6 run us on the
    /// processor where the call was made: a third of the time of a wake-up elsewhere.
    pub fn poll(&self, other: BorrowedFd, waits: bool) -> Result<(bool, bool), Errno> {
        let patience_ms = if waits { -1 } else { 0 };
        let mut fds: [libc::pollfd; 2] = [
            libc::pollfd {
                fd: self.fd.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            },
            libc::pollfd {
                fd: other.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            },
        ];
        // SAFETY: the array is ours and has two elements.
        match check_int(unsafe { libc::poll(fds.as_mut_ptr(), 2, patience_ms) }) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let call = fds[0].revents & libc::POLLIN != 0;
        let over = fds[0].revents & (libc::POLLHUP | libc::POLLERR) != 0 || fds[1].revents != 0;
        Ok((call, over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_call_in_turn_are_several_and_one_that_took_over_is_not() {
        let callers = Callers::default();
        let note = |tid: u32| {
            callers.note(tid);
            callers.are_several()
        };
        let alone: Vec<bool> = (0..20).map(|_| note(7)).collect();
        assert!(alone.iter().all(|several| !several));
        // The second call of each shows it.
        let in_turn: Vec<bool> = (0..20).map(|call| note(8 + call % 2)).collect();
        assert_eq!(in_turn[..2], [false; 2]);
        assert!(in_turn[2..].iter().all(|several| *several));
        assert!(
            (0..20)
                .map(|call| note(20 + call % 7))
                .skip(7)
                .all(|several| several)
        );
        // A shell's commands, each of which goes on alone while the shell waits for it.
        let commands = (40..60).flat_map(|command| [command; 10]);
        assert!(commands.map(note).all(|several| !several));
    }
}
