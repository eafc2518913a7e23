//! What several readings of one flash come to: a device that ends early, bits that
//! flip in the partition that tells devices apart, reads that a signal interrupts.

use crate::backend::SimulatedBackend;
use crate::backend::hooked::{HookedBackend, HookedDevice};
use crate::backup::tests::memory_folder::MemoryFolder;
use crate::backup::verify::verify;
use crate::backup::{
    self, DigestChoice, ErrorKind, Failure, INDEX, Kind, MANIFEST, Manifest, Request, Summary,
    Unreadable, Work,
};
use crate::mtd::{Errno, MtdBackend, MtdError, MtdInfo, MtdRead, Operation};
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use rstest::rstest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
mtd2: 00002000 00000400 \"data\"
";
const PARAM: usize = 0x800;

fn device(faults: &str) -> SimulatedDevice {
    let device = profile::from_layout(&Layout::from_proc_mtd(TABLE).unwrap(), 7);
    if !faults.is_empty() {
        device.set_faults(0, Some(faults.parse::<FaultPlan>().unwrap()));
    }
    device
}

/// Counts reads.
fn counting(device: SimulatedDevice, reads: &Arc<AtomicU64>) -> HookedBackend<'_> {
    HookedBackend::new(SimulatedBackend::new(device)).on_open(|inner, device| {
        let reads = Arc::clone(reads);
        let read = move |inner: &mut dyn MtdRead, offset_bytes, buf: &mut [u8]| {
            reads.fetch_add(1, Ordering::Relaxed);
            inner.read_at(offset_bytes, buf)
        };
        Ok(HookedDevice::boxed(inner.open(device)?, read))
    })
}

fn run(
    backend: &dyn MtdBackend,
    folder: &MemoryFolder,
    partitions: &[&str],
    digests: DigestChoice,
    interrupt: &AtomicBool,
) -> Result<Summary, Failure> {
    let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    let request = Request {
        partitions: &partitions,
        read_again: false,
        digests,
        now: UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes: 4096,
        workers: 1,
        interrupt,
        ..Work::default()
    };
    backup::pipeline::backup(backend, folder, &request, &work)
}

fn back_up(faults: &str, folder: &MemoryFolder) -> Result<Summary, Failure> {
    let backend = SimulatedBackend::new(device(faults));
    let never = AtomicBool::new(false);
    run(&backend, folder, &[], DigestChoice::Both, &never)
}

/// What came before the end is in the image, and what follows is not asked for
/// again and again.
#[rstest]
#[case::in_an_erase_block(0x1410)]
#[case::between_two(0x1400)]
#[case::in_the_first(0x10)]
#[case::in_the_last(0x1ffc)]
#[case::at_once(0)]
fn a_device_that_ends_early_keeps_what_it_delivered(#[case] end: usize) {
    let device = device("");
    let flash = device.partition_bytes(2);
    device.set_faults(0, Some(format!("size@mtd2={end}:after=1").parse().unwrap()));
    let reads = Arc::default();
    let backend = counting(device, &reads);
    let folder = MemoryFolder::default();
    let never = AtomicBool::new(false);
    let summary = run(&backend, &folder, &["data"], DigestChoice::Both, &never).unwrap();
    assert!(summary.manifest.is_partial());
    let image = &folder.files()["mtd2.bin"];
    assert_eq!(image[..end], flash[..end]);
    assert!(image[end..].iter().all(|byte| *byte == 0xFF));
    let [
        Unreadable {
            offset_bytes,
            length_bytes,
            reason,
        },
    ] = &summary.manifest.images[0].unreadable[..]
    else {
        panic!("{:?}", summary.manifest.images[0].unreadable);
    };
    assert_eq!(
        (*offset_bytes, *length_bytes),
        (end as u64, 0x2000 - end as u64)
    );
    assert!(
        reason.contains(&format!("the device ends at {end:#x}")),
        "{reason}"
    );
    // For recognising, twice "param"; then three pieces at most, the erase block
    // with the end three times in two reads, and the look past the end.
    let reads = reads.load(Ordering::Relaxed);
    assert!(reads <= 2 + 4 + 3 * 2 + 1, "{reads} reads");
}

fn flash_of_param() -> Vec<u8> {
    device("").partition_bytes(1)
}

#[track_caller]
fn assert_whole(summary: &Summary, folder: &MemoryFolder) {
    assert!(!summary.manifest.is_partial(), "{:?}", summary.manifest);
    assert!(folder.files()["mtd1.bin"] == flash_of_param(), "param");
    let identity = summary.manifest.device.identity.as_ref().unwrap();
    let image = &summary.manifest.images[1];
    assert_eq!(Some(&identity.sha256), image.sha256.as_ref());
}

/// One bit of one reading of "param", whichever reading: seen, and read again.
#[rstest]
fn a_flipped_bit_in_what_tells_devices_apart_is_found(#[values(0, 1, 2, 3)] after: u32) {
    let folder = MemoryFolder::default();
    let summary = back_up(
        &format!("bit-flip@{}.1:once:after={after}", PARAM + 5),
        &folder,
    );
    assert_whole(&summary.unwrap(), &folder);
}

#[rstest]
fn it_is_found_by_whichever_digest_there_is(
    #[values(DigestChoice::Crc32, DigestChoice::Sha256)] digests: DigestChoice,
) {
    let faults = format!("bit-flip@{}.1:once:after=2", PARAM + 5);
    let backend = SimulatedBackend::new(device(&faults));
    let folder = MemoryFolder::default();
    let never = AtomicBool::new(false);
    run(&backend, &folder, &[], digests, &never).unwrap();
    assert!(folder.files()["mtd1.bin"] == flash_of_param());
}

/// A flip in the first reading must not make another device of this one.
#[rstest]
fn a_partial_backup_with_a_flip_can_be_completed(#[values(0, 1, 2, 3, 4)] after: u32) {
    let faults = format!(
        "bit-flip@{}.1:once:after={after},read-error@0x1000",
        PARAM + 5
    );
    let folder = MemoryFolder::default();
    let summary = back_up(&faults, &folder).unwrap();
    assert!(summary.manifest.is_partial());
    let summary = back_up("", &folder).unwrap();
    assert_whole(&summary, &folder);
}

/// The image stays another than what was recognised: it is in doubt, and the
/// same command makes it whole later.
#[test]
fn a_flip_that_stays_is_a_doubt() {
    let folder = MemoryFolder::default();
    let faults = format!("bit-flip@{}.1:after=2", PARAM + 5);
    let summary = back_up(&faults, &folder).unwrap();
    assert!(summary.manifest.is_partial());
    let doubt = summary.manifest.images[1].doubt.as_deref().unwrap();
    assert!(doubt.contains("does not always read alike"), "{doubt}");
    assert_whole(&back_up("", &folder).unwrap(), &folder);
}

#[test]
fn a_partition_that_never_reads_alike_is_a_doubt_and_no_identity() {
    let folder = MemoryFolder::default();
    let faults = format!("bit-flip@{PARAM}+0x400:seed=3");
    let summary = back_up(&faults, &folder).unwrap();
    assert_eq!(summary.manifest.device.identity, None);
    let doubt = summary.manifest.images[1].doubt.as_deref().unwrap();
    assert!(doubt.contains("each time it is read"), "{doubt}");
    assert_whole(&back_up("", &folder).unwrap(), &folder);
}

#[test]
fn a_manifest_whose_identity_is_not_its_image_s_contradicts_itself() {
    let folder = MemoryFolder::default();
    let mut manifest: Manifest = back_up("", &folder).unwrap().manifest;
    let contradicts = |manifest: &Manifest| {
        let mut files = folder.files();
        files.insert(MANIFEST.into(), manifest.to_json());
        let work = Work {
            buffer_bytes: 1000,
            workers: 1,
            ..Work::default()
        };
        // Without the copy of the manifest that the page has.
        files.remove(INDEX);
        let report = verify(&MemoryFolder::holding(files), None, &work).unwrap();
        let mut kinds = report.findings.iter().map(|found| found.kind);
        kinds.any(|kind| kind == Kind::OtherIdentity)
    };
    assert!(!contradicts(&manifest));
    manifest.device.identity.as_mut().unwrap().sha256 = "0".repeat(64);
    assert!(contradicts(&manifest));
    manifest.images[1].doubt = Some("known".into());
    assert!(!contradicts(&manifest));
}

/// A limit of open files, as the system has it, and a device that changes its size.
struct Few {
    open: Arc<AtomicU64>,
    most: AtomicU64,
    limit: u64,
    /// From this opening on, mtd2 says that it is another device.
    changes_at: Option<u64>,
    openings_of_data: AtomicU64,
}

impl Few {
    fn new(limit: u64, changes_at: Option<u64>) -> Self {
        Self {
            open: Arc::default(),
            most: AtomicU64::new(0),
            limit,
            changes_at,
            openings_of_data: AtomicU64::new(0),
        }
    }

    fn backend(&self) -> HookedBackend<'_> {
        HookedBackend::new(SimulatedBackend::new(device("")))
            .on_open(|inner, device| self.open(inner, device))
    }

    fn open(
        &self,
        inner: &SimulatedBackend,
        device: &MtdInfo,
    ) -> Result<Box<dyn MtdRead>, MtdError> {
        let fails = |source| MtdError::Device {
            operation: Operation::Open,
            device: device.id(),
            offset_bytes: None,
            length_bytes: None,
            source,
        };
        if device.name == "data" {
            let openings = self.openings_of_data.fetch_add(1, Ordering::Relaxed) + 1;
            if self.changes_at.is_some_and(|at| openings >= at) {
                return Err(fails(Errno::NODEV));
            }
        }
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        // Given back when the device is dropped.
        let place = Place(Arc::clone(&self.open));
        if open > self.limit {
            return Err(fails(Errno::MFILE));
        }
        self.most.fetch_max(open, Ordering::Relaxed);
        let read = move |inner: &mut dyn MtdRead, offset_bytes, buf: &mut [u8]| {
            let _held = &place;
            inner.read_at(offset_bytes, buf)
        };
        Ok(HookedDevice::boxed(inner.open(device)?, read))
    }
}

/// One of the files that may be open.
struct Place(Arc<AtomicU64>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
fn devices_are_opened_one_after_the_other_where_descriptors_are_few(#[case] limit: u64) {
    let never = AtomicBool::new(false);
    let few = Few::new(limit, None);
    let backend = few.backend();
    let folder = MemoryFolder::default();
    let summary = run(&backend, &folder, &[], DigestChoice::Both, &never).unwrap();
    assert_whole(&summary, &folder);
    assert_eq!(summary.manifest.images.len(), 3);
    assert_eq!(few.most.load(Ordering::Relaxed), limit);
    // None stays open for longer than it is read.
    assert_eq!(few.open.load(Ordering::Relaxed), 0);
    // A run that was cut off, and left nobody who tells of which device it was.
    let mut files = folder.files();
    files.remove("mtd2.bin");
    files.remove(INDEX);
    files.insert(MANIFEST.into(), b"{".to_vec());
    let torn = MemoryFolder::holding(files);
    let summary = run(&backend, &torn, &[], DigestChoice::Both, &never).unwrap();
    assert_whole(&summary, &torn);
    assert_eq!(summary.kept, 2);
}

/// What opened at first and does not any more is left out by itself.
#[test]
fn a_device_that_does_not_open_again_is_left_out() {
    let never = AtomicBool::new(false);
    let folder = MemoryFolder::default();
    let few = Few::new(1, Some(2));
    let backend = few.backend();
    let summary = run(&backend, &folder, &[], DigestChoice::Both, &never).unwrap();
    let missing: Vec<_> = summary.manifest.missing().collect();
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].0.name, "data");
    assert!(
        missing[0].1.reason.contains("No such device"),
        "{missing:?}"
    );
    assert_eq!(summary.manifest.images.len(), 2);
    // The same command completes it.
    assert_whole(&back_up("", &folder).unwrap(), &folder);
}

/// EINTR for ever: who asks to stop is heard within the same read.
#[test]
fn a_stop_is_heard_while_reads_are_interrupted() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let reads = Arc::new(AtomicU64::new(0));
    let simulated = SimulatedBackend::new(device(""));
    let backend = HookedBackend::new(simulated).on_open(|inner, device| {
        let reads = Arc::clone(&reads);
        let read = move |inner: &mut dyn MtdRead, offset_bytes, buf: &mut [u8]| {
            if reads.fetch_add(1, Ordering::Relaxed) + 1 == 10 {
                STOP.store(true, Ordering::Relaxed);
            }
            Err(MtdError::Device {
                operation: Operation::Read,
                device: inner.info().id(),
                offset_bytes: Some(offset_bytes),
                length_bytes: Some(buf.len() as u64),
                source: Errno::INTR,
            })
        };
        Ok(HookedDevice::boxed(inner.open(device)?, read))
    });
    let folder = MemoryFolder::default();
    let failure = run(&backend, &folder, &["data"], DigestChoice::Both, &STOP).unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::Interrupted);
    assert_eq!(reads.load(Ordering::Relaxed), 10);
}

/// A few interruptions are what signals do; nothing but interruptions is a device
/// that cannot be read, and the backup comes to an end by itself.
#[test]
fn interruptions_are_repeated_but_not_for_ever() {
    let folder = MemoryFolder::default();
    let summary = back_up("read-error:times=500:errno=EINTR", &folder).unwrap();
    assert_whole(&summary, &folder);
    let folder = MemoryFolder::default();
    let summary = back_up("read-error@0x1000+0x400:errno=EINTR", &folder).unwrap();
    let unreadable = &summary.manifest.images[2].unreadable;
    assert_eq!(
        (unreadable[0].offset_bytes, unreadable[0].length_bytes),
        (0x400, 0x400)
    );
}
