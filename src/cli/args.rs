//! What a command line means, as plain structs: the same for both parsers.

use crate::backup::DigestChoice;
use std::ffi::OsString;
use std::path::PathBuf;

/// A whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What every command takes.
    pub global: Global,
    /// What to do.
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Global {
    /// A simulated device: none, the iSpot, or a layout from a file.
    pub simulate: Option<Profile>,
    /// Seed of its contents.
    pub seed: Option<u64>,
    /// Faults of its flash, in the harness's notation.
    pub faults: Option<String>,
    /// A chip's image as the device.
    pub image: Option<PathBuf>,
    /// Where `proc`, `sys` and `dev` are.
    pub root: Option<PathBuf>,
    /// One JSON document instead of text.
    pub json: bool,
    /// Nothing but errors.
    pub quiet: bool,
}

/// Which device is simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// The Clear iSpot.
    Ispot,
    /// The layout of a captured `/proc/mtd`.
    ProcMtd(PathBuf),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// List partitions.
    List,
    /// Back up.
    Backup(BackupArgs),
    /// Check a backup.
    Verify {
        /// Its folder.
        folder: PathBuf,
        /// Compare with the flash as well.
        device: bool,
    },
    /// Remove a backup.
    Clean {
        /// Its folder.
        folder: PathBuf,
        /// Only tell what would go.
        dry_run: bool,
    },
    /// Missing device nodes.
    Nodes {
        /// Make them.
        create: bool,
    },
    /// Write a simulated chip to a file.
    Image {
        /// The file.
        output: PathBuf,
    },
    /// Run a program against a simulated device.
    Sandbox(SandboxArgs),
    /// A shell script for the device.
    Script(ScriptArgs),
    /// A backup from what a shell script captured.
    Import(ImportArgs),
    /// Shell completions.
    Completions {
        /// The shell.
        shell: String,
    },
    /// Manual page.
    Man {
        /// Of which command; none: of the program.
        command: Option<String>,
    },
}

/// How to back up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupArgs {
    /// Into which folder; none: the default.
    pub output: Option<PathBuf>,
    /// Which partitions; empty: all.
    pub partitions: Vec<String>,
    /// Read the flash twice.
    pub read_again: bool,
    /// Which digests the images get.
    pub digests: DigestChoice,
}

/// How a shell script is to capture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptArgs {
    /// Into which folder of the device; none: the default.
    pub output: Option<PathBuf>,
    /// Which partitions; empty: all.
    pub partitions: Vec<String>,
    /// Read the flash twice.
    pub read_again: bool,
}

/// How to run a program against a simulated device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxArgs {
    /// The program and its arguments.
    pub program: Vec<OsString>,
    /// Folders: seen where, really where.
    pub maps: Vec<(PathBuf, PathBuf)>,
    /// Keep the temporary web root.
    pub keep: bool,
    /// Where the chip's contents go in the end.
    pub save: Option<PathBuf>,
    /// Nodes to add.
    pub nodes: Vec<String>,
    /// Open nothing for writing.
    pub read_only: bool,
    /// Print counters in the end.
    pub stats: bool,
    /// Print each intercepted call.
    pub trace: bool,
    /// The kernel to play: major, minor, patch.
    pub kernel: Option<(u16, u16, u16)>,
}

/// What to import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportArgs {
    /// The folder with the captured files.
    pub folder: PathBuf,
    /// A file with the text of the device's `/proc/mtd`.
    pub layout: Option<PathBuf>,
    /// The folder of the backup; none: beside the captured one.
    pub output: Option<PathBuf>,
}

/// What a command line comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Work to do.
    Run(Box<Invocation>),
    /// A text to print: help or version.
    Print(String),
}

/// A command line that makes no sense; says why, and how to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Parses a command line, without the program's own name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let words = words.into_iter().collect::<Vec<_>>();
    #[cfg(feature = "full")]
    return super::full::parse(&words);
    #[cfg(not(feature = "full"))]
    super::small::parse(&words)
}

/// Says that something is only in the full program.
#[cfg(any(test, not(feature = "full")))]
pub(crate) fn not_in_this_build(what: &str) -> UsageError {
    UsageError(format!(
        "{what} is not in this build, which is for the device itself; the full program has it"
    ))
}

/// The text of `--version`.
#[cfg(any(test, not(feature = "full")))]
pub(crate) fn version() -> String {
    concat!("mtdkeep ", env!("CARGO_PKG_VERSION"), "\n").into()
}
