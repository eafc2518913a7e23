//! Offsets where nobody tells them.
//!
//! Invariant: an inferred offset is marked as such ([`FactSource::Sum`]), unless
//! the layout is one whose offsets are known, and one that the kernel or the
//! simulation told is never replaced.
//!
//! Kernels before 4.1 tell no offset at all. On a device with one chip that is
//! partitioned from end to end, as boot loaders of the time did it, each
//! partition starts where the one before ends.

use super::info::{FactSource, MtdInfo, PartitionOffset};
use super::proc_mtd::parse_proc_mtd;

/// What the Clear iSpot's `/proc/mtd` says.
pub(crate) const ISPOT_TABLE: &str = "\
dev:    size   erasesize  name
mtd0: 00040000 00020000 \"RedBoot\"
mtd1: 00020000 00020000 \"param\"
mtd2: 00120000 00020000 \"linux\"
mtd3: 00600000 00020000 \"rootfs\"
mtd4: 00100000 00020000 \"system\"
mtd5: 00120000 00020000 \"linux_2\"
mtd6: 00600000 00020000 \"rootfs_2\"
mtd7: 00020000 00020000 \"ver_1\"
mtd8: 00020000 00020000 \"ver_2\"
mtd9: 0001f000 00020000 \"FIS directory\"
mtd10: 00001000 00020000 \"RedBoot config\"
";

/// Fills in running sums of the sizes as offsets, where no device has an offset
/// yet and the sizes look like one fully partitioned chip: the same erase-block
/// size everywhere, no size 0, at least two partitions, a total that is a power
/// of two and whole erase blocks (as chips are). A first device that is as large as
/// all others together is the whole chip listed beside its parts. Returns whether it
/// did.
pub(crate) fn infer_offsets(devices: &mut [MtdInfo]) -> bool {
    let Some(first) = devices.first() else {
        return false;
    };
    let erase_block_bytes = first.erase_block_bytes;
    let total_bytes = devices
        .iter()
        .try_fold(0_u64, |sum, device| sum.checked_add(device.size_bytes));
    let Some(mut total_bytes) = total_bytes else {
        return false;
    };
    let whole_bytes = first.size_bytes;
    let is_whole = devices.len() > 2 && whole_bytes == total_bytes - whole_bytes;
    if is_whole {
        total_bytes = whole_bytes;
    }
    let fits = devices.len() >= 2
        && devices.iter().all(|device| {
            device.offset.is_none()
                && device.size_bytes > 0
                && device.erase_block_bytes == erase_block_bytes
        })
        && erase_block_bytes > 0
        && total_bytes.is_power_of_two()
        && total_bytes % erase_block_bytes == 0
        && whole_bytes != total_bytes - whole_bytes;
    if fits {
        let source = if is_ispot(devices) {
            FactSource::Known
        } else {
            FactSource::Sum
        };
        let mut bytes = 0;
        for (at, device) in devices.iter_mut().enumerate() {
            device.offset = Some(PartitionOffset { bytes, source });
            if at > 0 || !is_whole {
                bytes += device.size_bytes;
            }
        }
    }
    fits
}

/// Whether this is the Clear iSpot's layout: RedBoot's own table on the iSpot has
/// each partition at its running sum.
fn is_ispot(devices: &[MtdInfo]) -> bool {
    let known = parse_proc_mtd(ISPOT_TABLE.as_bytes()).unwrap_or_default();
    let same = known.iter().zip(devices).all(|(known, device)| {
        known.name == device.name
            && known.size_bytes == device.size_bytes
            && known.erase_block_bytes == device.erase_block_bytes
    });
    known.len() == devices.len() && same
}
