//! What it ran on, so that figures are not compared across machines.

use serde::Serialize;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Serialize)]
pub struct Machine {
    /// Day of the run, UTC, ISO 8601.
    pub date: String,
    pub cpu: String,
    pub cpus: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub mtdkeep: &'static str,
}

impl Machine {
    /// This machine, today.
    pub fn now() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or_else(|| "unknown".into(), |(_, value)| value.trim().to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kib: Option<u64> = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        // What comes after the number is the business of whoever built it.
        let number = kernel.trim().split('-').next().unwrap_or_default();
        let days = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            date: day(days.map_or(0, |since| since.as_secs() / 86400)),
            cpu: field("/proc/cpuinfo", "model name"),
            cpus: std::thread::available_parallelism().map_or(1, Into::into),
            memory_mib: kib.unwrap_or(0) >> 10,
            kernel: format!("Linux {number}"),
            mtdkeep: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A day since 1970 as a date.
fn day(mut left: u64) -> String {
    let leap = |year: u64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, left + 1)
}
