//! `mtdkeep fetch`.

mod ssh;

use crate::cli::Exit;
use crate::cli::common::{self, NOTE_DIGEST, folder, layout, missing, partitions, signals};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{
    CommandSpec, Job, OperandSpec, OptionSpec, RESULT, Takes, VERBOSE, option, short,
};
use mtdkeep::backup::{Destination as _, Folder, Manifest, Summary, size};
use mtdkeep::fetch::{FetchRequest, Proof, RemoteBackend, fetch};
use mtdkeep::mtd::{MtdBackend as _, select, total_bytes};
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "SOURCE> <DIR",
        help: "ssh://[USER@]HOST[:PORT], and the folder for the backup",
        required: true,
        rest: false,
    }),
    operands_max: 2,
    options: &[OPTIONS, &[VERBOSE], RESULT],
    details: "\
Backs up a device from this PC, with the plain commands of its BusyBox over
the system's ssh. Nothing is stored on the device. Each image is compared with
the SHA-256 or MD5 that the device makes of its flash afterwards; where it has
neither, the flash is sent twice. A connection that is lost is made again, and
the same command goes on where an earlier one stopped. MTDKEEP_SSH names
another program than ssh.
",
    examples: &[
        "mtdkeep fetch ssh://root@192.168.1.1 my-router",
        "mtdkeep fetch ssh://root@192.168.1.1 my-router -p factory -p art",
        "mtdkeep fetch ssh://root@ap --ssh-option HostKeyAlgorithms=+ssh-rsa my-ap",
        "mtdkeep fetch ssh://root@ap --layout boot.log my-ap",
    ],
    ..CommandSpec::new("fetch", "Back up a device from this PC, over ssh", parse)
};

const OPTIONS: &[OptionSpec] = &[
    short(
        'p',
        option(
            "partition",
            Takes::Values("NAME"),
            "Only this partition, by name or as mtdN; may be repeated",
        ),
    ),
    option(
        "layout",
        Takes::Value("FILE"),
        "Where partitions lie: a boot log, mtdparts=, U-Boot's list, ...",
    ),
    option(
        "ssh-option",
        Takes::Values("OPTION"),
        "An option for ssh's -o, such as HostKeyAlgorithms=+ssh-rsa; may be repeated",
    ),
];

struct Args {
    source: ssh::Address,
    folder: PathBuf,
    partitions: Vec<String>,
    layout: Option<PathBuf>,
    ssh_options: Vec<String>,
    /// Whole digests in the lines.
    verbose: bool,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let words = given.operands();
    let [source, folder]: [OsString; 2] = words
        .try_into()
        .map_err(|_| UsageError("SOURCE and DIR are needed: where from, and where to".into()))?;
    let source = source
        .to_str()
        .ok_or_else(|| UsageError(format!("{source:?} is not valid UTF-8")))?;
    let args = Args {
        source: ssh::Address::parse(source)?,
        folder: folder.into(),
        partitions: given.texts("partition")?,
        layout: given.path("layout"),
        ssh_options: given.texts("ssh-option")?,
        verbose: given.flag("verbose"),
    };
    Ok(Box::new(move |output| run(&args, output)))
}

/// A device that was reached.
struct Reached {
    backend: RemoteBackend,
    proof: Proof,
    captured_by: String,
    layout_from: String,
    not_proven: Vec<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    output: String,
    kept_images: usize,
    manifest_sha256: &'a str,
    manifest: &'a Manifest,
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let reached = reach(args, interrupt, output)?;
    // Before the folder is made: a wrong name leaves nothing.
    select(&reached.backend.devices()?, &args.partitions)?;
    let folder = folder::open_or_create(&args.folder, output)?;
    let request = FetchRequest {
        partitions: &args.partitions,
        proof: reached.proof,
        captured_by: reached.captured_by,
        layout_from: reached.layout_from,
        not_proven: reached.not_proven,
        now: SystemTime::now(),
    };
    let progress = Progress::new(output, Lines::of(args.verbose));
    let work = common::work(interrupt, &progress);
    let result = fetch(&reached.backend, &folder, &request, &work);
    progress.end();
    let summary = result.inspect_err(|_| {
        if folder.was_created() {
            folder.remove_if_empty();
        }
    })?;
    Ok(tell(&summary, &folder, output))
}

fn reach(
    args: &Args,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Reached, CliError> {
    let text = args.layout.as_deref().map(layout::read).transpose()?;
    let text = text
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_slice()));
    ssh::reach(&args.source, &args.ssh_options, text, interrupt, output)
}

fn tell(summary: &Summary, folder: &Folder, output: &Output) -> Exit {
    let manifest = &summary.manifest;
    let (exit, outcome) = if manifest.is_partial() {
        (Exit::Partial, "partial")
    } else if summary.changed_while_read() {
        (Exit::Differs, "differs")
    } else {
        (Exit::Done, "done")
    };
    let total = total_bytes(manifest.images.iter().map(|image| image.size_bytes));
    let mut line = format!(
        "{}, {}, in {}",
        partitions(manifest.images.len()),
        size(total),
        folder.describe()
    );
    match exit {
        Exit::Partial => line += &format!("; partial: {}", missing(manifest)),
        Exit::Differs => line += "; the flash changed while it was read",
        _ => {}
    }
    output.sentence(&line);
    if let Some(origin) = &manifest.origin {
        for what in &origin.proven {
            output.sentence(&format!("proven: {what}"));
        }
        for what in &origin.not_proven {
            output.warn(&format!("not proven: {what}"));
        }
    }
    let digest = manifest.sha256();
    output.line(&format!("backup digest: {digest}"));
    if exit == Exit::Done {
        output.sentence(&format!("next: {NOTE_DIGEST}"));
    }
    let body = Body {
        outcome,
        output: folder.describe(),
        kept_images: summary.kept,
        manifest_sha256: &digest,
        manifest,
    };
    output.document("fetch", exit, &body);
    exit
}
