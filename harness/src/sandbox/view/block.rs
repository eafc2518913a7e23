//! The block nodes in /sys: /sys/block, /sys/class/block and /sys/dev/block, by
//! which lsblk, blkid and udev find them.
//!
//! Source: drivers/mtd/mtd_blkdevs.c (add_mtd_blktrans_dev) and block/genhd.c of
//! Linux 6.1; a disk of MTD's stands below its MTD device.

use crate::mtd::{MTD_BLOCK_MAJOR, MtdDevice, MtdSystem};
use crate::sandbox::view::namespace::{Kind, Namespace};
use crate::sandbox::view::shadow::Shadow;
use std::io;
use std::path::Path;

/// Puts the disks where the kernel links to them.
pub(in crate::sandbox) fn redirect(shadow: &Shadow, system: &MtdSystem, namespace: &mut Namespace) {
    for device in system.devices() {
        for (path, _) in links(device.index, "") {
            let listed = (!Path::new(&path).exists()).then_some(libc::DT_LNK);
            namespace.redirect(path.as_bytes(), &shadow.at(&path), Kind::Pseudo, listed);
        }
    }
}

/// Each link to a disk, with what it contains; `place` is where its MTD device stands.
fn links(index: u32, place: &str) -> [(String, String); 3] {
    let disk = format!("devices/virtual/mtd/{place}/mtdblock{index}");
    [
        (format!("/sys/block/mtdblock{index}"), format!("../{disk}")),
        (
            format!("/sys/class/block/mtdblock{index}"),
            format!("../../{disk}"),
        ),
        (
            format!("/sys/dev/block/{MTD_BLOCK_MAJOR}:{index}"),
            format!("../../{disk}"),
        ),
    ]
}

/// Writes the texts of a device's disk; `place` is where the device stands below
/// `/sys/devices/virtual/mtd`.
pub(in crate::sandbox) fn fill(shadow: &Shadow, device: &MtdDevice, place: &str) -> io::Result<()> {
    let index = device.index;
    let home = format!("/sys/devices/virtual/mtd/{place}/mtdblock{index}");
    for folder in ["holders", "slaves"] {
        shadow.folder(&format!("{home}/{folder}"))?;
    }
    let sectors = device.size_bytes / 512;
    let read_only = u8::from(!device.writeable);
    let texts = [
        ("dev", format!("{MTD_BLOCK_MAJOR}:{index}\n")),
        ("size", format!("{sectors}\n")),
        ("ro", format!("{read_only}\n")),
        ("removable", "0\n".into()),
        ("hidden", "0\n".into()),
        ("range", "1\n".into()),
        ("ext_range", "1\n".into()),
        ("alignment_offset", "0\n".into()),
        ("discard_alignment", "0\n".into()),
        ("capability", "0\n".into()),
        (
            "uevent",
            format!(
                "MAJOR={MTD_BLOCK_MAJOR}\nMINOR={index}\nDEVNAME=mtdblock{index}\nDEVTYPE=disk\n"
            ),
        ),
    ];
    for (name, text) in texts {
        shadow.write(&format!("{home}/{name}"), &text)?;
    }
    for (name, text) in QUEUE {
        shadow.write(&format!("{home}/queue/{name}"), &format!("{text}\n"))?;
    }
    shadow.link(
        &format!("{home}/device"),
        "../../mtd".to_owned() + &index.to_string(),
    )?;
    shadow.link(
        &format!("{home}/subsystem"),
        "../".repeat(home.matches('/').count() - 1) + "class/block",
    )?;
    for (path, target) in links(index, place) {
        shadow.link(&path, target)?;
    }
    Ok(())
}

/// What the queue of a disk without a driver's wishes says of itself.
const QUEUE: [(&str, &str); 15] = [
    ("logical_block_size", "512"),
    ("physical_block_size", "512"),
    ("hw_sector_size", "512"),
    ("minimum_io_size", "512"),
    ("optimal_io_size", "0"),
    ("discard_granularity", "0"),
    ("discard_max_bytes", "0"),
    ("discard_zeroes_data", "0"),
    ("rotational", "0"),
    ("read_ahead_kb", "128"),
    ("scheduler", "[none] mq-deadline"),
    ("write_cache", "write back"),
    ("write_same_max_bytes", "0"),
    ("dax", "0"),
    ("zoned", "none"),
];
