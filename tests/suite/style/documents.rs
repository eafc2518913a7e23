//! What documents point to is there: files, and headings of other documents.

use super::{files, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders whose paths documents write between backticks, from the root on.
const FOLDERS: &[&str] = &[
    "benches/",
    "ci/",
    "docs/",
    "examples/",
    "fixtures/",
    "harness/",
    "src/",
    "tests/",
    "tools/",
];

/// Paths of other people's crates: document, path.
const OF_OTHERS: &[(&str, &str)] = &[
    ("docs/power-cuts.md", "src/flash.rs"),
    ("docs/power-cuts.md", "tests/common.rs"),
];

/// Every document with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(root(), &mut found);
    let is_document = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
    let text = |path: PathBuf| {
        let path = root().join(path);
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    found.into_iter().filter(is_document).map(text).collect()
}

/// The package of the crate has neither `harness` nor `ci`, to which documents point.
fn is_package() -> bool {
    !root().join("harness").exists()
}

/// What the links of a text lead to: `](…)`.
fn links(text: &str) -> Vec<&str> {
    let after = text.split("](").skip(1);
    let links = after.filter_map(|rest| Some(rest.split_once(')')?.0));
    links.filter(|link| !link.contains("://")).collect()
}

/// The headings of a document as links name them: small letters, digits and hyphens.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |line: &str| {
        let letters = line.trim_start_matches('#').trim().to_lowercase();
        let kept = letters
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// Whether a link of the document at `from` leads somewhere.
fn leads(from: &Path, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => from.to_owned(),
        file => from.parent().unwrap().join(file),
    };
    match fs::read_to_string(&target) {
        _ if anchor.is_empty() => target.exists(),
        Ok(text) => anchors(&text).contains(anchor),
        Err(_) => false,
    }
}

#[test]
fn links_lead_somewhere() {
    if is_package() {
        return;
    }
    let documents = documents();
    assert!(documents.len() > 10);
    let mut dead = Vec::new();
    for (path, text) in &documents {
        let found = links(text).into_iter().filter(|link| !leads(path, link));
        dead.extend(found.map(|link| format!("{}: {link}", path.display())));
    }
    assert!(dead.is_empty(), "{dead:#?}");
    let readme = root().join("README.md");
    for dead in ["docs/nothing.md", "#nothing", "CONTRIBUTING.md#nothing"] {
        assert!(!leads(&readme, dead), "{dead}");
    }
}

/// A path between backticks counts from the root, or, in a crate's own document, from
/// the crate.
#[test]
fn paths_in_documents_are_there() {
    if is_package() {
        return;
    }
    let mut missing = Vec::new();
    for (path, text) in documents() {
        let at = &path;
        // What is new was there when it was written.
        if path.ends_with("CHANGELOG.md") {
            continue;
        }
        let crate_of = path.ancestors().find(|a| a.join("Cargo.toml").exists());
        let is_path = |word: &&str| {
            FOLDERS.iter().any(|folder| word.starts_with(folder))
                && word
                    .chars()
                    .all(|c| c.is_alphanumeric() || "/_-.".contains(c))
                && !word.contains("NAME")
        };
        let there = |word: &&str| {
            let bases = [Some(root()), crate_of];
            let mut bases = bases.into_iter().flatten();
            bases.any(|base| base.join(word).exists())
        };
        let words = text.split('`').skip(1).step_by(2).filter(is_path);
        let is_ours = |word: &&str| {
            let mut others = OF_OTHERS.iter();
            !others.any(|(document, path)| root().join(document) == *at && path == word)
        };
        let gone = words.filter(|word| is_ours(word) && !there(word));
        missing.extend(gone.map(|word| format!("{}: {word}", path.display())));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
