//! `mtdkeep verify`.

use super::args::Global;
use super::error::CliError;
use super::output::Output;
use super::progress::Progress;
use super::run_backup::{BUFFER_BYTES, open_folder, workers};
use super::{Exit, device, signals};
use crate::backup::{self, DeviceCheck, Finding, Meaning, Report, size};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    compared_with_device: bool,
    images: usize,
    images_right: usize,
    findings: &'a [Finding],
}

pub(crate) fn run(
    global: &Global,
    path: &Path,
    with_device: bool,
    output: &Output,
) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag().map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot watch for signals: {error}"),
        help: None,
    })?;
    let folder = open_folder(path)?;
    let backend = with_device.then(|| device::open(global)).transpose()?;
    let check = DeviceCheck {
        backend: backend.as_deref(),
        buffer_bytes: BUFFER_BYTES,
        workers: workers(),
        interrupt: &interrupt,
    };
    let progress = Progress::new(output, false);
    let result = backup::verify(&folder, &check, &progress);
    progress.end();
    Ok(tell(&result?, with_device, path, output))
}

fn tell(report: &Report, with_device: bool, path: &Path, output: &Output) -> Exit {
    // A difference is certain, whatever could not be checked beside it.
    let (exit, outcome) = if report.has(Meaning::Differs) {
        (Exit::Differs, "differs")
    } else if report.has(Meaning::Unchecked) {
        (Exit::Io, "could not be checked")
    } else if report.has(Meaning::Partial) {
        (Exit::Partial, "partial")
    } else {
        (Exit::Done, "good")
    };
    for finding in &report.findings {
        let text = format!("{} {}", finding.subject, finding.message);
        output.line(&match finding.meaning {
            Meaning::Differs | Meaning::Unchecked => text,
            Meaning::Partial => format!("partial: {text}"),
            Meaning::Note => format!("note: {text}"),
        });
    }
    let images = report.manifest.images.len();
    let total = report.manifest.images.iter().map(|i| i.size_bytes).sum();
    output.line(&format!(
        "{}: {outcome}: {} of {images} images are right, {}, compared with manifest.json{}{}",
        path.display(),
        report.images_right,
        size(total),
        if report.has_sums {
            " and SHA256SUMS"
        } else {
            " (CRC-32 only)"
        },
        if with_device { " and the flash" } else { "" }
    ));
    let body = Body {
        outcome,
        compared_with_device: with_device,
        images,
        images_right: report.images_right,
        findings: &report.findings,
    };
    output.document("verify", exit, &body);
    exit
}
