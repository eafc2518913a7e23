//! `mtdkeep restore`.
//!
//! First the plan, then somebody's word that it is wanted, then the flash: nothing is
//! opened for writing before.

mod target;
mod tell;

use super::backup::PARTITION;
use crate::backup::{Access, BackupError, Directory, Folder};
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::common::signals::{self, WaitFor};
use crate::cli::common::{self, FOLDER, folder};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{
    ALL_EXIT_CODES, CommandSpec, DEVICE, Job, LAYOUT, OptionSpec, RESULT, Takes, full_only, option,
    short,
};
use crate::mtd::WritePermit;
use crate::restore::{self, Plan, Request, RestoreError, Stopped};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use target::Target;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(FOLDER),
    options: &[OPTIONS, &[LAYOUT], DEVICE, RESULT],
    details: "\
First it shows a plan: how many erase blocks of each partition hold the
backup's bytes already, how many are only programmed, and how many are erased.
Nothing is opened for writing before you agree: at the prompt, or with --yes,
or with --plan and the digest that --dry-run printed. Each erase block's old
bytes are stored in a file before it is touched, and stay there until it was
read back and is right. After a power cut, an error or Ctrl-C the same command
goes on; until then, do not switch the device off (exit code 6). The boot
loader, and what the factory made, are written only where --allow names them,
and nothing that is mounted or open.
",
    examples: &[
        "mtdkeep restore --dry-run ispot-backup",
        "mtdkeep restore --partition system ispot-backup",
        "mtdkeep restore -p linux -p rootfs --plan 0123456789abcdef ispot-backup",
        "mtdkeep restore --image flash.bin --save after.bin --yes ispot-backup",
    ],
    exit_codes: ALL_EXIT_CODES,
    ..CommandSpec::new(
        "restore",
        "Put a backup back onto the flash, only where it differs",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    PARTITION,
    short(
        'n',
        option(
            "dry-run",
            Takes::Nothing,
            "Show the plan, and change nothing",
        ),
    ),
    option(
        "plan",
        Takes::Value("SHA256"),
        "Agree to the plan of this digest; its first 16 digits do",
    ),
    option("yes", Takes::Nothing, "Agree to whatever the plan is"),
    option(
        "allow",
        Takes::Values("NAME"),
        "Allow to write a boot loader, its tables, or what the factory made; may be repeated",
    ),
    option(
        "other-device",
        Takes::Nothing,
        "The backup may be of another device; what belongs to this one alone stays",
    ),
    option(
        "journal",
        Takes::Value("DIR"),
        "Keep old bytes in this folder meanwhile [default: beside the backup, DIR.restore; of a rehearsal, DIR.rehearsal]",
    ),
    option(
        "journal-in-memory",
        Takes::Nothing,
        "That folder may be lost with the power, and the erase block in hand with it",
    ),
    full_only(option(
        "save",
        Takes::Value("FILE"),
        "Write the chip's contents to this new file in the end; with --simulate or --image",
    )),
];

struct Args {
    device: DeviceArgs,
    folder: PathBuf,
    partitions: Vec<String>,
    allow: Vec<String>,
    other_device: bool,
    dry_run: bool,
    /// The digest that was agreed to, or its first digits, in lower case.
    plan: Option<String>,
    yes: bool,
    journal: Option<PathBuf>,
    journal_in_memory: bool,
    save: Option<PathBuf>,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    #[cfg_attr(not(feature = "full"), allow(unused_mut))]
    let mut device = device::parse(given)?;
    #[cfg(feature = "full")]
    device.set_layout(given.path("layout"))?;
    let plan = given
        .text("plan")?
        .map(|digest| digest.to_ascii_lowercase());
    let is_digest = |digest: &String| {
        (16..=64).contains(&digest.len()) && digest.bytes().all(|b| b.is_ascii_hexdigit())
    };
    if let Some(digest) = plan.as_ref().filter(|digest| !is_digest(digest)) {
        return Err(UsageError(format!(
            "--plan takes the digest that --dry-run prints, or at least its first 16 digits, not \
             {digest:?}"
        )));
    }
    let args = Args {
        folder: given.operand_path(),
        partitions: given.texts("partition")?,
        allow: given.texts("allow")?,
        other_device: given.flag("other-device"),
        dry_run: given.flag("dry-run"),
        plan,
        yes: given.flag("yes"),
        journal: given.path("journal"),
        journal_in_memory: given.flag("journal-in-memory"),
        save: given.path("save"),
        device,
    };
    if args.save.is_some() && !args.device.is_simulated() {
        return Err(UsageError(
            "--save is for the chip of --simulate or --image; a tree below --root keeps it itself"
                .into(),
        ));
    }
    Ok(Box::new(move |output| run(&args, output)))
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    // The device's program has no room for words of its own about that: it finds no such folder.
    if cfg!(feature = "full") && args.folder.as_os_str() == "-" {
        return Err(CliError::Other {
            exit: Exit::Refused,
            message: "a stream is not restored from; nothing was changed".into(),
            help: Some(
                "every digest has to be right before the first erase: unpack the tar into a \
                 folder, and name that"
                    .into(),
            ),
        });
    }
    let target = Target::open(&args.device, args.save.as_deref(), output)?;
    let backup = folder::open(&args.folder, Access::Look, output)?;
    let path = match &args.journal {
        Some(path) => path.clone(),
        None => beside(&args.folder, args.device.is_simulated()),
    };
    let access = match args.dry_run {
        true => Access::Look,
        false => Access::Change,
    };
    let journal = open_journal(&path, access, args)?;
    is_only_journal(&path, args)?;
    let request = Request {
        partitions: &args.partitions,
        allow: &args.allow,
        other_device: args.other_device,
        at_once: args.yes && !args.dry_run,
    };
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let known = journal.as_ref().map(|folder| folder as &dyn Directory);
    let planned = restore::plan(target.backend(), &backup, known, &request, &work);
    progress.end();
    let plan = planned.map_err(CliError::Restore)?;
    tell::plan(&plan, output);
    if args.dry_run || !plan.writes() {
        if let Some(folder) = journal.filter(|_| !args.dry_run) {
            leave(&folder, args);
        }
        target.save(output)?;
        return Ok(tell::not_written(&plan, args, output));
    }
    agree(&plan, args, interrupt, output)?;
    let journal = match journal {
        Some(journal) => journal,
        None => folder::open_or_create(&path, output)?,
    };
    let restored = may_keep(&journal, args)
        .and_then(|()| write(&plan, &target, &backup, &journal, interrupt, output));
    leave(&journal, args);
    if let Err(CliError::Restore(Stopped { changed: true, .. })) = &restored {
        // A rehearsal goes on from there.
        target.save(output)?;
    }
    let restored = restored?;
    target.save(output)?;
    Ok(tell::done(&plan, restored, args, output))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| path.metadata().ok().map(|about| (about.dev(), about.ino()));
    number(one).is_some_and(|one| Some(one) == number(other))
}

/// The folder for old bytes, where it is there already: it may know of an earlier run.
/// Otherwise none is made yet.
fn open_journal(path: &Path, access: Access, args: &Args) -> Result<Option<Folder>, CliError> {
    match Folder::open(path, access) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Its own lock on it would be taken for another's.
        Err(_) if is_same(path, &args.folder) => Err(of_journal(
            Exit::Refused,
            path,
            "it is the backup's own folder",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(of_journal(Exit::Io, path, "it is no folder"))
        }
        opened => opened
            .map(Some)
            .map_err(|source| folder::error("cannot open", path, source)),
    }
}

/// That no earlier run has left old bytes in the usual folder, which this one would not
/// see: what it had in hand would be taken for old bytes.
fn is_only_journal(path: &Path, args: &Args) -> Result<(), CliError> {
    let usual = beside(&args.folder, args.device.is_simulated());
    let Some(folder) = Folder::open(&usual, Access::Look).ok() else {
        return Ok(());
    };
    if !restore::has_old(&folder) || is_same(path, &usual) {
        return Ok(());
    }
    Err(CliError::Other {
        exit: Exit::Unfinished,
        message: format!(
            "an earlier restore has old bytes in {}; the flash is not finished: do not switch off",
            usual.display()
        ),
        help: Some("run it again without --journal, or with that folder".into()),
    })
}

fn of_journal(exit: Exit, path: &Path, why: &str) -> CliError {
    CliError::Other {
        exit,
        message: format!(
            "{} cannot keep an erase block's old bytes: {why}; nothing was changed",
            path.display()
        ),
        help: Some("name a folder for that alone with --journal".into()),
    }
}

/// Leaves the folder for old bytes, and removes it where nothing needs it any more: it
/// holds nothing, and nobody but this program asked for it.
fn leave(journal: &Folder, args: &Args) {
    if args.journal.is_none() || journal.was_created() {
        journal.remove_if_empty();
    }
}

/// A folder's own path. (std's way brings `realpath`, 2 KB.)
fn real(folder: &Path) -> io::Result<PathBuf> {
    let folder = File::open(folder)?;
    std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Where old bytes are kept: beside the backup, on the same medium. Those of a rehearsal
/// are apart from the device's.
fn beside(folder: &Path, is_rehearsal: bool) -> PathBuf {
    let mut path: PathBuf = folder.components().collect();
    if path.file_name().is_none() {
        path = real(&path).unwrap_or(path);
    }
    let mut path = path.into_os_string();
    path.push(match is_rehearsal {
        true => ".rehearsal",
        false => ".restore",
    });
    path.into()
}

/// That the folder for old bytes outlives a power cut.
fn may_keep(journal: &Folder, args: &Args) -> Result<(), CliError> {
    // The simulated chip is in memory as well.
    if args.journal_in_memory || args.device.is_simulated() || !journal.is_in_memory() {
        return Ok(());
    }
    Err(CliError::Other {
        exit: Exit::Refused,
        message: format!(
            "{} is in memory: a power cut would take the old bytes with it; nothing was changed",
            journal.describe()
        ),
        help: Some(
            "name a folder on another medium, or on a partition that is not restored, with \
             --journal; or take that risk with --journal-in-memory"
                .into(),
        ),
    })
}

/// Somebody's word that the plan is wanted.
fn agree(
    plan: &Plan,
    args: &Args,
    interrupt: &AtomicBool,
    output: &Output,
) -> Result<(), CliError> {
    let stopped = |error: Box<RestoreError>| {
        CliError::Restore(Stopped {
            error,
            changed: plan.goes_on(),
        })
    };
    if let Some(given) = &args.plan {
        if plan.digest.starts_with(given.as_str()) {
            return Ok(());
        }
        let error = RestoreError::OtherPlan {
            given: given.clone(),
            is: plan.digest.clone(),
        };
        return Err(stopped(error.into()));
    }
    if args.yes {
        return Ok(());
    }
    let refused = |message: &str| CliError::Other {
        exit: match plan.goes_on() {
            true => Exit::Unfinished,
            false => Exit::Refused,
        },
        message: match plan.goes_on() {
            true => format!("{message}; the flash is not finished: do not switch off"),
            false => format!("{message}; nothing was changed"),
        },
        help: Some(format!(
            "look at the plan, and agree with --plan {} or --yes",
            plan.digest.get(..16).unwrap_or_default()
        )),
    };
    if !io::stdin().is_terminal() || !output.asks() {
        return Err(refused("nobody has agreed to the plan"));
    }
    let _ = write!(io::stderr(), "Write this to the flash? Type yes: ");
    if !matches!(
        signals::wait_for(io::stdin(), WaitFor::Input, interrupt),
        Ok(true)
    ) {
        let _ = writeln!(io::stderr());
        return Err(stopped(BackupError::Interrupted.into()));
    }
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(refused("the answer was not yes")),
    }
}

fn write(
    plan: &Plan,
    target: &Target,
    backup: &Folder,
    journal: &Folder,
    interrupt: &AtomicBool,
    output: &Output,
) -> Result<restore::Restored, CliError> {
    let permit = WritePermit::granted_because("restore was agreed to");
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let patience = signals::patient();
    let result = restore::restore(plan, target.backend(), backup, journal, &permit, &work);
    drop(patience);
    progress.end();
    result.map_err(CliError::Restore)
}
