//! The emulator: one run of QEMU with a board switched on.
//!
//! Everything that goes in or comes out stands in memory files (memfd) that
//! the emulator opens as `/proc/self/fd/N`: nothing in the file system can be
//! left behind, however this process ends. The control channel is a socket
//! pair that speaks QMP, of which three commands are used.
//!
//! Invariants: the emulator does not outlive its [`Emulator`], nor this process;
//! when [`Emulator::power_off`] has returned, the chip's bytes are final.
//! Faults tolerated: the emulator dies at any moment.

use super::boards::Board;
use super::boot;
use super::clock::Clock;
use super::error::Error;
use super::guest::COMMAND_LINE;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, set_parent_process_death_signal, waitid,
};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a board is switched on with.
pub struct Setup<'a> {
    pub board: &'a Board,
    pub qemu: &'a Path,
    pub chip: &'a [u8],
    pub initramfs: &'a [u8],
    /// A kernel that is put into RAM; without one, the processor starts at
    /// address 0 of the chip.
    pub kernel_in_ram: Option<&'a [u8]>,
    /// Whether the console is this process's terminal.
    pub console_on_terminal: bool,
    pub clock: Clock,
}

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The guest restarted the board; it stands still now, its RAM as it was.
    Restarted,
    /// The caller's condition came true; the board still runs.
    Condition,
    /// The deadline passed; the board still runs.
    Deadline,
}

/// A board that is switched on, in its emulator.
pub struct Emulator {
    process: Child,
    control: UnixStream,
    received: Vec<u8>,
    chip: File,
    console: File,
    serial: [File; 2],
    /// Where the emulator saves pieces of RAM.
    memory: File,
    complaints: File,
}

impl Emulator {
    /// Switches it on.
    ///
    /// # Errors
    /// If the emulator cannot be started.
    pub fn start(setup: &Setup<'_>) -> Result<Self, Error> {
        let chip = memory_file("chip", setup.chip)?;
        let console = memory_file("console", &[])?;
        let serial = [memory_file("ttyS1", &[])?, memory_file("ttyS2", &[])?];
        let memory = memory_file("memory", &[])?;
        let complaints = memory_file("complaints", &[])?;
        let loaded = into_ram(setup)?;
        let (control, theirs) = UnixStream::pair().map_err(Error::io("make", "a socket pair"))?;

        let mut command = Command::new(setup.qemu);
        command
            .args(["-M", setup.board.machine, "-nodefaults", "-no-reboot"])
            .args(["-display", "none", "-no-shutdown"])
            .args(setup.clock.options())
            .args([
                "-drive",
                &format!("if=pflash,format=raw,file={}", path(&chip)),
            ])
            .args([
                "-chardev",
                &format!("socket,id=control,fd={}", theirs.as_raw_fd()),
            ])
            .args(["-mon", "chardev=control,mode=control"]);
        for (file, address, more) in &loaded {
            let file = path(file);
            let loader = format!("loader,file={file},addr={address:#x},force-raw=on{more}");
            command.args(["-device", &loader]);
        }
        if setup.console_on_terminal {
            // Ctrl-C is the guest's.
            command.args(["-chardev", "stdio,id=console,signal=off"]);
            command.args(["-serial", "chardev:console"]);
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.args(["-serial", &format!("file:{}", path(&console))]);
        }
        for file in &serial {
            command.args(["-serial", &format!("file:{}", path(file))]);
        }
        let copied = complaints.try_clone();
        command.stderr(copied.map_err(Error::io("share", "a memory file"))?);
        let mut inherited: Vec<RawFd> = loaded.iter().map(|(file, ..)| file.as_raw_fd()).collect();
        inherited.extend([&chip, &console, &memory].map(AsRawFd::as_raw_fd));
        inherited.push(theirs.as_raw_fd());
        inherited.extend(serial.iter().map(AsRawFd::as_raw_fd));
        // SAFETY: between fork and exec, `prepare_child` makes two kinds of
        // system call (prctl, fcntl) and neither allocates nor locks.
        unsafe {
            command.pre_exec(move || prepare_child(&inherited));
        }
        let process = command.spawn().map_err(Error::io("start", setup.qemu))?;
        drop(theirs);
        let mut emulator = Self {
            process,
            control,
            received: Vec::new(),
            chip,
            console,
            serial,
            memory,
            complaints,
        };
        emulator.send(r#"{"execute":"qmp_capabilities"}"#)?;
        Ok(emulator)
    }

    /// Waits until the guest restarts the board, `condition` holds, or the
    /// deadline passes. The condition is looked at about every millisecond.
    ///
    /// # Errors
    /// [`Error::Emulator`] if the emulator ends.
    pub fn wait(
        &mut self,
        deadline: Option<Instant>,
        mut condition: Option<&mut dyn FnMut(&Self) -> bool>,
    ) -> Result<Ended, Error> {
        const POLL: Duration = Duration::from_millis(1);
        const PATIENT: Duration = Duration::from_millis(200);
        loop {
            if condition.as_mut().is_some_and(|holds| holds(self)) {
                return Ok(Ended::Condition);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Ended::Deadline);
            }
            let most = if condition.is_some() { POLL } else { PATIENT };
            let patience = left.map_or(most, |left| left.min(most));
            if let Some(line) = self.receive(patience)? {
                if line.contains(r#""event": "SHUTDOWN""#) {
                    return Ok(Ended::Restarted);
                }
            }
        }
    }

    /// A piece of the board's RAM, while it stands still.
    ///
    /// # Errors
    /// If the emulator refuses or ends.
    pub fn ram(&mut self, address: u32, size_bytes: usize) -> Result<Vec<u8>, Error> {
        let request = format!(
            r#"{{"execute":"pmemsave","arguments":{{"val":{address},"size":{size_bytes},"filename":"{}"}}}}"#,
            path(&self.memory)
        );
        self.request(&request)?;
        contents(&self.memory)
    }

    /// Shows what the chip holds while the emulator stands still: all of its threads, in
    /// the middle of whatever they do, between two of their system calls. A kill at this
    /// moment would leave just that; one within the write of an erase, a part of it.
    ///
    /// # Errors
    /// If the emulator ends.
    pub fn standing_still<R>(&self, look: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let failed = |error: rustix::io::Errno| Error::io("stop", "the emulator")(error.into());
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::STOP).map_err(failed)?;
        // Told when the last thread stands. The end is left for whoever waits for it.
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), stopped).map_err(failed)?;
        let looked = self.chip().map(|chip| look(&chip));
        kill_process(pid, Signal::CONT).map_err(failed)?;
        looked
    }

    /// Switches it off, in the middle of whatever it does, and waits until the
    /// emulator is gone.
    pub fn power_off(&mut self) {
        // Fails only if it is gone already; then wait says so.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// What the chip holds.
    ///
    /// # Errors
    /// Those of the memory file.
    pub fn chip(&self) -> Result<Vec<u8>, Error> {
        contents(&self.chip)
    }

    /// One byte of the chip, while the board runs.
    pub fn chip_byte(&self, offset_bytes: u64) -> Option<u8> {
        let mut byte = [0];
        self.chip.read_exact_at(&mut byte, offset_bytes).ok()?;
        Some(byte[0])
    }

    /// The console so far.
    pub fn console(&self) -> String {
        let bytes = contents(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// What came over a serial line so far: 0 is standard output, 1 standard error.
    ///
    /// # Errors
    /// Those of the memory file.
    pub fn serial(&self, line: usize) -> Result<Vec<u8>, Error> {
        contents(&self.serial[line])
    }

    fn request(&mut self, request: &str) -> Result<(), Error> {
        const LIMIT: Duration = Duration::from_secs(30);
        let deadline = Instant::now() + LIMIT;
        self.send(request)?;
        while Instant::now() < deadline {
            match self.receive(Duration::from_millis(200))? {
                Some(line) if line.starts_with(r#"{"return""#) => return Ok(()),
                Some(line) if line.starts_with(r#"{"error""#) => return Err(self.gone(&line)),
                _ => {}
            }
        }
        Err(self.gone("no answer on its control channel"))
    }

    fn send(&mut self, request: &str) -> Result<(), Error> {
        let sent = self.control.write_all(format!("{request}\n").as_bytes());
        sent.map_err(|error| self.gone(&error.to_string()))
    }

    /// The next line of the control channel, if one comes in time.
    fn receive(&mut self, patience: Duration) -> Result<Option<String>, Error> {
        let mut piece = [0; 4096];
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()));
            }
            // A timeout of zero would mean none.
            let patience = patience.max(Duration::from_micros(100));
            let read = self
                .control
                .set_read_timeout(Some(patience))
                .and_then(|()| self.control.read(&mut piece));
            match read {
                Ok(0) => return Err(self.gone("it closed its control channel")),
                Ok(length) => self.received.extend_from_slice(&piece[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(self.gone(&error.to_string())),
            }
        }
    }

    /// The emulator is of no more use: ends it and says why.
    fn gone(&mut self, reason: &str) -> Error {
        let _ = self.process.kill();
        let status = self
            .process
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let complaints = contents(&self.complaints).unwrap_or_default();
        Error::Emulator {
            status,
            message: format!("{reason} {}", String::from_utf8_lossy(&complaints).trim()),
            console: self.console(),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.power_off();
    }
}

/// What is in RAM when the board is switched on: memory file, address, and more of the
/// emulator's option for it.
fn into_ram(setup: &Setup<'_>) -> Result<Vec<(File, u32, &'static str)>, Error> {
    let board = setup.board;
    let initramfs_bytes = u32::try_from(setup.initramfs.len()).expect("checked by its maker");
    let mut loaded = vec![
        (
            memory_file("tags", &boot::tags(board, initramfs_bytes, COMMAND_LINE))?,
            board.tags_address(),
            "",
        ),
        (
            memory_file("initramfs", setup.initramfs)?,
            board.initramfs_address(),
            "",
        ),
    ];
    if let Some(kernel) = setup.kernel_in_ram {
        loaded.push((memory_file("kernel", kernel)?, board.kernel_address(), ""));
        // cpu-num: the processor starts here instead of at 0.
        loaded.push((
            memory_file("stub", &boot::ram_stub(board))?,
            board.ram_stub_address(),
            ",cpu-num=0",
        ));
    }
    Ok(loaded)
}

fn memory_file(name: &str, bytes: &[u8]) -> Result<File, Error> {
    let make = || {
        let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
        file.write_all(bytes)?;
        Ok(file)
    };
    make().map_err(Error::io("make the memory file", name))
}

/// How the emulator, which inherits the descriptor, opens the file.
fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn contents(file: &File) -> Result<Vec<u8>, Error> {
    let read = || {
        let size_bytes = file.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(size_bytes).map_err(io::Error::other)?];
        // It may grow meanwhile, but never shrinks.
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    read().map_err(Error::io("read", "a memory file"))
}

/// In the child, before it becomes the emulator.
fn prepare_child(inherited: &[RawFd]) -> io::Result<()> {
    // Should this process be killed, the emulator goes with it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    for fd in inherited {
        // SAFETY: the parent's `Emulator::start` holds these files open until
        // after the fork, and the child has copies of them.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        fcntl_setfd(fd, FdFlags::empty())?;
    }
    Ok(())
}
