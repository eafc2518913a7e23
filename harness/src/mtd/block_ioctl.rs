//! The ioctls of a block node.
//!
//! Source of behaviour: Linux 6.1 block/ioctl.c. mtdblock adds none of its own
//! (drivers/mtd/mtd_blkdevs.c), so MTD's commands and a terminal's are ENOTTY.

use super::UserMemory;
use super::block::{capacity_bytes, unit_bytes};
use super::handle::Handle;
use super::ioctl_number::*;
use super::memory::{there, u32_at, u64_at};
use super::mtdblock::SECTOR_BYTES;
use crate::Errno;

/// Linux's read-ahead, 128 KiB, in sectors.
const READ_AHEAD_SECTORS: u64 = 256;
/// Largest request of a queue that sets no limit (BLK_SAFE_MAX_SECTORS).
const REQUEST_SECTORS_MAX: u16 = 255;

pub(super) fn ioctl(
    handle: &mut Handle,
    command: u32,
    argument: u64,
    memory: &mut dyn UserMemory,
) -> Result<i32, Errno> {
    let mtd = handle.mtd();
    let pointer_bytes = memory.pointer_bytes();
    let capacity = capacity_bytes(mtd);
    let answer: u64 = match command {
        BLKGETSIZE64 if pointer_bytes == 8 => capacity,
        BLKGETSIZE64_32 if pointer_bytes == 4 => capacity,
        BLKGETSIZE => capacity / SECTOR_BYTES as u64,
        BLKBSZGET if pointer_bytes == 8 => unit_now(handle).into(),
        BLKBSZGET_32 if pointer_bytes == 4 => unit_now(handle).into(),
        // Disks are numbered as they appear; here nothing else appears.
        BLKGETDISKSEQ => u64::from(mtd.device.index) + 1,
        BLKSSZGET | BLKPBSZGET | BLKIOMIN => SECTOR_BYTES as u64,
        BLKROGET => handle.block().is_read_only(mtd).into(),
        BLKRAGET | BLKFRAGET if argument == 0 => return Err(Errno::INVAL),
        BLKRAGET | BLKFRAGET => READ_AHEAD_SECTORS,
        BLKSECTGET => REQUEST_SECTORS_MAX.into(),
        BLKIOOPT | BLKALIGNOFF | BLKDISCARDZEROES | BLKROTATIONAL | BLKGETZONESZ
        | BLKGETNRZONES => 0,
        _ => return act(handle, command, argument, memory),
    };
    let bytes = answer.to_ne_bytes();
    let width = match command {
        BLKGETSIZE64 | BLKGETSIZE64_32 | BLKGETDISKSEQ => 8,
        BLKGETSIZE | BLKRAGET | BLKFRAGET => pointer_bytes,
        BLKSECTGET | BLKROTATIONAL => 2,
        _ => 4,
    };
    if width < 8 && answer >> (8 * width) != 0 {
        return Err(Errno::FBIG);
    }
    let bytes = match cfg!(target_endian = "big") {
        true => &bytes[8 - width..],
        false => &bytes[..width],
    };
    memory.write(argument, bytes).map(|()| 0)
}

/// The commands that do something.
fn act(
    handle: &mut Handle,
    command: u32,
    argument: u64,
    memory: &mut dyn UserMemory,
) -> Result<i32, Errno> {
    let administrator = handle.administrator;
    let refuse = || Err(Errno::ACCESS);
    match command {
        BLKFLSBUF | BLKROSET | BLKRASET | BLKFRASET | BLKRRPART if !administrator => refuse(),
        BLKFLSBUF => {
            let mut device = handle.block();
            device.flush_buffers(handle.mtd(), &mut |line| handle.system.note(line));
            Ok(0)
        }
        BLKROSET => {
            let read_only = u32_at(memory, argument)? != 0;
            handle.block().set_read_only = read_only;
            Ok(0)
        }
        BLKRASET | BLKFRASET => Ok(0),
        BLKBSZSET if memory.pointer_bytes() == 8 => set_unit(handle, argument, memory),
        BLKBSZSET_32 if memory.pointer_bytes() == 4 => set_unit(handle, argument, memory),
        // mtdblock takes no partition table (GENHD_FL_NO_PART).
        BLKRRPART => Err(Errno::INVAL),
        BLKPG => partition_table(administrator, argument, memory),
        BLKDISCARD | BLKSECDISCARD if !handle.flags.write => Err(Errno::BADF),
        BLKDISCARD | BLKSECDISCARD => Err(Errno::OPNOTSUPP),
        BLKZEROOUT => zero_out(handle, argument, memory),
        HDIO_GETGEO if argument == 0 => Err(Errno::INVAL),
        _ => Err(Errno::NOTTY),
    }
}

/// The page cache's unit, as BLKBSZSET left it until the last close.
fn unit_now(handle: &Handle) -> u32 {
    let set = handle.block().unit_set;
    set.unwrap_or_else(|| unit_bytes(handle.mtd()))
}

/// BLKBSZSET: a power of two from a sector to a page. Here it changes nothing
/// but what BLKBSZGET answers.
fn set_unit(handle: &Handle, argument: u64, memory: &dyn UserMemory) -> Result<i32, Errno> {
    if !handle.administrator {
        return Err(Errno::ACCESS);
    }
    if argument == 0 {
        return Err(Errno::INVAL);
    }
    let unit = u32_at(memory, argument)?;
    if !unit.is_power_of_two() || !(SECTOR_BYTES as u32..=4096).contains(&unit) {
        return Err(Errno::INVAL);
    }
    handle.block().unit_set = Some(unit);
    Ok(0)
}

/// BLKPG: the device takes no partitions, and has none to delete.
fn partition_table(
    administrator: bool,
    argument: u64,
    memory: &dyn UserMemory,
) -> Result<i32, Errno> {
    const DELETE: u32 = 2;
    const PARTITION_BYTES: usize = 152;
    let operation = u32_at(memory, argument)?;
    let pointer_bytes = memory.pointer_bytes();
    let data = match pointer_bytes {
        8 => u64_at(memory, argument.wrapping_add(16))?,
        _ => u32_at(memory, argument.wrapping_add(12))?.into(),
    };
    if !administrator {
        return Err(Errno::ACCESS);
    }
    there(memory, data, PARTITION_BYTES)?;
    // struct blkpg_partition: start, length (64 bits each), then the number.
    let number = u32_at(memory, data.wrapping_add(16))? as i32;
    match operation {
        DELETE if number > 0 => Err(Errno::NXIO),
        _ => Err(Errno::INVAL),
    }
}

fn zero_out(handle: &Handle, argument: u64, memory: &dyn UserMemory) -> Result<i32, Errno> {
    if !handle.flags.write {
        return Err(Errno::BADF);
    }
    there(memory, argument, 16)?;
    let start = u64_at(memory, argument)?;
    let length = u64_at(memory, argument.wrapping_add(8))?;
    let sector = SECTOR_BYTES as u64;
    if start % sector != 0 || length % sector != 0 {
        return Err(Errno::INVAL);
    }
    let mtd = handle.mtd();
    match start.checked_add(length) {
        Some(end) if length > 0 && end <= capacity_bytes(mtd) => {}
        _ => return Err(Errno::INVAL),
    }
    let mut device = handle.block();
    device.zero_out(mtd, start, length, &mut |line| handle.system.note(line))?;
    Ok(0)
}
