//! The program itself, unmodified, under `sandbox --cut`: a restore that is cut, and the
//! same command again.

use crate::cli::support::{mtdkeep, numbered_bytes, program_words, run_in};
use std::fs;
use std::path::Path;

/// Four erase blocks of 4 KiB.
const LAYOUT: &str = "mtdkeep layout 1
chip 0: size 0x4000, erase block 0x1000, name \"small\"
mtd0: chip 0, offset 0x0 (sysfs), size 0x1000, erase block 0x1000, name \"param\"
mtd1: chip 0, offset 0x1000 (sysfs), size 0x2000, erase block 0x1000, name \"data\"
mtd2: chip 0, offset 0x3000 (sysfs), size 0x1000, erase block 0x1000, name \"other\"
";

/// Puts a small device's layout, its backup `b`, its chip `whole`, and the same with
/// another `data` in `torn` into a folder.
pub(crate) fn small_device(at: &Path) {
    fs::write(at.join("layout"), LAYOUT).unwrap();
    run_in(at, "backup --simulate=layout -o b -q", 0);
    run_in(at, "image --simulate=layout --output whole -q", 0);
    let mut torn = fs::read(at.join("whole")).unwrap();
    torn[0x1000..0x3000].copy_from_slice(&numbered_bytes(3, 0x2000));
    fs::write(at.join("torn"), torn).unwrap();
    fs::write(
        at.join("check.sh"),
        "cat /dev/mtd0 /dev/mtd1 /dev/mtd2 | cmp - whole\n",
    )
    .unwrap();
}

/// Every cut in a sample; then some that happen: the program is killed with its flash, and
/// what it kept is there.
#[test]
fn the_program_itself_in_the_sandbox() {
    let outer = tempfile::tempdir().unwrap();
    small_device(outer.path());
    let program = program_words();
    let words: Vec<_> = program.iter().map(|word| word.to_str().unwrap()).collect();
    // Temporary folders lie in memory on many systems.
    let line = "restore --yes --journal-in-memory -q -p data b";
    let restore = [&words[..], &line.split(' ').collect::<Vec<_>>()].concat();
    let cut = |when: &[&str], recover: &str| {
        let start = ["sandbox", "--simulate=layout", "--image", "torn", "--cut"];
        let more = ["--recover", recover, "--check", "sh check.sh", "--"];
        let line = [&start[..], when, &more, &restore].concat();
        mtdkeep().current_dir(&outer).args(line).assert().code(0);
    };
    // States are tried at once, and in none of them old bytes lie beside the backup.
    let alone = format!("{} --journal $(mktemp -d ./j.XXXXXX)", restore.join(" "));
    let every = ["every", "--states", "12", "--tears", "stable"];
    cut(&every, &alone);
    // These happen, one after the other: old bytes are there.
    for operation in ["2", "66"] {
        cut(&[operation, "--tears", "atomic"], &restore.join(" "));
    }
}
