//! A small device with a backup, damaged in one of many ways, and what promises its
//! restore keeps.

use super::disk::Disk;
use crate::backend::SimulatedBackend;
use crate::backup::{self, Work};
use crate::mtd::WritePermit;
use crate::restore::{self, RestoreError, Restored, Stopped};
use mtd_harness::chip::{Chip, Geometry, Programming};
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
use mtd_harness::profile::SimulatedDevice;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::ops::Range;

/// The erase block of the small chip: two write buffers.
pub(super) const BLOCK: usize = 64;
pub(super) const BLOCKS: usize = 16;

/// Its partitions: name, start, length in bytes. One holds all of the chip; two share an
/// erase block; the last three lie in each other.
const PARTS: [(&str, usize, usize); 12] = [
    ("RedBoot", 0, BLOCK),
    ("param", BLOCK, BLOCK),
    ("data", 2 * BLOCK, 4 * BLOCK),
    ("data_2", 6 * BLOCK, 2 * BLOCK),
    ("ver_1", 8 * BLOCK, BLOCK),
    ("ver_2", 9 * BLOCK, BLOCK),
    ("FIS directory", 10 * BLOCK, BLOCK + 40),
    ("RedBoot config", 11 * BLOCK + 40, 24),
    ("all", 0, BLOCKS * BLOCK),
    ("firmware", 12 * BLOCK, 4 * BLOCK),
    ("kernel", 12 * BLOCK, BLOCK + 40),
    ("rootfs", 14 * BLOCK, 2 * BLOCK),
];

/// What is asked of the restore.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) partitions: &'static [&'static str],
    pub(super) allow: &'static [&'static str],
    /// Erase block that could not be read for the backup.
    hole: Option<usize>,
}

/// What is restored in the proof.
pub(super) const ASKED: [Asked; 7] = [
    Asked {
        partitions: &["data"],
        allow: &[],
        hole: None,
    },
    Asked {
        partitions: &["FIS directory"],
        allow: &["FIS directory"],
        hole: None,
    },
    Asked {
        partitions: &["data", "ver_1"],
        allow: &[],
        hole: Some(3),
    },
    Asked {
        partitions: &["RedBoot config"],
        allow: &["RedBoot config"],
        hole: None,
    },
    Asked {
        partitions: &["RedBoot", "param", "data_2", "ver_2"],
        allow: &["RedBoot", "param"],
        hole: None,
    },
    Asked {
        partitions: &["data", "FIS directory"],
        allow: &["FIS directory"],
        hole: None,
    },
    Asked {
        partitions: &["kernel", "rootfs", "firmware"],
        allow: &[],
        hole: None,
    },
];

/// A device as it is before the restore, its backup, and what it is to be.
pub(super) struct World {
    pub(super) asked: Asked,
    pub(super) device: SimulatedDevice,
    backup: Disk,
    pub(super) old: Vec<u8>,
    pub(super) wanted: Vec<u8>,
    /// The erase blocks that the restore may touch.
    pub(super) planned: Vec<bool>,
}

fn layout() -> Layout {
    let partitions = PARTS
        .iter()
        .map(|(name, offset, size)| PartitionSpec::new(*name, *offset as u64, *size as u64));
    Layout::new([ChipLayout::new(geometry(), partitions)])
}

fn geometry() -> Geometry {
    Geometry {
        size_bytes: (BLOCK * BLOCKS) as u64,
        erase_block_bytes: BLOCK as u32,
    }
}

pub(super) fn device(bytes: &[u8]) -> SimulatedDevice {
    let mut chip = Chip::new(geometry());
    chip.set_programming(Programming::INTEL_28F128J3A);
    chip.load(0, bytes).unwrap();
    SimulatedDevice::new("small", vec![chip], &layout())
}

/// What the flash holds where something else should be: in one of the ways in which
/// flash is found.
fn damaged(wanted: &[u8], differs: bool, rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut any = vec![0; wanted.len()];
    rng.fill_bytes(&mut any);
    let pairs = wanted.iter().zip(&any);
    match rng.next_u64() % 7 {
        0 if !differs => wanted.to_vec(),
        // Bits to clear only.
        1 => pairs.map(|(wanted, any)| wanted | any).collect(),
        2 => vec![0xFF; wanted.len()],
        3 => vec![0; wanted.len()],
        // Bits to set only.
        4 => pairs.map(|(wanted, any)| wanted & any).collect(),
        // A torn erase: old bytes, then 0.
        5 => [&any[..any.len() / 2], &vec![0; any.len() - any.len() / 2]].concat(),
        _ => any,
    }
}

impl World {
    pub(super) fn new(asked: Asked, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut backed_up = vec![0; BLOCK * BLOCKS];
        rng.fill_bytes(&mut backed_up);
        let source = device(&backed_up);
        if let Some(block) = asked.hole {
            let spec = format!("read-error@{:#x}", block * BLOCK);
            source.set_faults(0, Some(spec.parse::<FaultPlan>().unwrap()));
        }
        let backup = Disk::default();
        let work = Work::default();
        let request = backup::Request::default();
        backup::pipeline::backup(&SimulatedBackend::new(source), &backup, &request, &work).unwrap();
        let mut old = backed_up.clone();
        for at in (0..old.len()).step_by(BLOCK) {
            // Elsewhere it differs as well: nothing there is of this restore's concern.
            let differs = [0, 2, 8, 11, 12, 14].contains(&(at / BLOCK));
            let now = damaged(&backed_up[at..at + BLOCK], differs, &mut rng);
            old[at..at + BLOCK].copy_from_slice(&now);
        }
        if !asked.partitions.contains(&"param") {
            old[BLOCK..2 * BLOCK].copy_from_slice(&backed_up[BLOCK..2 * BLOCK]);
        }
        let mut wanted = old.clone();
        let mut planned = vec![false; BLOCKS];
        for (_, start, size) in PARTS
            .iter()
            .filter(|part| asked.partitions.contains(&part.0))
        {
            for at in *start..start + size {
                if asked.hole != Some(at / BLOCK) {
                    wanted[at] = backed_up[at];
                    planned[at / BLOCK] = true;
                }
            }
        }
        Self {
            asked,
            device: device(&old),
            backup,
            old,
            wanted,
            planned,
        }
    }

    /// The command, from its plan to its end.
    pub(super) fn restore(
        &self,
        device: &SimulatedDevice,
        journal: &Disk,
    ) -> Result<Restored, Stopped> {
        let words = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        let (partitions, allow): (Vec<String>, Vec<String>) =
            (words(self.asked.partitions), words(self.asked.allow));
        let request = restore::Request {
            partitions: &partitions,
            allow: &allow,
            other_device: false,
            at_once: false,
        };
        let backend = SimulatedBackend::new(device.clone());
        let work = Work::default();
        let plan = restore::plan(&backend, &self.backup, Some(journal), &request, &work)?;
        let permit = WritePermit::granted_because("the proof");
        restore::restore(&plan, &backend, &self.backup, journal, &permit, &work)
    }

    /// What promise a state breaks: the cells, and what is kept on the other medium.
    /// `in_hand`: the erase block that a cut struck, whose bits may not be stable.
    pub(super) fn broken(
        &self,
        cells: &[u8],
        kept: &BTreeMap<String, Vec<u8>>,
        in_hand: Option<usize>,
    ) -> Result<(), String> {
        let mut torn = Vec::new();
        for block in 0..BLOCKS {
            let range = block * BLOCK..(block + 1) * BLOCK;
            let (is, old) = (&cells[range.clone()], &self.old[range.clone()]);
            if !self.planned[block] {
                if is != old {
                    return Err(format!(
                        "(a) erase block {block} is not in the plan and changed"
                    ));
                }
                continue;
            }
            if is != old && is != &self.wanted[range.clone()] {
                torn.push(block);
            } else if in_hand == Some(block) && is != old {
                // It reads well, and may read otherwise the next time.
                torn.push(block);
            }
        }
        if torn.len() > 1 {
            return Err(format!("(b) erase blocks {torn:?} are neither old nor new"));
        }
        for block in torn {
            let range = block * BLOCK..(block + 1) * BLOCK;
            let is_kept = kept.iter().any(|(name, bytes)| {
                name.ends_with(".old") && bytes.ends_with(&self.old[range.clone()])
            });
            if !is_kept {
                return Err(format!(
                    "(c) erase block {block} is torn, its old bytes nowhere"
                ));
            }
        }
        self.header_comes_last(cells)
    }

    fn header_comes_last(&self, cells: &[u8]) -> Result<(), String> {
        let differs = |range: Range<usize>, from: &[u8]| cells[range.clone()] != from[range];
        for (name, start, size) in PARTS
            .iter()
            .filter(|part| self.asked.partitions.contains(&part.0))
        {
            let header = start / BLOCK * BLOCK..start / BLOCK * BLOCK + BLOCK;
            let rest = header.end..(start + size).max(header.end);
            if differs(header, &self.old) && differs(rest, &self.wanted) {
                return Err(format!("the header of {name} was touched before the rest"));
            }
        }
        Ok(())
    }

    /// What promise is broken by the end: (d), all of it.
    pub(super) fn unfinished(
        &self,
        device: &SimulatedDevice,
        journal: &Disk,
        ended: &Result<Restored, Stopped>,
    ) -> Result<(), String> {
        if let Err(stopped) = ended {
            return Err(format!("(d) the same command stopped: {stopped}"));
        }
        let (cells, distorted) = device.system.with_chip(0, |chip| {
            let mut cells = vec![0; BLOCK * BLOCKS];
            chip.peek(0, &mut cells).unwrap();
            (cells, chip.distorts_reads())
        });
        if distorted {
            return Err("(d) some bits are still not stable".into());
        }
        if cells != self.wanted {
            let at = cells.iter().zip(&self.wanted).position(|(a, b)| a != b);
            return Err(format!("(d) it is not what was wanted, first at {at:x?}"));
        }
        let kept = journal.after(super::disk::Loss::Nothing);
        match kept.keys().next() {
            Some(name) => Err(format!("(d) {name} was left behind")),
            None => Ok(()),
        }
    }
}

/// Whether an error is one that a cut explains: after it nothing answers.
pub(super) fn is_of_a_cut(stopped: &Stopped) -> bool {
    matches!(
        &*stopped.error,
        RestoreError::Block { .. } | RestoreError::Journal { .. } | RestoreError::Mtd(_)
    )
}
