//! Several forms in one text, such as a console's log with the boot loader's list, the
//! command line, the kernel's messages and a `cat /proc/mtd` at the end.
//!
//! Invariants: the first form has the partitions, and the others add what it does not
//! tell; none takes anything away. What the kernel itself says twice, in its table and in
//! its messages, must agree. A boot loader's list and a command line are what others
//! wanted: they count where all that they say of a chip is so, and are told where not.

use super::error::LayoutTextError;
use super::{ChipFacts, Conflict, Form, PartitionFacts, Reading, place, place_if_all_fit};
use crate::mtd::{MtdIndex, MtdInfo};

/// One reading of all.
pub(super) fn merged(
    readings: Vec<Result<Reading, LayoutTextError>>,
) -> Result<Reading, LayoutTextError> {
    let has_partitions = |reading: &Result<Reading, LayoutTextError>| {
        reading.as_ref().map_or(true, |r| !r.partitions.is_empty())
    };
    let first = readings.iter().position(has_partitions).unwrap_or(0);
    let mut readings: Vec<_> = readings.into_iter().map(Some).collect();
    let base = readings.get_mut(first).and_then(Option::take);
    let mut base = base.unwrap_or(Err(LayoutTextError::Unknown))?;
    for other in readings.into_iter().flatten() {
        match other {
            Ok(other) => add(&mut base, &other)?,
            Err(error) => base
                .remarks
                .push(format!("not all of it was read: {error}")),
        }
    }
    Ok(base)
}

/// Whether it is the kernel's own word on its partitions.
fn is_of_the_kernel(form: Form) -> bool {
    matches!(form, Form::Own | Form::ProcMtd | Form::BootLog)
}

/// Adds what another form tells.
fn add(base: &mut Reading, other: &Reading) -> Result<(), LayoutTextError> {
    base.also.push(other.form);
    let understood = |line: usize| !other.skipped.iter().any(|skipped| skipped.line == line);
    base.skipped.retain(|skipped| !understood(skipped.line));
    if let ([chip], [other]) = (&mut base.chips[..], &other.chips[..]) {
        chip.size_bytes = chip.size_bytes.or(other.size_bytes);
        chip.erase_block_bytes = chip.erase_block_bytes.or(other.erase_block_bytes);
    }
    let mut devices: Vec<MtdInfo> = (0..).zip(&base.partitions).map(device).collect();
    let placed = place(&mut devices.clone(), other);
    let conflicts = listed(&placed.conflicts);
    if conflicts.is_empty() || is_of_the_kernel(other.form) {
        if !conflicts.is_empty() {
            return Err(LayoutTextError::Contradiction {
                form: base.form,
                other: other.form,
                conflicts,
            });
        }
        place(&mut devices, other);
    } else {
        place_if_all_fit(&mut devices, other);
        base.remarks.push(format!(
            "{} and {} in it do not agree, and the former counts:{conflicts}",
            base.form, other.form
        ));
    }
    take(base, other, &devices);
    Ok(())
}

fn listed(conflicts: &[Conflict]) -> String {
    let lines = conflicts.iter().map(|conflict| format!("\n  {conflict}"));
    lines.collect()
}

/// A partition as a device that has its number, or its place as one.
fn device((at, facts): (u32, &PartitionFacts)) -> MtdInfo {
    let mut device = MtdInfo::new(
        facts.index.unwrap_or(MtdIndex(at)),
        facts.name.clone(),
        facts.size_bytes.unwrap_or(0),
        facts.erase_block_bytes.unwrap_or(0),
    );
    device.offset = facts.offset;
    device.chip = facts.chip.and_then(|chip| u32::try_from(chip).ok());
    device.writeable = facts.read_only.map(|read_only| !read_only);
    device.writeable_source = facts.sources.read_only;
    device
}

/// Takes over what was put to the devices, one for each partition.
fn take(base: &mut Reading, other: &Reading, devices: &[MtdInfo]) {
    let had_chips = !base.chips.is_empty();
    if !had_chips {
        base.chips.clone_from(&other.chips);
    }
    let place_of = |index: MtdIndex| devices.iter().position(|device| device.index == index);
    for (facts, device) in base.partitions.iter_mut().zip(devices) {
        // Somebody denies it: then nobody knows.
        if device.contradictions.is_empty() {
            facts.offset = facts.offset.or(device.offset);
        }
        if !had_chips {
            facts.chip = device.chip.map(|chip| chip as usize);
        }
        facts.parent = facts.parent.or(device.parent.and_then(place_of));
        if let (None, Some(writeable)) = (facts.read_only, device.writeable) {
            facts.read_only = Some(!writeable);
            facts.sources.read_only = device.writeable_source;
        }
    }
    let is_used = |chip: usize| base.partitions.iter().any(|p| p.chip == Some(chip));
    let used: Vec<usize> = (0..base.chips.len())
        .filter(|chip| is_used(*chip))
        .collect();
    if !had_chips && used.len() < base.chips.len() {
        // A chip of which nothing was taken.
        let kept: Vec<ChipFacts> = used.iter().map(|chip| base.chips[*chip].clone()).collect();
        base.chips = kept;
        for facts in &mut base.partitions {
            facts.chip = facts
                .chip
                .and_then(|chip| used.iter().position(|u| *u == chip));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::mtd::FactSource;

    const LOG: &str = "\
[    0.0] Kernel command line: console=ttyS0 mtdparts=spi0.0:64k(boot)ro,-(firmware)
[    0.5] Creating 2 MTD partitions on \"spi0.0\":
[    0.5] 0x000000000000-0x000000010000 : \"boot\"
[    0.5] 0x000000010000-0x000000100000 : \"firmware\"
[    0.6] 1 uimage-fw partitions found on MTD device firmware
[    0.6] Creating 1 MTD partitions on \"firmware\":
[    0.6] 0x000000020000-0x0000000f0000 : \"rootfs\"
";
    const TABLE: &str = "\
root@router:~# cat /proc/mtd
dev:    size   erasesize  name
mtd3: 00010000 00010000 \"boot\"
mtd4: 000f0000 00010000 \"firmware\"
mtd5: 000d0000 00010000 \"rootfs\"
";

    /// A session from power on to the prompt: each form adds its part.
    #[test]
    fn a_whole_session() {
        let flinfo = "Bank # 1: FLASH  Size: 1 MB in 16 Sectors\n";
        let found = read(format!("{flinfo}{LOG}{TABLE}").as_bytes()).unwrap();
        assert_eq!(found.form, Form::ProcMtd);
        assert_eq!(found.also, [Form::BootLog, Form::UBoot, Form::CommandLine]);
        assert_eq!(found.remarks, [""; 0]);
        let lines: Vec<_> = found.skipped.iter().map(|skipped| skipped.line).collect();
        assert_eq!(lines, [9], "{:?}", found.skipped);
        let got: Vec<_> = found
            .partitions
            .iter()
            .map(|p| {
                (
                    p.index.unwrap().0,
                    p.offset.unwrap().bytes,
                    p.erase_block_bytes,
                    p.parent,
                    p.read_only,
                )
            })
            .collect();
        let block = Some(0x1_0000);
        assert_eq!(
            got,
            [
                (3, 0, block, None, Some(true)),
                (4, 0x1_0000, block, None, None),
                (5, 0x3_0000, block, Some(1), None),
            ]
        );
        assert_eq!(found.chips[0].size_bytes, Some(1 << 20));
        let source = found.partitions[0].offset.unwrap().source;
        assert_eq!(source, FactSource::BootLog);
    }

    /// What the kernel says in two ways must be the same.
    #[test]
    fn a_table_and_a_log_that_differ() {
        for other in [
            TABLE.replace("000d0000", "000c0000"),
            TABLE.replace("rootfs", "ubi"),
        ] {
            let error = read(format!("{LOG}{other}").as_bytes()).unwrap_err();
            assert!(
                matches!(error, LayoutTextError::Contradiction { .. }),
                "{error}"
            );
            assert!(error.to_string().contains("line 7"), "{error}");
        }
    }

    /// What the kernel was told and did not do is said, and is not so.
    #[test]
    fn a_command_line_that_was_not_obeyed() {
        let log = LOG.replace("64k(boot)ro", "128k(boot)ro");
        let found = read(log.as_bytes()).unwrap();
        assert_eq!(found.form, Form::BootLog);
        assert_eq!(found.partitions[0].size_bytes, Some(0x1_0000));
        assert_eq!(found.partitions[0].read_only, None);
        let told = &found.remarks[0];
        assert!(
            told.contains("0x10000") && told.contains("0x20000"),
            "{told}"
        );
    }
}
