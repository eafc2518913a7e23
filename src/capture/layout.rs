//! Which layout the captured images have, and who says so.
//!
//! Invariant: nothing is guessed. The one layout that may be assumed is the Clear
//! iSpot's, and only where every file has exactly the size that it has there and
//! no more than mtd10, which the iSpot has no node for, is missing.

use super::error::ImportError;
use super::format::TABLE;
use crate::mtd::{ISPOT_TABLE, MtdInfo, ProcMtdEntry, infer_offsets, parse_proc_mtd};
use std::collections::BTreeMap;

/// The partition that the iSpot has no node for.
const ISPOT_WITHOUT_NODE: u32 = 10;

/// A layout, and where it is from.
#[derive(Debug)]
pub(super) struct KnownLayout {
    pub(super) devices: Vec<MtdInfo>,
    /// In words.
    pub(super) from: String,
    pub(super) assumed: bool,
}

/// Finds the layout: the given one, the captured one, or the iSpot's.
pub(super) fn find(
    given: Option<(&str, &[u8])>,
    captured: Option<&[u8]>,
    sizes_bytes: &BTreeMap<u32, u64>,
) -> Result<KnownLayout, ImportError> {
    let given = match given {
        Some((file, text)) => Some((file, parse(file, text)?)),
        None => None,
    };
    let captured = captured.map(|text| parse(TABLE, text)).transpose()?;
    let (entries, from) = match (given, captured) {
        (Some((file, given)), Some(captured)) if given != captured => {
            return Err(ImportError::LayoutsDiffer { file: file.into() });
        }
        (_, Some(captured)) => (captured, "the device's /proc/mtd, as captured".to_owned()),
        (Some((file, given)), None) => (given, format!("the file {file}")),
        (None, None) => return assume_ispot(sizes_bytes),
    };
    Ok(KnownLayout {
        devices: devices(entries),
        from,
        assumed: false,
    })
}

fn parse(file: &str, text: &[u8]) -> Result<Vec<ProcMtdEntry>, ImportError> {
    let entries = parse_proc_mtd(text).map_err(|source| ImportError::BadLayout {
        file: file.into(),
        source,
    })?;
    if entries.is_empty() {
        return Err(ImportError::EmptyLayout { file: file.into() });
    }
    Ok(entries)
}

fn devices(entries: Vec<ProcMtdEntry>) -> Vec<MtdInfo> {
    let mut devices: Vec<MtdInfo> = entries
        .into_iter()
        .map(|e| MtdInfo::new(e.index, e.name, e.size_bytes, e.erase_block_bytes))
        .collect();
    infer_offsets(&mut devices);
    devices
}

fn assume_ispot(sizes_bytes: &BTreeMap<u32, u64>) -> Result<KnownLayout, ImportError> {
    let refuse = |why: String| {
        Err(ImportError::NeedsLayout {
            why: format!(
                "{TABLE} is not in the folder, and the Clear iSpot's layout does not fit: {why}"
            ),
        })
    };
    let devices = devices(parse("of the Clear iSpot", ISPOT_TABLE.as_bytes())?);
    for info in &devices {
        match sizes_bytes.get(&info.index.0) {
            Some(&bytes) if bytes == info.size_bytes => {}
            Some(bytes) => {
                return refuse(format!(
                    "{}.bin has {bytes:#x} bytes, there {:#x}",
                    info.index, info.size_bytes
                ));
            }
            None if info.index.0 == ISPOT_WITHOUT_NODE => {}
            None => return refuse(format!("{}.bin is missing", info.index)),
        }
    }
    let last = devices.last().map_or(0, |info| info.index.0);
    if let Some(more) = sizes_bytes.keys().find(|&&mtd| mtd > last) {
        return refuse(format!("it has no mtd{more}"));
    }
    Ok(KnownLayout {
        devices,
        from: "assumed: the Clear iSpot's, because all files have its sizes".into(),
        assumed: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> BTreeMap<u32, u64> {
        let table = parse("", ISPOT_TABLE.as_bytes()).unwrap();
        table.iter().map(|e| (e.index.0, e.size_bytes)).collect()
    }

    #[test]
    fn the_table_is_the_simulations() {
        let layout = mtd_harness::layout::Layout::ispot();
        let device = mtd_harness::profile::from_layout(&layout, 1);
        assert_eq!(ISPOT_TABLE, device.system.proc_mtd());
    }

    #[test]
    fn only_an_exact_fit_is_assumed() {
        let exact = find(None, None, &sizes()).unwrap();
        assert!(exact.assumed);
        assert_eq!(exact.devices[10].offset_bytes(), Some(0xff_f000));
        let mut without_node = sizes();
        without_node.remove(&10);
        assert!(find(None, None, &without_node).unwrap().assumed);
        for mtd in 0..=10 {
            let mut odd = sizes();
            *odd.get_mut(&mtd).unwrap() -= 1;
            find(None, None, &odd).unwrap_err();
        }
        for mtd in 0..10 {
            let mut fewer = sizes();
            fewer.remove(&mtd);
            find(None, None, &fewer).unwrap_err();
        }
        let mut more = sizes();
        more.insert(11, 0x1000);
        find(None, None, &more).unwrap_err();
    }

    #[test]
    fn a_given_layout_must_be_the_captured_one() {
        let table = ISPOT_TABLE.as_bytes();
        let other = ISPOT_TABLE.replace("ver_2", "ver_3");
        let given = find(Some(("f", table)), None, &sizes()).unwrap();
        assert!(!given.assumed && given.from.contains('f'));
        find(Some(("f", table)), Some(table), &sizes()).unwrap();
        find(Some(("f", table)), Some(other.as_bytes()), &sizes()).unwrap_err();
        find(Some(("f", &table[..60])), None, &sizes()).unwrap_err();
        find(Some(("f", &table[..36])), None, &sizes()).unwrap_err();
    }
}
