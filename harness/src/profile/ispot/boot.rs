//! The small partitions: boot loader, factory parameters, version counters, FIS
//! directory and RedBoot config.

use super::super::noise::{Look, Noise};
use super::FLASH_BASE;
use crate::format::fconfig::{self, ConfigItem, ConfigValue, Enable};
use crate::format::fis::{self, FisEntry};
use crate::format::{ByteOrder, crc32};
use crate::layout::Layout;

/// Bytes of the boot loader in use.
pub(super) const LOADER_BYTES: u64 = 0x2_8000;

/// Where RedBoot loads a kernel to and jumps to; invented.
const KERNEL_ADDRESS: u32 = 0x0080_8000;

/// Where the second copy of the parameters starts.
const PARAM_COPY_BYTES: usize = 0x1_0000;
const PARAM_BYTES: usize = 0x1000;

fn put(cells: &mut [u8], at: usize, bytes: &[u8]) {
    cells[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Some bytes that depend on the seed alone.
fn bytes<const N: usize>(seed: u64, name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    Noise::new(seed, name, Look::Compressed).fill(0, &mut bytes);
    bytes
}

/// An erase block of the boot loader.
pub(super) fn loader(seed: u64, index: usize, cells: &mut [u8]) {
    let start = index as u64 * cells.len() as u64;
    let used = LOADER_BYTES.saturating_sub(start).min(cells.len() as u64) as usize;
    Noise::new(seed, "boot loader", Look::Code).fill(start, &mut cells[..used]);
    cells[used..].fill(0xff);
    if index == 0 {
        // ARM's eight exception vectors, `ldr pc, [pc, #24]` each.
        for vector in 0..8 {
            put(cells, vector * 4, &0xe59f_f018_u32.to_le_bytes());
        }
        put(cells, 0x100, b"RedBoot - simulated, not executable\0");
    }
}

/// The MAC address: locally administered, so that it is nobody's.
pub(super) fn mac_address(seed: u64) -> [u8; 6] {
    let [a, b, c] = bytes(seed, "mac address");
    [0x02, 0x16, 0x08, a, b, c]
}

/// The factory's parameters, in a format of our own invention: a header with
/// length and checksum, MAC address, serial number, a table of calibration
/// values for 512 frequencies; twice.
pub(super) fn param(seed: u64, cells: &mut [u8]) {
    cells.fill(0xff);
    let mut record = [0; PARAM_BYTES];
    put(&mut record, 0, b"PARM\x01\0\0\0");
    put(&mut record, 8, &(PARAM_BYTES as u32).to_le_bytes());
    put(&mut record, 16, &mac_address(seed));
    let [a, b, c, d] = bytes(seed, "serial number");
    let serial = format!("SIM{:010}", u32::from_le_bytes([a, b, c, d]));
    put(&mut record, 32, serial.as_bytes());
    put(&mut record, 64, b"IMW-C615W");
    // A curve with a little noise, as measured gains are.
    let noise: [u8; 512] = bytes(seed, "calibration");
    for (index, noise) in noise.iter().enumerate() {
        let step = index as i32 - 256;
        let value = (2400 - step * step / 64 + i32::from(noise % 16)) as i16;
        put(&mut record, 1024 + index * 2, &value.to_le_bytes());
    }
    let crc = crc32(&record[..PARAM_BYTES - 4]);
    put(&mut record, PARAM_BYTES - 4, &crc.to_le_bytes());
    put(cells, 0, &record);
    put(cells, PARAM_COPY_BYTES, &record);
}

/// A version counter, in a format of our own invention: one record of 16 bytes
/// per update of this firmware image, the last one counts; NOR can append
/// without erasing.
pub(super) fn version_counter(image: u8, cells: &mut [u8]) {
    cells.fill(0xff);
    // The updater writes the image that is not running, so they take turns:
    // image 1 got updates 1 and 3, image 2 updates 2 and 4.
    for (index, update) in [u32::from(image), u32::from(image) + 2]
        .into_iter()
        .enumerate()
    {
        let at = index * 16;
        put(cells, at, b"VERS");
        put(cells, at + 4, &update.to_le_bytes());
        put(cells, at + 8, &(!update).to_le_bytes());
        put(cells, at + 12, &[1, update as u8, 0, 0]);
    }
}

/// The erase block that FIS directory and RedBoot config share. `checksums`:
/// first erase block, bytes in use and their checksum of what RedBoot loads.
pub(super) fn directory_and_config(seed: u64, checksums: &[(u64, u32, u32)], cells: &mut [u8]) {
    let layout = Layout::ispot();
    let erase_block_bytes = u64::from(layout.chips[0].geometry.erase_block_bytes);
    let entries: Vec<_> = layout
        .partitions()
        .map(|(_, partition)| {
            let first = partition.offset_bytes / erase_block_bytes;
            let known = checksums.iter().find(|(block, ..)| *block == first);
            let is_kernel = partition.name.starts_with("linux");
            let address = if is_kernel { KERNEL_ADDRESS } else { 0 };
            let size_bytes = partition.size_bytes as u32;
            FisEntry {
                name: partition.name.clone(),
                flash_base: FLASH_BASE + partition.offset_bytes as u32,
                mem_base: address,
                size_bytes,
                entry_point: address,
                // What changes while the device runs has no checksum.
                data_length_bytes: known.map_or(size_bytes, |&(_, length, _)| length),
                desc_cksum: 0,
                file_cksum: known.map_or(0, |&(.., checksum)| checksum),
            }
        })
        .collect();
    let config_bytes = 4096;
    let table_bytes = cells.len() - config_bytes;
    let (table, config) = cells.split_at_mut(table_bytes);
    fis::encode(&entries, ByteOrder::Little, table);
    let items = config_items(seed);
    config.copy_from_slice(&fconfig::encode(&items, ByteOrder::Little, config_bytes));
}

/// Settings as RedBoot has them for such a board.
fn config_items(seed: u64) -> Vec<ConfigItem> {
    let item = |name: &str, key: Option<(&str, bool)>, value| ConfigItem {
        name: name.into(),
        enable: key.map(|(key, sense)| Enable {
            key: key.into(),
            sense,
        }),
        value,
    };
    let script =
        "fis load linux\nexec -c \"console=ttyS0,115200 root=/dev/mtdblock3 rootfstype=jffs2\"\n";
    let scripted = Some(("boot_script", true));
    let not_bootp = Some(("bootp", false));
    vec![
        item("boot_script", None, ConfigValue::Bool(true)),
        item(
            "boot_script_data",
            scripted,
            ConfigValue::Script(script.into()),
        ),
        item("boot_script_timeout", scripted, ConfigValue::Int(2)),
        item("bootp", None, ConfigValue::Bool(false)),
        item("bootp_my_gateway_ip", not_bootp, ConfigValue::Ip([0; 4])),
        item("bootp_my_ip", not_bootp, ConfigValue::Ip([192, 168, 1, 1])),
        item(
            "bootp_my_ip_mask",
            not_bootp,
            ConfigValue::Ip([255, 255, 255, 0]),
        ),
        item("bootp_server_ip", None, ConfigValue::Ip([192, 168, 1, 100])),
        item("console_baud_rate", None, ConfigValue::Int(115_200)),
        item("dns_ip", None, ConfigValue::Ip([0; 4])),
        item("eth0_esa", None, ConfigValue::Mac(mac_address(seed))),
        item("gdb_port", None, ConfigValue::Int(9000)),
        item("info_console_force", None, ConfigValue::Bool(false)),
        item("net_debug", None, ConfigValue::Bool(false)),
        item("net_device", None, ConfigValue::NetPort("eth0".into())),
    ]
}
