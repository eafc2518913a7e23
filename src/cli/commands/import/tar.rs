//! `mtdkeep import` of a backup's tar.

use super::{Args, Body};
use crate::cli::Exit;
use crate::cli::common::{self, folder, partitions};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use mtdkeep::backup::{
    self, BackupError, Destination as _, Failure, Finding, Folder, Meaning, Report, TarFolder, size,
};
use mtdkeep::capture::ImportError;
use mtdkeep::mtd::total_bytes;
use std::sync::atomic::AtomicBool;

pub(super) fn run(
    archive: &TarFolder,
    args: &Args,
    interrupt: &AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let for_files = args.captured.len() > 1 || !args.maps.is_empty() || args.undo_crlf;
    if args.layout.is_some() || for_files {
        return Err(CliError::Other {
            exit: Exit::Usage,
            message: "a backup's tar has its layout and its files' names in its manifest".into(),
            help: Some("leave --layout, --map, --also and --undo-crlf away".into()),
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
    let (unpacked, made) = result?;
    let Some(made) = made else {
        return Err(not_right(&unpacked.report));
    };
    folder::warn_of_no_lock(&made, output);
    Ok(tell(&unpacked.report, &made, output))
}

fn not_right(report: &Report) -> CliError {
    let decides = |finding: &&Finding| {
        matches!(
            finding.kind.meaning(),
            Meaning::Differs | Meaning::Unchecked
        )
    };
    let findings = report.findings.iter().filter(decides);
    let problems = findings.flat_map(|finding| finding.lines(false)).collect();
    CliError::Import(ImportError::Wrong { problems })
}

fn tell(report: &Report, folder: &Folder, output: &Output) -> Exit {
    let manifest = &report.manifest;
    let (exit, outcome) = match manifest.is_partial() {
        true => (Exit::Partial, "partial"),
        false => (Exit::Done, "done"),
    };
    let total = total_bytes(manifest.images.iter().map(|image| image.size_bytes));
    let mut line = format!(
        "{}, {}, imported into {}, as the archive has them",
        partitions(manifest.images.len()),
        size(total),
        folder.describe()
    );
    if exit == Exit::Partial {
        let missing = manifest.missing_partitions().count();
        line += &format!("; partial: {} missing", partitions(missing));
    }
    output.sentence(&line);
    let digest = report.manifest_sha256.clone().unwrap_or_default();
    output.line(&format!("backup digest: {digest}"));
    let body = Body {
        outcome,
        output: folder.describe(),
        manifest_sha256: &digest,
        manifest,
    };
    output.document("import", exit, &body);
    exit
}
