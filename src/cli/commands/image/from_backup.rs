//! `mtdkeep image --from`: a chip's image from a backup.

use super::{Stopped, go_on, make_above, not_begun, not_named};
use crate::backup::{
    self, Access, Folder, JoinError, Manifest, Meaning, Plan, SingleFile, join, plan_join, size,
};
use crate::cli::Exit;
use crate::cli::common::{self, folder, layout, signals};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub(super) struct Args {
    /// The backup's folder.
    pub(super) from: PathBuf,
    /// A text that tells where partitions lie.
    pub(super) layout: Option<PathBuf>,
    /// Fill what no partition covers.
    pub(super) fill: bool,
    /// The chip's file.
    pub(super) to: PathBuf,
}

#[derive(Serialize)]
struct Gap {
    offset_bytes: u64,
    length_bytes: u64,
}

#[derive(Serialize)]
struct Body {
    output: String,
    size_bytes: u64,
    device: String,
    from: String,
    filled: Vec<Gap>,
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let folder = folder::open(&args.from, Access::Look, output)?;
    let manifest = verified(&folder, &args.from, interrupt, output)?;
    let layout = args.layout.as_deref();
    let layout = layout
        .map(|file| layout::reading(file, output))
        .transpose()?;
    let layout = layout.as_ref().map(|(_, reading)| reading);
    let plan = plan_join(&manifest, layout).map_err(refused)?;
    tell_gaps(&plan, args.fill, output)?;
    let path = &args.to;
    let file = make_above(path).and_then(|()| SingleFile::create(path));
    let mut file = file.map_err(|source| not_begun(path, &source))?;
    let mut done_bytes = 0;
    let joined = join(&folder, &plan, &mut |piece| {
        go_on(&mut file, piece, &mut done_bytes, interrupt)
    });
    match joined {
        Ok(()) => {}
        Err(JoinError::Write(error)) => {
            let stopped = Stopped {
                error,
                done_bytes,
                size_bytes: plan.size_bytes,
            };
            return Err(stopped.told(path, file));
        }
        Err(error) => {
            let temporary = file.temporary().display().to_string();
            if !file.discard() {
                output.warn(&format!("{temporary} was left behind: remove it"));
            }
            return Err(refused(error));
        }
    }
    file.finish().map_err(|source| not_named(path, &source))?;
    Ok(tell(&plan, &manifest.device.description, args, output))
}

/// The manifest of a backup that is whole and right; another one is an error.
pub(super) fn verified(
    folder: &Folder,
    from: &Path,
    interrupt: &AtomicBool,
    output: &Output,
) -> Result<Manifest, CliError> {
    let progress = Progress::new(output, Lines::None);
    let report = backup::verify::verify(folder, None, &common::work(interrupt, &progress));
    progress.end();
    let report = report?;
    let exit = match report.outcome() {
        Some(Meaning::Differs) => Exit::Differs,
        Some(Meaning::Unchecked) => Exit::Io,
        Some(Meaning::Partial) => Exit::Partial,
        Some(Meaning::Note) | None => return Ok(report.manifest),
    };
    Err(CliError::Other {
        exit,
        message: format!(
            "{} is not a whole and right backup; nothing was written",
            from.display()
        ),
        help: Some("`mtdkeep verify` says what is missing or wrong".into()),
    })
}

/// Says what no partition covers; refuses it unless it is to be filled.
fn tell_gaps(plan: &Plan, fill: bool, output: &Output) -> Result<(), CliError> {
    let words: Vec<_> = plan
        .gaps
        .iter()
        .map(|gap| format!("{:#x} bytes at {:#x}", gap.end - gap.start, gap.start))
        .collect();
    if words.is_empty() {
        return Ok(());
    }
    let words = words.join(", ");
    if !fill {
        return Err(CliError::Other {
            exit: Exit::Refused,
            message: format!("no partition covers {words}; nothing was written"),
            help: Some(
                "what was there on the chip is not known; --fill writes 0xFF there, as erased \
                 flash is"
                    .into(),
            ),
        });
    }
    output.warn(&format!("no partition covers {words}: filled with 0xFF"));
    Ok(())
}

fn refused(error: JoinError) -> CliError {
    let (exit, help) = match &error {
        JoinError::Uncertain { .. } | JoinError::Contradicted { .. } => (
            Exit::Refused,
            "name a boot log, mtdparts= or U-Boot's list with --layout: it tells the places",
        ),
        JoinError::SeveralChips { .. } => (
            Exit::Refused,
            "a backup of the partitions of one chip (`backup -p`) can be put together",
        ),
        JoinError::NoImage { .. } => (
            Exit::Partial,
            "start `mtdkeep backup` again in the same folder: it adds what is missing",
        ),
        JoinError::PastTheEnd { .. } | JoinError::Contradiction(_) => {
            (Exit::Refused, "find out which layout is the device's")
        }
        JoinError::Read { .. } => (Exit::Io, "check the medium that holds the backup"),
        _ => (
            Exit::Differs,
            "`mtdkeep verify` checks the images; where they are right, the flash changed while \
             it was read, and another backup may tell one story",
        ),
    };
    CliError::Other {
        exit,
        message: error.to_string(),
        help: Some(help.into()),
    }
}

fn tell(plan: &Plan, device: &str, args: &Args, output: &Output) -> Exit {
    if !plan.size_is_told {
        output.sentence(
            "note: no layout tells how large the chip is: the file ends with the last partition",
        );
    }
    output.sentence(&format!(
        "the chip from {}, {}, in {}",
        args.from.display(),
        size(plan.size_bytes),
        args.to.display()
    ));
    let gap = |gap: &std::ops::Range<u64>| Gap {
        offset_bytes: gap.start,
        length_bytes: gap.end - gap.start,
    };
    let body = Body {
        output: args.to.display().to_string(),
        size_bytes: plan.size_bytes,
        device: device.into(),
        from: args.from.display().to_string(),
        filled: plan.gaps.iter().map(gap).collect(),
    };
    output.document("image", Exit::Done, &body);
    Exit::Done
}
