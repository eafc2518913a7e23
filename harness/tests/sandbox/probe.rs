//! Some thousand system calls on paths, made outside a sandbox, inside it on the
//! host's files, and inside it in a mapped folder: the answers, and what is there
//! afterwards, are the same line by line.
//!
//! A simulated node is compared with a node of the host's (the `full` device's
//! numbers), which takes root to make; without it there are none.

use crate::support::bench_with;
use std::ffi::CString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the calls are made on.
const SUBJECTS: [&str; 19] = [
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

const HERE: i64 = libc::AT_FDCWD as i64;

struct Probe {
    folder: PathBuf,
    is_absolute: bool,
    /// The number of the node; none: it cannot be made.
    node: Option<u64>,
    told: String,
}

/// The kernel's answer: a number, or the error's name.
fn call(number: libc::c_long, args: [i64; 5]) -> i64 {
    // SAFETY: addresses among the arguments are those of locals that live on.
    let answer =
        unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) } as i64;
    match answer {
        -1 => -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        answer => answer,
    }
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

type Look = (&'static str, fn(i64) -> i64);

fn stat(flags: i32) -> impl Fn(i64) -> i64 {
    move |path| {
        // SAFETY: all-zero is a valid value of this plain structure.
        let mut about: libc::stat = unsafe { std::mem::zeroed() };
        let buffer = std::ptr::from_mut(&mut about) as i64;
        match call(
            libc::SYS_newfstatat,
            [HERE, path, buffer, i64::from(flags), 0],
        ) {
            0 => i64::from(about.st_mode) * 100 + about.st_nlink as i64,
            error => error,
        }
    }
}

fn statx(flags: i64, mask: i64) -> i64 {
    // For the calls below: the path is put in by `looks`.
    flags << 32 | mask
}

/// open, and what the descriptor is.
fn open(path: i64, flags: i64) -> i64 {
    let fd = call(
        libc::SYS_openat,
        [HERE, path, flags | i64::from(libc::O_NONBLOCK), 0o640, 0],
    );
    described(fd)
}

fn described(fd: i64) -> i64 {
    if fd < 0 {
        return fd;
    }
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::stat = unsafe { std::mem::zeroed() };
    call(
        libc::SYS_fstat,
        [fd, std::ptr::from_mut(&mut about) as i64, 0, 0, 0],
    );
    // A node's descriptor does not tell of O_NOFOLLOW.
    let flags = call(libc::SYS_fcntl, [fd, i64::from(libc::F_GETFL), 0, 0, 0]);
    let flags = flags & !i64::from(libc::O_NOFOLLOW);
    call(libc::SYS_close, [fd, 0, 0, 0, 0]);
    i64::from(about.st_mode) << 32 | flags
}

fn openat2(path: i64, how: [u64; 4], size: i64) -> i64 {
    described(call(
        libc::SYS_openat2,
        [HERE, path, how.as_ptr() as i64, size, 0],
    ))
}

/// Calls that change nothing.
fn looks() -> Vec<(String, Box<dyn Fn(i64) -> i64>)> {
    let mut looks: Vec<(String, Box<dyn Fn(i64) -> i64>)> = Vec::new();
    let mut put = |name: String, look: Box<dyn Fn(i64) -> i64>| looks.push((name, look));
    for flags in [0, 0x100, 0x1000, 0x800, 0x1100, 0x2000, 0x8000, 4] {
        put(format!("fstatat {flags:#x}"), Box::new(stat(flags)));
    }
    for asked in [
        statx(0, 0x7ff),
        statx(0x100, 0x7ff),
        statx(0x2000, 1),
        statx(0x6000, 1),
        statx(0x8000, 1),
        statx(0, 1 << 31),
    ] {
        put(
            format!("statx {asked:#x}"),
            Box::new(move |path| {
                let mut buffer = [0u8; 256];
                let (flags, mask) = (asked >> 32, asked & 0xffff_ffff);
                call(
                    libc::SYS_statx,
                    [HERE, path, flags, mask, buffer.as_mut_ptr() as i64],
                )
            }),
        );
    }
    for mode in [0, 1, 2, 4, 6, 7, 8, -1] {
        put(
            format!("faccessat {mode}"),
            Box::new(move |path| call(libc::SYS_faccessat, [HERE, path, mode, 0, 0])),
        );
    }
    for flags in [0x100, 0x200, 0x300, 0x1000, 0x800, 1] {
        put(
            format!("faccessat2 {flags:#x}"),
            Box::new(move |path| call(libc::SYS_faccessat2, [HERE, path, 4, flags, 0])),
        );
    }
    for size in [0, 3, 100, -1] {
        put(
            format!("readlink {size}"),
            Box::new(move |path| {
                let mut buffer = [0u8; 100];
                call(
                    libc::SYS_readlinkat,
                    [HERE, path, buffer.as_mut_ptr() as i64, size, 0],
                )
            }),
        );
    }
    let simple: [Look; 6] = [
        ("statfs", |path| {
            let mut buffer = [0u64; 32];
            call(
                libc::SYS_statfs,
                [path, buffer.as_mut_ptr() as i64, 0, 0, 0],
            )
        }),
        ("getxattr", |path| {
            call(
                libc::SYS_getxattr,
                [path, c"user.x".as_ptr() as i64, 0, 0, 0],
            )
        }),
        ("lgetxattr", |path| {
            call(
                libc::SYS_lgetxattr,
                [path, c"user.x".as_ptr() as i64, 0, 0, 0],
            )
        }),
        ("listxattr", |path| {
            call(libc::SYS_listxattr, [path, 0, 0, 0, 0])
        }),
        ("llistxattr", |path| {
            call(libc::SYS_llistxattr, [path, 0, 0, 0, 0])
        }),
        ("execve", |path| {
            let list = [path, 0];
            call(libc::SYS_execve, [path, list.as_ptr() as i64, 0, 0, 0])
        }),
    ];
    for (name, look) in simple {
        put(name.into(), Box::new(look));
    }
    for flags in [
        libc::O_RDONLY,
        libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW,
        libc::O_DIRECTORY,
        libc::O_DIRECTORY | libc::O_NOFOLLOW,
        libc::O_PATH,
        libc::O_PATH | libc::O_NOFOLLOW,
        libc::O_PATH | libc::O_DIRECTORY,
        libc::O_PATH | libc::O_CREAT,
        libc::O_CREAT | libc::O_DIRECTORY,
        libc::O_TMPFILE,
        libc::O_RDWR | libc::O_TMPFILE,
    ] {
        put(
            format!("open {flags:#o}"),
            Box::new(move |path| open(path, i64::from(flags))),
        );
    }
    for (how, size) in [
        ([0, 0, 0, 0], 24),
        ([0, 0, 0, 0], 32),
        ([0, 0, 0, 1], 32),
        ([0, 0, 0, 0], 16),
        ([0, 0, 0, 0], 0),
        ([1 << 40, 0, 0, 0], 24),
        ([0, 0o600, 0, 0], 24),
        ([0, 0, 0x40, 0], 24),
        ([0, 0, libc::RESOLVE_NO_SYMLINKS, 0], 24),
        ([0, 0, libc::RESOLVE_NO_MAGICLINKS, 0], 24),
        ([0, 0, libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT, 0], 24),
    ] {
        put(
            format!("openat2 {how:?} {size}"),
            Box::new(move |path| {
                let mut how = how;
                how[0] |= libc::O_NONBLOCK as u64;
                openat2(path, how, size)
            }),
        );
    }
    looks
}

/// Calls that change something at one path.
fn changes() -> Vec<(String, Box<dyn Fn(i64) -> i64>)> {
    let mut changes: Vec<(String, Box<dyn Fn(i64) -> i64>)> = Vec::new();
    let mut put = |name: String, change: Box<dyn Fn(i64) -> i64>| changes.push((name, change));
    let fifo = i64::from(libc::S_IFIFO | 0o640);
    put(
        "mkfifo".into(),
        Box::new(move |path| call(libc::SYS_mknodat, [HERE, path, fifo, 0, 0])),
    );
    put(
        "mkdir".into(),
        Box::new(|path| call(libc::SYS_mkdirat, [HERE, path, 0o750, 0, 0])),
    );
    put(
        "symlink".into(),
        Box::new(|path| {
            call(
                libc::SYS_symlinkat,
                [c"file".as_ptr() as i64, HERE, path, 0, 0],
            )
        }),
    );
    for flags in [0, 0x200, 1] {
        put(
            format!("unlinkat {flags:#x}"),
            Box::new(move |path| call(libc::SYS_unlinkat, [HERE, path, flags, 0, 0])),
        );
    }
    put(
        "chmod".into(),
        Box::new(|path| call(libc::SYS_fchmodat, [HERE, path, 0o7641, 0, 0])),
    );
    for flags in [0, 0x100, 1] {
        put(
            format!("chown {flags:#x}"),
            Box::new(move |path| call(libc::SYS_fchownat, [HERE, path, -1, -1, flags])),
        );
    }
    for times in [
        [0, libc::UTIME_OMIT, 0, libc::UTIME_OMIT],
        [5, 0, 6, 1],
        [5, 2_000_000_000, 0, 0],
        [0, libc::UTIME_NOW, 0, -1],
    ] {
        put(
            format!("utimensat {times:?}"),
            Box::new(move |path| {
                call(
                    libc::SYS_utimensat,
                    [HERE, path, times.as_ptr() as i64, 0, 0],
                )
            }),
        );
    }
    for flags in [0, 0x100, 1] {
        put(
            format!("utimensat {flags:#x}"),
            Box::new(move |path| call(libc::SYS_utimensat, [HERE, path, 0, flags, 0])),
        );
    }
    for length in [0, 100, -1] {
        put(
            format!("truncate {length}"),
            Box::new(move |path| call(libc::SYS_truncate, [path, length, 0, 0, 0])),
        );
    }
    for flags in [0, 1, 2, 3, 4] {
        put(
            format!("setxattr {flags}"),
            Box::new(move |path| {
                call(
                    libc::SYS_setxattr,
                    [
                        path,
                        c"user.x".as_ptr() as i64,
                        c"v".as_ptr() as i64,
                        1,
                        flags,
                    ],
                )
            }),
        );
    }
    put(
        "removexattr".into(),
        Box::new(|path| {
            call(
                libc::SYS_removexattr,
                [path, c"user.x".as_ptr() as i64, 0, 0, 0],
            )
        }),
    );
    for flags in [
        libc::O_CREAT | libc::O_RDWR,
        libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY,
        libc::O_CREAT | libc::O_NOFOLLOW | libc::O_RDWR,
    ] {
        put(
            format!("open {flags:#o}"),
            Box::new(move |path| open(path, i64::from(flags))),
        );
    }
    changes
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
