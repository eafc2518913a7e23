//! The sandbox as a library: what a test of somebody else's asks for.

use crate::support::{bench_with, device, text};
use mtd_harness::Errno;
use mtd_harness::mtd::NodeId;
use mtd_harness::sandbox::{Sandbox, Version};
use rstest::rstest;
use std::process::Command;
use std::time::Duration;

fn sh(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

#[test]
fn output_is_piped_and_nothing_is_read() {
    let sandbox = Sandbox::builder(device()).build().unwrap();
    let outcome = sandbox.output(&mut sh("cat; head -n 1 /proc/mtd; echo told >&2; exit 3"));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.status.code(), Some(3));
    assert_eq!(text(&outcome.stdout), "dev:    size   erasesize  name\n");
    assert_eq!(text(&outcome.stderr), "told\n");
    assert!(!outcome.timed_out);
}

#[test]
fn a_time_limit_ends_everything() {
    let builder = Sandbox::builder(device()).time_limit(Duration::from_millis(200));
    let sandbox = builder.build().unwrap();
    let line = "echo started; trap '' TERM; (setsid sleep 300 &); while :; do sleep 300; done";
    let outcome = sandbox.output(&mut sh(line)).unwrap();
    assert!(outcome.timed_out);
    assert_eq!(outcome.status.code(), None);
    assert_eq!(text(&outcome.stdout), "started\n");
    // Whoever is in time ends as always.
    let outcome = sandbox.output(&mut Command::new("true")).unwrap();
    assert!(outcome.status.success() && !outcome.timed_out);
}

/// Each call with node, offset, length and answer.
#[test]
fn calls_are_told_as_values() {
    let bench = bench_with(|builder| builder.exact(true).trace(true));
    let outcome = bench.sh(
        "exec 3<> /dev/mtd7; dd bs=4 seek=2 count=2 conv=notrunc if=/dev/mtd1 of=/dev/mtd7
         dd bs=8 count=1 if=/dev/mtdblock7; cat /dev/mtd10",
    );
    let calls = &outcome.calls;
    let writes = calls.on("/dev/mtd7").named("write");
    let told: Vec<_> = writes
        .iter()
        .map(|call| (call.node, call.offset_bytes, call.length_bytes, call.answer))
        .collect();
    let expected = |offset| (Some(NodeId::mtd(7)), Some(offset), Some(4), Some(Ok(4)));
    assert_eq!(told, [expected(8), expected(12)], "{calls}");
    assert_eq!(writes.moved_bytes(), 8);
    assert_eq!(calls.on("/dev/mtdblock7").named("read").moved_bytes(), 8);
    let missing = calls.on("/dev/mtd10").failed();
    assert!(
        missing
            .iter()
            .all(|call| call.error() == Some(Errno::NOENT)),
        "{missing}"
    );
    let refused = std::panic::catch_unwind(|| calls.assert_flash_was_only_read());
    let told = refused
        .unwrap_err()
        .downcast_ref::<String>()
        .unwrap()
        .clone();
    assert!(told.contains("write(1</dev/mtd7>, 4) = 4"), "{told}");
}

#[test]
#[ignore = "needs mtd-utils"]
fn erases_are_told_by_name_and_place() {
    let bench = bench_with(|builder| builder.trace(true));
    let outcome = bench.sh("PATH=$PATH:/usr/sbin; flash_erase -q /dev/mtd3 0x40000 2");
    let erases = outcome
        .calls
        .on("/dev/mtd3")
        .those(|call| matches!(call.request, Some("MEMERASE" | "MEMERASE64")));
    let places: Vec<_> = erases
        .iter()
        .map(|call| (call.offset_bytes, call.length_bytes, call.answer))
        .collect();
    let place = |at| (Some(at), Some(0x20000), Some(Ok(0)));
    assert_eq!(
        places,
        [place(0x40000), place(0x60000)],
        "{}",
        outcome.calls
    );
    let text = erases.to_string();
    let named = text.contains("ioctl(3</dev/mtd3>, MEMERASE64) = 0");
    assert!(named, "by its name in the text as well: {text}");
}

#[rstest]
#[case::three("2.6.24", Some(Version::new(2, 6, 24)))]
#[case::two("5.10", Some(Version::new(5, 10, 0)))]
#[case::one("5", None)]
#[case::four("1.2.3.4", None)]
#[case::words("six.one", None)]
#[case::none("", None)]
fn versions_from_their_texts(#[case] text: &str, #[case] expected: Option<Version>) {
    assert_eq!(text.parse::<Version>().ok(), expected);
}

/// Nothing of an iSpot is on another device.
#[test]
fn the_web_root_is_an_ispots_alone() {
    let layout = mtd_harness::layout::Layout::from_proc_mtd(
        "dev:    size   erasesize  name\nmtd0: 00100000 00010000 \"firmware\"\n",
    );
    let router = mtd_harness::profile::from_layout(&layout.unwrap(), 1);
    for (device, there) in [(router, "no\n"), (device(), "yes\n")] {
        let sandbox = Sandbox::builder(device).build().unwrap();
        let outcome = sandbox.output(&mut sh("test -d /var/wwwroot && echo yes || echo no"));
        assert_eq!(text(&outcome.unwrap().stdout), there);
    }
}
