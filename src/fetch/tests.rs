//! A wire that breaks at every place, lies and is slow; without a wire and a clock.

use super::remote::{FetchRequest, Proof, RemoteBackend, fetch};
use super::wire::{Fault, Patience, Source};
use crate::backup::{Access, BackupError, Failure, Meaning};
use crate::backup::{Folder, MANIFEST, Summary, Work, verify};
use crate::mtd::{Errno, MtdError, MtdErrorKind, MtdIndex, MtdInfo, OwnDigest};
use rstest::rstest;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

/// What the device holds: mtd0 has 3 KiB, mtd1 one, mtd2 two.
fn flash() -> Vec<Vec<u8>> {
    let bytes = |seed: usize, length: usize| -> Vec<u8> {
        (0..length)
            .map(|at| (at * 7 + seed * 31 + at / 256) as u8)
            .collect()
    };
    vec![bytes(1, 3072), bytes(2, 1024), bytes(3, 2048)]
}

fn devices() -> Vec<MtdInfo> {
    let names = ["boot", "param", "data"];
    let flash = flash();
    let device = |(index, name)| {
        let size = flash[index as usize].len() as u64;
        MtdInfo::new(MtdIndex(index), name, size, 1024)
    };
    (0..).zip(names).map(device).collect()
}

/// What goes wrong.
#[derive(Default, Clone)]
struct Plan {
    /// The way breaks after so many bytes in all, counted on; each place once.
    breaks: Vec<usize>,
    /// From that many bytes on it never comes back.
    dead_from: Option<usize>,
    /// So many bytes of the stream in all are right; the next one is not, once.
    lies_at: Option<usize>,
    /// Byte `at` of mtd N is another each time it is read.
    changes: Option<(u32, usize)>,
    /// mtd N has so many bytes.
    length: Option<(u32, usize)>,
    /// Reading mtd N fails in its second erase block.
    unreadable: Option<u32>,
    has_digest: bool,
    /// How many bytes a read gives at most.
    piece: usize,
}

#[derive(Default)]
struct Log {
    delivered: usize,
    starts: Vec<(u32, u64)>,
    waits: Vec<Duration>,
}

struct Wire {
    plan: Plan,
    flash: Vec<Vec<u8>>,
    log: Arc<Mutex<Log>>,
    stream: Option<(u32, usize)>,
    end: usize,
}

impl Source for Wire {
    fn name(&self) -> String {
        "the wire".into()
    }

    fn check(&mut self, _: &MtdInfo) -> Result<Result<(), MtdError>, Fault> {
        self.is_alive()?;
        Ok(Ok(()))
    }

    fn start(
        &mut self,
        device: &MtdInfo,
        offset_bytes: u64,
        length_bytes: Option<u64>,
    ) -> Result<(), Fault> {
        self.is_alive()?;
        let start = (device.index.0, offset_bytes);
        self.log.lock().unwrap().starts.push(start);
        self.stream = Some((device.index.0, offset_bytes as usize));
        self.end = length_bytes.map_or(usize::MAX, |length| (offset_bytes + length) as usize);
        Ok(())
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        self.is_alive()?;
        let (mtd, at) = self.stream.expect("it was started");
        let bytes = &mut self.flash[mtd as usize];
        if let Some((changing, place)) = self.plan.changes {
            if changing == mtd && at <= place {
                bytes[place] = bytes[place].wrapping_add(1);
            }
        }
        let end = bytes.len().min(self.end);
        // A program reads much at once, and gets nothing of a piece with a bad place.
        if self.plan.unreadable == Some(mtd) && at < 2048 && end > 1024 {
            return Err(Fault::Device(Errno::IO));
        }
        let mut log = self.log.lock().unwrap();
        let mut count = buf.len().min(end - at).min(self.plan.piece);
        if let Some(dead) = self.plan.dead_from {
            count = count.min(dead - log.delivered);
        }
        if let Some(next) = self.plan.breaks.first() {
            if log.delivered >= *next {
                self.plan.breaks.remove(0);
                self.stream = None;
                return Err(Fault::Lost("cut".into()));
            }
            count = count.min(next - log.delivered);
        }
        buf[..count].copy_from_slice(&bytes[at..at + count]);
        if let Some(lie) = self.plan.lies_at {
            if (log.delivered..log.delivered + count).contains(&lie) {
                buf[lie - log.delivered] ^= 0x10;
                self.plan.lies_at = None;
            }
        }
        log.delivered += count;
        self.stream = Some((mtd, at + count));
        Ok(count)
    }

    fn own_digest(&mut self, device: &MtdInfo) -> Result<Option<OwnDigest>, Fault> {
        self.is_alive()?;
        let bytes = &mut self.flash[device.index.0 as usize];
        if let Some((_, place)) = self.plan.changes.filter(|(mtd, _)| *mtd == device.index.0) {
            bytes[place] = bytes[place].wrapping_add(1);
        }
        let digest = Sha256::digest(bytes);
        let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.plan.has_digest.then_some(OwnDigest::Sha256(hex)))
    }

    fn reset(&mut self) {
        self.stream = None;
    }
}

impl Wire {
    fn is_alive(&self) -> Result<(), Fault> {
        let delivered = self.log.lock().unwrap().delivered;
        match self.plan.dead_from.is_some_and(|from| delivered >= from) {
            true => Err(Fault::Lost("dead".into())),
            false => Ok(()),
        }
    }
}

/// A fetch over such a wire; with what happened on it.
fn run(plan: &Plan, path: &Path) -> (Result<Summary, Failure>, Arc<Mutex<Log>>) {
    let log = Arc::new(Mutex::new(Log::default()));
    let mut flash = flash();
    if let Some((mtd, length)) = plan.length {
        flash[mtd as usize].resize(length, 0x5a);
    }
    let wire = Wire {
        plan: plan.clone(),
        flash,
        log: log.clone(),
        stream: None,
        end: 0,
    };
    let waits = log.clone();
    let patience = Patience {
        tries: 3,
        wait: Arc::new(move |time| waits.lock().unwrap().waits.push(time)),
        told: Arc::new(|_| {}),
    };
    let backend = RemoteBackend::new("a device".into(), devices(), Box::new(wire), patience);
    let folder = Folder::open_or_create(path).unwrap();
    let request = FetchRequest {
        partitions: &[],
        proof: match plan.has_digest {
            true => Proof::OwnDigest("SHA-256"),
            false => Proof::ReadTwice,
        },
        captured_by: "a test".into(),
        layout_from: "a test".into(),
        not_proven: Vec::new(),
        now: UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes: 2048,
        ..Work::default()
    };
    (fetch(&backend, &folder, &request, &work), log)
}

fn plan(has_digest: bool) -> Plan {
    Plan {
        has_digest,
        piece: 700,
        ..Plan::default()
    }
}

/// Success is told only of a backup that is the flash, to the byte.
fn assert_is_the_flash(path: &Path, summary: &Summary) {
    assert!(!summary.manifest.is_partial() && !summary.changed_while_read());
    for (mtd, bytes) in flash().iter().enumerate() {
        let image = std::fs::read(path.join(format!("mtd{mtd}.bin"))).unwrap();
        assert!(image == *bytes, "mtd{mtd}");
    }
    assert!(is_good(path));
}

fn is_good(path: &Path) -> bool {
    let folder = Folder::open(path, Access::Look).unwrap();
    let report = verify(&folder, None, &Work::default()).unwrap();
    let bad = [Meaning::Differs, Meaning::Unchecked, Meaning::Partial];
    !bad.into_iter().any(|meaning| report.has(meaning))
}

/// All bytes that a fetch moves: param is read twice at first, to know the device.
fn moved(has_digest: bool) -> usize {
    let outer = tempfile::tempdir().unwrap();
    let (summary, log) = run(&plan(has_digest), &outer.path().join("b"));
    assert_is_the_flash(&outer.path().join("b"), &summary.unwrap());
    std::mem::take(&mut *log.lock().unwrap()).delivered
}

#[test]
fn a_digest_of_the_device_spares_a_second_way() {
    let all: usize = flash().iter().map(Vec::len).sum();
    assert_eq!(moved(true), all + 2 * 1024);
    assert_eq!(moved(false), 2 * all + 2 * 1024);
}

/// Cut at many places and around each partition's ends: it goes on where it was.
#[rstest]
fn a_cut_is_mended_where_it_was(#[values(true, false)] has_digest: bool) {
    let all = moved(has_digest);
    for cut in (0..all).step_by(301).chain([1023, 1024, 1025, all - 1]) {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("b");
        let plan = Plan {
            breaks: vec![cut],
            ..plan(has_digest)
        };
        let (summary, log) = run(&plan, &path);
        assert_is_the_flash(&path, &summary.unwrap());
        let log = log.lock().unwrap();
        assert_eq!(log.delivered, all, "cut at {cut}: nothing came twice");
        assert!(log.waits.is_empty(), "cut at {cut}");
    }
}

/// The way never comes back: no success, no hole that is none, whole images stay, and
/// the same command completes it without sending them again.
#[rstest]
fn a_loss_for_good_stops_and_is_completed(#[values(true, false)] has_digest: bool) {
    let all = moved(has_digest);
    for dead in (0..all).step_by(600) {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("b");
        let broken = Plan {
            dead_from: Some(dead),
            ..plan(has_digest)
        };
        let (result, log) = run(&broken, &path);
        let failure = result.expect_err("the way is gone");
        let BackupError::Mtd(error) = &*failure.error else {
            panic!("{failure:?}");
        };
        assert_eq!(error.kind(), MtdErrorKind::Unreachable);
        let pauses = [500, 1000].map(Duration::from_millis);
        assert_eq!(log.lock().unwrap().waits, pauses);
        assert!(!path.join(MANIFEST).exists());
        for (mtd, bytes) in flash().iter().enumerate() {
            if let Ok(image) = std::fs::read(path.join(format!("mtd{mtd}.bin"))) {
                assert!(image == *bytes, "mtd{mtd} after {dead}");
            }
        }
        let whole = (0..3).filter(|mtd| path.join(format!("mtd{mtd}.bin")).exists());
        let whole: Vec<u32> = whole.collect();
        let (summary, log) = run(&plan(has_digest), &path);
        let summary = summary.unwrap();
        assert_is_the_flash(&path, &summary);
        assert_eq!(summary.kept, whole.len());
        if has_digest {
            // Only what tells devices apart is sent again.
            let log = log.lock().unwrap();
            let again = log
                .starts
                .iter()
                .filter(|(mtd, _)| *mtd != 1 && whole.contains(mtd));
            assert_eq!(again.count(), 0, "{:?} of {whole:?}", log.starts);
        }
    }
}

/// A wrong byte on the way, wherever it strikes, never ends as a success with it.
#[rstest]
fn a_wrong_byte_is_no_success(#[values(true, false)] has_digest: bool) {
    let all = moved(has_digest);
    let mut told = 0;
    for lie in (0..all).step_by(199) {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("b");
        let plan = Plan {
            lies_at: Some(lie),
            ..plan(has_digest)
        };
        let summary = run(&plan, &path).0.unwrap();
        let is_told = summary.changed_while_read() || summary.manifest.is_partial();
        if !is_told {
            // It struck a reading that only compared, or was made again.
            assert_is_the_flash(&path, &summary);
        }
        told += usize::from(is_told);
    }
    assert!(told > all / 199 / 3, "{told}");
}

#[rstest]
fn flash_that_changes_is_told(#[values(true, false)] has_digest: bool) {
    let outer = tempfile::tempdir().unwrap();
    let plan = Plan {
        changes: Some((2, 1500)),
        ..plan(has_digest)
    };
    let summary = run(&plan, &outer.path().join("b")).0.unwrap();
    assert!(summary.changed_while_read());
    let origin = summary.manifest.origin.unwrap();
    assert_eq!(origin.changed_while_read, [2]);
    assert!(origin.proven[0].starts_with("2 images "), "{origin:?}");
}

#[rstest]
#[case::short(2000)]
#[case::empty(0)]
fn a_device_that_is_shorter_is_partial(#[case] length: usize) {
    let outer = tempfile::tempdir().unwrap();
    let plan = Plan {
        length: Some((2, length)),
        ..plan(true)
    };
    let summary = run(&plan, &outer.path().join("b")).0.unwrap();
    let image = &summary.manifest.images[2];
    assert_eq!(image.unreadable[0].offset_bytes, length as u64);
    assert_eq!(image.unreadable[0].length_bytes, 2048 - length as u64);
}

#[test]
fn a_device_that_is_longer_is_in_doubt() {
    let outer = tempfile::tempdir().unwrap();
    let plan = Plan {
        length: Some((2, 4096)),
        ..plan(false)
    };
    let summary = run(&plan, &outer.path().join("b")).0.unwrap();
    assert!(summary.manifest.images[2].doubt.is_some());
}

#[rstest]
fn an_erase_block_that_cannot_be_read_is_one_hole(#[values(true, false)] has_digest: bool) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let plan = Plan {
        unreadable: Some(0),
        ..plan(has_digest)
    };
    let summary = run(&plan, &path).0.unwrap();
    let holes = &summary.manifest.images[0].unreadable;
    assert_eq!((holes[0].offset_bytes, holes[0].length_bytes), (1024, 1024));
    assert_eq!(holes.len(), 1);
    let image = std::fs::read(path.join("mtd0.bin")).unwrap();
    assert!(image[..1024] == flash()[0][..1024] && image[2048..] == flash()[0][2048..]);
}
