//! Every call on a real folder fails once, in every way, for whatever is done with
//! a folder: no success may be false, and the same command again must complete it.
//!
//! And just before every call another process does its worst, on a file system
//! without locks.

mod order;

use super::Folder;
use crate::backend::SimulatedBackend;
use crate::backup::calls::Call;
use crate::backup::calls::faults::{self, Crippled, Fault, How, Plan};
use crate::backup::{
    self, Access, BackupError, DigestChoice, Directory as _, Failure, MANIFEST, Meaning, Request,
    UNFINISHED,
};
use crate::capture;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use rstest::rstest;
use rustix::io::Errno;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::UNIX_EPOCH;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
";

fn device(seed: u64) -> SimulatedDevice {
    profile::from_layout(&Layout::from_proc_mtd(TABLE).unwrap(), seed)
}

fn make_backup(path: &Path, seed: u64) -> Result<(), Failure> {
    let folder = opened(path, Folder::open_or_create(path))?;
    let request = Request {
        partitions: &[],
        read_again: false,
        digests: DigestChoice::Both,
        now: UNIX_EPOCH,
    };
    let work = backup::Work {
        buffer_bytes: 4096,
        workers: 1,
        ..backup::Work::default()
    };
    let backend = SimulatedBackend::new(device(seed));
    backup::backup(&backend, &folder, &request, &work)
        .map(|_| ())
        .inspect_err(|_| {
            if folder.was_created() {
                folder.remove_if_empty();
            }
        })
}

fn clean(path: &Path) -> Result<(), Failure> {
    let folder = opened(path, Folder::open(path, Access::Change))?;
    let cleaned = backup::clean::clean(&folder)?;
    if cleaned.folder_was_created {
        folder.remove_if_empty();
    }
    Ok(())
}

/// Whether it is found to be good.
fn verify(path: &Path, seed: u64) -> Result<bool, Failure> {
    let folder = opened(path, Folder::open(path, Access::Look))?;
    let backend = SimulatedBackend::new(device(seed));
    let work = backup::Work {
        buffer_bytes: 4096,
        workers: 1,
        ..backup::Work::default()
    };
    let report = backup::verify(&folder, Some(&backend), &work)?;
    let bad = [Meaning::Differs, Meaning::Unchecked, Meaning::Partial];
    Ok(!bad.into_iter().any(|meaning| report.has(meaning)))
}

/// Imports the folder `capture` beside the target.
fn make_import(path: &Path) -> Result<(), String> {
    let interrupt = AtomicBool::new(false);
    let capture = path.with_file_name("capture");
    let request = capture::ImportRequest {
        folders: &[capture],
        layout: None,
        maps: &[],
        undo_crlf: false,
        omit_oob: None,
    };
    let capture = capture::inspect(&request, &interrupt).map_err(|e| e.to_string())?;
    let folder = opened(path, Folder::open_or_create(path)).map_err(|e| e.to_string())?;
    let work = backup::Work {
        buffer_bytes: 4096,
        workers: 1,
        interrupt: &interrupt,
        ..backup::Work::default()
    };
    capture::import(&capture, &folder, UNIX_EPOCH, &work)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn opened(path: &Path, folder: std::io::Result<Folder>) -> Result<Folder, Failure> {
    let describe = path.display().to_string();
    folder.map_err(|source| BackupError::of_folder("cannot open", describe, source).into())
}

/// What is tried. The preparation comes without faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Backup,
    /// The first was cut off.
    Resume,
    Import,
    Clean,
    Verify,
    VerifyDamaged,
}

struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new(work: Work) -> Self {
        // In memory where that can be: there are thousands.
        let temporary = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let place = Self(temporary.unwrap());
        let path = place.path();
        match work {
            Work::Backup => {}
            Work::Resume => {
                make_backup(&path, 1).unwrap();
                fs::rename(path.join(MANIFEST), path.join(UNFINISHED)).unwrap();
                fs::remove_file(path.join("mtd1.bin")).unwrap();
                fs::write(path.join("mtd1.bin.part"), b"torn").unwrap();
            }
            Work::Import => {
                let capture = path.with_file_name("capture");
                fs::create_dir(&capture).unwrap();
                fs::write(capture.join("proc_mtd.txt"), TABLE).unwrap();
                for (index, file) in [(0, "mtd0.bin"), (1, "mtd1.bin")] {
                    fs::write(capture.join(file), device(1).partition_bytes(index)).unwrap();
                }
            }
            Work::Clean | Work::Verify => make_backup(&path, 1).unwrap(),
            Work::VerifyDamaged => {
                make_backup(&path, 1).unwrap();
                let image = path.join("mtd0.bin");
                let mut bytes = fs::read(&image).unwrap();
                bytes[7] ^= 1;
                fs::write(image, bytes).unwrap();
            }
        }
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("b")
    }

    /// Whether it says that it succeeded.
    fn run(&self, work: Work) -> bool {
        let path = self.path();
        match work {
            Work::Backup | Work::Resume => make_backup(&path, 1).is_ok(),
            Work::Import => make_import(&path).is_ok(),
            Work::Clean => clean(&path).is_ok(),
            Work::Verify | Work::VerifyDamaged => verify(&path, 1).is_ok_and(|good| good),
        }
    }

    /// Whether a success would be true.
    fn is_done(&self, work: Work) -> bool {
        let path = self.path();
        match work {
            Work::Backup | Work::Resume | Work::Import => is_backup_of(&path, 1),
            Work::Clean => fs::read_dir(path).map_or(true, |entries| entries.count() == 0),
            Work::Verify => true,
            Work::VerifyDamaged => false,
        }
    }
}

/// Whether a folder holds a finished backup of a device and nothing else.
fn is_backup_of(path: &Path, seed: u64) -> bool {
    let device = device(seed);
    let is = |file: &str, index| {
        fs::read(path.join(file)).is_ok_and(|bytes| bytes == device.partition_bytes(index))
    };
    is("mtd0.bin", 0) && is("mtd1.bin", 1) && verify(path, seed).is_ok_and(|good| good)
}

/// Without faults, and without waiting for the medium.
fn calmly<R>(run: impl FnOnce() -> R) -> R {
    faults::with(Plan::default(), run).0
}

#[rstest]
fn no_success_is_false_and_the_same_again_completes_it(
    #[values(
        Work::Backup,
        Work::Resume,
        Work::Import,
        Work::Clean,
        Work::Verify,
        Work::VerifyDamaged
    )]
    work: Work,
    #[values(How::Once, How::KindFromThenOn, How::AllFromThenOn, How::Done)] how: How,
) {
    fail_every_call(work, how, None).unwrap();
}

/// The check must find what a run does that tells nothing of failed writes.
#[rstest]
fn a_run_that_swallows_errors_is_caught(
    #[values(Work::Backup, Work::Resume, Work::Import)] work: Work,
) {
    let found = fail_every_call(work, How::Once, Some(Crippled::SwallowsErrorsOfWrites));
    assert!(found.unwrap_err().contains("a false success"));
}

/// What is wrong, if something is.
fn fail_every_call(work: Work, how: How, crippled: Option<Crippled>) -> Result<(), String> {
    let errnos: &[Errno] = match how {
        How::Once => &[
            Errno::IO,
            Errno::NOSPC,
            Errno::INTR,
            Errno::MFILE,
            Errno::NOENT,
            Errno::EXIST,
            Errno::INVAL,
        ],
        // EINTR for ever, but never for what was done: no system says that.
        How::KindFromThenOn | How::AllFromThenOn => &[Errno::INTR],
        How::Done => &[Errno::IO],
    };
    for errno in errnos {
        for at in 0.. {
            let fault = Fault {
                at,
                errno: *errno,
                how,
            };
            let place = calmly(|| Workplace::new(work));
            let plan = Plan {
                fault: Some(fault),
                crippled,
                ..Plan::default()
            };
            let (succeeded, calls) = faults::with(plan, || place.run(work));
            let done = place.is_done(work);
            if succeeded && !done {
                return Err(format!("{fault:?}: a false success; {calls:?}"));
            }
            if !done && work != Work::VerifyDamaged {
                let again = calmly(|| place.run(work)) && place.is_done(work);
                if !again {
                    return Err(format!("{fault:?}: it cannot be completed; {calls:?}"));
                }
            }
            if at >= calls.len() {
                assert!(at > 10 && (succeeded || work == Work::VerifyDamaged));
                break;
            }
        }
    }
    Ok(())
}

/// What another process does, just before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intruder {
    /// A second run of this program on the same device.
    Same,
    /// On another device.
    OtherDevice,
    Clean,
    /// Something removes what is being written.
    RemovesParts,
    /// Something puts other files in the place of all images.
    ReplacesImages,
    /// Something puts other files in the place of what is being written.
    ReplacesParts,
}

impl Intruder {
    fn act(self, path: &Path) {
        let files = |end: &str| -> Vec<PathBuf> {
            let entries = fs::read_dir(path).into_iter().flatten();
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths
                .filter(|path| path.to_str().is_some_and(|path| path.ends_with(end)))
                .collect()
        };
        let replace = |path: PathBuf| {
            let other = path.with_extension("other");
            fs::write(&other, b"torn").unwrap();
            fs::rename(other, path).unwrap();
        };
        match self {
            Self::Same => drop(calmly(|| make_backup(path, 1))),
            Self::OtherDevice => drop(calmly(|| make_backup(path, 2))),
            Self::Clean => drop(calmly(|| clean(path))),
            Self::RemovesParts => files(".part")
                .iter()
                .for_each(|path| fs::remove_file(path).unwrap()),
            Self::ReplacesImages => files(".bin").into_iter().for_each(replace),
            Self::ReplacesParts => files(".part").into_iter().for_each(replace),
        }
    }
}

/// How many calls there are from the first look at all files before the manifest is
/// named to that: two images, `SHA256SUMS`, the page, the mark.
const LAST_LOOKS: usize = 5;

#[rstest]
fn nothing_foreign_is_ever_part_of_a_success(
    #[values(Work::Backup, Work::Resume, Work::Import)] work: Work,
    #[values(
        Intruder::Same,
        Intruder::OtherDevice,
        Intruder::Clean,
        Intruder::RemovesParts,
        Intruder::ReplacesImages,
        Intruder::ReplacesParts
    )]
    intruder: Intruder,
) {
    intrude_at_every_call(work, intruder, None).unwrap();
}

/// The check must find what a run does that compares nothing.
#[rstest]
fn a_run_that_compares_nothing_is_caught(
    #[values(Work::Backup, Work::Resume, Work::Import)] work: Work,
    #[values(Intruder::ReplacesImages, Intruder::ReplacesParts)] intruder: Intruder,
) {
    let found = intrude_at_every_call(work, intruder, Some(Crippled::ComparesNothing));
    assert!(found.unwrap_err().contains("a false success"));
}

/// What is wrong, if something is.
fn intrude_at_every_call(
    work: Work,
    intruder: Intruder,
    crippled: Option<Crippled>,
) -> Result<(), String> {
    for at in 0.. {
        let place = calmly(|| Workplace::new(work));
        let path = place.path();
        let plan = Plan {
            before: Some((at, Box::new(move || intruder.act(&path)))),
            cannot: vec![(Call::Lock, Errno::NOLCK)],
            crippled,
            ..Plan::default()
        };
        let (succeeded, calls) = faults::with(plan, || place.run(work));
        if at >= calls.len() {
            assert!(at > 10 && succeeded && place.is_done(work));
            break;
        }
        // Once a file was looked at for the last time nobody can know what happens
        // to it.
        let named = calls.iter().rposition(|call| *call == Call::Rename);
        let too_late = named.is_some_and(|named| at + LAST_LOOKS > named);
        if succeeded && !too_late && !place.is_done(work) {
            return Err(format!(
                "{intruder:?} before call {at}, {:?}: a false success; {calls:?}",
                calls.get(at)
            ));
        }
    }
    Ok(())
}

/// A second run of this program, tried just before every call of a backup. Without
/// locks it gets in, so that this check is seen to find it.
#[rstest]
fn the_lock_keeps_a_second_run_out(#[values(true, false)] locks: bool) {
    let mut got_in = 0;
    for at in 0.. {
        let place = Workplace::new(Work::Backup);
        let (path, second) = (place.path(), Rc::new(Cell::new(None)));
        let tell = Rc::clone(&second);
        let act = move || tell.set(Some(calmly(|| make_backup(&path, 2)).is_ok()));
        let no_lock = (Call::Lock, Errno::NOLCK);
        let plan = Plan {
            before: Some((at, Box::new(act))),
            cannot: if locks { vec![] } else { vec![no_lock] },
            ..Plan::default()
        };
        let (succeeded, calls) = faults::with(plan, || place.run(Work::Backup));
        let Some(second) = second.get() else {
            assert!(at > 10 && at >= calls.len() && succeeded);
            break;
        };
        let locked = calls.iter().position(|call| *call == Call::Lock).unwrap();
        if locks && at > locked {
            assert!(!second && succeeded, "before call {at}: {calls:?}");
            assert!(place.is_done(Work::Backup));
        }
        got_in += u32::from(second && at > locked);
    }
    assert_eq!(got_in == 0, locks, "{got_in}");
}
