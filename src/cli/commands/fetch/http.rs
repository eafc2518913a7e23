//! `mtdkeep fetch http://…`.

use super::Args;
use crate::backup::{BackupError, Directory as _, Folder, Image, Report, Work, verify_but};
use crate::cli::Exit;
use crate::cli::common::new_backup::NewBackup;
use crate::cli::common::{self, staging};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::fetch::Patience;
use crate::fetch::http::{Came, Download, Downloaded, Url};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What the folder where files come first is called.
const WHAT: &str = "fetching";

pub(super) fn run(
    url: &Url,
    args: &Args,
    layout: Option<(&str, &[u8])>,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let target = staging::check_target(&args.folder)?;
    let path = staging::beside(&target, WHAT);
    let folder = staging::open(&path, &target, output)?;
    let progress = Progress::new(output, Lines::None);
    output.note(&format!("connecting to {}", url.place()));
    let quiet = output.is_quiet();
    let told = move |text: &str| super::tell(quiet, text);
    let download = Download {
        url: url.clone(),
        folder: &folder,
        twice: args.twice,
        patience: Patience::watching(interrupt, told),
        interrupt,
        work: common::work(interrupt, &progress),
    };
    let result = download.run();
    progress.end();
    let came = result.map_err(|error| staging::left(error, &folder))?;
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
        let made = NewBackup {
            manifest: &report.manifest,
            digest: report.manifest_sha256.as_deref().unwrap_or_default(),
            changed: false,
            output: &args.folder.display().to_string(),
            kept: Some(came.kept.len()),
        };
        return Ok(made.tell_origin("fetch", output));
    }
    drop(download);
    drop(folder);
    let lines = Lines::of(args.verbose);
    let made = staging::import(&path, &args.folder, layout, lines, interrupt, output)?;
    Ok(made.made().tell_origin("fetch", output))
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
    // What came in this run was digested as it came, and is on the medium.
    let mut digests = came.digests.clone();
    let prove = |digests: &Came| {
        let known = |image: &Image| digests.get(&image.file).cloned();
        verify_but(folder, None, &known, &work)
    };
    let mut report = prove(&digests)?;
    if !common::problems(&report).is_empty() && !came.kept.is_empty() {
        // What an earlier run left may be of another day.
        for name in &came.kept {
            digests.extend(download.again(name)?);
        }
        report = prove(&digests)?;
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
    fs::rename(staging::beside(target, WHAT), target).map_err(cannot)?;
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
