//! Calls that hardly any program makes on a node, and what Linux answers.

use crate::calls::{HERE, call};
use crate::support::{bench, inside};
use std::fs::File;
use std::os::fd::AsRawFd;

const EMPTY_PATH: i64 = libc::AT_EMPTY_PATH as i64;

fn nothing() -> i64 {
    c"".as_ptr() as i64
}

fn error(number: i32) -> i64 {
    -i64::from(number)
}

fn open(path: &str, writes: bool) -> File {
    File::options().read(true).write(writes).open(path).unwrap()
}

/// preadv2 or pwritev2 of 16 bytes at the start.
fn vector(number: libc::c_long, file: &File, flags: i32) -> i64 {
    let mut room = [0u8; 16];
    let mut list = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    let list = &raw mut list as i64;
    // SAFETY: the list and what it names are locals that outlive the call.
    let answer = unsafe { libc::syscall(number, file.as_raw_fd(), list, 1, 0, 0, flags) };
    match answer {
        -1 => error(std::io::Error::last_os_error().raw_os_error().unwrap()),
        count => count,
    }
}

#[test]
#[ignore = "started in a sandbox by odd_calls_on_nodes_answer_as_on_linux"]
fn on_open_nodes() {
    let (node, writer) = (open("/dev/mtd4", false), open("/dev/mtd7", true));
    let block = open("/dev/mtdblock8", true);
    let plain = tempfile::tempfile().unwrap();
    let number = |file: &File| i64::from(file.as_raw_fd());
    let (fd, write_fd, plain_fd) = (number(&node), number(&writer), number(&plain));
    let ask = |mode: i32| {
        call(
            libc::SYS_faccessat2,
            [fd, nothing(), mode.into(), EMPTY_PATH, 0],
        )
    };
    assert_eq!(ask(libc::R_OK | libc::W_OK), 0);
    assert_eq!(ask(libc::X_OK), error(libc::EACCES));
    let list = [0u64; 1].as_ptr() as i64;
    let answer = call(libc::SYS_execveat, [fd, nothing(), list, list, EMPTY_PATH]);
    assert_eq!(answer, error(libc::EACCES));
    // mm/readahead.c, fs/remap_range.c, fs/fcntl.c
    assert_eq!(
        call(libc::SYS_readahead, [fd, 0, 4096, 0, 0]),
        error(libc::EINVAL)
    );
    assert_eq!(
        call(libc::SYS_readahead, [number(&block), 0, 4096, 0, 0]),
        0
    );
    const FICLONE: i64 = 0x4004_9409;
    const FIDEDUPERANGE: i64 = 0xc018_9436;
    let range = [0u64; 3].as_ptr() as i64;
    let answer = call(libc::SYS_ioctl, [fd, FIDEDUPERANGE, range, 0, 0]);
    assert_eq!(answer, error(libc::EINVAL));
    for (from, expected) in [
        (plain_fd, libc::EXDEV),
        (fd, libc::EINVAL),
        (999, libc::EBADF),
    ] {
        let answer = call(libc::SYS_ioctl, [write_fd, FICLONE, from, 0, 0]);
        assert_eq!(answer, error(expected), "{from}");
    }
    let direct = |file: &File| {
        let set = i64::from(libc::F_SETFL);
        call(
            libc::SYS_fcntl,
            [number(file), set, libc::O_DIRECT.into(), 0, 0],
        )
    };
    assert_eq!(direct(&node), error(libc::EINVAL));
    // fs/read_write.c, do_loop_readv_writev
    let (read, write) = (libc::SYS_preadv2, libc::SYS_pwritev2);
    assert_eq!(vector(read, &node, libc::RWF_HIPRI), 16);
    assert_eq!(vector(write, &writer, libc::RWF_HIPRI), 16);
    for flags in [libc::RWF_DSYNC, libc::RWF_NOWAIT, 0x4000] {
        assert_eq!(vector(read, &node, flags), error(libc::EOPNOTSUPP));
        assert_eq!(vector(write, &writer, flags), error(libc::EOPNOTSUPP));
    }
    assert_eq!(vector(write, &block, libc::RWF_DSYNC), 16);
    assert_eq!(vector(read, &block, libc::RWF_HIPRI), 16);
    assert_eq!(vector(read, &block, libc::RWF_NOWAIT), error(libc::EAGAIN));
    // What is written at once is on flash before the node is closed.
    assert_eq!(std::fs::read("/dev/mtd8").unwrap()[..16], [0; 16]);
    // A node stays in its file system.
    let to = c"/tmp/mtdkeep-link".as_ptr() as i64;
    assert_eq!(
        call(libc::SYS_linkat, [fd, nothing(), HERE, to, EMPTY_PATH]),
        error(libc::EXDEV)
    );
}

/// Calls by which the kernel would get at what stands in for a node, or at the host's
/// file of that name.
#[test]
#[ignore = "started in a sandbox by odd_calls_on_nodes_answer_as_on_linux"]
fn refused() {
    const OPEN_TREE_CLONE: i64 = 1;
    let node = open("/dev/mtd4", false);
    let fd = i64::from(node.as_raw_fd());
    let mut handle = [128u32, 0, 0, 0].map(u64::from);
    let handle = handle.as_mut_ptr() as i64;
    let answer = call(
        libc::SYS_name_to_handle_at,
        [fd, nothing(), handle, handle, EMPTY_PATH],
    );
    assert_eq!(answer, error(libc::EOPNOTSUPP));
    let answer = call(
        libc::SYS_open_tree,
        [fd, nothing(), EMPTY_PATH | OPEN_TREE_CLONE, 0, 0],
    );
    assert_eq!(answer, error(libc::EPERM));
    assert_eq!(
        call(libc::SYS_userfaultfd, [1, 0, 0, 0, 0]),
        error(libc::ENOSYS)
    );
    let root = c"/".as_ptr() as i64;
    for (number, args, expected) in [
        (libc::SYS_pivot_root, [root, root, 0, 0, 0], libc::EPERM),
        (libc::SYS_io_uring_setup, [8, handle, 0, 0, 0], libc::ENOSYS),
        (libc::SYS_seccomp, [1, 8, 0, 0, 0], libc::EBUSY),
    ] {
        assert_eq!(call(number, args), error(expected), "{number}");
    }
    for flags in [libc::CLONE_FILES, libc::CLONE_UNTRACED] {
        let flags = i64::from(flags | libc::SIGCHLD);
        // A fork, whose child ends at once.
        match call(libc::SYS_clone, [flags, 0, 0, 0, 0]) {
            // SAFETY: plain numbers.
            0 => unsafe { libc::_exit(0) },
            child => assert!(child > 0, "{child}"),
        }
    }
    // Whether this user may does not matter here.
    call(libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0, 0]);
    std::fs::write("/var/wwwroot/file", "").unwrap();
    let paths = [c"/dev/mtd4", c"/var/wwwroot/file", c"/proc/mtd"];
    // setxattrat to removexattrat (Linux 6.13), file_getattr and file_setattr (6.17).
    for number in [463, 464, 465, 466, 468, 469] {
        for path in paths {
            let answer = call(number, [HERE, path.as_ptr() as i64, handle, 24, 0]);
            assert_eq!(answer, error(libc::ENOSYS), "{number} {path:?}");
        }
    }
}

#[test]
fn odd_calls_on_nodes_answer_as_on_linux() {
    let bench = bench();
    inside(&bench, "odd_calls::on_open_nodes");
    inside(&bench, "odd_calls::refused");
    let warnings = bench.sh("true").warnings.join("\n");
    for call in [
        "name_to_handle_at",
        "open_tree",
        "userfaultfd",
        "setxattrat",
        "file_setattr",
        "pivot_root",
        "io_uring",
        "seccomp listener",
        "CLONE_FILES",
        "CLONE_UNTRACED",
        "CLONE_NEWNS",
    ] {
        assert!(warnings.contains(call), "{call}: {warnings}");
    }
}

/// The names of a listing, by the old getdents, with their kinds.
#[cfg(target_arch = "x86_64")]
fn old_listing(folder: &str) -> Vec<(String, u8)> {
    let folder = File::open(folder).unwrap();
    let mut found = Vec::new();
    loop {
        let mut room = [0u64; 128];
        let address = room.as_mut_ptr() as i64;
        let fd = i64::from(folder.as_raw_fd());
        let count = call(libc::SYS_getdents, [fd, address, 1024, 0, 0]) as usize;
        if count == 0 {
            return found;
        }
        let room: Vec<u8> = room.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut at = 0;
        while at < count {
            let length = usize::from(u16::from_ne_bytes([room[at + 16], room[at + 17]]));
            let name = room[at + 18..].split(|byte| *byte == 0).next().unwrap();
            let name = String::from_utf8(name.to_vec()).unwrap();
            found.push((name, room[at + length - 1]));
            at += length;
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
#[ignore = "started in a sandbox by an_old_listing_has_the_nodes"]
fn by_the_old_call() {
    let found = old_listing("/dev");
    for (name, kind) in [
        ("mtd0", libc::DT_CHR),
        ("mtdblock9", libc::DT_BLK),
        ("null", libc::DT_CHR),
        ("..", libc::DT_DIR),
    ] {
        let alike = found.iter().filter(|entry| entry.0 == name);
        assert_eq!(
            alike.map(|entry| entry.1).collect::<Vec<u8>>(),
            [kind],
            "{name}"
        );
    }
    let entries = std::fs::read_dir("/dev").unwrap().flatten();
    // Without the folder itself and that above it.
    assert_eq!(entries.count(), found.len() - 2);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn an_old_listing_has_the_nodes() {
    inside(&bench(), "odd_calls::by_the_old_call");
}
