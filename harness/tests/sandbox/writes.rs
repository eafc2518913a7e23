//! Writing flash.

use crate::support::{bench, bench_with, text};

#[test]
fn writes_only_clear_bits() {
    let bench = bench();
    let before = bench.flash(7);
    bench.ok("printf '\\017\\360' > /dev/mtd7");
    let after = bench.flash(7);
    assert_eq!(after[..2], [before[0] & 0x0F, before[1] & 0xF0]);
    assert!(after[2..] == before[2..]);
}

#[test]
fn dd_writes_a_partition() {
    let bench = bench();
    std::fs::write(bench.file("zeros"), vec![0; 0x20000]).unwrap();
    for line in [
        "dd if=zeros of=/dev/mtd7 bs=512 2>/dev/null",
        "dd if=zeros of=/dev/mtd8 bs=1M conv=notrunc 2>/dev/null",
    ] {
        bench.ok(line);
    }
    assert!(
        bench
            .flash(7)
            .iter()
            .chain(&bench.flash(8))
            .all(|byte| *byte == 0)
    );
    let outcome = bench.sh("cat zeros zeros > /dev/mtd8");
    assert!(
        text(&outcome.stderr).contains("No space left"),
        "{}",
        text(&outcome.stderr)
    );
}

#[test]
fn a_descriptor_passed_on_writes_still() {
    let bench = bench();
    bench.ok("exec 5> /dev/mtd7; (printf '\\0' >&5; sh -c 'exec cat >&5' < /dev/null); sh -c 'printf \"\\\\0\\\\0\" >&5'");
    assert_eq!(bench.flash(7)[..3], [0, 0, 0]);
}

#[test]
fn what_linux_refuses_is_refused() {
    let bench = bench();
    for node in ["mtd9", "mtd3ro"] {
        let refused = bench.fails(&format!("printf x > /dev/{node}"));
        assert!(refused.contains("ermission denied"), "{node}: {refused}");
    }
    let refused = bench.fails("dd if=/dev/zero of=/dev/mtdblock9 count=1 conv=notrunc,fsync");
    assert!(refused.contains("Operation not permitted"), "{refused}");
}

#[test]
fn a_read_only_sandbox_opens_nothing_for_writing() {
    let bench = bench_with(|builder| builder.read_only(true));
    let before = bench.flash(7);
    let outcome = bench.sh("printf x > /dev/mtd7");
    assert!(!outcome.status.success());
    assert!(
        outcome.warnings[0].contains("read-only"),
        "{:?}",
        outcome.warnings
    );
    assert!(bench.flash(7) == before);
}

#[test]
fn block_nodes_erase_before_they_program() {
    let bench = bench();
    let mut expected = bench.flash(7);
    bench.ok("printf '\\377\\376' | dd of=/dev/mtdblock7 bs=1 seek=700 conv=notrunc 2>/dev/null; cmp /dev/mtd7 /dev/mtdblock7");
    expected[700..702].copy_from_slice(&[0xFF, 0xFE]);
    assert!(
        bench.flash(7) == expected,
        "the last close brought the write to flash"
    );
}

#[test]
fn the_last_close_is_seen_before_the_next_read() {
    let bench = bench();
    let line = "exec 3< /dev/mtd7; for x in 1 2 3 4 5; do
        printf '\\'$x | dd of=/dev/mtdblock7 bs=1 seek=$x conv=notrunc 2>/dev/null; done;
        head -c 6 <&3 | od -A n -t u1";
    let seen = bench.ok(line);
    let seen: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(seen[1..], ["1", "2", "3", "4", "5"]);
}

#[test]
#[ignore = "needs strace"]
fn a_foreign_tracer_is_reported() {
    let bench = bench();
    let before = bench.flash(7);
    let outcome = bench.sh("strace -f -o /dev/null sh -c 'printf x > /dev/mtd7'");
    assert!(!outcome.status.success());
    assert!(
        outcome.warnings.iter().any(|text| text.contains("strace")),
        "{:?}",
        outcome.warnings
    );
    assert!(bench.flash(7) == before);
}
