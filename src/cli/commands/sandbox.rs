//! `mtdkeep sandbox`: a program against a simulated device.
//!
//! Standard output is the program's alone. Warnings, trace and statistics go to
//! standard error.

mod cut;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod here;

use crate::cli::common::device::simulated;
use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::spec::{
    CommandSpec, Job, OperandSpec, OptionSpec, RESULT, SIMULATED, Takes, option,
};
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
use here::run;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "PROGRAM",
        help: "The program, with its arguments behind it",
        required: true,
        rest: true,
    }),
    options: &[OPTIONS, cut::OPTIONS, SIMULATED, RESULT],
    details: "\
The program sees /proc/mtd, /dev/mtdN, /dev/mtdNro, /dev/mtdblockN and
/sys/class/mtd of the simulated device, with Linux MTD's behaviour behind
them, and on an iSpot a folder /var/wwwroot. It is a test bench: a hostile
program is not contained. Standard output is the program's alone; --json is
for --cut.

--cut lets the power go while the program works on flash, and asks after each
cut whether what is left will do. `every` tries every operation on the chip
(a write buffer, an erase block) with everything that flash is known to leave
of one; a number tries that operation, counted from 1; an id that was printed
leads to that state again. The last two really happen: the program is killed
with all that it started. --recover is what the device does after a reboot;
--check has status 0 where all is well, and gets on its standard input what
the program had printed before the cut. Both are lines for sh, each time on a
chip as the cut left it. With --save a chip that does not hold is kept. What
the program leaves running when it ends is killed, and not cut.
",
    examples: &[
        "mtdkeep sandbox -- sh -c 'ls -l /dev/mtd*; cat /proc/mtd'",
        "mtdkeep sandbox --map /var/wwwroot=out -- bash mtd_backup.sh",
        "mtdkeep sandbox --image flash.bin --save after.bin -- flash_eraseall /dev/mtd7",
        "mtdkeep sandbox --kernel 2.6.24 --stats -- qemu-arm-static ./program",
        "mtdkeep sandbox --cut every --check 'sh check.sh' -- flashcp new /dev/mtd7",
    ],
    exit_codes: &["\
Exit codes:
  the program's own, also when a signal ended it; or with --cut
  0    all holds, whenever power goes
  1    it does not hold after some cuts, whose ids are printed
  or
  2    wrong usage
  4    the chip could not be saved (--save)
  5    refused; nothing was run, or with --cut there was nothing to cut
  125  the sandbox could not be set up
  126  the program could not be run
  127  the program was not found
"],
    ..CommandSpec::new(
        "sandbox",
        "Run a program, unchanged, against a simulated device",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "map",
        Takes::Values("INSIDE=DIR"),
        "Show the folder DIR as INSIDE; may be repeated [an iSpot has a temporary /var/wwwroot]",
    ),
    option(
        "keep",
        Takes::Nothing,
        "Keep the temporary /var/wwwroot, and say where it is",
    ),
    option(
        "save",
        Takes::Value("FILE"),
        "Write the chip's contents to this new file in the end",
    ),
    option(
        "with-node",
        Takes::Values("NODE"),
        "Add a node that the device lacks, such as mtd10; may be repeated",
    ),
    option("read-only", Takes::Nothing, "Open no node for writing"),
    option(
        "stats",
        Takes::Nothing,
        "Count what reaches the flash, and print it in the end (slower reads)",
    ),
    option(
        "trace",
        Takes::Nothing,
        "Print each intercepted call with its answer (slower reads)",
    ),
    option(
        "kernel",
        Takes::Value("VERSION"),
        "Answer ENOSYS to system calls that came after this kernel, such as 2.6.24",
    ),
];

/// The exit codes of `env`, `timeout` and others that run programs.
const NOT_SET_UP: u8 = 125;

/// How to run a program against a simulated device.
struct Args {
    device: simulated::Args,
    /// The program, and its arguments.
    program: (OsString, Vec<OsString>),
    /// Folders: seen where, really where.
    maps: Vec<(PathBuf, PathBuf)>,
    /// Keep the temporary web root.
    keep: bool,
    /// Where the chip's contents go in the end.
    save: Option<PathBuf>,
    /// Nodes to add.
    nodes: Vec<String>,
    /// Open nothing for writing.
    read_only: bool,
    /// Print counters in the end.
    stats: bool,
    /// Print each intercepted call.
    trace: bool,
    /// The kernel to play: major, minor, patch.
    kernel: Option<(u16, u16, u16)>,
    /// Power cuts to make.
    cut: Option<cut::Args>,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let cut = cut::parse(given)?;
    // The sandbox has no other device than a simulated one.
    let device = simulated::parse_or_ispot(given)?;
    let mut words = given.operands().into_iter();
    let mut maps = Vec::new();
    while let Some(word) = given.value("map") {
        maps.push(map(&word)?);
    }
    let args = Args {
        device,
        program: (words.next().unwrap_or_default(), words.collect()),
        maps,
        keep: given.flag("keep"),
        save: given.path("save"),
        nodes: given.texts("with-node")?,
        read_only: given.flag("read-only"),
        stats: given.flag("stats"),
        trace: given.flag("trace"),
        kernel: given
            .text("kernel")?
            .map(|word| version_number(&word))
            .transpose()?,
        cut,
    };
    if args.cut.is_some() && (args.keep || args.stats || args.trace || args.read_only) {
        return Err(UsageError(
            "--keep, --stats, --trace and --read-only are for a run without --cut".into(),
        ));
    }
    Ok(Box::new(move |output| run(args, output)))
}

/// `INSIDE=DIR`.
fn map(word: &OsStr) -> Result<(PathBuf, PathBuf), UsageError> {
    let bytes = word.as_bytes();
    let halves = bytes.iter().position(|byte| *byte == b'=');
    let halves = halves.map(|at| (&bytes[..at], &bytes[at + 1..]));
    match halves {
        Some((inside, outside)) if inside.starts_with(b"/") && !outside.is_empty() => Ok((
            OsStr::from_bytes(inside).into(),
            OsStr::from_bytes(outside).into(),
        )),
        _ => Err(UsageError(format!(
            "--map takes INSIDE=DIR with an absolute INSIDE, such as /var/wwwroot=out, not {:?}",
            word.to_string_lossy()
        ))),
    }
}

/// `2.6.24`, `5.10`.
fn version_number(word: &str) -> Result<(u16, u16, u16), UsageError> {
    let mut numbers = word.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next();
    match (next(), next(), next(), next()) {
        (Some(Some(major)), Some(Some(minor)), None, _) => Ok((major, minor, 0)),
        (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
            Ok((major, minor, patch))
        }
        _ => Err(UsageError(format!(
            "--kernel takes a version such as 2.6.24, not {word:?}"
        ))),
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn run(
    _: Args,
    _: &crate::cli::output::Output,
) -> Result<crate::cli::Exit, crate::cli::error::CliError> {
    Err(crate::cli::error::CliError::Other {
        exit: crate::cli::Exit::Program(NOT_SET_UP),
        message: "a sandbox needs Linux 5.9 or later on x86-64 or aarch64".into(),
        help: None,
    })
}
