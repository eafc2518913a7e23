//! From web servers: `mtdkeep serve`, and nginx with a backup's folder.

use super::shared::rounds::{Contest, Standing};
use super::shared::servers::{self, Programs, table};
use super::{fetch, run};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Wall time of nine tenths of the speed.
const AIM: f64 = 1.0 / 0.9;

/// What a backup of the two partitions has.
const FILES: [&str; 5] = [
    "mtd0.bin",
    "mtd1.bin",
    "manifest.json",
    "SHA256SUMS",
    "index.html",
];

pub(super) fn standings(
    scratch: &Path,
    megabytes: u64,
    rounds: usize,
    programs: &mut Programs,
) -> Vec<Standing> {
    let (curl, nginx) = (
        programs.find("curl", "curl"),
        programs.find("nginx", "nginx-light"),
    );
    let Some(curl) = curl else {
        return Vec::new();
    };
    let (_ours, url) = servers::mtdkeep(&table(scratch, megabytes));
    let mut all = contest("mtdkeep serve", &url, &curl, scratch, megabytes, rounds);
    let folder = scratch.join("served");
    std::fs::create_dir(&folder).expect("a folder");
    curl_all(&curl, &url, &folder);
    if let Some(nginx) = nginx {
        let (_theirs, url) = servers::nginx(&nginx, scratch, &folder);
        all.extend(contest("nginx", &url, &curl, scratch, megabytes, rounds));
    }
    std::fs::remove_dir_all(&folder).expect("it goes");
    all
}

fn contest(
    server: &str,
    url: &str,
    curl: &Path,
    scratch: &Path,
    megabytes: u64,
    rounds: usize,
) -> Vec<Standing> {
    let copied = scratch.join("copied");
    std::fs::create_dir_all(&copied).expect("a folder");
    let name = format!("{megabytes} MiB from {server}");
    let mut contest = Contest::new(name, Some(megabytes << 20));
    contest.enter_timed("curl -o", None, || {
        let began = Instant::now();
        curl_all(curl, url, &copied);
        let seconds = began.elapsed().as_secs_f64();
        for file in FILES {
            std::fs::remove_file(copied.join(file)).expect("it goes");
        }
        seconds
    });
    contest.enter_timed("mtdkeep fetch", Some(AIM), || fetch(url, scratch, &|_| {}));
    contest.run(rounds)
}

/// The same files as a backup has, on one connection.
fn curl_all(curl: &Path, url: &str, folder: &Path) {
    let mut command = Command::new(curl);
    command.args(["-sS", "-f"]);
    for file in FILES {
        command
            .arg("-o")
            .arg(folder.join(file))
            .arg(format!("{url}{file}"));
    }
    run(&mut command);
}
