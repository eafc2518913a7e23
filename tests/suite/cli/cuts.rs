//! `mtdkeep sandbox --cut`, as the real binary: unmodified programs under power cuts.

use crate::cli::sandbox::{sandbox, stderr};
use crate::cli::support::text;

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
