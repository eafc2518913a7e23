//! The plan of the house in figures: for each crate its files and lines, what is
//! public, which folders name modules of which others, and what goes round.
//!
//!     cargo run --example plan [FOLDER]      a checkout; this one if none is named
//!
//! To compare with an earlier state: `git worktree add ../before COMMIT` and
//! `cargo run --example plan ../before`.
//!
//! Counted are Rust files below each crate's `src`, without those named `tests`; lines
//! as they lie there; as public every item and field that begins with a bare `pub`, and
//! beside it how many of those are below `#[doc(hidden)]`: no promise. A crossing is a
//! module that names a module of another folder of the crate.

#[path = "../tests/suite/style/modules.rs"]
mod modules;

use modules::{Module, Named};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::args().nth(1).unwrap_or_else(|| ".".into()));
    let mut paths = Vec::new();
    files(&root, &mut paths)?;
    let mut sources = Vec::new();
    for path in paths.iter().filter(|path| ends_in(path, "rs")) {
        let below = path.strip_prefix(&root).unwrap_or(path);
        sources.push((
            below.to_string_lossy().into_owned(),
            fs::read_to_string(path)?,
        ));
    }
    let manifests = paths.iter().filter(|path| path.ends_with("Cargo.toml"));
    for manifest in manifests {
        let folder = manifest.parent().unwrap_or(&root).join("src");
        let folder = folder.strip_prefix(&root).unwrap_or(&folder);
        let of_crate = crate_name(&fs::read_to_string(manifest)?);
        show(&folder.to_string_lossy(), &of_crate, &sources);
    }
    let tests = sources.iter().filter(|(path, _)| is_test(path));
    let (count, lines) = sum(tests);
    println!("tests, benches, examples and tools: {count} files, {lines} lines");
    Ok(())
}

fn ends_in(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|end| end == extension)
}

/// All files below a folder, without build results and the history.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".git") {
                files(&path, found)?;
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The name that a crate's code has for it.
fn crate_name(manifest: &str) -> String {
    let mut names = manifest.lines().filter_map(|l| l.strip_prefix("name = \""));
    let name = names.next().unwrap_or_default();
    name.trim_end_matches('"').replace('-', "_")
}

/// Whether a file is for tests or measurements, or one to copy from.
fn is_test(path: &str) -> bool {
    let apart = ["tests", "tests.rs", "benches", "examples", "tools", "fuzz"];
    path.split('/').any(|part| apart.contains(&part))
}

fn sum<'a>(sources: impl Iterator<Item = &'a (String, String)>) -> (usize, usize) {
    sources.fold((0, 0), |(count, lines), (_, text)| {
        (count + 1, lines + text.lines().count())
    })
}

fn show(folder: &str, crate_name: &str, all: &[(String, String)]) {
    let prefix = format!("{folder}/");
    let of_crate = |(path, _): &&(String, String)| path.starts_with(&prefix) && !is_test(path);
    let sources: Vec<_> = all.iter().filter(of_crate).cloned().collect();
    if sources.is_empty() {
        return;
    }
    let named = modules::named(folder, crate_name, &sources);
    let circles = modules::circles(&named);
    let (count, lines) = sum(sources.iter());
    let longest = sources.iter().map(|(_, text)| text.lines().count()).max();
    let hidden = hidden_modules(folder, &sources);
    let (mut public, mut unpromised) = (0, 0);
    for (path, text) in &sources {
        let here = public_items(text);
        public += here;
        let module = path[prefix.len()..].split(['/', '.']).next();
        if module.is_some_and(|module| hidden.iter().any(|one| one == module)) {
            unpromised += here;
        }
    }
    println!(
        "{folder}: {count} files, {lines} lines, the longest {}",
        longest.unwrap_or(0)
    );
    println!("  public: {public}, of which {unpromised} hidden");
    println!("  circles: {}", circles.len());
    for circle in &circles {
        println!("    {}: {}", circle.len(), circle.join(" "));
    }
    let crossings = crossings(&named);
    println!("  crossings: {}", crossings.values().sum::<usize>());
    for ((from, to), count) in &crossings {
        println!("    {from} -> {to}: {count}");
    }
}

/// Modules of the crate's root that are there for the program alone.
fn hidden_modules(folder: &str, sources: &[(String, String)]) -> Vec<String> {
    let root = sources
        .iter()
        .find(|(path, _)| *path == format!("{folder}/lib.rs"));
    let lines: Vec<&str> = root.map_or(Vec::new(), |(_, text)| text.lines().collect());
    let is_hidden = |pair: &&[&str]| pair[0].starts_with("#[doc(hidden)]");
    let pairs = lines.windows(2).filter(is_hidden);
    let names = pairs.filter_map(|pair| pair[1].strip_prefix("pub mod "));
    names
        .map(|name| name.trim_end_matches(';').into())
        .collect()
}

fn public_items(text: &str) -> usize {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = code.lines().map(str::trim_start);
    lines.filter(|line| line.starts_with("pub ")).count()
}

/// How many modules of one folder name how many of another; what lies in the crate's
/// root counts for itself.
fn crossings(named: &Named) -> BTreeMap<(String, String), usize> {
    let top = |module: &Module| module.first().cloned().unwrap_or_default();
    let mut found = BTreeMap::new();
    for (from, others) in named.iter().filter(|(from, _)| !from.is_empty()) {
        for to in others.iter().filter(|to| top(to) != top(from)) {
            *found.entry((top(from), top(to))).or_default() += 1;
        }
    }
    found
}
