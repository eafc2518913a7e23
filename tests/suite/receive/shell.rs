//! The script in real shells, with real programs that send.

use super::command::Running;
use super::device::TOKEN;
use crate::capture::import::manifest;
use crate::capture::support::small;
use crate::cli::support::{program, text};
use mtd_harness::tree::TreeBuilder;
use rstest::rstest;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The script, as the PC gives it to a device.
fn fetched(running: &Running) -> String {
    super::device::say(
        running.address,
        format!("GET /{TOKEN}/send.sh\n").as_bytes(),
    )
}

/// Runs the script on a tree, with shell functions before it in the place of programs.
fn sent(how: &str, before: &str, options: &[&str]) -> (Output, Output, Vec<bool>) {
    sent_from(how, before, options, |_| {})
}

/// The same, of a tree to which something was added.
fn sent_from(
    how: &str,
    before: &str,
    options: &[&str],
    add: impl Fn(&Path),
) -> (Output, Output, Vec<bool>) {
    let device = small(3);
    let tree = TreeBuilder::default().without_sys().all_nodes();
    let tree = tree.build(&device).unwrap();
    add(tree.root());
    let running = Running::start(options);
    let script = format!("{before}\n{}", fetched(&running));
    let output = Command::new("busybox")
        .args(["ash", "-c", &script])
        .env("MTDKEEP_ROOT", tree.root())
        .env("MTDKEEP_HOW", how)
        .output()
        .unwrap();
    let folder = running.folder();
    // Where the device gave up, the PC would wait on.
    let ended = matches!(output.status.code(), Some(0 | 1 | 3));
    assert!(ended, "{} {}", text(&output.stdout), text(&output.stderr));
    let (received, _outer) = running.end();
    let same = |mtd| {
        let image = fs::read(folder.join(format!("mtd{mtd}.bin")));
        image.is_ok_and(|image| image == device.partition_bytes(mtd))
    };
    (output, received, (0..4).map(same).collect())
}

const NO_DIGESTS: &str = "md5sum() { return 127; }; sha256sum() { return 127; }";

#[rstest]
#[ignore = "needs busybox-static"]
#[case::nc("nc", "")]
#[ignore = "needs busybox-static"]
#[case::nc_md5("nc", "sha256sum() { return 127; }")]
#[ignore = "needs busybox-static"]
#[case::nc_twice("nc", NO_DIGESTS)]
#[ignore = "needs busybox-static"]
#[case::wget("wget", "")]
#[ignore = "needs busybox-static"]
#[case::wget_uuencode("wget", "base64() { return 127; }")]
#[ignore = "needs busybox-static"]
#[case::wget_hexdump("wget", "base64() { return 127; }; uuencode() { return 127; }")]
#[ignore = "needs busybox-static"]
#[case::wget_od_twice(
    "wget",
    "base64() { return 127; }; uuencode() { return 127; }; hexdump() { return 127; }; \
     md5sum() { return 127; }; sha256sum() { return 127; }"
)]
fn every_way_sends_the_flash(#[case] how: &str, #[case] before: &str) {
    let (output, received, same) = sent(how, before, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(received.status.code(), Some(0), "{received:?}");
    assert_eq!(same, [true; 4]);
    let said = text(&received.stdout);
    let expected = match before.contains("md5sum") {
        true => "came twice",
        false => "is what the device digests",
    };
    assert!(said.contains(expected), "{said}");
}

#[test]
#[ignore = "needs busybox-static"]
fn some_partitions_alone() {
    let (output, received, same) = sent("nc", "", &["-p", "param", "-p", "mtd3"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(received.status.code(), Some(0), "{received:?}");
    assert_eq!(same, [false, true, false, true]);
    let (output, ..) = sent_wrong();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// A partition that is not there: the device says so, and the PC waits on.
fn sent_wrong() -> (Output, Running) {
    let device = small(3);
    let tree = TreeBuilder::default().without_sys().all_nodes();
    let tree = tree.build(&device).unwrap();
    let mut running = Running::start(&["-p", "nothing"]);
    let output = Command::new("busybox")
        .args(["ash", "-c", &fetched(&running)])
        .env("MTDKEEP_ROOT", tree.root())
        .output()
        .unwrap();
    running.child.kill().unwrap();
    (output, running)
}

/// nc ends after so many bytes, so often: as if the cable were pulled.
#[test]
#[ignore = "needs busybox-static"]
fn a_network_that_breaks_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    let before = format!(
        "echo 0 >{0}; nc() {{ n=$(cat {0}); echo $((n + 1)) >{0}; \
         case $n in 2|3|5|9) head -c 50000 | busybox nc \"$@\" >/dev/null; return 1 ;; esac; \
         busybox nc \"$@\"; }}",
        count.display()
    );
    let (output, received, same) = sent("nc", &before, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(received.status.code(), Some(0), "{received:?}");
    assert_eq!(same, [true; 4]);
    let calls: u32 = fs::read_to_string(&count).unwrap().trim().parse().unwrap();
    assert!(calls > 10, "{calls}");
}

/// Of what ECC could not correct, dd hears nothing: the kernel counts it. The erase block
/// is a hole, with either way to send.
#[rstest]
#[ignore = "needs busybox-static"]
#[case("nc", 0x20000)]
#[ignore = "needs busybox-static"]
#[case("wget", 0x8000)]
fn what_ecc_could_not_correct_is_a_hole(#[case] how: &str, #[case] hole: usize) {
    let count = "sys/class/mtd/mtd0/ecc_failures";
    // In wget's units it is the fifth block that begins there.
    let before = format!(
        "dd() {{ command dd \"$@\" || return 1
         case \"$*\" in
             *dev/mtd0*\"skip={} \"* | *dev/mtd0*bs=65536)
                 read -r n <\"$ROOT/{count}\"
                 echo $((n + 3)) >\"$ROOT/{count}\" ;;
         esac; }}",
        0x20000 / hole
    );
    let (output, received, same) = sent_from(how, &before, &[], |root| {
        fs::create_dir_all(root.join(count).parent().unwrap()).unwrap();
        fs::write(root.join(count), "5\n").unwrap();
    });
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(received.status.code(), Some(3), "{received:?}");
    assert_eq!(same, [false, true, true, true]);
    let said = text(&output.stderr);
    assert!(said.contains("not all of it can be read"), "{said}");
}

/// Flash that cannot be read: in the sandbox, whose nodes fail as Linux's do.
#[rstest]
#[ignore = "needs busybox-static"]
#[case("nc")]
#[ignore = "needs busybox-static"]
#[case("wget")]
fn unreadable_flash_is_a_hole(#[case] how: &str) {
    let running = Running::start(&[]);
    let script = fetched(&running);
    let output = program()
        .args([
            "sandbox",
            "-q",
            "--simulate",
            "--faults",
            "read-error@0x1a0000",
            "--",
        ])
        .args(["busybox", "ash", "-c", &script])
        .env("MTDKEEP_HOW", how)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let folder = running.folder();
    let (received, _outer) = running.end();
    assert_eq!(received.status.code(), Some(3), "{received:?}");
    let manifest = manifest(&folder);
    let images = manifest["images"].as_array().unwrap();
    let holes = |image: &'_ serde_json::Value| image["unreadable"].as_array().unwrap().clone();
    let lost = images.iter().flat_map(holes);
    let lost: u64 = lost
        .map(|hole| hole["length_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(lost, 0x20000);
    let device = mtd_harness::profile::ispot(1);
    for image in images {
        let file = image["file"].as_str().unwrap();
        let mtd = image["mtd"].as_u64().unwrap() as u32;
        let same = fs::read(folder.join(file)).unwrap() == device.partition_bytes(mtd);
        assert_eq!(same, holes(image).is_empty(), "{file}");
    }
}
