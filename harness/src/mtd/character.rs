//! Reading and writing a character node.
//!
//! Source of behaviour: Linux 6.1 drivers/mtd/mtdchar.c, mtdchar_read and
//! mtdchar_write, which copy through a kernel buffer chunk by chunk.
//!
//! Faults tolerated: a read that the fault overlay shortens ends the call
//! short. Linux would ask the driver again for the rest; passing the shortness
//! on is what a caller's handling of short reads can be tested with.

use super::access::{Mtd, Transfer};
use crate::Errno;

/// Size of that kernel buffer: the largest kmalloc with 4 KiB pages
/// (mtd_kmalloc_up_to in drivers/mtd/mtdcore.c; less when memory is short).
pub(super) const CHUNK_BYTES: usize = 4 << 20;

/// Reads: clamped at the end, 0 at or past it. An error in a later chunk
/// answers the error although the position has moved over the earlier ones.
pub(super) fn read(mtd: Mtd<'_>, at: u64, buf: &mut [u8]) -> Transfer {
    let left = mtd.size_bytes.saturating_sub(at);
    let wanted = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut done = 0;
    while done < wanted {
        let end = wanted.min(done + CHUNK_BYTES);
        match read_chunk(mtd, at + done as u64, &mut buf[done..end]) {
            Ok(length) => {
                let short = length < end - done;
                done += length;
                if short {
                    break;
                }
            }
            Err(error) => {
                return Transfer {
                    moved_bytes: done as u64,
                    answer: Err(error),
                };
            }
        }
    }
    Ok(done).into()
}

/// An ECC error does not fail a read: the data come as they are.
fn read_chunk(mtd: Mtd<'_>, at: u64, buf: &mut [u8]) -> Result<usize, Errno> {
    match mtd.read(at, buf) {
        Err(Errno::BADMSG | Errno::UCLEAN) => Ok(buf.len()),
        other => other,
    }
}

/// Writes: ENOSPC at or past the end even for length 0, short across the end.
/// An error in a later chunk answers the error although earlier ones landed.
pub(super) fn write(mtd: Mtd<'_>, at: u64, data: &[u8]) -> Transfer {
    if at >= mtd.size_bytes {
        return Err(Errno::NOSPC).into();
    }
    let left = usize::try_from(mtd.size_bytes - at).unwrap_or(usize::MAX);
    let data = &data[..data.len().min(left)];
    let mut done = 0;
    while done < data.len() {
        let end = data.len().min(done + CHUNK_BYTES);
        match mtd.write(at + done as u64, &data[done..end]) {
            Ok(()) => done = end,
            // ENOSPC counts only if nothing could be written at all.
            Err(Errno::NOSPC) if done > 0 => break,
            Err(error) => {
                return Transfer {
                    moved_bytes: done as u64,
                    answer: Err(error),
                };
            }
        }
    }
    Ok(done).into()
}
