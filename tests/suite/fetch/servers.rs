//! Web servers of others, in front of what a capture script left: BusyBox's, Python's,
//! nginx. `ci/fetch` has them.

use super::open_ssh::free_port;
use super::support::assert_good;
use crate::capture::support::{Bench, small};
use crate::cli::support::{program, text};
use rstest::rstest;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that is ended when the test is.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn busybox(folder: &Path, port: u16, _: &Path) -> Command {
    let mut command = Command::new("busybox");
    command
        .args(["httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h"])
        .arg(folder);
    command
}

fn python(folder: &Path, port: u16, _: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-m", "http.server", "--bind", "127.0.0.1"])
        .arg(port.to_string())
        .arg("--directory")
        .arg(folder);
    command
}

fn nginx(folder: &Path, port: u16, own: &Path) -> Command {
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log stderr;\nevents {{}}\n\
         http {{ access_log off; gzip on; gzip_types *; client_body_temp_path {0}/t1;\n\
         proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3; uwsgi_temp_path {0}/t4;\n\
         scgi_temp_path {0}/t5; server {{ listen 127.0.0.1:{port}; root \"{1}\"; autoindex on; }} }}\n",
        own.display(),
        folder.display()
    );
    fs::write(own.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(own)
        .arg("-c")
        .arg(own.join("nginx.conf"));
    command
}

type Start = fn(&Path, u16, &Path) -> Command;

/// The page of the script, that of the older and well-known one, or the server's list.
#[rstest]
#[ignore = "needs busybox"]
#[case::busybox_page(busybox, "page")]
#[ignore = "needs busybox"]
#[case::busybox_old_page(busybox, "old")]
#[ignore = "needs python3"]
#[case::python_page(python, "page")]
#[ignore = "needs python3"]
#[case::python_list(python, "list")]
#[ignore = "needs nginx"]
#[case::nginx_page(nginx, "page")]
#[ignore = "needs nginx"]
#[case::nginx_old_page(nginx, "old")]
#[ignore = "needs nginx"]
#[case::nginx_list(nginx, "list")]
fn a_capture_behind_a_server_of_others(#[case] start: Start, #[case] page: &str) {
    let bench = Bench::new(small(1));
    assert!(bench.run(&["sh"], &[]).status.success());
    let folder = bench.folder();
    let index = folder.join("index.html");
    match page {
        "list" => fs::remove_file(&index).unwrap(),
        "old" => {
            let links = (0..4).map(|mtd| format!("<br><a href=\"mtd{mtd}.bin\">mtd{mtd}</a>\n"));
            let head = "<HTML><body>\n<br>Right-click and 'Save Target As...'\n";
            let links: String = links.collect();
            let table = "<a href=\"proc_mtd.txt\">proc_mtd.txt</a>";
            fs::write(&index, format!("{head}{links}{table}</body></HTML>\n")).unwrap();
        }
        _ => {}
    }
    let own = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut command = start(&folder, port, own.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Server(command.spawn().unwrap());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = server.0.try_wait().unwrap();
        assert!(ended.is_none(), "the server ended: {ended:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let path = own.path().join("b");
    let output = program()
        .args(["fetch", &format!("http://127.0.0.1:{port}/")])
        .arg(&path)
        .args(["--twice"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    bench.assert_images(&path, &[0, 1, 2, 3]);
    assert_good(&path);
    let said = text(&output.stdout);
    assert!(said.contains("came twice"), "{said}");
    // With the device's own digests it is proven, and without them that is told.
    let told = match page {
        "old" => text(&output.stderr).contains("not proven"),
        _ => said.contains("MD5"),
    };
    assert!(told, "{output:?}");
}
