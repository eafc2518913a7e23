//! Faults while there is power: of the chip at every operation, of the medium at every
//! call. What was promised of power cuts holds, and the same command goes on.

use super::disk::{Disk, Loss, Trouble};
use super::world::{ASKED, BLOCK, World};
use crate::restore::crippled::{Crippled, cripple};
use crate::restore::{Restored, Stopped};
use mtd_harness::Errno;
use mtd_harness::chip::{Geometry, MemoryStorage, Storage};
use mtd_harness::fault::{Fault, FaultKind, FaultPlan, Trigger};
use mtd_harness::profile::SimulatedDevice;
use rstest::rstest;
use std::io::ErrorKind;

/// A plan of one fault: the operation after so many fails, and so many more.
fn plan(kind: &FaultKind, after: u64, times: Option<u64>) -> FaultPlan {
    FaultPlan::new([Fault::everywhere(kind.clone()).when(Trigger::new(after, times))])
}

#[rstest]
fn of_the_chip(
    #[values(0, 1, 2, 3, 4, 5, 6)] asked: usize,
    #[values(
        FaultKind::ProgramError(Errno::IO),
        FaultKind::EraseError(Errno::IO),
        FaultKind::ReadError(Errno::IO)
    )]
    kind: FaultKind,
    #[values(Some(1), Some(2), None)] times: Option<u64>,
) {
    let world = World::new(ASKED[asked], 1);
    let device = world.device.fork();
    let done = world.restore(&device, &Disk::of(&device)).unwrap();
    let operations = device.system.with_chip(0, |chip| {
        let counters = chip.counters();
        match kind {
            FaultKind::ProgramError(_) => counters.programs(),
            FaultKind::EraseError(_) => counters.erases(),
            _ => counters.reads(),
        }
    });
    let mut stopped = 0;
    for after in 0..operations {
        let device = world.device.fork();
        let journal = Disk::of(&device);
        device.set_faults(0, Some(plan(&kind, after, times)));
        let ended = world.restore(&device, &journal);
        device.set_faults(0, None);
        let cells = device.chip_bytes(0);
        let kept = journal.after(Loss::All);
        world
            .broken(&cells, &kept, None)
            .unwrap_or_else(|why| panic!("{after}: {why}"));
        if let Err(error) = &ended {
            stopped += 1;
            assert_eq!(
                error.changed,
                cells != world.old || !kept.is_empty(),
                "{after}: {error}"
            );
        }
        let again = goes_on(&world, &device, &journal, ended);
        world
            .unfinished(&device, &journal, &again)
            .unwrap_or_else(|why| panic!("{after}: {why}"));
    }
    // One failure is tried again; two in a row are not.
    let is_write = !matches!(kind, FaultKind::ReadError(_));
    let is_hit = done.erased > 0 || !matches!(kind, FaultKind::EraseError(_));
    let stops = is_hit && !(is_write && times == Some(1));
    assert_eq!(stopped > 0, stops, "{stopped}");
}

#[rstest]
fn of_the_medium(
    #[values(0, 1, 2, 3, 4, 5, 6)] asked: usize,
    #[values(
        Trouble::Fails(ErrorKind::StorageFull),
        Trouble::Fails(ErrorKind::ReadOnlyFilesystem),
        Trouble::Tears,
        Trouble::Spoils
    )]
    trouble: Trouble,
) {
    at_each(asked, Disk::calls, |journal, call| {
        journal.trouble_at(call, trouble);
    });
}

/// The same for calls that change nothing: names, and bytes that are read again.
#[rstest]
fn of_the_medium_that_cannot_be_read(#[values(0, 1, 2, 3, 4, 5, 6)] asked: usize) {
    at_each(asked, Disk::looks, |journal, look| {
        journal.blind_at(look, Trouble::Fails(ErrorKind::Other));
    });
}

/// What is no fault of the medium, at every call of a restore, and of one that goes on.
#[rstest]
fn of_nothing_where_a_call_is_short_or_interrupted(
    #[values(0, 1, 2, 3, 4, 5, 6)] asked: usize,
    #[values(Trouble::Short, Trouble::Interrupted)] trouble: Trouble,
    #[values(false, true)] goes_on: bool,
) {
    let world = World::new(ASKED[asked], 2);
    let begun = || {
        let device = world.device.fork();
        let journal = Disk::of(&device);
        if goes_on {
            let faults = plan(&FaultKind::ProgramError(Errno::IO), 0, None);
            device.set_faults(0, Some(faults));
            world.restore(&device, &journal).unwrap_err();
            device.set_faults(0, None);
        }
        let (calls, looks) = (journal.calls(), journal.looks());
        (device, journal, calls, looks)
    };
    let (device, journal, calls, looks) = begun();
    world.restore(&device, &journal).unwrap();
    let (calls, looks) = (calls + 1..=journal.calls(), looks + 1..=journal.looks());
    assert!(!calls.is_empty() && !looks.is_empty());
    let each = calls
        .map(|at| (at, true))
        .chain(looks.map(|at| (at, false)));
    for (at, is_call) in each {
        let (device, journal, ..) = begun();
        match is_call {
            true => journal.trouble_at(at, trouble),
            false => journal.blind_at(at, trouble),
        }
        let ended = world.restore(&device, &journal);
        world
            .unfinished(&device, &journal, &ended)
            .unwrap_or_else(|why| panic!("{at} {is_call}: {why}"));
    }
}

/// Strikes each of the calls that a restore without trouble makes of its journal.
fn at_each(asked: usize, count: fn(&Disk) -> u64, strike: impl Fn(&Disk, u64)) {
    let world = World::new(ASKED[asked], 2);
    let device = world.device.fork();
    let journal = Disk::of(&device);
    world.restore(&device, &journal).unwrap();
    let mut stopped = 0;
    for call in 1..=count(&journal) {
        let device = world.device.fork();
        let journal = Disk::of(&device);
        strike(&journal, call);
        let ended = world.restore(&device, &journal);
        stopped += u64::from(ended.is_err());
        let cells = device.chip_bytes(0);
        let kept = journal.after(Loss::All);
        world
            .broken(&cells, &kept, None)
            .unwrap_or_else(|why| panic!("{call}: {why}"));
        if let Err(error) = &ended {
            assert_eq!(error.changed, cells != world.old, "{call}: {error}");
            // Where nothing was changed, nothing says otherwise.
            let left = journal.after(Loss::Nothing);
            assert!(error.changed || left.is_empty(), "{call}: {left:?}");
        }
        let again = goes_on(&world, &device, &journal, ended);
        world
            .unfinished(&device, &journal, &again)
            .unwrap_or_else(|why| panic!("{call}: {why}"));
    }
    assert!(stopped > 0);
}

/// The same command again, where it did not come to its end.
fn goes_on(
    world: &World,
    device: &SimulatedDevice,
    journal: &Disk,
    ended: Result<Restored, Stopped>,
) -> Result<Restored, Stopped> {
    match ended {
        Ok(_) => ended,
        Err(_) => world.restore(device, journal),
    }
}

/// Cells of which one bit is 0 whatever is done to it.
struct Stuck {
    cells: MemoryStorage,
    at: u64,
}

impl Storage for Stuck {
    fn geometry(&self) -> Geometry {
        self.cells.geometry()
    }

    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        self.cells.read(offset_bytes, buf)?;
        let end = offset_bytes + buf.len() as u64;
        if (offset_bytes..end).contains(&self.at) {
            buf[(self.at - offset_bytes) as usize] &= !8;
        }
        Ok(())
    }

    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.cells.program(offset_bytes, data)
    }

    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.cells.erase(offset_bytes, length_bytes)
    }

    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.cells.load(offset_bytes, data)
    }

    fn fork(&self) -> Result<Box<dyn Storage>, Errno> {
        Err(Errno::OPNOTSUPP)
    }
}

/// A bit that does not take what it should: found before the next erase block is
/// touched, with the old bytes kept; and only by reading back.
#[rstest]
#[case::in_the_first_half(3 * BLOCK)]
#[case::in_the_second_half(3 * BLOCK + BLOCK / 2)]
fn of_a_bit_that_is_stuck(#[case] half: usize) {
    let world = World::new(ASKED[0], 2);
    let mut half = half..half + BLOCK / 2;
    let at = half.find(|at| world.wanted[*at] & 8 != 0).unwrap() as u64;
    let kept = |what| {
        let device = world.device.fork();
        let journal = Disk::of(&device);
        device.system.with_chip(0, |chip| {
            let mut cells = MemoryStorage::new(chip.geometry());
            cells.load(0, &world.old).unwrap();
            let _ = chip.replace_storage(Box::new(Stuck { cells, at }));
        });
        cripple(what);
        let ended = world.restore(&device, &journal);
        cripple(None);
        assert!(ended.unwrap_err().changed);
        journal.after(Loss::All).len()
    };
    assert_eq!(kept(None), 1);
    assert_eq!(kept(Some(Crippled::NoReadingBack)), 0);
}
