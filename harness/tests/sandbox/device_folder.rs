//! What programs make, rename and remove in /dev: it works, and the host's /dev
//! never sees any of it.

use crate::support::{bench, bench_with, text};
use rstest::rstest;
use std::path::Path;

/// What a line prints, with the names that the host must not have afterwards.
#[rstest]
#[case::link(
    "ln -s mtd9 /dev/mtd10 && readlink /dev/mtd10 && ls /dev | grep -x mtd10 && cmp /dev/mtd10 /dev/mtd9",
    "mtd9\nmtd10\n",
    "mtd10"
)]
#[case::link_elsewhere(
    "ln -s mtd0 /dev/flash0 && head -c 0 /dev/flash0 && test -c /dev/flash0 && test -L /dev/flash0",
    "",
    "flash0"
)]
#[case::fifo(
    "mkfifo /dev/mtdkeep-f && test -p /dev/mtdkeep-f && echo through",
    "through\n",
    "mtdkeep-f"
)]
#[case::folder(
    "mkdir /dev/mtd && mknod /dev/mtd/0 c 90 0 && ls /dev/mtd && cmp /dev/mtd/0 /dev/mtd0 && ! rmdir /dev/mtd 2>/dev/null && rm -r /dev/mtd && test ! -e /dev/mtd",
    "0\n",
    "mtd"
)]
#[case::file(
    "echo x > /dev/mtdkeep-x && cat /dev/mtdkeep-x && mv /dev/mtdkeep-x /dev/mtdkeep-y && ls /dev | grep mtdkeep",
    "x\nmtdkeep-y\n",
    "mtdkeep-y"
)]
#[case::hard_link(
    "ln /dev/mtd3 /dev/mtdkeep-l && stat -c '%h %t:%T' /dev/mtdkeep-l && rm /dev/mtd3 && stat -c %h /dev/mtdkeep-l",
    "2 5a:6\n1\n",
    "mtdkeep-l"
)]
#[case::renamed(
    "mv /dev/mtd3 /dev/mtdkeep-r && test ! -e /dev/mtd3 && stat -c '%t:%T' /dev/mtdkeep-r",
    "5a:6\n",
    "mtdkeep-r"
)]
#[case::removed(
    "rm /dev/full && test ! -e /dev/full && ! ls /dev | grep -qx full && ln -s null /dev/full && readlink /dev/full",
    "null\n",
    "mtdkeep-none"
)]
fn what_is_made_in_dev_stays_in_the_sandbox(
    #[case] line: &str,
    #[case] printed: &str,
    #[case] name: &str,
) {
    assert_eq!(bench().ok(line), printed);
    let path = Path::new("/dev").join(name);
    assert!(
        path.symlink_metadata().is_err(),
        "{} is there",
        path.display()
    );
    assert!(Path::new("/dev/full").exists());
}

#[test]
fn a_file_in_the_place_of_a_missing_node_is_made_and_named() {
    let bench = bench();
    let outcome = bench.sh("dd if=/etc/hostname of=/dev/mtd10 2>/dev/null && cmp /dev/mtd10 /etc/hostname && test -f /dev/mtd10");
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(
        outcome
            .warnings
            .iter()
            .any(|line| line.contains("/dev/mtd10 is a plain file")),
        "{:?}",
        outcome.warnings
    );
    assert!(!Path::new("/dev/mtd10").exists());
}

#[test]
fn the_hosts_devices_are_not_changed() {
    let before = std::fs::symlink_metadata("/dev/full").unwrap();
    let bench = bench();
    for line in [
        "chmod 640 /dev/full",
        "chown 1:1 /dev/full",
        "touch -d @1000 /dev/full",
        "mv /dev/full /dev/mtdkeep-full",
        "rmdir /dev/pts",
    ] {
        bench.fails(line);
    }
    let after = std::fs::symlink_metadata("/dev/full").unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        (before.mode(), before.uid(), before.mtime()),
        (after.mode(), after.uid(), after.mtime())
    );
}

/// A trailing slash asks for a folder.
#[rstest]
#[case("cat /dev/mtd0/")]
#[case("stat /dev/mtd0/")]
#[case("stat /dev/mtd0/.")]
#[case("rm /dev/mtd7/")]
#[case("mv /dev/mtd7/ /dev/mtdkeep-m")]
#[case("ln /dev/mtd7/ /dev/mtdkeep-m")]
#[case("chmod 600 /dev/mtd7/")]
#[case("truncate -c -s 0 /dev/mtdblock7/")]
#[case("cat /dev/mtd0/..")]
#[case("mkdir /dev/mtd0/x")]
fn a_node_is_no_folder(#[case] line: &str) {
    let bench = bench();
    let said = bench.fails(line);
    assert!(said.contains("Not a directory"), "{line}: {said}");
    bench.ok("test -c /dev/mtd7 && test -c /dev/mtd0");
}

#[test]
fn nodes_in_folders_of_their_own_are_found() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().to_owned();
    let bench = bench_with(|builder| builder.map("/dev/block", path));
    bench.ok("mknod /dev/block/mtdblock3 b 31 3 && ls /dev/block && cmp /dev/block/mtdblock3 /dev/mtdblock3");
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
}
