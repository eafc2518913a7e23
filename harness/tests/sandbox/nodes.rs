//! Making and removing nodes.

use crate::support::bench;

#[test]
fn a_node_made_with_mknod_works_and_goes() {
    let bench = bench();
    bench.ok("mknod /dev/mtd10 c 90 20 && test -c /dev/mtd10 && cat /dev/mtd10 > a");
    assert!(std::fs::read(bench.file("a")).unwrap() == bench.flash(10));
    // It is still there for the next program in the same sandbox.
    bench.ok("ls /dev/mtd* | grep -qx /dev/mtd10 && rm /dev/mtd10 && ! test -e /dev/mtd10");
    assert!(bench.fails("mknod /dev/mtd0 c 90 0").contains("exists"));
}

#[test]
fn nodes_may_stand_anywhere() {
    let bench = bench();
    bench.ok("mknod ./n c 90 20 && cmp n /dev/fd/3 3< n && ls -l n | grep -q '^crw.* 90, 20 '");
    assert!(!bench.file("n").exists(), "the host has no such file");
    bench.ok("mv n m && test -c m && ! test -e n && ln m l && rm m && test -c l");
    bench.ok("chmod 640 l && test \"$(stat -c %a l)\" = 640 && touch l");
    assert_eq!(bench.ok("ls"), "l\n");
    bench.ok("mkdir d && mknod d/b b 31 3 && test -b d/b");
    assert!(bench.fails("rmdir d").contains("not empty"));
    bench.ok("rm -r d && ! test -e d && rm l");
    assert!(bench.fails("mknod no/n c 90 0").contains("No such file"));
    bench.ok("touch plain");
    assert!(bench.fails("mknod plain c 90 0").contains("exists"));
}

#[test]
fn nodes_of_no_device_open_with_an_error() {
    let bench = bench();
    assert!(
        bench
            .fails("mknod n c 90 98 && cat n")
            .contains("No such device")
    );
    assert!(
        bench
            .fails("mknod o b 31 49 && cat o")
            .contains("No such device or address")
    );
}

#[test]
#[ignore = "needs busybox-static"]
fn busybox_makes_nodes_too() {
    let bench = bench();
    bench.ok("busybox mknod /dev/mtdblock10 b 31 10 && busybox test -b /dev/mtdblock10 && busybox rm /dev/mtdblock10");
    bench.ok("! busybox test -e /dev/mtdblock10");
}
