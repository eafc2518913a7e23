//! Some thousand system calls on paths, made outside a sandbox, inside it on the
//! host's files, and inside it in a mapped folder: the answers, and what is there
//! afterwards, are the same line by line.
//!
//! A simulated node is compared with a node of the host's (the `full` device's
//! numbers), which takes root to make; without it there are none.

use crate::calls::{HERE, call, changes, looks};
use crate::support::bench_with;
use std::ffi::CString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the calls are made on.
const SUBJECTS: [&str; 22] = [
    "file",
    "folder",
    "empty",
    "link",
    "to_folder",
    "dangling",
    "loop",
    "fifo",
    "node",
    "missing",
    "file/x",
    "folder/in",
    "folder/",
    "file/",
    "link/",
    "node/",
    "node/x",
    "empty/.",
    "file/.",
    "node/.",
    "empty/../file",
    "missing/../file",
];

/// What something is renamed or linked to.
const TARGETS: [&str; 6] = ["new", "file", "empty", "node", "dangling", "missing/new"];

const LINKS: [(&str, &str); 4] = [
    ("file", "link"),
    ("folder", "to_folder"),
    ("nowhere", "dangling"),
    ("loop", "loop"),
];

struct Probe {
    folder: PathBuf,
    is_absolute: bool,
    /// The number of the node; none: it cannot be made.
    node: Option<u64>,
    told: String,
}

impl Probe {
    fn path(&self, name: &str) -> CString {
        let text = match self.is_absolute {
            true => {
                self.folder
                    .join("x")
                    .display()
                    .to_string()
                    .replace("/x", "/")
                    + name
            }
            false => name.to_owned(),
        };
        CString::new(text).unwrap()
    }

    fn tell(&mut self, what: &str, subject: &str, answer: i64) {
        writeln!(self.told, "{what} {subject} = {answer}").unwrap();
    }

    /// Makes the tree anew.
    fn prepare(&self) {
        for entry in std::fs::read_dir(".").unwrap().flatten() {
            let path = entry.path();
            if !entry.file_type().unwrap().is_dir() {
                std::fs::remove_file(path).unwrap();
                continue;
            }
            // A call may have closed it to its owner.
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(&path, open).unwrap();
            std::fs::remove_dir_all(path).unwrap();
        }
        for folder in ["folder", "empty"] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write("file", "text\n").unwrap();
        std::fs::write("folder/in", "in\n").unwrap();
        for (target, name) in LINKS {
            std::os::unix::fs::symlink(target, name).unwrap();
        }
        let mode = i64::from(libc::S_IFIFO | 0o644);
        let made = call(
            libc::SYS_mknodat,
            [HERE, c"fifo".as_ptr() as i64, mode, 0, 0],
        );
        assert_eq!(made, 0);
        if let Some(device) = self.node {
            let mode = i64::from(libc::S_IFCHR | 0o600);
            let made = call(
                libc::SYS_mknodat,
                [HERE, c"node".as_ptr() as i64, mode, device as i64, 0],
            );
            assert_eq!(made, 0);
        }
    }

    /// What is in the folder: kind, mode, links.
    fn tree(&self) -> String {
        use std::os::unix::fs::MetadataExt;
        let mut lines = Vec::new();
        for folder in [".", "folder", "empty"] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                // A folder that a call closed tells of its names alone.
                let Ok(about) = entry.path().symlink_metadata() else {
                    continue;
                };
                let size = if about.is_file() { about.size() } else { 0 };
                let (mode, links) = (about.mode(), about.nlink());
                lines.push(format!(
                    "{}:{mode:o}:{links}:{size}",
                    entry.path().display()
                ));
            }
        }
        lines.sort();
        lines.join(" ")
    }
}

/// Calls on an old and a new path: by number and flags.
const MOVES: [(&str, libc::c_long, i64); 9] = [
    ("rename", libc::SYS_renameat2, 0),
    ("rename-noreplace", libc::SYS_renameat2, 1),
    ("rename-exchange", libc::SYS_renameat2, 2),
    ("rename-both", libc::SYS_renameat2, 3),
    ("rename-nonsense", libc::SYS_renameat2, 8),
    ("link", libc::SYS_linkat, 0),
    ("link-follow", libc::SYS_linkat, 0x400),
    ("link-nonsense", libc::SYS_linkat, 1),
    ("link-empty", libc::SYS_linkat, 0x1000),
];

fn probe(folder: &Path, is_absolute: bool, node: Option<u64>) -> String {
    let told = String::new();
    let folder = folder.to_owned();
    let mut probe = Probe {
        folder,
        is_absolute,
        node,
        told,
    };
    let subjects = || {
        SUBJECTS
            .iter()
            .filter(|name| node.is_some() || !name.starts_with("node"))
    };
    probe.prepare();
    for (name, look) in looks() {
        for subject in subjects() {
            let path = probe.path(subject);
            probe.tell(&name, subject, look(path.as_ptr() as i64));
        }
    }
    for (name, change) in changes() {
        for subject in subjects() {
            probe.prepare();
            let path = probe.path(subject);
            probe.tell(&name, subject, change(path.as_ptr() as i64));
            let tree = probe.tree();
            writeln!(probe.told, "    {tree}").unwrap();
        }
    }
    for (name, number, flags) in MOVES {
        // Of two errors of a node that is taken for a folder, another comes first.
        for subject in subjects().filter(|name| !name.starts_with("node/")) {
            for target in TARGETS
                .iter()
                .filter(|name| node.is_some() || **name != "node")
            {
                probe.prepare();
                let (old, new) = (probe.path(subject), probe.path(target));
                let (old, new) = (old.as_ptr() as i64, new.as_ptr() as i64);
                let answer = call(number, [HERE, old, HERE, new, flags]);
                probe.tell(name, &format!("{subject} {target}"), answer);
                let tree = probe.tree();
                writeln!(probe.told, "    {tree}").unwrap();
            }
        }
    }
    probe.told
}

/// Makes the calls in the working folder, and writes down the answers.
#[test]
#[ignore = "started in and out of a sandbox by answers_are_the_same"]
fn calls() {
    // It removes what is in the working folder.
    let answers = std::env::var("PROBE_ANSWERS").expect("started by answers_are_the_same");
    let given = |name: &str| std::env::var(name).unwrap_or_default();
    let folder = std::env::current_dir().unwrap();
    let told = probe(
        &folder,
        given("PROBE_ABSOLUTE") == "1",
        given("PROBE_NODE").parse().ok(),
    );
    std::fs::write(answers, told).unwrap();
}

fn command(folder: &Path, is_absolute: bool, node: Option<u64>, answers: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "probe::calls", "--quiet"])
        .current_dir(folder)
        .env("PROBE_ABSOLUTE", if is_absolute { "1" } else { "0" })
        .env(
            "PROBE_NODE",
            node.map_or_else(String::new, |node| node.to_string()),
        )
        .env("PROBE_ANSWERS", answers)
        .stdout(std::process::Stdio::null());
    command
}

fn can_make_nodes(folder: &Path) -> bool {
    let path = CString::new(folder.join("node").to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 7)) == 0 }
}

#[test]
fn answers_are_the_same() {
    compare(false);
}

#[test]
#[ignore = "needs some seconds more"]
fn answers_by_absolute_paths_are_the_same() {
    compare(true);
}

fn compare(is_absolute: bool) {
    let answers = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let has_nodes = can_make_nodes(folder.path());
    let node = |major, minor| has_nodes.then(|| libc::makedev(major, minor));
    let expected = answers.path().join("outside");
    let status = command(folder.path(), is_absolute, node(1, 7), &expected).status();
    assert!(status.unwrap().success());
    let expected = std::fs::read_to_string(expected).unwrap();
    assert!(expected.lines().count() > 2000);
    let host = tempfile::tempdir().unwrap();
    let mapped = tempfile::tempdir().unwrap();
    let seen = Path::new("/mnt/mtdkeep-probe");
    let bench = bench_with(|builder| builder.map(seen, mapped.path()));
    let (mut found, mut is_same) = (Vec::new(), true);
    for (name, folder) in [("host", host.path()), ("mapped", seen)] {
        let told = answers.path().join(name);
        let mut inside = Command::new("sh");
        let started = command(Path::new("/"), is_absolute, node(90, 2), &told);
        inside.args([
            "-c",
            &format!("cd {} && exec \"$@\"", folder.display()),
            "sh",
        ]);
        inside.arg(started.get_program()).args(started.get_args());
        inside.envs(
            started
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let outcome = bench
            .sandbox
            .run(inside.stdout(std::process::Stdio::null()))
            .unwrap();
        assert!(outcome.status.success(), "{name}: {:?}", outcome.warnings);
        let told = std::fs::read_to_string(told).unwrap();
        let differ: Vec<String> = expected
            .lines()
            .zip(told.lines())
            .scan("", |call, (expected, told)| {
                if !expected.starts_with(' ') {
                    *call = expected;
                }
                Some((*call, expected, told))
            })
            .filter(|(_, expected, told)| expected != told)
            .map(|(call, expected, told)| format!("{call}\n  out: {expected}\n  in:  {told}"))
            .collect();
        found.push(format!(
            "{name}: {} differ\n{}",
            differ.len(),
            differ.join("\n")
        ));
        is_same &= differ.is_empty();
        assert_eq!(expected.lines().count(), told.lines().count());
    }
    assert!(is_same, "{}", found.join("\n"));
}
