//! `mtdkeep repair`.

use crate::backup::{
    self, Access, How, Meaning, Rebuilt, RepairLayout, RepairRequest, Repaired, Report,
};
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::common::{self, FOLDER, folder, layout, signals};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{CommandSpec, DEVICE, Job, OptionSpec, RESULT, Takes, option};
use crate::layout::describe;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(FOLDER),
    options: &[OPTIONS, DEVICE, RESULT],
    details: "\
manifest.json, SHA256SUMS and index.html speak of each other: what one of them
lost, another tells. Where nobody has the manifest whole, one is made from
what is provable: digests that are left, what the torn text still tells, and a
layout. It says itself what it was made from, and what is not proven. Images
are only read; damaged texts are kept under another name (manifest.json.torn).
Where nothing is provable, nothing is written.
",
    examples: &[
        "mtdkeep repair ispot-backup",
        "mtdkeep repair --layout proc_mtd.txt ispot-backup",
        "mtdkeep repair --device /var/wwwroot/mtd_backup",
    ],
    ..CommandSpec::new(
        "repair",
        "Make a damaged manifest or SHA256SUMS anew from what is provable",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "layout",
        Takes::Value("FILE"),
        "The device's /proc/mtd, boot log, mtdparts=, ..., where the layout is lost",
    ),
    option(
        "device",
        Takes::Nothing,
        "Take the layout from the device; its flash is not read",
    ),
];

struct Args {
    folder: PathBuf,
    layout: Option<PathBuf>,
    /// The device whose layout is to be taken.
    device: Option<DeviceArgs>,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let device = device::parse(given)?;
    let with_device = given.flag("device");
    let layout = given.path("layout");
    if !with_device && device.is_named() {
        return Err(UsageError(
            "repair looks at a device only with --device: add it, or leave --simulate, --image \
             and --root away"
                .into(),
        ));
    }
    if with_device && layout.is_some() {
        return Err(UsageError(
            "--layout and --device both say where the layout is from: use one".into(),
        ));
    }
    let args = Args {
        folder: given.operand_path(),
        layout,
        device: with_device.then_some(device),
    };
    Ok(Box::new(move |output| run(&args, output)))
}

#[derive(Serialize)]
struct Body<'a> {
    folder: String,
    outcome: &'a str,
    manifest_is: &'a str,
    written: &'a [String],
    /// The names under which damaged files are kept.
    kept: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt: Option<&'a Rebuilt>,
    images: usize,
    images_right: usize,
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let folder = folder::open(&args.folder, Access::Change, output)?;
    let request = RepairRequest {
        layout: layout_of(args, output)?,
        now: SystemTime::now(),
    };
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let result = backup::repair(&folder, &request, &work);
    progress.end();
    let repaired = result?;
    // What was repaired is proven as any backup is.
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let report = backup::verify::verify(&folder, None, &work);
    progress.end();
    Ok(tell(&repaired, &report?, &args.folder, output))
}

fn layout_of(args: &Args, output: &Output) -> Result<Option<RepairLayout>, CliError> {
    if let Some(device) = &args.device {
        let backend = device::open(device, output)?;
        return Ok(Some(RepairLayout {
            devices: backend.devices()?,
            from: format!("the layout of the device: {}", backend.description()),
        }));
    }
    let Some(file) = &args.layout else {
        return Ok(None);
    };
    let (name, reading) = layout::reading(file, output)?;
    let bad = |why: String| CliError::Other {
        exit: Exit::Io,
        message: format!("the layout {name} cannot be used: {why}"),
        help: Some(layout::FORMS.into()),
    };
    let described = describe(&reading, None, None).map_err(|error| bad(error.to_string()))?;
    if described.devices.is_empty() {
        return Err(bad("it tells of no partition".into()));
    }
    let numbered = match described.numbered {
        true => ", which has no MTD numbers: its order gave them",
        false => "",
    };
    Ok(Some(RepairLayout {
        devices: described.devices,
        from: format!(
            "the layout in the file {name} ({}{numbered})",
            reading.forms()
        ),
    }))
}

fn tell(repaired: &Repaired, report: &Report, path: &Path, output: &Output) -> Exit {
    let (exit, outcome) = if report.has(Meaning::Differs) {
        (Exit::Differs, "differs")
    } else if report.has(Meaning::Unchecked) {
        (Exit::Io, "could not be checked")
    } else if report.has(Meaning::Partial) {
        (Exit::Partial, "partial")
    } else {
        (Exit::Done, "good")
    };
    let (manifest_is, text) = match repaired.how {
        How::Whole => ("whole", "is whole"),
        How::Restored => (
            "restored",
            "was restored from its copy in index.html, exact to the byte by SHA256SUMS",
        ),
        How::Rebuilt => ("rebuilt", "was made anew from what is provable"),
    };
    output.sentence(&format!("manifest.json {text}"));
    let rebuilt = repaired.manifest.rebuilt.as_ref();
    if let (How::Rebuilt, Some(rebuilt)) = (repaired.how, rebuilt) {
        for from in &rebuilt.made_from {
            output.sentence(&format!("made from: {from}"));
        }
        for what in &rebuilt.proven {
            output.sentence(&format!("proven: {what}"));
        }
        for what in &rebuilt.not_proven {
            output.warn(&format!("not proven: {what}"));
        }
    }
    let nothing = repaired.written.is_empty();
    let written = repaired.written.join(", ");
    output.sentence(&format!(
        "written: {}",
        if nothing { "nothing" } else { &written }
    ));
    if !repaired.kept.is_empty() {
        output.sentence(&format!("kept, damaged: {}", repaired.kept.join(", ")));
    }
    let images = report.manifest.images.len();
    output.sentence(&format!(
        "{}: {outcome}: {} of {images} images are right; `mtdkeep verify` says more",
        path.display(),
        report.images_right,
    ));
    let body = Body {
        folder: path.display().to_string(),
        outcome,
        manifest_is,
        written: &repaired.written,
        kept: &repaired.kept,
        rebuilt,
        images,
        images_right: report.images_right,
    };
    output.document("repair", exit, &body);
    exit
}
