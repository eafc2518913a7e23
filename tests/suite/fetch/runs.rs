//! What one run left, and the next makes of it.

use super::http::{Server, Wrong, backup, capture, files};
use super::support::assert_good;
use crate::cli::support::{program, program_words, text};
use crate::serve::client::TOKEN;
use crate::serve::support::Serving;
use rstest::rstest;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What another run left goes on at its last byte, from the same server or one that was
/// started anew; what it left of another backup is found by the manifest.
#[rstest]
#[case::same("", 0)]
#[case::knows_no_parts("plain", 0)]
#[case::other_bytes_before("changed", 0)]
fn a_full_disk_ends_it_and_another_run_goes_on(#[case] how: &str, #[case] code: i32) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of(backup(), Wrong::default());
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 2; exec \"$@\"", "sh"])
        .args(program_words())
        .args(["fetch", &format!("http://127.0.0.1:{}/x/", server.port)])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(limited.status.code(), Some(4), "{limited:?}");
    assert!(text(&limited.stderr).contains("holds what came so far"));
    assert!(!path.exists());
    let part = outer.path().join("b.fetching/mtd0.bin.part");
    let left = fs::metadata(&part).unwrap().len();
    assert!((1..0x1000).contains(&left), "{left}");
    if how == "changed" {
        let mut bytes = fs::read(&part).unwrap();
        bytes[3] ^= 1;
        fs::write(&part, bytes).unwrap();
    }
    let wrong = Wrong {
        plain: how == "plain",
        ..Wrong::default()
    };
    let server = Server::of(server.state.lock().unwrap().files.clone(), wrong);
    let output = server.fetch(&path, &["-q"]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(files(&path) == server.state.lock().unwrap().files);
    let asked = server.asked();
    assert!(
        asked.contains(&format!("GET mtd0.bin from {left}-")),
        "{asked:?}"
    );
    let again = asked.iter().filter(|one| *one == "GET mtd0.bin").count();
    assert_eq!(again, usize::from(how == "changed"), "{asked:?}");
}

/// The connection is cut after every KiB of all that comes, the page and the manifest
/// among it: it goes on there, and nothing that was cut is taken for whole.
#[test]
fn a_connection_that_is_cut_at_every_kilobyte() {
    let files_there = backup();
    let page_bytes = files_there["index.html"].len();
    let bytes: usize = page_bytes + files_there.values().map(Vec::len).sum::<usize>();
    for kib in 1..=bytes >> 10 {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("b");
        let wrong = Wrong {
            cut_after: Some(kib << 10),
            ..Wrong::default()
        };
        let server = Server::of(files_there.clone(), wrong);
        let output = server.fetch(&path, &["-q"]);
        assert_eq!(output.status.code(), Some(0), "{kib}: {output:?}");
        assert!(files(&path) == files_there, "{kib}");
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let outer = tempfile::tempdir().unwrap();
    let wrong = Wrong {
        busy: 1,
        ..Wrong::default()
    };
    let server = Server::of(backup(), wrong);
    let output = server.fetch(&outer.path().join("b"), &["-q"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// A file that is shorter or longer than its manifest says is no success, as long as
/// nobody mends it, and gets no name.
#[rstest]
#[case::shorter(0xfff)]
#[case::longer(0x1001)]
#[case::empty(0)]
fn a_file_of_another_length_is_no_success(#[case] bytes: usize) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of(backup(), Wrong::default());
    let right = files_of(&server);
    let image = |bytes| {
        let mut state = server.state.lock().unwrap();
        state.files.get_mut("mtd0.bin").unwrap().resize(bytes, 0xff);
    };
    image(bytes);
    let output = server.fetch(&path, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("mtd0.bin"), "{output:?}");
    assert!(!path.exists());
    server.state.lock().unwrap().files = right.clone();
    assert_eq!(server.fetch(&path, &["-q"]).status.code(), Some(0));
    assert!(files(&path) == right);
}

fn files_of(server: &Server) -> BTreeMap<String, Vec<u8>> {
    server.state.lock().unwrap().files.clone()
}

/// A way to `mtdkeep serve` on which the server ends once, after so many bytes, and
/// another one of the same device is there from then on, as long as the way is.
struct Way {
    address: SocketAddr,
    serving: Arc<Mutex<Option<Serving>>>,
}

impl Way {
    fn new(bytes: u64, start: impl Fn() -> Serving + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::new(Mutex::new(Some(start())));
        let shared = Arc::clone(&serving);
        std::thread::spawn(move || {
            let mut left = Some(bytes);
            for client in listener.incoming() {
                let Some(to) = shared.lock().unwrap().as_ref().map(|it| it.address) else {
                    return;
                };
                let count = pass(&client.unwrap(), to, left.unwrap_or(u64::MAX));
                left = left.map(|left| left - count);
                if left == Some(0) {
                    left = None;
                    if let Some(serving) = shared.lock().unwrap().as_mut() {
                        *serving = start();
                    }
                }
            }
        });
        Self { address, serving }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.serving.lock().unwrap().take();
    }
}

/// One connection; how many bytes the server sent, of so many at most.
fn pass(client: &TcpStream, to: SocketAddr, bytes_max: u64) -> u64 {
    let server = TcpStream::connect(to).unwrap();
    let (mut asks, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut asks, &mut asked);
        let _ = asked.shutdown(Shutdown::Write);
    });
    let count = std::io::copy(&mut (&server).take(bytes_max), &mut &*client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    count.unwrap_or(0)
}

/// The server is started anew in the middle of an image: its bytes are another version,
/// as far as anybody can know, and are not put to those that came before.
#[rstest]
fn a_server_that_is_started_anew_in_between(#[values(2_000, 20_000, 60_000)] after: u64) {
    let outer = tempfile::tempdir().unwrap();
    let log = "mtdkeep layout 1\nchip 0: size 0x10000, name \"\"\n\
               mtd0: chip 0, offset 0x0 (user), size 0xc000 (user), \
               erase block 0x1000 (user), name \"a\"\n\
               mtd1: chip 0, offset 0xc000 (user), size 0x4000 (user), \
               erase block 0x1000 (user), name \"b\"\n";
    let layout = outer.path().join("layout");
    fs::write(&layout, log).unwrap();
    let simulate = format!("--simulate={}", layout.display());
    let plain = Serving::start(&[&simulate]);
    let flash = [plain.get("mtd0.bin"), plain.get("mtd1.bin")];
    let way = Way::new(after, move || Serving::start(&[&simulate]));
    let output = program()
        .args(["fetch", "-q", &format!("http://{}/{TOKEN}/", way.address)])
        .arg(outer.path().join("b"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&outer.path().join("b"));
    let came = ["mtd0.bin", "mtd1.bin"].map(|name| fs::read(outer.path().join("b").join(name)));
    assert!(came.map(Result::unwrap) == flash);
}

/// A capture has no manifest: nothing of an earlier run is gone on with.
#[test]
fn what_nothing_proves_begins_anew() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let staging = outer.path().join("b.fetching");
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("mtd0.bin.part"), [7; 100]).unwrap();
    let server = Server::of(capture(), Wrong::default());
    assert_eq!(server.fetch(&path, &["-q"]).status.code(), Some(0));
    assert!(server.asked().iter().all(|asked| !asked.contains(" from ")));
    assert!(fs::read(path.join("mtd0.bin")).unwrap() == capture()["mtd0.bin"]);
}
