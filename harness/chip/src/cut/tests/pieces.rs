//! What further cuts lead to is the same however it is cut into pieces.

use super::super::again::Again;
use super::super::feed::{Depth, Parent, Piece, Place};
use super::super::recovery::{Recovery, candidates};
use super::super::run::{Job, Run, run};
use super::super::search::{Sample, key_of};
use super::*;

/// All first cuts of the work, and what there is to try behind each.
fn parents<S: Subject>(store: &S, work: &Run<S::Promise>, tears: &Tears) -> Vec<Parent> {
    let states = States::new(&work.start, &work.journal, tears);
    let parents = states.map(|state| {
        let (step, chip) = state.unwrap();
        let promise = work.track.during(step.operation).clone();
        let run = run(store, Job::Recover, &chip, promise, u64::MAX);
        Parent {
            steps: vec![step],
            operations: run.journal.len(),
            candidates: candidates(&run, tears),
        }
    });
    parents.collect()
}

/// What a depth leads to, in pieces of so many states at most.
fn in_pieces<S: Subject>(depth: &Depth<'_, S>, most: usize) -> Vec<(Vec<Step>, u128)> {
    let mut place = Place::start(depth.work);
    let pieces = std::iter::from_fn(|| depth.piece(&mut place, most).unwrap());
    let made = pieces.flat_map(|piece: Piece| {
        let made = depth.make(&piece).unwrap();
        assert!(made.len() <= most, "{} of {most}", made.len());
        made
    });
    made.map(|made| (made.state.steps, made.key)).collect()
}

/// What it leads to, each parent by itself and from the beginning.
fn one_by_one<S: Subject>(depth: &Depth<'_, S>) -> Vec<(Vec<Step>, u128)> {
    let mut all = Vec::new();
    let mut number = 0;
    for parent in depth.parents {
        let mut again = Again::new(depth.recovery.subject, depth.work, u64::MAX);
        let run = again.run_after(&parent.steps).unwrap();
        let takes = |index| depth.sample.takes(number + index);
        for state in States::chosen(&run.start, &run.journal, depth.tears, takes) {
            let (step, chip) = state.unwrap();
            let key = key_of(&chip, run.track.during(step.operation)).unwrap();
            all.push(([&parent.steps[..], &[step]].concat(), key));
        }
        number += parent.candidates;
    }
    all
}

#[rstest]
#[case::all(None)]
#[case::a_sample(Some(700))]
#[case::a_few(Some(5))]
fn pieces_of_any_size_make_the_same_states(#[case] states: Option<u64>) {
    let store = Scripted::new(Work::key_value(2, 8, 1..=4, 3), drive(Flaw::None));
    let (start, tears) = (chip(), Tears::only([Model::After, Model::Bytes]));
    let work = run(&store, Job::Work, &start, Possible::default(), u64::MAX);
    let parents = parents(&store, &work, &tears);
    let all = parents.iter().map(|parent| parent.candidates).sum();
    let sample = Sample::new(1, all, states);
    let depth = Depth {
        work: &work,
        parents: &parents,
        sample: &sample,
        tears: &tears,
        recovery: Recovery {
            subject: &store,
            accesses_max: u64::MAX,
            tears: None,
        },
    };
    let expected = one_by_one(&depth);
    assert!(
        expected.len() as u64 > states.unwrap_or(1000) / 3,
        "{}",
        expected.len()
    );
    for most in [1, 2, 7, 64, 1_000_000] {
        assert_eq!(in_pieces(&depth, most), expected, "pieces of {most}");
    }
}

#[test]
fn the_same_cells_under_another_promise_are_another_state() {
    let chip = chip();
    let key = |promise: u8| key_of(&chip, &promise).unwrap();
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
}

/// Programs the same cells twice; counts how often it recovers.
struct Twice(AtomicU32);

impl Subject for Twice {
    type Promise = ();

    fn work(&self, chip: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
        let mut program = || chip.program(0, &[0]).map_err(|e| e.to_string());
        program().and_then(|()| program())
    }

    fn recover(&self, _: &mut Chip, _: &mut Track<()>) -> Result<(), String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// After the first is before the second, and after that, and at the end: five states to
/// try, of which there are two.
#[rstest]
fn equal_states_are_explored_once(#[values(1, 3)] threads: usize) {
    let (start, subject) = (chip(), Twice(AtomicU32::new(0)));
    let search = Explorer::new(&start, &subject).threads(threads);
    let report = search.tears(Tears::atomic()).run().unwrap();
    assert_eq!((report.levels[0].tried, report.states()), (5, 2));
    // One more recovery was that after the work without a cut.
    assert_eq!(subject.0.load(Ordering::Relaxed), 3);
}
