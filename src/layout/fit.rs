//! What came unasked, put to the devices of a kernel, chip by chip; see [`claim`].

use super::{PartitionFacts, Reading};
use crate::mtd::MtdInfo;
use crate::mtd::claim::{self, Claim};

/// Puts the facts of a text that came unasked to `devices`, such as the command line of
/// the kernel that has them.
pub(crate) fn place_if_all_fit(devices: &mut [MtdInfo], reading: &Reading) {
    let had_chips = devices.iter().any(|device| device.chip.is_some());
    for (chip, facts_of_chip) in reading.chips.iter().enumerate() {
        let on_it = |(_, facts): &(usize, &PartitionFacts)| facts.chip == Some(chip);
        let parts: Vec<_> = reading
            .partitions
            .iter()
            .enumerate()
            .filter(on_it)
            .collect();
        let claims = parts.iter().map(|(_, facts)| Claim {
            index: facts.index,
            name: &facts.name,
            size_bytes: facts.size_bytes,
        });
        let claims: Vec<_> = claims.collect();
        let Some(owners) = claim::owners(devices, &claims) else {
            continue;
        };
        for ((_, facts), owner) in parts.iter().zip(&owners) {
            let parent = facts
                .parent
                .and_then(|parent| parts.iter().position(|(at, _)| *at == parent));
            let parent = parent.map(|at| devices[owners[at]].index);
            let device = &mut devices[*owner];
            if let Some(told) = facts.offset {
                claim::take_place(device, told);
            }
            if !had_chips {
                device.chip = u32::try_from(chip).ok();
            }
            device.chip_bytes = device.chip_bytes.or(facts_of_chip.size_bytes);
            device.parent = device.parent.or(parent);
            let read_only = facts.read_only;
            if let (None, Some(read_only)) = (device.writeable, read_only) {
                device.writeable = Some(!read_only);
                device.writeable_source = facts.sources.read_only.or(Some(reading.form.source()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::mtd::{FactSource, PartitionOffset, parse_proc_mtd};

    /// A QNAP TS-419P.
    fn devices() -> Vec<MtdInfo> {
        let table = "dev:    size   erasesize  name\n\
            mtd0: 00080000 00040000 \"U-Boot\"\nmtd1: 00200000 00040000 \"Kernel\"\n\
            mtd2: 00900000 00040000 \"RootFS1\"\nmtd3: 00300000 00040000 \"RootFS2\"\n\
            mtd4: 00040000 00040000 \"U-Boot Config\"\n";
        parse_proc_mtd(table.as_bytes()).unwrap()
    }

    /// What came unasked is taken as a whole, chip by chip, or not at all.
    #[test]
    fn unasked_facts_count_where_all_of_a_chip_fit() {
        let text = |parts: &str| read(format!("mtdparts={parts}").as_bytes()).unwrap();
        let whole = "nor:512k(U-Boot),2M@2M(Kernel),9M@4M(RootFS1),3M@13M(RootFS2)";
        let mut some = devices();
        place_if_all_fit(&mut some, &text(&format!("{whole};nand:1M(other)")));
        assert_eq!(some[1].certain_offset_bytes(), Some(0x20_0000));
        assert_eq!(
            (some[1].chip, some[4].chip, some[4].offset),
            (Some(0), None, None)
        );
        for other in ["nor:512k(U-Boot),1M(Kernel)", "nor:512k(U-Boot),2M(Linux)"] {
            let mut none = devices();
            place_if_all_fit(&mut none, &text(other));
            assert!(none.iter().all(|device| device.offset.is_none()), "{other}");
        }
        let mut told = devices();
        told[1].offset = Some(PartitionOffset {
            bytes: 0x30_0000,
            source: FactSource::Sysfs,
        });
        place_if_all_fit(&mut told, &text(whole));
        assert_eq!(told[1].contradictions, ["0x200000 by the command line"]);
        assert_eq!(told[1].offset_bytes(), Some(0x30_0000));
        assert_eq!(told[1].certain_offset_bytes(), None);
    }

    /// A kernel that has its partitions from elsewhere may call two of them alike.
    #[test]
    fn what_could_be_another_is_not_taken() {
        let twice = |parts: &str| {
            let mut found = devices();
            found[1].name = "U-Boot".into();
            found[1].size_bytes = 0x8_0000;
            let reading = read(format!("mtdparts={parts}").as_bytes()).unwrap();
            place_if_all_fit(&mut found, &reading);
            found
                .iter()
                .filter(|device| device.offset.is_some())
                .count()
        };
        assert_eq!(twice("nor:512k(U-Boot),9M(RootFS1)"), 0);
        assert_eq!(twice("nor:9M(RootFS1),9M(RootFS1)"), 0);
        assert_eq!(twice("nor:512k(U-Boot);nand:9M(RootFS1),3M(RootFS2)"), 2);
    }
}
