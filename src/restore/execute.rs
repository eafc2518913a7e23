//! Carries out a plan.
//!
//! Invariants: one erase block at a time, and before it is touched its old bytes are on
//! another medium; what was written is read back before the next; the partition's first
//! erase block comes last; in the end everything is read again through another open.
//! A wish to stop is heard between two erase blocks.
//!
//! Faults tolerated: an error of an erase or a program, once (the erase block is erased
//! again); a lock that nobody told of; everything else stops the run with the old bytes
//! kept.

use super::block_write::{BlockWrite, OLD};
use super::blocks::{self, Need};
use super::crippled::{Crippled, lacks};
use super::error::{RestoreError, Stopped};
use super::flash::{self, Source};
use super::journal::{Journal, Kept, Old};
use super::plan::{Plan, PlannedBlock, PlannedPartition};
use super::preconditions;
use super::prepare::enough_space;
use super::survey::{Pair, Survey, buffer};
use crate::backup::{BackupError, Directory, Work, sha256_of};
use crate::mtd::{MtdBackend, MtdWrite, WritePermit};
use std::sync::atomic::Ordering;

/// Who else has the flash in use is looked for before the first erase block, and again
/// after so many: a minute or two of a chip like the iSpot's. (The small chips of the
/// tests have few.)
const LOOK_EACH: u32 = if cfg!(test) { 2 } else { 64 };

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Restored {
    /// Erase blocks that were erased and programmed.
    pub(crate) erased: u64,
    /// Erase blocks that were programmed without being erased.
    pub(crate) programmed: u64,
    /// Bytes that were programmed.
    pub(crate) bytes: u64,
}

/// Carries out a plan; `journal` is where old bytes are kept meanwhile.
///
/// # Errors
/// With whether the flash was changed. The same call with a new plan goes on.
pub(crate) fn restore(
    plan: &Plan,
    backend: &dyn MtdBackend,
    backup: &dyn Directory,
    journal: &dyn Directory,
    permit: &WritePermit,
    work: &Work<'_>,
) -> Result<Restored, Stopped> {
    let mut run = Run {
        backup,
        journal: Journal {
            folder: journal,
            identity: &plan.identity,
        },
        work,
        pair: Pair::default(),
        back: Vec::new(),
        // What an earlier run had in hand is neither old nor new.
        changed: plan.goes_on(),
        done: Restored::default(),
    };
    let result = run.all(plan, backend, permit);
    match result {
        Ok(()) => Ok(run.done),
        Err(error) => Err(Stopped {
            error,
            changed: run.changed,
        }),
    }
}

struct Run<'a> {
    backup: &'a dyn Directory,
    journal: Journal<'a>,
    work: &'a Work<'a>,
    pair: Pair,
    back: Vec<u8>,
    changed: bool,
    done: Restored,
}

impl Run<'_> {
    fn all(
        &mut self,
        plan: &Plan,
        backend: &dyn MtdBackend,
        permit: &WritePermit,
    ) -> Result<(), Box<RestoreError>> {
        // Memory and room are there before anything is touched.
        self.pair = Pair::of(plan.block_bytes)?;
        self.back = buffer(plan.block_bytes)?;
        enough_space(self.journal.folder, plan.block_bytes as u64)?;
        let written = || {
            plan.partitions
                .iter()
                .filter(|part| !part.blocks.is_empty())
        };
        let names: Vec<_> = written().map(|part| &*part.device.name).collect();
        let sizes = written().map(|part| {
            part.blocks.len() as u64 * part.route.device.erase_block_bytes + part.image.size_bytes
        });
        self.work
            .observer
            .planned(&names, crate::mtd::total_bytes(sizes));
        self.journal.tidy();
        for kept in plan
            .in_hand
            .iter()
            .filter(|_| lacks(Crippled::TrustsReading))
        {
            self.journal.mark(&kept.file)?;
        }
        // All of them, before the first is touched: of two restores that come at once each
        // sees the other, because both have everything open by then.
        let mut open = Vec::new();
        for part in written() {
            open.push(backend.open_for_writing(&part.route.device, permit)?);
        }
        let mut since_look = LOOK_EACH;
        for (part, device) in written().zip(&mut open) {
            self.work.observer.begin(&part.device.name);
            let mut source = Source::new(self.backup, &part.image.file);
            for block in part.in_order() {
                if self.work.interrupt.load(Ordering::Relaxed) {
                    return Err(BackupError::Interrupted.into());
                }
                if since_look == LOOK_EACH {
                    // Somebody may have come since the plan was made, or meanwhile.
                    let in_use = backend.in_use(&plan.devices);
                    for part in written() {
                        preconditions::unused(part, &plan.devices, &in_use)?;
                    }
                    since_look = 0;
                }
                since_look += 1;
                self.block(&mut **device, part, block, &mut source)?;
                let bytes = part.route.device.erase_block_bytes;
                self.work.observer.progress(bytes);
            }
        }
        for part in written() {
            self.prove(part, backend)?;
        }
        Ok(())
    }

    /// Brings one erase block to what it should hold.
    fn block(
        &mut self,
        device: &mut dyn MtdWrite,
        part: &PlannedPartition,
        block: &PlannedBlock,
        source: &mut Source<'_>,
    ) -> Result<(), Box<RestoreError>> {
        let length = part.route.device.erase_block_bytes as usize;
        let kept = match block.in_hand {
            true => self.kept(part, block)?,
            false => None,
        };
        let is_whole = self.fill(device, part, block, source, kept.as_ref())?;
        let (old, wanted) = (&self.pair.old[..length], &self.pair.wanted[..length]);
        let need = match kept.is_some() || !is_whole {
            true => Need::Erase,
            false => blocks::need(old, wanted),
        };
        if need == Need::Nothing {
            return Ok(());
        }
        let back = &mut self.back[..length];
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let index = part.route.device.index;
                let old = Old {
                    bytes: old,
                    is_whole,
                    is_locked: block.is_locked,
                };
                self.journal.keep(index, block.offset_bytes, &old, back)?
            }
        };
        let file = kept.file;
        if lacks(Crippled::MarksTooEarly) {
            self.journal.mark(&file)?;
        }
        let mut write = BlockWrite {
            device,
            offset_bytes: block.offset_bytes,
            old,
            wanted,
            back,
            lock: kept.is_locked,
            unlocked: false,
        };
        match write.run(need) {
            Ok(bytes) => self.done.bytes += bytes,
            Err(what) => {
                let state = write.state();
                return Err(self.failed(part, block, what, state, &file));
            }
        }
        self.changed = true;
        match need {
            Need::Program => self.done.programmed += 1,
            _ => self.done.erased += 1,
        }
        match lacks(Crippled::MarksTooEarly) {
            true => Ok(()),
            false => self.journal.mark(&file),
        }
    }

    /// Fills the buffers with what an erase block held before anything was restored, and
    /// with what it should hold; false where not all of the former could be read.
    fn fill(
        &mut self,
        device: &mut dyn MtdWrite,
        part: &PlannedPartition,
        block: &PlannedBlock,
        source: &mut Source<'_>,
        kept: Option<&Kept>,
    ) -> Result<bool, Box<RestoreError>> {
        let length = part.route.device.erase_block_bytes;
        let range = block.offset_bytes..block.offset_bytes + length;
        let (within, at) = part.share(block);
        let (old, wanted) = (
            &mut self.pair.old[..length as usize],
            &mut self.pair.wanted[..length as usize],
        );
        let is_whole = match kept {
            Some(kept) => self.journal.old_bytes(kept, old).map(|()| true)?,
            None => {
                old.fill(0);
                match flash::read(device, range.start, old) {
                    // The plan has seen that nothing depends on what cannot be read.
                    Err(error) if !block.is_unreadable => return Err(error.into()),
                    read => read.is_ok(),
                }
            }
        };
        if within.len() < wanted.len() {
            wanted.copy_from_slice(old);
        }
        source.read(at, &mut wanted[within.clone()])?;
        blocks::keep_unknown(wanted, old, &within, at, &part.image.unreadable);
        if sha256_of(wanted) != block.wanted {
            return Err(RestoreError::Changed {
                what: format!("{}, erase block at {:#x},", part.device.id(), range.start),
            }
            .into());
        }
        Ok(is_whole)
    }

    /// An erase block that did not take what it should.
    fn failed(
        &mut self,
        part: &PlannedPartition,
        block: &PlannedBlock,
        what: String,
        state: &'static str,
        file: &str,
    ) -> Box<RestoreError> {
        let is_untouched = state == OLD && !block.in_hand;
        self.changed |= !is_untouched;
        if is_untouched {
            // Nothing is in hand.
            let _ = self.journal.mark(file);
        }
        Box::new(RestoreError::Block {
            partition: part.device.id(),
            offset_bytes: block.offset_bytes,
            what,
            state,
            kept: (!is_untouched).then(|| self.journal.place(file)),
        })
    }

    fn kept(
        &self,
        part: &PlannedPartition,
        block: &PlannedBlock,
    ) -> Result<Option<Kept>, Box<RestoreError>> {
        let mut in_hand = self.journal.in_hand()?.into_iter();
        Ok(in_hand.find(|kept| {
            kept.mtd == part.route.device.index.0 && kept.offset_bytes == block.offset_bytes
        }))
    }

    /// Reads a partition again, through another open, and what it shares erase blocks with.
    fn prove(
        &mut self,
        part: &PlannedPartition,
        backend: &dyn MtdBackend,
    ) -> Result<(), Box<RestoreError>> {
        let survey = |digests_flash| {
            let survey = Survey {
                backend,
                backup: self.backup,
                journal: None,
                in_hand: &[],
                digests_flash,
                work: self.work,
            };
            survey.partition(&part.device, &part.image, Ok(part.route.clone()))
        };
        let differs = |offset_bytes| {
            Err(Box::new(RestoreError::ReadsDifferently {
                partition: part.device.id(),
                offset_bytes,
            }))
        };
        // Another reading of the backup is spared where a digest tells all; a CRC-32 alone
        // is not taken for bytes that are the same. (The device's program has no room for it.)
        let tells =
            cfg!(feature = "full") && part.unknown_bytes == 0 && part.image.sha256.is_some();
        let again = match survey(tells) {
            Err(_) if tells => {
                // The backup's own bytes tell where; what is right the next time was not.
                let again = survey(false)?;
                let first = again.blocks.first().map(|block| block.offset_bytes);
                return differs(first.unwrap_or(part.route.start_bytes));
            }
            again => again?,
        };
        if let Some(block) = again.blocks.first() {
            return differs(block.offset_bytes);
        }
        // A neighbour's bytes in the same erase block are no part of that, nor are those that
        // the backup does not have.
        let length = part.route.device.erase_block_bytes as usize;
        let is_seen =
            |block: &PlannedBlock| part.unknown_bytes == 0 && part.share(block).0.len() == length;
        let mut device = backend.open(&part.route.device)?;
        for block in part.blocks.iter().filter(|block| !is_seen(block)) {
            let is = &mut self.back[..length];
            flash::read(&mut *device, block.offset_bytes, is)?;
            if sha256_of(is) != block.wanted {
                return differs(block.offset_bytes);
            }
        }
        Ok(())
    }
}
