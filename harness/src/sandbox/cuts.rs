//! Unmodified programs under power cuts.
//!
//! The engine is the chip's ([`crate::chip::cut`]): it records the program's work on
//! flash once, makes every chip that a cut in it can leave, and counts. What is added
//! here is a [`Subject`] whose work and recovery are processes, and the real thing for a
//! single state: the power of the chip goes in the middle of an operation, and the
//! program is killed with all that it started.

mod captured;

use crate::chip::Chip;
use crate::chip::cut::{CutId, IdError, Journal, PowerCut, Step, Subject, Track};
use crate::profile::SimulatedDevice;
use crate::sandbox::builder::Builder;
use crate::sandbox::error::SandboxError;
use crate::sandbox::run::{Outcome, Sandbox};
use captured::{CapturedOutput, memory_file};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a program or a line may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

type MakeCommand = Box<dyn Fn() -> Command + Send + Sync>;
type Configure = Box<dyn Fn(Builder) -> Builder + Send + Sync>;
type Check = Box<dyn Fn(&SimulatedDevice, &[u8]) -> Result<(), String> + Send + Sync>;

/// A program on a simulated device, for an [`Explorer`](crate::chip::cut::Explorer): what
/// it does to the device's first chip is cut everywhere, and after each cut the device
/// starts anew and is checked.
///
/// Its recovery is up to two lines for `sh`, in a sandbox of their own on what the cut
/// left: one as the device does after a reboot, whatever that answers, and one whose
/// status 0 means that all is well. That line's standard input is what the program had
/// told on its standard output before the cut: so it can be held to its word.
///
/// What lies outside the flash is not cut: the lines find mapped folders and the host's
/// files as they are, several of them at once.
///
/// ```
/// use mtd_harness::chip::cut::{Explorer, Tears};
/// use mtd_harness::profile;
/// use mtd_harness::sandbox::UnderCuts;
/// use std::process::Command;
///
/// let device = profile::ispot(1);
/// let old = device.partition_bytes(7);
/// let subject = UnderCuts::new(device, || {
///     let mut command = Command::new("sh");
///     command.args(["-c", "head -c 16 /dev/zero > /dev/mtd7"]);
///     command
/// })
/// // Or a line for sh: .check("cmp -s …")
/// .check_with(move |device, _told| {
///     let now = device.partition_bytes(7);
///     match now[..16] == old[..16] || now[..16] == [0; 16] {
///         true => Ok(()),
///         false => Err("neither old nor new".into()),
///     }
/// });
/// let start = subject.start();
/// let report = Explorer::new(&start, &subject).tears(Tears::atomic()).run()?;
/// report.assert_held();
/// // Between the first byte and the last it does not hold.
/// let report = Explorer::new(&start, &subject).tears(Tears::stable()).run()?;
/// assert!(report.failed() > 0);
/// # Ok::<(), mtd_harness::chip::cut::ExploreError>(())
/// ```
pub struct UnderCuts {
    device: SimulatedDevice,
    command: MakeCommand,
    configure: Configure,
    recover: Option<String>,
    check: Option<String>,
    check_with: Option<Check>,
    time_limit: Duration,
    trouble: Mutex<Option<SandboxError>>,
}

/// What a cut left that really happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CutRun {
    /// The chip as the last cut left it, with power.
    pub left: Chip,
    /// The chip after the lines.
    pub recovered: Chip,
    /// What the program had told on its standard output.
    pub told: Vec<u8>,
    /// What did not hold, if anything.
    pub verdict: Result<(), String>,
}

/// Why a cut could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CutRunError {
    /// The program fails without a cut.
    #[error("without any power cut, {0}; there is nothing to cut")]
    Broken(String),
    /// The id is of something else.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The program does not come so far each time.
    #[error(
        "the program is not deterministic: power was to go in operation {operation}, and this \
         time it ended before; no id could replay what it does"
    )]
    Other {
        /// Which operation of the run.
        operation: u64,
    },
    /// The operation has no such tear: its cells held that already.
    #[error("operation {0} has no such tear here")]
    NoSuchTear(Step),
    /// The sandbox could not be had.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// A program's run.
struct Run {
    outcome: Outcome,
    told: CapturedOutput,
}

impl UnderCuts {
    /// The program that `command` makes, on forks of this device.
    pub fn new(
        device: SimulatedDevice,
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        Self {
            device,
            command: Box::new(command),
            configure: Box::new(|builder| builder),
            recover: None,
            check: None,
            check_with: None,
            time_limit: TIME_LIMIT,
            trouble: Mutex::default(),
        }
    }

    /// What the device does after a reboot: a line for `sh`, whatever it answers.
    #[must_use]
    pub fn recover(mut self, line: impl Into<String>) -> Self {
        self.recover = Some(line.into());
        self
    }

    /// What must hold then: a line for `sh`, status 0 if it does.
    #[must_use]
    pub fn check(mut self, line: impl Into<String>) -> Self {
        self.check = Some(line.into());
        self
    }

    /// What must hold then, without a process: by looking at the device, and at what the
    /// program had told.
    #[must_use]
    pub fn check_with(
        mut self,
        check: impl Fn(&SimulatedDevice, &[u8]) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.check_with = Some(Box::new(check));
        self
    }

    /// Sets each sandbox up otherwise: folders, an old kernel.
    #[must_use]
    pub fn sandbox(
        mut self,
        configure: impl Fn(Builder) -> Builder + Send + Sync + 'static,
    ) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// How long the program and each line may take; a minute by default.
    #[must_use]
    pub fn time_limit(mut self, most: Duration) -> Self {
        self.time_limit = most;
        self
    }

    /// The chip that everything starts on.
    pub fn start(&self) -> Chip {
        self.device.system.with_chip(0, |chip| chip.clone())
    }

    /// Why a sandbox could not be had, if so: what a search then tells of failed checks
    /// is not the program's fault.
    pub fn trouble(&self) -> Option<SandboxError> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.take()
    }

    /// The program's operations on the chip, in a run without a cut.
    ///
    /// # Errors
    /// A program that fails; no sandbox.
    pub fn journal(&self) -> Result<Journal, CutRunError> {
        let mut chip = self.start();
        chip.record();
        let run = self.on(&mut chip, |device| self.program(device))?;
        ended_well(&run.outcome, "the program").map_err(CutRunError::Broken)?;
        Ok(chip.take_journal())
    }

    /// Really makes these cuts: the first in the program, each further one in the lines
    /// that follow. Then the lines once more, to their end. `operations` is how many the
    /// program has without a cut.
    ///
    /// # Errors
    /// [`CutRunError`].
    pub fn cut(&self, steps: &[Step], operations: u64) -> Result<CutRun, CutRunError> {
        let mut chip = self.start();
        let mut told = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            chip.cut_power(PowerCut::new(step.operation, step.tear));
            let mut done = 0;
            if index == 0 {
                let run = self.on(&mut chip, |device| self.program(device))?;
                told = run.told.all();
                done = operations;
            } else {
                self.on(&mut chip, |device| self.lines(device, &told))?.ok();
            }
            match chip.strike().filter(|_| !chip.is_powered()) {
                Some(strike) if !strike.fits => return Err(CutRunError::NoSuchTear(*step)),
                Some(_) => {}
                // After all of it.
                None if index == 0 && step.operation > done => {}
                None => {
                    let operation = step.operation;
                    return Err(CutRunError::Other { operation });
                }
            }
            chip.power_on();
        }
        let left = chip.clone();
        let verdict = self.on(&mut chip, |device| self.lines(device, &told))?;
        Ok(CutRun {
            left,
            recovered: chip,
            told,
            verdict,
        })
    }

    /// Really leads to the state of an id.
    ///
    /// # Errors
    /// [`CutRunError`]; [`IdError`] for the id of another program or chip.
    pub fn replay(&self, id: &CutId) -> Result<CutRun, CutRunError> {
        let journal = self.journal()?;
        id.check(&self.start(), &journal)?;
        self.cut(id.steps(), journal.len())
    }

    /// Works on a fork of the device whose first chip is this one.
    fn on<R>(&self, chip: &mut Chip, work: impl FnOnce(&SimulatedDevice) -> R) -> R {
        let device = self.device.fork();
        // The search's own limit ends by a panic; here a time limit does.
        chip.limit_accesses(None);
        let swap = |chip: &mut Chip| {
            device
                .system
                .with_chip(0, |theirs| std::mem::swap(theirs, chip));
        };
        swap(chip);
        let answer = work(&device);
        swap(chip);
        answer
    }

    fn build(&self, device: &SimulatedDevice) -> Result<Sandbox, SandboxError> {
        let builder = Sandbox::builder(device.clone()).time_limit(self.time_limit);
        (self.configure)(builder).build()
    }

    fn program(&self, device: &SimulatedDevice) -> Result<Run, SandboxError> {
        let sandbox = self.build(device)?;
        let told = CapturedOutput::listen(&device.system).map_err(SandboxError::io("a pipe"))?;
        let mut command = (self.command)();
        command.stdin(std::process::Stdio::null());
        command.stdout(told.pipe().map_err(SandboxError::io("a pipe"))?);
        command.stderr(std::process::Stdio::piped());
        let running = sandbox.spawn(&mut command);
        // Its copy of the pipe's end.
        drop(command);
        let outcome = running?.wait()?;
        told.finish();
        Ok(Run { outcome, told })
    }

    fn lines(
        &self,
        device: &SimulatedDevice,
        told: &[u8],
    ) -> Result<Result<(), String>, SandboxError> {
        if self.recover.is_some() || self.check.is_some() {
            let sandbox = self.build(device)?;
            let sh = |line: &str| {
                let mut command = Command::new("sh");
                command.args(["-c", line]);
                command
            };
            if let Some(line) = &self.recover {
                let outcome = sandbox.output(&mut sh(line))?;
                if outcome.lost_power {
                    return Ok(Err("power went in the recovery".into()));
                }
                if outcome.timed_out {
                    return Ok(Err("the recovery did not end in time".into()));
                }
            }
            if let Some(line) = &self.check {
                let mut command = sh(line);
                let told = memory_file(told).map_err(SandboxError::io("a file in memory"))?;
                command.stdin(told);
                command.stdout(std::process::Stdio::piped());
                command.stderr(std::process::Stdio::piped());
                let outcome = sandbox.run(&mut command)?;
                drop(command);
                if let Err(why) = ended_well(&outcome, "the check") {
                    return Ok(Err(why));
                }
            }
        }
        Ok(match &self.check_with {
            Some(check) => check(device, told),
            None => Ok(()),
        })
    }

    /// What a search is told where there was no sandbox.
    fn note(&self, error: SandboxError) -> String {
        let text = error.to_string();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert(error);
        text
    }
}

impl Subject for UnderCuts {
    /// What the program has told.
    type Promise = Vec<u8>;

    fn work(&self, chip: &mut Chip, promise: &mut Track<Vec<u8>>) -> Result<(), String> {
        let run = self.on(chip, |device| self.program(device));
        let run = run.map_err(|error| self.note(error))?;
        for (done, bytes) in run.told.by_operation() {
            promise.update_at(done, |told| told.extend_from_slice(&bytes));
        }
        ended_well(&run.outcome, "the program")
    }

    fn recover(&self, chip: &mut Chip, promise: &mut Track<Vec<u8>>) -> Result<(), String> {
        let told = promise.get().clone();
        let verdict = self.on(chip, |device| self.lines(device, &told));
        verdict.map_err(|error| self.note(error))?
    }
}

/// What a program that failed told last.
fn ended_well(outcome: &Outcome, what: &str) -> Result<(), String> {
    if outcome.timed_out {
        return Err(format!("{what} did not end in time"));
    }
    if outcome.status.success() {
        return Ok(());
    }
    let told = [&outcome.stderr, &outcome.stdout].map(|bytes| String::from_utf8_lossy(bytes));
    let mut last = told.iter().filter_map(|text| text.trim().lines().last());
    Err(match last.find(|line| !line.is_empty()) {
        Some(line) => format!("{what} ended with {}: {line}", outcome.status),
        None => format!("{what} ended with {}", outcome.status),
    })
}
