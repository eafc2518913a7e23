//! Which layout the captured images have, and who says so.
//!
//! Invariant: nothing is guessed. The one layout that may be assumed is the Clear
//! iSpot's, and only where every file has exactly the size that it has there and
//! no more than mtd10, which the iSpot has no node for, is missing. What a given text
//! leaves open (numbers, erase blocks, the size of a chip's rest) is in
//! [`KnownLayout::doubts`].

use super::error::ImportError;
use crate::backup::capture_format::TABLE;
use crate::layout::{self as texts, Form, Reading, describe, place};
use crate::mtd::{ISPOT_TABLE, MtdIndex, MtdInfo, infer_offsets, parse_proc_mtd};
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
    /// What nobody tells of it, in words.
    pub(super) doubts: Vec<String>,
}

/// Finds the layout: the given one, the captured one, or the iSpot's.
pub(super) fn find(
    given: Option<(&str, &[u8])>,
    captured: Option<&[u8]>,
    sizes_bytes: &BTreeMap<u32, u64>,
) -> Result<KnownLayout, ImportError> {
    let captured = captured.map(|text| parse(TABLE, text)).transpose()?;
    match (given, captured) {
        (given, Some(captured)) => of_captured(captured, given),
        (Some((file, text)), None) => of_text(file, text, sizes_bytes),
        (None, None) => assume_ispot(sizes_bytes),
    }
}

/// The captured table; a given text may add to it, and must not contradict it.
fn of_captured(
    mut layout: Vec<MtdInfo>,
    given: Option<(&str, &[u8])>,
) -> Result<KnownLayout, ImportError> {
    let mut from = "the device's /proc/mtd, as captured".to_owned();
    let differs = |file: &str, why: String| ImportError::LayoutsDiffer {
        file: file.into(),
        why,
    };
    if let Some((file, text)) = given {
        let reading = reading(file, text)?;
        if reading.form == Form::ProcMtd && reading.partitions.len() != layout.len() {
            return Err(differs(file, ": it has other partitions".into()));
        }
        let placed = place(&mut layout, &reading);
        let other_blocks = reading.partitions.iter().find(|facts| {
            let device = layout.iter().find(|d| Some(d.index) == facts.index);
            let told = device.zip(facts.erase_block_bytes);
            told.is_some_and(|(device, bytes)| device.erase_block_bytes != bytes)
        });
        if let Some(facts) = other_blocks {
            let line = facts.line;
            return Err(differs(
                file,
                format!(": line {line} has other erase blocks"),
            ));
        }
        if !placed.conflicts.is_empty() {
            let lines = placed.conflicts.iter().map(|c| format!("\n  {c}"));
            return Err(differs(file, format!(":{}", lines.collect::<String>())));
        }
        if reading.form != Form::ProcMtd {
            from += &format!("; and the file {file} ({})", reading.forms());
        }
    }
    infer_offsets(&mut layout);
    Ok(KnownLayout {
        devices: layout,
        from,
        assumed: false,
        doubts: Vec::new(),
    })
}

/// A given text alone, of any form.
fn of_text(
    file: &str,
    text: &[u8],
    sizes_bytes: &BTreeMap<u32, u64>,
) -> Result<KnownLayout, ImportError> {
    let mut reading = reading(file, text)?;
    let mut doubts = Vec::new();
    if let Some(rest) = rest_as_captured(&mut reading, sizes_bytes) {
        doubts.push(format!(
            "that {rest} is whole: by {file} it takes the rest of a chip whose size is not told"
        ));
    }
    let described = describe(&reading, None, None).map_err(|error| bad(file, error))?;
    if described.numbered {
        doubts.push(format!(
            "that the numbers are the device's: {file} {}",
            reading.about_numbers()
        ));
    }
    if described.devices.iter().any(|d| d.erase_block_bytes == 0) && described.numbered {
        doubts.push(format!("how large erase blocks are: {file} does not tell"));
    }
    Ok(KnownLayout {
        devices: described.devices,
        from: match (reading.form, &reading.also[..]) {
            (Form::ProcMtd, []) => format!("the file {file}"),
            _ => format!("the file {file} ({})", reading.forms()),
        },
        assumed: false,
        doubts,
    })
}

/// The rest of a chip whose size the text does not tell has the size of its file.
fn rest_as_captured(reading: &mut Reading, sizes_bytes: &BTreeMap<u32, u64>) -> Option<MtdIndex> {
    let chips = &reading.chips;
    let is_rest = |facts: &texts::PartitionFacts| {
        let chip = facts.chip.and_then(|chip| chips.get(chip));
        facts.size_bytes.is_none() && chip.is_none_or(|chip| chip.size_bytes.is_none())
    };
    let at = reading.partitions.iter().position(is_rest)?;
    let facts = &mut reading.partitions[at];
    let index = facts.index.unwrap_or(MtdIndex(u32::try_from(at).ok()?));
    facts.size_bytes = sizes_bytes.get(&index.0).copied();
    facts.size_bytes.map(|_| index)
}

fn reading(file: &str, text: &[u8]) -> Result<Reading, ImportError> {
    let reading = texts::read(text).map_err(|error| bad(file, error))?;
    if reading.partitions.is_empty() {
        return Err(ImportError::EmptyLayout { file: file.into() });
    }
    Ok(reading)
}

fn bad(file: &str, why: impl std::fmt::Display) -> ImportError {
    ImportError::BadLayout {
        file: file.into(),
        why: why.to_string(),
    }
}

fn parse(file: &str, text: &[u8]) -> Result<Vec<MtdInfo>, ImportError> {
    let devices = parse_proc_mtd(text).map_err(|error| bad(file, error))?;
    if devices.is_empty() {
        return Err(ImportError::EmptyLayout { file: file.into() });
    }
    Ok(devices)
}

fn assume_ispot(sizes_bytes: &BTreeMap<u32, u64>) -> Result<KnownLayout, ImportError> {
    let refuse = |why: String| {
        Err(ImportError::NeedsLayout {
            why: format!(
                "{TABLE} is not in the folder, and the Clear iSpot's layout does not fit: {why}"
            ),
            beside: Vec::new(),
        })
    };
    let mut devices = parse("of the Clear iSpot", ISPOT_TABLE.as_bytes())?;
    infer_offsets(&mut devices);
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
        doubts: Vec::new(),
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
        let fewer = &table[..table.len() - 44];
        find(Some(("f", fewer)), Some(table), &sizes()).unwrap_err();
        let blocks = ISPOT_TABLE.replacen("00020000 \"", "00010000 \"", 1);
        find(Some(("f", blocks.as_bytes())), Some(table), &sizes()).unwrap_err();
        find(Some(("f", &table[..60])), None, &sizes()).unwrap_err();
        find(Some(("f", &table[..36])), None, &sizes()).unwrap_err();
    }

    #[test]
    fn a_text_of_another_form_is_one_too() {
        let sizes = BTreeMap::from([(0, 0x4_0000), (1, 0x7c_0000)]);
        let parts = b"console=ttyS0 mtdparts=nor:256k(boot)ro,-(rest)";
        let known = find(Some(("f", parts)), None, &sizes).unwrap();
        assert_eq!(known.devices[1].size_bytes, 0x7c_0000);
        assert_eq!(known.devices[1].certain_offset_bytes(), Some(0x4_0000));
        assert_eq!(known.doubts.len(), 3, "{:?}", known.doubts);
        assert!(known.from.contains("command line"), "{}", known.from);
        let table = b"dev:    size   erasesize  name\n\
                      mtd0: 00040000 00010000 \"boot\"\nmtd1: 007c0000 00010000 \"rest\"\n";
        let both = find(Some(("f", parts)), Some(table), &sizes).unwrap();
        assert_eq!(both.devices[1].certain_offset_bytes(), Some(0x4_0000));
        assert_eq!(both.devices[1].erase_block_bytes, 0x1_0000);
        assert!(both.doubts.is_empty());
        let other = b"mtdparts=nor:128k(boot),-(rest)";
        let error = find(Some(("f", other)), Some(table), &sizes).unwrap_err();
        assert!(error.to_string().contains("0x20000"), "{error}");
    }
}
