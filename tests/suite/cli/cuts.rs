//! `mtdkeep sandbox --cut`, as the real binary: unmodified programs under power cuts.

use crate::cli::sandbox::{sandbox, stderr};
use crate::cli::support::text;
use mtd_harness::chip::cut::{CutId, Journal, Step};
use mtd_harness::chip::{Chip, Geometry};
use rstest::rstest;

/// A program that writes two bytes, of which the first promises the second.
const TWO_BYTES: &str = "printf 'ab' > /dev/mtd8";
/// Holds unless the first is there alone.
const NOT_ONE: &str = "[ \"$(head -c 1 /dev/mtd8)\" != a ] || \
     [ \"$(head -c 2 /dev/mtd8)\" = ab ] || { echo one alone; exit 1; }";

/// An image with nothing in it.
fn blank() -> tempfile::NamedTempFile {
    let image = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(image.path(), vec![0xff; 16 << 20]).unwrap();
    image
}

/// What is cut, how that is told, and that an id leads there again.
#[test]
fn power_cuts_are_searched_told_and_replayed() {
    let image = blank();
    let image = image.path().to_str().unwrap();
    let cut = |args: &[&str]| {
        let line = [&["--image", image, "--check", NOT_ONE], args].concat();
        sandbox(&[&line[..], &["--", "sh", "-c", TWO_BYTES]].concat())
    };
    let held = cut(&["--cut", "every", "--tears", "atomic"]).success();
    let told = text(&held.get_output().stdout).to_owned();
    assert!(
        told.contains("1 operations on flash, 2 states in "),
        "{told}"
    );
    assert!(told.contains("): all hold\n"), "{told}");

    let failed = cut(&["--cut", "every", "--json"]).code(1);
    let document: serde_json::Value = serde_json::from_slice(&failed.get_output().stdout).unwrap();
    crate::cli::schema::conforms(&document, "output.schema.json").unwrap();
    assert_eq!(document["holds"], false);
    let first = &document["failures"][0];
    assert_eq!(
        first["why"],
        "the check ended with exit status: 1: one alone"
    );
    let id = first["id"].as_str().unwrap();

    // The same state once more, really; and its chip.
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("left.bin");
    let again = cut(&["--cut", id, "--save", saved.to_str().unwrap()]).code(1);
    let told = text(&again.get_output().stdout).to_owned();
    assert!(told.starts_with(id) && told.contains("one alone"), "{told}");
    let left = std::fs::read(saved).unwrap();
    let differing = left.iter().filter(|byte| **byte != 0xff).count();
    assert!((1..=2).contains(&differing), "{differing} bytes");
    // All of one operation, each a cut that happens.
    let all = cut(&["--cut", "1", "--tears", "stable"]).code(1);
    assert!(text(&all.get_output().stdout).contains("1 operations on flash, "));

    let none = cut(&["--cut", "17"]).code(5);
    assert!(stderr(&none).contains("this run has 1 operations, --cut asks for 17"));
    let torn = &id[..id.len() - 1];
    for wrong in [
        &["--cut", "sometimes"][..],
        &["--cut", "0"],
        &["--cut", torn],
        &["--cut", id, "--states", "3"],
    ] {
        cut(wrong).code(2);
    }
}

#[test]
fn cuts_need_a_check_and_a_program_that_works() {
    sandbox(&["--cut", "every", "--", "true"]).code(2);
    sandbox(&["--check", "true", "--", "true"]).code(2);
    let every =
        |more: &[&str]| sandbox(&[&["--cut", "every", "--check", "true"][..], more].concat());
    every(&["--stats", "--", "true"]).code(2);
    every(&["--", "/no/such"]).code(127);
    let broken = every(&["--", "sh", "-c", "exit 3"]).code(5);
    assert!(
        stderr(&broken).contains("without any power cut"),
        "{}",
        stderr(&broken)
    );
    let random = every(&["--", "sh", "-c", "head -c 8 /dev/urandom > /dev/mtd8"]).code(5);
    assert!(
        stderr(&random).contains("not deterministic"),
        "{}",
        stderr(&random)
    );
    // A program that only reads has one state: what was there.
    let reads = every(&["--", "cat", "/dev/mtd1"]).success();
    assert!(text(&reads.get_output().stdout).contains("0 operations on flash, 1 states"));
}

/// What a program does that programs two bytes so many times, the first of them so far
/// behind where [`TWO_BYTES`] has it.
fn journal(chip: &Chip, operations: u64, shift: u64) -> Journal {
    let device = mtd_harness::profile::ispot(1);
    let begins = device.system.device(8).unwrap().offset_bytes;
    let mut chip = chip.clone();
    chip.record();
    for number in 0..operations {
        let at = begins + number * 2 + shift;
        chip.program(at, &[0, 0]).unwrap();
    }
    chip.take_journal()
}

/// An id leads to its own state or nowhere: not in another program, and not on another
/// chip; and nothing of it may be lost.
#[test]
fn an_id_of_something_else_is_refused() {
    let image = blank();
    let path = image.path().to_str().unwrap();
    let cut = |image: &str, id: &str, program: &str| {
        let line = ["--image", image, "--check", "true", "--cut", id, "--"];
        sandbox(&[&line[..], &["sh", "-c", program]].concat())
    };
    let chip = Chip::from_image(Geometry::INTEL_28F128J3, path).unwrap();
    let of = |journal: &Journal, step: &[(u64, &str)]| {
        let step = step.iter().map(|(operation, tear)| Step {
            operation: *operation,
            tear: tear.parse().unwrap(),
        });
        CutId::new(&chip, journal, step).unwrap().to_string()
    };
    let id = |operations, step: &[(u64, &str)]| of(&journal(&chip, operations, 0), step);
    cut(path, &id(1, &[(1, "p1")]), TWO_BYTES).success();
    let refused = |image: &str, id: &str, program: &str, told: &str| {
        let answer = cut(image, id, program).code(5);
        assert!(stderr(&answer).contains(told), "{id}: {}", stderr(&answer));
    };
    let beyond = "this run has 1 operations, the id asks for 900";
    refused(path, &id(1, &[(900, "b")]), TWO_BYTES, beyond);
    let other = "this run has 1 operations, the id is of a run with 812";
    refused(path, &id(812, &[(1, "b")]), TWO_BYTES, other);
    let longer = format!("{TWO_BYTES}; printf c | dd of=/dev/mtd8 bs=1 seek=9");
    refused(
        path,
        &id(1, &[(1, "b")]),
        &longer,
        "this run has 2 operations",
    );
    let moved = "the id was found with other operations than this program does";
    refused(
        path,
        &of(&journal(&chip, 1, 2), &[(1, "b")]),
        TWO_BYTES,
        moved,
    );
    let tear = "operation 1f3 has no such tear";
    refused(path, &id(1, &[(1, "f3")]), TWO_BYTES, tear);
    // One byte of the chip is another.
    let used = blank();
    std::fs::write(
        used.path(),
        [&[0][..], &vec![0xff; (16 << 20) - 1]].concat(),
    )
    .unwrap();
    let other = "the id is of a chip with another geometry, programming or contents";
    refused(
        used.path().to_str().unwrap(),
        &id(1, &[(1, "b")]),
        TWO_BYTES,
        other,
    );
    // Torn, or changed while it was copied by hand.
    let whole = id(1, &[(1, "p1")]);
    let changed = whole.replace("p1", "p2");
    for torn in [&whole[..whole.len() - 1], &whole[..8], "cut:", &changed] {
        cut(path, torn, TWO_BYTES).code(2);
    }
}

/// What a program does depends on a file that each run changes.
#[rstest]
#[case::fewer("every", "1", "2", "two runs of the same were not alike")]
#[case::more("every", "2", "1", "two runs of the same were not alike")]
#[case::other_place("every", "1 seek=3", "1 seek=9", "not deterministic")]
#[case::real_cut("2", "2", "1", "this time it ended before")]
fn a_program_that_does_not_do_the_same_twice_is_told_so(
    #[case] moment: &str,
    #[case] first: &str,
    #[case] then: &str,
    #[case] told: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let been = folder.path().join("been").display().to_string();
    let program = format!(
        "how='{first}'; [ ! -e {been} ] || how='{then}'; : > {been}
         head -c 64 /dev/zero | dd of=/dev/mtd8 bs=1 seek=1 count=$how 2>/dev/null"
    );
    let image = blank();
    let image = image.path().to_str().unwrap();
    let line = ["--image", image, "--check", "true", "--cut", moment];
    let answer = sandbox(&[&line[..], &["--", "sh", "-c", &program]].concat()).code(5);
    assert!(stderr(&answer).contains(told), "{}", stderr(&answer));
}

/// The article's script, whole, as BusyBox's shell runs it on the device: it only reads, so
/// that there is nothing to cut, and the flash is what it was to the last bit.
#[test]
#[ignore = "needs busybox"]
fn the_article_s_script_changes_nothing() {
    let image = blank();
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    let chip: Vec<u8> = (0..16u32 << 20)
        .map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8 | 1)
        .collect();
    std::fs::write(image.path(), &chip).unwrap();
    // All but the two partitions that share an erase block, which Linux reads as well.
    std::fs::write(&before, &chip[..0xfe_0000]).unwrap();
    let script = format!(
        "{}/fixtures/script/old_style.sh",
        env!("CARGO_MANIFEST_DIR")
    );
    let check = format!(
        "cat /dev/mtd0 /dev/mtd1 /dev/mtd2 /dev/mtd3 /dev/mtd4 /dev/mtd5 /dev/mtd6 /dev/mtd7 \
         /dev/mtd8 | cmp - {}",
        before.display()
    );
    let line = [
        "--cut",
        "every",
        "--image",
        image.path().to_str().unwrap(),
        "--check",
        &check,
    ];
    let out = folder.path().join("out");
    let article = ["--", "busybox", "sh", &script, out.to_str().unwrap()];
    let read = sandbox(&[&line[..], &article].concat()).success();
    let told = text(&read.get_output().stdout);
    assert!(told.contains("0 operations on flash, 1 states"), "{told}");
    let saved = |n: u32| std::fs::read(out.join(format!("mtd{n}.bin"))).unwrap();
    let all: Vec<u8> = (0..9).flat_map(saved).collect();
    assert!(all == chip[..0xfe_0000], "it did not read what is there");
    // The canary: one bit that it writes is seen.
    let writes = format!(
        "busybox sh {script} {} && printf '\\0' > /dev/mtd8",
        out.display()
    );
    let wrote = sandbox(&[&line[..], &["--", "sh", "-c", &writes]].concat()).code(5);
    assert!(
        stderr(&wrote).contains("the check ended with"),
        "{}",
        stderr(&wrote)
    );
}
