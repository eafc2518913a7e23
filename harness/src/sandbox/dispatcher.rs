//! The threads that receive the stopped calls of one program, and hand each to the
//! supervisor.
//!
//! Tolerates: a panic of ours (it ends the thread, which closes the listener: the
//! kernel then answers ENOSYS); processes that nobody collected.

use crate::Errno;
use crate::sandbox::calls::folders;
use crate::sandbox::kernel::handover;
use crate::sandbox::kernel::listener::{Listener, Notification};
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys;
use crate::sandbox::shared::Shared;
use crate::sandbox::supervisor::{Pending, handle};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

/// How the new process came to its filter.
pub(super) enum Entered {
    /// Its calls are answered from now on.
    Yes,
    /// A step failed.
    No { stage: u8, errno: i32 },
    /// It ended without a word.
    Silent,
}

/// The receiving threads' side of [`Shutdown`].
pub(super) struct ShutdownReceiver {
    fd: OwnedFd,
    is_told: Arc<AtomicBool>,
}

/// While it is there the threads go on. Dropped once the program has ended.
pub(super) struct Shutdown {
    is_told: Arc<AtomicBool>,
    /// Its other end is waited for.
    _fd: OwnedFd,
}

/// Both sides, of a pipe.
pub(super) fn shutdown((read, write): (OwnedFd, OwnedFd)) -> (ShutdownReceiver, Shutdown) {
    let is_told = Arc::new(AtomicBool::new(false));
    let receiver = ShutdownReceiver {
        fd: read,
        is_told: Arc::clone(&is_told),
    };
    (
        receiver,
        Shutdown {
            is_told,
            _fd: write,
        },
    )
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.is_told.store(true, Ordering::Relaxed);
    }
}

/// Where the calls of one program's processes arrive.
struct Dispatcher<'a> {
    shared: &'a Arc<Shared>,
    listener: Listener,
    shutdown: &'a ShutdownReceiver,
    /// Held by the thread whose turn it is to receive.
    turn: Mutex<()>,
    /// Threads that wait for their turn.
    idle: AtomicUsize,
    ended: AtomicBool,
    /// What the program inherits was looked at.
    looked: AtomicBool,
}

/// Waits for the listener, reports, and answers calls until the last process
/// of the sandbox is gone or `shutdown` is told.
///
/// One thread receives and decides; before it does something that may take its
/// time it gives its turn to another one, so that nobody is held up.
pub(super) fn serve(
    shared: &Arc<Shared>,
    socket: OwnedFd,
    shutdown: &ShutdownReceiver,
    entered: impl FnOnce(Entered),
) {
    let listener = match handover::receive(&socket) {
        Ok(Some((handover::STAGE_LISTENING, _, Some(fd)))) => Listener::new(fd),
        Ok(Some((stage, errno, _))) => return entered(Entered::No { stage, errno }),
        Ok(None) | Err(_) => return entered(Entered::Silent),
    };
    drop(socket);
    entered(Entered::Yes);
    let dispatcher = Dispatcher {
        shared,
        listener,
        shutdown,
        turn: Mutex::new(()),
        idle: AtomicUsize::new(0),
        ended: AtomicBool::new(false),
        looked: AtomicBool::new(false),
    };
    std::thread::scope(|scope| dispatcher.work(scope));
}

impl Dispatcher<'_> {
    /// One thread's life.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let _end_on_panic = EndOnPanic(&self.ended);
        // A umask of our own, so that files are made with the program's.
        if let Err(errno) = sys::unshare_fs() {
            let text = format!("files in mapped folders get the supervisor's umask ({errno})");
            self.shared.lock().warn(&text);
        }
        loop {
            self.idle.fetch_add(1, Ordering::Relaxed);
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.idle.fetch_sub(1, Ordering::Relaxed);
            let Some(pending) = self.receive() else {
                self.ended.store(true, Ordering::Relaxed);
                return;
            };
            if self.idle.load(Ordering::Relaxed) == 0 {
                // Without another thread this call holds up the others.
                let _ = std::thread::Builder::new()
                    .name("sandbox".into())
                    .spawn_scoped(scope, || self.work(scope));
            }
            drop(turn);
            pending.finish(self.shared);
        }
    }

    /// Receives and answers calls until one may take its time; none: this is the
    /// end.
    fn receive(&self) -> Option<Pending<'_>> {
        while !self.ended.load(Ordering::Relaxed) {
            if !self.listener.tells_the_end() {
                match self.wait_or_look(true) {
                    Some(true) => {}
                    Some(false) => continue,
                    None => return None,
                }
            }
            let pending = match self.listener.receive() {
                Ok(call) if self.shutdown.is_told.load(Ordering::Relaxed) => self.end(&call),
                Ok(call) => {
                    if !self.looked.swap(true, Ordering::Relaxed) {
                        let process = Process { tid: call.tid };
                        folders::inherited(&mut self.shared.lock(), process);
                    }
                    handle(self.shared, &self.listener, &call)
                }
                Err(Errno::INTR | Errno::AGAIN) => None,
                // The caller died meanwhile, or there is none any more.
                Err(Errno::NOENT) => {
                    self.wait_or_look(false)?;
                    None
                }
                Err(_) => return None,
            };
            if pending.is_some() {
                return pending;
            }
        }
        None
    }

    /// Whether there is a call; none: there will be none.
    fn wait_or_look(&self, waits: bool) -> Option<bool> {
        match self.listener.poll(self.shutdown.fd.as_fd(), waits) {
            Ok((true, _)) => Some(true),
            Ok((false, false)) => Some(false),
            Ok((false, true)) | Err(_) => None,
        }
    }

    /// The program is over, and this process of it is still there: its keeper and its
    /// guard were both killed.
    fn end(&self, call: &Notification) -> Option<Pending<'_>> {
        let process = Process { tid: call.tid };
        let tgid = process.tgid();
        if self.listener.is_valid(call.id) {
            let _ = sys::tgkill(tgid, process.tid, libc::SIGKILL);
        }
        None
    }
}

/// Without one of its threads the whole ends: its call would wait for ever.
struct EndOnPanic<'a>(&'a AtomicBool);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
