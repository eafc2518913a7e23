//! What the program prints with `--json`, and the manifest, held against their
//! schemas in `docs`.

use crate::cli::support::{mtdkeep, program};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A schema of `docs`, by its file's name; none: that of the output.
fn schema(name: &str) -> Value {
    let text = match name {
        "manifest.schema.json" => include_str!("../../../docs/manifest.schema.json"),
        _ => include_str!("../../../docs/output.schema.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// Holds a value against a schema of `docs`.
pub(crate) fn conforms(value: &Value, name: &str) -> Result<(), String> {
    let root = schema(name);
    Check { root: &root }.value(value, &root, name)
}

/// As much of JSON Schema as ours need. A property that the schema does not know is
/// an error here, so that schema and program cannot drift apart, and so is a word of
/// a schema that nothing here checks.
struct Check<'a> {
    root: &'a Value,
}

impl Check<'_> {
    fn value(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        for (word, rule) in schema.as_object().unwrap() {
            self.rule(value, schema, (word, rule), at)?;
        }
        Ok(())
    }

    fn rule(
        &self,
        value: &Value,
        schema: &Value,
        (word, rule): (&str, &Value),
        at: &str,
    ) -> Result<(), String> {
        let list = || rule.as_array().unwrap().iter();
        let wrong = |holds: bool| match holds {
            true => Ok(()),
            false => Err(format!("{at} is {value}; {word}: {rule}")),
        };
        match word {
            "$ref" => self.reference(value, rule.as_str().unwrap(), at),
            "const" => wrong(value == rule),
            "enum" => wrong(list().any(|allowed| allowed == value)),
            "type" => wrong(
                *rule == kind(value)
                    || rule
                        .as_array()
                        .is_some_and(|kinds| kinds.contains(&kind(value).into())),
            ),
            "minimum" => wrong(value.is_null() || value.as_u64() >= rule.as_u64()),
            "maximum" => wrong(value.is_null() || value.as_u64() <= rule.as_u64()),
            "pattern" => wrong(
                value
                    .as_str()
                    .is_some_and(|text| matches(rule.as_str().unwrap(), text)),
            ),
            "required" => match list().find(|name| value.get(name.as_str().unwrap()).is_none()) {
                Some(name) => Err(format!("{at} lacks {name}")),
                None => Ok(()),
            },
            "properties" => {
                let mut all = value.as_object().into_iter().flatten();
                all.try_for_each(|(name, inner)| match rule.get(name) {
                    Some(known) => self.value(inner, known, &format!("{at}.{name}")),
                    None => Err(format!("{at}.{name} is not in the schema")),
                })
            }
            "items" => {
                let mut all = value.as_array().into_iter().flatten();
                all.try_for_each(|item| self.value(item, rule, &format!("{at}[]")))
            }
            "anyOf" => wrong(list().any(|one| self.value(value, one, at).is_ok())),
            "oneOf" => {
                let tried: Vec<_> = list().map(|one| self.value(value, one, at)).collect();
                match tried.iter().filter(|tried| tried.is_ok()).count() {
                    1 => Ok(()),
                    count => Err(format!("{count} of {word} fit: {tried:#?}")),
                }
            }
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => Ok(()),
            _ => panic!("{schema} has {word}, which nothing checks"),
        }
    }

    fn reference(&self, value: &Value, to: &str, at: &str) -> Result<(), String> {
        let (file, place) = to.split_once('#').unwrap_or((to, ""));
        let other = (!file.is_empty()).then(|| schema(file));
        let root = other.as_ref().unwrap_or(self.root);
        let target = root.pointer(place).unwrap_or_else(|| panic!("{to}"));
        Check { root }.value(value, target, at)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The few patterns that our schemas have.
fn matches(pattern: &str, text: &str) -> bool {
    let digits = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| b"0123456789abcdef".contains(&b))
    };
    match pattern {
        "^[0-9a-f]{64}$" => digits(text, 64),
        "^[0-9a-f]{8}$" => digits(text, 8),
        r"^1\.[0-9]+$" => text
            .strip_prefix("1.")
            .is_some_and(|n| n.parse::<u8>().is_ok()),
        r"^mtd(0|[1-9][0-9]{0,5})\.bin$" => {
            let number = text
                .strip_prefix("mtd")
                .and_then(|t| t.strip_suffix(".bin"));
            number.is_some_and(|n| n.parse::<u32>().is_ok_and(|parsed| parsed.to_string() == n))
        }
        _ => panic!("a pattern that nothing checks: {pattern}"),
    }
}

#[test]
fn a_manifest_keeps_to_its_schema() {
    let outer = tempfile::tempdir().unwrap();
    let words = "backup --simulate --read-again -p rootfs -p ver_1 \
                 --faults read-error@0x1a0010 -o b";
    let words = words.split_whitespace();
    mtdkeep().current_dir(&outer).args(words).assert().code(3);
    let text = fs::read_to_string(outer.path().join("b/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    conforms(&manifest, "manifest.schema.json").unwrap();
    // The little validator can fail.
    for (place, value) in [
        ("/images/0/sha256", json!(5)),
        ("/images/0/sha256", json!("ABC")),
        ("/images/0/file", json!("mtd01.bin")),
        ("/format", json!("another")),
        ("/layout/0/mtd", json!(524_288)),
        ("/device", json!({})),
        ("/device/more", json!(1)),
    ] {
        let mut wrong = manifest.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        match wrong.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
            other => other[key] = value,
        }
        let caught = conforms(&wrong, "manifest.schema.json");
        assert!(caught.is_err(), "{place}");
    }
}

/// Runs `mtdkeep LINE --json` and holds what it prints against the schema.
fn run(folder: &Path, line: &str) -> (i32, Value) {
    let words = line.split_whitespace().chain(["--json"]);
    let output = mtdkeep().current_dir(folder).args(words).output().unwrap();
    let code = output.status.code().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{line}: {error}: {output:?}"));
    conforms(&document, "output.schema.json").unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(document["exit_code"], code, "{line}");
    (code, document)
}

/// What stands in the folder where the lines below run.
fn furnished() -> tempfile::TempDir {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let quiet = |line: &str, code| {
        let words = line.split_whitespace();
        mtdkeep()
            .current_dir(&outer)
            .args(words)
            .arg("-q")
            .assert()
            .code(code);
    };
    for (name, code, more) in [
        ("good", 0, ""),
        ("torn", 0, ""),
        ("bare", 0, ""),
        ("partial", 3, "--faults read-error@0x40000"),
        ("flipped", 0, ""),
    ] {
        quiet(
            &format!("backup --simulate -p linux -p param -o {name} {more}"),
            code,
        );
    }
    let image = at("flipped/mtd1.bin");
    let mut bytes = fs::read(&image).unwrap();
    bytes[7] ^= 1;
    fs::write(&image, bytes).unwrap();
    fs::write(at("torn/manifest.json"), "{").unwrap();
    fs::write(at("bare/manifest.json"), "{").unwrap();
    fs::remove_file(at("bare/index.html")).unwrap();
    fs::write(at("good/.DS_Store"), "").unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("captured")).unwrap();
    fs::copy(at("good/mtd1.bin"), at("captured/mtd0.bin")).unwrap();
    let size = fs::metadata(at("good/mtd1.bin")).unwrap().len();
    let table = format!("dev:    size   erasesize  name\nmtd0: {size:08x} 00020000 \"param\"\n");
    fs::write(at("table"), table).unwrap();
    fs::write(at("two"), "dev:    size   erasesize  name\nmtd0: 00000800 00000400 \"a\"\nmtd1: 00000800 00000400 \"b\"\n").unwrap();
    fs::write(at("dump"), [0xff; 0x1000]).unwrap();
    fs::write(
        at("log"),
        "Creating 2 MTD partitions on \"n\":\n0x400-0xc00 : \"a\"\n0x800-0x1000 : \"b\"\n",
    )
    .unwrap();
    quiet(
        "backup --image dump --simulate=two --layout log -o whole",
        0,
    );
    fs::create_dir_all(at("root/proc")).unwrap();
    fs::copy(at("table"), at("root/proc/mtd")).unwrap();
    outer
}

/// A line of each command with each outcome that can be had at will: exit code, and
/// the word for it (an error's kind, or the outcome).
const LINES: &[(&str, i32, &str)] = &[
    ("list --simulate", 0, ""),
    ("list --simulate=two", 0, ""),
    ("list --root root", 0, ""),
    ("list --root empty", 4, "no_mtd"),
    ("list --nonsense", 2, "usage"),
    ("list --simulate=nosuch", 4, "io"),
    ("backup --simulate -p param -o new", 0, "done"),
    (
        "backup --simulate -p param -o new --faults read-error@0x40000",
        3,
        "partial",
    ),
    ("backup --simulate -p nosuch -o new", 2, "bad_selection"),
    ("backup --simulate -p param -o good", 5, "refused"),
    ("backup --simulate -o table", 4, "folder"),
    ("backup --simulate=two --image dump -o new", 5, "refused"),
    ("backup --root root -o new", 4, "nothing_readable"),
    ("verify good", 0, "good"),
    ("verify good --device --simulate", 0, "good"),
    ("verify good --device --simulate --seed 2", 1, "differs"),
    ("verify good --digest 0123456789abcdef", 1, "differs"),
    ("verify flipped", 1, "differs"),
    ("verify torn", 1, "differs"),
    ("verify partial", 3, "partial"),
    ("verify nosuch", 4, "folder"),
    ("restore good --simulate", 0, "same"),
    ("restore good --simulate --seed 2", 5, "refused"),
    (
        "restore good --simulate --seed 2 -p linux --other-device -n",
        0,
        "planned",
    ),
    (
        "restore good --simulate --seed 2 -p linux --other-device",
        5,
        "refused",
    ),
    (
        "restore good --simulate --seed 2 -p linux --other-device --yes",
        0,
        "done",
    ),
    (
        "restore good --simulate --seed 2 --other-device --yes",
        3,
        "partial",
    ),
    ("restore good --simulate -p nosuch", 2, "bad_selection"),
    ("restore good --simulate --plan x", 2, "usage"),
    ("restore flipped --simulate", 5, "refused"),
    ("restore nosuch --simulate", 4, "folder"),
    (
        "restore good --simulate --seed 2 -p linux --other-device --yes --faults program-error@0x80000",
        6,
        "changed",
    ),
    ("verify empty", 4, "no_backup"),
    ("verify good --device --root root", 1, "differs"),
    ("repair good", 0, "good"),
    ("repair torn", 0, "good"),
    ("repair bare --device --simulate", 3, "partial"),
    ("repair flipped", 1, "differs"),
    ("repair empty", 5, "refused"),
    ("serve --clean", 2, "usage"),
    ("serve empty", 4, "no_backup"),
    ("clean good", 0, ""),
    ("clean good --dry-run", 0, ""),
    ("clean captured", 5, "refused"),
    ("clean partial", 0, ""),
    ("nodes --simulate", 0, ""),
    ("nodes --simulate --create", 5, "refused"),
    ("nodes --root root", 0, ""),
    ("image --simulate -o new.bin", 0, ""),
    ("image --simulate -o table", 5, "refused"),
    ("image --from good -o new.bin", 3, "partial"),
    ("image --from good --layout log -o new.bin", 5, "refused"),
    ("image --from whole -o new.bin", 5, "refused"),
    ("image --from whole --fill -o new.bin", 0, ""),
    ("list --image dump --simulate=log", 0, ""),
    ("list --image dump --simulate=log --layout", 2, "usage"),
    (
        "backup --image dump --simulate=two --layout log -o new",
        0,
        "done",
    ),
    ("image -o new.bin", 2, "usage"),
    ("script", 0, ""),
    ("script --output-dir relative", 2, "usage"),
    ("import captured --layout table", 0, "done"),
    ("import captured", 2, "needs_layout"),
    ("import captured --layout two", 1, "differs"),
    ("import empty", 4, "no_capture"),
    ("import good", 5, "is_backup"),
    ("sandbox", 2, "usage"),
    ("man", 2, "usage"),
    ("completions bash", 2, "usage"),
    ("nonsense", 2, "usage"),
    ("", 2, "usage"),
];

#[test]
fn every_document_keeps_to_the_schema() {
    let furnished = furnished();
    for (line, code, word) in LINES {
        // Some lines change what is there.
        let outer = tempfile::tempdir().unwrap();
        copy(furnished.path(), outer.path());
        let (exit, document) = run(outer.path(), line);
        let said = document["error"]["kind"].as_str();
        let said = said.or(document["outcome"].as_str()).unwrap_or("");
        assert_eq!(
            (exit, said),
            (*code, *word),
            "{line}: {}",
            document["error"]
        );
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn an_interrupted_one_too() {
    let outer = tempfile::tempdir().unwrap();
    // So large that the signal always comes in the middle.
    let table = "dev:    size   erasesize  name\nmtd0: 10000000 00020000 \"large\"\n";
    fs::write(outer.path().join("table"), table).unwrap();
    let mut command = program();
    command
        .current_dir(&outer)
        .stdout(std::process::Stdio::piped());
    let words = ["backup", "--simulate=table", "-o", "b", "--json"];
    command.stderr(std::process::Stdio::null());
    let mut child = command.args(words).spawn().unwrap();
    while !outer.path().join("b/mtd0.bin.part").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "no image was begun");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    conforms(&document, "output.schema.json").unwrap();
    assert_eq!(document["exit_code"], 143);
    assert_eq!(document["error"]["kind"], "interrupted");
}

/// All words in quotation marks that look like a kind.
fn quoted(source: &str) -> BTreeSet<&str> {
    let is_kind = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    source
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(is_kind)
        .collect()
}

fn words_at<'a>(schema: &'a Value, place: &str) -> BTreeSet<&'a str> {
    let words = schema.pointer(place).unwrap().as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

/// The schema has the kinds that the source has, no more and no less.
#[test]
fn the_schema_has_every_kind() {
    let schema = schema("output.schema.json");
    let source = include_str!("../../../src/cli/error.rs");
    let between = |from: &str, to: &str| {
        let (_, rest) = source.split_once(from).unwrap();
        rest.split_once(to).unwrap().0
    };
    let mut kinds = quoted(between("fn kind(&self)", "fn message(&self)"));
    kinds.extend(quoted(between("fn backup_kind(", "impl From<")));
    // From `cfg(feature = "full")`.
    kinds.remove("full");
    assert!(kinds.len() > 20, "{kinds:?}");
    let known = words_at(
        &schema,
        "/$defs/error/properties/error/properties/kind/enum",
    );
    assert_eq!(kinds, known);
    let source = include_str!("../../../src/backup/report/kind.rs");
    let (_, table) = source.split_once("fn row(self)").unwrap();
    let known = words_at(&schema, "/$defs/finding/properties/kind/enum");
    assert_eq!(quoted(table), known);
}
