//! `mtdkeep verify`.

use crate::backup::{self, Access, Directory, Finding, MANIFEST, Meaning, Report, SUMS, size};
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
#[cfg(feature = "full")]
use crate::cli::common::stream;
use crate::cli::common::{self, FOLDER, NOTE_DIGEST, folder, signals};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{
    CommandSpec, DEVICE, Job, LAYOUT, OptionSpec, RESULT, Takes, VERBOSE, option,
};
use serde::Serialize;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(FOLDER),
    options: &[OPTIONS, &[VERBOSE], &[LAYOUT], DEVICE, RESULT],
    examples: &[
        "mtdkeep verify ispot-backup",
        "mtdkeep verify --device /var/wwwroot/mtd_backup",
        "mtdkeep verify --simulate --device ispot-backup",
        "mtdkeep verify --digest 0123456789abcdef ispot-backup",
        #[cfg(feature = "full")]
        "ssh root@192.168.1.1 mtdkeep backup --output - | mtdkeep verify -",
    ],
    details: "\
Digests beside the images find accidents, and not what somebody changed on
purpose: whoever changes an image can change them as well. That is found by
the backup digest, SHA-256 of manifest.json, which `backup` and `verify`
print: note it elsewhere. It binds the images that have a SHA-256, not those
with CRC-32 alone. The full program takes a tar in place of DIR as well (of
`backup --output -`), or - for one from standard input.
",
    ..CommandSpec::new(
        "verify",
        "Check a backup: files, manifest, SHA256SUMS, flash if wanted",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option("device", Takes::Nothing, "Compare with the flash as well"),
    option(
        "digest",
        Takes::Value("SHA256"),
        "Compare with a backup digest that was noted; its first 16 digits do",
    ),
];

struct Args {
    folder: PathBuf,
    /// The device to compare with, if that is wanted.
    device: Option<DeviceArgs>,
    /// A noted backup digest, or its first digits, in lower case.
    digest: Option<String>,
    /// Whole digests in the findings.
    verbose: bool,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    #[cfg_attr(not(feature = "full"), allow(unused_mut))]
    let mut device = device::parse(given)?;
    #[cfg(feature = "full")]
    device.set_layout(given.path("layout"))?;
    let with_device = given.flag("device");
    if !with_device && device.is_named() {
        return Err(UsageError(
            "verify looks at a device only with --device: add it, or leave --simulate, --image and \
             --root away"
                .into(),
        ));
    }
    let digest = given.value("digest").map(|word| noted_digest(&word));
    let args = Args {
        digest: digest.transpose()?,
        folder: given.operand_path(),
        device: with_device.then_some(device),
        verbose: given.flag("verbose"),
    };
    Ok(Box::new(move |output| run(&args, output)))
}

fn noted_digest(word: &OsStr) -> Result<String, UsageError> {
    let text = word.to_string_lossy().to_ascii_lowercase();
    let is_digest = (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    match is_digest {
        true => Ok(text),
        false => Err(UsageError(format!(
            "--digest takes the 64 hex digits that `backup` and `verify` print, or at least \
             the first 16 of them, not {:?}",
            word.to_string_lossy()
        ))),
    }
}

#[derive(Serialize)]
struct Body<'a> {
    folder: String,
    outcome: &'a str,
    compared_with: Vec<&'a str>,
    compared_with_device: bool,
    images: usize,
    images_right: usize,
    bytes: u64,
    bytes_right: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_sha256: Option<&'a str>,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let folder = open(&args.folder, interrupt, output)?;
    let backend = args.device.as_ref();
    let backend = backend.map(|device| device::open(device, output));
    let backend = backend.transpose()?;
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let result = backup::verify::verify(folder.as_ref(), backend.as_deref(), &work);
    progress.end();
    let mut report = result?;
    let is_noted = args
        .digest
        .as_deref()
        .is_some_and(|digest| report.compare_digest(digest));
    Ok(tell(&report, is_noted, args, output))
}

/// A folder, or a tar that stands for one.
fn open(
    path: &Path,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Box<dyn Directory>, CliError> {
    #[cfg(feature = "full")]
    if let Some(archive) = stream::archive(path, &std::env::temp_dir(), interrupt)? {
        return Ok(Box::new(archive));
    }
    #[cfg(not(feature = "full"))]
    let _ = interrupt;
    Ok(Box::new(folder::open(path, Access::Look, output)?))
}

fn tell(report: &Report, is_noted: bool, args: &Args, output: &Output) -> Exit {
    let (exit, outcome) = match report.outcome() {
        Some(Meaning::Differs) => (Exit::Differs, "differs"),
        Some(Meaning::Unchecked) => (Exit::Io, "could not be checked"),
        Some(Meaning::Partial) => (Exit::Partial, "partial"),
        Some(Meaning::Note) | None => (Exit::Done, "good"),
    };
    for line in report.findings.iter().flat_map(|f| f.lines(args.verbose)) {
        output.sentence(&line);
    }
    let images = &report.manifest.images;
    let sizes = images.iter().map(|image| image.size_bytes);
    let bytes = sizes.fold(0, u64::saturating_add);
    let right = match size(report.bytes_right) {
        right if report.bytes_right == bytes => right,
        right => format!("{right} of {}", size(bytes)),
    };
    output.sentence(&format!(
        "{}: {outcome}: {} of {} images are right, {right}",
        args.folder.display(),
        report.images_right,
        images.len(),
    ));
    let known_by = report.known_by.unwrap_or(MANIFEST);
    let with_sums = report.with_sums && known_by != SUMS;
    let mut compared_with = vec![known_by];
    for (there, name) in [
        (with_sums, SUMS),
        (report.with_flash, "the flash"),
        (is_noted, "the digest given"),
    ] {
        compared_with.extend(there.then_some(name));
    }
    let with = match &compared_with[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => compared_with.join(", "),
    };
    output.sentence(&format!("compared with {with}"));
    if let (Some(digest), None) = (&report.manifest_sha256, report.known_by) {
        output.line(&format!("backup digest: {digest}"));
    }
    let mut next = report.next_step();
    if report.outcome().is_none() && !is_noted {
        next = Some(NOTE_DIGEST.into());
    }
    if let Some(next) = &next {
        output.sentence(&format!("next: {next}"));
    }
    let body = Body {
        folder: args.folder.display().to_string(),
        outcome,
        compared_with,
        compared_with_device: report.with_flash,
        images: images.len(),
        images_right: report.images_right,
        bytes,
        bytes_right: report.bytes_right,
        manifest_sha256: report.manifest_sha256.as_deref(),
        findings: &report.findings,
        next: next.as_deref(),
    };
    output.document("verify", exit, &body);
    exit
}
