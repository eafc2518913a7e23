//! The measurements themselves.

use mtd_harness::profile::{IspotBuilder, SimulatedDevice};
use mtd_harness::sandbox::Sandbox;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
/// Tells this program, started again inside a sandbox, what to time.
const PROBE: &str = "MTDKEEP_BENCH_PROBE";

pub fn main() {
    if let Ok(path) = std::env::var(PROBE) {
        return probe(Path::new(&path));
    }
    let bench = Bench::new();
    bench.dd_loop();
    bench.untouched();
    bench.calls();
}

struct Bench {
    device: SimulatedDevice,
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

fn device() -> SimulatedDevice {
    let device = IspotBuilder::new(1).with_node("mtd10").build();
    device.expect("an iSpot with one more node")
}

/// Both sides' fastest round as a ratio, and the median of the ratios.
fn ratio(mut one: impl FnMut(), mut other: impl FnMut()) -> (f64, f64) {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let mut fastest = [Duration::MAX; 2];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let times = [time(&mut one), time(&mut other)];
        fastest = [fastest[0].min(times[0]), fastest[1].min(times[1])];
        ratios.push(times[0].as_secs_f64() / times[1].as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let best = fastest[0].as_secs_f64() / fastest[1].as_secs_f64();
    (best, ratios[ROUNDS / 2])
}

fn show(what: &str, (best, median): (f64, f64), wanted: &str) {
    println!("{what:<62} {best:6.2} (median {median:5.2})  {wanted}");
}

fn sh(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
}

fn installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .any(|folder| Path::new(folder).join(program).is_file())
}

impl Bench {
    fn new() -> Self {
        let device = device();
        let sandbox = Sandbox::builder(device.clone()).build();
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::tempdir_in(base).expect("a temporary folder");
        for index in 0..11 {
            let path = folder.path().join(format!("plain{index}"));
            std::fs::write(path, device.partition_bytes(index)).expect("a plain file");
        }
        Self {
            sandbox: sandbox.unwrap_or_else(|error| panic!("{error}")),
            device,
            folder,
        }
    }

    fn inside(&self, command: &mut Command) {
        let outcome = self
            .sandbox
            .run(command)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(
            outcome.status.success(),
            "{command:?}: {:?}",
            outcome.status
        );
    }

    fn lines(&self) -> (String, String) {
        let out = self.folder.path().display();
        let line = |from: &str| {
            format!(
                "for x in 0 1 2 3 4 5 6 7 8 9 10; do dd if={from}$x of={out}/out$x.bin || exit 1; done"
            )
        };
        (line("/dev/mtd"), line(&format!("{out}/plain")))
    }

    fn dd_loop(&self) {
        let (flash, plain) = self.lines();
        let figures = ratio(|| self.inside(&mut sh(&flash)), || run(&mut sh(&plain)));
        show(
            "eleven dd at 512 bytes, 16 MiB / on plain files",
            figures,
            "at most 1.3",
        );
        let figures = ratio(
            || {
                let sandbox = Sandbox::builder(self.device.clone())
                    .build()
                    .expect("builds");
                sandbox.run(&mut sh(&flash)).expect("runs");
            },
            || run(&mut sh(&plain)),
        );
        show("  with setting the sandbox up", figures, "");
        for program in ["proot", "umockdev-wrapper"] {
            if !installed(program) {
                println!("  skipped: {program} is not installed");
                continue;
            }
            let mut command = Command::new(program);
            if program == "proot" {
                for index in 0..11 {
                    let from = self.folder.path().join(format!("plain{index}"));
                    command
                        .arg("-b")
                        .arg(format!("{}:/dev/mtd{index}", from.display()));
                }
            }
            let line = if program == "proot" { &flash } else { &plain };
            command.args(["sh", "-c", line]).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let status = command.status().expect("starts");
            let theirs = start.elapsed();
            let start = Instant::now();
            run(&mut sh(&plain));
            let ratio = theirs.as_secs_f64() / start.elapsed().as_secs_f64();
            println!("  {program} on plain files: {ratio:.1} ({status})");
        }
    }

    fn untouched(&self) {
        let folder = self.folder.path().display();
        for (what, line) in [
            (
                "sha256sum of 16 MiB, four times",
                format!("for x in 1 2 3 4; do cat {folder}/plain* | sha256sum; done"),
            ),
            ("gzip of 6 MiB", format!("gzip -c {folder}/plain3")),
            (
                "a loop of 200 commands that do nothing",
                "x=0; while [ $x -lt 200 ]; do /bin/true; x=$((x+1)); done".into(),
            ),
            (
                "find over /usr/share",
                "find /usr/share -name '*.none'".into(),
            ),
        ] {
            let figures = ratio(|| self.inside(&mut sh(&line)), || run(&mut sh(&line)));
            show(
                &format!("never touching flash: {what}"),
                figures,
                "at most 1.1",
            );
        }
    }

    fn calls(&self) {
        let me = std::env::current_exe().expect("a path");
        println!("inside a sandbox:");
        self.inside(Command::new(me).env(PROBE, self.folder.path()));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(count: usize, mut work: impl FnMut(usize)) -> Duration {
    let one = |index| {
        let start = Instant::now();
        work(index);
        start.elapsed()
    };
    median((0..count).map(one).collect())
}

/// Runs inside the sandbox.
fn probe(folder: &Path) {
    const BLOCK: usize = 128 << 10;
    let mut buf = vec![0u8; BLOCK];
    let mut pass = |path: &Path| {
        let mut file = File::open(path).expect("opens");
        let start = Instant::now();
        for _ in 0..20 {
            file.seek(SeekFrom::Start(0)).expect("seeks");
            while file.read(&mut buf).expect("reads") > 0 {}
        }
        start.elapsed()
    };
    let (node, plain) = (PathBuf::from("/dev/mtd3"), folder.join("plain3"));
    let mut best = [Duration::MAX; 2];
    for _ in 0..10 {
        best = [best[0].min(pass(&node)), best[1].min(pass(&plain))];
    }
    let speed = best[1].as_secs_f64() / best[0].as_secs_f64();
    println!(
        "  reads of 128 KiB / a plain file's speed                     {speed:6.2}  at least 0.9"
    );
    let flash = File::open("/dev/mtd3").expect("opens");
    let ioctl = timed(5000, |_| {
        // MEMGETREGIONCOUNT: the least that an ioctl can do.
        let mut count = 0i32;
        // SAFETY: the kernel's side writes one int.
        unsafe { libc::ioctl(flash.as_raw_fd(), 0x8004_4d07, &mut count) };
    });
    println!(
        "  median of an ioctl                                          {ioctl:6.1?}  at most 15 us"
    );
    let mut file = File::options()
        .read(true)
        .write(true)
        .open("/dev/mtd7")
        .expect("opens");
    let data = [0xFFu8; 512];
    let write = timed(200, |_| {
        file.write_all(&data).expect("writes");
    });
    println!(
        "  median of a write of 512 bytes                              {write:6.1?}  at most 15 us"
    );
    let stat = timed(5000, |_| drop(std::fs::metadata("/dev/mtd3")));
    println!("  median of a stat of a node                                  {stat:6.1?}");
    let other = timed(5000, |_| drop(std::fs::metadata("/usr/bin/env")));
    println!("  median of a stat of another file                            {other:6.1?}");
}
