//! Ways to get eleven partitions into eleven files, or to prove them.

use super::shared::process;
use serde::Serialize;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

const IMAGES: u32 = 11;
const MTDKEEP: &str = env!("CARGO_BIN_EXE_mtdkeep");

/// One way, as a whole process.
pub struct Contender {
    pub name: &'static str,
    pub does: &'static str,
    pub version: String,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub aim_of_cp: Option<f64>,
    /// The images that it must have made, byte for byte.
    expected: Option<Vec<(PathBuf, PathBuf)>>,
}

/// What is not there to compare with.
#[derive(Serialize)]
pub struct Missing {
    pub name: &'static str,
    pub install: &'static str,
}

impl Contender {
    /// An empty folder to write to.
    pub fn prepare(&self, target: &Path) {
        let _ = fs::remove_dir_all(target);
        fs::create_dir(target).expect("the folder is made");
    }

    /// Whoever does not do the work has not won.
    pub fn check(&self, target: &Path) {
        for (made, original) in self.expected.iter().flatten() {
            let same = same_bytes(&target.join(made), original);
            let same = same.unwrap_or_else(|error| panic!("{}: {error}", self.name));
            assert!(same, "{}: other bytes in {}", self.name, made.display());
        }
    }
}

/// Piece by piece: a process that is started has at first the peak memory of
/// the one that started it, so this one must stay small.
fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut a, mut b) = ([0; 16 << 10], [0; 16 << 10]);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    loop {
        let count = one.read(&mut a)?;
        other.read_exact(&mut b[..count])?;
        if count == 0 || a[..count] != b[..count] {
            return Ok(count == 0);
        }
    }
}

/// All ways that are installed, `cp` first, and those that are not.
pub fn all(scratch: &Path) -> (Vec<Contender>, Vec<Missing>) {
    let paths = Paths::make(scratch);
    let mut found = paths.own();
    let mut missing = Vec::new();
    found.splice(0..0, [paths.cp()]);
    found.extend(paths.dd());
    match find("busybox") {
        Some(busybox) => found.extend(paths.busybox(&busybox)),
        None => missing.push(Missing {
            name: "BusyBox",
            install: "apt-get install busybox-static",
        }),
    }
    match find("flashrom") {
        Some(flashrom) => found.push(paths.flashrom(&flashrom)),
        None => missing.push(Missing {
            name: "flashrom with its dummy programmer",
            install: "apt-get install flashrom",
        }),
    }
    (found, missing)
}

/// Looks a program up as a shell does; Debian keeps flashrom in sbin.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The first line of what a program says of itself.
fn version(program: impl AsRef<std::ffi::OsStr>, option: &[&str]) -> String {
    let output = Command::new(program).args(option).output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("unknown").trim().into()
}

/// Where the originals lie, and where copies go.
struct Paths {
    /// A backup, with its eleven images.
    source: PathBuf,
    target: PathBuf,
    chip: PathBuf,
}

impl Paths {
    fn make(scratch: &Path) -> Self {
        let paths = Self {
            source: scratch.join("source"),
            target: scratch.join("target"),
            chip: scratch.join("chip.bin"),
        };
        let words = |words: &[&str], last: &Path| {
            let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
            all.push(last.into());
            all
        };
        let backup = words(&["backup", "--simulate", "--output"], &paths.source);
        process::run(MTDKEEP.as_ref(), &backup);
        let image = words(&["image", "--simulate", "--output"], &paths.chip);
        process::run(MTDKEEP.as_ref(), &image);
        paths
    }

    fn images(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..IMAGES).map(|n| self.source.join(format!("mtd{n}.bin")))
    }

    /// Everybody who copies has to have made these.
    fn eleven(&self) -> Option<Vec<(PathBuf, PathBuf)>> {
        let pair = |original: PathBuf| (original.file_name().unwrap_or_default().into(), original);
        Some(self.images().map(pair).collect())
    }

    fn cp(&self) -> Contender {
        let mut arguments: Vec<OsString> = self.images().map(Into::into).collect();
        arguments.push(self.target.clone().into());
        Contender {
            name: "cp",
            does: "copies the eleven files",
            version: version("cp", &["--version"]),
            program: "cp".into(),
            arguments,
            aim_of_cp: None,
            expected: self.eleven(),
        }
    }

    fn own(&self) -> Vec<Contender> {
        let own = |name, does, words: &[&str], last: &Path, aim_of_cp, expected| {
            let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
            arguments.push(last.into());
            Contender {
                name,
                does,
                version: version(MTDKEEP, &["--version"]),
                program: MTDKEEP.into(),
                arguments,
                aim_of_cp,
                expected,
            }
        };
        let chip = self.chip.display().to_string();
        vec![
            own(
                "mtdkeep backup --image",
                "cuts a chip's image into partitions, CRC-32, SHA-256, manifest",
                &["backup", "--image", &chip, "--output"],
                &self.target,
                Some(1.25),
                self.eleven(),
            ),
            own(
                "mtdkeep backup --image, CRC-32",
                "the same with --digest crc32",
                &["backup", "--image", &chip, "--digest", "crc32", "--output"],
                &self.target,
                None,
                self.eleven(),
            ),
            own(
                "mtdkeep backup --simulate",
                "both digests, and makes the contents as well",
                &["backup", "--simulate", "--output"],
                &self.target,
                Some(1.5),
                self.eleven(),
            ),
            own(
                "mtdkeep verify",
                "proves a backup by both digests",
                &["verify"],
                &self.source,
                None,
                None,
            ),
        ]
    }

    /// `dd` over the eleven; `$dd` and `$sha256sum` are the tools.
    fn shell(&self, block: &str, digests: bool) -> String {
        let source = self.source.display();
        let mut script = format!(
            "cd '{}' || exit 1; x=0; while [ $x -le 10 ]; do \
             $dd if='{source}'/mtd$x.bin of=mtd$x.bin {block} 2>/dev/null || exit 1; \
             x=$((x+1)); done",
            self.target.display()
        );
        if digests {
            script += "; $sha256sum mtd*.bin >SHA256SUMS && $sha256sum -c SHA256SUMS >/dev/null";
        }
        script
    }

    fn dd(&self) -> Vec<Contender> {
        let tools = "dd=dd; sha256sum=sha256sum; ";
        let sh = |name, does, script: String| Contender {
            name,
            does,
            version: version("dd", &["--version"]),
            program: "sh".into(),
            arguments: vec!["-c".into(), (tools.to_owned() + &script).into()],
            aim_of_cp: None,
            expected: self.eleven(),
        };
        vec![
            sh(
                "dd, 512 B",
                "the article's loop: eleven dd, no digest",
                self.shell("", false),
            ),
            sh(
                "dd, 128 KiB",
                "eleven dd, no digest",
                self.shell("bs=128k", false),
            ),
            sh(
                "dd, 128 KiB, sha256sum",
                "eleven dd, SHA-256, and its check",
                self.shell("bs=128k", true),
            ),
        ]
    }

    fn busybox(&self, busybox: &Path) -> Vec<Contender> {
        let tool = busybox.display();
        let tools = format!("dd='{tool} dd'; sha256sum='{tool} sha256sum'; ");
        let sh = |name, does, script: String| Contender {
            name,
            does,
            version: version(busybox, &[]),
            program: busybox.into(),
            arguments: vec!["sh".into(), "-c".into(), (tools.clone() + &script).into()],
            aim_of_cp: None,
            expected: self.eleven(),
        };
        vec![
            sh(
                "BusyBox dd, 512 B",
                "the article's loop, as on the device",
                self.shell("", false),
            ),
            sh(
                "BusyBox dd, 128 KiB, sha256sum",
                "eleven dd, SHA-256, and its check",
                self.shell("bs=128k", true),
            ),
        ]
    }

    /// flashrom keeps its dummy chip in a file and reads it as one image.
    fn flashrom(&self, flashrom: &Path) -> Contender {
        let chip = format!("dummy:emulate=W25Q128FV,image={}", self.chip.display());
        let out = self.target.join("flashrom.bin");
        Contender {
            name: "flashrom -p dummy",
            does: "reads a simulated 16 MiB chip into one file, no digest",
            version: version(flashrom, &["--version"]),
            program: flashrom.into(),
            arguments: vec!["-p".into(), chip.into(), "-r".into(), out.into()],
            aim_of_cp: None,
            expected: Some(vec![("flashrom.bin".into(), self.chip.clone())]),
        }
    }
}
