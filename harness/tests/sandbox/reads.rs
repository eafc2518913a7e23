//! Reading flash.

use crate::support::{bench, bench_with};
use rstest::rstest;

#[rstest]
#[case::dd("dd if=/dev/mtd$x of=mtd$x.bin 2>/dev/null")]
#[case::large_blocks("dd if=/dev/mtd$x of=mtd$x.bin bs=1M 2>/dev/null")]
#[case::cat("cat /dev/mtd$x > mtd$x.bin")]
#[case::cp("cp /dev/mtd$x mtd$x.bin")]
#[case::tee("tee mtd$x.bin < /dev/mtd$x > /dev/null")]
#[case::the_twin("cat /dev/mtd${x}ro > mtd$x.bin")]
#[case::the_block_node("cat /dev/mtdblock$x > mtd$x.bin")]
#[case::inherited("exec 3< /dev/mtd$x; (cat <&3 > mtd$x.bin)")]
fn every_partition_reads_as_it_is(#[case] line: &str) {
    let bench = bench();
    bench.ok(&format!(
        "for x in 0 1 2 3 4 5 6 7 8 9; do {line} || exit 1; done"
    ));
    for index in 0..10 {
        let mut flash = bench.flash(index);
        if line.contains("mtdblock") {
            flash.truncate(flash.len() / 512 * 512);
        }
        let read = std::fs::read(bench.file(&format!("mtd{index}.bin"))).unwrap();
        assert!(
            read == flash,
            "mtd{index}: {} of {} bytes",
            read.len(),
            flash.len()
        );
    }
}

#[test]
#[ignore = "needs busybox-static"]
fn busybox_reads_the_same() {
    let bench = bench();
    bench.ok("busybox dd if=/dev/mtd3 of=a 2>/dev/null; busybox cat /dev/mtd3 > b; busybox cmp a /dev/mtd3 && cmp a b");
    assert!(std::fs::read(bench.file("a")).unwrap() == bench.flash(3));
    let sums = bench.ok("busybox md5sum < /dev/mtd3; md5sum < a");
    let lines: Vec<&str> = sums.lines().collect();
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn positions_are_shared_and_seeks_end_at_the_end() {
    let bench = bench();
    let read = bench.ok("exec 3< /dev/mtd1; head -c 4 <&3 >/dev/null; dd bs=4 skip=1 count=1 <&3 2>/dev/null | od -A n -t x1");
    let flash = bench.flash(1);
    let at_8: Vec<String> = flash[8..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(read.split_whitespace().collect::<Vec<_>>(), at_8);
    assert_eq!(bench.ok("tail -c 3 /dev/mtd1 | wc -c"), "3\n");
    let outcome = bench.sh("dd if=/dev/mtd1 bs=1k skip=200 count=1 status=none | wc -c");
    assert_eq!(crate::support::text(&outcome.stdout), "0\n");
}

#[test]
fn exact_reads_are_counted() {
    let bench = bench_with(|builder| builder.exact(true));
    let reads = || {
        bench
            .device
            .system
            .with_chip(0, |chip| chip.counters().bytes_read())
    };
    let before = reads();
    bench.ok("dd if=/dev/mtd1 of=a bs=512 2>/dev/null && cat /etc/hostname > /dev/null");
    assert_eq!(reads() - before, 0x20000);
    assert!(std::fs::read(bench.file("a")).unwrap() == bench.flash(1));
}

#[test]
fn reads_see_what_the_chip_holds_now() {
    let bench = bench();
    let chip = &bench.device.system;
    chip.with_chip(0, |chip| chip.load(0x40000, &[0xAB; 16]).unwrap());
    let seen = bench.ok("head -c 16 /dev/mtd1 | od -A n -t x1 -v | tr -d ' \\n'");
    assert_eq!(seen, "ab".repeat(16));
}
