//! Closing fails: on some file systems (NFS, quotas) close(2) is where an error of a
//! write may be told. Whatever is worth keeping was synced before, so that nothing is
//! lost with the answer; a program that ends by it loses more.
//!
//! A filter of the program's system calls answers EIO to each close and closes nothing;
//! but for the dynamic loader's, which has to close what it loads. The loader is told
//! by its descriptor: standard input is closed, so that it gets number 0. Rust's
//! runtime then puts /dev/null there, and all that the program opens has a higher one.

use crate::cli::support::{program, text};
use crate::seccomp::{GIVE, JUMP, LOAD, op, restrict};
use rstest::rstest;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Output;

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64, include/uapi/linux/audit.h
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

/// From the program's start on, each close fails.
fn fail_to_close() -> io::Result<()> {
    let mut filter = [
        op(LOAD, 4, 0, 0), // seccomp_data.arch
        op(JUMP | libc::BPF_JEQ, ARCH, 0, 4),
        op(LOAD, 0, 0, 0), // seccomp_data.nr
        op(JUMP | libc::BPF_JEQ, libc::SYS_close as u32, 0, 2),
        op(LOAD, 16, 0, 0), // the lower half of seccomp_data.args[0]
        op(JUMP | libc::BPF_JGE, 3, 1, 0),
        op(GIVE, libc::SECCOMP_RET_ALLOW, 0, 0),
        op(GIVE, libc::SECCOMP_RET_ERRNO | libc::EIO as u32, 0, 0),
    ];
    restrict(&mut filter)?;
    // SAFETY: no descriptor has the first number; its answer shows the filter. The
    // second is standard input's, which nobody uses before the program begins.
    match unsafe { (libc::close(-1), io::Error::last_os_error(), libc::close(0)) } {
        (-1, error, 0) if error.raw_os_error() == Some(libc::EIO) => Ok(()),
        (_, error, _) => Err(error),
    }
}

fn run(line: &str, folder: &Path, closes: bool) -> Output {
    let mut command = program();
    command.args(line.split(' ')).current_dir(folder);
    if !closes {
        // SAFETY: what runs between fork and exec makes system calls only.
        unsafe { command.pre_exec(fail_to_close) };
    }
    command.output().unwrap()
}

/// Each command ends as if closing had not failed, and what it made is good.
#[rstest]
#[case("list --simulate", 0)]
#[case("list --root tree", 0)]
#[case("backup --simulate -p param -o new", 0)]
#[case("backup --root tree -o new", 0)]
#[case("verify b", 0)]
#[case("verify b --device --simulate", 0)]
#[case("repair torn", 0)]
#[case("import captured -o new", 0)]
#[case("image --simulate -o chip.bin", 0)]
#[case("man --all new", 0)]
#[case("clean b", 0)]
#[case("clean file", 4)]
fn a_close_that_fails_changes_nothing(#[case] line: &str, #[case] code: i32) {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let made = run(
        "backup --simulate -p param -p ver_1 -o b -q",
        outer.path(),
        true,
    );
    assert!(made.status.success());
    for folder in ["tree/proc", "tree/dev", "torn", "captured"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    let table = "dev:    size   erasesize  name\nmtd0: 00000004 00000004 \"p\"\n";
    std::fs::write(at("tree/proc/mtd"), table).unwrap();
    std::fs::write(at("captured/proc_mtd.txt"), table).unwrap();
    std::fs::write(at("tree/dev/mtd0"), "data").unwrap();
    std::fs::write(at("captured/mtd0.bin"), "data").unwrap();
    std::fs::write(at("file"), "mine").unwrap();
    for entry in std::fs::read_dir(at("b")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, at("torn").join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(at("torn/manifest.json"), "{").unwrap();
    let output = run(line, outer.path(), false);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
    for folder in ["new", "torn"] {
        let is_backup = at(folder).join("manifest.json").is_file();
        assert!(is_backup || line.starts_with("man") || !line.contains(folder));
        if is_backup && line.contains(folder) {
            let verified = run(&format!("verify {folder}"), outer.path(), true);
            assert!(verified.status.success(), "{verified:?}");
        }
    }
}
