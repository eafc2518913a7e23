//! Devices over a wire, as a backend; and a backup of them.
//!
//! Invariants: a stream is used as long as reads follow each other, so that a partition
//! costs one; once its flash could not be read somewhere, only what is asked for is, because
//! a program there may read a piece that ends behind it, and get nothing. After a loss reading goes on at the byte where it stopped; what a device
//! gave on either side of a loss is of one image only if the second look says so.

use super::wire::{Fault, Patience, Source};
use crate::backup::{
    self, DigestChoice, Directory, Failure, Image, Origin, Request, Summary, Work,
};
use crate::mtd::{
    Errno, MtdBackend, MtdError, MtdIndex, MtdInfo, MtdRead, MtdWrite, Operation, OwnDigest,
    WritePermit,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What proves that an image is what the device holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The device itself made a digest of its flash, after the bytes had come.
    OwnDigest(&'static str),
    /// The flash was sent twice.
    ReadTwice,
    /// Nothing but the length.
    Length,
}

/// Devices that are somewhere else.
pub(crate) struct RemoteBackend {
    description: String,
    devices: Vec<MtdInfo>,
    shared: Arc<Mutex<Shared>>,
    patience: Patience,
}

struct Shared {
    source: Box<dyn Source>,
    /// The stream that is open: of which device, and where it stands.
    at: Option<(MtdIndex, u64)>,
    /// How much of it is left, where that is limited.
    left_bytes: Option<u64>,
}

impl RemoteBackend {
    pub(crate) fn new(
        description: String,
        devices: Vec<MtdInfo>,
        source: Box<dyn Source>,
        patience: Patience,
    ) -> Self {
        Self {
            description,
            devices,
            shared: Arc::new(Mutex::new(Shared {
                source,
                at: None,
                left_bytes: None,
            })),
            patience,
        }
    }
}

/// Does something with the source, again after each loss.
fn stubbornly<R>(
    shared: &mut Shared,
    patience: &Patience,
    device: &MtdInfo,
    mut act: impl FnMut(&mut Shared) -> Result<R, Fault>,
) -> Result<R, MtdError> {
    let mut failures = 0;
    loop {
        let unreachable = |why: String, help: &str, shared: &Shared| MtdError::Unreachable {
            from: shared.source.name(),
            why,
            help: help.into(),
        };
        match act(shared) {
            Ok(done) => return Ok(done),
            Err(fault) => {
                shared.at = None;
                match fault {
                    Fault::Lost(why) => {
                        shared.source.reset();
                        failures += 1;
                        if !patience.after(failures, &why) {
                            let help = "look whether the device is there; the same command goes on";
                            return Err(unreachable(why, help, shared));
                        }
                    }
                    Fault::Hopeless { why, help } => return Err(unreachable(why, &help, shared)),
                    Fault::Device(source) => return Err(of_device(device, source)),
                    Fault::Stopped => return Err(of_device(device, Errno::INTR)),
                }
            }
        }
    }
}

fn of_device(device: &MtdInfo, source: Errno) -> MtdError {
    MtdError::Device {
        operation: Operation::Read,
        device: device.id(),
        offset_bytes: None,
        length_bytes: None,
        source,
    }
}

impl MtdBackend for RemoteBackend {
    fn description(&self) -> String {
        self.description.clone()
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        Ok(self.devices.clone())
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        let mut shared = lock(&self.shared);
        stubbornly(&mut shared, &self.patience, device, |shared| {
            shared.at = None;
            shared.source.check(device)
        })??;
        drop(shared);
        Ok(Box::new(RemoteDevice {
            info: device.clone(),
            shared: self.shared.clone(),
            patience: self.patience.clone(),
            careful: false,
        }))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        Err(MtdError::ReadOnly {
            device: device.id(),
            reason: permit.reason(),
        })
    }
}

struct RemoteDevice {
    info: MtdInfo,
    shared: Arc<Mutex<Shared>>,
    patience: Patience,
    /// Something of it could not be read.
    careful: bool,
}

impl MtdRead for RemoteDevice {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        let info = &self.info;
        if buf.is_empty() || offset_bytes > info.size_bytes {
            return Ok(0);
        }
        // At the end, to see that there is none, one byte is asked for.
        let left_bytes = (info.size_bytes - offset_bytes).max(1);
        let length = buf
            .len()
            .min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        let careful = self.careful;
        let mut shared = lock(&self.shared);
        let count = stubbornly(&mut shared, &self.patience, info, |shared| {
            let here = (info.index, offset_bytes);
            if shared.at != Some(here) {
                // Nothing is there to be begun at the end.
                if offset_bytes == info.size_bytes {
                    return Ok(0);
                }
                shared.left_bytes = careful.then_some(length as u64);
                shared.source.start(info, offset_bytes, shared.left_bytes)?;
            }
            // Until it is known how the call ends.
            shared.at = None;
            let count = shared.source.read(&mut buf[..length])?;
            if let Some(left) = &mut shared.left_bytes {
                *left = left.saturating_sub(count as u64);
            }
            if count > 0 && shared.left_bytes != Some(0) {
                shared.at = Some((info.index, offset_bytes + count as u64));
            }
            Ok(count)
        });
        self.careful |=
            matches!(count, Err(MtdError::Device { source, .. }) if source != Errno::INTR);
        let count = count.map_err(|error| placed(error, offset_bytes, length))?;
        match (count, offset_bytes == info.size_bytes) {
            (0, false) => Err(MtdError::EndedEarly {
                device: info.id(),
                offset_bytes,
                size_bytes: info.size_bytes,
            }),
            (1.., true) => Err(MtdError::GoesOn {
                device: info.id(),
                size_bytes: info.size_bytes,
            }),
            (count, _) => Ok(count),
        }
    }

    fn own_digest(&mut self) -> Result<Option<OwnDigest>, MtdError> {
        let mut shared = lock(&self.shared);
        stubbornly(&mut shared, &self.patience, &self.info, |shared| {
            shared.at = None;
            shared.source.own_digest(&self.info)
        })
    }
}

/// The same error with its place on the device.
fn placed(error: MtdError, offset: u64, length: usize) -> MtdError {
    match error {
        MtdError::Device {
            operation,
            device,
            source,
            ..
        } => MtdError::Device {
            operation,
            device,
            offset_bytes: Some(offset),
            length_bytes: Some(length as u64),
            source,
        },
        other => other,
    }
}

/// How a fetch is to be done.
pub(crate) struct FetchRequest<'a> {
    /// Names or `mtdN`; empty: all partitions.
    pub(crate) partitions: &'a [String],
    /// What proves the images, where all goes well.
    pub(crate) proof: Proof,
    /// Who fetched them and from where, for the manifest.
    pub(crate) captured_by: String,
    /// Where the layout is from, for the manifest.
    pub(crate) layout_from: String,
    /// What cannot be proven, whatever comes.
    pub(crate) not_proven: Vec<String>,
    /// The time to put into the manifest.
    pub(crate) now: SystemTime,
}

/// Backs up devices that are somewhere else into a folder.
///
/// # Errors
/// As [`backup::backup`]; where the way to the device broke and was not to be mended,
/// [`MtdError::Unreachable`], with what is whole kept.
pub(crate) fn fetch(
    backend: &RemoteBackend,
    folder: &dyn Directory,
    request: &FetchRequest<'_>,
    work: &Work<'_>,
) -> Result<Summary, Failure> {
    let origin = |images: &[Image]| request.origin(images);
    let wanted = Request {
        partitions: request.partitions,
        read_again: request.proof != Proof::Length,
        digests: DigestChoice::Both,
        now: request.now,
    };
    // One wire carries one stream.
    let work = Work {
        workers: 1,
        ..*work
    };
    backup::pipeline::backup_of(backend, folder, &wanted, &work, Some(&origin))
}

impl FetchRequest<'_> {
    /// What is known of the images that there are.
    fn origin(&self, images: &[Image]) -> Origin {
        let looked_again = |image: &&Image| image.second_reading.is_some();
        let same = |image: &&Image| image.second_reading.as_ref().is_some_and(|s| s.same);
        let changed = images.iter().filter(looked_again).filter(|i| !same(i));
        let mut proven = Vec::new();
        match images.iter().filter(same).count() {
            0 => {}
            count => proven.push(format!(
                "{} {}",
                backup::count(count as u64, "image"),
                match &self.proof {
                    Proof::OwnDigest(name) =>
                        format!("with the {name} that the device made of its flash afterwards"),
                    _ => "came twice from the flash, the same bytes each time".into(),
                }
            )),
        }
        let mut not_proven = self.not_proven.clone();
        if self.proof == Proof::Length && !images.is_empty() {
            not_proven.push("that the bytes came as they were sent: nobody made a digest".into());
        }
        Origin {
            captured_by: self.captured_by.clone(),
            layout_from: self.layout_from.clone(),
            proven,
            not_proven,
            changed_while_read: changed.map(|image| image.mtd).collect(),
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
