//! A whole virtual device: a stock Linux with its own MTD subsystem, on an
//! emulated board ([`boards`]) whose one NOR chip has a device's geometry. The board
//! that there is so far makes the virtual iSpot.
//!
//! What the crate `mtd-harness` simulates, a real kernel does here: it finds the
//! RedBoot partitions in the chip's FIS directory, registers mtd0 to mtd10, and
//! answers system calls on them. `README.md` says what that
//! proves, and what it does not.
//!
//! It is meant for tests that somebody asked for: it wants QEMU, a cross
//! compiler and the source of Linux ([`Toolbox::ready`] says which are missing),
//! and builds its kernel once. Here they are ignored but where they are asked for.
//!
//! ```no_run
//! use mtd_virtual_device::{Cut, VirtualDevice, boards::ISPOT};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let image = std::fs::read("flash.bin")?;
//! let mut ispot = VirtualDevice::new(&ISPOT, image)?
//!     .put("/bin/tool", std::fs::read("tool")?, 0o755)?
//!     .get("/tmp/out");
//! let outcome = ispot.run("tool backup --output /tmp/out")?.expect_success();
//! assert_eq!(outcome.file("/tmp/out/mtd1.bin"), Some(&ispot.chip()[0x4_0000..0x6_0000]));
//!
//! // The power fails while the settings are written.
//! let half = Cut::ChipChanged { offset_bytes: 0x80_0000 };
//! ispot.run_until("dd if=/dev/zero of=/dev/mtd4 bs=4096", &half)?;
//! assert_eq!(ispot.chip()[0x78_0000], 0);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: the image that was given is changed by boot stub and kernel (see
//! [`BootFrom`]) and by the guest, by nothing else; no run lasts longer than
//! its time limit; nothing is left of a run but what it returns.
//! Faults tolerated: a guest that hangs, panics or restarts; an emulator that
//! dies; power cuts on request.

pub mod boards;
mod boot;
mod busybox;
mod cache;
mod clock;
mod cpio;
mod emulator;
mod error;
mod guest;
mod kernel;
mod outcome;
mod programs;
mod toolbox;

pub use boot::BootPlaces;
pub use clock::{Clock, Timed};
pub use error::{Error, Missing};
pub use guest::quote;
pub use outcome::{GuestFile, Outcome, PowerCut};
pub use toolbox::Toolbox;

use boards::Board;
use emulator::{Emulator, Ended, Setup};
use guest::{EXCHANGE_BYTES, Guest, Job, Put};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the board finds its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BootFrom {
    /// In the chip, as a real board: the first boot puts a boot stub at the start
    /// of its boot partition and a kernel at the start of its kernel's. The directory's
    /// entries, their checksums too, stay as they are.
    #[default]
    Flash,
    /// In RAM, where the emulator puts it: the chip stays as it was given, to the
    /// last byte.
    Ram,
}

/// The moment at which the power is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// As soon as this text stands on the console. A command gets it there with
    /// `echo … >/dev/console`.
    Console(String),
    /// As soon as this text stands on the command's standard output.
    Stdout(String),
    /// As soon as the byte of the chip at this offset differs from what it was
    /// at power-on. The guest goes on for a moment until the cut happens.
    ChipChanged {
        /// Offset in the chip.
        offset_bytes: u64,
    },
    /// So long after this text stands on the command's standard output.
    StdoutThen {
        /// The text.
        text: String,
        /// How long the guest goes on.
        pause: Duration,
    },
    /// So long after power-on; booting takes about half a second of that.
    After(Duration),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console(text) => write!(f, "when {text:?} stands on the console"),
            Self::Stdout(text) => write!(f, "when {text:?} stands on standard output"),
            Self::ChipChanged { offset_bytes } => {
                write!(f, "when the chip changes at {offset_bytes:#x}")
            }
            Self::StdoutThen { text, pause } => {
                write!(f, "{pause:?} after {text:?} stands on standard output")
            }
            Self::After(time) => write!(f, "{time:?} after power-on"),
        }
    }
}

/// A virtual device, switched off. Each run switches it on, with the chip as the
/// last one left it and RAM and file system new.
#[derive(Debug, Clone)]
pub struct VirtualDevice {
    toolbox: Toolbox,
    chip: Vec<u8>,
    guest: Guest,
    boot_from: BootFrom,
    booted: bool,
    clock: Clock,
    time_limit: Duration,
}

impl VirtualDevice {
    /// One with this image in its chip; makes what is missing first, see
    /// [`Toolbox::ready`], and says so on standard error. Looks for the tools once
    /// per process and board.
    ///
    /// # Errors
    /// If something is missing, or the image is not of [`Board::chip_bytes`].
    pub fn new(board: &'static Board, image: Vec<u8>) -> Result<Self, Error> {
        // Looking for a dozen programs takes as long as booting.
        static READY: Mutex<BTreeMap<&str, Toolbox>> = Mutex::new(BTreeMap::new());
        let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
        let toolbox = match ready.get(board.name) {
            Some(toolbox) => toolbox.clone(),
            None => {
                let mut report = |what: &str| eprintln!("virtual {}: {what}", board.name);
                let toolbox = Toolbox::ready(board, &mut report)?;
                ready.insert(board.name, toolbox.clone());
                toolbox
            }
        };
        drop(ready);
        Self::with_toolbox(board, image, toolbox)
    }

    /// The same with a toolbox at hand.
    ///
    /// # Errors
    /// If the image is not of [`Board::chip_bytes`].
    pub fn with_toolbox(
        board: &'static Board,
        image: Vec<u8>,
        toolbox: Toolbox,
    ) -> Result<Self, Error> {
        if image.len() != board.chip_bytes {
            return Err(Error::ImageSize {
                size_bytes: image.len() as u64,
                expected_bytes: board.chip_bytes as u64,
            });
        }
        Ok(Self {
            toolbox,
            chip: image,
            guest: Guest::of(board),
            boot_from: BootFrom::default(),
            booted: false,
            clock: Clock::default(),
            time_limit: Duration::from_secs(600),
        })
    }

    /// Puts a file into the guest, at an absolute path, with these permissions.
    /// Folders on the way are made. There is room for some 10 MiB in all.
    ///
    /// # Errors
    /// If the guest cannot have a file of this path.
    pub fn put(
        mut self,
        guest_path: &str,
        bytes: impl Into<Vec<u8>>,
        permissions: u32,
    ) -> Result<Self, Error> {
        guest::check_path(guest_path)?;
        self.guest.put.push(Put {
            path: guest_path.into(),
            bytes: bytes.into(),
            permissions: permissions & 0o7777,
        });
        Ok(self)
    }

    /// Asks for a file or folder to be handed back after each command: 20 MiB
    /// in all. If it is not there then, [`Outcome::files`] does not have it.
    #[must_use]
    pub fn get(mut self, guest_path: &str) -> Self {
        self.guest.wanted.push(guest_path.into());
        self
    }

    /// Sets a variable of the command's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.guest.environment.push((name.into(), value.into()));
        self
    }

    /// How long a run may last, from power-on: ten minutes unless set, which a busy machine needs
    /// for what takes an idle one seconds.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Leaves out `/sys`, which a kernel before 2.6.31 does not have for MTD.
    #[must_use]
    pub fn without_sysfs(mut self) -> Self {
        self.guest.without_sysfs = true;
        self
    }

    /// Makes nodes for all partitions, also for those for which the device has none
    /// ([`Board::without_nodes`]).
    #[must_use]
    pub fn with_all_nodes(mut self) -> Self {
        self.guest.with_all_nodes = true;
        self
    }

    /// Where the board finds its kernel: in the chip unless set.
    #[must_use]
    pub fn boot_from(mut self, place: BootFrom) -> Self {
        self.boot_from = place;
        self
    }

    /// Gives the guest a command `timed NAME COMMAND…`, and this clock to time by:
    /// [`Outcome::times`] tells what it timed. Unless this is called, there is no
    /// such command, and the clock is the host's.
    #[must_use]
    pub fn timed_by(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self.guest.timed = true;
        self
    }

    /// What the chip holds, now that the board is off. Before the first run this
    /// is the image as it was given.
    #[must_use]
    pub fn chip(&self) -> &[u8] {
        &self.chip
    }

    /// The chip, to be changed while the board is off, as a factory programmer
    /// would.
    pub fn chip_mut(&mut self) -> &mut [u8] {
        &mut self.chip
    }

    /// What the kernel was built from, as text.
    #[must_use]
    pub fn kernel_recipe(&self) -> &str {
        self.toolbox.kernel_recipe()
    }

    /// Boots, runs a shell command line, and switches off. Standard input is
    /// empty; a run ends when everything that holds the command's output has ended.
    ///
    /// # Errors
    /// Whatever kept the command from running to its end. That the command
    /// failed is not an error: see [`Outcome::status`].
    pub fn run(&mut self, command: &str) -> Result<Outcome, Error> {
        let began = Instant::now();
        let mut emulator = self.power_on(Job::Command(command), false)?;
        let ended = emulator.wait(Some(began + self.time_limit), None);
        self.collect(emulator, ended, began)
    }

    /// Boots, runs a shell command line, and cuts the power at the given moment.
    ///
    /// # Errors
    /// [`Error::EndedBeforeCut`] if the command ended before, and those of
    /// [`VirtualDevice::run`]. The chip then holds what the guest left in it.
    pub fn run_until(&mut self, command: &str, cut: &Cut) -> Result<PowerCut, Error> {
        let began = Instant::now();
        let mut emulator = self.power_on(Job::Command(command), false)?;
        let before = match cut {
            Cut::ChipChanged { offset_bytes } => emulator.chip_byte(*offset_bytes),
            _ => None,
        };
        let says = |emulator: &Emulator, text: &str| {
            let out = emulator.serial(0);
            out.is_ok_and(|out| String::from_utf8_lossy(&out).contains(text))
        };
        let mut said_at = None;
        let mut reached = |emulator: &Emulator| match cut {
            Cut::Console(text) => emulator.console().contains(text.as_str()),
            Cut::Stdout(text) => says(emulator, text),
            Cut::StdoutThen { text, pause } => {
                if said_at.is_none() && says(emulator, text) {
                    said_at = Some(Instant::now());
                }
                said_at.is_some_and(|at| at.elapsed() >= *pause)
            }
            Cut::ChipChanged { offset_bytes } => emulator.chip_byte(*offset_bytes) != before,
            Cut::After(time) => began.elapsed() >= *time,
        };
        let ended = emulator.wait(Some(began + self.time_limit), Some(&mut reached));
        if matches!(ended, Ok(Ended::Condition)) {
            emulator.power_off();
            self.chip = emulator.chip()?;
            return Ok(PowerCut {
                stdout: emulator.serial(0)?,
                stderr: emulator.serial(1)?,
                console: emulator.console(),
                elapsed: began.elapsed(),
            });
        }
        let outcome = self.collect(emulator, ended, began)?;
        Err(Error::EndedBeforeCut {
            status: outcome.status,
            cut: cut.to_string(),
        })
    }

    /// Boots, runs a shell command line to its end, and again and again stands the
    /// emulator still and looks at what the chip holds: what a power cut at that moment
    /// would leave, without a new start for each. `look` answers how long the next pause
    /// is, and is called once right after power-on.
    ///
    /// # Errors
    /// As [`VirtualDevice::run`].
    pub fn run_looking(
        &mut self,
        command: &str,
        mut look: impl FnMut(&[u8]) -> Duration,
    ) -> Result<Outcome, Error> {
        let began = Instant::now();
        let mut emulator = self.power_on(Job::Command(command), false)?;
        let (mut next, mut failure) = (began, None);
        let mut looks = |emulator: &Emulator| {
            if Instant::now() >= next {
                match emulator.standing_still(&mut look) {
                    Ok(pause) => next = Instant::now() + pause,
                    Err(error) => failure = Some(error),
                }
            }
            failure.is_some()
        };
        let ended = emulator.wait(Some(began + self.time_limit), Some(&mut looks));
        let outcome = self.collect(emulator, ended, began);
        failure.map_or(outcome, Err)
    }

    /// Boots and gives the console, with a shell, to this process's terminal,
    /// without a time limit. Returns when the shell ends, with its status and
    /// the files that were asked for.
    ///
    /// # Errors
    /// As [`VirtualDevice::run`].
    pub fn shell(&mut self) -> Result<Outcome, Error> {
        let began = Instant::now();
        let mut emulator = self.power_on(Job::Shell, true)?;
        let ended = emulator.wait(None, None);
        self.collect(emulator, ended, began)
    }

    fn power_on(&mut self, job: Job<'_>, console_on_terminal: bool) -> Result<Emulator, Error> {
        let read = |path| fs::read(path).map_err(Error::io("read", path));
        let initramfs = self.guest.initramfs(&read(&self.toolbox.busybox)?, job)?;
        let kernel = read(&self.toolbox.kernel)?;
        if self.boot_from == BootFrom::Flash && !self.booted {
            boot::install(self.guest.board, &mut self.chip, &kernel)?;
            self.booted = true;
        }
        Emulator::start(&Setup {
            board: self.guest.board,
            qemu: &self.toolbox.qemu,
            chip: &self.chip,
            initramfs: &initramfs,
            kernel_in_ram: (self.boot_from == BootFrom::Ram).then_some(&kernel),
            console_on_terminal,
            clock: self.clock,
        })
    }

    /// Takes everything from a board that ended, and the chip in any case.
    fn collect(
        &mut self,
        mut emulator: Emulator,
        ended: Result<Ended, Error>,
        began: Instant,
    ) -> Result<Outcome, Error> {
        let exchange = match ended {
            Ok(Ended::Restarted) => emulator.ram(self.guest.exchange_address(), EXCHANGE_BYTES),
            _ => Ok(Vec::new()),
        };
        emulator.power_off();
        self.chip = emulator.chip()?;
        let console = emulator.console();
        if ended? != Ended::Restarted {
            return Err(Error::TimeLimit {
                limit: self.time_limit,
                console,
            });
        }
        let exchange = exchange?;
        let Some(status) = outcome::status(&exchange) else {
            return Err(Error::GuestDied { console });
        };
        let mut files = if self.guest.wants_files() {
            outcome::files(&exchange)?
        } else {
            Default::default()
        };
        let times = files.remove(clock::TIMES).unwrap_or_default();
        Ok(Outcome {
            status,
            stdout: emulator.serial(0)?,
            stderr: emulator.serial(1)?,
            console,
            files,
            times: Timed::parse(&String::from_utf8_lossy(&times.bytes), self.clock)?,
            elapsed: began.elapsed(),
        })
    }
}
