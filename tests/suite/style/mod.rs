//! Style as a test: how long files and functions may be, which modules may lean on
//! each other, and that no path of somebody's machine got in.
//!
//! Each exception stands here with its reason. Take out what is not needed any more;
//! a circle may shrink within its entry, not grow.

mod documents;
mod modules;

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, at most.
const FILE_LINES: usize = 450;
/// Lines of a function from `fn` to its brace, at most.
const FUNCTION_LINES: usize = 70;

/// Modules of a circle, at most.
const CIRCLE_MODULES: usize = 3;

/// File, function, reason.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[(
    "src/backup/report/kind.rs",
    "row",
    "a table: a row for each finding",
)];
/// File, reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// The crates' sources: folder, and sets of modules that form a circle, with reason.
/// A circle shall join modules of one folder, three at most. A file and the parts that
/// it is cut into (`x.rs` and `x/…`) may be one without standing here: the file calls its
/// parts, and they work on its types.
const CRATES: &[(&str, &[Circle])] = &[
    (
        "src",
        &[
            (
                &["backup/contents", "backup/damage"],
                "what a folder holds is decided with what is damaged in it",
            ),
            (
                &["cli/given", "cli/spec"],
                "an entry names the function that takes what was given to its command",
            ),
        ],
    ),
    (
        "harness/src",
        &[
            (
                &["format/jffs2/check", "format/jffs2/tree"],
                "the checker has the tree walked, which reports problems to it",
            ),
            (
                &["sandbox/builder", "sandbox/run"],
                "Sandbox::builder, for the caller's sake",
            ),
            (
                &["sandbox/view/block", "sandbox/view/shadow"],
                "two halves of one folder of texts",
            ),
        ],
    ),
    ("harness/chip/src", &[]),
    ("harness/conformance/src", &[]),
    ("harness/embedded-storage/src", &[]),
    ("harness/virtual-device/src", &[]),
];

/// Modules by path, and why they lean on each other.
type Circle = (&'static [&'static str], &'static str);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the repository that is ours, with its path from there; in the
/// package these are the files of this crate alone.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{folder:?}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy();
        // Build results, the history, and backups that somebody made here.
        if matches!(&*name, "target" | ".git" | "ispot-backup") {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_path_buf());
        }
    }
}

/// Path and text of each Rust file below the repository.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(root(), &mut found);
    found.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    let text = |path: &PathBuf| fs::read_to_string(root().join(path)).unwrap();
    found
        .iter()
        .map(|path| (path.to_string_lossy().into_owned(), text(path)))
        .collect()
}

/// The functions of a file with how many lines each has, by rustfmt's indentation.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some((before, after)) = code.split_once("fn ") else {
            continue;
        };
        let plain = |word: &str| {
            let known = ["const", "async", "unsafe", "extern", "\"C\""];
            word.starts_with("pub") || known.contains(&word)
        };
        let in_name = |c: char| c.is_alphanumeric() || c == '_';
        let name = after.split(|c| !in_name(c)).next().unwrap_or_default();
        if name.is_empty() || !before.split_whitespace().all(plain) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let closes = |line: &&&str| {
            let rest = line.strip_prefix(indent).unwrap_or("");
            rest == "}" || (rest.starts_with(')') && rest.ends_with(';'))
        };
        let ends_at_once = line.ends_with(';') || line.ends_with('}');
        let length = match ends_at_once {
            true => 1,
            false => {
                1 + lines[start..]
                    .iter()
                    .take_while(|line| !closes(line))
                    .count()
            }
        };
        found.push((name.to_owned(), length));
    }
    found
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    let mut wrong = Vec::new();
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .collect();
    for (path, lines) in &long {
        if !LONG_FILES.iter().any(|(known, _)| known == path) {
            wrong.push(format!("{path}: {lines} lines, more than {FILE_LINES}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut wrong = Vec::new();
    let mut long = Vec::new();
    let mut count = 0;
    for (path, text) in sources() {
        for (name, lines) in functions(&text) {
            count += 1;
            if lines > FUNCTION_LINES {
                long.push((path.clone(), name, lines));
            }
        }
    }
    assert!(count > 1000, "only {count} functions were found");
    for (path, name, lines) in &long {
        let known = |(file, function, _): &&(&str, &str, &str)| file == path && function == name;
        if !LONG_FUNCTIONS.iter().any(|one| known(&one)) {
            wrong.push(format!(
                "{path}: {name} has {lines} lines, more than {FUNCTION_LINES}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the first of a circle's sorted modules is the file whose parts the others are.
fn is_file_with_parts(circle: &[String]) -> bool {
    let Some((file, parts)) = circle.split_first() else {
        return false;
    };
    let is_below = |part: &String| {
        let below = part.strip_prefix(file.as_str());
        below.is_some_and(|below| below.starts_with('/'))
    };
    parts.iter().all(is_below)
}

#[test]
fn modules_lean_on_each_other_in_no_circle_but_the_known_ones() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (folder, known) in CRATES {
        let circles = modules::circles(&modules::named(folder, "mtdkeep", &sources));
        for circle in &circles {
            let inside = |names: &[&str]| circle.iter().all(|one| names.contains(&one.as_str()));
            let is_known = known.iter().any(|(names, _)| inside(names));
            if circle.len() > CIRCLE_MODULES || !(is_known || is_file_with_parts(circle)) {
                wrong.push(format!("{folder}: a circle of {}", circle.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whoever builds elsewhere would look for it in vain.
#[test]
fn no_path_of_a_machine_is_in_a_file() {
    let mut found = Vec::new();
    files(root(), &mut found);
    let mut wrong = Vec::new();
    for path in found {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue; // not a text
        };
        for (number, line) in text.lines().enumerate() {
            // In pieces, so that this file does not hold them.
            for home in [
                concat!("/ho", "me/"),
                concat!("/Us", "ers/"),
                concat!("/wo", "rk/"),
            ] {
                let letter = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
                if line.split(home).skip(1).any(letter) {
                    wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_are_measured_to_their_brace() {
    let text =
        "fn one() {}\n\npub(crate) fn two<T>(\n    a: T,\n) -> T {\n    a\n}\nlet fnord = 1;\n";
    let found = functions(text);
    assert_eq!(found, [("one".to_owned(), 1), ("two".to_owned(), 5)]);
}
