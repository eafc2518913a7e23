//! The proof: every cut of the power in a restore, in every operation of the chip and in
//! every call of the medium that old bytes are kept on, in every way in which flash and
//! medium can be torn, with a second cut in each recovery, and what the promises (a) to
//! (e) say of each state.
//!
//! A world is a damaged device with a backup ([`world`]); a cut is written as a line that
//! replays it: `2:17 chip 5 z3, chip 2 b` is the second thing asked of seed 17, power
//! going in the chip's fifth operation as `z3` says, and in the second of the recovery
//! before it began.

mod cuts;
mod disk;
mod faults;
mod nested;
mod odd;
mod placeless;
mod preconditions;
mod safeguards;
mod ways;
mod world;

use super::crippled::{Crippled, cripple};
use crate::backend::SimulatedBackend;
use crate::backup::{self, Access, Folder, Work};
use crate::mtd::WritePermit;
use cuts::{Count, prove};
use rstest::rstest;
use world::{ASKED, World};

/// What a caller writes: one bit has flipped, and one erase block is put back.
#[test]
fn one_flipped_bit_is_put_back() {
    let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
    let temporary = tempfile::tempdir().unwrap();
    let (folder, old) = (
        temporary.path().join("backup"),
        temporary.path().join("old"),
    );
    let (asked, work) = (backup::Request::default(), Work::default());
    backup::pipeline::backup(
        &device,
        &Folder::open_or_create(&folder).unwrap(),
        &asked,
        &work,
    )
    .unwrap();
    let flip = |chip: &mut mtd_harness::chip::Chip| chip.program(0x78_1000, &[0]);
    device.device().system.with_chip(0, flip).unwrap();

    let folder = Folder::open(&folder, Access::Look).unwrap();
    let journal = Folder::open_or_create(&old).unwrap();
    let request = super::Request::default();
    let plan = super::plan(&device, &folder, Some(&journal), &request, &work).unwrap();
    assert_eq!(plan.totals().1, 1);
    let permit = WritePermit::granted_because("a test");
    super::restore(&plan, &device, &folder, &journal, &permit, &work).unwrap();
    let plan = super::plan(&device, &folder, None, &request, &work).unwrap();
    assert!(!plan.writes());
}

/// Of the second cuts, one in so many is tried each time; `the_whole_proof` tries all,
/// and more seeds (ci/long: one).
const ONE_IN: usize = 331;

#[rstest]
fn every_cut_and_every_second_cut(#[values(0, 1, 2, 3, 4, 5, 6)] asked: usize) {
    let mut count = Count::default();
    if let Err(why) = prove(asked, 0, Some(ONE_IN), &mut count) {
        panic!("{why}");
    }
    eprintln!("{asked}:0: {count}");
    assert!(count.cuts > 0);
}

/// Of so many seeds all second cuts are tried, of the others one in [`ONE_IN`]: there is
/// little new in them, because most recoveries begin with the same erase.
const WHOLE_SEEDS: u64 = 2;

/// A million distinct states and more, by their number for a few seeds (some 1,300 for
/// each). `MTDKEEP_SEEDS=1` is ci/long's.
#[test]
#[ignore = "needs minutes: cargo test --release --lib restore::tests::the_whole -- --ignored"]
fn the_whole_proof() {
    let seeds: u64 = std::env::var("MTDKEEP_SEEDS").map_or(900, |text| text.parse().unwrap());
    let jobs = std::sync::Mutex::new(
        (0..seeds).flat_map(|seed| (0..ASKED.len()).map(move |asked| (asked, seed))),
    );
    let totals = std::sync::Mutex::new(ASKED.map(|_| Count::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap().next();
                    let Some((asked, seed)) = job else { break };
                    let mut count = Count::default();
                    let few = (seed >= WHOLE_SEEDS).then_some(ONE_IN);
                    if let Err(why) = prove(asked, seed, few, &mut count) {
                        panic!("{why}");
                    }
                    totals.lock().unwrap()[asked].add(count);
                }
            });
        }
    });
    let mut total = Count::default();
    for (asked, count) in totals.into_inner().unwrap().into_iter().enumerate() {
        eprintln!("{:?}: {count}", ASKED[asked].partitions);
        total.add(count);
    }
    eprintln!("{seeds} seeds: {total}");
    assert!(seeds < 900 || total.states.len() >= 1_000_000, "{total}");
}

/// Each safeguard is needed: without it, some cut breaks a promise.
#[rstest]
#[case(Crippled::KeepsNothing, 0, "(c)")]
#[case(Crippled::ForgetsEarlierRuns, 1, "(")]
#[case(Crippled::HeaderFirst, 0, "the header of")]
#[case(Crippled::LosesNeighbours, 1, "(d)")]
#[case(Crippled::TrustsReading, 0, "(")]
#[case(Crippled::MarksTooEarly, 0, "(c)")]
fn a_restore_that_lacks_a_safeguard_is_caught(
    #[case] what: Crippled,
    #[case] asked: usize,
    #[case] promise: &str,
) {
    cripple(Some(what));
    let caught = (0..5).find_map(|seed| prove(asked, seed, Some(11), &mut Count::default()).err());
    cripple(None);
    let why = caught.unwrap_or_else(|| panic!("{what:?} went unseen"));
    assert!(why.contains(promise), "{why}");
}

/// Without a cut it does what was asked, and a second run has nothing to do.
#[rstest]
fn without_a_cut(#[values(0, 1, 2, 3, 4, 5, 6)] asked: usize) {
    for seed in 0..50 {
        let world = World::new(ASKED[asked], seed);
        let device = world.device.fork();
        let journal = disk::Disk::of(&device);
        let ended = world.restore(&device, &journal);
        world.unfinished(&device, &journal, &ended).unwrap();
        let again = world.restore(&device, &journal).unwrap();
        assert_eq!(again, super::Restored::default(), "seed {seed}");
    }
}
