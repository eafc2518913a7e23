//! What a restore says of its plan and of its end.

use super::Args;
use crate::backup::{count, size};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::printable::printable;
use crate::restore::{Plan, PlannedPartition, Restored};
use serde::Serialize;
use std::time::Duration;

/// The plan, a line for each partition.
pub(super) fn plan(plan: &Plan, output: &Output) {
    for note in &plan.notes {
        output.warn(note);
    }
    let names = plan
        .partitions
        .iter()
        .map(|part| printable(&part.device.name).chars().count());
    let width = names.max().unwrap_or(0).max("partition".len() - 7);
    output.line(&format!(
        "{:<width$}  {:>5}  {:>8}  {:>6}  {:>10}  {:>8}",
        "partition",
        "same",
        "program",
        "erase",
        "bytes",
        "time",
        width = width + 7
    ));
    for part in by_number(plan) {
        output.line(&row(part, width));
    }
    let (program, erase, bytes) = plan.totals();
    let time = match plan.expected() {
        Some(time) if plan.writes() => {
            format!("; about {} by the chip's data sheet", seconds(time))
        }
        None => "; how long it takes is not known: nobody tells which chip it is".into(),
        _ => String::new(),
    };
    output.sentence(&format!(
        "to program only: {}; to erase and program: {}; {}{time}",
        count(program, "erase block"),
        count(erase, "erase block"),
        size(bytes)
    ));
    output.line(&format!("plan: {}", plan.digest));
}

/// They are written in another order than they are known by.
fn by_number(plan: &Plan) -> Vec<&PlannedPartition> {
    let mut parts = Vec::with_capacity(plan.partitions.len());
    let after = |index| {
        let parts = plan.partitions.iter();
        let after = parts.filter(move |part| Some(part.device.index) > index);
        after.min_by_key(|part| part.device.index)
    };
    let mut index = None;
    while let Some(part) = after(index) {
        index = Some(part.device.index);
        parts.push(part);
    }
    parts
}

fn row(part: &PlannedPartition, width: usize) -> String {
    let mtd = part.device.index.to_string();
    let name = printable(&part.device.name);
    let start = format!("{mtd:<5}  {name:<width$}  {:>5}", part.same);
    match &part.stays {
        Some((_, differ @ 1..)) => format!("{start}  {differ} differ, and stay"),
        _ if part.program + part.erase == 0 => start,
        _ => {
            let time = part.expected().map_or_else(|| "-".into(), seconds);
            let (program, erase) = (part.program, part.erase);
            format!(
                "{start}  {program:>8}  {erase:>6}  {:>10}  {time:>8}",
                size(part.bytes)
            )
        }
    }
}

/// `0.4 s`, `75 s`, `4 min`.
fn seconds(time: Duration) -> String {
    // In 64 bits: to divide and to print 128 takes 3 KB of code.
    let tenths = time.as_secs() * 10 + u64::from(time.subsec_millis()) / 100;
    match tenths {
        0..100 => format!("{}.{} s", tenths / 10, tenths % 10),
        100..1200 => format!("{} s", tenths / 10),
        _ => format!("{} min", tenths / 600),
    }
}

#[derive(Serialize)]
struct Body<'a> {
    folder: String,
    outcome: &'a str,
    plan: &'a str,
    partitions: Vec<Row<'a>>,
    erased: u64,
    programmed: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Row<'a> {
    mtd: u32,
    name: &'a str,
    same: u64,
    program: u64,
    erase: u64,
    locked: u64,
    bytes: u64,
    unknown_bytes: u64,
    /// Erase blocks that differ and stay.
    stay: u64,
}

fn document(
    plan: &Plan,
    restored: Restored,
    outcome: &str,
    exit: Exit,
    args: &Args,
    output: &Output,
) {
    let row = |part| {
        let part: &PlannedPartition = part;
        Row {
            mtd: part.device.index.0,
            name: &part.device.name,
            same: part.same,
            program: part.program,
            erase: part.erase,
            locked: part.locked,
            bytes: part.bytes,
            unknown_bytes: part.unknown_bytes,
            stay: part.stays.as_ref().map_or(0, |(_, differ)| *differ),
        }
    };
    let body = Body {
        folder: args.folder.display().to_string(),
        outcome,
        plan: &plan.digest,
        partitions: by_number(plan).into_iter().map(row).collect(),
        erased: restored.erased,
        programmed: restored.programmed,
        bytes: restored.bytes,
    };
    output.document("restore", exit, &body);
}

/// Nothing was to be written, or nothing was to be changed.
pub(super) fn not_written(plan: &Plan, args: &Args, output: &Output) -> Exit {
    let (exit, outcome, text) = match (plan.writes(), plan.is_partial()) {
        (true, _) => (
            Exit::Done,
            "planned",
            "nothing was changed; the same command without --dry-run does it",
        ),
        (false, true) => (
            Exit::Partial,
            "partial",
            "nothing was changed: what still differs cannot be written",
        ),
        (false, false) => (
            Exit::Done,
            "same",
            "the flash holds the backup's bytes already; nothing was changed",
        ),
    };
    output.sentence(text);
    document(plan, Restored::default(), outcome, exit, args, output);
    exit
}

/// All that was planned is done, and proven.
pub(super) fn done(plan: &Plan, restored: Restored, args: &Args, output: &Output) -> Exit {
    let (exit, outcome) = match plan.is_partial() {
        true => (Exit::Partial, "partial"),
        false => (Exit::Done, "done"),
    };
    output.sentence(&format!(
        "{outcome}: {} erased and programmed, {} programmed only, {}; all of it was read again \
         and is right",
        count(restored.erased, "erase block"),
        count(restored.programmed, "erase block"),
        size(restored.bytes),
    ));
    document(plan, restored, outcome, exit, args, output);
    exit
}
