//! Running programs in a sandbox.

use crate::Errno;
use crate::profile::SimulatedDevice;
use crate::sandbox::builder::Builder;
use crate::sandbox::dispatcher::{self, Entered, Shutdown};
use crate::sandbox::error::SandboxError;
use crate::sandbox::kernel::filter::{self, FilterPlan};
use crate::sandbox::kernel::handover;
use crate::sandbox::kernel::keeper::{self, Prepared};
use crate::sandbox::killer::Killer;
use crate::sandbox::shared::Shared;
use crate::sandbox::trace::Trace;
use crate::sandbox::view::scratch::Kept;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// A place to run programs in: one simulated device, one view of the file
/// system. Several may exist at once in one process, each with its own. An example is
/// in [the module](crate::sandbox).
pub struct Sandbox {
    device: SimulatedDevice,
    shared: Arc<Shared>,
    program: Vec<libc::sock_filter>,
    limit: Option<Duration>,
    /// The temporary folder goes with the last of these.
    folder: Arc<Kept>,
}

/// How a program ended, and what was noticed on the way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The program's own exit status, or the signal that ended it.
    pub status: ExitStatus,
    /// What it wrote to its standard output, if that was piped.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, if that was piped.
    pub stderr: Vec<u8>,
    /// What the sandbox warned of, each once.
    pub warnings: Vec<String>,
    /// Each intercepted call with its answer, if that was asked for; as text a line
    /// each.
    pub calls: Trace,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Whether a chip lost its power, which ended it.
    pub lost_power: bool,
}

/// A program that runs in a sandbox. Dropping it kills the program and
/// everything that it started.
pub struct Running {
    child: Option<Child>,
    shared: Arc<Shared>,
    /// What the keeper is told through.
    orders: Killer,
    /// While it is there the supervisor's threads go on.
    shutdown: Option<Shutdown>,
    thread: Option<JoinHandle<()>>,
    limit: Option<Limit>,
    /// See [`Sandbox`].
    _folder: Arc<Kept>,
}

/// Kills a program that takes too long.
struct Limit {
    /// Dropped when the program has ended.
    ended: mpsc::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Limit {
    fn start(killer: Killer, most: Duration) -> io::Result<Self> {
        let (ended, waits) = mpsc::channel::<()>();
        let wait = move || {
            let is_over = waits.recv_timeout(most) == Err(mpsc::RecvTimeoutError::Timeout);
            if is_over {
                killer.kill();
            }
            is_over
        };
        let thread = std::thread::Builder::new().name("sandbox-limit".into());
        let thread = thread.spawn(wait)?;
        Ok(Self { ended, thread })
    }

    /// Whether the time was over.
    fn end(self) -> bool {
        drop(self.ended);
        self.thread.join().unwrap_or(false)
    }
}

/// Without its supervisor the program would go on with ENOSYS for every path.
struct KillOnPanic(Killer);

impl Drop for KillOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.kill();
        }
    }
}

fn pair(answer: i32, fds: [RawFd; 2]) -> io::Result<(OwnedFd, OwnedFd)> {
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made both descriptors for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// (read end, write end)
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    pair(
        unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) },
        fds,
    )
}

fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    pair(
        unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) },
        fds,
    )
}

impl Sandbox {
    /// Starts to describe a sandbox for this device. Whoever has a clone of the
    /// device sees what programs do to its chips, while they run and after.
    pub fn builder(device: SimulatedDevice) -> Builder {
        Builder::new(device)
    }

    pub(super) fn new(
        device: SimulatedDevice,
        shared: Arc<Shared>,
        plan: FilterPlan,
        limit: Option<Duration>,
    ) -> Self {
        let program = filter::notifying(&plan);
        let folder = Arc::new(shared.lock().shadow.kept());
        Self {
            device,
            shared,
            program,
            limit,
            folder,
        }
    }

    /// The simulated device: chips, counters, kernel messages.
    pub fn device(&self) -> &SimulatedDevice {
        &self.device
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// As [`Sandbox::spawn`] and [`Running::wait`]. A program that fails is no error: its
    /// status is in the outcome.
    pub fn run(&self, command: &mut Command) -> Result<Outcome, SandboxError> {
        self.spawn(command)?.wait()
    }

    /// Runs a program to its end with nothing on its standard input, and keeps what it
    /// writes to its standard output and standard error.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn output(&self, command: &mut Command) -> Result<Outcome, SandboxError> {
        command.stdin(Stdio::null());
        self.run(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts a program. The command's own settings (arguments, environment,
    /// folder, user, standard streams) hold.
    ///
    /// # Errors
    /// [`SandboxError::Start`] for a program that cannot be started, with the system's
    /// answer; [`SandboxError::SetUp`] where there are no pipes or threads for it;
    /// [`SandboxError::Nested`] in another sandbox, and [`SandboxError::Denied`] where
    /// something else around this process forbids it.
    pub fn spawn(&self, command: &mut Command) -> Result<Running, SandboxError> {
        let setting_up = |what| SandboxError::io(what);
        let (orders_read, orders) = pipe().map_err(setting_up("a pipe"))?;
        let (receiver, shutdown) = dispatcher::shutdown(pipe().map_err(setting_up("a pipe"))?);
        let (ours, theirs) = socket_pair().map_err(setting_up("a socket pair"))?;
        let prepared = Arc::new(Prepared {
            program: self.program.clone(),
            supervisor: std::process::id() as libc::pid_t,
            orders: orders_read,
            socket: theirs,
        });
        enter_before_exec(command, Arc::downgrade(&prepared));
        let killer = Killer::new(orders);
        let (tell, told) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        let on_panic = KillOnPanic(killer.clone());
        let thread = std::thread::Builder::new()
            .name("sandbox".into())
            .spawn(move || {
                let _on_panic = on_panic;
                dispatcher::serve(&shared, ours, &receiver, |entered| {
                    let _ = tell.send(entered);
                });
            })
            .map_err(setting_up("a thread"))?;
        let mut state = self.shared.lock();
        state.running += 1;
        let power = Arc::clone(&state.power);
        drop(state);
        power.kills(&killer);
        let spawned = command.spawn();
        // Nobody else keeps the new process's ends open now.
        drop(prepared);
        let entered = told.recv().unwrap_or(Entered::Silent);
        let child = match (spawned, entered) {
            (Ok(child), _) => child,
            (Err(source), entered) => {
                self.shared.lock().running -= 1;
                drop((killer, shutdown));
                let _ = thread.join();
                return Err(start_error(command, source, entered));
            }
        };
        Ok(Running {
            child: Some(child),
            shared: Arc::clone(&self.shared),
            orders: killer.clone(),
            shutdown: Some(shutdown),
            thread: Some(thread),
            limit: self
                .limit
                .map(|most| Limit::start(killer, most))
                .transpose()
                .map_err(setting_up("a thread"))?,
            _folder: Arc::clone(&self.folder),
        })
    }
}

fn enter_before_exec(command: &mut Command, prepared: Weak<Prepared>) {
    // SAFETY: `enter` makes system calls on prepared memory only; see there. A
    // command that is used again finds its earlier preparation gone.
    unsafe {
        command.pre_exec(move || match prepared.upgrade() {
            Some(prepared) => {
                let entered = keeper::enter(&prepared);
                // Freeing belongs to the parent.
                std::mem::forget(prepared);
                entered
            }
            None => Ok(()),
        });
    }
}

fn start_error(command: &Command, source: io::Error, entered: Entered) -> SandboxError {
    let denied = |call, errno| SandboxError::Denied {
        call,
        errno: Errno::from_raw_os_error(errno),
    };
    match entered {
        Entered::No {
            stage: handover::STAGE_FILTER,
            errno: libc::EBUSY,
        } => SandboxError::Nested,
        Entered::No {
            stage: handover::STAGE_FILTER,
            errno,
        } => denied("seccomp", errno),
        Entered::No {
            stage: handover::STAGE_PRIVILEGES,
            errno,
        } => denied("prctl(PR_SET_NO_NEW_PRIVS)", errno),
        Entered::No {
            stage: handover::STAGE_WATCH,
            errno,
        } => denied("pidfd_open", errno),
        Entered::No { errno, .. } => denied("fork", errno),
        Entered::Yes | Entered::Silent => SandboxError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        },
    }
}

impl Running {
    /// The process to wait for and to write to. Its id is that of the keeper,
    /// which ends as the program ends.
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("taken by `wait` alone")
    }

    /// Something that kills the program and everything that it started, also
    /// from another thread while this one waits.
    pub fn killer(&self) -> Killer {
        self.orders.clone()
    }

    /// Waits for the program's end. What it left running is killed; block
    /// nodes that were still open are closed, which writes their caches.
    ///
    /// # Errors
    /// [`SandboxError::Wait`], with the system's answer.
    pub fn wait(mut self) -> Result<Outcome, SandboxError> {
        let child = self.child.take().expect("taken only here");
        let limit = self.limit.take();
        let output = child.wait_with_output();
        let timed_out = limit.is_some_and(Limit::end);
        self.finish();
        let output = output.map_err(SandboxError::Wait)?;
        let mut state = self.shared.lock();
        Ok(Outcome {
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
            warnings: state.log.warnings.clone(),
            calls: Trace::new(std::mem::take(&mut state.log.calls)),
            timed_out,
            lost_power: state.power.is_gone(),
        })
    }

    /// Once, after the program's end.
    fn finish(&mut self) {
        if self.shutdown.take().is_none() {
            return;
        }
        if let Some(thread) = self.thread.take() {
            join(thread);
        }
        let mut state = self.shared.lock();
        state.running -= 1;
        let tracers = match state.running {
            0 => std::mem::take(&mut state.tracers),
            _ => Vec::new(),
        };
        drop(state);
        tracers.into_iter().for_each(join);
        let mut state = self.shared.lock();
        match state.running {
            0 => state.handles.close_all(),
            _ => state.handles.sweep(),
        }
    }
}

/// Waits for a thread whose program is gone. One that the kernel keeps, in a file
/// system that does not answer, is left to itself: nothing depends on its end.
fn join(thread: JoinHandle<()>) {
    const ROUNDS: u32 = 2_000;
    for _ in 0..ROUNDS {
        if thread.is_finished() {
            let _ = thread.join();
            return;
        }
        std::thread::sleep(std::time::Duration::from_micros(500));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.orders.kill();
            let _ = child.wait();
        }
        self.finish();
    }
}
