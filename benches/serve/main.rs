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
use shared::{Options, process};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Wall time of nine tenths of the speed.
const AIM: f64 = 1.0 / 0.9;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: usize,
    missing: Vec<String>,
    standings: Vec<Standing>,
}

/// A server, and what it serves.
struct Served {
    child: Child,
    url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut found = folders.map(|folder| folder.join(program));
    found.find(|file| file.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// The program over a simulated device.
fn mtdkeep(simulate: &str, file: &str) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mtdkeep"))
        .args(["serve", simulate, "--listen", "127.0.0.1:0", "--token", "x"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("it speaks"), 0);
    }
    let url = format!("{}{file}", line.trim());
    // It goes on to speak.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Served { child, url }
}

fn started(mut command: Command, port: u16, file: &str) -> Served {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("it starts");
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let url = format!("http://127.0.0.1:{port}/{file}");
    Served { child, url }
}

fn busybox(program: &Path, folder: &Path, file: &str) -> Served {
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h"]);
    command.arg(folder);
    started(command, port, file)
}

fn nginx(program: &Path, folder: &Path, file: &str) -> Served {
    let port = free_port();
    let root = folder.display();
    let configuration = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log /dev/null;\n\
         events {{}}\n\
         http {{ access_log off; sendfile on; tcp_nopush on;\n\
         server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, configuration).expect("the configuration");
    let mut command = Command::new(program);
    command.arg("-c").arg(path).arg("-p").arg(folder);
    started(command, port, file)
}

fn fetch(curl: &Path, url: &str) {
    let words = ["-sS", "-f", "-o", "/dev/null", url];
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    process::run(curl, &words);
}

fn main() {
    let options = Options::of_process();
    let rounds = options.rounds(21);
    let scratch = shared::scratch();
    let folder = scratch.path();
    let mut missing = Vec::new();
    let mut wanted = |program: &str, package: &str| {
        let found = installed(program);
        if found.is_none() {
            println!("missing: {program} (apt-get install {package})");
            missing.push(program.to_owned());
        }
        found
    };
    let (curl, nginx_program) = (wanted("curl", "curl"), wanted("nginx", "nginx-light"));
    let busybox_program = wanted("busybox", "busybox");
    let mut standings = Vec::new();
    let megabytes: &[u64] = if options.short { &[16] } else { &[16, 256] };
    for &megabytes in curl.iter().flat_map(|_| megabytes) {
        let Some(curl) = &curl else { continue };
        // Two partitions, because one alone is no layout; the first is the file.
        let table = folder.join("table");
        let bytes = megabytes << 20;
        let text = format!(
            "dev:    size   erasesize  name\nmtd0: {bytes:08x} 00020000 \"all\"\n\
             mtd1: 00020000 00020000 \"rest\"\n"
        );
        std::fs::write(&table, text).expect("the table");
        let simulate = format!("--simulate={}", table.display());
        let ours = mtdkeep(&simulate, "mtd0.bin");
        let file = folder.join("mtd0.bin");
        let mut copy = Command::new(curl);
        copy.arg("-sSfo").arg(&file).arg(&ours.url);
        assert!(copy.status().expect("curl starts").success());
        let theirs = nginx_program
            .as_ref()
            .map(|it| nginx(it, folder, "mtd0.bin"));
        let small = busybox_program
            .as_ref()
            .map(|it| busybox(it, folder, "mtd0.bin"));
        let mut contest = Contest::new(format!("{megabytes} MiB by curl"), Some(bytes));
        if let Some(theirs) = &theirs {
            contest.enter("nginx", None, || fetch(curl, &theirs.url));
        }
        if let Some(small) = &small {
            contest.enter("BusyBox httpd", None, || fetch(curl, &small.url));
        }
        contest.enter("mtdkeep serve", Some(AIM), || fetch(curl, &ours.url));
        contest.enter_timed("mtdkeep serve, first", None, || {
            let new = mtdkeep(&simulate, "mtd0.bin");
            let began = Instant::now();
            fetch(curl, &new.url);
            began.elapsed().as_secs_f64()
        });
        standings.extend(contest.run(rounds));
    }
    options.write_json(&Report {
        machine: Machine::now(),
        rounds,
        missing,
        standings,
    });
}
