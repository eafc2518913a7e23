//! What is timed in the guest, and how each job proves that it did its work.

use mtd_virtual_device::quote;
use std::fmt::Write as _;
use std::process::Command;

/// Where every backup goes: the guest's memory.
const FOLDER: &str = "/var/wwwroot/mtd_backup";

/// The job that the others are compared with.
pub const LOOP: &str = "the article's loop";

/// One job.
pub struct Job {
    pub name: &'static str,
    pub does: &'static str,
    /// A shell command line.
    command: String,
    proof: Proof,
    /// The applet that BusyBox may lack.
    pub needs: Option<&'static str>,
    /// At most so much of the loop, where the project has set itself a limit.
    pub aim_of_loop: Option<f64>,
}

/// How a job shows that it did its work, beside its exit status.
enum Proof {
    /// Eleven images, byte for byte what the flash has.
    Images,
    /// It looks at a backup, which is made before; its status is its answer.
    Backup,
    /// It prints this.
    Prints(String),
}

/// Whole-chip digests, as `digest-cost` prints them.
pub struct Expected {
    pub crc32: String,
    pub sha256: String,
}

/// All of them, the loop first.
pub fn all(digest_cost: bool, expected: &Expected) -> Vec<Job> {
    let mut jobs = by_script();
    jobs.extend(by_program());
    if digest_cost {
        jobs.extend(digests(expected));
    }
    jobs
}

/// Scripts that the guest finds below `/bench`.
pub fn scripts() -> [(&'static str, Vec<u8>); 3] {
    // In the article's manner, in our own words.
    let old = include_str!("../../fixtures/script/old_style.sh");
    let large = old.replace("dd if=", "dd bs=131072 if=");
    assert_ne!(old, large, "the script has another dd than it had");
    let capture = Command::new(env!("CARGO_BIN_EXE_mtdkeep"))
        .arg("script")
        .output()
        .expect("the program starts");
    assert!(capture.status.success(), "{capture:?}");
    [
        ("/bench/loop.sh", old.into()),
        ("/bench/large.sh", large.into()),
        ("/bench/capture.sh", capture.stdout),
    ]
}

fn job(name: &'static str, does: &'static str, command: String, proof: Proof) -> Job {
    Job {
        name,
        does,
        command,
        proof,
        needs: None,
        aim_of_loop: None,
    }
}

fn by_script() -> Vec<Job> {
    let images = |name, does, command| job(name, does, command, Proof::Images);
    let summed =
        |tool| format!("sh /bench/large.sh {FOLDER} && cd {FOLDER} && {tool} mtd*.bin >sums");
    vec![
        images(
            LOOP,
            "dd of BusyBox, 512 B at once; no digest",
            format!("sh /bench/loop.sh {FOLDER}"),
        ),
        images(
            "dd, 128 KiB",
            "the same loop, an erase block at once; no digest",
            format!("sh /bench/large.sh {FOLDER}"),
        ),
        Job {
            needs: Some("md5sum"),
            ..images("dd, 128 KiB, md5sum", "and BusyBox's MD5", summed("md5sum"))
        },
        Job {
            needs: Some("sha256sum"),
            ..images(
                "dd, 128 KiB, sha256sum",
                "and BusyBox's SHA-256",
                summed("sha256sum"),
            )
        },
        images(
            "the capture script",
            "mtdkeep script: BusyBox's dd and MD5, checked",
            "sh /bench/capture.sh".into(),
        ),
    ]
}

fn by_program() -> Vec<Job> {
    let images = |name, does, command: &str| job(name, does, command.into(), Proof::Images);
    let looks =
        |name, does, command: &str| job(name, does, format!("{command} {FOLDER}"), Proof::Backup);
    vec![
        Job {
            aim_of_loop: Some(0.8),
            ..images(
                "mtdkeep backup --digest crc32",
                "images, CRC-32, manifest",
                "mtdkeep backup --digest crc32",
            )
        },
        images(
            "mtdkeep backup --digest sha256",
            "images, SHA-256, manifest",
            "mtdkeep backup --digest sha256",
        ),
        images(
            "mtdkeep backup",
            "images, CRC-32, SHA-256, manifest",
            "mtdkeep backup",
        ),
        looks(
            "mtdkeep verify",
            "proves the backup by both digests",
            "mtdkeep verify",
        ),
        looks(
            "mtdkeep verify --device",
            "and compares it with the flash",
            "mtdkeep verify --device",
        ),
    ]
}

/// The flash read as a backup reads it, and nothing stored.
fn digests(expected: &Expected) -> Vec<Job> {
    let devices: String = (0..11).map(|n| format!(" /dev/mtd{n}")).collect();
    let read = |name, does, digest, prints: String| {
        let command = format!("digest-cost {digest}{devices}");
        job(name, does, command, Proof::Prints(prints))
    };
    let Expected { crc32, sha256 } = expected;
    vec![
        read(
            "reading",
            "128 KiB a call, nothing else",
            "none",
            String::new(),
        ),
        read("reading, CRC-32", "", "crc32", format!("{crc32} ")),
        read("reading, SHA-256", "", "sha256", format!(" {sha256}")),
        read("reading, both", "", "both", format!("{crc32} {sha256}")),
    ]
}

/// What the guest runs: `rounds` times all jobs, each round beginning with
/// another one. A job that fails, or does not do its work, ends it with 9.
pub fn guest_script(jobs: &[Job], rounds: usize) -> String {
    let mut script = format!(
        "fail() {{ echo \"$1: $2\"; cat /tmp/log; exit 9; }}
has() {{ busybox --list | grep -qx \"$1\"; }}
images() {{
    for n in 0 1 2 3 4 5 6 7 8 9 10; do
        cmp /dev/mtd$n {FOLDER}/mtd$n.bin >/tmp/log 2>&1 || fail \"$1\" \"other bytes in mtd$n.bin\"
    done
    rm -r {FOLDER}
}}
uname -r
busybox | sed -n '1s/ (.*//p'
# The root itself is no mount of which df could tell the free space.
mount -t tmpfs -o size=100% images /var/wwwroot
"
    );
    for round in 0..rounds {
        for turn in 0..jobs.len() {
            let job = &jobs[(round + turn) % jobs.len()];
            job.add_to(&mut script);
        }
    }
    script
}

impl Job {
    fn add_to(&self, script: &mut String) {
        let name = quote(self.name);
        if let Some(applet) = self.needs {
            let _ = writeln!(script, "if has {applet}; then");
        }
        if matches!(self.proof, Proof::Backup) {
            let _ = writeln!(
                script,
                "mtdkeep backup -q >/tmp/log 2>&1 || fail {name} 'no backup to look at'"
            );
        }
        // A shell is started in any case: some jobs are several commands.
        let _ = writeln!(
            script,
            "timed {name} sh -c {} >/tmp/log 2>&1 || fail {name} \"status $?\"",
            quote(&self.command)
        );
        let _ = match &self.proof {
            Proof::Images => writeln!(script, "images {name}"),
            Proof::Backup => writeln!(script, "rm -r {FOLDER}"),
            Proof::Prints(text) => writeln!(
                script,
                "[ \"$(cat /tmp/log)\" = {} ] || fail {name} 'another digest'",
                quote(text)
            ),
        };
        if self.needs.is_some() {
            script.push_str("fi\n");
        }
    }
}
