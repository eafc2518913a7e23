//! The texts of `/proc/mtd` and `/sys/class/mtd/mtdN`.
//!
//! Source of the formats: Linux 6.1 drivers/mtd/mtdcore.c (mtd_proc_show and
//! the attributes of mtd_attrs) and drivers/mtd/mtdpart.c (offset).

use super::{MTD_CHAR_MAJOR, MtdDevice};
use std::fmt::Write;

/// Flags of a NOR device: writeable, and single bits can be cleared.
const MTD_WRITEABLE: u32 = 0x400;
const MTD_BIT_WRITEABLE: u32 = 0x800;

/// `flags` of MEMGETINFO and sysfs.
pub(super) fn flags(device: &MtdDevice) -> u32 {
    match device.writeable {
        true => MTD_WRITEABLE | MTD_BIT_WRITEABLE,
        false => MTD_BIT_WRITEABLE,
    }
}

/// The text of `/proc/mtd`.
pub(super) fn proc_mtd(devices: &[MtdDevice]) -> String {
    let mut text = String::from("dev:    size   erasesize  name\n");
    for device in devices {
        let _ = writeln!(
            text,
            "mtd{}: {:08x} {:08x} \"{}\"",
            device.index, device.size_bytes, device.erase_block_bytes, device.name
        );
    }
    text
}

/// The files of `/sys/class/mtd/mtdN`: name and text.
pub(super) fn sysfs(device: &MtdDevice) -> Vec<(&'static str, String)> {
    let zero = || String::from("0\n");
    let minor = device.index * 2;
    vec![
        ("type", "nor\n".into()),
        ("flags", format!("{:#x}\n", flags(device))),
        ("size", format!("{}\n", device.size_bytes)),
        ("erasesize", format!("{}\n", device.erase_block_bytes)),
        ("writesize", "1\n".into()),
        ("subpagesize", "1\n".into()),
        ("oobsize", zero()),
        ("oobavail", zero()),
        (
            "numeraseregions",
            format!("{}\n", device.erase_regions.len()),
        ),
        ("name", format!("{}\n", device.name)),
        ("ecc_strength", zero()),
        ("ecc_step_size", zero()),
        ("corrected_bits", format!("{}\n", device.ecc.corrected)),
        ("ecc_failures", format!("{}\n", device.ecc.failed)),
        ("bad_blocks", zero()),
        ("bbt_blocks", zero()),
        ("bitflip_threshold", zero()),
        ("offset", format!("{}\n", device.offset_in_parent_bytes)),
        ("dev", format!("{MTD_CHAR_MAJOR}:{minor}\n")),
        (
            "uevent",
            format!(
                "MAJOR={MTD_CHAR_MAJOR}\nMINOR={minor}\nDEVNAME=mtd{}\nDEVTYPE=mtd\n",
                device.index
            ),
        ),
    ]
}

/// The files of `/sys/class/mtd/mtdNro`, the read-only twin.
pub(super) fn sysfs_read_only_twin(device: &MtdDevice) -> Vec<(&'static str, String)> {
    let minor = device.index * 2 + 1;
    vec![
        ("dev", format!("{MTD_CHAR_MAJOR}:{minor}\n")),
        (
            "uevent",
            format!(
                "MAJOR={MTD_CHAR_MAJOR}\nMINOR={minor}\nDEVNAME=mtd{}ro\n",
                device.index
            ),
        ),
    ]
}
