//! What `restore` takes for consent, and what it does without: answers at the prompt, a
//! plan's digits, a folder for old bytes in memory, a dry run, and nothing to write.

use crate::cli::restore::{FIS, SYSTEM, damage, furnished, read, run};
use crate::cli::support::{mtdkeep, program, run_in, terminal, text, unwrapped};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

/// Nothing but `yes` is a yes. (The last one is Ctrl-D.)
#[test]
fn nothing_but_yes_is_a_yes() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let (whole, torn) = (read(&outer, "whole"), read(&outer, "torn"));
    let line = ["restore", "--image", "torn", "--save", "after", "backup"];
    let answers = ["no\n", "y\n", "\n", "yes, but\n", "\x04"];
    for (answer, code) in answers.map(|no| (no, 5)).into_iter().chain([("yes\n", 0)]) {
        let (mut person, slave) = terminal();
        // The terminal keeps it until it is asked for.
        person.write_all(answer.as_bytes()).unwrap();
        let mut command = program();
        command.current_dir(&outer).args(line).stdin(slave);
        let output = command.stdout(Stdio::null()).output().unwrap();
        let said = unwrapped(text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{answer:?}: {said}");
        assert!(said.contains("Type yes: "), "{answer:?}: {said}");
        assert_eq!(outer.path().join("after").exists(), code == 0, "{answer:?}");
        let is_refusal = said.contains("the answer was not yes; nothing was changed");
        assert_eq!(is_refusal, code == 5, "{answer:?}: {said}");
    }
    assert!(read(&outer, "after") == whole && read(&outer, "torn") == torn);
}

/// Some digits of a plan's digest are not that plan: sixteen are the least.
#[test]
fn too_few_digits_agree_to_nothing() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let (plan, _) = run(&outer, "restore backup --image torn --dry-run", 0);
    let digest = plan.lines().find_map(|line| line.strip_prefix("plan: "));
    let digest = digest.unwrap();
    let with = |plan: &str, code| {
        let line = format!("restore backup --image torn --save after --plan {plan}");
        run(&outer, &line, code)
    };
    let wrong = [
        &digest[..15],
        &digest[..1],
        &format!("{digest}0"),
        &format!("{}x", &digest[..15]),
    ];
    for plan in wrong {
        let (_, said) = with(plan, 2);
        let said = unwrapped(&said);
        assert!(
            said.contains("at least its first 16 digits"),
            "{plan}: {said}"
        );
        assert!(!outer.path().join("after").exists(), "{plan}");
    }
    with(&digest[..16].to_ascii_uppercase(), 0);
    assert!(read(&outer, "after") == read(&outer, "whole"));
}

/// A dry run looks: beside others who do, and leaves the folder for old bytes alone.
#[test]
fn a_dry_run_opens_nothing_for_change() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let journal = outer.path().join("journal");
    fs::create_dir(&journal).unwrap();
    let part = journal.join("mtd4-0x0.old.part");
    fs::write(&part, "an earlier run had not finished this").unwrap();
    let other = fs::File::open(&journal).unwrap();
    flock(&other, FlockOperation::NonBlockingLockShared).unwrap();
    let line = "restore backup --image torn --journal journal";
    let (printed, _) = run(&outer, &format!("{line} --dry-run"), 0);
    assert!(printed.contains("nothing was changed"), "{printed}");
    assert!(part.exists());
    let words = format!("{line} --yes");
    let words = words.split(' ');
    let assert = mtdkeep().current_dir(&outer).args(words).assert().failure();
    let said = text(&assert.get_output().stderr);
    assert!(said.contains("another mtdkeep"), "{said}");
    drop(other);
    run(&outer, &format!("{line} --yes"), 0);
    assert!(!part.exists());
}

/// What differs and cannot be written is not told as the same, also where that is all.
#[test]
fn nothing_written_and_partial_is_not_the_same() {
    let outer = furnished();
    damage(&outer, "torn", &[FIS]);
    for how in ["--yes", "--dry-run"] {
        let line = format!("restore backup --image torn {how}");
        let (printed, _) = run(&outer, &line, 3);
        let says = "nothing was changed: what still differs cannot be written";
        assert!(printed.contains(says), "{printed}");
        let (printed, _) = run(&outer, &format!("{line} --json"), 3);
        let document: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(document["outcome"], "partial", "{printed}");
    }
}

/// Old bytes that a power cut takes away are no safeguard. (Where memory is no file
/// system here, the folder is on a disk, and taken.)
#[test]
fn old_bytes_in_memory_need_a_word_of_their_own() {
    let outer = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let memory = memory.unwrap();
    // Linux 6.1, include/uapi/linux/magic.h: TMPFS_MAGIC, and fs/ramfs/inode.c.
    let kind = rustix::fs::statfs(memory.path()).unwrap().f_type as u32;
    let is_in_memory = [0x0102_1994, 0x8584_58f6].contains(&kind);
    for folder in ["tree/proc", "tree/dev"] {
        fs::create_dir_all(outer.path().join(folder)).unwrap();
    }
    let table = "dev:    size   erasesize  name\nmtd0: 00000800 00000400 \"small\"\n";
    fs::write(outer.path().join("tree/proc/mtd"), table).unwrap();
    let flash = outer.path().join("tree/dev/mtd0");
    fs::write(&flash, [0x11; 0x800]).unwrap();
    run_in(outer.path(), "backup --root tree -o b -q", 0);
    fs::write(&flash, [0x33; 0x800]).unwrap();
    // The backup does not tell one device from another.
    let journal = memory.path().display();
    let line = format!("restore b --root tree --other-device --yes --journal {journal}");
    if is_in_memory {
        let (_, said) = run_in(outer.path(), &line, 5);
        let said = unwrapped(&said);
        let why = "is in memory: a power cut would take the old bytes with it; nothing was changed";
        assert!(said.contains(why), "{said}");
        assert!(said.contains("--journal-in-memory"), "{said}");
        assert!(fs::read(&flash).unwrap() == [0x33; 0x800]);
    }
    let line = match is_in_memory {
        true => line + " --journal-in-memory",
        false => line,
    };
    run_in(outer.path(), &line, 0);
    assert!(fs::read(&flash).unwrap() == [0x11; 0x800]);
}
