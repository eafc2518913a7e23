//! Every large allocation fails once: no success may be false, the error says that
//! memory is missing, and the same again completes it.
//!
//! Small ones are Rust's own, which ends the program where one fails.

use crate::backend::SimulatedBackend;
use crate::backup::{
    self, Access, ErrorKind, Failure, Folder, INDEX, MANIFEST, Meaning, RepairLayout,
    RepairRequest, Request, UNFINISHED,
};
use crate::capture;
use crate::mtd::MtdBackend as _;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use rstest::rstest;
use std::alloc::{GlobalAlloc, Layout as Size, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::UNIX_EPOCH;

/// What counts as large; nothing but buffers is, with so small a device.
const LARGE_BYTES: usize = 32 << 10;
const BUFFER_BYTES: usize = 64 << 10;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
";

thread_local! {
    /// Which large allocation of this thread fails, counted down; and how many there were.
    static FAILS: Cell<Option<u32>> = const { Cell::new(None) };
    static MADE: Cell<u32> = const { Cell::new(0) };
}

struct Failing;

impl Failing {
    fn fails(bytes: usize) -> bool {
        if bytes < LARGE_BYTES {
            return false;
        }
        MADE.set(MADE.get() + 1);
        let left = FAILS.get();
        FAILS.set(left.and_then(|left| left.checked_sub(1)));
        // A panic's own memory is there: what it says must be heard.
        left == Some(0) && !std::thread::panicking()
    }
}

// SAFETY: it is the system's allocator, but for answers of null, which are allowed.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, size: Size) -> *mut u8 {
        match Self::fails(size.size()) {
            true => std::ptr::null_mut(),
            // SAFETY: as the caller promises.
            false => unsafe { System.alloc(size) },
        }
    }

    unsafe fn alloc_zeroed(&self, size: Size) -> *mut u8 {
        match Self::fails(size.size()) {
            true => std::ptr::null_mut(),
            // SAFETY: as the caller promises.
            false => unsafe { System.alloc_zeroed(size) },
        }
    }

    unsafe fn realloc(&self, old: *mut u8, size: Size, bytes: usize) -> *mut u8 {
        match Self::fails(bytes) {
            true => std::ptr::null_mut(),
            // SAFETY: as the caller promises.
            false => unsafe { System.realloc(old, size, bytes) },
        }
    }

    unsafe fn dealloc(&self, old: *mut u8, size: Size) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

fn device() -> SimulatedDevice {
    profile::from_layout(&Layout::from_proc_mtd(TABLE).unwrap(), 1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Backup,
    /// One that was cut off.
    Resume,
    /// One whose manifest is torn.
    Rejoin,
    Verify,
    Import,
    /// Of one without a manifest and without its copy.
    Repair,
}

/// Why it did not succeed, and what that means.
type Ended = Result<(), (ErrorKind, String)>;

fn told(error: Failure) -> (ErrorKind, String) {
    (error.error.kind(), error.to_string())
}

fn how() -> backup::Work<'static> {
    backup::Work {
        buffer_bytes: BUFFER_BYTES,
        ..backup::Work::default()
    }
}

fn make_backup(path: &Path) -> Ended {
    let folder = Folder::open_or_create(path).unwrap();
    let request = Request {
        read_again: true,
        now: UNIX_EPOCH,
        ..Request::default()
    };
    let backend = SimulatedBackend::new(device());
    let made = backup::backup(&backend, &folder, &request, &how());
    made.map(drop).map_err(told)
}

fn verify(path: &Path) -> Ended {
    let folder = Folder::open(path, Access::Look).unwrap();
    let backend = SimulatedBackend::new(device());
    let report = backup::verify(&folder, Some(&backend), &how()).map_err(told)?;
    // A manifest that was made anew cannot know of holes, and stays partial.
    for meaning in [Meaning::Differs, Meaning::Unchecked] {
        assert!(!report.has(meaning), "{report:?}");
    }
    Ok(())
}

fn make_import(path: &Path) -> Ended {
    let failed = |error: capture::ImportError| (ErrorKind::Io, error.to_string());
    let never = AtomicBool::new(false);
    let captured = path.with_file_name("capture");
    let request = capture::ImportRequest {
        folders: &[captured],
        layout: None,
        maps: &[],
        undo_crlf: false,
        omit_oob: None,
    };
    let captured = capture::inspect(&request, &never).map_err(failed)?;
    let folder = Folder::open_or_create(path).unwrap();
    let made = capture::import(&captured, &folder, UNIX_EPOCH, &how());
    made.map(drop).map_err(failed)
}

fn repair(path: &Path) -> Ended {
    let folder = Folder::open(path, Access::Change).unwrap();
    let layout = RepairLayout {
        devices: SimulatedBackend::new(device()).devices().unwrap(),
        from: "a test".into(),
    };
    let request = RepairRequest {
        layout: Some(layout),
        now: UNIX_EPOCH,
    };
    let repaired = backup::repair(&folder, &request, &how());
    repaired.map(drop).map_err(told)
}

fn prepare(work: Work, path: &Path) {
    let capture = path.with_file_name("capture");
    match work {
        Work::Backup => {}
        Work::Resume => {
            make_backup(path).unwrap();
            fs::rename(path.join(MANIFEST), path.join(UNFINISHED)).unwrap();
        }
        Work::Verify => make_backup(path).unwrap(),
        Work::Rejoin | Work::Repair => {
            make_backup(path).unwrap();
            let manifest = path.join(MANIFEST);
            let whole = fs::read(&manifest).unwrap();
            fs::write(manifest, &whole[..whole.len() / 2]).unwrap();
            if work == Work::Repair {
                fs::remove_file(path.join(INDEX)).unwrap();
            }
        }
        Work::Import => {
            fs::create_dir(&capture).unwrap();
            fs::write(capture.join("proc_mtd.txt"), TABLE).unwrap();
            for index in 0..2 {
                let file = capture.join(format!("mtd{index}.bin"));
                fs::write(file, device().partition_bytes(index)).unwrap();
            }
        }
    }
}

fn run(work: Work, path: &Path) -> Ended {
    match work {
        Work::Backup | Work::Resume | Work::Rejoin => make_backup(path),
        Work::Verify => verify(path),
        Work::Import => make_import(path),
        Work::Repair => repair(path),
    }
}

#[rstest]
fn every_buffer_fails(
    #[values(
        Work::Backup,
        Work::Resume,
        Work::Rejoin,
        Work::Verify,
        Work::Import,
        Work::Repair
    )]
    work: Work,
) {
    for at in 0.. {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("b");
        prepare(work, &path);
        MADE.set(0);
        FAILS.set(Some(at));
        let ended = run(work, &path);
        FAILS.set(None);
        let made = MADE.get();
        match ended {
            Ok(()) => {
                assert!(at >= made && at > 0, "{work:?}: {at} of {made} failed");
                verify(&path).unwrap();
                println!("{work:?}: {made} buffers");
                break;
            }
            Err((kind, text)) => {
                assert_eq!(kind, ErrorKind::Io, "{work:?} {at}: {text}");
                assert!(text.contains("memory"), "{work:?} {at}: {text}");
                run(work, &path).unwrap();
                verify(&path).unwrap();
            }
        }
    }
}
