//! What to do next about an error, by the command that met it: the layers below
//! say what happened, and one error needs another step after `verify` than after
//! `backup`. What those layers know themselves (a `mknod` line, which partitions
//! there are) comes from their own help.

use super::error::CliError;
use super::spec::CommandSpec;
use crate::backup::{BackupError, Failure};
use crate::mtd::{Errno, MtdError, MtdName};
use crate::restore::RestoreError;
use std::io;

/// The next step, as one line; none where nothing sensible can be said.
pub(crate) fn next_step(command: Option<&CommandSpec>, error: &CliError) -> Option<String> {
    let name = command.map_or("", |command| command.name);
    match error {
        CliError::Usage(_) => Some(match command {
            Some(command) => format!(
                "usage: {}; `mtdkeep {name} --help` tells more",
                command.usage()
            ),
            None => "`mtdkeep --help` lists commands and options".into(),
        }),
        CliError::Backup(failure) => of_backup(name, failure),
        CliError::Restore(stopped) => match &*stopped.error {
            RestoreError::Mtd(error) => of_device(error),
            RestoreError::Backup(error) => match &**error {
                BackupError::Mtd(error) => of_device(error),
                BackupError::Interrupted if !stopped.changed => None,
                error => error.help(),
            },
            error => error.help(),
        },
        CliError::Mtd(error) => of_device(error),
        #[cfg(feature = "full")]
        CliError::Import(error) => of_import(error),
        CliError::Other { help, .. } => help.clone(),
    }
}

/// Whether the command writes into the folder that it names.
fn makes(name: &str) -> bool {
    matches!(name, "backup" | "import" | "image")
}

/// The limit of a process, or of the machine, on open files: no medium is to blame.
const TOO_FEW_FILES: &str = "too few files may be open at once: raise the limit, with `ulimit -n` \
    in the shell that starts it, or end other programs; then start the same command again";

/// The limit of a process, or of a file system, on the length of a file.
const FILE_TOO_LARGE: &str = "no file may be so long there: raise the limit (`ulimit -f`) in the \
    shell that starts it, or choose a folder on another file system";

fn lacks_descriptors(source: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| source.raw_os_error() == Some(errno.raw_os_error()))
}

fn of_backup(name: &str, failure: &Failure) -> Option<String> {
    let text = match &*failure.error {
        BackupError::Folder { source, .. } | BackupError::File { source, .. }
            if lacks_descriptors(source) =>
        {
            TOO_FEW_FILES
        }
        BackupError::Folder { source, .. } => folder_step(name, source.kind()),
        BackupError::File { source, .. } => match source.kind() {
            io::ErrorKind::PermissionDenied if !makes(name) => {
                "run it as the user to whom the backup belongs"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if makes(name) => {
                "run it as a user who may read and write there, or choose another folder with \
                 --output"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space and start the same command again"
            }
            io::ErrorKind::FileTooLarge => FILE_TOO_LARGE,
            io::ErrorKind::BrokenPipe => {
                "whoever took the stream has ended: what it said comes first; then start again"
            }
            _ => "check the medium that holds the folder, then start the same command again",
        },
        BackupError::NoManifest {
            captured: false, ..
        } => "name the folder that `mtdkeep backup` filled, the one with manifest.json in it",
        BackupError::Interrupted if name == "verify" => "nothing was changed; start it again",
        BackupError::Interrupted => "start the same command again to go on",
        BackupError::Mtd(error) | BackupError::NothingReadable { first: error } => {
            return of_device(error);
        }
        other => return other.help(),
    };
    Some(text.into())
}

/// About the folder that a command names.
fn folder_step(name: &str, kind: io::ErrorKind) -> &'static str {
    match (kind, makes(name)) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
            "free some space and start the same command again"
        }
        (_, false) if matches!(name, "fetch" | "receive") => {
            "choose another folder, one that this user may write"
        }
        (io::ErrorKind::NotFound, false) => "look at the name: there is no such folder",
        (io::ErrorKind::NotADirectory, false) => {
            "name the folder that holds the backup, not one of its files; `mtdkeep import` makes \
             one of a tar"
        }
        (io::ErrorKind::PermissionDenied, false) => "run it as the user to whom the folder belongs",
        (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, true) => {
            "choose a folder that this user may write, with --output"
        }
        (io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists, true) => {
            "choose another folder with --output"
        }
        _ => "check the medium that holds the folder",
    }
}

fn of_device(error: &MtdError) -> Option<String> {
    if error.lacks_descriptors() {
        return Some(TOO_FEW_FILES.into());
    }
    let help = error.help()?;
    let MtdError::UnknownPartition { wanted, known } = error else {
        return Some(help);
    };
    let close = |known: &&MtdName| known.name.eq_ignore_ascii_case(wanted);
    Some(match known.iter().find(close) {
        Some(known) => format!("did you mean {}? {help}", known.name),
        None => help,
    })
}

#[cfg(feature = "full")]
fn of_import(error: &crate::capture::ImportError) -> Option<String> {
    use crate::capture::ImportError;
    let text = match error {
        ImportError::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => "look at the name: there is no such folder",
            io::ErrorKind::NotADirectory => {
                "name the folder that holds the captured files, not one of them, and unpack an \
                 archive first; a whole chip's dump is for `mtdkeep backup --image`; a tar from a \
                 program is named -"
            }
            io::ErrorKind::PermissionDenied => "run it as a user who may read the captured files",
            _ => "check the medium that holds the capture",
        },
        ImportError::Interrupted => "start the same command again",
        other => return other.help(),
    };
    Some(text.into())
}
