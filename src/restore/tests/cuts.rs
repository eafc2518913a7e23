//! Every cut of a restore, and every cut of each recovery.

use super::disk::{Disk, Loss, hash};
use super::world::{ASKED, BLOCK, World, is_of_a_cut};
use crate::restore::{Restored, Stopped};
use mtd_harness::chip::cut::{Model, OperationKind, PowerCut, Tear};
use mtd_harness::profile::SimulatedDevice;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// Where power goes.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// In an operation of the chip.
    Chip(u64, Tear),
    /// In a call of the medium.
    Medium(u64, Loss),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chip(operation, tear) => write!(f, "chip {operation} {tear}"),
            Self::Medium(call, loss) => write!(f, "medium {call} {loss:?}"),
        }
    }
}

/// What was tried.
#[derive(Default)]
pub(super) struct Count {
    /// Cuts, second ones among them.
    pub(super) cuts: u64,
    /// Distinct states of chip and medium after them.
    pub(super) states: HashSet<u128>,
}

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.states.extend(other.states);
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cuts, {} distinct states",
            self.cuts,
            self.states.len()
        )
    }
}

/// A device and its medium, with power.
struct State {
    device: SimulatedDevice,
    kept: BTreeMap<String, Vec<u8>>,
    /// Of both.
    hash: u128,
}

impl State {
    fn run(&self, world: &World, point: Option<Point>) -> Run {
        let device = self.device.fork();
        let journal = Disk::holding(&self.kept, Some(&device));
        device.system.with_chip(0, |chip| {
            chip.record();
            if let Some(Point::Chip(operation, tear)) = point {
                chip.cut_power(PowerCut::new(operation, tear));
            }
        });
        if let Some(Point::Medium(call, _)) = point {
            journal.cut_at(call);
        }
        let ended = world.restore(&device, &journal);
        Run {
            device,
            journal,
            ended,
        }
    }
}

/// A run of the command, cut or not.
struct Run {
    device: SimulatedDevice,
    journal: Disk,
    ended: Result<Restored, Stopped>,
}

/// All tears that are tried: of programs, and of erases.
fn tears(kind: OperationKind) -> Vec<Tear> {
    let of = |model, variants: std::ops::Range<u32>| variants.map(move |n| Tear::new(model, n));
    let mut all = vec![Tear::BEFORE, Tear::AFTER];
    match kind {
        OperationKind::Program => {
            all.extend(of(Model::Words, 1..16).step_by(3));
            all.extend(of(Model::Bytes, 1..32).step_by(7));
            all.extend(of(Model::Bits, 1..4));
            all.extend(of(Model::WordsAndBits, 0..16).step_by(5));
            all.extend(of(Model::UnstableProgram, 0..17).step_by(4));
        }
        OperationKind::Erase => {
            for model in [
                Model::EraseForward,
                Model::EraseBackward,
                Model::ZerosForward,
                Model::ZerosBackward,
                Model::PulledForward,
            ] {
                all.extend(of(model, 0..9).step_by(2));
            }
            all.push(Tear::new(Model::Zeros, 0));
            all.extend(of(Model::Pulled, 1..4));
            all.extend(of(Model::Between, 1..4));
            all.extend(of(Model::UnstableErase, 0..3));
        }
    }
    all
}

/// A model that is not in the lists is one that no cut meets.
#[test]
fn every_model_is_tried() {
    let kinds = [OperationKind::Program, OperationKind::Erase];
    let tried: Vec<Tear> = kinds.into_iter().flat_map(tears).collect();
    for model in Model::ALL {
        // A subset of few bits is one of `Bits`.
        let is_tried = tried.iter().any(|tear| tear.model == model);
        assert_eq!(is_tried, model != Model::Subset, "{model}");
    }
}

/// All places where power can go in a run that nothing cuts.
fn points(run: &Run) -> Vec<Point> {
    let mut points = Vec::new();
    let notes = run.device.system.with_chip(0, |chip| chip.take_journal());
    for number in 1..=notes.len() {
        let kind = notes.operation(number).unwrap().kind;
        let of = |tear| Point::Chip(number, tear);
        points.extend(tears(kind).into_iter().map(of));
    }
    for call in 1..=run.journal.calls() {
        points.extend(Loss::ALL.map(|loss| Point::Medium(call, loss)));
    }
    points
}

/// Cuts a run at a point: the state that is left, or which promise it breaks; none where
/// the operation cannot be torn so.
fn cut(
    world: &World,
    from: &State,
    point: Point,
    count: &mut Count,
) -> Result<Option<State>, String> {
    let run = from.run(world, Some(point));
    let (strike, is_powered) = run
        .device
        .system
        .with_chip(0, |chip| (chip.strike(), chip.is_powered()));
    if let Point::Chip(..) = point {
        if strike.is_none_or(|strike| !strike.fits) {
            return Ok(None);
        }
    }
    if is_powered {
        return Err("the cut never came".into());
    }
    match &run.ended {
        Ok(_) => return Err("it ended well without power".into()),
        Err(stopped) if !is_of_a_cut(stopped) => return Err(format!("odd: {stopped}")),
        Err(_) => {}
    }
    let loss = match point {
        Point::Chip(..) => Loss::Nothing,
        Point::Medium(_, loss) => loss,
    };
    let kept = run.journal.after(loss);
    if let Point::Chip(..) = point {
        // Whatever the chip does, all that matters is on the medium before.
        assert_eq!(kept, run.journal.after(Loss::All));
    }
    let (cells, state_hash) = run.device.system.with_chip(0, |chip| {
        chip.power_on();
        let mut cells = vec![0; world.old.len()];
        chip.peek(0, &mut cells).unwrap();
        (cells, chip.state_hash().unwrap())
    });
    count.cuts += 1;
    let state_hash = state_hash ^ u128::from(hash(&kept));
    count.states.insert(state_hash);
    let in_hand = match point {
        Point::Chip(..) => strike.map(|strike| strike.operation.offset_bytes as usize / BLOCK),
        Point::Medium(..) => None,
    };
    world.broken(&cells, &kept, in_hand)?;
    Ok(Some(State {
        device: run.device.fork(),
        kept,
        hash: state_hash,
    }))
}

/// Cuts a restore everywhere, and the recovery from each state that is left everywhere;
/// `few`: of the second cuts only every so many-th. The same state is recovered from
/// once. The error has the line that replays it.
pub(super) fn prove(
    asked: usize,
    seed: u64,
    few: Option<usize>,
    count: &mut Count,
) -> Result<(), String> {
    let world = World::new(ASKED[asked], seed);
    let start = State {
        device: world.device.fork(),
        kept: BTreeMap::new(),
        hash: 0,
    };
    let whole = start.run(&world, None);
    let says = |at: &dyn fmt::Display, why: String| format!("{asked}:{seed} {at}: {why}");
    world
        .unfinished(&whole.device, &whole.journal, &whole.ended)
        .map_err(|why| says(&"uncut", why))?;
    let mut number = seed as usize;
    // What the next run makes of a state depends on nothing else.
    let (mut cut_again, mut recovered) = (HashSet::new(), HashSet::new());
    for first in points(&whole) {
        let after = cut(&world, &start, first, count).map_err(|why| says(&first, why))?;
        let Some(after) = after.filter(|state| cut_again.insert(state.hash)) else {
            continue;
        };
        recovered.insert(after.hash);
        let recovery = after.run(&world, None);
        world
            .unfinished(&recovery.device, &recovery.journal, &recovery.ended)
            .map_err(|why| says(&first, why))?;
        for second in points(&recovery) {
            number += 1;
            if few.is_some_and(|few| number % few != 0) {
                continue;
            }
            let at = format!("{first}, {second}");
            let twice = cut(&world, &after, second, count).map_err(|why| says(&at, why))?;
            let Some(twice) = twice.filter(|state| recovered.insert(state.hash)) else {
                continue;
            };
            let end = twice.run(&world, None);
            world
                .unfinished(&end.device, &end.journal, &end.ended)
                .map_err(|why| says(&at, why))?;
        }
    }
    Ok(())
}
