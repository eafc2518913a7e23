//! The manual pages: clap_mangen's sections, and those that it has not.

use super::clap_tree;
use super::help;
use super::spec::{ALL_EXIT_CODES, CommandSpec, Table};
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

/// When this version was released, for the foot of each page; until it is, when the
/// pages were last revised. The changelog has the same date once there is a release.
pub(crate) const RELEASED: &str = "2026-11-25";

/// Files that the manual tells of: name and meaning.
const FILES: &[(&str, &str)] = &[
    ("/proc/mtd", "The table of MTD devices."),
    (
        "/sys/class/mtd",
        "More about them, where the kernel has it (since 2.6.30).",
    ),
    (
        "/dev/mtdN, /dev/mtd/N",
        "The device nodes; they are opened for reading only.",
    ),
    (
        "/var/wwwroot/mtd_backup",
        "Where a backup goes on a device, unless --output says otherwise.",
    ),
    (
        "mtdN.bin",
        "In a backup: the image of one partition, as long as the partition.",
    ),
    (
        "manifest.json",
        "In a backup: what was backed up, and the images' digests.",
    ),
    (
        "SHA256SUMS",
        "In a backup: the same digests, for sha256sum(1).",
    ),
    ("index.html", "In a backup: a page about it."),
];

/// Commands that have to do with MTD devices or backups, and so with [`FILES`].
const WITHOUT_FILES: &[&str] = &["completions", "man"];

/// All pages: the command's name (none: the program's own).
pub(crate) fn pages(table: Table) -> impl Iterator<Item = Option<&'static CommandSpec>> {
    std::iter::once(None).chain(table.iter().map(Some))
}

/// `mtdkeep-backup`, of which the file is `mtdkeep-backup.1`.
pub(crate) fn name(command: Option<&CommandSpec>) -> String {
    command.map_or_else(
        || "mtdkeep".into(),
        |command| format!("mtdkeep-{}", command.name),
    )
}

/// The page of a command, or of the program.
///
/// # Errors
///
/// None in practice: it is written into memory.
pub(crate) fn page(table: Table, command: Option<&CommandSpec>) -> io::Result<String> {
    let tree = match command {
        None => clap_tree::program(table),
        Some(command) => clap_tree::command(command),
    };
    let version = concat!("mtdkeep ", env!("CARGO_PKG_VERSION"));
    let tree = tree.name(name(command)).version(env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(tree)
        .title(name(command).to_uppercase())
        .date(RELEASED)
        .source(version)
        .manual("mtdkeep manual");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let mut roff = Roff::new();
    if command.is_none() {
        commands(&mut roff, table);
    }
    examples(&mut roff, command);
    let codes = command.map_or(ALL_EXIT_CODES, |command| command.exit_codes);
    exit_status(&mut roff, &codes.concat());
    if command.is_none_or(|command| !WITHOUT_FILES.contains(&command.name)) {
        files(&mut roff);
    }
    see_also(&mut roff, table, command);
    roff.to_writer(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn commands(roff: &mut Roff, table: Table) {
    roff.control("SH", ["COMMANDS"]);
    for command in table {
        roff.control("TP", []);
        roff.text([bold(format!("mtdkeep-{}(1)", command.name))]);
        roff.text([roman(command.about)]);
    }
}

fn examples(roff: &mut Roff, command: Option<&CommandSpec>) {
    roff.control("SH", ["EXAMPLES"]);
    let text = command.map_or_else(help::program_examples, help::examples);
    roff.control("nf", []);
    roff.control("RS", []);
    for line in text.lines() {
        roff.text([roman(line.trim_start())]);
    }
    roff.control("RE", []);
    roff.control("fi", []);
}

/// The table of exit codes, each below its number. Its lines are indented, and begin
/// with the number, or continue the sentence above the numbers.
fn exit_status(roff: &mut Roff, table: &str) {
    roff.control("SH", ["EXIT STATUS"]);
    for line in table.lines().skip(1) {
        match line.trim_start().split_once("  ") {
            Some((number, meaning)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                roff.control("TP", []);
                roff.text([bold(number)]);
                roff.text([roman(meaning.trim_start())]);
            }
            _ => {
                roff.text([roman(line.trim_start())]);
            }
        }
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    for (name, meaning) in FILES {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*meaning)]);
    }
}

fn see_also(roff: &mut Roff, table: Table, command: Option<&CommandSpec>) {
    let own = pages(table).filter(|page| page.map(|it| it.name) != command.map(|it| it.name));
    let mut all: Vec<String> = own.map(|page| format!("{}(1)", name(page))).collect();
    all.extend(["nanddump(1)".into(), "sha256sum(1)".into()]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(all.join(", "))]);
}
