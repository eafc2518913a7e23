//! What the captured bytes say of themselves: RedBoot's partition table against
//! the layout, and the checksum in RedBoot's settings.
//!
//! It is evidence and no proof: agreement shows that the layout belongs to these
//! bytes; an empty or foreign partition says nothing. The formats: eCos,
//! packages/redboot (fis.h, fconfig.c); Linux 6.1,
//! drivers/mtd/parsers/redboot.c.

use crate::mtd::MtdInfo;
use std::cmp::Ordering;

/// Partitions by these names hold the formats.
pub(super) const FIS: &str = "FIS directory";
pub(super) const FCONFIG: &str = "RedBoot config";

/// Neither is larger than an erase block of its time.
pub(super) const SIZE_BYTES_MAX: u64 = 1 << 20;

const FIS_RECORD_BYTES: usize = 256;

/// No flash of RedBoot's time has smaller erase blocks.
const FIS_UNIT_BYTES: u64 = 4096;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// For it, in words.
    pub(super) proven: Vec<String>,
    /// Against it, in words.
    pub(super) against: Vec<String>,
    /// The bytes contradict the layout.
    pub(super) contradicts_layout: bool,
}

/// Looks at RedBoot's partition table.
pub(super) fn of_fis(data: &[u8], layout: &[MtdInfo], evidence: &mut Evidence) {
    let Some(chip_bytes) = chip_bytes(layout) else {
        return;
    };
    let Some(records) = fis_records(data, chip_bytes) else {
        return;
    };
    let mut agree = 0;
    for info in layout {
        let Some(record) = records.iter().find(|record| record.name == info.name) else {
            continue;
        };
        // These two share an erase block, and the table tells whole ones.
        let whole = info.name != FIS && info.name != FCONFIG;
        let Some(offset_bytes) = info.offset_bytes() else {
            continue;
        };
        let same_block = |a: u64, b: u64| match info.erase_block_bytes {
            0 => a == b,
            block_bytes => a / block_bytes == b / block_bytes,
        };
        let fits = if whole {
            record.offset_bytes == offset_bytes && record.size_bytes == info.size_bytes
        } else {
            same_block(record.offset_bytes, offset_bytes)
        };
        if fits {
            agree += 1;
        } else {
            evidence.contradicts_layout = true;
            evidence.against.push(format!(
                "RedBoot's partition table has {:?} at {:#x} with {:#x} bytes, the layout at {offset_bytes:#x} with {:#x}",
                info.name, record.offset_bytes, record.size_bytes, info.size_bytes
            ));
        }
    }
    if agree >= 2 && !evidence.contradicts_layout {
        evidence.proven.push(format!(
            "RedBoot's partition table agrees with the layout on {agree} partitions"
        ));
    }
}

/// Looks at RedBoot's settings.
pub(super) fn of_fconfig(data: &[u8], evidence: &mut Evidence) {
    match fconfig_is_whole(data) {
        Some(true) => evidence
            .proven
            .push("RedBoot's settings have the checksum that they carry".into()),
        Some(false) => evidence
            .against
            .push("RedBoot's settings do not have the checksum that they carry".into()),
        None => {}
    }
}

/// The chip's size: as somebody tells it, or where the last partition ends. RedBoot's
/// chips are powers of two, and its table tells places by the low bits of addresses.
fn chip_bytes(layout: &[MtdInfo]) -> Option<u64> {
    let table = layout.iter().find(|info| info.name == FIS)?;
    let on_it = |info: &&MtdInfo| info.chip == table.chip;
    let mut ends = layout
        .iter()
        .filter(on_it)
        .map(|info| info.offset_bytes()?.checked_add(info.size_bytes));
    let last = ends.try_fold(0, |last: u64, end| Some(last.max(end?)));
    let bytes = table.chip_bytes.or(last)?;
    bytes.is_power_of_two().then_some(bytes)
}

struct FisRecord {
    name: String,
    offset_bytes: u64,
    size_bytes: u64,
}

/// The table's records; none where it is no such table.
fn fis_records(data: &[u8], chip_bytes: u64) -> Option<Vec<FisRecord>> {
    let mut raw = Vec::new();
    for record in data.chunks_exact(FIS_RECORD_BYTES) {
        match (record[0], record[1]) {
            (0xff, 0xff) => break,
            (0xff, _) => continue, // deleted
            _ => {}
        }
        let name = record[..16].split(|byte| *byte == 0).next()?;
        let printable = !name.is_empty() && name.iter().all(|b| (b' '..=b'~').contains(b));
        if !printable {
            return None;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        raw.push((name, word(record, 16)?, word(record, 24)?));
    }
    let read = |turn: fn(u32) -> u32| -> Vec<FisRecord> {
        raw.iter()
            .map(|(name, base, size)| FisRecord {
                name: name.clone(),
                // An address of the processor; the chip decodes its low bits.
                offset_bytes: u64::from(turn(*base)) & (chip_bytes - 1),
                size_bytes: u64::from(turn(*size)),
            })
            .collect()
    };
    // The wrong order of bytes makes whole erase blocks into odd numbers.
    let sensible = |records: &[FisRecord]| {
        let fits = |r: &&FisRecord| {
            r.size_bytes <= chip_bytes
                && r.size_bytes % FIS_UNIT_BYTES == 0
                && r.offset_bytes % FIS_UNIT_BYTES == 0
        };
        records.iter().filter(fits).count()
    };
    let (little, big) = (read(|word| word), read(u32::swap_bytes));
    match sensible(&little).cmp(&sensible(&big)) {
        Ordering::Greater => Some(little),
        Ordering::Less => Some(big),
        // It says nothing, because nobody can tell how to read it.
        Ordering::Equal => None,
    }
}

/// Whether a config block has its own checksum; none where it is no such block.
fn fconfig_is_whole(data: &[u8]) -> Option<bool> {
    const MAGIC: u32 = 0x0bad_face;
    const END: u32 = 0xdead_dead;
    let turn: fn(u32) -> u32 = match word(data, 4)? {
        MAGIC => |word| word,
        other if other.swap_bytes() == MAGIC => u32::swap_bytes,
        _ => return None,
    };
    let length = usize::try_from(turn(word(data, 0)?)).ok()?;
    if length < 20 || length > data.len() {
        return Some(false);
    }
    // This checksum starts at 0 and is not inverted at the end; crc32fast does
    // both the other way round.
    let mut hasher = crc32fast::Hasher::new_with_initial(!0);
    hasher.update(&data[..length - 4]);
    let crc = !hasher.finalize();
    Some(turn(word(data, length - 8)?) == END && turn(word(data, length - 4)?) == crc)
}

/// A little-endian word.
fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::SimulatedBackend;
    use crate::mtd::{MtdBackend as _, infer_offsets};
    use mtd_harness::profile;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    fn ispot() -> (Vec<MtdInfo>, Vec<u8>, Vec<u8>) {
        let device = profile::ispot(3);
        let (fis, config) = (device.partition_bytes(9), device.partition_bytes(10));
        let mut layout = SimulatedBackend::new(device).devices().unwrap();
        layout.iter_mut().for_each(|info| info.offset = None);
        assert!(infer_offsets(&mut layout));
        (layout, fis, config)
    }

    fn look(layout: &[MtdInfo], fis: &[u8], config: &[u8]) -> Evidence {
        let mut evidence = Evidence::default();
        of_fis(fis, layout, &mut evidence);
        of_fconfig(config, &mut evidence);
        evidence
    }

    #[test]
    fn the_ispots_bytes_speak_for_its_layout() {
        let (layout, fis, config) = ispot();
        let evidence = look(&layout, &fis, &config);
        assert_eq!(evidence.proven.len(), 2, "{evidence:?}");
        assert!(evidence.against.is_empty());
    }

    /// A table of a big-endian RedBoot, as of an NSLU2.
    #[test]
    fn a_table_of_either_byte_order_is_understood() {
        let (layout, mut fis, config) = ispot();
        let little = look(&layout, &fis, &config);
        for record in fis.chunks_exact_mut(FIS_RECORD_BYTES) {
            for at in [16, 24] {
                record[at..at + 4].reverse();
            }
        }
        assert_eq!(look(&layout, &fis, &config), little);
    }

    #[test]
    fn another_order_is_contradicted() {
        let (mut layout, fis, config) = ispot();
        let (a, b) = (layout[2].name.clone(), layout[5].name.clone());
        (layout[2].name, layout[5].name) = (b, a);
        let evidence = look(&layout, &fis, &config);
        assert!(evidence.contradicts_layout);
        assert_eq!(evidence.against.len(), 2);
    }

    /// Whoever told the places: a boot log is compared as sums are, and so are partitions
    /// that overlap.
    #[test]
    fn places_that_somebody_told_are_compared() {
        let (mut layout, fis, _) = ispot();
        let boot_log = crate::mtd::FactSource::BootLog;
        for info in &mut layout {
            info.offset.as_mut().unwrap().source = boot_log;
            info.chip_bytes = None;
        }
        let mut inner = layout[3].clone();
        (inner.index.0, inner.name) = (11, "rootfs_data".into());
        layout.push(inner);
        let mut evidence = Evidence::default();
        of_fis(&fis, &layout, &mut evidence);
        assert_eq!(
            (evidence.proven.len(), evidence.against.len()),
            (1, 0),
            "{evidence:?}"
        );
        layout[4].offset.as_mut().unwrap().bytes += 0x2_0000;
        let mut evidence = Evidence::default();
        of_fis(&fis, &layout, &mut evidence);
        assert_eq!(evidence.against.len(), 1, "{evidence:?}");
        // Nobody tells how large the chip is.
        layout[4].offset = None;
        let mut evidence = Evidence::default();
        of_fis(&fis, &layout, &mut evidence);
        assert_eq!(evidence, Evidence::default());
    }

    #[test]
    fn a_changed_setting_has_not_its_checksum() {
        let (layout, fis, mut config) = ispot();
        config[100] ^= 4;
        let evidence = look(&layout, &fis, &config);
        assert_eq!(evidence.against.len(), 1, "{evidence:?}");
        assert!(!evidence.contradicts_layout);
    }

    #[test]
    fn erased_flash_says_nothing() {
        let (layout, ..) = ispot();
        let erased = vec![0xff; 0x1f000];
        let evidence = look(&layout, &erased, &erased[..0x1000]);
        assert_eq!(evidence, Evidence::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..700)) {
            // Made once: it takes longer than looking.
            static LAYOUT: LazyLock<Vec<MtdInfo>> = LazyLock::new(|| ispot().0);
            look(&LAYOUT, &data, &data);
        }
    }
}
