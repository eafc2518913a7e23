//! `--cut`: a program under power cuts.

use super::super::cut::{self, Moment};
use super::{Args, not_run, other};
use crate::cli::Exit;
use crate::cli::common::device::saved;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use mtd_harness::chip::cut::{CutId, Explorer, Model, Report, Step};
use mtd_harness::profile::SimulatedDevice;
use mtd_harness::sandbox::{CutRun, CutRunError, UnderCuts, Version};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// So many failures are printed; the document has more.
const SHOWN: usize = 10;

/// What was found; the body of the document.
#[derive(Serialize)]
struct Found {
    /// Whether the check held in every state.
    holds: bool,
    /// How many operations on flash the program has.
    operations: u64,
    /// How many different states were tried.
    states: u64,
    failed: u64,
    /// Whether all states were tried, and not a sample of them.
    complete: bool,
    /// By the number of cuts.
    levels: Vec<Level>,
    models: Vec<OfModel>,
    failures: Vec<Failure>,
    milliseconds: u64,
}

#[derive(Serialize)]
struct Level {
    cuts: usize,
    candidates: u64,
    tried: u64,
    distinct: u64,
    failed: u64,
}

#[derive(Serialize)]
struct OfModel {
    model: String,
    states: u64,
    failed: u64,
}

#[derive(Serialize)]
struct Failure {
    id: String,
    why: String,
}

pub(super) fn run(args: Args, device: SimulatedDevice, output: &Output) -> Result<Exit, CliError> {
    let Some(cut) = args.cut else {
        return Ok(Exit::Done);
    };
    if device.system.chip_count() != 1 {
        let chips = device.system.chip_count();
        let text = format!("the layout has {chips} chips, and --cut takes one");
        return Err(other(Exit::Refused, text));
    }
    let (program, rest) = args.program;
    let (maps, kernel) = (args.maps, args.kernel);
    let subject = UnderCuts::new(device, move || {
        let mut command = Command::new(&program);
        command.args(&rest);
        command
    })
    .check(&cut.check)
    .sandbox(move |mut builder| {
        for (inside, outside) in &maps {
            builder = builder.map(inside, outside);
        }
        match kernel {
            Some((major, minor, patch)) => builder.kernel(Version::new(major, minor, patch)),
            None => builder,
        }
    });
    let subject = match &cut.recover {
        Some(line) => subject.recover(line),
        None => subject,
    };
    let found = match &cut.moment {
        Moment::Every => every(&subject, &cut, output)?,
        Moment::Operation(number) => in_operation(&subject, &cut, *number)?,
        Moment::Id(id) => of_id(&subject, id)?,
    };
    let exit = if found.holds {
        Exit::Done
    } else {
        Exit::Differs
    };
    // What was found is told also where the chip cannot be saved.
    print(&found, output);
    if let (Some(path), Some(failure)) = (&args.save, found.failures.first()) {
        let id: CutId = failure.id.parse().map_err(|error| refused(&error))?;
        let left = subject.replay(&id).map_err(trouble)?.left;
        saved::save_chip(&left, path)?;
    }
    output.document("sandbox", exit, &found);
    Ok(exit)
}

fn refused(error: &dyn std::fmt::Display) -> CliError {
    other(Exit::Refused, error.to_string())
}

fn trouble(error: CutRunError) -> CliError {
    match error {
        CutRunError::Sandbox(error) => not_run(error),
        error => refused(&error),
    }
}

fn every(subject: &UnderCuts, args: &cut::Args, output: &Output) -> Result<Found, CliError> {
    let start = subject.start();
    let mut told = Instant::now();
    let explorer = Explorer::new(&start, subject)
        .tears(args.tears.clone())
        .cuts(args.cuts)
        .progress(|at| {
            if output.shows_progress() && told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                eprintln!(
                    "mtdkeep: {} of {} states with {} cuts, {} do not hold",
                    at.tried, at.of, at.cuts, at.failed
                );
            }
        });
    let explorer = match args.states {
        Some(most) => explorer.states(most),
        None => explorer,
    };
    let report = explorer.run();
    if let Some(error) = subject.trouble() {
        return Err(not_run(error));
    }
    report
        .map(|report| found(&report))
        .map_err(|error| refused(&error))
}

fn found(report: &Report) -> Found {
    let level = |(index, level): (usize, &mtd_harness::chip::cut::Level)| Level {
        cuts: index + 1,
        candidates: level.candidates,
        tried: level.tried,
        distinct: level.distinct,
        failed: level.failed,
    };
    let failures = report.by_weight().into_iter().map(|failure| Failure {
        id: failure.id.to_string(),
        why: failure.why.clone(),
    });
    Found {
        holds: report.failed() == 0,
        operations: report.operations,
        states: report.states(),
        failed: report.failed(),
        complete: report.is_complete(),
        levels: report.levels.iter().enumerate().map(level).collect(),
        models: models(report.models.iter()),
        failures: failures.collect(),
        milliseconds: report.took.as_millis() as u64,
    }
}

fn models<'a>(models: impl Iterator<Item = (&'a Model, &'a (u64, u64))>) -> Vec<OfModel> {
    let of_model = |(model, (states, failed)): (&Model, &(u64, u64))| OfModel {
        model: model.to_string(),
        states: *states,
        failed: *failed,
    };
    models.map(of_model).collect()
}

/// Every tear of one operation, each a cut that really happens.
fn in_operation(subject: &UnderCuts, args: &cut::Args, number: u64) -> Result<Found, CliError> {
    let began = Instant::now();
    let (start, journal) = (subject.start(), subject.journal().map_err(trouble)?);
    let operations = journal.len();
    let (Some(operation), Some(data)) = (journal.operation(number), journal.data(number)) else {
        let text = format!("this run has {operations} operations, --cut asks for {number}");
        return Err(other(Exit::Refused, text));
    };
    let word_bytes = start.programming().word_bytes;
    let (mut results, mut last) = (Vec::new(), 0);
    for tear in args.tears.of(operation, data, word_bytes) {
        let step = Step {
            operation: number,
            tear,
        };
        match subject.cut(&[step], operations) {
            Err(CutRunError::NoSuchTear(_)) => {}
            Err(error) => return Err(trouble(error)),
            Ok(run) => {
                let id = CutId::new(&start, &journal, [step]).map_err(|error| refused(&error))?;
                results.push((id, step, run));
                last += 1;
            }
        }
    }
    Ok(of_runs(operations, last, &results, began.elapsed()))
}

fn of_id(subject: &UnderCuts, id: &CutId) -> Result<Found, CliError> {
    let began = Instant::now();
    let run = subject.replay(id).map_err(trouble)?;
    let results: Vec<_> = id
        .steps()
        .last()
        .map(|step| (id.clone(), *step, run))
        .into_iter()
        .collect();
    Ok(of_runs(id.operations(), 1, &results, began.elapsed()))
}

fn of_runs(
    operations: u64,
    candidates: u64,
    runs: &[(CutId, Step, CutRun)],
    took: Duration,
) -> Found {
    let mut by_model: BTreeMap<Model, (u64, u64)> = BTreeMap::new();
    let mut failures = Vec::new();
    for (id, step, run) in runs {
        let counts = by_model.entry(step.tear.model).or_default();
        counts.0 += 1;
        if let Err(why) = &run.verdict {
            counts.1 += 1;
            failures.push(Failure {
                id: id.to_string(),
                why: why.clone(),
            });
        }
    }
    let (states, failed) = (runs.len() as u64, failures.len() as u64);
    Found {
        holds: failed == 0,
        operations,
        states,
        failed,
        complete: true,
        levels: vec![Level {
            cuts: runs.first().map_or(1, |(id, ..)| id.steps().len()),
            candidates,
            tried: candidates,
            distinct: states,
            failed,
        }],
        models: models(by_model.iter()),
        failures,
        milliseconds: took.as_millis() as u64,
    }
}

fn print(found: &Found, output: &Output) {
    for failure in found.failures.iter().take(SHOWN) {
        output.line(&failure.id);
        output.line(&format!("  {}", failure.why));
    }
    if found.failures.len() > SHOWN {
        output.line(&format!("and {} more", found.failed - SHOWN as u64));
    }
    for level in &found.levels {
        let tried = match level.tried < level.candidates {
            true => format!("a sample of {} of {}", level.tried, level.candidates),
            false => format!("all {}", level.candidates),
        };
        output.line(&format!(
            "cuts: {}; {tried} states tried, {} distinct, {} do not hold",
            level.cuts, level.distinct, level.failed
        ));
    }
    let seconds = found.milliseconds.max(1) as f64 / 1000.0;
    let rate = found.states as f64 / seconds;
    output.line(&format!(
        "{} operations on flash, {} states in {seconds:.1} s ({rate:.0} a second): {}",
        found.operations,
        found.states,
        match found.failed {
            0 => "all hold".to_owned(),
            failed => format!("{failed} do not hold"),
        }
    ));
    if found.failed > 0 {
        output.line("Again, with the same options but --cut ID: that state alone.");
    }
}
