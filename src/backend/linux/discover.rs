//! What the kernel tells before a device is opened: `/proc/mtd` and sysfs.
//!
//! Invariant: files are read whole or not at all, and up to a limit.
//!
//! Faults tolerated: sysfs absent, or without an attribute (then it tells
//! nothing), a name that leads to something other than a file.

use super::super::ioctl::FLAG_WRITEABLE;
use super::super::open_device::uninterrupted;
use super::nesting::Link;
use super::root::Root;
use crate::mtd::{Errno, FactSource, MtdIndex, PartitionOffset};
use rustix::fs::{Mode, OFlags};

/// No `/proc/mtd` comes near this; a file that does is something else.
const TABLE_BYTES_MAX: usize = 1 << 20;
/// One page, which no sysfs attribute exceeds.
const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// What statfs calls procfs (Linux 6.1, include/uapi/linux/magic.h).
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// Where sysfs has MTD devices, below the root.
const SYSFS: &str = "sys/class/mtd";
/// The table of devices, below the root.
pub(super) const TABLE: &str = "proc/mtd";

/// The text of `/proc/mtd`, and whether it comes from a kernel's procfs.
pub(super) fn read_table(root: &Root) -> Result<(Vec<u8>, bool), Errno> {
    let file = open(root, TABLE)?;
    let on_procfs = uninterrupted(|| rustix::fs::fstatfs(&file))
        .is_ok_and(|stat| stat.f_type as u64 == PROC_SUPER_MAGIC);
    Ok((read_whole(&file, TABLE_BYTES_MAX)?, on_procfs))
}

/// What sysfs adds to the table.
#[derive(Debug, Default)]
pub(super) struct Sysfs {
    pub(super) size_bytes: Option<u64>,
    pub(super) offset: Option<PartitionOffset>,
    pub(super) writeable: Option<bool>,
    pub(super) link: Option<Link>,
}

/// What sysfs tells of a device; nothing where it is absent.
pub(super) fn sysfs(root: &Root, index: MtdIndex) -> Sysfs {
    let folder = format!("{SYSFS}/{index}");
    let attribute = |name| {
        let file = open(root, &format!("{folder}/{name}")).ok()?;
        let bytes = read_whole(&file, ATTRIBUTE_BYTES_MAX).ok()?;
        String::from_utf8(bytes).ok()
    };
    let number = |name| attribute(name)?.trim().parse::<u64>().ok();
    let flags = attribute("flags")
        .and_then(|text| u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok());
    // Where it leads is told, and not followed.
    let class = root.resolve(SYSFS).ok();
    let link = class.and_then(|class| std::fs::read_link(class.join(index.to_string())).ok());
    Sysfs {
        link: link.and_then(|link| Link::parse(link.to_str()?, index)),
        size_bytes: number("size"),
        offset: number("offset").map(|bytes| PartitionOffset {
            bytes,
            source: FactSource::Sysfs,
        }),
        writeable: flags.map(|flags| flags & FLAG_WRITEABLE != 0),
    }
}

/// What the machine calls itself: the device tree's model, or the `Hardware`
/// line that ARM kernels have in `/proc/cpuinfo`.
pub(super) fn model(root: &Root) -> Option<String> {
    let model = text(root, "proc/device-tree/model").or_else(|| {
        let cpuinfo = text(root, "proc/cpuinfo")?;
        let line = cpuinfo.lines().find(|line| line.starts_with("Hardware"))?;
        Some(line.split_once(':')?.1.to_owned())
    })?;
    let model = model.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    let printable = !model.is_empty() && !model.chars().any(char::is_control);
    printable.then(|| model.to_owned())
}

/// The text of a file, where it is one.
pub(super) fn text(root: &Root, path: &str) -> Option<String> {
    let file = open(root, path).ok()?;
    let bytes = read_whole(&file, TABLE_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens a file of discovery. O_NONBLOCK, so that a pipe in a copied tree does
/// not hang the program.
fn open(root: &Root, path: &str) -> Result<rustix::fd::OwnedFd, Errno> {
    let path = root.resolve(path)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    uninterrupted(|| rustix::fs::open(&path, flags, Mode::empty()))
}

fn read_whole(file: &rustix::fd::OwnedFd, bytes_max: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = uninterrupted(|| rustix::io::read(file, &mut chunk))?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > bytes_max {
            return Err(Errno::FBIG);
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}
