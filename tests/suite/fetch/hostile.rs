//! Web servers that lie, never end, or change their minds in the middle; and who is
//! there at all.

use super::http::{backup, files};
use super::support::assert_good;
use crate::cli::support::{program, text};
use rstest::rstest;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

/// What is asked for: method, name below the folder, lines of the head; and how often
/// the same was asked for before.
struct Asked {
    method: String,
    name: String,
    lines: Vec<String>,
    times: usize,
}

impl Asked {
    fn line(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.lines.iter().find_map(|line| line.strip_prefix(&start))
    }
}

/// A server whose answers a test writes byte by byte.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answer: impl Fn(&Asked, &mut dyn Write) -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = asked.clone();
        // It ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let Some(request) = request(&stream, &all) else {
                    continue;
                };
                answer(&request, &mut stream);
            }
        });
        Self { port, asked }
    }

    /// A backup's files, but for those that `answer` answers itself.
    fn of_backup(answer: impl Fn(&Asked, &[u8], &mut dyn Write) -> bool + Send + 'static) -> Self {
        let files = backup();
        Self::new(move |asked, out| {
            let file = if asked.name.is_empty() {
                "index.html"
            } else {
                &asked.name
            };
            let Some(body) = files.get(file) else {
                return out
                    .write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
                    .is_ok();
            };
            answer(asked, body, out) || plain(asked, body, out)
        })
    }

    fn fetch(&self, folder: &Path, options: &[&str]) -> Output {
        program()
            .arg("fetch")
            .arg(format!("http://127.0.0.1:{}/x/", self.port))
            .arg(folder)
            .args(options)
            .output()
            .unwrap()
    }

    fn times(&self, what: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|one| *one == what)
            .count()
    }
}

fn request(stream: &TcpStream, all: &Mutex<Vec<String>>) -> Option<Asked> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?);
    let name = path.strip_prefix("/x/").unwrap_or("nothing").to_owned();
    let lines = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty());
    let lines = lines.collect();
    let what = format!("{method} {name}");
    let mut all = all.lock().unwrap();
    let times = all.iter().filter(|one| **one == what).count();
    all.push(what);
    Some(Asked {
        method,
        name,
        lines,
        times,
    })
}

/// The file, with its length.
fn plain(asked: &Asked, body: &[u8], out: &mut dyn Write) -> bool {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = out.write_all(head.as_bytes());
    if asked.method == "GET" {
        let _ = out.write_all(body);
    }
    true
}

/// The file in chunks, with a digest behind it.
fn with_digest(body: &[u8], digest: &str, out: &mut dyn Write) -> bool {
    let _ = out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(1000) {
        let _ = out.write_all(format!("{:x}\r\n", chunk.len()).as_bytes());
        let _ = out.write_all(chunk);
        let _ = out.write_all(b"\r\n");
    }
    let end = format!("0\r\nRepr-Digest: sha-256=:{digest}:\r\n\r\n");
    out.write_all(end.as_bytes()).is_ok()
}

fn is_image(asked: &Asked, name: &str) -> bool {
    asked.method == "GET" && asked.name == name
}

/// The SHA-256 of what `printf` wrote is not of these files: the digest that follows is
/// another one as often as is said.
const OTHER: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

/// The digest behind an image finds what changed on the way while there is still time to
/// ask again, for this image alone; what never comes right is no success.
#[rstest]
#[case::once(1, 0)]
#[case::twice(2, 0)]
#[case::always(usize::MAX, 4)]
fn what_came_damaged_comes_again(#[case] often: usize, #[case] code: i32) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of_backup(move |asked, body, out| {
        if !is_image(asked, "mtd1.bin") || asked.times >= often {
            return false;
        }
        assert_eq!(asked.line("TE"), Some("trailers"));
        with_digest(body, OTHER, out)
    });
    let output = server.fetch(&path, &[]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("mtd1.bin came damaged; trying again"),
        "{said}"
    );
    assert_eq!(server.times("GET mtd0.bin"), 1);
    match code {
        0 => {
            assert_good(&path);
            assert_eq!(server.times("GET mtd1.bin"), often + 1);
        }
        _ => {
            assert!(said.contains("never came as the server read it"), "{said}");
            assert!(!path.exists());
        }
    }
}

/// A head that comes in pieces, behind one that is none yet, is a head.
#[test]
fn a_head_may_come_byte_by_byte() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of_backup(|asked, body, out| {
        let _ = out.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        for byte in head.as_bytes() {
            let _ = out.write_all(&[*byte]);
            // As if each were a packet of its own.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        asked.method == "HEAD" || out.write_all(body).is_ok()
    });
    let output = server.fetch(&path, &["-q"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&path);
}

/// A body that does not end fills no disk, whatever it is, in whichever form.
#[rstest]
#[case::image("mtd0.bin", "HTTP/1.1 200 OK\r\n\r\n")]
#[case::image_in_chunks(
    "mtd0.bin",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"
)]
#[case::text("SHA256SUMS", "HTTP/1.1 200 OK\r\n\r\n")]
#[case::manifest(
    "manifest.json",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"
)]
#[case::page("", "HTTP/1.1 200 OK\r\n\r\n")]
fn a_body_without_end_ends_the_fetch(#[case] name: &'static str, #[case] head: &'static str) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of_backup(move |asked, _, out| {
        if !is_image(asked, name) {
            return false;
        }
        let piece = vec![b'x'; 1 << 16];
        let _ = out.write_all(head.as_bytes());
        while out.write_all(&piece).is_ok() {}
        true
    });
    let output = server.fetch(&path, &["-q"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(!path.exists());
    let left = outer.path().join("b.fetching");
    let bytes: usize = match left.exists() {
        true => files(&left).values().map(Vec::len).sum(),
        false => 0,
    };
    assert!(bytes <= (64 << 20) + (1 << 20), "{bytes}");
}

/// The rest of another version is not put behind the beginning of the first, even by a
/// server that does not heed If-Range.
#[rstest]
#[case::of_a_backup(true)]
#[case::of_a_capture(false)]
fn two_versions_are_never_put_together(#[case] has_manifest: bool) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let files = match has_manifest {
        true => backup(),
        false => super::http::capture(),
    };
    let new: BTreeMap<_, _> = files.clone();
    let server = Server::new(move |asked, out| {
        let file = if asked.name.is_empty() {
            "index.html"
        } else {
            &asked.name
        };
        let Some(body) = new.get(file) else {
            return out
                .write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
                .is_ok();
        };
        if !is_image(asked, "mtd0.bin") {
            return plain(asked, body, out);
        }
        let (tag, length) = (asked.times.min(1), body.len());
        if asked.times == 0 {
            // The old version, cut in the middle.
            let head =
                format!("HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\nContent-Length: {length}\r\n\r\n");
            let _ = out.write_all(head.as_bytes());
            return out.write_all(&vec![0x55; length / 2]).is_ok();
        }
        let from = asked.line("Range").map_or(0, |range| {
            let range = range.trim_start_matches("bytes=").trim_end_matches('-');
            range.parse().unwrap()
        });
        let head = format!(
            "HTTP/1.1 {}\r\nETag: \"{tag}\"\r\nContent-Range: bytes {from}-{}/{length}\r\n\
             Content-Length: {}\r\n\r\n",
            if asked.line("Range").is_some() {
                "206 Part"
            } else {
                "200 OK"
            },
            length - 1,
            length - from
        );
        let _ = out.write_all(head.as_bytes());
        out.write_all(&body[from..]).is_ok()
    });
    let output = server.fetch(&path, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        text(&output.stderr).contains("is another one now"),
        "{output:?}"
    );
    assert!(fs::read(path.join("mtd0.bin")).unwrap() == files["mtd0.bin"]);
    assert_eq!(server.times("GET mtd0.bin"), 3);
}

/// An answer that is a part, and not the one that was asked for.
#[rstest]
#[case::another_place(
    "206 Part\r\nContent-Range: bytes 1-4095/4096\r\nContent-Length: 4095",
    "another part"
)]
#[case::another_length(
    "206 Part\r\nContent-Range: bytes 0-4095/4097\r\nContent-Length: 4096",
    "another length"
)]
#[case::no_range("206 Part\r\nContent-Length: 4096", "another part")]
#[case::several_parts(
    "206 Part\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 4096",
    "another part"
)]
fn a_part_that_was_not_asked_for(#[case] head: &'static str, #[case] says: &str) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of_backup(move |asked, body, out| {
        if !is_image(asked, "mtd0.bin") {
            return false;
        }
        let _ = out.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
        out.write_all(body).is_ok()
    });
    let output = server.fetch(&path, &[]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = text(&output.stderr).replace("\n  ", " ");
    assert!(said.contains(says), "{said}");
    assert!(!path.exists());
}

/// Names that lead elsewhere, or would on another system, are not taken; nor does their
/// number matter.
#[test]
fn names_that_lead_elsewhere_are_not_asked_for() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let mut page = String::from("<html>");
    for link in [
        "../mtd9.bin",
        "..%2fmtd9.bin",
        "%2e%2e/mtd9.bin",
        "/x/mtd9.bin",
        "//evil/mtd9.bin",
        "http://evil/mtd9.bin",
        "http://127.0.0.1@evil/mtd9.bin",
        "mtd9.bin\0",
        "mtd9.bin?x",
        "mtd9.bin#x",
        "CON",
        "NUL.bin",
        "mtd9.bin:stream",
        "mtd99999999999.bin",
        "C:\\mtd9.bin",
        "\\\\evil\\mtd9.bin",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "mtd-9.bin",
        "MTD9.BIN",
    ] {
        page += &format!("<a href=\"{link}\">x</a>");
    }
    for mtd in 0..10_000 {
        page += &format!("<a href=\"x{mtd}.bin\">x</a>");
    }
    let whole = String::from_utf8(backup()["index.html"].clone()).unwrap();
    let page = page + &whole;
    let server = Server::of_backup(move |asked, _, out| {
        asked.name.is_empty() && plain(asked, page.as_bytes(), out)
    });
    let output = server.fetch(&path, &["-q"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let asked = server.asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|one| !one.contains("mtd9") && !one.contains("nothing")),
        "{asked:?}"
    );
    assert_good(&path);
}

/// Who waits is told at once what is tried, and soon that nobody is there.
#[test]
fn a_wrong_address_is_told_at_once() {
    let outer = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = program()
        .arg("fetch")
        .arg(format!("http://{address}/"))
        .arg(outer.path().join("b"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.starts_with(&format!("mtdkeep: connecting to http://{address}\n")),
        "{said}"
    );
    assert!(said.contains("; trying again\n"), "{said}");
    assert_eq!(said.matches("trying again").count(), 2, "{said}");
    assert!(said.contains("look whether the server is there"), "{said}");
}
