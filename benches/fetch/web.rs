//! From web servers: `mtdkeep serve`, and nginx with a backup's folder.

use super::shared::rounds::{Contest, Standing};
use super::{Beside, Programs, fetch, run, table};
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    let (_ours, url) = serve(&table(scratch, megabytes));
    let mut all = contest("mtdkeep serve", &url, &curl, scratch, megabytes, rounds);
    let folder = scratch.join("served");
    std::fs::create_dir(&folder).expect("a folder");
    curl_all(&curl, &url, &folder);
    if let Some(nginx) = nginx {
        let (_theirs, url) = self::nginx(&nginx, scratch, &folder);
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

/// The program over a simulated device; its page.
fn serve(table: &Path) -> (Beside, String) {
    let simulate = format!("--simulate={}", table.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_mtdkeep"))
        .args([
            "serve",
            &simulate,
            "--listen",
            "127.0.0.1:0",
            "--token",
            "x",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("it speaks"), 0);
    }
    // It goes on to speak.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (Beside(child), line.trim().to_owned())
}

fn nginx(program: &Path, scratch: &Path, folder: &Path) -> (Beside, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let (own, root) = (scratch.display(), folder.display());
    let configuration = format!(
        "daemon off; master_process off; pid {own}/nginx.pid; error_log /dev/null;\n\
         events {{}}\n\
         http {{ access_log off; sendfile on; tcp_nopush on;\n\
         server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    );
    let path = scratch.join("nginx.conf");
    std::fs::write(&path, configuration).expect("the configuration");
    let mut command = Command::new(program);
    command.arg("-c").arg(path).arg("-p").arg(scratch);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = Beside(command.spawn().expect("it starts"));
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, format!("http://127.0.0.1:{port}/"))
}
