//! Many at once.

use crate::support::{Bench, bench, inside, text};
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

/// Descriptors and threads of this process, its children, and temporary folders.
fn left_behind() -> (usize, usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    let ours = |name: &str| name.starts_with("mtdkeep-sandbox-");
    let temporary = std::fs::read_dir(std::env::temp_dir()).unwrap();
    let names = temporary.flatten().map(|entry| entry.file_name());
    let folders = names.filter(|name| ours(&name.to_string_lossy())).count();
    (count("/proc/self/fd"), count("/proc/self/task"), folders)
}

fn one_of_many(bench: &Bench, number: usize) {
    let line = format!(
        "printf '\\0' > /dev/mtd7; cat /dev/mtd1 > p{number}; echo x > /dev/mtdblock8; cd /var/wwwroot && ls p{number}; sleep 1000 &"
    );
    let outcome = bench.sh(&line);
    assert_eq!(
        text(&outcome.stdout),
        format!("p{number}\n"),
        "{}",
        text(&outcome.stderr)
    );
    assert!(bench.flash(1) == std::fs::read(bench.file(&format!("p{number}"))).unwrap());
    assert_eq!(bench.flash(7)[0], 0);
    assert_eq!(bench.flash(8)[..2], *b"x\n");
}

/// Runs in a process of its own: other tests would be counted too.
#[test]
#[ignore = "started by two_hundred_sandboxes_leave_nothing"]
fn two_hundred() {
    one_of_many(&bench(), 0);
    let before = left_behind();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || {
                for number in 0..25 {
                    one_of_many(&bench(), 100 * worker + number);
                }
            });
        }
    });
    // A thread that was joined takes a moment to leave the process.
    for _ in 0..1000 {
        if left_behind() == before {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(left_behind(), before);
    // Nothing of ours is left below us: every child was collected.
    // SAFETY: the status is not asked for.
    let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!(left, -1, "a child is left");
}

#[test]
fn two_hundred_sandboxes_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "threads::two_hundred"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    assert!(
        text(&outcome.stdout).contains("1 passed"),
        "{}",
        text(&outcome.stdout)
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn several_programs_share_one_sandbox() {
    let bench = bench();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                bench.ok(&format!("for x in 0 1 2 3; do cat /dev/mtd1 > q{number}; printf '\\0' | dd of=/dev/mtd7 bs=1 seek={number} conv=notrunc 2>/dev/null; done"));
            });
        }
    });
    assert_eq!(bench.flash(7)[..4], [0; 4]);
}

#[test]
#[ignore = "started in a sandbox by threads_may_open_for_writing_at_once"]
fn four_threads_open() {
    let barrier = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        let open = || {
            barrier.wait();
            let mut node = File::options().write(true).open("/dev/mtd7")?;
            node.write_all(b"x")
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    });
}

#[test]
fn threads_may_open_for_writing_at_once() {
    let bench = bench();
    for _ in 0..8 {
        inside(&bench, "threads::four_threads_open");
    }
}

/// Forks; the child opens a node for writing and ends with what that answered.
fn fork_and_open() -> libc::pid_t {
    // SAFETY: the child makes system calls alone.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let fd = libc::open(c"/dev/mtd7".as_ptr(), libc::O_WRONLY);
            let wrote = fd >= 0 && libc::write(fd, b"x".as_ptr().cast(), 1) == 1;
            libc::_exit(if wrote { 0 } else { 1 });
        }
        child
    }
}

#[test]
#[ignore = "started in a sandbox by forked_children_may_open_for_writing_at_once"]
fn forked_children_open() {
    // So that the children are traced from their first moment on.
    let _node = File::options().write(true).open("/dev/mtd7").unwrap();
    for round in 0..750 {
        for child in [(); 4].map(|()| fork_and_open()) {
            let mut status = 0;
            // SAFETY: the status is a local.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0, "round {round}");
        }
    }
}

#[test]
fn forked_children_may_open_for_writing_at_once() {
    inside(&bench(), "threads::forked_children_open");
}
