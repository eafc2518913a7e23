//! From a web server: one that the test has in its hands, so that it can cut, lie and
//! send elsewhere.

use super::support::{TABLE, assert_good};
use crate::cli::support::{mtdkeep, program, text};
use rstest::rstest;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

/// What a server does wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Wrong {
    /// Each answer that is longer ends after so many bytes of it; so often.
    pub(super) cuts: Option<(usize, u32)>,
    /// After so many bytes of bodies in all the connection is cut, once.
    pub(super) cut_after: Option<usize>,
    /// It knows no parts, and no versions.
    pub(super) plain: bool,
    /// Byte `.1` of a file is another one.
    pub(super) lies: Option<(&'static str, usize)>,
    /// A file's name, and what it is answered with.
    pub(super) answers: Option<(&'static str, &'static str)>,
    /// An image is another one each time.
    pub(super) changes: Option<&'static str>,
    /// So many answers are 500 first.
    pub(super) busy: u32,
}

#[derive(Default)]
pub(super) struct State {
    wrong: Wrong,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) fn of(files: BTreeMap<String, Vec<u8>>, wrong: Wrong) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            wrong,
            files,
            asked: Vec::new(),
        }));
        let shared = state.clone();
        // It ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = serve(stream.unwrap(), &shared);
            }
        });
        Self { port, state }
    }

    pub(super) fn fetch(&self, folder: &Path, options: &[&str]) -> Output {
        program()
            .arg("fetch")
            .arg(format!("http://127.0.0.1:{}/x/", self.port))
            .arg(folder)
            .args(options)
            .output()
            .unwrap()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let heads: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let mut state = state.lock().unwrap();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let name = path.strip_prefix("/x/").unwrap_or("nothing").to_owned();
    let range = heads
        .iter()
        .find_map(|line| line.strip_prefix("Range: bytes="));
    let part = range.map_or(String::new(), |range| format!(" from {range}"));
    state.asked.push(format!("{method} {name}{part}"));
    if let Some((file, answer)) = state.wrong.answers {
        if file == name {
            return stream.write_all(answer.as_bytes());
        }
    }
    if state.wrong.busy > 0 {
        state.wrong.busy -= 1;
        return stream.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    }
    let file = if name.is_empty() { "index.html" } else { &name };
    let Some(mut body) = state.files.get(file).cloned() else {
        return stream.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    };
    if let Some((_, at)) = state.wrong.lies.filter(|(lie, _)| *lie == file) {
        body[at] ^= 0x40;
    }
    if state.wrong.changes == Some(file) && method == "GET" {
        state.files.get_mut(file).unwrap()[0] ^= 1;
    }
    let from: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
    let whole = body.len();
    let mut head = match (range, state.wrong.plain) {
        (Some(_), false) => format!(
            "HTTP/1.1 206 Part\r\nContent-Range: bytes {from}-{}/{whole}\r\n",
            whole - 1
        ),
        _ => "HTTP/1.1 200 OK\r\n".into(),
    };
    let mut sent = match state.wrong.plain {
        true => &body[..],
        false => &body[from..],
    };
    head += &format!("Content-Length: {}\r\n", sent.len());
    if !state.wrong.plain {
        head += "ETag: \"one\"\r\n";
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    if method == "HEAD" {
        return Ok(());
    }
    if let Some((at, times)) = &mut state.wrong.cuts {
        if sent.len() > *at && *times > 0 {
            *times -= 1;
            sent = &sent[..*at];
        }
    }
    if let Some(left) = state.wrong.cut_after {
        sent = &sent[..sent.len().min(left)];
        state.wrong.cut_after = left.checked_sub(sent.len()).filter(|left| *left > 0);
    }
    stream.write_all(sent)
}

/// A backup's files, of a small device.
pub(super) fn backup() -> BTreeMap<String, Vec<u8>> {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    mtdkeep()
        .args(["backup", "--simulate=table", "-q", "-o", "b"])
        .current_dir(&outer)
        .assert()
        .code(0);
    files(&outer.path().join("b"))
}

pub(super) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    };
    entries.map(file).collect()
}

/// What the old script leaves: images and a page.
pub(super) fn capture() -> BTreeMap<String, Vec<u8>> {
    let mut files = backup();
    files.retain(|name, _| name.starts_with("mtd"));
    files.insert("proc_mtd.txt".into(), TABLE.into());
    let links = files
        .keys()
        .map(|name| format!("<a href=\"{name}\">{name}</a>"));
    let page = format!("<HTML><body>{}</body></HTML>", links.collect::<String>());
    files.insert("index.html".into(), page.into());
    files
}

#[test]
fn a_backup_comes_exactly_as_it_is() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of(backup(), Wrong::default());
    let output = server.fetch(&path, &["--twice"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(files(&path) == server.state.lock().unwrap().files);
    assert_good(&path);
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 1);
    let asked = server.asked();
    assert!(
        asked.last().unwrap().starts_with("GET verified/"),
        "{asked:?}"
    );
    // And once more there is no room for it.
    assert_eq!(server.fetch(&path, &[]).status.code(), Some(5));
}

/// Every answer is cut after so many bytes, time after time: it goes on there, or from
/// the start where the server knows no parts.
#[rstest]
fn a_connection_that_is_cut(
    #[values(false, true)] plain: bool,
    #[values(1, 511, 1024, 4095)] at: usize,
) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let wrong = Wrong {
        cuts: Some((at, 2)),
        plain,
        ..Wrong::default()
    };
    let server = Server::of(backup(), wrong);
    let output = server.fetch(&path, &["-q"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(files(&path) == server.state.lock().unwrap().files);
}

/// Nothing that is cut, changed or short ends as a success, or gets the name.
#[rstest]
#[case::wrong_byte(Wrong { lies: Some(("mtd0.bin", 77)), ..Wrong::default() }, 1, "mtd0.bin")]
#[case::wrong_manifest(Wrong { lies: Some(("manifest.json", 400)), ..Wrong::default() }, 1, "manifest")]
#[case::missing_image(
    Wrong { answers: Some(("mtd1.bin", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")), ..Wrong::default() },
    4, "has no mtd1.bin"
)]
#[case::elsewhere(
    Wrong { answers: Some(("mtd1.bin", "HTTP/1.1 302 There\r\nLocation: http://other/\r\n\r\n")), ..Wrong::default() },
    4, "not followed"
)]
#[case::packed(
    Wrong { answers: Some(("mtd1.bin", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1024\r\n\r\n")), ..Wrong::default() },
    4, "gzip"
)]
#[case::no_length(
    Wrong { answers: Some(("mtd1.bin", "HTTP/1.1 200 OK\r\n\r\nabc")), ..Wrong::default() },
    4, "how long mtd1.bin is"
)]
#[case::no_server(
    Wrong { answers: Some(("", "SSH-2.0-dropbear\r\n")), ..Wrong::default() },
    4, "no web server"
)]
#[case::no_page(
    Wrong { answers: Some(("", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")), ..Wrong::default() },
    4, "has no such page"
)]
#[case::nothing_there(
    Wrong { answers: Some(("", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")), ..Wrong::default() },
    4, "no mtdN.bin is linked"
)]
fn what_is_wrong_is_no_success(#[case] wrong: Wrong, #[case] code: i32, #[case] word: &str) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of(backup(), wrong);
    let output = server.fetch(&path, &[]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(text(&output.stderr).contains(word), "{output:?}");
    assert!(!path.exists());
    // What came waits beside it, and the rest completes it.
    server.state.lock().unwrap().wrong = Wrong::default();
    assert_eq!(server.fetch(&path, &["-q"]).status.code(), Some(0));
    assert!(files(&path) == server.state.lock().unwrap().files);
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 1);
}

/// Of a capture without digests only the lengths are known, and that is said; with
/// --twice a wrong byte is found.
#[test]
fn a_capture_is_imported_and_what_is_not_proven_told() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of(capture(), Wrong::default());
    let output = server.fetch(&path, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("not proven"), "{output:?}");
    assert_good(&path);
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 1);
    let wrong = Wrong {
        changes: Some("mtd2.bin"),
        ..Wrong::default()
    };
    let server = Server::of(capture(), wrong);
    let path = outer.path().join("c");
    let output = server.fetch(&path, &["--twice"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stderr).contains("mtd2.bin came otherwise"),
        "{output:?}"
    );
    assert!(!path.exists());
}

/// A folder with anything else in it gets nothing.
#[test]
fn a_folder_with_other_files_is_refused() {
    let outer = tempfile::tempdir().unwrap();
    let server = Server::of(backup(), Wrong::default());
    for folder in ["b", "b.fetching"] {
        fs::create_dir(outer.path().join(folder)).unwrap();
        fs::write(outer.path().join(folder).join("thesis.doc"), "mine").unwrap();
        let output = server.fetch(&outer.path().join("b"), &[]);
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let mine = fs::read(outer.path().join(folder).join("thesis.doc")).unwrap();
        assert_eq!(mine, b"mine");
        fs::remove_dir_all(outer.path().join(folder)).unwrap();
    }
}

/// What takes the name is the folder itself, not a link to it, and who may look into it
/// stays as it was.
#[test]
fn an_empty_folder_behind_a_link_gets_the_backup() {
    let outer = tempfile::tempdir().unwrap();
    let place = |name: &str| outer.path().join(name);
    fs::create_dir(place("real")).unwrap();
    fs::set_permissions(place("real"), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("real", place("link")).unwrap();
    let server = Server::of(backup(), Wrong::default());
    let output = server.fetch(&place("link"), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&place("real"));
    assert!(place("link").is_symlink());
    let mode = fs::metadata(place("real")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 2);
}

/// Where the backup cannot get its name in the end, nothing is downloaded first.
#[test]
fn a_folder_that_cannot_get_the_name_is_refused_at_once() {
    let outer = tempfile::tempdir().unwrap();
    let place = |name: &str| outer.path().join(name);
    let server = Server::of(backup(), Wrong::default());
    fs::write(place("file"), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", place("link")).unwrap();
    fs::write(place("f.fetching"), "mine").unwrap();
    fs::create_dir_all(place("d.fetching/mtd0.bin")).unwrap();
    for (name, why) in [
        ("/dev", "not empty"),
        ("file", "it is no folder"),
        ("link", "No such file"),
        ("f", "it is no folder"),
        ("d", "it holds mtd0.bin"),
    ] {
        let output = server.fetch(&place(name), &[]);
        assert_eq!(output.status.code(), Some(5), "{name}: {output:?}");
        assert!(text(&output.stderr).contains(why), "{name}: {output:?}");
    }
    assert!(server.asked().is_empty());
}

/// A name that is no text is a name.
#[test]
fn a_folder_s_name_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let outer = tempfile::tempdir().unwrap();
    for files in [backup(), capture()] {
        let server = Server::of(files, Wrong::default());
        let path = outer
            .path()
            .join(std::ffi::OsStr::from_bytes(b"a\xff \n b"));
        let output = server.fetch(&path, &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_good(&path);
        assert_eq!(fs::read_dir(&outer).unwrap().count(), 1);
        fs::remove_dir_all(&path).unwrap();
    }
}

/// Where nobody answers, a wish to stop ends the waiting, not the last try.
#[test]
fn a_wish_to_stop_is_heard_between_two_tries() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::os::unix::process::ExitStatusExt as _;
    let outer = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = program();
    crate::cli::support::signals_at_start(&mut command, &[]);
    let child = command
        .arg("fetch")
        .arg(format!("http://{}/", listener.local_addr().unwrap()))
        .arg(outer.path().join("b"))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // A first answer, so that the way was right.
    let (mut stream, _) = listener.accept().unwrap();
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n<a href=\"mtd0.bin\">x</a>";
    stream.write_all(page).unwrap();
    // Then it hung up, the program has seen that, and from then on nobody is there.
    let (mut stream, _) = listener.accept().unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    drop(listener);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGTERM), "{output:?}");
    assert!(text(&output.stderr).contains("interrupted"), "{output:?}");
    assert!(!outer.path().join("b").exists());
}

/// This program's own server, straight from the simulated flash.
#[test]
fn what_serve_serves() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let mut server = program()
        .args([
            "serve",
            "--simulate=table",
            "--listen",
            "127.0.0.1:0",
            "--once",
        ])
        .current_dir(&outer)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut words = lines.map_while(Result::ok).flat_map(|line| {
        line.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    });
    let address = words.find(|word| word.starts_with("http://")).unwrap();
    let output = program()
        .args(["fetch", &address])
        .arg(outer.path().join("b"))
        .output()
        .unwrap();
    let _ = server.kill();
    let _ = server.wait();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&outer.path().join("b"));
}
