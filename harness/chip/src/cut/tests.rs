//! The search finds what is wrong, finds nothing where nothing is, and what it finds
//! replays.

mod display;
mod log_store;
mod pieces;
mod weak;

use super::*;
use crate::{Chip, EraseBlock, Geometry, Programming};
use log_store::{BLOCK_BYTES, Flaw, drive};
use rstest::rstest;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn chip() -> Chip {
    Chip::new(Geometry {
        size_bytes: 2 * BLOCK_BYTES as u64,
        erase_block_bytes: BLOCK_BYTES as u32,
    })
}

fn work() -> Work {
    Work::key_value(4, 30, 1..=12, 3)
}

#[test]
fn a_sound_store_holds_in_every_state_of_two_cuts() {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::None)));
    let search = Explorer::new(&chip, &store).cuts(2).states(6_000);
    let report = search.tears(Tears::stable()).run().unwrap();
    report.assert_held();
    report.assert_reached("torn record");
    report.assert_reached("move");
    assert!(report.states() > 3_000, "{report}");
    assert!(
        report.levels[1].distinct > report.levels[0].distinct,
        "{report}"
    );
}

/// Each oracle has its canary: lost values, wrong values, a store that does not open, does
/// not work afterwards, does not end, panics; and what only a certain tear shows.
#[rstest]
#[case::complement(Flaw::Complement, 1, "was found")]
#[case::no_check(Flaw::NoCheck, 1, "was found")]
#[case::reuses(Flaw::ReusesTornSpace, 1, "was found")]
#[case::erases(Flaw::ErasesBeforeCopy, 1, "nothing was found")]
#[case::header_first(Flaw::HeaderFirst, 1, "was found")]
#[case::first_byte(Flaw::TrustsFirstByte, 1, "was found")]
#[case::later(Flaw::WritesLater, 1, "was found")]
#[case::gives_up(Flaw::GivesUp, 1, "opening: the log is damaged")]
#[case::never_ends(Flaw::NeverEnds, 1, "did not end within")]
#[case::panics(Flaw::Panics, 1, "it panicked: a record of")]
#[case::recovers(Flaw::RecoversByErasing, 2, "nothing was found")]
fn a_crippled_store_is_caught(#[case] flaw: Flaw, #[case] cuts: u32, #[case] why: &str) {
    let (chip, store) = (chip(), Scripted::new(work(), drive(flaw)));
    let search = || Explorer::new(&chip, &store).tears(Tears::stable());
    let report = search().cuts(cuts).states(4_000).run().unwrap();
    let found = report
        .failures
        .iter()
        .find(|failure| failure.why.contains(why));
    let failure = found.unwrap_or_else(|| panic!("{flaw:?} was not caught:\n{report}"));
    // What was found replays from its text alone, with the same words.
    let id: CutId = failure.id.to_string().parse().unwrap();
    let replay = search().replay(&id).unwrap();
    assert_eq!(replay.verdict, Err(failure.why.clone()), "{id}");
    // The shortest path to it fails as well.
    let short = search().shrink(&id).unwrap();
    assert!(short.steps().len() <= id.steps().len());
    assert!(search().replay(&short).unwrap().verdict.is_err(), "{short}");
}

/// Simulations whose operations happen or do not would call these perfect.
#[rstest]
fn what_atomic_operations_do_not_show(#[values(Flaw::NoCheck, Flaw::Complement)] flaw: Flaw) {
    let (mut chip, store) = (chip(), Scripted::new(work(), drive(flaw)));
    chip.set_programming(Programming {
        unit_bytes: 1,
        ..Programming::words(2).buffers(BLOCK_BYTES as u32)
    });
    let search = || Explorer::new(&chip, &store).states(20_000);
    search()
        .tears(Tears::only([Model::Before]))
        .run()
        .unwrap()
        .assert_held();
    assert!(search().tears(Tears::stable()).run().unwrap().failed() > 0);
}

#[test]
fn unstable_bits_are_what_a_check_alone_does_not_get_over() {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::None)));
    let report = Explorer::new(&chip, &store).run().unwrap();
    assert!(report.models[&Model::UnstableProgram].1 > 0, "{report}");
    let stable = report
        .models
        .iter()
        .filter(|(model, _)| !matches!(model, Model::UnstableProgram | Model::UnstableErase));
    let held = stable.clone().all(|(_, (_, failed))| *failed == 0);
    assert!(held && stable.count() >= 8, "{report}");
}

#[test]
fn a_search_is_the_same_with_any_number_of_threads() {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::HeaderFirst)));
    let report = |threads| {
        let search = Explorer::new(&chip, &store)
            .threads(threads)
            .cuts(3)
            .states(6_000);
        let report = search.run().unwrap();
        (
            report.levels.clone(),
            report.failures.clone(),
            report.models.clone(),
        )
    };
    let one = report(1);
    assert_eq!(one, report(3));
    assert!(
        one.0[1].tried < one.0[1].candidates,
        "the second level is a sample"
    );
}

/// A budget of time stops the search, which says so, and claims no state that it did not
/// explore.
#[rstest]
fn a_budget_of_time_is_kept_and_told(#[values(1, 3)] threads: usize) {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::None)));
    let search = Explorer::new(&chip, &store).cuts(2).threads(threads);
    let report = search.time(Duration::ZERO).run().unwrap();
    assert!(report.is_cut_short && !report.is_complete(), "{report}");
    let level = &report.levels[0];
    assert!(level.tried < level.candidates, "{report}");
    assert!((level.distinct..=level.distinct + 1).contains(&level.tried));
    assert_eq!(report.levels.len(), 1);
    assert!(report.to_string().contains("the time was over"), "{report}");
}

/// The same in the middle of second cuts, whose states are made ahead.
#[rstest]
fn a_budget_of_time_can_end_at_any_depth(#[values(1, 3)] threads: usize) {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::None)));
    let mut time = Duration::from_millis(50);
    loop {
        // The first state of a second cut takes all the time there is.
        let mut rest = Some(time);
        let search = Explorer::new(&chip, &store).threads(threads).time(time);
        let search = search
            .cuts(2)
            .tears(Tears::only([Model::Bytes, Model::Bits]));
        let report = search.progress(|at| match (at.cuts, rest.take()) {
            (2, Some(all)) => std::thread::sleep(all),
            (_, same) => rest = same.or(rest),
        });
        let report = report.run().unwrap();
        if report.levels.get(1).is_none_or(|level| level.distinct == 0) {
            time *= 2; // a machine that was slower than that
            continue;
        }
        assert!(report.is_cut_short, "{report}");
        let level = &report.levels[1];
        assert!(
            level.distinct >= 1 && level.tried < level.candidates,
            "{report}"
        );
        assert!(level.distinct <= level.tried, "{report}");
        return;
    }
}

#[rstest]
fn progress_is_told_until_all_is_explored(#[values(1, 2)] threads: usize) {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::HeaderFirst)));
    let mut told: Vec<Progress> = Vec::new();
    let search = Explorer::new(&chip, &store)
        .threads(threads)
        .progress(|at| told.push(at));
    let report = search.run().unwrap();
    let last = told.last().unwrap();
    assert_eq!(
        (last.states, last.failed),
        (report.states(), report.failed())
    );
    assert_eq!(last.of, report.levels[0].candidates);
    let grows = told.windows(2).all(|two| two[0].states < two[1].states);
    // With several threads, how much is new each time is theirs.
    let least = if threads == 1 { report.states() } else { 1 };
    assert!(grows && told.len() as u64 >= least, "{}", told.len());
}

#[test]
fn an_id_that_does_not_fit_says_why() {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::None)));
    let search = || Explorer::new(&chip, &store);
    let run = search().work().unwrap();
    let operations = run.journal.len();
    // Bytes programmed one by one: other operations than the store's.
    let bytes = |count| {
        let mut chip = chip.clone();
        chip.record();
        (0..count).for_each(|at| chip.program(at, &[0]).unwrap());
        chip.take_journal()
    };
    let step = |operation, tear: &str| Step {
        operation,
        tear: tear.parse().unwrap(),
    };
    let of = |journal: &Journal, steps: &[Step]| {
        CutId::new(&chip, journal, steps.iter().copied()).unwrap()
    };
    let id = |steps: &[Step]| of(&run.journal, steps);
    let refused = |id: &CutId| search().replay(id).unwrap_err().to_string();

    let good = id(&[step(3, "p2"), step(1, "b")]);
    assert!(search().replay(&good).unwrap().verdict.is_ok());
    let beyond = id(&[step(900, "b")]);
    assert_eq!(
        refused(&beyond),
        format!("this run has {operations} operations, the id asks for 900")
    );
    let second = refused(&id(&[step(3, "p2"), step(700, "b")]));
    assert!(second.contains("the recovery before cut 2 has"), "{second}");
    let other = refused(&of(&bytes(operations + 7), &[step(3, "b")]));
    assert!(other.contains("another program"), "{other}");
    let moved = refused(&of(&bytes(operations), &[step(3, "b")]));
    assert!(
        moved.contains("found with other operations than this program does")
            && moved.contains("search again"),
        "{moved}"
    );
    let tear = refused(&id(&[step(3, "f3")]));
    assert!(tear.contains("no such tear"), "{tear}");
    let mut used = chip.clone();
    used.program(0, &[0]).unwrap();
    let foreign = CutId::new(&used, &run.journal, [step(3, "b")]).unwrap();
    assert!(refused(&foreign).contains("another geometry"));

    let text = good.to_string();
    assert!(text.len() < 40, "{text}");
    for end in 0..text.len() {
        assert!(text[..end].parse::<CutId>().is_err(), "{}", &text[..end]);
    }
    for at in 4..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
        let changed = String::from_utf8(changed).unwrap();
        let why = changed.parse::<CutId>().unwrap_err().to_string();
        assert!(why.contains("mistyped or cut off"), "{changed}: {why}");
    }
}

/// A subject whose runs differ.
struct Fickle {
    runs: AtomicU32,
    adds: bool,
}

impl Subject for Fickle {
    type Promise = ();
    fn work(&self, chip: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let times = if self.adds { run } else { 1 };
        for n in 0..=times {
            chip.program(u64::from(n), &[run as u8])
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }
    fn recover(&self, _: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn a_subject_that_is_not_deterministic_is_told_so() {
    let fickle = |adds| Fickle {
        runs: AtomicU32::new(0),
        adds,
    };
    let chip = chip();
    let explore = |subject: &Fickle| Explorer::new(&chip, subject).run().unwrap_err();
    let expected = ExploreError::OtherCount {
        first: 1,
        second: 2,
    };
    assert_eq!(explore(&fickle(true)), expected);
    assert_eq!(
        explore(&fickle(false)),
        ExploreError::OtherOperation { operation: 1 }
    );
}

#[test]
fn a_store_that_fails_without_a_cut_is_no_finding() {
    let broken = |_: &mut Chip, _: &mut Script<'_>| Err::<(), _>("there is no driver");
    let error = every_cut(&chip(), work(), broken).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the work failed: opening: there is no driver")
    );
    let lazy = |_: &mut Chip, _: &mut Script<'_>| Ok::<(), String>(());
    let error = every_cut(&chip(), work(), lazy).unwrap_err();
    assert!(
        error.to_string().contains("the driver ended before it"),
        "{error}"
    );
}

#[test]
fn faults_of_the_chip_belong_to_each_state() {
    // The second erase of a block fails: also in the recovery from a cut before it.
    let mut chip = chip();
    chip.set_faults(Some("erase-error@0+0x100:after=1:once".parse().unwrap()));
    struct Erases;
    impl Subject for Erases {
        type Promise = ();
        fn work(&self, chip: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
            chip.erase(EraseBlock(0)).map_err(|e| e.to_string())?;
            chip.program(300, &[0]).map_err(|e| e.to_string())
        }
        fn recover(&self, chip: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
            let _ = chip.erase(EraseBlock(0));
            match chip.faults().map(crate::fault::FaultPlan::struck) {
                Some(1) => Err("it struck".into()),
                _ => Ok(()),
            }
        }
    }
    let error = Explorer::new(&chip, &Erases).run().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("after the work failed: it struck"),
        "{error}"
    );
}

#[test]
fn a_queue_is_checked_in_order() {
    // One byte for each entry: its value, cleared when it is taken.
    let queue = |lifo: bool| {
        move |chip: &mut Chip, script: &mut Script<'_>| -> Result<(), crate::Errno> {
            let mut cells = [0; BLOCK_BYTES];
            chip.read(0, &mut cells)?;
            let mut end = cells
                .iter()
                .rposition(|cell| *cell != 0xff)
                .map_or(0, |at| at + 1);
            while let Some(ask) = script.next() {
                match ask {
                    Ask::Push(value) => {
                        chip.program(end as u64, &value)?;
                        cells[end] = value[0];
                        end += 1;
                    }
                    Ask::Pop => {
                        let held = |cell: &u8| *cell != 0;
                        let at = match lifo {
                            true => cells[..end].iter().rposition(held),
                            false => cells[..end].iter().position(held),
                        };
                        script.found(at.map(|at| [cells[at]]));
                        if let Some(at) = at {
                            chip.program(at as u64, &[0])?;
                            cells[at] = 0;
                        }
                    }
                    _ => {}
                }
            }
            Ok(())
        }
    };
    let asks = [1, 2, 3]
        .map(|n| Ask::Push(vec![n]))
        .into_iter()
        .chain([Ask::Pop]);
    let work = Work::of(asks);
    let atomic = Tears::atomic();
    let fifo = Scripted::new(work.clone(), queue(false));
    let chip = chip();
    let report = Explorer::new(&chip, &fifo)
        .tears(atomic)
        .cuts(3)
        .run()
        .unwrap();
    report.assert_held();
    assert!(report.is_complete(), "{report}");
    let error = every_cut(&chip, work, queue(true)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("pop: \"03\" was found, \"01\" was promised"),
        "{error}"
    );
}
