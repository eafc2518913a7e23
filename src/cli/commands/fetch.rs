//! `mtdkeep fetch`.

mod http;
mod ssh;

use super::backup::PARTITION;
use crate::backup::Directory as _;
use crate::cli::Exit;
use crate::cli::common::new_backup::NewBackup;
use crate::cli::common::{folder, layout, signals};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::Lines;
use crate::cli::spec::{CommandSpec, Job, OperandSpec, OptionSpec, RESULT, Takes, VERBOSE, option};
use crate::fetch::http::Url;
use crate::fetch::{FetchRequest, Proof, RemoteBackend, fetch};
use crate::mtd::{MtdBackend as _, select};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "SOURCE DIR",
        help: "ssh://[USER@]HOST[:PORT] or http://HOST[:PORT]/FOLDER/; and the folder for the \
               backup",
        required: true,
        rest: false,
    }),
    operands_max: 2,
    options: &[OPTIONS, &[VERBOSE], RESULT],
    details: "\
ssh: backs up a device from this PC, with the plain commands of its BusyBox
over the system's ssh. Nothing is stored on the device. Each image is compared
with the SHA-256 or MD5 that the device makes of its flash afterwards; where
it has neither, the flash is sent twice. MTDKEEP_SSH names another program.
http: takes a backup, or what a capture script left, from `mtdkeep serve` or
any web server with a page that links the files; a backup must be what its
manifest says. Without digests only lengths are proven: --twice downloads
again and compares. A connection that is lost is made again, and the same
command goes on where an earlier one stopped.
",
    examples: &[
        "mtdkeep fetch ssh://root@192.168.1.1 my-router",
        "mtdkeep fetch ssh://root@192.168.1.1 my-router -p factory -p art",
        "mtdkeep fetch ssh://root@ap --ssh-option HostKeyAlgorithms=+ssh-rsa my-ap",
        "mtdkeep fetch ssh://root@ap --layout boot.log my-ap",
        "mtdkeep fetch http://192.168.1.1/mtd_backup/ my-hotspot",
    ],
    ..CommandSpec::new(
        "fetch",
        "Back up a device from this PC, over ssh or http",
        parse,
    )
};

/// For commands that take a device's flash from afar.
pub(super) const LAYOUT: OptionSpec = option(
    "layout",
    Takes::Value("FILE"),
    "Where partitions lie: a boot log, mtdparts=, U-Boot's list, ...",
);

const OPTIONS: &[OptionSpec] = &[
    PARTITION,
    LAYOUT,
    option(
        "ssh-option",
        Takes::Values("OPTION"),
        "An option for ssh's -o, such as HostKeyAlgorithms=+ssh-rsa; may be repeated",
    ),
    option(
        "twice",
        Takes::Nothing,
        "With http: download each image a second time and compare",
    ),
];

struct Args {
    source: Source,
    folder: PathBuf,
    partitions: Vec<String>,
    layout: Option<PathBuf>,
    ssh_options: Vec<String>,
    twice: bool,
    /// Whole digests in the lines.
    verbose: bool,
}

enum Source {
    Ssh(ssh::Address),
    Http(Url),
}

impl Source {
    fn parse(text: &str) -> Result<Self, UsageError> {
        if !text.starts_with("http://") {
            return ssh::Address::parse(text).map(Self::Ssh);
        }
        let url = Url::parse(text);
        url.map(Self::Http)
            .ok_or_else(|| UsageError(format!("{text:?} is no http://HOST[:PORT]/FOLDER/")))
    }
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
        source: Source::parse(source)?,
        folder: folder.into(),
        partitions: given.texts("partition")?,
        layout: given.path("layout"),
        ssh_options: given.texts("ssh-option")?,
        twice: given.flag("twice"),
        verbose: given.flag("verbose"),
    };
    match &args.source {
        Source::Ssh(_) if args.twice => {
            return Err(UsageError(
                "--twice is for http: over ssh all is compared as it is".into(),
            ));
        }
        Source::Http(_) if !args.partitions.is_empty() || !args.ssh_options.is_empty() => {
            return Err(UsageError(
                "--partition and --ssh-option are for ssh: from a web server all comes".into(),
            ));
        }
        _ => {}
    }
    Ok(Box::new(move |output| run(&args, output)))
}

/// Says what is tried again, to whoever waits.
fn tell(quiet: bool, text: &str) {
    if !quiet {
        let text = crate::printable::printable(text);
        // Where nobody reads it, nobody waits.
        let _ = writeln!(std::io::stderr().lock(), "mtdkeep: {text}");
    }
}

/// A device that was reached.
struct Reached {
    backend: RemoteBackend,
    proof: Proof,
    captured_by: String,
    layout_from: String,
    not_proven: Vec<String>,
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let text = args.layout.as_deref().map(layout::read).transpose()?;
    let text = text
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_slice()));
    let address = match &args.source {
        Source::Ssh(address) => address,
        Source::Http(url) => return http::run(url, args, text, interrupt, output),
    };
    let reached = ssh::reach(address, &args.ssh_options, text, interrupt, output)?;
    // Before the folder is made: a wrong name leaves nothing.
    select(&reached.backend.devices()?, &args.partitions)?;
    let request = FetchRequest {
        partitions: &args.partitions,
        proof: reached.proof,
        captured_by: reached.captured_by,
        layout_from: reached.layout_from,
        not_proven: reached.not_proven,
        now: SystemTime::now(),
    };
    let lines = Lines::of(args.verbose);
    let (summary, folder) =
        folder::fill(&args.folder, lines, interrupt, output, |folder, work| {
            fetch(&reached.backend, folder, &request, work)
        })?;
    let made = NewBackup {
        manifest: &summary.manifest,
        digest: &summary.manifest.sha256(),
        changed: summary.changed_while_read(),
        output: &folder.describe(),
        kept: Some(summary.kept),
    };
    Ok(made.tell_origin("fetch", output))
}
