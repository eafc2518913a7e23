//! Captures made in rounds, as the script advises where space is short: they become
//! one backup, with all digests.

use crate::capture::import::{assert_code, manifest, run_import, words};
use crate::capture::support::{Bench, small};
use crate::cli::support::mtdkeep;
use std::fs;
use std::path::{Path, PathBuf};

/// The rounds of one device, each in a folder of its own.
struct Rounds {
    bench: Bench,
}

const ROUNDS: [&[&str]; 2] = [
    &["-p", "RedBoot", "-p", "mtd2"],
    &["-p", "param", "-p", "mtd3"],
];

impl Rounds {
    fn made() -> Self {
        let bench = Bench::new(small(6));
        for (n, partitions) in ROUNDS.iter().enumerate() {
            let output = bench.run(&["sh"], partitions);
            assert_eq!(output.status.code(), Some(0));
            fs::rename(bench.folder(), bench.outer.path().join(format!("round{n}"))).unwrap();
        }
        Self { bench }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.bench.outer.path().join(name)
    }

    #[track_caller]
    fn assert_whole(&self, target: &Path) {
        self.bench.assert_images(target, &[0, 1, 2, 3]);
        mtdkeep().arg("verify").arg(target).assert().code(0);
        let manifest = manifest(target);
        let layout = manifest["layout"].as_array().unwrap();
        assert!(
            layout.iter().all(|entry| entry.get("left_out").is_none()),
            "{layout:?}"
        );
    }
}

#[test]
fn rounds_in_several_folders_become_one_backup() {
    let rounds = Rounds::made();
    let also = rounds.at("round1");
    let options = ["--also", also.to_str().unwrap()];
    let output = run_import(&rounds.at("round0"), &rounds.at("backup"), &options);
    assert_code(&output, 0);
    rounds.assert_whole(&rounds.at("backup"));
    assert!(
        words(&output).contains("4 files are what the device stored"),
        "{}",
        words(&output)
    );
    // A digest of any round counts.
    let image = rounds.at("round1/mtd1.bin");
    let mut changed = fs::read(&image).unwrap();
    changed[5] ^= 1;
    fs::write(&image, changed).unwrap();
    let output = run_import(&rounds.at("round0"), &rounds.at("second"), &options);
    assert_code(&output, 1);
    assert!(
        words(&output).contains("mtd1.bin has MD5"),
        "{}",
        words(&output)
    );
}

#[test]
fn rounds_can_follow_each_other_into_one_folder() {
    let rounds = Rounds::made();
    let target = rounds.at("backup");
    assert_code(&run_import(&rounds.at("round0"), &target, &[]), 0);
    assert_eq!(manifest(&target)["images"].as_array().unwrap().len(), 2);
    assert_code(&run_import(&rounds.at("round1"), &target, &[]), 0);
    rounds.assert_whole(&target);
    let proven = manifest(&target)["origin"]["proven"].to_string();
    assert!(
        proven.contains("2 files are what the device stored"),
        "{proven}"
    );
    assert_code(&run_import(&rounds.at("round1"), &target, &[]), 5);
}

/// A browser saves both rounds into one folder, and numbers what has a name already.
#[test]
fn rounds_in_one_folder_become_one_backup() {
    let rounds = Rounds::made();
    for name in ["mtd1.bin", "mtd3.bin"] {
        fs::copy(
            rounds.at("round1").join(name),
            rounds.at("round0").join(name),
        )
        .unwrap();
    }
    let texts = [
        ("capture.txt", "capture (1).txt"),
        ("MD5SUMS", "MD5SUMS (1)"),
        ("proc_mtd.txt", "proc_mtd (1).txt"),
    ];
    for (from, to) in texts {
        fs::copy(rounds.at("round1").join(from), rounds.at("round0").join(to)).unwrap();
    }
    let output = run_import(&rounds.at("round0"), &rounds.at("backup"), &[]);
    assert_code(&output, 0);
    rounds.assert_whole(&rounds.at("backup"));
    assert!(words(&output).contains("4 files are what the device stored"));
    // Two devices are never mixed.
    let other = rounds.at("round0/proc_mtd (1).txt");
    let table = fs::read_to_string(&other).unwrap();
    fs::write(&other, table.replace("param", "params")).unwrap();
    fs::remove_file(rounds.at("round0/MD5SUMS (1)")).unwrap();
    let output = run_import(&rounds.at("round0"), &rounds.at("second"), &[]);
    assert_code(&output, 5);
}

/// The same partition in two rounds, and the flash changed in between: which one is
/// meant is asked.
#[test]
fn a_partition_of_both_rounds_is_taken_only_if_they_agree() {
    let rounds = Rounds::made();
    let table = fs::read_to_string(rounds.at("round0/proc_mtd.txt")).unwrap();
    for round in ["first", "later"] {
        fs::create_dir(rounds.at(round)).unwrap();
        fs::write(rounds.at(round).join("proc_mtd.txt"), &table).unwrap();
        for n in 0..4 {
            let image = rounds.bench.device.partition_bytes(n);
            fs::write(rounds.at(round).join(format!("mtd{n}.bin")), image).unwrap();
        }
    }
    let also = rounds.at("later");
    let options = ["--also", also.to_str().unwrap()];
    let output = run_import(&rounds.at("first"), &rounds.at("backup"), &options);
    assert_code(&output, 0);
    rounds.assert_whole(&rounds.at("backup"));
    let mut changed = rounds.bench.device.partition_bytes(1);
    changed[0x100] ^= 1;
    fs::write(rounds.at("later/mtd1.bin"), changed).unwrap();
    let output = run_import(&rounds.at("first"), &rounds.at("second"), &options);
    assert_code(&output, 2);
    assert!(
        words(&output).contains("they differ first at 0x100"),
        "{}",
        words(&output)
    );
    let chosen = format!("{}=mtd1", rounds.at("first/mtd1.bin").display());
    let options = [&options[..], &["--map", &chosen]].concat();
    let output = run_import(&rounds.at("first"), &rounds.at("second"), &options);
    assert_code(&output, 0);
    rounds.assert_whole(&rounds.at("second"));
}
