//! `mtdkeep import` of a backup's tar, and of a capture's.

use super::Args;
use crate::backup::{
    self, BackupError, Directory as _, Failure, Folder, MANIFEST, Report, TarFolder,
};
use crate::capture::ImportError;
use crate::capture::RECORD;
use crate::cli::Exit;
use crate::cli::common::new_backup::NewBackup;
use crate::cli::common::{self, folder};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

pub(super) fn run(
    archive: &TarFolder,
    args: &Args,
    interrupt: &AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let undoes = args.undo_crlf || args.omit_oob.is_some();
    let for_files = args.captured.len() > 1 || !args.maps.is_empty() || undoes;
    if (args.layout.is_some() || for_files) && archive.open(MANIFEST).is_err() {
        return Err(CliError::Other {
            exit: Exit::Usage,
            message: format!(
                "{} has no {MANIFEST}: it is no backup's tar, or was cut off",
                archive.describe()
            ),
            help: Some("unpack somebody else's tar, and import the folder with its files".into()),
        });
    }
    if args.layout.is_some() || for_files {
        return Err(CliError::Other {
            exit: Exit::Usage,
            message: "a backup's tar has its layout and its files' names in its manifest".into(),
            help: Some("leave --layout, --map, --also, --undo-crlf and --omit-oob away".into()),
        });
    }
    let progress = Progress::new(output, Lines::of(args.verbose));
    let work = common::work(interrupt, &progress);
    let open = || {
        Folder::open_or_create(&args.target).map_err(|source| {
            let folder = args.target.display().to_string();
            Failure::from(BackupError::of_folder("cannot use", folder, source))
        })
    };
    let result = backup::unpack(archive, open, &work);
    progress.end();
    let (report, made) = result?;
    let Some(made) = made else {
        let problems = common::problems(&report);
        return Err(CliError::Import(ImportError::Wrong { problems }));
    };
    folder::warn_of_no_lock(&made, output);
    Ok(tell(&report, &made, output))
}

/// The files of a capture's tar in a folder of their own, which goes with the value.
pub(super) fn unpack(archive: &TarFolder, around: &Path) -> Result<TempDir, CliError> {
    if archive.open(RECORD).is_err() {
        let problems = vec![format!(
            "{} was cut off: it has no {RECORD}, which comes last",
            archive.describe()
        )];
        return Err(CliError::Import(ImportError::Wrong { problems }));
    }
    let cannot = |source| {
        let folder = around.display().to_string();
        CliError::from(BackupError::of_folder("cannot unpack into", folder, source))
    };
    let folder = tempfile::Builder::new()
        .prefix(".mtdkeep-import-")
        .tempdir_in(around);
    let folder = folder.map_err(cannot)?;
    for entry in archive.list().map_err(cannot)? {
        let mut member = archive.open(&entry.name).map_err(cannot)?;
        let mut file = File::create_new(folder.path().join(&entry.name)).map_err(cannot)?;
        io::copy(&mut member, &mut file).map_err(cannot)?;
    }
    Ok(folder)
}

fn tell(report: &Report, folder: &Folder, output: &Output) -> Exit {
    let made = NewBackup {
        manifest: &report.manifest,
        digest: report.manifest_sha256.as_deref().unwrap_or_default(),
        changed: false,
        output: &folder.describe(),
        kept: None,
    };
    let place = format!("imported into {}, as the archive has them", made.output);
    made.tell(&place, output);
    made.tell_digest(output);
    made.document("import", output)
}
