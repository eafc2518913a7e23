//! What a program sees before it opens anything.

use crate::support::{bench, text};

#[test]
fn nodes_are_devices_by_every_look() {
    let bench = bench();
    let looks = bench.ok("stat -c '%F %t:%T %s %h %a' /dev/mtd3 /dev/mtd3ro /dev/mtdblock3");
    assert_eq!(
        looks,
        "character special file 5a:6 0 1 600\n\
         character special file 5a:7 0 1 600\n\
         block special file 1f:3 0 1 600\n"
    );
    bench.ok(
        "test -c /dev/mtd3 && test -b /dev/mtdblock3 && test -r /dev/mtd3 && test -w /dev/mtd3",
    );
    bench.ok(
        "test -e /dev/mtd3 && ! test -f /dev/mtd3 && ! test -x /dev/mtd3 && ! test -s /dev/mtd3",
    );
    // The same through an open descriptor, a relative path and a link.
    let look = "stat -L -c '%F %t:%T'";
    bench.ok(&format!(
        "test \"$({look} /dev/fd/3 3</dev/mtd3)\" = 'character special file 5a:6'"
    ));
    bench.ok(&format!(
        "cd /dev && test \"$({look} mtd3)\" = 'character special file 5a:6'"
    ));
    bench.ok(&format!(
        "ln -s /dev/mtd3 link && ln -s link again && ln -s /dev folder &&
         test \"$({look} again)\" = 'character special file 5a:6' &&
         test \"$({look} folder/../dev/mtd3)\" = 'character special file 5a:6' &&
         test \"$(stat -c %F again)\" = 'symbolic link'"
    ));
}

#[test]
fn long_listings_show_nodes() {
    let line = bench().ok("ls -l /dev/mtd10 2>/dev/null; ls -l /dev/mtd9ro");
    assert!(line.starts_with("crw-------"), "{line}");
    assert!(
        line.contains("90, 19") && line.ends_with("/dev/mtd9ro\n"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "mtd10 has no node: {line}");
}

#[test]
fn listings_and_globs_show_every_node_once() {
    let bench = bench();
    let all: Vec<String> = bench
        .device
        .nodes
        .keys()
        .map(|path| format!("/{path}"))
        .collect();
    for line in [
        "ls -d /dev/mtd*",
        "printf '%s\\n' /dev/mtd*",
        "find /dev -maxdepth 1 -name 'mtd*'",
    ] {
        let mut seen: Vec<String> = bench.ok(line).lines().map(str::to_owned).collect();
        seen.sort();
        assert_eq!(seen, all, "{line}");
    }
    // The host's own nodes are there as well, and listing again works.
    bench.ok("ls /dev | grep -qx null && ls /dev | grep -qx mtd0 && test -c /dev/null");
}

#[test]
fn the_kernels_texts_are_those_of_the_device() {
    let bench = bench();
    assert_eq!(bench.ok("cat /proc/mtd"), bench.device.system.proc_mtd());
    assert_eq!(bench.ok("stat -c '%s %A' /proc/mtd"), "0 -r--r--r--\n");
    for (index, twin) in [(0, ""), (3, "ro"), (10, "")] {
        let files = match twin {
            "" => bench.device.system.sysfs(index),
            _ => bench.device.system.sysfs_read_only_twin(index),
        };
        for (file, expected) in files.unwrap() {
            let path = format!("/sys/class/mtd/mtd{index}{twin}/{file}");
            assert_eq!(bench.ok(&format!("cat {path}")), expected, "{path}");
        }
    }
    assert_eq!(bench.ok("ls /sys/class/mtd | wc -l"), "22\n");
    assert_eq!(
        bench.ok("cd /sys/class/mtd/mtd3 && /bin/pwd"),
        "/sys/devices/virtual/mtd/mtd3\n"
    );
    assert_eq!(bench.ok("cat /sys/dev/char/90:6/name"), "rootfs\n");
    bench.ok("grep -q '^ *90 mtd$' /proc/devices && grep -q '^ *31 mtdblock$' /proc/devices");
    bench.ok("grep -q 'mtdblock3$' /proc/partitions");
    let refused = bench.fails("echo > /proc/mtd");
    assert!(refused.contains("ermission denied"), "{refused}");
}

#[test]
fn what_is_not_there_is_not_there() {
    let bench = bench();
    for path in [
        "/dev/mtd10",
        "/dev/mtd99",
        "/dev/mtdblock10",
        "/dev/mtd3/x",
        "/dev/mtd",
    ] {
        bench.fails(&format!("cat {path}"));
        bench.fails(&format!("test -e {path}"));
    }
    assert!(bench.fails("cat /dev/mtd3/x").contains("Not a directory"));
    assert!(bench.fails("cd /dev/mtd3").contains("can't cd"));
}

#[test]
fn programs_that_never_touch_flash_see_the_host() {
    let bench = bench();
    assert_eq!(
        bench.ok("cat /etc/hostname"),
        std::fs::read_to_string("/etc/hostname").unwrap()
    );
    bench.ok("test \"$(pwd)\" = \"$(/bin/pwd)\" && true < /dev/null && test -d /usr");
    let failed = bench.fails("cat /no/such/file");
    assert!(failed.contains("No such file"), "{failed}");
}

#[test]
#[ignore = "needs busybox-static"]
fn busybox_sees_the_same() {
    let bench = bench();
    let outcome = bench.run(
        "busybox",
        &[
            "sh",
            "-c",
            "[[ -c /dev/mtd0 ]] && ls -l /dev/mtd0 && cat /proc/mtd",
        ],
    );
    let seen = text(&outcome.stdout);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(
        seen.starts_with("crw") && seen.contains("90,   0"),
        "{seen}"
    );
    assert!(seen.ends_with(&bench.device.system.proc_mtd()), "{seen}");
}
