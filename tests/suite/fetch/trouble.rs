//! Devices that reboot, programs that fail half way, and what is mounted: over ssh.

use super::support::{Somewhere, assert_good};
use crate::cli::support::{program_words, text};
use crate::serve::client::TOKEN;
use crate::serve::support::Serving;
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A device whose programs are the PC's, but for those in `instead`: a name and a
/// script each.
fn device_with(instead: &[(&str, &str)], sandbox: &str, script: &str) -> Somewhere {
    let tools = "sh cat dd ls rm rmdir mkdir mknod readlink dmesg sha256sum sleep";
    let script = format!(
        "mkdir -p bin; for t in {tools}; do [ -e bin/$t ] || ln -s \"$(command -v $t)\" bin/$t; \
         done; {script}"
    );
    let device = Somewhere::new(&script, sandbox);
    fs::create_dir(device.path("bin")).unwrap();
    for (name, text) in instead {
        let path = device.path("bin").join(name);
        let here = device.path("");
        let text = text.replace("HERE", here.to_str().unwrap().trim_end_matches('/'));
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    device
}

/// The login of a device that stays as it is.
const LOGIN: &str = "exec $DEVICE env PATH=\"$PWD/bin\" sh -c \"$LAST\"";

/// A `cat` that gives half of the partition of 4 KiB, once; later it notes that it was
/// called, and is a `cat`. What tells devices apart is read before, and is smaller.
const HALF_A_CAT: &str = "[ $# -eq 0 ] || exec /bin/cat \"$@\"\n\
                          [ ! -e HERE/half ] || { echo cat >>HERE/asked; exec /bin/cat; }\n\
                          /bin/cat >HERE/all\n\
                          /bin/dd if=HERE/all of=HERE/end bs=1024 skip=3 2>/dev/null\n\
                          [ -s HERE/end ] || exec /bin/cat HERE/all\n\
                          /bin/dd if=HERE/all bs=1024 count=2 2>/dev/null\n";
/// That it has done so.
const TOLD: &str = ": >HERE/half\n";
/// Stops the shells that it runs in: a device without power says and does nothing more, while
/// what is left of a killed sandbox might.
const STOPPED: &str = "p=$PPID\n\
                       while read -r _ name _ above _ </proc/$p/stat && [ \"$name\" = '(sh)' ]; do\n\
                       kill -STOP $p; p=$above; done\n";
const NOTED_DD: &str = "echo dd >>HERE/asked; exec /bin/dd \"$@\"";

/// It reboots in the middle of a partition, nobody answers for two tries, and then: the
/// same device goes on; flash that the boot changed is told, and its image in doubt; what
/// has other partitions is another device, or another of its systems, and gives nothing.
#[rstest]
#[case::the_same("", 0, "proven: 3 images")]
#[case::changed_by_the_boot("DEVICE=\"${DEVICE% --} --seed 2 --\"", 3, "a second reading differs")]
#[case::other_partitions(
    "sed s/param/other/ table >table2; DEVICE=$(echo \"$DEVICE\" | sed 's,/table ,/table2 ,')",
    4,
    "other partitions than before"
)]
fn a_device_that_reboots(#[case] after: &str, #[case] code: i32, #[case] says: &str) {
    let script = format!(
        "n=$(cat count 2>/dev/null || echo 0); n=$((n + 1)); echo $n >count\n\
         case $n in\n\
         1) exec 3<&0; $DEVICE env PATH=\"$PWD/bin\" sh -c \"$LAST\" <&3 & d=$!\n\
            while [ ! -e half ]; do sleep 0.02; done; kill -9 $d; exit 255 ;;\n\
         2|3) echo 'ssh: connect to host device port 22: Connection refused' >&2; exit 255 ;;\n\
         esac\n{after}\n{LOGIN}"
    );
    // Whoever cuts the power waits for that file.
    let cat = [HALF_A_CAT, STOPPED, TOLD, "exec sleep 1000"].concat();
    let instead = [("cat", cat.as_str()), ("dd", NOTED_DD)];
    let device = device_with(&instead, "", &script);
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    // Where a line is broken depends on how long the folder's path is.
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    let said = said.replace("\n  ", " ");
    assert!(said.contains(says), "{said}");
    let logins = fs::read_to_string(device.path("count")).unwrap();
    assert_eq!(logins.trim(), "4");
    let asked = fs::read_to_string(device.path("asked")).unwrap_or_default();
    match code {
        0 => {
            device.assert_is_the_flash();
            // It goes on where it was, and nothing is sent twice.
            assert_eq!(asked, "dd\ncat\ncat\n");
        }
        3 => assert!(said.contains("1 partition in doubt"), "{said}"),
        _ => {
            assert!(!device.path("b/manifest.json").exists());
            assert!(!device.path("b/mtd0.bin").exists());
        }
    }
}

/// A program that gives half of a partition, once, whether it says so or not: what is
/// missing is asked for again, and the device's digest is of all of it.
#[rstest]
#[case::says_so("echo 'cat: read error: Input/output error' >&2; exit 1")]
#[case::says_nothing_but_its_status("exit 1")]
#[case::says_nothing("")]
fn a_program_that_fails_half_way(#[case] end: &str) {
    let cat = [HALF_A_CAT, TOLD, end].concat();
    let device = device_with(&[("cat", &cat)], "", LOGIN);
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    device.assert_is_the_flash();
    assert!(
        text(&output.stdout).contains("proven: 3 images"),
        "{output:?}"
    );
    assert!(device.path("half").exists());
}

/// What the device's system writes while it is read is named, whatever its mount calls it.
#[test]
fn a_mounted_jffs2_is_told() {
    let cat = "case \"$1\" in\n\
               /proc/mounts) echo '/dev/mtdblock0 / jffs2 rw 0 0'; \
               echo 'mtd:data /etc jffs2 rw,noatime 0 0'; \
               echo '/dev/mtdblock1 /rom squashfs ro 0 0' ;;\n\
               *) exec /bin/cat \"$@\" ;;\nesac";
    let device = device_with(&[("cat", cat)], "", LOGIN);
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    device.assert_is_the_flash();
    let said = text(&output.stderr).replace("\n  ", " ");
    for told in [
        "mtd0 (boot) is mounted on / (jffs2) for writing",
        "mtd2 (data) is mounted on /etc (jffs2) for writing",
    ] {
        assert!(said.contains(told), "{said}");
    }
    assert!(!said.contains("mtd1"), "{said}");
}

/// Where everything is mounted read-only no node can be made: the partition is left out
/// by name, with what to do, and the rest is a partial backup.
#[test]
fn a_read_only_mount_leaves_out_what_has_no_node() {
    let mkdir = "echo \"mkdir: can't create directory '$1': Read-only file system\" >&2; exit 1";
    let script = "exec $DEVICE env PATH=\"$PWD/bin\" sh -c \"rm -f /dev/mtd1 /dev/mtd/1 /dev/mtd/mtd1; $LAST\"";
    let device = device_with(&[("mkdir", mkdir)], "", script);
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = text(&output.stderr).replace("\n  ", " ");
    assert!(said.contains("mtd1 (param)"), "{said}");
    assert!(said.contains("mknod /dev/mtd1 c 90 2"), "{said}");
    assert!(!device.path("b/mtd1.bin").exists() && device.path("b/mtd2.bin").exists());
}

/// Memory does not grow with what is fetched, over ssh and from a server: a partition
/// twice as large as all that the program may have. `ulimit -d` counts what it may write
/// to: heaps and stacks.
#[rstest]
fn memory_does_not_grow_with_the_flash(#[values(false, true)] http: bool) {
    // What stands for ssh and the device has what it wants.
    let script = format!("ulimit -S -d unlimited; {LOGIN}");
    let device = device_with(&[], "", &script);
    let table = "dev:    size   erasesize  name\nmtd0: 02000000 00020000 \"all\"\n\
                 mtd1: 00020000 00020000 \"rest\"\n";
    fs::write(device.path("table"), table).unwrap();
    let simulate = format!("--simulate={}", device.path("table").display());
    let serving = http.then(|| Serving::start(&[&simulate]));
    let source = match &serving {
        Some(serving) => format!("http://{}/{TOKEN}/", serving.address),
        None => "ssh://root@device".into(),
    };
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -S -d 16384; exec \"$@\"", "sh"])
        .args(program_words())
        .args(["fetch", "-q", &source])
        .arg(device.path("b"))
        .env("MTDKEEP_SSH", device.path("ssh"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        fs::metadata(device.path("b/mtd0.bin")).unwrap().len(),
        32 << 20
    );
    assert_good(&device.path("b"));
}
