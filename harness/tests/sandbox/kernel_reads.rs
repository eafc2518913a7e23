//! What the kernel reads of a node by itself, and what of the sandbox a program
//! could see in a description.

use crate::support::{bench, bench_with, device, inside, pass, text};
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::Layout;
use mtd_harness::sandbox::Sandbox;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

fn open(node: &str, write: bool) -> File {
    File::options().read(true).write(write).open(node).unwrap()
}

/// io_submit of one request; what its event tells, or the call's own error.
fn submit(file: &File, opcode: u16, buf: &mut [u8]) -> Result<i64, i32> {
    let mut context = 0u64;
    let mut request = [0u64; 8];
    request[2] = u64::from(opcode) | (file.as_raw_fd() as u64) << 32;
    request[3] = buf.as_mut_ptr() as u64;
    request[4] = buf.len() as u64;
    let list = [request.as_ptr()];
    let mut event = [0i64; 4];
    // SAFETY: every address is that of a local that outlives the calls.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_io_setup, 4, &raw mut context), 0);
        if libc::syscall(libc::SYS_io_submit, context, 1, list.as_ptr()) != 1 {
            return Err(std::io::Error::last_os_error().raw_os_error().unwrap());
        }
        let got = libc::syscall(libc::SYS_io_getevents, context, 1, 1, &raw mut event, 0);
        assert_eq!(got, 1);
    }
    Ok(event[2])
}

#[test]
#[ignore = "started in a sandbox by asynchronous_reads_find_what_the_node_holds"]
fn asynchronous_reads() {
    let mut buf = [0u8; 4096];
    assert_eq!(
        submit(&open("/dev/mtd4", false), 0, &mut buf),
        Err(libc::EINVAL)
    );
    let node = open("/dev/mtdblock4", true);
    node.write_all_at(b"cached", 512).unwrap();
    assert_eq!(submit(&node, 1, &mut buf), Err(libc::EINVAL));
    for (reader, written) in [
        (&node, "cached"),
        (&open("/dev/mtdblock4", false), "later!"),
    ] {
        node.write_all_at(written.as_bytes(), 512).unwrap();
        assert_eq!(submit(reader, 0, &mut buf), Ok(4096));
        assert_eq!(buf[512..518], *written.as_bytes());
        let mut read = [0u8; 4096];
        reader.read_exact_at(&mut read, 0).unwrap();
        assert!(read == buf, "not what read tells");
    }
    // The flash under the node changes, where the node has nothing cached.
    let flash = open("/dev/mtd4", true);
    flash.write_all_at(&[0; 16], 0x8000).unwrap();
    let mut far = vec![0xAA; 0x9000];
    assert_eq!(submit(&node, 0, &mut far), Ok(0x9000));
    assert_eq!(far[0x8000..0x8010], [0; 16]);
}

#[test]
fn asynchronous_reads_find_what_the_node_holds() {
    inside(&bench(), "kernel_reads::asynchronous_reads");
}

/// A description reaches a process that started before the writer was traced: its
/// reads are the kernel's own.
#[test]
#[ignore = "started in a sandbox by a_passed_description_is_never_zeros"]
fn passed_description() {
    let mut sockets = [0; 2];
    // SAFETY: room for two descriptors; the child makes system calls alone.
    unsafe {
        let kind = libc::SOCK_SEQPACKET;
        let made = libc::socketpair(libc::AF_UNIX, kind, 0, sockets.as_mut_ptr());
        assert_eq!(made, 0);
        let child = libc::fork();
        if child == 0 {
            let fd = pass(sockets[1], None);
            let mut buf = [0u8; 5];
            let count = libc::pread(fd, buf.as_mut_ptr().cast(), buf.len(), 0);
            libc::_exit(i32::from(count != 5 || &buf != b"first"));
        }
        let node = open("/dev/mtdblock8", true);
        node.write_all_at(b"first", 0).unwrap();
        pass(sockets[0], Some(node.as_raw_fd()));
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0, "the child read something else");
    }
}

#[test]
fn a_passed_description_is_never_zeros() {
    inside(&bench(), "kernel_reads::passed_description");
}

fn fcntl(file: &File, command: i32, argument: i64) -> Result<i32, i32> {
    // SAFETY: only used with commands whose argument is a number or ignored.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        -1 => Err(std::io::Error::last_os_error().raw_os_error().unwrap()),
        value => Ok(value),
    }
}

fn lock(file: &File, command: i32, kind: i32) -> libc::flock {
    // SAFETY: all-zero is a valid value of this plain structure; length 0 is "to
    // the end, wherever that is".
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    // SAFETY: the structure is a local.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, &mut lock) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    lock
}

#[test]
#[ignore = "started in a sandbox by nothing_of_the_sandbox_shows_in_a_description"]
fn descriptions() {
    const F_SETSIG: i32 = 10;
    const F_GETSIG: i32 = 11;
    for node in ["/dev/mtd4", "/dev/mtdblock4"] {
        let file = open(node, true);
        let other = open(node, true);
        // Locks of the whole file, as lockf takes them.
        for command in [libc::F_SETLK, libc::F_OFD_SETLK] {
            lock(&file, command, libc::F_WRLCK);
            lock(&file, command, libc::F_UNLCK);
        }
        let seen = lock(&other, libc::F_OFD_GETLK, libc::F_WRLCK);
        assert_eq!(i32::from(seen.l_type), libc::F_UNLCK, "{node}");
        assert_eq!(fcntl(&file, F_GETSIG, 0), Ok(0), "{node}");
        assert_eq!(fcntl(&file, F_SETSIG, 65), Err(libc::EINVAL));
        assert_eq!(fcntl(&file, F_SETSIG, 12), Ok(0));
        assert_eq!(fcntl(&file, F_GETSIG, 0), Ok(12));
        assert_eq!(fcntl(&other, F_GETSIG, 0), Ok(0), "{node}");
        assert_eq!(fcntl(&file, libc::F_GET_SEALS, 0), Err(libc::EINVAL));
        assert_eq!(fcntl(&file, libc::F_SETLEASE, 0), Err(libc::EINVAL));
        // The sandbox still knows which is which.
        file.write_all_at(b"x", 0x4000).unwrap();
    }
}

#[test]
fn nothing_of_the_sandbox_shows_in_a_description() {
    inside(&bench(), "kernel_reads::descriptions");
}

#[test]
fn a_hundred_descriptions_still_close_last() {
    let bench = bench();
    // More than can be told apart while one stays open; the last close writes.
    bench.ok(
        "exec 3<> /dev/mtdblock8; x=0; while [ $x -lt 100 ]; do : < /dev/mtdblock8; x=$((x+1)); done; \
         printf abc >&3; exec 3>&-; head -c 3 /dev/mtd8 > got",
    );
    assert_eq!(std::fs::read(bench.file("got")).unwrap(), b"abc");
}

#[test]
fn two_sandboxes_over_one_device_show_the_same() {
    let device = device();
    let build = || Sandbox::builder(device.clone()).build().unwrap();
    let (one, two) = (build(), build());
    let sh = |sandbox: &Sandbox, line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]).stdout(Stdio::piped());
        text(&sandbox.run(&mut command).unwrap().stdout)
    };
    let read = "head -c 4 /dev/mtd7";
    sh(&one, read);
    sh(&two, "printf '\\101\\102\\103\\104' > /dev/mtd7");
    let held = device.partition_bytes(7)[..4].to_vec();
    assert_eq!(sh(&one, read).into_bytes(), held);
    assert_eq!(sh(&two, read).into_bytes(), held);
    let start = device.system.devices()[7].offset_bytes;
    device.system.with_chip(0, |chip| {
        chip.load(start, b"load").unwrap();
    });
    assert_eq!(sh(&one, read), "load");
    assert_eq!(sh(&two, read), "load");
}

#[test]
fn faults_strike_a_sandbox_that_does_not_count() {
    let bench = bench_with(|builder| builder.exact(false));
    bench.ok("head -c 16 /dev/mtd1 > /dev/null");
    let plan: FaultPlan = "read-error@0x40000+0x10".parse().unwrap();
    let chip = &bench.device.system;
    chip.with_chip(0, |chip| chip.set_faults(Some(plan)));
    let told = bench.fails("dd if=/dev/mtd1 bs=16 count=1 of=got");
    assert!(told.contains("Input/output error"), "{told}");
    chip.with_chip(0, |chip| chip.set_faults(None));
    bench.ok("head -c 16 /dev/mtd1 > /dev/null");
}

#[test]
fn what_does_not_fit_into_memory_is_refused_with_both_figures() {
    // 16 TiB, and 128 KiB: the second one is of use all the same.
    let table = "dev:    size   erasesize  name\nmtd0: 100000000000 00020000 \"huge\"\nmtd1: 00020000 00020000 \"small\"\n";
    let layout = Layout::from_proc_mtd(table).unwrap();
    let device = mtd_harness::profile::from_layout(&layout, 1);
    let sandbox = Sandbox::builder(device.clone()).build().unwrap();
    let run = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("LC_ALL", "C");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        sandbox.run(&mut command).unwrap()
    };
    let outcome = run("cat /dev/mtd1");
    assert!(outcome.stdout == device.partition_bytes(1));
    let outcome = run("cat /dev/mtd0");
    let told = text(&outcome.stderr);
    assert!(told.contains("Cannot allocate memory"), "{told}");
    let warning = outcome.warnings.concat();
    assert!(
        warning.contains("need 16777216.0 MiB of memory"),
        "{warning}"
    );
    assert!(warning.contains("MiB are left"), "{warning}");
}
