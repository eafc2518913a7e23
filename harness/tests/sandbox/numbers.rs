//! Flash stays flash under every number that a description gets.

use crate::support::{bench, inside, pass};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;

/// Writes one byte through this number; it must reach the flash.
fn check(fd: i32, at: u64, how: &str) {
    // SAFETY: the number is open, and is left alone afterwards.
    let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.write_all_at(b"\0", at)
        .unwrap_or_else(|error| panic!("{how}: {error}"));
    let mut seen = [0xffu8];
    File::open("/dev/mtd7")
        .unwrap()
        .read_exact_at(&mut seen, at)
        .unwrap();
    assert_eq!(seen, [0], "{how}");
}

fn node() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/mtd7")
        .unwrap()
}

#[test]
#[ignore = "started in a sandbox by flash_is_flash_under_every_number"]
fn every_number() {
    let first = node();
    let fd = first.as_raw_fd();
    // SAFETY: plain numbers; the structure is not needed.
    let numbers = unsafe {
        [
            ("dup", libc::dup(fd)),
            ("dup2", libc::dup2(fd, 200)),
            ("dup3", libc::dup3(fd, 201, libc::O_CLOEXEC)),
            ("F_DUPFD", libc::fcntl(fd, libc::F_DUPFD, 300)),
            (
                "F_DUPFD_CLOEXEC",
                libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 300),
            ),
        ]
    };
    for (at, (how, number)) in (0..).zip(numbers) {
        check(number, at, how);
        // From a number that was itself given.
        // SAFETY: plain numbers.
        check(unsafe { libc::dup2(number, 400 + at as i32) }, 10 + at, how);
    }
    // A plain file that takes a number over is a plain file.
    let plain = File::create("plain").unwrap();
    // SAFETY: plain numbers.
    let taken = unsafe { libc::dup2(plain.as_raw_fd(), 200) };
    // SAFETY: the number is open, and nobody else's.
    let taken = unsafe { File::from_raw_fd(taken) };
    taken.write_all_at(b"plain", 0).unwrap();
    assert_eq!(std::fs::read("plain").unwrap(), b"plain");
    // Many more, so that all numbers are covered in the end.
    let many: Vec<File> = (0..30).map(|_| node()).collect();
    for (at, file) in (50..).zip(&many) {
        check(file.as_raw_fd(), at, "one of many");
    }
    plain.write_all_at(b"still", 0).unwrap();
    assert_eq!(std::fs::read("plain").unwrap(), b"still");
}

#[test]
fn flash_is_flash_under_every_number() {
    inside(&bench(), "numbers::every_number");
}

#[test]
#[ignore = "started in a sandbox by flash_is_flash_where_it_was_received"]
fn received() {
    let held = node();
    let mut sockets = [0; 2];
    // SAFETY: room for two descriptors; the child only checks and ends.
    unsafe {
        let made = libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, sockets.as_mut_ptr());
        assert_eq!(made, 0);
        let child = libc::fork();
        if child == 0 {
            // A number that flash never had in this process.
            libc::dup2(sockets[1], 500);
            let fd = pass(500, None);
            let wrote = libc::pwrite(fd, [0u8].as_ptr().cast(), 1, 100);
            libc::_exit(i32::from(wrote != 1));
        }
        let other = node();
        pass(sockets[0], Some(other.as_raw_fd()));
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0, "the child could not write");
    }
    let mut seen = [0xffu8];
    held.read_exact_at(&mut seen, 100).unwrap();
    assert_eq!(seen, [0]);
}

#[test]
fn flash_is_flash_where_it_was_received() {
    inside(&bench(), "numbers::received");
}
