//! `mtdkeep fetch http://…`.

use super::{Args, tell};
use crate::backup::{BackupError, Destination as _, Entry, Failure, Folder, Report, Work, verify};
use crate::capture::{ImportRequest, import, inspect};
use crate::cli::Exit;
use crate::cli::common::made::Made;
use crate::cli::common::{self, folder};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::fetch::Patience;
use crate::fetch::http::{Download, Downloaded, Url, is_download};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

pub(super) fn run(
    url: &Url,
    args: &Args,
    layout: Option<(&str, &[u8])>,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let target = check_target(&args.folder)?;
    let folder = open_staging(&target, output)?;
    let progress = Progress::new(output, Lines::None);
    let download = Download {
        url: url.clone(),
        folder: &folder,
        twice: args.twice,
        patience: Patience::watching(interrupt),
        interrupt,
        work: common::work(interrupt, &progress),
    };
    let result = download.run();
    progress.end();
    let came = result.map_err(|error| left(error, &folder))?;
    if !came.changed.is_empty() {
        return Err(differs(
            format!("{} came otherwise the second time", came.changed.join(", ")),
            &folder,
        ));
    }
    if args.twice {
        output.sentence("proven: each image came twice, the same bytes each time");
    }
    if came.is_backup {
        let report = keep_backup(&download, &came, &folder, &target)?;
        let made = Made {
            manifest: &report.manifest,
            digest: report.manifest_sha256.as_deref().unwrap_or_default(),
            changed: false,
            output: &args.folder.display().to_string(),
            kept: Some(came.kept.len()),
        };
        return Ok(tell(&made, output));
    }
    drop(download);
    import_capture(folder, &target, args, layout, interrupt, output)
}

/// `DIR.fetching`, beside DIR.
fn staging(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".fetching");
    target.with_file_name(name)
}

/// Only a new or an empty folder gets something; where it really is.
fn check_target(target: &Path) -> Result<PathBuf, CliError> {
    let refuse = |why: &str| CliError::Other {
        exit: Exit::Refused,
        message: format!("{}: {why}; nothing in it was changed", target.display()),
        help: Some("name a folder that is new or empty".into()),
    };
    if target.file_name().is_none() {
        return Err(refuse("it has no name that a folder beside it could have"));
    }
    let real = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target.into()),
        // What takes the name is the folder itself, and not a link to it.
        _ => fs::canonicalize(target).map_err(|error| refuse(&error.to_string()))?,
    };
    let device = |path: &Path| fs::metadata(path).map(|there| there.dev());
    match fs::read_dir(&real).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(refuse("it is not empty")),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(refuse("it is no folder"))
        }
        Err(error) => Err(refuse(&error.to_string())),
        Ok(false) => match real.parent().map(|around| (device(around), device(&real))) {
            Some((Ok(around), Ok(own))) if around == own => Ok(real),
            _ => Err(refuse(
                "it is the root of a file system, and no folder beside it is in that",
            )),
        },
    }
}

/// The folder where files come first. Who may look into an empty folder that the backup
/// is to take the place of may look into this one.
fn open_staging(target: &Path, output: &Output) -> Result<Folder, CliError> {
    let path = staging(target);
    let folder = match folder::open_or_create(&path, output) {
        Err(CliError::Backup(failure)) if is_no_folder(&failure) => {
            return Err(in_the_way(&path, "it is no folder"));
        }
        opened => opened?,
    };
    let cannot = |operation| {
        let folder = path.display().to_string();
        move |source| BackupError::of_folder(operation, folder, source)
    };
    let entries = folder.list().map_err(cannot("cannot list"))?;
    let foreign = |entry: &&Entry| !is_download(&entry.name) || entry.size_bytes.is_none();
    if let Some(entry) = entries.iter().find(foreign) {
        return Err(in_the_way(&path, &format!("it holds {}", entry.name)));
    }
    if let Ok(there) = fs::metadata(target) {
        let same = fs::set_permissions(&path, there.permissions());
        same.map_err(cannot("cannot set the permissions of"))?;
    }
    Ok(folder)
}

fn is_no_folder(failure: &Failure) -> bool {
    let not = io::ErrorKind::NotADirectory;
    matches!(&*failure.error, BackupError::Folder { source, .. } if source.kind() == not)
}

fn in_the_way(path: &Path, why: &str) -> CliError {
    CliError::Other {
        exit: Exit::Refused,
        message: format!(
            "{}, where files come first: {why}; nothing in it was changed",
            path.display()
        ),
        help: Some("move that elsewhere, or choose another name for the backup".into()),
    }
}

/// What stopped it, and what is there.
fn left(error: BackupError, folder: &Folder) -> CliError {
    let empty = folder.list().is_ok_and(|entries| entries.is_empty());
    if empty && folder.remove_if_empty() {
        return error.into();
    }
    CliError::Backup(Failure {
        error: Box::new(error),
        left_behind: Some(format!(
            "{} holds what came so far; the same command goes on there",
            folder.describe()
        )),
    })
}

fn differs(message: String, folder: &Folder) -> CliError {
    CliError::Other {
        exit: Exit::Differs,
        message,
        help: Some(format!(
            "start the same command again; what came lies in {}",
            folder.describe()
        )),
    }
}

/// A backup that proves itself gets its name.
fn keep_backup(
    download: &Download<'_>,
    came: &Downloaded,
    folder: &Folder,
    target: &Path,
) -> Result<Report, CliError> {
    let work = Work {
        interrupt: download.interrupt,
        ..Work::default()
    };
    let mut report = verify(folder, None, &work)?;
    if !common::problems(&report).is_empty() && !came.kept.is_empty() {
        // What an earlier run left may be of another day.
        for name in &came.kept {
            download.again(name)?;
        }
        report = verify(folder, None, &work)?;
    }
    let problems = common::problems(&report);
    if !problems.is_empty() {
        return Err(differs(
            format!(
                "what came is not what its manifest says: {}",
                problems.join("; ")
            ),
            folder,
        ));
    }
    let cannot = |source| BackupError::of_folder("cannot name", folder.describe(), source);
    folder.sync().map_err(cannot)?;
    fs::rename(staging(target), target).map_err(cannot)?;
    // The name is on the medium before anybody is told.
    let around = target.parent().filter(|path| *path != Path::new(""));
    fs::File::open(around.unwrap_or(Path::new(".")))
        .and_then(|around| around.sync_all())
        .map_err(cannot)?;
    if let Some(digest) = &report.manifest_sha256 {
        download.tell_verified(digest);
    }
    Ok(report)
}

/// What a script captured becomes a backup, and goes.
fn import_capture(
    folder: Folder,
    target: &Path,
    args: &Args,
    layout: Option<(&str, &[u8])>,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let path = staging(target);
    // The import looks at it with a lock of its own.
    drop(folder);
    let folders = [path.clone()];
    let request = ImportRequest {
        folders: &folders,
        layout,
        maps: &[],
        undo_crlf: false,
        omit_oob: None,
    };
    let capture = inspect(&request, interrupt)?;
    let lines = Lines::of(args.verbose);
    let (summary, folder) =
        folder::fill(&args.folder, lines, interrupt, output, |folder, work| {
            import(&capture, folder, SystemTime::now(), work)
        })?;
    let staging = folder::open_or_create(&path, output)?;
    for entry in staging.list().unwrap_or_default() {
        if is_download(&entry.name) {
            let _ = staging.remove(&entry.name);
        }
    }
    staging.remove_if_empty();
    let made = Made {
        manifest: &summary.manifest,
        digest: &summary.manifest.sha256(),
        changed: summary.changed_while_read(),
        output: &folder.describe(),
        kept: Some(0),
    };
    Ok(tell(&made, output))
}
