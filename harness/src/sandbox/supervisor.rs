//! The thread that answers the trapped calls of one sandbox.
//!
//! Invariant: every received call gets exactly one answer.
//! Tolerates: callers that die while they wait; a panic of ours (it ends the
//! thread, which closes the listener: the kernel then answers ENOSYS).

use crate::Errno;
use crate::sandbox::calls::table::{self, Call};
use crate::sandbox::calls::{attributes, changes, descriptors, folders, looks, opening};
use crate::sandbox::kernel::keeper;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys::{self, Listener, Notification};
use crate::sandbox::state::{Answer, Job, State, Trapped};
use crate::sandbox::tracing::tracer;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The error with which the kernel makes a call again after a stop
/// (include/linux/errno.h, ERESTARTSYS); no program ever sees it.
const RESTART: i32 = 512;

/// What supervisor and tracers share.
pub(super) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    /// Shares a sandbox's state.
    pub fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }
    /// The state, for one step.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the new process came to its filter.
pub(super) enum Entered {
    /// Its calls are answered from now on.
    Yes,
    /// A step failed.
    No { stage: u8, errno: i32 },
    /// It ended without a word.
    Silent,
}

/// Waits for the listener, reports, and answers calls until the last process
/// of the sandbox is gone or `stop` is closed at its other end.
pub(super) fn serve(
    shared: &Arc<Shared>,
    socket: OwnedFd,
    stop: &OwnedFd,
    entered: impl FnOnce(Entered),
) {
    let listener = match keeper::receive(&socket) {
        Ok(Some((keeper::STAGE_LISTENING, _, Some(fd)))) => Listener(fd),
        Ok(Some((stage, errno, _))) => return entered(Entered::No { stage, errno }),
        Ok(None) | Err(_) => return entered(Entered::Silent),
    };
    drop(socket);
    entered(Entered::Yes);
    listener.wake_synchronously();
    // A umask of our own, so that files are made with the program's.
    if let Err(errno) = sys::unshare_fs() {
        let text = format!("files in mapped folders get the supervisor's umask ({errno})");
        shared.lock().warn(&text);
    }
    loop {
        match listener.poll(stop.as_fd()) {
            Ok((true, _)) => {}
            Ok((false, false)) => continue,
            Ok((false, true)) | Err(_) => return,
        }
        match listener.receive() {
            Ok(notification) => handle(shared, &listener, &notification),
            Err(Errno::NOENT | Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

fn handle(shared: &Arc<Shared>, listener: &Listener, notification: &Notification) {
    let id = notification.id;
    let process = Process {
        tid: notification.tid,
    };
    let native = notification.arch == crate::sandbox::kernel::arch::AUDIT_ARCH;
    let known = table::by_number(i64::from(notification.nr)).filter(|_| native);
    let Some((call, name)) = known else {
        shared.lock().warn(
            "a 32-bit program ran: its system calls are not emulated and answer ENOSYS \
             (run it through qemu-user, or build it for this machine)",
        );
        let _ = listener.fail(id, libc::ENOSYS);
        return;
    };
    let trapped = Trapped {
        process,
        call,
        number: i64::from(notification.nr),
        args: notification.args,
        behind: notification.instruction_pointer,
    };
    let mut state = shared.lock();
    state.about.clear();
    state.failed = None;
    let answer = match (dispatch(&mut state, &trapped), state.failed) {
        (Answer::Through, Some(errno)) => Answer::Error(errno),
        (answer, _) => answer,
    };
    // The number of a process that died may be another's by now: what was
    // read belongs to the caller only if it still waits.
    if !matches!(answer, Answer::Through) && !listener.is_valid(id) {
        return;
    }
    let told = match answer {
        Answer::Through => {
            drop(state);
            let _ = listener.let_through(id);
            return;
        }
        Answer::Value(value) => {
            let _ = listener.answer(id, value);
            value.to_string()
        }
        Answer::Error(errno) => {
            let _ = listener.fail(id, errno.raw_os_error());
            format!("{errno:?}")
        }
        Answer::Descriptor { fd, cloexec } => hand_over(listener, id, &fd, cloexec),
        Answer::Stop(job) => {
            let about = std::mem::take(&mut state.about);
            let about = detail(&trapped, about);
            let told = "(goes on inside the process)";
            state.log.call(process.tid, name, &about, told);
            drop(state);
            return stop(shared, listener, id, trapped, job);
        }
    };
    let about = std::mem::take(&mut state.about);
    let about = detail(&trapped, about);
    state.log.call(process.tid, name, &about, &told);
}

/// What the trace shows between the brackets.
fn detail(trapped: &Trapped, about: String) -> String {
    match trapped.call {
        Call::Ioctl => format!("{about}, {:#x}", trapped.args[1] as u32),
        Call::Lseek => format!("{about}, {}, {}", trapped.args[1] as i64, trapped.args[2]),
        Call::Openat => format!("{about}, {:#o}", trapped.args[2]),
        _ => about,
    }
}

fn hand_over(listener: &Listener, id: u64, fd: &OwnedFd, cloexec: bool) -> String {
    let number = match listener.add_fd(id, fd.as_raw_fd(), cloexec, true) {
        // Before Linux 5.14 adding and answering are two steps.
        Err(Errno::INVAL) => {
            let number = listener.add_fd(id, fd.as_raw_fd(), cloexec, false);
            match number {
                Ok(number) => drop(listener.answer(id, i64::from(number))),
                Err(errno) => drop(listener.fail(id, errno.raw_os_error())),
            }
            number
        }
        Err(errno) => {
            let _ = listener.fail(id, errno.raw_os_error());
            Err(errno)
        }
        number => number,
    };
    match number {
        Ok(number) => number.to_string(),
        Err(errno) => format!("{errno:?}"),
    }
}

/// Has something done inside the calling thread; the call is then over, or is
/// made again.
fn stop(shared: &Arc<Shared>, listener: &Listener, id: u64, trapped: Trapped, job: Job) {
    let process = trapped.process;
    let tgid = process.tgid();
    let job = match job {
        Job::Chdir(folder) => match listener.add_fd(id, folder.as_raw_fd(), true, false) {
            Ok(number) => tracer::Work::Chdir(number),
            Err(errno) => {
                let _ = listener.fail(id, errno.raw_os_error());
                return;
            }
        },
        Job::Filter(level) => tracer::Work::Filter(level),
        Job::Exec(path) => tracer::Work::Exec(path),
        Job::OpenPath { path, flags } => tracer::Work::OpenPath { path, flags },
    };
    let traced = shared.lock().traced.contains_key(&tgid);
    let result = if traced {
        shared.lock().jobs.insert(process.tid, (job, trapped));
        // Its tracer takes the signal away and does the work in its place.
        sys::tgkill(tgid, process.tid, libc::SIGSTOP)
    } else {
        tracer::attach(shared, tgid, job, trapped)
    };
    let _ = match result {
        Ok(()) => listener.fail(id, RESTART),
        Err(errno) => {
            shared.lock().warn(&format!(
                "process {tgid} cannot be traced ({errno}), which writing to flash, block nodes \
                 and mapped working directories need; is a debugger or strace attached to it?"
            ));
            listener.fail(id, libc::EPERM)
        }
    };
}

fn dispatch(state: &mut State, trapped: &Trapped) -> Answer {
    match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Open | Call::Creat => opening::open(state, trapped),
        Call::Openat | Call::Openat2 => opening::open(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Stat | Call::Lstat => looks::stat(state, trapped),
        Call::Newfstatat | Call::Statx => looks::stat(state, trapped),
        Call::Fstat => looks::fstat(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Access => looks::access(state, trapped),
        Call::Faccessat | Call::Faccessat2 => looks::access(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Readlink => looks::readlink(state, trapped),
        Call::Readlinkat => looks::readlink(state, trapped),
        Call::Statfs => looks::statfs(state, trapped),
        Call::Getxattr | Call::Lgetxattr | Call::Fgetxattr => looks::attributes(state, trapped),
        Call::Listxattr | Call::Llistxattr | Call::Flistxattr => looks::attributes(state, trapped),
        Call::Setxattr | Call::Lsetxattr | Call::Removexattr => looks::attributes(state, trapped),
        Call::Getdents64 => folders::list(state, trapped),
        Call::Chdir => folders::chdir(state, trapped),
        Call::Getcwd => folders::getcwd(state, trapped),
        Call::Execve => folders::execve(state, trapped),
        Call::Mmap => descriptors::mmap(state, trapped),
        Call::Ioctl
        | Call::Lseek
        | Call::Fsync
        | Call::Fdatasync
        | Call::SyncFileRange
        | Call::Ftruncate
        | Call::Fallocate
        | Call::Preadv2
        | Call::Pwritev2 => descriptors::on_flash(state, trapped, 0),
        Call::Sync => {
            state.handles.sync();
            Answer::Through
        }
        Call::Sendfile | Call::Splice | Call::CopyFileRange => descriptors::copies(state, trapped),
        Call::Uname => crate::sandbox::kernel::kernels::uname(state, trapped),
        _ => dispatch_changes(state, trapped),
    }
}

fn dispatch_changes(state: &mut State, trapped: &Trapped) -> Answer {
    match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Mknod => changes::mknod(state, trapped),
        Call::Mknodat => changes::mknod(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Mkdir | Call::Rmdir | Call::Unlink => changes::change(state, trapped),
        Call::Mkdirat | Call::Unlinkat | Call::Truncate => changes::change(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Rename => changes::rename(state, trapped),
        Call::Renameat | Call::Renameat2 => changes::rename(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Link => changes::link(state, trapped),
        Call::Linkat => changes::link(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Symlink => changes::symlink(state, trapped),
        Call::Symlinkat => changes::symlink(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Chmod | Call::Chown | Call::Lchown => attributes::change(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Utime | Call::Utimes | Call::Futimesat => attributes::change(state, trapped),
        Call::Fchmodat
        | Call::Fchmodat2
        | Call::Fchmod
        | Call::Fchownat
        | Call::Fchown
        | Call::Utimensat => attributes::change(state, trapped),
        #[cfg(target_arch = "x86_64")]
        Call::Getdents => not_emulated_listing(state, trapped),
        _ => not_emulated(state, trapped),
    }
}

/// The old getdents, which no program of the last fifteen years uses.
#[cfg(target_arch = "x86_64")]
fn not_emulated_listing(state: &mut State, trapped: &Trapped) -> Answer {
    let folder = state.folder_behind(trapped.process, trapped.int(0));
    if folder.is_some_and(|folder| state.namespace.is_listing_changed(&folder)) {
        state.warn("getdents is not emulated: the listing lacks the simulated nodes");
    }
    Answer::Through
}

/// Calls on paths that only the host's files take.
fn not_emulated(state: &mut State, trapped: &Trapped) -> Answer {
    use crate::sandbox::state::Target;
    let (dirfd, address) = match trapped.call {
        Call::InotifyAddWatch => (libc::AT_FDCWD, trapped.args[1]),
        Call::Mount => (libc::AT_FDCWD, trapped.args[1]),
        _ => (libc::AT_FDCWD, trapped.args[0]),
    };
    if let Some(Target::Node(..) | Target::Elsewhere { .. }) =
        state.target(trapped, dirfd, address, true)
    {
        let name = table::by_number(trapped.number).map_or("?", |known| known.1);
        state.warn(&format!(
            "{name} is not emulated on simulated nodes and mapped folders"
        ));
    }
    Answer::Through
}
