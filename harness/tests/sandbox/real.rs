//! Other people's programs on the nodes: each gives the answer that it gives on
//! Linux.

use crate::support::{bench, bench_with};
use rstest::rstest;

/// What a script prints, with the tools of the system's administrator in the PATH.
#[track_caller]
fn prints(script: &str, expected: &str) {
    let bench = bench();
    std::fs::write(bench.file("script"), script).unwrap();
    let told = bench.ok("PATH=$PATH:/sbin:/usr/sbin; export PATH; sh -eu script 2>&1");
    assert_eq!(told, expected);
}

/// A folder with files to put into images.
const TREE: &str = "mkdir -p t/a && echo hello > t/a/f && head -c 100000 /dev/mtd2 > t/r\n";

#[test]
#[ignore = "needs squashfs-tools, mtd-utils"]
fn squashfs() {
    prints(
        &format!(
            "{TREE}mksquashfs t i -quiet -no-progress -all-root >/dev/null
             flashcp i /dev/mtd3
             unsquashfs -q -n -d out /dev/mtdblock3 >/dev/null; diff -r t out && echo same
             unsquashfs -q -n -d again /dev/mtd3 >/dev/null; diff -r t again && echo same"
        ),
        "same\nsame\n",
    );
}

#[test]
#[ignore = "needs e2fsprogs"]
fn ext2() {
    prints(
        &format!(
            "{TREE}mke2fs -q -t ext2 /dev/mtdblock3
             debugfs -w -R 'write t/r r' /dev/mtdblock3 >/dev/null 2>&1
             e2fsck -fn /dev/mtdblock3 >/dev/null 2>&1; echo $?
             debugfs -R 'dump r back' /dev/mtdblock3 2>/dev/null; cmp t/r back && echo same
             tune2fs -L label /dev/mtdblock3 >/dev/null; e2label /dev/mtdblock3"
        ),
        "0\nsame\nlabel\n",
    );
}

#[test]
#[ignore = "needs mtd-utils"]
fn jffs2() {
    prints(
        &format!(
            "{TREE}mkfs.jffs2 -r t -o j -e 128KiB -l --pad=0x600000
             flashcp j /dev/mtd3; cmp j /dev/mtd3 && echo same
             jffs2dump -c /dev/mtd3 2>/dev/null | grep -c Dirent
             flash_erase -q -j /dev/mtd7 0 0; head -c 12 /dev/mtd7 | od -An -tx1"
        ),
        "same\n3\n 85 19 03 20 0c 00 00 00 b1 b0 1e e4\n",
    );
}

#[rstest]
#[ignore = "needs mtd-utils"]
#[case::otp(
    "flash_otp_info -u /dev/mtd3 || echo $?",
    "OTPSELECT: Operation not supported\n22\n"
)]
#[ignore = "needs mtd-utils"]
#[case::too_small_for_ubi(
    "ubiformat -q -y /dev/mtd7 || echo refused",
    "ubiformat: error!: too few non-bad eraseblocks (1) on mtd7\nrefused\n"
)]
#[ignore = "needs mtd-utils"]
#[case::nandtest(
    "nandtest -s 7 /dev/mtd7 2>&1 | tail -n 1",
    "Finished pass 1 successfully\n"
)]
#[ignore = "needs mtd-utils"]
#[case::locks(
    "flash_lock /dev/mtd7 && flash_lock --islocked /dev/mtd7 && flash_unlock /dev/mtd7",
    "Device: /dev/mtd7\nStart: 0\nLen: 0x20000\nLock status: locked\nReturn code: 1\n"
)]
fn mtd_utils(#[case] line: &str, #[case] expected: &str) {
    prints(line, expected);
}

#[test]
#[ignore = "needs flashrom"]
fn flashrom() {
    prints(
        "flashrom -p linux_mtd:dev=1 -r image >/dev/null 2>&1; cmp image /dev/mtd1 && echo read
         flashrom -p linux_mtd:dev=3 -r none 2>&1 | grep power || true",
        "read\nMTD size is not a power of 2\n",
    );
}

#[test]
#[ignore = "needs libubootenv-tool"]
fn the_boot_loaders_environment() {
    prints(
        "printf '/dev/mtd8 0 0x2000 0x20000\\n' > config; printf 'a=1\\n' > default
         fw_setenv -c config -f default x y 2>/dev/null
         fw_printenv -c config; fw_printenv -c config -n x",
        "a=1\nx=y\ny\n",
    );
}

#[test]
#[ignore = "needs fio"]
fn fio_reads_what_it_wrote() {
    for engine in ["psync", "sync", "pvsync2"] {
        prints(
            &format!(
                "fio --name=x --filename=/dev/mtdblock3 --rw=randwrite --bs=4k --size=256k \
                 --verify=crc32c --ioengine={engine} --end_fsync=1 --output=told --randseed=7
                 grep -c 'err= 0' told"
            ),
            "1\n",
        );
    }
}

#[test]
#[ignore = "needs root, rsync, attr"]
fn copies_of_nodes_and_attributes_by_root() {
    prints(
        "mkdir to; rsync -aX /dev/mtd1 /dev/mtdblock1 to/; stat -c '%n %F %t:%T' to/*
         rsync --copy-devices /dev/mtd1 copy; cmp copy /dev/mtd1 && echo same
         tar -C /dev -cf t.tar mtd0 mtdblock0; tar -C to -xf t.tar; test -c to/mtd0 && test -b to/mtdblock0
         ln -s nowhere to/l; rsync -aX to/ again; ls again",
        "to/mtd1 character special file 5a:2\nto/mtdblock1 block special file 1f:1\nsame\n\
         l\nmtd0\nmtd1\nmtdblock0\nmtdblock1\n",
    );
}

/// Names, modes, times and folders under load, in a mapped folder.
#[test]
#[ignore = "needs stress-ng"]
fn stress_ng() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench_with(|builder| builder.map("/mnt/stress", folder.path()));
    for load in [
        "rename", "xattr", "utime", "dir", "chmod", "mknod", "dentry", "fstat", "chown", "access",
    ] {
        bench.ok(&format!(
            "cd /mnt/stress && stress-ng --temp-path /mnt/stress --{load} 2 --{load}-ops 10 --quiet --timeout 60 --verify"
        ));
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

/// How each test of a module of CPython's own suite ended.
fn python_tests(bench: &crate::support::Bench, modules: &str, inside: bool) -> String {
    let line = format!("cd /; /usr/bin/python3 -m test -v {modules} 2>&1");
    let told = match inside {
        true => bench.sh(&line).stdout,
        false => {
            let shell = std::process::Command::new("sh")
                .args(["-c", &line])
                .output();
            shell.unwrap().stdout
        }
    };
    let told = crate::support::text(&told);
    let line = |line: &str| {
        let (test, ended) = line.split_once(" ... ")?;
        let is_end = ["ok", "FAIL", "ERROR", "expected failure"].contains(&ended);
        let ends = is_end || ended.starts_with("skipped");
        (test.starts_with("test") && ends).then(|| format!("{test}: {ended}\n"))
    };
    let mut lines: Vec<String> = told.lines().filter_map(line).collect();
    lines.sort();
    lines.concat()
}

/// CPython's own tests of system calls and processes end as they do outside, also in a
/// process tree that has flash open for writing.
#[rstest]
#[ignore = "needs libpython3.11-testsuite"]
#[case::files("test_os test_posix test_fcntl test_mmap test_stat test_glob", 500)]
#[ignore = "needs libpython3.11-testsuite"]
#[case::folders("test_shutil test_tempfile test_pathlib", 700)]
#[ignore = "needs libpython3.11-testsuite"]
#[case::signals("test_eintr", 1)]
fn pythons_own_suite(#[case] modules: &str, #[case] at_least: usize) {
    let bench = bench();
    let outside = python_tests(&bench, modules, false);
    assert!(outside.lines().count() >= at_least, "{outside}");
    assert_eq!(python_tests(&bench, modules, true), outside);
}
