//! The ioctls of a character node on plain NOR.
//!
//! Source of behaviour and of the order of checks: Linux 6.1
//! drivers/mtd/mtdchar.c (mtdchar_ioctl and, for 32-bit pointers,
//! mtdchar_compat_ioctl) and drivers/mtd/mtdcore.c.
//!
//! Order: an unknown command is ENOTTY; then a command that changes flash is
//! EPERM on a handle that is not open for writing, before its argument is
//! looked at; then the argument (EFAULT); then what it says.

use super::handle::{FileMode, Handle};
use super::ioctl_number::*;
use super::memory::{there, u32_at, u64_at};
use super::{EccStats, Mtd, UserMemory, text};
use crate::Errno;
use crate::chip::EraseRegion;

/// MTD_NORFLASH in `mtd_info_user`.
const TYPE_NOR: u32 = 3;
/// The longest OOB transfer that mtdchar takes.
const OOB_BYTES_MAX: u32 = 4096;

pub(super) fn ioctl(
    handle: &mut Handle,
    command: u32,
    argument: u64,
    memory: &mut dyn UserMemory,
) -> Result<i32, Errno> {
    match needs_write(command, memory.pointer_bytes()) {
        None => return Err(Errno::NOTTY),
        Some(true) if !handle.flags.write => return Err(Errno::PERM),
        Some(_) => {}
    }
    match command {
        OTPSELECT => return otp_select(handle, argument, memory),
        MTDFILEMODE => return file_mode(handle, argument),
        BLKPG => return partition_table(handle.administrator, argument, memory),
        _ => {}
    }
    let mtd = handle.mtd();
    match command {
        MEMGETINFO => memory.write(argument, &info(mtd)).map(|()| 0),
        MEMGETREGIONCOUNT => {
            let count = mtd.device.erase_regions.len() as u32;
            memory.write(argument, &count.to_ne_bytes()).map(|()| 0)
        }
        MEMGETREGIONINFO => region(mtd, argument, memory),
        MEMERASE | MEMERASE64 | MEMLOCK | MEMUNLOCK | MEMISLOCKED => {
            on_range(mtd, command, argument, memory)
        }
        MEMWRITEOOB | MEMWRITEOOB_32 | MEMWRITEOOB64 | MEMREADOOB | MEMREADOOB_32
        | MEMREADOOB64 => oob(mtd, command, argument, memory),
        MEMGETBADBLOCK => {
            let offset = u64_at(memory, argument)?;
            match offset < mtd.size_bytes {
                true => Ok(0),
                false => Err(Errno::INVAL),
            }
        }
        MEMSETBADBLOCK => u64_at(memory, argument).and(Err(Errno::OPNOTSUPP)),
        MEMWRITE => there(memory, argument, 48).and(Err(Errno::OPNOTSUPP)),
        MEMREAD | MEMREAD_PACKED => {
            let size = if command == MEMREAD { 64 } else { 60 };
            there(memory, argument, size).and(Err(Errno::OPNOTSUPP))
        }
        ECCGETSTATS => memory.write(argument, &ecc_stats(mtd)).map(|()| 0),
        MEMGETOOBSEL | ECCGETLAYOUT => Err(Errno::OPNOTSUPP),
        // In the normal mode there is nothing one-time-programmable to ask of.
        OTPGETREGIONCOUNT | OTPGETREGIONINFO | OTPLOCK | OTPERASE => Err(Errno::INVAL),
        BLKRRPART => Ok(0),
        _ => Err(Errno::NOTTY),
    }
}

/// MEMREAD as a 32-bit x86 program numbers it: its u64 align to 4 bytes, so
/// `mtd_read_req` has no padding at the end.
const MEMREAD_PACKED: u32 = encode(Encoding::NATIVE, Direction::ReadWrite, b'M', 26, 60);

/// Whether a command needs a handle open for writing; None: no such command.
fn needs_write(command: u32, pointer_bytes: usize) -> Option<bool> {
    match (command, pointer_bytes) {
        (MEMREADOOB, 8) | (MEMREADOOB_32, 4) | (MEMREAD_PACKED, 4) => Some(false),
        (MEMWRITEOOB, 8) | (MEMWRITEOOB_32, 4) => Some(true),
        (MEMREADOOB | MEMREADOOB_32 | MEMWRITEOOB | MEMWRITEOOB_32, _) => None,
        (command, _) => match command {
            MEMGETREGIONCOUNT | MEMGETREGIONINFO | MEMGETINFO | MEMREADOOB64 | MEMREAD
            | MEMISLOCKED | MEMGETOOBSEL | MEMGETBADBLOCK | OTPSELECT | OTPGETREGIONCOUNT
            | OTPGETREGIONINFO | ECCGETLAYOUT | ECCGETSTATS | MTDFILEMODE | BLKPG | BLKRRPART => {
                Some(false)
            }
            MEMERASE | MEMERASE64 | MEMLOCK | MEMUNLOCK | MEMSETBADBLOCK | MEMWRITEOOB64
            | MEMWRITE | OTPLOCK | OTPERASE => Some(true),
            _ => None,
        },
    }
}

/// `mtd_ecc_stats`; there are no bad blocks.
fn ecc_stats(mtd: Mtd<'_>) -> [u8; 16] {
    let EccStats { corrected, failed } = mtd.ecc();
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&corrected.to_ne_bytes());
    bytes[4..8].copy_from_slice(&failed.to_ne_bytes());
    bytes
}

/// `mtd_info_user`; sizes past 32 bits are cut, as the structure demands.
fn info(mtd: Mtd<'_>) -> [u8; 32] {
    let words = [
        // u8 type and three bytes of padding.
        u32::from_ne_bytes([TYPE_NOR as u8, 0, 0, 0]),
        text::flags(mtd.device),
        mtd.size_bytes as u32,
        mtd.device.erase_block_bytes,
        1, // writesize
        0, // oobsize
        0, // a field of old, 64 bits
        0,
    ];
    let mut bytes = [0; 32];
    for (out, word) in bytes.chunks_exact_mut(4).zip(words) {
        out.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// `region_info_user`: the caller's last word says which, the first three are the answer.
fn region(mtd: Mtd<'_>, argument: u64, memory: &mut dyn UserMemory) -> Result<i32, Errno> {
    let index = u32_at(memory, argument.wrapping_add(12))? as usize;
    let regions = &mtd.device.erase_regions;
    let region = regions.get(index).ok_or(Errno::INVAL)?;
    let before = regions[..index].iter();
    let start = before.map(EraseRegion::size_bytes).sum::<u64>();
    let words = [
        start as u32,
        region.erase_block_bytes,
        region.erase_blocks as u32,
    ];
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    memory.write(argument, &bytes).map(|()| 0)
}

/// Commands on `erase_info_user` and `erase_info_user64`: start and length.
fn on_range(
    mtd: Mtd<'_>,
    command: u32,
    argument: u64,
    memory: &dyn UserMemory,
) -> Result<i32, Errno> {
    let (start, length) = match command {
        MEMERASE64 => {
            there(memory, argument, 16)?;
            (
                u64_at(memory, argument)?,
                u64_at(memory, argument.wrapping_add(8))?,
            )
        }
        _ => {
            there(memory, argument, 8)?;
            let start = u32_at(memory, argument)?;
            (
                start.into(),
                u32_at(memory, argument.wrapping_add(4))?.into(),
            )
        }
    };
    match command {
        MEMLOCK => mtd.set_locked(start, length, true).map(|()| 0),
        MEMUNLOCK => mtd.set_locked(start, length, false).map(|()| 0),
        MEMISLOCKED => mtd.is_locked(start, length).map(i32::from),
        _ => mtd.erase(start, length).map(|()| 0),
    }
}

/// OOB on a device that has none (mtdchar_readoob, mtdchar_writeoob). The count
/// of bytes moved, 0, is stored even when the call fails.
fn oob(
    mtd: Mtd<'_>,
    command: u32,
    argument: u64,
    memory: &mut dyn UserMemory,
) -> Result<i32, Errno> {
    // The 32-bit MEMREADOOB stores its count over `start`, all else over `length`.
    let (size, start, length_at, count_at) = match command {
        MEMWRITEOOB64 | MEMREADOOB64 => {
            there(memory, argument, 24)?;
            (24, u64_at(memory, argument)?, 12, 12)
        }
        _ => {
            there(memory, argument, 8 + memory.pointer_bytes())?;
            (8, u32_at(memory, argument)?.into(), 4, 0)
        }
    };
    debug_assert!(length_at < size);
    let length = u32_at(memory, argument.wrapping_add(length_at))?;
    if length > OOB_BYTES_MAX {
        return Err(Errno::INVAL);
    }
    if matches!(command, MEMWRITEOOB | MEMWRITEOOB_32 | MEMWRITEOOB64) {
        return Err(Errno::OPNOTSUPP);
    }
    let answer = match length == 0 && start <= mtd.size_bytes {
        true => Errno::OPNOTSUPP,
        false => Errno::INVAL,
    };
    memory.write(argument.wrapping_add(count_at), &0u32.to_ne_bytes())?;
    Err(answer)
}

fn otp_select(
    handle: &mut Handle,
    argument: u64,
    memory: &mut dyn UserMemory,
) -> Result<i32, Errno> {
    let mode = u32_at(memory, argument)?;
    handle.mode = FileMode::Normal;
    handle.position = 0;
    select(mode.into())
}

fn file_mode(handle: &mut Handle, mode: u64) -> Result<i32, Errno> {
    const RAW: u64 = 3;
    handle.mode = FileMode::Normal;
    if mode == RAW {
        // Without OOB there is no raw mode; the position stays.
        return Err(Errno::OPNOTSUPP);
    }
    handle.position = 0;
    select(mode)
}

/// Off, factory and user area; this chip's driver has neither area.
fn select(mode: u64) -> Result<i32, Errno> {
    match mode {
        0 => Ok(0),
        1 | 2 => Err(Errno::OPNOTSUPP),
        _ => Err(Errno::INVAL),
    }
}

/// BLKPG: only a whole chip can be partitioned, and here every device is a
/// partition already (mtdchar_blkpg_ioctl).
fn partition_table(
    administrator: bool,
    argument: u64,
    memory: &dyn UserMemory,
) -> Result<i32, Errno> {
    const PARTITION_BYTES: usize = 152;
    let pointer_bytes = memory.pointer_bytes();
    // op, flags, datalen, then the pointer on its own boundary.
    let data_at = argument.wrapping_add(if pointer_bytes == 8 { 16 } else { 12 });
    there(
        memory,
        argument,
        data_at.wrapping_sub(argument) as usize + pointer_bytes,
    )?;
    if !administrator {
        return Err(Errno::PERM);
    }
    let data = match pointer_bytes {
        8 => u64_at(memory, data_at)?,
        _ => u32_at(memory, data_at)?.into(),
    };
    there(memory, data, PARTITION_BYTES)?;
    Err(Errno::INVAL)
}
