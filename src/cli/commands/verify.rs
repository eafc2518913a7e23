//! `mtdkeep verify`.

use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::common::{BUFFER_BYTES, FOLDER, folder, signals, workers};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::spec::{CommandSpec, DEVICE, Job, OptionSpec, RESULT, Takes, option};
use mtdkeep::backup::{self, DeviceCheck, Finding, Meaning, Report, size};
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(FOLDER),
    options: &[OPTIONS, DEVICE, RESULT],
    examples: &[
        "mtdkeep verify ispot-backup",
        "mtdkeep verify --device /var/wwwroot/mtd_backup",
        "mtdkeep verify --simulate --device ispot-backup",
    ],
    ..CommandSpec::new(
        "verify",
        "Check a backup: files, manifest, SHA256SUMS, and the flash if wanted",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[option(
    "device",
    Takes::Nothing,
    "Compare with the flash as well",
)];

struct Args {
    folder: PathBuf,
    /// The device to compare with, if that is wanted.
    device: Option<DeviceArgs>,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let device = device::parse(given)?;
    let with_device = given.flag("device");
    if !with_device && device.is_named() {
        return Err(UsageError(
            "verify looks at a device only with --device: add it, or leave --simulate, --image and \
             --root away"
                .into(),
        ));
    }
    let args = Args {
        folder: given.operand_path(),
        device: with_device.then_some(device),
    };
    Ok(Box::new(move |output| run(&args, output)))
}

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    compared_with_device: bool,
    images: usize,
    images_right: usize,
    findings: &'a [Finding],
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let folder = folder::open(&args.folder)?;
    let backend = args.device.as_ref().map(device::open).transpose()?;
    let check = DeviceCheck {
        backend: backend.as_deref(),
        buffer_bytes: BUFFER_BYTES,
        workers: workers(),
        interrupt: &interrupt,
    };
    let progress = Progress::new(output, false);
    let result = backup::verify(&folder, &check, &progress);
    progress.end();
    Ok(tell(&result?, backend.is_some(), &args.folder, output))
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
