//! `mtdkeep fetch http://…`.

use super::{Args, tell};
use crate::backup::{BackupError, Destination as _, Failure, Folder, Work, verify};
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
    check_target(&args.folder)?;
    let staging = staging(&args.folder);
    let folder = open_staging(&staging, output)?;
    let progress = Progress::new(output, Lines::None);
    let download = Download {
        url: url.clone(),
        folder: &folder,
        twice: args.twice,
        patience: Patience::default(),
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
        return keep_backup(&download, &came, &folder, args, output);
    }
    drop(download);
    import_capture(folder, args, layout, interrupt, output)
}

/// `DIR.fetching`, beside DIR.
fn staging(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".fetching");
    target.with_file_name(name)
}

/// Only a new or an empty folder gets something.
fn check_target(target: &Path) -> Result<(), CliError> {
    let refuse = |why: &str| CliError::Other {
        exit: Exit::Refused,
        message: format!("{} {why}; nothing in it was changed", target.display()),
        help: Some("name a folder that is new or empty".into()),
    };
    if target.file_name().is_none() {
        return Err(refuse("has no name that a folder beside it could have"));
    }
    match fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(refuse("is not empty")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refuse(&error.to_string())),
        _ => Ok(()),
    }
}

fn open_staging(path: &Path, output: &Output) -> Result<Folder, CliError> {
    let folder = folder::open_or_create(path, output)?;
    let entries = folder.list().map_err(|source| {
        BackupError::of_folder("cannot list", path.display().to_string(), source)
    })?;
    match entries.iter().find(|entry| !is_download(&entry.name)) {
        None => Ok(folder),
        Some(entry) => Err(CliError::Other {
            exit: Exit::Refused,
            message: format!(
                "{}, where files come first, holds {}; nothing in it was changed",
                path.display(),
                entry.name
            ),
            help: Some("move that elsewhere, or choose another name for the backup".into()),
        }),
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
    args: &Args,
    output: &Output,
) -> Result<Exit, CliError> {
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
    let from = folder.describe();
    let cannot = |source| BackupError::of_folder("cannot name", from.clone(), source);
    folder.sync().map_err(cannot)?;
    fs::rename(&from, &args.folder).map_err(cannot)?;
    // The name is on the medium before anybody is told.
    let around = args.folder.parent().filter(|path| *path != Path::new(""));
    fs::File::open(around.unwrap_or(Path::new(".")))
        .and_then(|around| around.sync_all())
        .map_err(cannot)?;
    if let Some(digest) = &report.manifest_sha256 {
        download.tell_verified(digest);
    }
    let made = Made {
        manifest: &report.manifest,
        digest: &report.manifest_sha256.unwrap_or_default(),
        changed: false,
        output: &args.folder.display().to_string(),
        kept: Some(came.kept.len()),
    };
    Ok(tell(&made, output))
}

/// What a script captured becomes a backup, and goes.
fn import_capture(
    staging: Folder,
    args: &Args,
    layout: Option<(&str, &[u8])>,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let path = PathBuf::from(staging.describe());
    // The import looks at it with a lock of its own.
    drop(staging);
    let folders = [path.clone()];
    let request = ImportRequest {
        folders: &folders,
        layout,
        maps: &[],
        undo_crlf: false,
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
