//! What few programs do with folders: listings that are gone through in other ways than
//! from their start to their end, folders deeper than a path is long, files without
//! a name; and programs that run with their owner's rights.

use crate::calls::{HERE, call};
use crate::support::{bench, inside, text};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::Command;

/// The folder that the tests below are started for.
const FOLDER: &str = "EDGES_FOLDER";

/// Entries of one call of getdents64: name, and what `telldir` tells behind it.
fn entries(fd: i64, room: usize) -> Vec<(String, i64)> {
    let mut bytes = vec![0u8; room];
    let address = bytes.as_mut_ptr() as i64;
    let count = call(libc::SYS_getdents64, [fd, address, room as i64, 0, 0]);
    let count = usize::try_from(count).unwrap_or_else(|_| panic!("{count}"));
    let (mut found, mut at) = (Vec::new(), 0);
    while at < count {
        let length = usize::from(u16::from_ne_bytes([bytes[at + 16], bytes[at + 17]]));
        let name = bytes[at + 19..].split(|byte| *byte == 0).next().unwrap();
        let offset = bytes[at + 8..at + 16].try_into().unwrap();
        let name = String::from_utf8(name.to_vec()).unwrap();
        found.push((name, i64::from_ne_bytes(offset)));
        at += length;
    }
    found
}

/// All that is left, by these numbers in turn.
fn rest(fds: &[i64], room: usize) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for fd in fds.iter().cycle() {
        match entries(*fd, room) {
            more if more.is_empty() => return all,
            more => all.extend(more),
        }
    }
    all
}

fn seek(fd: i64, to: i64) {
    let answer = call(libc::SYS_lseek, [fd, to, libc::SEEK_SET.into(), 0, 0]);
    assert_eq!(answer, to);
}

#[test]
#[ignore = "started in a sandbox by listings_are_gone_through_in_any_way"]
fn listing() {
    let folder = File::open("/dev").unwrap();
    let fd = i64::from(folder.as_raw_fd());
    let all = rest(&[fd], 4096);
    let names = |entries: &[(String, i64)]| {
        let mut names: Vec<String> = entries.iter().map(|entry| entry.0.clone()).collect();
        names.sort();
        names
    };
    let expected = names(&all);
    assert!(
        ["mtd0", "mtdblock9", "null"]
            .iter()
            .all(|name| expected.contains(&name.to_string()))
    );
    // Once more after the end.
    assert!(entries(fd, 4096).is_empty());
    let other = call(libc::SYS_dup, [fd, 0, 0, 0, 0]);
    for room in [300, 1024] {
        seek(fd, 0);
        assert_eq!(
            names(&rest(&[fd, other], room)),
            expected,
            "in turn, {room}"
        );
    }
    // From behind each entry on there is what was there before.
    for (index, (name, offset)) in all.iter().enumerate() {
        seek(fd, *offset);
        assert_eq!(
            names(&rest(&[fd], 1024)),
            names(&all[index + 1..]),
            "from {name} on"
        );
    }
    // Half of it by a child.
    seek(fd, 0);
    let first = entries(fd, 1024);
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors; the child has this thread alone, and ends here.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            let count = entries(fd, 1024).len() as u8;
            libc::write(pipe[1], (&raw const count).cast(), 1);
            libc::_exit(0);
        }
        let mut count = 0u8;
        assert_eq!(libc::read(pipe[0], (&raw mut count).cast(), 1), 1);
        assert_eq!(libc::waitpid(child, std::ptr::null_mut(), 0), child);
        let second = rest(&[fd], 1024).len();
        assert_eq!(first.len() + usize::from(count) + second, all.len());
    }
}

#[test]
fn listings_are_gone_through_in_any_way() {
    inside(&bench(), "edges::listing");
}

#[test]
#[ignore = "started in and out of a sandbox by the_same_in_and_out"]
fn deeper_than_a_path_is_long() {
    const NAME: &str = "a name of some length, so that not too many folders are needed for it";
    const DEPTH: usize = 70;
    std::env::set_current_dir(std::env::var(FOLDER).unwrap()).unwrap();
    for _ in 0..DEPTH {
        std::fs::create_dir(NAME).unwrap();
        std::env::set_current_dir(NAME).unwrap();
    }
    std::fs::write("file", "far down").unwrap();
    std::fs::rename("file", "other").unwrap();
    assert_eq!(std::fs::read_to_string("other").unwrap(), "far down");
    assert_eq!(std::fs::read_dir(".").unwrap().count(), 1);
    std::fs::remove_file("other").unwrap();
    for _ in 0..DEPTH {
        std::env::set_current_dir("..").unwrap();
        std::fs::remove_dir(NAME).unwrap();
    }
}

#[test]
#[ignore = "started in and out of a sandbox by the_same_in_and_out"]
fn a_file_without_a_name_gets_one() {
    let folder = std::env::var(FOLDER).unwrap();
    let mut options = File::options();
    let file = options.read(true).write(true).custom_flags(libc::O_TMPFILE);
    let file = file.open(&folder).unwrap();
    std::io::Write::write_all(&mut &file, b"named").unwrap();
    let fd = i64::from(file.as_raw_fd());
    let name = CString::new(format!("{folder}/named")).unwrap();
    let (to, empty) = (name.as_ptr() as i64, c"".as_ptr() as i64);
    let link = |fd, flags: i32| call(libc::SYS_linkat, [fd, empty, HERE, to, flags.into()]);
    assert_eq!(link(fd, 0), -i64::from(libc::ENOENT));
    assert_eq!(link(fd, libc::AT_EMPTY_PATH), 0);
    assert_eq!(std::fs::read(format!("{folder}/named")).unwrap(), b"named");
    assert_eq!(link(fd, libc::AT_EMPTY_PATH), -i64::from(libc::EEXIST));
    std::fs::remove_file(format!("{folder}/named")).unwrap();
}

#[test]
#[ignore = "started in and out of a sandbox by the_same_in_and_out"]
fn a_limit_on_files_holds_for_truncate() {
    let folder = std::env::var(FOLDER).unwrap();
    let name = format!("{folder}/limited");
    std::fs::write(&name, "some text").unwrap();
    // What this test itself prints goes through pipes.
    let limit = libc::rlimit {
        rlim_cur: 100,
        rlim_max: 100,
    };
    // SAFETY: the limit is a local; the signal's handler is a constant.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let path = CString::new(name.clone()).unwrap();
    let truncate = |length| call(libc::SYS_truncate, [path.as_ptr() as i64, length, 0, 0, 0]);
    assert_eq!(truncate(101), -i64::from(libc::EFBIG));
    assert_eq!(std::fs::read(&name).unwrap(), b"some text");
    assert_eq!([truncate(100), truncate(3)], [0, 0]);
    assert_eq!(std::fs::read(&name).unwrap(), b"som");
}

#[test]
fn the_same_in_and_out() {
    let me = std::env::current_exe().unwrap();
    for test in [
        "edges::deeper_than_a_path_is_long",
        "edges::a_file_without_a_name_gets_one",
        "edges::a_limit_on_files_holds_for_truncate",
    ] {
        let outside = tempfile::tempdir().unwrap();
        let host = tempfile::tempdir().unwrap();
        let run = |folder: &std::path::Path| {
            let mut command = Command::new(&me);
            command
                .args(["--ignored", "--exact", test])
                .env(FOLDER, folder);
            command
        };
        let out = run(outside.path()).output().unwrap();
        // Linux before 6.10 lets only root give a file without a name one by its descriptor.
        if !out.status.success() && test.contains("without_a_name") {
            continue;
        }
        assert!(out.status.success(), "{test}: {}", text(&out.stdout));
        let bench = bench();
        for folder in [host.path(), std::path::Path::new("/var/wwwroot")] {
            let inside = bench.sandbox.output(&mut run(folder)).unwrap();
            let told = text(&inside.stdout);
            assert!(
                inside.status.success(),
                "{test} in {}: {told}",
                folder.display()
            );
        }
    }
}

/// A program that is root's, started by somebody else.
#[test]
#[ignore = "needs root"]
fn a_set_uid_program_has_its_owners_rights_by_root() {
    let bench = bench();
    let host = tempfile::tempdir().unwrap();
    for folder in [host.path(), bench.folder.path()] {
        let id = folder.join("id");
        std::fs::copy("/usr/bin/id", &id).unwrap();
        std::fs::set_permissions(&id, PermissionsExt::from_mode(0o4755)).unwrap();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    for folder in [host.path().to_str().unwrap(), "/var/wwwroot"] {
        let line = format!("setpriv --reuid=65534 --clear-groups {folder}/id -u");
        assert_eq!(bench.ok(&line), "0\n", "{folder}");
    }
    // Who gave root's rights up writes to flash all the same.
    bench.ok("setpriv --reuid=65534 --clear-groups sh -c 'printf x >/dev/mtd7'");
    assert_eq!(bench.flash(7)[0] & !b'x', 0);
}

#[test]
#[ignore = "needs su and an ordinary user"]
fn a_set_uid_program_of_an_ordinary_user_is_named() {
    let outcome = bench().sh("su --version");
    let warnings = outcome.warnings.join("\n");
    assert!(warnings.contains("is set-uid"), "{warnings}");
}
