//! A download from `mtdkeep serve --simulate` against the same file from nginx and from
//! BusyBox's httpd, each fetched by curl on this machine: one after the other in each
//! round, beginning with another one each time.
//!
//! What is not installed is named and left out. The simulated flash is made while it is
//! read; "first" is a server's first reading of all, with CRC-32 and SHA-256, the others
//! are later ones, with CRC-32.
//!
//!     cargo bench --bench serve                  prints
//!     cargo bench --bench serve -- --json FILE   writes FILE
//!     cargo bench --bench serve -- --rounds N    21 otherwise

#[path = "../shared/mod.rs"]
mod shared;

use serde::Serialize;
use shared::machine::Machine;
use shared::rounds::{Contest, Standing};
use shared::servers::{Beside, Programs, free_port, mtdkeep, nginx, started, table};
use shared::{Options, process};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Wall time of nine tenths of the speed.
const AIM: f64 = 1.0 / 0.9;
/// What is fetched: the first partition.
const FILE: &str = "mtd0.bin";

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: usize,
    missing: Vec<String>,
    standings: Vec<Standing>,
}

/// BusyBox's server with a folder; its page.
fn busybox(program: &Path, folder: &Path) -> (Beside, String) {
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h"]);
    command.arg(folder);
    let server = started(&mut command, port).expect("httpd serves");
    (server, format!("http://127.0.0.1:{port}/"))
}

fn fetch(curl: &Path, page: &str) {
    let url = format!("{page}{FILE}");
    let words = ["-sS", "-f", "-o", "/dev/null", &url];
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    process::run(curl, &words);
}

fn main() {
    let options = Options::of_process();
    let rounds = options.rounds(21);
    let scratch = shared::scratch();
    let folder = scratch.path();
    let mut programs = Programs::default();
    let (curl, nginx_program) = (
        programs.find("curl", "curl"),
        programs.find("nginx", "nginx-light"),
    );
    let busybox_program = programs.find("busybox", "busybox");
    let mut standings = Vec::new();
    let megabytes: &[u64] = if options.short { &[16] } else { &[16, 256] };
    for &megabytes in curl.iter().flat_map(|_| megabytes) {
        let Some(curl) = &curl else { continue };
        let table = table(folder, megabytes);
        let (_server, ours) = mtdkeep(&table);
        let mut copy = Command::new(curl);
        copy.arg("-sSfo").arg(folder.join(FILE));
        copy.arg(format!("{ours}{FILE}"));
        assert!(copy.status().expect("curl starts").success());
        let theirs = nginx_program.as_ref().map(|it| nginx(it, folder, folder));
        let small = busybox_program.as_ref().map(|it| busybox(it, folder));
        let mut contest = Contest::new(format!("{megabytes} MiB by curl"), Some(megabytes << 20));
        if let Some((_, page)) = &theirs {
            contest.enter("nginx", None, || fetch(curl, page));
        }
        if let Some((_, page)) = &small {
            contest.enter("BusyBox httpd", None, || fetch(curl, page));
        }
        contest.enter("mtdkeep serve", Some(AIM), || fetch(curl, &ours));
        contest.enter_timed("mtdkeep serve, first", None, || {
            let (_new, page) = mtdkeep(&table);
            let began = Instant::now();
            fetch(curl, &page);
            began.elapsed().as_secs_f64()
        });
        standings.extend(contest.run(rounds));
    }
    options.write_json(&Report {
        machine: Machine::now(),
        rounds,
        missing: programs.missing,
        standings,
    });
}
