//! `mtdkeep backup`.

use crate::backup::{self, DigestChoice, Directory as _, Request, Summary};
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::common::folder::{self, FOLDER_ON_DEVICE};
use crate::cli::common::new_backup::NewBackup;
use crate::cli::common::{self, signals, stream};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{
    CommandSpec, DEVICE, Job, LAYOUT, OptionSpec, RESULT, Takes, VERBOSE, option, short,
};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, &[VERBOSE], &[LAYOUT], DEVICE, RESULT],
    details: "\
Flash is only read. Each image gets its name when all of it is stored; the
manifest comes last. A backup that was cut off is completed by the same
command. An erase block that cannot be read is named, stands as 0xFF in its
image, and makes the backup partial. Digests find accidents. What somebody
changed on purpose is found by the backup digest that is printed in the end
(SHA-256 of manifest.json), if it is noted elsewhere, and if the images have a
SHA-256: see `verify --digest`. With `--output -` nothing is stored: images,
manifest.json, SHA256SUMS and the page come as one tar on standard output, and
what is said goes to standard error. A tar that was cut off has no manifest;
`verify` and `import` take it, and say so.
",
    examples: &[
        "mtdkeep backup",
        "mtdkeep backup --output /mnt/usb/ispot --read-again",
        "mtdkeep backup --output keep --partition param --partition mtd10",
        "mtdkeep backup --output - | ssh me@pc 'cat > ispot.tar'",
        "mtdkeep backup --simulate --output ispot-backup",
        "mtdkeep backup --image flash.bin --output from-image",
    ],
    ..CommandSpec::new(
        "backup",
        "Back up all partitions, or some, into a folder",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    short(
        'o',
        option(
            "output",
            Takes::Value("DIR"),
            "The folder, or - for a tar on standard output [default: \
             /var/wwwroot/mtd_backup on a real device, else mtd_backup]",
        ),
    ),
    PARTITION,
    option(
        "read-again",
        Takes::Nothing,
        "Read the flash a second time and compare",
    ),
    DIGEST,
];

pub(super) const PARTITION: OptionSpec = short(
    'p',
    option(
        "partition",
        Takes::Values("NAME"),
        "Only this partition, by name or as mtdN; may be repeated",
    ),
);

pub(super) const DIGEST: OptionSpec = option(
    "digest",
    Takes::Value("WHICH"),
    "both, crc32 or sha256; on a slow device, crc32 halves the time [default: both]",
);

/// What the device's web server shows to everybody.
const WEB_ROOT: &str = "/var/wwwroot";
/// Where a backup goes that is not made on a device: below the current folder.
const FOLDER_ELSEWHERE: &str = "mtd_backup";

/// Where a backup goes.
enum To {
    Folder(PathBuf),
    /// Standard output, as a tar.
    Stream,
}

struct Args {
    device: DeviceArgs,
    to: To,
    /// Which partitions; empty: all.
    partitions: Vec<String>,
    read_again: bool,
    digests: DigestChoice,
    /// Whole digests in the lines.
    verbose: bool,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    #[cfg_attr(not(feature = "full"), allow(unused_mut))]
    let mut device = device::parse(given)?;
    #[cfg(feature = "full")]
    device.set_layout(given.path("layout"))?;
    let default = if device.is_named() {
        FOLDER_ELSEWHERE
    } else {
        FOLDER_ON_DEVICE
    };
    let args = Args {
        device,
        to: match given.path("output") {
            Some(path) if path == Path::new("-") => To::Stream,
            Some(path) => To::Folder(path),
            None => To::Folder(default.into()),
        },
        partitions: given.texts("partition")?,
        read_again: given.flag("read-again"),
        digests: match given.value("digest") {
            Some(word) => digests(&word)?,
            None => DigestChoice::default(),
        },
        verbose: given.flag("verbose"),
    };
    Ok(Box::new(move |output| run(&args, output)))
}

/// What --digest takes.
#[cfg(feature = "full")]
pub(crate) const DIGESTS: &[&str] = &["both", "crc32", "sha256"];

pub(super) fn digests(word: &OsStr) -> Result<DigestChoice, UsageError> {
    match word.to_str() {
        Some("both") => Ok(DigestChoice::Both),
        Some("crc32") => Ok(DigestChoice::Crc32),
        Some("sha256") => Ok(DigestChoice::Sha256),
        _ => Err(UsageError(format!(
            "--digest takes both, crc32 or sha256, not {:?}",
            word.to_string_lossy()
        ))),
    }
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    if matches!(args.to, To::Stream) {
        stream::divert(output)?;
    }
    let interrupt = signals::interrupt_flag()?;
    let backend = device::open(&args.device, output)?;
    // Before the folder is made: a wrong name or a missing device leaves nothing.
    crate::mtd::select(&backend.devices()?, &args.partitions)?;
    let request = Request {
        partitions: &args.partitions,
        read_again: args.read_again,
        digests: args.digests,
        now: SystemTime::now(),
    };
    let lines = Lines::of(args.verbose);
    let To::Folder(path) = &args.to else {
        let progress = Progress::new(output, lines);
        let work = common::work(interrupt, &progress);
        let mut out = stream::Stdout { interrupt };
        let result = backup::stream(backend.as_ref(), &mut out, &request, &work);
        progress.end();
        return Ok(tell(&result?, "-", false, output));
    };
    let (summary, folder) = folder::fill(path, lines, interrupt, output, |folder, work| {
        backup::pipeline::backup(backend.as_ref(), folder, &request, work)
    })?;
    let on_device = !args.device.is_named();
    Ok(tell(&summary, &folder.describe(), on_device, output))
}

fn tell(summary: &Summary, to: &str, on_device: bool, output: &Output) -> Exit {
    let made = NewBackup {
        manifest: &summary.manifest,
        digest: &summary.manifest.sha256(),
        changed: summary.changed_while_read(),
        output: to,
        kept: Some(summary.kept),
    };
    match to {
        "-" => made.tell("as a tar on standard output", output),
        folder => made.tell(&format!("in {folder}"), output),
    }
    made.tell_digest(output);
    made.tell_next(output);
    if on_device {
        tell_where(to, output);
    }
    made.document("backup", output)
}

/// On the device itself the backup is on its way to somewhere else.
fn tell_where(folder: &str, output: &Output) {
    let readers = if Path::new(folder).starts_with(WEB_ROOT) {
        ", and everybody who reaches the web server can read them"
    } else {
        ""
    };
    output.sentence(&format!("{folder} holds this device's secrets{readers}"));
    output.sentence(&format!(
        "next: copy it to a PC, `mtdkeep verify` it there, then `mtdkeep clean {folder}` here"
    ));
}
