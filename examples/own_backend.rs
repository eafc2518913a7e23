//! A backend of one's own: where flash is reached otherwise than by Linux's nodes (a
//! bootloader's memory dump, a programmer, a network), the pipeline needs two traits.
//! Here it is a dump of the whole chip in memory, with the text of `/proc/mtd`.
//!
//!     cargo run --example own_backend -- FLASH.BIN PROC_MTD.TXT FOLDER

use mtdkeep::backup::{self, Folder, Request, Work};
use mtdkeep::mtd::{
    FactSource, MtdBackend, MtdError, MtdInfo, MtdRead, MtdWrite, Operation, PartitionOffset,
    WritePermit, parse_proc_mtd,
};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [chip, table, folder] = words.as_slice() else {
        return Err("usage: own_backend FLASH.BIN PROC_MTD.TXT FOLDER".into());
    };
    let dump = Dump::new(std::fs::read(chip)?, &std::fs::read_to_string(table)?)?;
    println!("{} images", run(dump, Path::new(folder))?);
    Ok(())
}

/// Backs it up; how many images there are.
pub fn run(dump: Dump, folder: &Path) -> Result<usize, Box<dyn Error>> {
    let folder = Folder::open_or_create(folder)?;
    let summary = backup::backup(&dump, &folder, &Request::default(), &Work::default())?;
    Ok(summary.manifest.images().len())
}

/// A chip's bytes and its partitions, one after the other from the chip's start.
pub struct Dump {
    chip: Arc<[u8]>,
    devices: Vec<MtdInfo>,
}

impl Dump {
    /// From the bytes and the text of `/proc/mtd`.
    pub fn new(chip: Vec<u8>, proc_mtd: &str) -> Result<Self, Box<dyn Error>> {
        let mut end = 0;
        let mut devices = parse_proc_mtd(proc_mtd.as_bytes())?;
        for device in &mut devices {
            // Nobody said so: it is the sum of the sizes, and is told as that.
            device.offset = Some(PartitionOffset {
                bytes: end,
                source: FactSource::Sum,
            });
            end += device.size_bytes;
        }
        if end > chip.len() as u64 {
            return Err(format!("the partitions end at {end:#x}, past the dump's end").into());
        }
        Ok(Self {
            chip: chip.into(),
            devices,
        })
    }
}

impl MtdBackend for Dump {
    fn description(&self) -> String {
        "a dump of the whole chip".into()
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        Ok(self.devices.clone())
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        Ok(Box::new(Partition {
            chip: Arc::clone(&self.chip),
            info: device.clone(),
        }))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        _: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        // A dump is only read; an error says which device and what was tried.
        Err(MtdError::Device {
            operation: Operation::Open,
            device: device.id(),
            offset_bytes: None,
            length_bytes: None,
            source: mtdkeep::mtd::Errno::ROFS,
        })
    }
}

struct Partition {
    chip: Arc<[u8]>,
    info: MtdInfo,
}

impl MtdRead for Partition {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        // 0 at or past the partition's end, and nowhere else.
        let left = self.info.size_bytes.saturating_sub(offset_bytes);
        let length = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let start = (self.info.offset_bytes().unwrap_or(0) + offset_bytes) as usize;
        if length > 0 {
            buf[..length].copy_from_slice(&self.chip[start..start + length]);
        }
        Ok(length)
    }
}
