//! Real processes in one folder at once, started and killed at random moments:
//! whoever says that it succeeded must have told the truth.
//!
//! The moments are random, by a seed that is printed, and what the processes make
//! of them is the machine's; the claim holds for all of it.

use crate::cli::support::{mtdkeep, program};
use mtd_harness::layout::Layout;
use mtd_harness::profile;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rstest::rstest;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00008000 00001000 \"boot\"
mtd1: 00001000 00001000 \"param\"
mtd2: 00010000 00001000 \"data\"
";

/// What the two do; `b` is their folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pair {
    SameTwice,
    TwoDevices,
    BackupAndClean,
    BackupAndVerify,
    BackupAndImport,
    BackupAndTar,
    TwoTars,
    TwoCleans,
}

impl Pair {
    fn commands(self) -> [&'static [&'static str]; 2] {
        const BACKUP: &[&str] = &["backup", "--simulate=table", "-q", "-o", "b"];
        const OTHER: &[&str] = &["backup", "--simulate=table", "--seed=2", "-q", "-o", "b"];
        const TAR: &[&str] = &["import", "-q", "tar", "-o", "b"];
        const CLEAN: &[&str] = &["clean", "-q", "b"];
        match self {
            Self::SameTwice => [BACKUP, BACKUP],
            Self::TwoDevices => [BACKUP, OTHER],
            Self::BackupAndClean => [BACKUP, CLEAN],
            Self::BackupAndVerify => [BACKUP, &["verify", "-q", "b"]],
            Self::BackupAndImport => [BACKUP, &["import", "-q", "capture", "-o", "b"]],
            Self::BackupAndTar => [BACKUP, TAR],
            Self::TwoTars => [TAR, TAR],
            Self::TwoCleans => [CLEAN, CLEAN],
        }
    }
}

/// Whether a folder holds a whole backup of the device with that seed.
fn is_backup_of(folder: &Path, seed: u64) -> bool {
    let device = profile::from_layout(&Layout::from_proc_mtd(TABLE).unwrap(), seed);
    let right = (0..3).all(|index| {
        let file = fs::read(folder.join(format!("mtd{index}.bin")));
        file.is_ok_and(|bytes| bytes == device.partition_bytes(index))
    });
    let mut verify = mtdkeep();
    verify.arg("verify").arg("-q").arg(folder);
    right && verify.output().unwrap().status.success()
}

fn start(place: &Path, words: &[&str]) -> Child {
    let mut command = program();
    command.current_dir(place).args(words);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// How two processes ended: the exit code, or none where it was killed.
fn round(place: &Path, pair: Pair, rng: &mut Xoshiro256PlusPlus) -> [Option<i32>; 2] {
    let [first, second] = pair.commands();
    let mut pause = |most: u64| Duration::from_micros(rng.next_u64() % most);
    let mut running = [start(place, first), {
        std::thread::sleep(pause(12_000));
        start(place, second)
    }];
    let (victim, life) = (pause(4).as_micros() as usize, pause(20_000));
    // Each of them in one round of four, none in the others.
    if let Some(victim) = running.get_mut(victim) {
        std::thread::sleep(life);
        victim.kill().unwrap();
    }
    running.map(|child| {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{stderr}");
        output.status.code()
    })
}

fn check(place: &Path, pair: Pair, ends: [Option<i32>; 2]) {
    let folder = place.join("b");
    let [first, second] = ends.map(|code| code == Some(0));
    match pair {
        Pair::SameTwice | Pair::BackupAndVerify if first || second => {
            // verify may have come after a backup that was killed once it had finished.
            assert!(is_backup_of(&folder, 1), "{ends:?}");
        }
        Pair::BackupAndImport | Pair::BackupAndTar | Pair::TwoTars if first || second => {
            assert!(is_backup_of(&folder, 1), "{ends:?}");
        }
        Pair::TwoDevices if first || second => {
            assert!(!(first && second), "both: {ends:?}");
            assert!(is_backup_of(&folder, if first { 1 } else { 2 }), "{ends:?}");
        }
        // Clean alone, after a backup that had finished, leaves nothing.
        Pair::BackupAndClean if first && !second && ends[1].is_some() => {
            assert!(is_backup_of(&folder, 1), "{ends:?}");
        }
        Pair::TwoCleans if first || second => assert!(!folder.exists(), "{ends:?}"),
        _ => {}
    }
    // Whatever is left can be completed, or is another device's, and then cleaned.
    let mut again = mtdkeep();
    again.current_dir(place).args(Pair::SameTwice.commands()[0]);
    let code = again.output().unwrap().status.code();
    match code {
        Some(0) => assert!(is_backup_of(&folder, 1), "again after {ends:?}"),
        Some(5) => assert!(
            // Or a clean was killed: what it left has a manifest, and is refused.
            is_backup_of(&folder, 1)
                || pair == Pair::TwoDevices
                || (pair == Pair::BackupAndClean && ends[1].is_none())
                || (pair == Pair::TwoCleans && ends.contains(&None)),
            "refused after {ends:?}"
        ),
        other => panic!("again after {ends:?}: {other:?}"),
    }
    let mut clean = mtdkeep();
    clean.current_dir(place).args(["clean", "-q", "b"]);
    assert_eq!(clean.output().unwrap().status.code(), Some(0), "{ends:?}");
    let _ = fs::remove_dir(&folder);
}

fn rounds(pair: Pair, seed: u64, count: u64) {
    println!("seed {seed}");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let outer = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let outer = outer.unwrap();
    let place = outer.path();
    fs::write(place.join("table"), TABLE).unwrap();
    let capture = place.join("capture");
    fs::create_dir(&capture).unwrap();
    fs::write(capture.join("proc_mtd.txt"), TABLE).unwrap();
    let device = profile::from_layout(&Layout::from_proc_mtd(TABLE).unwrap(), 1);
    for index in 0..3 {
        let file = capture.join(format!("mtd{index}.bin"));
        fs::write(file, device.partition_bytes(index)).unwrap();
    }
    let mut stream = mtdkeep();
    stream.current_dir(place);
    stream.args(["backup", "--simulate=table", "-q", "-o", "-"]);
    fs::write(place.join("tar"), stream.output().unwrap().stdout).unwrap();
    let began = Instant::now();
    for _ in 0..count {
        if pair == Pair::TwoCleans {
            let mut backup = mtdkeep();
            backup
                .current_dir(place)
                .args(Pair::SameTwice.commands()[0]);
            backup.assert().code(0);
        }
        let ends = round(place, pair, &mut rng);
        check(place, pair, ends);
    }
    println!("{pair:?}: {count} rounds, {:?}", began.elapsed());
}

#[rstest]
fn whoever_succeeds_told_the_truth(
    #[values(
        Pair::SameTwice,
        Pair::TwoDevices,
        Pair::BackupAndClean,
        Pair::BackupAndVerify,
        Pair::BackupAndImport,
        Pair::BackupAndTar,
        Pair::TwoTars,
        Pair::TwoCleans
    )]
    pair: Pair,
) {
    rounds(pair, 1, 40);
}

#[rstest]
#[ignore = "needs minutes"]
fn whoever_succeeds_told_the_truth_many_times(
    #[values(
        Pair::SameTwice,
        Pair::TwoDevices,
        Pair::BackupAndClean,
        Pair::BackupAndVerify,
        Pair::BackupAndImport,
        Pair::BackupAndTar,
        Pair::TwoTars,
        Pair::TwoCleans
    )]
    pair: Pair,
) {
    for seed in 2..6 {
        rounds(pair, seed, 100);
    }
}
