//! Servers on this machine that a benchmark fetches from, and the programs they are.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Programs that are there, and the names of those that are not.
#[derive(Default)]
pub struct Programs {
    pub missing: Vec<String>,
}

impl Programs {
    /// Where a program is; one that is missing is named, with the package that has it.
    pub fn find(&mut self, program: &str, package: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let found = folders
            .map(|folder| folder.join(program))
            .find(|file| file.is_file());
        if found.is_none() {
            println!("missing: {program} (apt-get install {package})");
            self.missing.push(program.to_owned());
        }
        found
    }
}

/// A process that runs beside the measurement, and ends with it.
pub struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The layout of a device with a partition of so many MiB, and a small one, because one
/// alone is no layout.
pub fn table(folder: &Path, megabytes: u64) -> PathBuf {
    let path = folder.join("table");
    let bytes = megabytes << 20;
    let text = format!(
        "dev:    size   erasesize  name\nmtd0: {bytes:08x} 00020000 \"all\"\n\
         mtd1: 00020000 00020000 \"rest\"\n"
    );
    std::fs::write(&path, text).expect("the table");
    path
}

/// The program over a simulated device with that table; the page that it serves.
pub fn mtdkeep(table: &Path) -> (Beside, String) {
    let simulate = format!("--simulate={}", table.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_mtdkeep"))
        .args(["serve", &simulate, "--listen", "127.0.0.1:0"])
        .args(["--token", "x"])
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

/// nginx with a folder, its own files in `own`; its page.
pub fn nginx(program: &Path, own: &Path, root: &Path) -> (Beside, String) {
    let port = free_port();
    let configuration = format!(
        "daemon off; master_process off; pid {0}/nginx.pid; error_log /dev/null;\n\
         events {{}}\n\
         http {{ access_log off; sendfile on; tcp_nopush on;\n\
         server {{ listen 127.0.0.1:{port}; root {1}; }} }}\n",
        own.display(),
        root.display()
    );
    let path = own.join("nginx.conf");
    std::fs::write(&path, configuration).expect("the configuration");
    let mut command = Command::new(program);
    command.arg("-c").arg(path).arg("-p").arg(own);
    let server = started(&mut command, port).expect("nginx serves");
    (server, format!("http://127.0.0.1:{port}/"))
}

/// A port that nobody has now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Starts a server, and waits until it listens on its port; none where it ends before.
pub fn started(command: &mut Command, port: u16) -> Option<Beside> {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = Beside(command.spawn().ok()?);
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if child.0.try_wait().ok()?.is_some() || Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(child)
}
