//! This program, started again inside a sandbox, times calls one by one.

use super::rounds::{CALLS, Call};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

/// Times the calls and leaves the figures in the folder.
pub fn run(folder: &Path) {
    let calls = [
        Call {
            name: "reads of 128 KiB, by a plain file's time".into(),
            value: reads(folder),
            unit: "times".into(),
            aim: Some(1.11),
        },
        microseconds("ioctl", Some(15.0), ioctl()),
        microseconds("write of 512 bytes", Some(15.0), write()),
        microseconds("stat of a node", None, stat("/dev/mtd3")),
        microseconds("stat of another file", None, stat("/usr/bin/env")),
    ];
    let text = serde_json::to_vec(&calls).expect("numbers and texts");
    std::fs::write(folder.join(CALLS), text).expect("the figures are written");
}

fn microseconds(name: &str, aim: Option<f64>, median: Duration) -> Call {
    Call {
        name: name.into(),
        value: median.as_secs_f64() * 1e6,
        unit: "us".into(),
        aim,
    }
}

/// Both fastest passes, node by plain file.
fn reads(folder: &Path) -> f64 {
    let mut buf = vec![0u8; 128 << 10];
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
    best[0].as_secs_f64() / best[1].as_secs_f64()
}

fn ioctl() -> Duration {
    let flash = File::open("/dev/mtd3").expect("opens");
    timed(5000, |_| {
        // MEMGETREGIONCOUNT: the least that an ioctl can do.
        let mut count = 0i32;
        // SAFETY: the kernel's side writes one int.
        unsafe { libc::ioctl(flash.as_raw_fd(), 0x8004_4d07, &mut count) };
    })
}

fn write() -> Duration {
    let options = File::options().read(true).write(true).open("/dev/mtd7");
    let mut file = options.expect("opens");
    timed(200, |_| {
        file.write_all(&[0xFF; 512]).expect("writes");
    })
}

fn stat(path: &str) -> Duration {
    timed(5000, |_| drop(std::fs::metadata(path)))
}
