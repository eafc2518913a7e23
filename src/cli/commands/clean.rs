//! `mtdkeep clean`.

use crate::backup::{self, Access, Cleaning, Entry, count, size};
use crate::cli::Exit;
use crate::cli::common::{FOLDER, folder};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OptionSpec, RESULT, Takes, option};
use serde::Serialize;
use std::path::Path;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(FOLDER),
    options: &[OPTIONS, RESULT],
    details: "\
Removes exactly what a backup made, also one of `mtdkeep script` or of the
well-known shell script (mtdN.bin and its index.html). A folder with anything
else in it is refused, and then nothing is removed; but what operating systems
leave in folders (.DS_Store, Thumbs.db, lost+found) stays, and the folder with
it.
",
    examples: &[
        "mtdkeep clean --dry-run /var/wwwroot/mtd_backup",
        "mtdkeep clean /var/wwwroot/mtd_backup",
    ],
    ..CommandSpec::new("clean", "Remove a backup's files, and nothing else", parse)
};

const OPTIONS: &[OptionSpec] = &[option(
    "dry-run",
    Takes::Nothing,
    "Only list what would be removed, with sizes",
)];

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let folder = given.operand_path();
    let dry_run = given.flag("dry-run");
    Ok(Box::new(move |output| run(&folder, dry_run, output)))
}

#[derive(Serialize)]
struct Body {
    folder: String,
    removed: Vec<String>,
    removed_bytes: u64,
    /// What an operating system left in the folder.
    left: Vec<String>,
    folder_removed: bool,
}

#[derive(Serialize)]
struct DryBody {
    folder: String,
    would_remove: Vec<File>,
    would_remove_bytes: u64,
    left: Vec<String>,
    folder_would_be_removed: bool,
}

#[derive(Serialize)]
struct File {
    file: String,
    size_bytes: u64,
}

fn run(path: &Path, dry_run: bool, output: &Output) -> Result<Exit, CliError> {
    let access = if dry_run {
        Access::Look
    } else {
        Access::Change
    };
    let folder = folder::open(path, access, output)?;
    if dry_run {
        tell_plan(&backup::plan_clean(&folder)?, path, output);
        return Ok(Exit::Done);
    }
    let cleaned = backup::clean::clean(&folder)?;
    // Only a folder that the backup made goes with it, and only if it is empty.
    let folder_removed = cleaned.takes_folder() && folder.remove_if_empty();
    output.sentence(&format!(
        "{} removed, {}, {} {}",
        count(cleaned.files.len() as u64, "file"),
        size(cleaned.bytes()),
        if folder_removed {
            "and the folder"
        } else {
            "from"
        },
        path.display()
    ));
    tell_litter(&cleaned.left, path, output);
    let body = Body {
        folder: path.display().to_string(),
        removed_bytes: cleaned.bytes(),
        left: names(&cleaned.left),
        removed: names(&cleaned.files),
        folder_removed,
    };
    output.document("clean", Exit::Done, &body);
    Ok(Exit::Done)
}

fn tell_plan(plan: &Cleaning, path: &Path, output: &Output) {
    for entry in &plan.files {
        let bytes = size(entry.size_bytes.unwrap_or(0));
        output.line(&format!("{bytes:>13}  {}", entry.name));
    }
    output.sentence(&format!(
        "{}, {}, would be removed {} {}; nothing was changed",
        count(plan.files.len() as u64, "file"),
        size(plan.bytes()),
        if plan.takes_folder() {
            "with the folder"
        } else {
            "from"
        },
        path.display()
    ));
    tell_litter(&plan.left, path, output);
    let file = |entry: &Entry| File {
        file: entry.name.clone(),
        size_bytes: entry.size_bytes.unwrap_or(0),
    };
    let body = DryBody {
        folder: path.display().to_string(),
        would_remove: plan.files.iter().map(file).collect(),
        would_remove_bytes: plan.bytes(),
        left: names(&plan.left),
        folder_would_be_removed: plan.takes_folder(),
    };
    output.document("clean", Exit::Done, &body);
}

fn tell_litter(left: &[Entry], path: &Path, output: &Output) {
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|entry| entry.name.as_str()).collect();
        output.sentence(&format!(
            "note: {} stays, with {} in it, which an operating system put there",
            path.display(),
            names.join(", ")
        ));
    }
}

fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}
