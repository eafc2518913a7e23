//! The commands on the device, and the connection.

use super::support::{Somewhere, assert_good};
use crate::capture::import::manifest;
use crate::cli::support::text;
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// What ssh does in most tests: banners where some devices have them, then the shell.
const PLAIN: &str = "echo 'Welcome! mtdkeep- b 1'; printf 'no end of line'; \
                     exec $DEVICE sh -c \"$LAST\"";

#[test]
fn a_device_is_fetched_whole_past_its_banners() {
    let device = Somewhere::new(PLAIN, "");
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    device.assert_is_the_flash();
    let said = text(&output.stdout);
    assert!(
        said.contains("the device made of its flash afterwards"),
        "{said}"
    );
    let manifest = fs::read_to_string(device.path("b/manifest.json")).unwrap();
    assert!(manifest.contains("over ssh"), "{manifest}");
    // And once more there is nothing to do.
    assert_eq!(device.fetch(&[]).status.code(), Some(5));
}

/// With the words that ssh gets, and what a device lacks.
#[rstest]
#[case::sha256sum("", "SHA-256")]
#[case::md5sum("rm -f bin/sha256sum;", "MD5")]
#[case::neither("rm -f bin/sha256sum bin/md5sum;", "came twice from the flash")]
fn what_proves_the_images_is_told(#[case] lacks: &str, #[case] proof: &str) {
    let tools = "sh cat dd ls rm rmdir mkdir mknod readlink dmesg sha256sum md5sum";
    let script = format!(
        "mkdir -p bin; for t in {tools}; do ln -sf \"$(command -v $t)\" bin/$t; done; {lacks} \
         exec $DEVICE env PATH=\"$PWD/bin\" sh -c \"$LAST\""
    );
    let device = Somewhere::new(&script, "");
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    device.assert_is_the_flash();
    let said = text(&output.stdout).replace("\n  ", " ");
    assert!(said.contains("proven: 3 images"), "{said}");
    assert!(said.contains(proof), "{said}");
}

/// A node is made for what has none, and gone again; where that cannot be, the
/// partition is left out by name.
#[rstest]
#[case::as_root("--with-node mtd0", 0)]
fn a_private_node_goes_again(#[case] sandbox: &str, #[case] code: i32) {
    let script =
        "$DEVICE sh -c \"rm -f /dev/mtd1 /dev/mtd/1 /dev/mtd/mtd1; $LAST\"; ls -a /tmp /dev > left";
    let device = Somewhere::new(script, sandbox);
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    device.assert_is_the_flash();
    let left = fs::read_to_string(device.path("left")).unwrap_or_default();
    assert!(!left.contains(".mtdkeep"), "{left}");
}

/// The connection is cut after every KiB of what comes, time after time further on: it
/// goes on, or the same command completes it, and nothing that is cut is a success.
#[test]
fn a_connection_that_is_cut_at_every_kilobyte() {
    for kib in 1..12 {
        let script = format!(
            "n=$(cat count 2>/dev/null || echo 0); n=$((n + 1)); echo $n > count; \
             if [ $n = 1 ]; then exec 3<&0; $DEVICE sh -c \"$LAST\" <&3 | \
             {{ dd bs=1 count={} 2>/dev/null; kill -9 $$; }}; fi; \
             exec $DEVICE sh -c \"$LAST\"",
            kib * 1024
        );
        let device = Somewhere::new(&script, "");
        let output = device.fetch(&["-q"]);
        assert_eq!(output.status.code(), Some(0), "{kib}: {output:?}");
        device.assert_is_the_flash();
        let logins = fs::read_to_string(device.path("count")).unwrap();
        assert_eq!(logins.trim(), "2", "{kib}");
    }
}

/// An erase block that cannot be read is one hole, and the rest is there.
#[test]
fn an_error_of_the_flash_is_told_as_backup_tells_it() {
    let device = Somewhere::new(PLAIN, "--faults read-error@0x400+0x400");
    let output = device.fetch(&["--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let holes = &document["manifest"]["images"][0]["unreadable"];
    assert_eq!(holes.as_array().unwrap().len(), 1, "{holes}");
    assert_eq!(holes[0]["offset_bytes"], 0x400);
    assert_eq!(holes[0]["length_bytes"], 0x400);
}

/// What ssh says decides what to do next; nothing is left behind.
#[rstest]
#[case(
    "echo 'Unable to negotiate with x port 22: no matching host key type found. Their offer: ssh-rsa' >&2; exit 255",
    "HostKeyAlgorithms=+ssh-rsa"
)]
#[case(
    "echo 'root@device: Permission denied (password).' >&2; exit 255",
    "log in by hand"
)]
#[case("while echo chatter; do :; done", "no shell")]
#[case(
    "mkdir -p bin; printf '#!/bin/sh\\necho dev: size erasesize name\\n' >bin/cat; \
     chmod +x bin/cat; exec $DEVICE env PATH=\"$PWD/bin:$PATH\" sh -c \"$LAST\"",
    "its /proc/mtd lists no MTD device"
)]
fn what_cannot_be_reached(#[case] script: &str, #[case] word: &str) {
    let device = Somewhere::new(script, "");
    let output = device.fetch(&["--json"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "unreachable");
    let said = document["error"].to_string();
    assert!(said.contains(word), "{said}");
    assert!(!device.path("b").exists());
}

/// What ssh leaves running, with its standard error, keeps nobody waiting.
#[test]
fn what_ssh_leaves_running_is_not_waited_for() {
    let script = "sleep 1000 >/dev/null </dev/null & echo $! > left; \
                  echo 'root@device: Permission denied (publickey).' >&2; exit 255";
    let device = Somewhere::new(script, "");
    let output = device.fetch(&["--json"]);
    let left = fs::read_to_string(device.path("left")).unwrap();
    let killed = std::process::Command::new("kill").arg(left.trim()).status();
    assert!(killed.unwrap().success(), "it ran all the time");
    assert_eq!(output.status.code(), Some(4));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        document.to_string().contains("Permission denied"),
        "{document}"
    );
}

#[test]
fn no_ssh_program_is_told() {
    let device = Somewhere::new(PLAIN, "");
    let output = crate::cli::support::program()
        .args(["fetch", "ssh://device"])
        .arg(device.path("b"))
        .env("MTDKEEP_SSH", "/nonexistent/ssh")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("MTDKEEP_SSH"), "{output:?}");
}

/// ssh gets the user's options before the program's own, a port, and one host.
#[test]
fn the_words_for_ssh() {
    let device = Somewhere::new(&format!("echo \"$*\" > words; {PLAIN}"), "");
    let ssh = device.path("ssh");
    let output = crate::cli::support::program()
        .args(["fetch", "ssh://me@device:2222"])
        .arg(device.path("b"))
        .args(["--ssh-option", "Ciphers=+aes128-cbc", "-p", "data"])
        .env("MTDKEEP_SSH", &ssh)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let words = fs::read_to_string(device.path("words")).unwrap();
    assert_eq!(
        words.trim(),
        "-o Ciphers=+aes128-cbc -o ServerAliveInterval=15 -o ConnectTimeout=10 -T -p 2222 \
         me@device exec sh"
    );
    assert!(device.path("b/mtd2.bin").exists() && !device.path("b/mtd0.bin").exists());
}

/// What the table and sysfs lack, a boot log tells.
#[test]
fn a_layout_is_taken_from_a_file() {
    let device = Somewhere::new(PLAIN, "");
    let log = "Creating 3 MTD partitions on \"spi0.0\":\n\
               0x000000000000-0x000000001000 : \"boot\"\n\
               0x000000001000-0x000000001400 : \"param\"\n\
               0x000000001400-0x000000001c00 : \"data\"\n";
    fs::write(device.path("boot.log"), log).unwrap();
    let file = device.path("boot.log");
    let output = device.fetch(&["--layout", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&device.path("b"));
    let manifest = fs::read_to_string(device.path("b/manifest.json")).unwrap();
    assert!(manifest.contains("boot.log"), "{manifest}");
}

/// Ctrl-C before the device has answered ends the program as it does later.
#[test]
fn a_wish_to_stop_is_heard_while_nobody_answers() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::os::unix::process::ExitStatusExt as _;
    let device = Somewhere::new(": >began; exec sleep 1000", "");
    let mut command = device.command(&[]);
    crate::cli::support::signals_at_start(&mut command, &[]);
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !device.path("began").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGINT), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("interrupted"), "{said}");
    assert!(!device.path("b").exists());
}

/// A `nanddump` as mtd-utils has it, as far as it is asked for something: it says behind
/// the bytes what ECC could not correct.
const NANDDUMP: &str = r#"#!/bin/sh
[ "$1" != --help ] || { echo "--bb=METHOD --omitoob"; exit; }
s=0 l=4096
while [ $# -gt 1 ]; do
    case $1 in
        -s) s=$2; shift ;;
        -l) l=$2; shift ;;
        --omitoob | --bb=padbad) ;;
        *) exit 2 ;;
    esac
    shift
done
echo "$s $l" >>ASKED
dd if="$1" bs=1024 skip=$((s / 1024)) count=$((l / 1024)) 2>/dev/null
if [ LOST ] && [ "$s" -le 2048 ] && [ $((s + l)) -gt 2048 ]; then
    echo 'ECC: 1 uncorrectable bitflip(s) at offset 0x00000800' >&2
fi
"#;

/// NAND is read with the device's nanddump where there is one: what ECC cannot correct
/// is a hole, which `cat` takes for bytes like any others. What is not proven is told.
#[rstest]
#[case::all_right(Some(false), 0, "read with the device's nanddump")]
#[case::ecc_gave_up(Some(true), 3, "read with the device's nanddump")]
#[case::no_nanddump(None, 0, "has no nanddump")]
fn nand_is_read_as_nand(#[case] nanddump: Option<bool>, #[case] code: i32, #[case] note: &str) {
    let tools = "sh cat dd ls rm rmdir mkdir mknod readlink dmesg sha256sum";
    // sysfs says that mtd0 is NAND.
    let read = "read() { case $d/$a in */mtd0/type) v=nand ;; *) v=`cat` ;; esac; }";
    let script = format!(
        "mkdir -p bin; for t in {tools}; do ln -sf \"$(command -v $t)\" bin/$t; done; \
         exec $DEVICE env PATH=\"$PWD/bin\" sh -c '{{ echo \"$0\"; exec cat; }} | sh' '{read}'"
    );
    let device = Somewhere::new(&script, "");
    fs::create_dir(device.path("bin")).unwrap();
    let mut programs = Vec::new();
    if let Some(is_lost) = nanddump {
        let asked = device.path("asked");
        let text = NANDDUMP.replace("ASKED", asked.to_str().unwrap());
        let lost = if is_lost { "yes" } else { "" };
        programs.push(("nanddump", text.replace("LOST", &format!("\"{lost}\""))));
    }
    for (name, text) in programs {
        let path = device.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = device.fetch(&[]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = text(&output.stderr).replace("\n  ", " ");
    assert!(said.contains("mtd0: NAND") && said.contains(note), "{said}");
    let manifest = manifest(&device.path("b"));
    let not_proven = &manifest["origin"]["not_proven"];
    let says = |what: &serde_json::Value| what.as_str().unwrap().contains(note);
    assert!(
        not_proven.as_array().unwrap().iter().any(says),
        "{not_proven}"
    );
    let holes = manifest["images"][0]["unreadable"].as_array().unwrap();
    if nanddump == Some(true) {
        assert_eq!(holes.len(), 1, "{holes:?}");
        assert_eq!(holes[0]["offset_bytes"], 0x800);
        assert_eq!(holes[0]["length_bytes"], 0x400);
    } else {
        assert!(holes.is_empty(), "{holes:?}");
        device.assert_is_the_flash();
    }
    assert_eq!(device.path("asked").exists(), nanddump.is_some());
}
