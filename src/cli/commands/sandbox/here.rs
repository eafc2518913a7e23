//! Where a sandbox can be: sets it up, waits, and ends as the program ended.

mod cutting;

use super::{Args, NOT_SET_UP};
use crate::cli::Exit;
use crate::cli::common::device::{saved, simulated};
use crate::cli::common::signals;
use crate::cli::error::{CliError, UsageError};
use crate::cli::output::Output;
use crate::mtd::MtdIndex;
use crate::printable::printable;
use mtd_harness::mtd::NodeId;
use mtd_harness::profile::SimulatedDevice;
use mtd_harness::sandbox::{Killer, Sandbox, SandboxError, Version};
use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
const WEB_ROOT: &str = "/var/wwwroot";

pub(super) fn run(args: Args, output: &Output) -> Result<Exit, CliError> {
    let mut device = simulated::open(&args.device, output)?.device;
    if args.device.tells_no_nodes() {
        add_nodes_elsewhere(&mut device);
    }
    for node in &args.nodes {
        add_node(&mut device, node)?;
    }
    saved::check(&device, args.save.as_deref())?;
    if args.cut.is_some() {
        return cutting::run(args, device, output);
    }
    if output.is_json() {
        let text = "--json is for --cut: standard output is the program's alone";
        return Err(CliError::Usage(UsageError(text.into())));
    }
    let kept = kept_web_root(&args, &device)?;
    let quiet = output.is_quiet();
    let mut builder = Sandbox::builder(device.clone())
        .read_only(args.read_only)
        .exact(args.stats || args.trace || args.device.faults.is_some())
        .trace(args.trace)
        .log_to(move |line| {
            let is_warning = line.starts_with("warning: ");
            let whose = if is_warning { "mtdkeep sandbox: " } else { "" };
            if !quiet || !is_warning {
                let _ = writeln!(io::stderr(), "{whose}{}", printable(line));
            }
        });
    for (inside, outside) in &args.maps {
        builder = builder.map(inside, outside);
    }
    if let Some(folder) = &kept {
        builder = builder.map(WEB_ROOT, folder);
    }
    if let Some((major, minor, patch)) = args.kernel {
        builder = builder.kernel(Version::new(major, minor, patch));
    }
    let sandbox = builder.build().map_err(not_run)?;
    let (program, rest) = &args.program;
    let running = sandbox
        .spawn(Command::new(program).args(rest))
        .map_err(not_run)?;
    let ended_by = watch_signals(running.killer())?;
    let outcome = running.wait().map_err(not_run)?;
    if let Some(folder) = kept {
        output.warn(&format!("{WEB_ROOT} is kept in {}", folder.display()));
    }
    if args.stats {
        print_stats(&device);
    }
    if let Some(file) = &args.save {
        saved::save(&device, file)?;
    }
    // Its temporary folder goes before a signal may end this process.
    drop(sandbox);
    Ok(match ended_by.load(Ordering::Relaxed) {
        0 => end_like(outcome.status),
        signal => end_by(signal),
    })
}

fn other(exit: Exit, message: String) -> CliError {
    CliError::Other {
        exit,
        message,
        help: None,
    }
}

fn not_run(error: SandboxError) -> CliError {
    let code = match &error {
        SandboxError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => NOT_FOUND,
        SandboxError::Start { .. } => NOT_RUN,
        _ => NOT_SET_UP,
    };
    other(Exit::Program(code), error.to_string())
}

/// A number that Linux has a node for.
fn index(number: &str) -> Option<u32> {
    let number = number.parse().ok();
    number.filter(|number| *number <= MtdIndex::MAX.0)
}

/// Adds the nodes that devfs and Android have, beside those of Linux.
fn add_nodes_elsewhere(device: &mut SimulatedDevice) {
    for mtd in device.system.devices() {
        let n = mtd.index;
        let character = [("", NodeId::mtd(n)), ("ro", NodeId::mtd_read_only(n))];
        for (end, node) in character {
            device.nodes.insert(format!("dev/mtd/{n}{end}"), node);
            device.nodes.insert(format!("dev/mtd/mtd{n}{end}"), node);
        }
        for name in [format!("block/mtdblock{n}"), format!("mtdblock/{n}")] {
            device
                .nodes
                .insert(format!("dev/{name}"), NodeId::mtdblock(n));
        }
    }
}

/// Adds a node by its usual name.
fn add_node(device: &mut SimulatedDevice, name: &str) -> Result<(), CliError> {
    let short = name.strip_prefix("/dev/").unwrap_or(name);
    let id = node_id(short).ok_or_else(|| {
        let text = format!(
            "--with-node takes a node such as mtd10, mtdblock10, mtd/10 or block/mtdblock10, \
             not {name:?}"
        );
        CliError::Usage(UsageError(text))
    })?;
    device.nodes.insert(format!("dev/{short}"), id);
    Ok(())
}

/// The node of a usual name below /dev: that of Linux, of devfs (`mtd/0`,
/// `mtdblock/0`) or of Android (`mtd/mtd0`, `block/mtdblock0`).
fn node_id(name: &str) -> Option<NodeId> {
    let (folder, name) = name.rsplit_once('/').unwrap_or(("", name));
    let block = |number: &str| index(number).map(NodeId::mtdblock);
    let character = |number: &str| match number.strip_suffix("ro") {
        Some(number) => index(number).map(NodeId::mtd_read_only),
        None => index(number).map(NodeId::mtd),
    };
    let is_number = name.starts_with(|letter: char| letter.is_ascii_digit());
    match (folder, is_number) {
        ("mtd", true) => character(name),
        ("mtdblock", true) => block(name),
        ("" | "mtd" | "block", false) => match name.strip_prefix("mtdblock") {
            Some(number) => block(number),
            None => character(name.strip_prefix("mtd")?),
        },
        _ => None,
    }
}

fn kept_web_root(args: &Args, device: &SimulatedDevice) -> Result<Option<PathBuf>, CliError> {
    let mapped = args
        .maps
        .iter()
        .any(|(inside, _)| inside == Path::new(WEB_ROOT));
    if !args.keep || mapped {
        return Ok(None);
    }
    if device.folders.is_empty() {
        let text = format!("--keep is for an iSpot's {WEB_ROOT}; this device has none");
        return Err(CliError::Usage(UsageError(text)));
    }
    let me = std::process::id();
    let names = (0..u32::MAX).map(|number| format!("mtdkeep-wwwroot-{me}-{number}"));
    for name in names {
        let folder = std::env::temp_dir().join(name);
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let text = format!("cannot make {}: {error}", folder.display());
                return Err(other(Exit::Program(NOT_SET_UP), text));
            }
        }
    }
    Ok(None)
}

fn print_stats(device: &SimulatedDevice) {
    for chip in 0..device.system.chip_count() {
        let text = device.system.with_chip(chip, |it| {
            let counters = it.counters();
            format!(
                "mtdkeep: chip {chip}: {} reads ({} bytes), {} programs ({} bytes), {} erases, \
                 {} lock changes, {} failures; {:.1?} of the chip's own time\n",
                counters.reads(),
                counters.bytes_read(),
                counters.programs(),
                counters.bytes_programmed(),
                counters.erases(),
                counters.lock_changes(),
                counters.failures(),
                it.elapsed(),
            )
        });
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Ctrl-C reaches the program as well, which may handle it: the second one
/// ends it. SIGTERM and SIGHUP end it at once. What was ignored from the start
/// stays so, in the program as well. Answers the signal that did.
fn watch_signals(killer: Killer) -> Result<Arc<AtomicI32>, CliError> {
    let watched = [SIGINT, SIGQUIT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| !signals::is_ignored(*signal));
    let mut arriving = signal_hook::iterator::Signals::new(watched)
        .map_err(|error| other(Exit::Program(NOT_SET_UP), error.to_string()))?;
    let ended_by = Arc::new(AtomicI32::new(0));
    let tell = Arc::clone(&ended_by);
    let watch = std::thread::Builder::new().spawn(move || {
        let mut asked = false;
        for signal in arriving.forever() {
            if asked || matches!(signal, SIGTERM | SIGHUP) {
                tell.store(signal, Ordering::Relaxed);
                killer.kill();
            }
            asked = true;
        }
    });
    watch.map_err(|error| {
        let text = format!("cannot watch for signals: {error}");
        other(Exit::Program(NOT_SET_UP), text)
    })?;
    Ok(ended_by)
}

/// Ends this process by a signal.
fn end_by(signal: i32) -> Exit {
    if signal == SIGKILL {
        let me = rustix::process::getpid();
        let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
    } else {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    Exit::Program(128 + signal as u8)
}

/// Ends this process as the program ended.
fn end_like(status: ExitStatus) -> Exit {
    if let Some(signal) = status.signal() {
        return end_by(signal);
    }
    Exit::Program(status.code().unwrap_or(1) as u8)
}
