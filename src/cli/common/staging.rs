//! Files that come from elsewhere lie in a folder of their own, beside the one that was
//! asked for, until they are a backup.

use super::folder;
use super::new_backup::NewBackup;
use crate::backup::{BackupError, Directory as _, Entry, Failure, Folder, Summary};
use crate::capture::{ImportRequest, import as import_captured, inspect};
use crate::cli::Exit;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::Lines;
use crate::fetch::http::is_download;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

/// `DIR.fetching`, beside DIR.
pub(crate) fn beside(target: &Path, what: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    target.with_file_name(name)
}

/// Only a new or an empty folder gets something; where it really is.
pub(crate) fn check_target(target: &Path) -> Result<PathBuf, CliError> {
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
pub(crate) fn open(path: &Path, target: &Path, output: &Output) -> Result<Folder, CliError> {
    let folder = match folder::open_or_create(path, output) {
        Err(CliError::Backup(failure)) if is_no_folder(&failure) => {
            return Err(in_the_way(path, "it is no folder"));
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
        return Err(in_the_way(path, &format!("it holds {}", entry.name)));
    }
    if let Ok(there) = fs::metadata(target) {
        let same = fs::set_permissions(path, there.permissions());
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
pub(crate) fn left(error: BackupError, folder: &Folder) -> CliError {
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

/// A backup that was made of what came.
pub(crate) struct Imported {
    summary: Summary,
    digest: String,
    output: String,
}

impl Imported {
    pub(crate) fn made(&self) -> NewBackup<'_> {
        NewBackup {
            manifest: &self.summary.manifest,
            digest: &self.digest,
            changed: self.summary.changed_while_read(),
            output: &self.output,
            kept: Some(0),
        }
    }
}

/// What a script captured, or sent, becomes a backup, and goes. Nobody holds the folder's
/// lock: the import takes it.
pub(crate) fn import(
    path: &Path,
    target: &Path,
    layout: Option<(&str, &[u8])>,
    lines: Lines,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Imported, CliError> {
    let folders = [path.to_owned()];
    let request = ImportRequest {
        folders: &folders,
        layout,
        maps: &[],
        undo_crlf: false,
        omit_oob: None,
    };
    let capture = inspect(&request, interrupt)?;
    let (summary, folder) = folder::fill(target, lines, interrupt, output, |folder, work| {
        import_captured(&capture, folder, SystemTime::now(), work)
    })?;
    let staging = folder::open_or_create(path, output)?;
    for entry in staging.list().unwrap_or_default() {
        if is_download(&entry.name) {
            let _ = staging.remove(&entry.name);
        }
    }
    staging.remove_if_empty();
    Ok(Imported {
        digest: summary.manifest.sha256(),
        output: folder.describe(),
        summary,
    })
}
