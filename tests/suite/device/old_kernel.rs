//! The device's program on a kernel that has no system call newer than 2.6.24.
//!
//! The iSpot's kernel is of that time; whether a path works there is decided by
//! the calls it makes. QEMU user mode cannot tell, since it makes up for calls
//! that a kernel lacks. So the same sources, std and musl are built for 32-bit
//! x86 (`ci/old-kernel`), whose calls this machine's kernel answers, and a
//! filter answers ENOSYS to every call with a number that came later. What
//! differs from the device: the processor, and what an old call itself does.
//!
//! `MTDKEEP_I686_PROGRAM` names the program; the tests run where they are asked for.

use crate::cli::backup::assert_images_are_the_flash;
use crate::cli::support::{mtdkeep, text, unwrapped};
use crate::seccomp::{GIVE, JUMP, LOAD, op, restrict};
use mtd_harness::{profile, tree::TreeBuilder};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// fallocate, the last number of 32-bit x86 in Linux 2.6.24
/// (include/asm-x86/unistd_32.h). Numbers are given out in order of time.
const LAST_OF_2_6_24: u32 = 324;
/// statx, of Linux 4.11.
const STATX: i32 = 383;
const GETPID: i32 = 20;
/// AUDIT_ARCH_I386 (include/uapi/linux/audit.h).
const ARCH_I386: u32 = 0x4000_0003;
/// What a backup may hold in memory, of a device that has 16 MiB or so.
const PEAK_KIB_MAX: u64 = 1536;

fn program() -> PathBuf {
    let program = std::env::var_os("MTDKEEP_I686_PROGRAM");
    program
        .expect("MTDKEEP_I686_PROGRAM names the program")
        .into()
}

/// One call of the 32-bit kind, without arguments that matter.
fn call_32(number: i32) -> i32 {
    let answer;
    // SAFETY: int 0x80 enters the kernel with 32-bit numbers also from 64-bit
    // code; neither call gets a pointer other than null. rbx is the compiler's
    // own and is saved; r8 to r11 may be lost on the way.
    unsafe {
        std::arch::asm!(
            "push rbx", "xor ebx, ebx", "int 0x80", "pop rbx",
            inlateout("eax") number => answer,
            in("ecx") 0, in("edx") 0, in("esi") 0, in("edi") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    answer
}

/// Takes the newer calls away from this process and its children, and makes
/// sure that they are gone and the old ones are not.
fn become_old() -> io::Result<()> {
    let mut filter = [
        op(LOAD, 4, 0, 0), // seccomp_data.arch
        op(JUMP | libc::BPF_JEQ, ARCH_I386, 0, 2),
        op(LOAD, 0, 0, 0), // seccomp_data.nr
        op(JUMP | libc::BPF_JGT, LAST_OF_2_6_24, 1, 0),
        op(GIVE, libc::SECCOMP_RET_ALLOW, 0, 0),
        op(GIVE, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0, 0),
    ];
    restrict(&mut filter)?;
    if call_32(STATX) != -libc::ENOSYS || call_32(GETPID) <= 0 {
        return Err(io::Error::from_raw_os_error(libc::EPROTO));
    }
    Ok(())
}

/// The program on the old kernel.
fn old(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    // SAFETY: what runs between fork and exec makes system calls only.
    unsafe { command.pre_exec(become_old) };
    command
}

fn output(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"))
}

fn assert_ends(command: &mut Command, code: i32) {
    let output = output(command);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
}

/// The most that a running program has held so far, in KiB; none once it ended.
fn peak_kib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "needs what ci/old-kernel builds"]
fn the_device_build_needs_no_call_newer_than_2_6_24() {
    let program = program();
    let device = profile::ispot(1);
    let tree = TreeBuilder::default()
        .without_sys()
        .all_nodes()
        .build(&device)
        .unwrap();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("backup");
    let rooted = |command: &str| {
        let mut old = old(&program);
        old.arg(command).arg("--root").arg(tree.root());
        old
    };

    for command in [["list"].as_slice(), &["list", "--json"], &["nodes"]] {
        let here = mtdkeep()
            .args(command)
            .arg("--root")
            .arg(tree.root())
            .output()
            .unwrap();
        let there = output(rooted(command[0]).args(&command[1..]));
        assert_eq!(
            there.status.code(),
            here.status.code(),
            "{command:?}: {there:?}"
        );
        assert_eq!(
            unwrapped(text(&there.stdout)),
            unwrapped(text(&here.stdout)),
            "{command:?}"
        );
    }

    assert_ends(rooted("backup").arg("--output").arg(&folder), 0);
    assert_images_are_the_flash(&folder, 1);
    assert_ends(old(&program).arg("verify").arg(&folder), 0);
    assert_ends(rooted("verify").arg("--device").arg(&folder), 0);

    let image = folder.join("mtd1.bin");
    let mut bytes = std::fs::read(&image).unwrap();
    bytes[77] ^= 1;
    std::fs::write(&image, bytes).unwrap();
    assert_ends(old(&program).arg("verify").arg(&folder), 1);

    assert_ends(old(&program).arg("clean").arg(&folder), 0);
    assert!(!folder.exists());
    // What fails must fail in words there, too: no folder, no rights, no device.
    assert_ends(old(&program).arg("verify").arg(&folder), 4);
}

/// A restore's own calls: who has the flash open, how much room there is, old bytes that
/// are kept, synced and removed; and what it holds in memory meanwhile.
#[test]
#[ignore = "needs what ci/old-kernel builds"]
fn it_restores_without_a_newer_call() {
    let program = program();
    let device = profile::ispot(1);
    let tree = TreeBuilder::default().all_nodes().build(&device).unwrap();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("backup");
    let rooted = |command: &str| {
        let mut old = old(&program);
        old.arg(command).arg("--root").arg(tree.root());
        old
    };
    assert_ends(rooted("backup").arg("-q").arg("--output").arg(&folder), 0);
    let node = tree.root().join("dev/mtd4");
    let good = std::fs::read(&node).unwrap();
    let spoil = || {
        let bytes: Vec<u8> = good.iter().map(|byte| !byte).collect();
        std::fs::write(&node, bytes).unwrap();
    };
    spoil();
    assert_ends(rooted("restore").arg(&folder), 5);
    assert_ends(rooted("restore").arg("--dry-run").arg(&folder), 0);
    let restore = || {
        let mut restore = rooted("restore");
        // The test's folder may be in memory.
        restore.args(["--yes", "--journal-in-memory"]).arg(&folder);
        restore
    };
    assert_ends(&mut restore(), 0);
    assert_eq!(std::fs::read(&node).unwrap(), good);
    assert!(!outer.path().join("backup.restore").exists());

    spoil();
    let mut child = restore().stdout(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(peak_kib(&child).unwrap_or(0));
    }
    assert!(child.wait().unwrap().success());
    println!("a restore of 1 MiB held at most {most} KiB");
    assert!((1..=PEAK_KIB_MAX).contains(&most), "{most} KiB");
}

/// The server's own calls: sockets, poll, a random word.
#[test]
#[ignore = "needs what ci/old-kernel builds"]
fn it_serves_without_a_newer_call() {
    use std::io::{BufRead as _, BufReader};
    let device = profile::ispot(1);
    let tree = TreeBuilder::default().all_nodes().build(&device).unwrap();
    let mut child = old(&program())
        .args(["serve", "--once", "--listen", "127.0.0.1:0", "--root"])
        .arg(tree.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let (host, path) = line
        .trim()
        .trim_start_matches("http://")
        .split_once('/')
        .unwrap();
    let mut client = TcpStream::connect(host).unwrap();
    write!(client, "GET /{path}backup.tar HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let peak = peak_kib(&child).unwrap_or(0);
    println!("serving 16 MiB held at most {peak} KiB");
    assert!(peak <= PEAK_KIB_MAX, "{peak} KiB");
    let tar = answer.split_off(body);
    mtdkeep()
        .args(["verify", "-"])
        .write_stdin(tar)
        .assert()
        .success();
    drop(client);
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "needs what ci/old-kernel builds"]
fn a_backup_holds_little_memory() {
    let program = program();
    let device = profile::ispot(1);
    let tree = TreeBuilder::default().all_nodes().build(&device).unwrap();
    let outer = tempfile::tempdir().unwrap();
    let mut child = Command::new(&program)
        .arg("backup")
        .arg("--root")
        .arg(tree.root())
        .arg("--output")
        .arg(outer.path().join("backup"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    // The kernel keeps the mark; the last look before the end has it.
    while child.try_wait().unwrap().is_none() {
        most = most.max(peak_kib(&child).unwrap_or(0));
    }
    assert!(child.wait().unwrap().success());
    println!("a backup of 16 MiB held at most {most} KiB, of which its binary is the largest part");
    assert!(most > 0, "the program was never seen running");
    assert!(most <= PEAK_KIB_MAX, "{most} KiB");
}
