//! The device's own program on a real kernel: built for ARMv5TE, run in the
//! virtual iSpot, against `/dev/mtdN` that Linux itself answers.
//!
//! The chip holds the simulated iSpot, so each test knows every byte; it boots
//! from RAM unless a test is about booting from flash, so no byte is changed but
//! by what the guest runs.
//!
//! All are ignored but where they are asked for: `MTDKEEP_DEVICE_BINARY` names the
//! program. `ci/virtual-ispot` runs them.

mod backup;
mod contract;
mod nodes;
mod power;
mod profile;
mod restore;
mod restore_kills;
mod trouble;

use mtd_harness::profile::{SimulatedDevice, ispot as simulated_ispot};
use mtd_virtual_device::{BootFrom, Outcome, VirtualDevice, boards::ISPOT, quote};
use std::ops::Range;
use std::time::Duration;

/// Names the program that was built for the device.
const PROGRAM: &str = "MTDKEEP_DEVICE_BINARY";

/// Of the chip's contents.
const SEED: u64 = 4;

/// Where the parts of the chip are that the tests change.
const SYSTEM: Range<usize> = 0x78_0000..0x88_0000;
const ROOTFS_2: Range<usize> = 0x9A_0000..0xFA_0000;

/// What is in the chip.
fn device() -> SimulatedDevice {
    simulated_ispot(SEED)
}

/// A virtual iSpot with `mtdkeep` in its path.
fn virtual_ispot() -> VirtualDevice {
    let path = std::env::var_os(PROGRAM).expect("MTDKEEP_DEVICE_BINARY names the program");
    let program = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let ispot =
        VirtualDevice::new(&ISPOT, device().chip_bytes(0)).unwrap_or_else(|e| panic!("{e}"));
    ispot
        .boot_from(BootFrom::Ram)
        .put("/bin/mtdkeep", program, 0o755)
        .expect("a path that the guest can have")
        .get("/steps")
        // Minutes only where many things run at once.
        .time_limit(Duration::from_secs(300))
}

/// Runs a script in which `step NAME COMMAND…` keeps what a command did under a
/// name of its own.
fn run(ispot: &mut VirtualDevice, script: &str) -> Steps {
    let outcome = ispot
        .run(&with_step(script))
        .unwrap_or_else(|error| panic!("{error}"))
        .expect_success();
    Steps { outcome }
}

/// The script with what `step` is.
fn with_step(script: &str) -> String {
    format!(
        "mkdir /steps /mnt; mount -t tmpfs steps /steps
step() {{
    name=$1; shift
    \"$@\" >/steps/$name.out 2>/steps/$name.err
    echo $? >/steps/$name.status
}}
{script}
true"
    )
}

/// What the steps of a script did.
struct Steps {
    outcome: Outcome,
}

/// What one command did.
#[derive(Debug)]
struct Step {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Steps {
    /// What the step of that name did.
    #[track_caller]
    fn step(&self, name: &str) -> Step {
        let file = |end: &str| {
            let path = format!("/steps/{name}.{end}");
            let bytes = self.outcome.file(&path);
            let bytes = bytes.unwrap_or_else(|| panic!("{path} was not handed back"));
            String::from_utf8(bytes.to_vec()).expect("text")
        };
        Step {
            status: file("status").trim().parse().expect("a status"),
            stdout: file("out"),
            stderr: file("err"),
        }
    }

    /// Standard output of a step that must have ended with this status, and that
    /// said nothing on standard error if that was 0.
    #[track_caller]
    fn expect(&self, name: &str, status: i32) -> Step {
        let step = self.step(name);
        assert_eq!(step.status, status, "{name}: {step:#?}");
        assert!(status != 0 || step.stderr.is_empty(), "{name}: {step:#?}");
        step
    }

    /// What [`WATCH`] saw was never more, and was seen often enough.
    #[track_caller]
    fn assert_peak_below(&self, limit_kib: u64) {
        let peaks = self.expect("peaks", 0).stdout;
        let kib = |line: &str| -> u64 { line.split_whitespace().nth(1).unwrap().parse().unwrap() };
        let peaks: Vec<u64> = peaks.lines().map(kib).collect();
        // The first looks may be at the shell that becomes the program.
        let peak = peaks.last().copied().unwrap_or(0);
        println!("{} looks, at most {peak} KiB resident", peaks.len());
        assert!(peaks.len() >= 10, "{} looks are not enough", peaks.len());
        assert!((64..=limit_kib).contains(&peak), "{peak} KiB: {peaks:?}");
    }
}

/// Shell: looks again and again, until `$program` ends, at what the kernel counts for it
/// at its peak. [`Steps::assert_peak_below`] wants it as the step `peaks`.
const WATCH: &str = "\
while kill -0 $program 2>/dev/null; do
    cat /proc/$program/status 2>/dev/null | grep VmHWM
done >/tmp/peaks";

impl Step {
    /// All that was said contains these.
    #[track_caller]
    fn says(&self, texts: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(all.contains(text), "no {text:?} in {self:#?}");
        }
    }
}

/// The images in a folder that was handed back are the partitions' bytes.
#[track_caller]
fn assert_images(steps: &Steps, folder: &str, chip: &[u8], indices: &[u32]) {
    for info in device().system.devices() {
        let path = format!("{folder}/mtd{}.bin", info.index);
        let image = steps.outcome.file(&path);
        if !indices.contains(&info.index) {
            assert!(image.is_none(), "{path} is there");
            continue;
        }
        let start = usize::try_from(info.offset_bytes).expect("inside the chip");
        let end = start + usize::try_from(info.size_bytes).expect("inside the chip");
        let image = image.unwrap_or_else(|| panic!("{path} is not there"));
        assert!(image == &chip[start..end], "{path} is not the chip's bytes");
    }
}

/// The chip still holds what it was given, but for these ranges.
#[track_caller]
fn assert_chip_untouched(ispot: &VirtualDevice, but: &[Range<usize>]) {
    let before = device().chip_bytes(0);
    let changed = (0..before.len())
        .filter(|at| before[*at] != ispot.chip()[*at])
        .find(|at| !but.iter().any(|range| range.contains(at)));
    assert_eq!(changed, None, "changed by nobody's wish");
}

/// Words for a shell.
fn words(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    words.join(" ")
}
