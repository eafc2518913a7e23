//! What the program sees of the device: the list, and the nodes.

use super::{assert_chip_untouched, run, virtual_ispot};
use crate::cli::support::{mtdkeep, text, unwrapped};
use rstest::rstest;

/// The same table, notes included, as the PC's program prints of the simulation.
/// Without sysfs the offsets are those of the layout that the program knows, and come
/// to the same; whether mtd10 may be written would then be its node's to tell, and it has none.
#[rstest]
#[case::with_sysfs(true, "sysfs")]
#[case::without_sysfs(false, "known layout")]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_list_is_the_simulations(#[case] sysfs: bool, #[case] source: &str) {
    let mut ispot = virtual_ispot();
    if !sysfs {
        ispot = ispot.without_sysfs();
    }
    let steps = run(
        &mut ispot,
        "step list mtdkeep list; step json mtdkeep list --json",
    );
    let simulated = mtdkeep()
        .args(["list", "--simulate"])
        .assert()
        .code(0)
        .get_output()
        .clone();
    let mut expected = unwrapped(text(&simulated.stdout));
    if !sysfs {
        // Nobody but sysfs knows of what has no node whether Linux made it read-only.
        let starts = "note: mtd10 (RedBoot config) starts inside an erase block";
        expected = expected
            .replacen("missing  read-only", "missing  unknown", 1)
            .replacen(&format!("{starts}; Linux makes it read-only"), starts, 1)
            .replacen(
                "note: ",
                "note: offsets are told by: known layout\nnote: ",
                1,
            );
    }
    assert_eq!(steps.expect("list", 0).stdout, expected);
    let json: serde_json::Value = serde_json::from_str(&steps.expect("json", 0).stdout).unwrap();
    let partitions = json["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 11);
    for partition in partitions {
        let said = partition["offset_source"].as_str().unwrap();
        assert!(said.contains(source), "{said}");
        let writeable = match partition["mtd"].as_u64() {
            Some(10) if !sysfs => None,
            Some(9 | 10) => Some(false),
            _ => Some(true),
        };
        assert_eq!(partition["writeable"].as_bool(), writeable);
    }
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn missing_nodes_are_named_and_made() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "look() { stat -c '%n %F %a %t:%T' /dev/mtd10 /dev/mtdblock10; }
step named mtdkeep nodes
step none look
mtdkeep nodes >/tmp/lines; step by_hand sh /tmp/lines
step there mtdkeep nodes
rm /dev/mtd10 /dev/mtdblock10 /dev/mtdblock3
step made mtdkeep nodes --create
step look look
step all mtdkeep nodes
step list mtdkeep list
step bytes cmp /dev/mtd10 /dev/mtdblock10
rm /dev/mtd4; mknod /dev/mtd4 c 1 5
step wrong mtdkeep nodes --create
step still stat -c %t:%T /dev/mtd4
step backup mtdkeep backup -p system -p param -o /mnt/b
step only mtdkeep backup -p system -o /mnt/c
step nothing ls /mnt",
    );
    let lines = "mknod /dev/mtd10 c 90 20\nmknod /dev/mtdblock10 b 31 10\n";
    assert_eq!(steps.expect("named", 0).stdout, lines);
    assert_eq!(steps.step("none").stdout, "", "none was made unasked");
    let _ = steps.expect("by_hand", 0);
    steps
        .expect("there", 0)
        .says(&["all device nodes are there"]);
    let made = "made /dev/mtd10\nmade /dev/mtdblock10\n";
    let mut said: Vec<_> = steps
        .expect("made", 0)
        .stdout
        .lines()
        .map(String::from)
        .collect();
    said.sort();
    assert_eq!(
        said.join("\n") + "\n",
        made.to_owned() + "made /dev/mtdblock3\n"
    );
    assert_eq!(
        steps.expect("look", 0).stdout,
        "/dev/mtd10 character special file 600 5a:14\n/dev/mtdblock10 block special file 600 1f:a\n"
    );
    steps.expect("all", 0).says(&["all device nodes are there"]);
    assert!(!steps.expect("list", 0).stdout.contains("missing"));
    let _ = steps.expect("bytes", 0);
    // What is in the way stays there, and nothing is read through it.
    steps
        .expect("wrong", 3)
        .says(&["/dev/mtd4 is not mtd4 (system)'s node: it is character node 1:5"]);
    assert_eq!(steps.expect("still", 0).stdout, "1:5\n");
    steps
        .expect("backup", 3)
        .says(&["mtd4 is left out", "rm /dev/mtd4 && mknod /dev/mtd4 c 90 8"]);
    steps
        .expect("only", 4)
        .says(&["none of the wanted partitions can be read"]);
    assert_eq!(steps.expect("nothing", 0).stdout, "b\n");
    assert_chip_untouched(&ispot, &[]);
}

/// Where the temporary folder takes no device files, `/dev` does; where nothing
/// does, mtd10 is left out by name.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_private_node_finds_its_place_and_leaves_it() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "mount -t tmpfs tmp /mnt
mount -t tmpfs -o nodev tmp /tmp
step nodev mtdkeep backup -p mtd10 -p param -o /mnt/a
step left find / -name '.mtdkeep*'
mount -o remount,ro /
step nowhere mtdkeep backup -p mtd10 -p param -o /mnt/b
step verify mtdkeep verify --device /mnt/b
step create mtdkeep nodes --create
step none mtdkeep backup -p mtd10 -o /mnt/c
step folders ls /mnt
mount -o remount,rw /",
    );
    steps.expect("nodev", 0).says(&["2 partitions, 132 KiB"]);
    assert_eq!(steps.expect("left", 0).stdout, "");
    steps
        .expect("nowhere", 3)
        .says(&["mtd10 is left out", "as root: mknod /dev/mtd10 c 90 20"]);
    steps
        .expect("verify", 3)
        .says(&["mtd10 (RedBoot config) is not in this backup"]);
    steps
        .expect("create", 4)
        .says(&["making a node for /dev/mtd10 failed: Read-only file system"]);
    steps
        .expect("none", 4)
        .says(&["/dev/mtd10", "Read-only file system"]);
    assert_eq!(steps.expect("folders", 0).stdout, "a\nb\n");
}

/// An ordinary user may not open the nodes: said, with nothing left.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn an_ordinary_user_is_told() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "echo 'root::0:0::/root:/bin/sh' >/etc/passwd
echo 'user::1000:1000::/tmp:/bin/sh' >>/etc/passwd
as_user() { su user -c \"$*\"; }
chmod 777 /mnt
step list as_user mtdkeep list
step backup as_user mtdkeep backup -o /mnt/a
step create as_user mtdkeep nodes --create
chmod 644 /dev/mtd?
step most as_user mtdkeep backup -p param -p ver_1 -p mtd10 -o /mnt/b
step folders ls /mnt
step left find / -name '.mtdkeep*'",
    );
    let _ = steps.expect("list", 0);
    steps
        .expect("backup", 4)
        .says(&["/dev/mtd0", "Permission denied"]);
    steps
        .expect("create", 4)
        .says(&["mknod /dev/mtd10 c 90 20"]);
    steps
        .expect("most", 3)
        .says(&["mtd10 is left out", "as root: mknod /dev/mtd10 c 90 20"]);
    assert_eq!(steps.expect("folders", 0).stdout, "b\n");
    assert_eq!(steps.expect("left", 0).stdout, "");
}
