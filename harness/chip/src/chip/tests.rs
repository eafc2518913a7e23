//! Chips as values, and power that goes.

use super::*;
use crate::cut::{Model, OperationKind, PowerCut, Tear};
use proptest::prelude::*;
use rstest::rstest;

const GEOMETRY: Geometry = Geometry {
    size_bytes: 1024,
    erase_block_bytes: 128,
};

fn cells(chip: &Chip) -> Vec<u8> {
    let mut cells = vec![0; chip.geometry().size_bytes as usize];
    chip.peek(0, &mut cells).unwrap();
    cells
}

/// A chip over each kind of storage, with the same contents.
fn chips() -> Vec<Chip> {
    let contents: Vec<u8> = (0..1024).map(|n| (n * 7) as u8).collect();
    let mut memory = Chip::new(GEOMETRY);
    memory.load(0, &contents).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &contents).unwrap();
    vec![memory, Chip::from_image(GEOMETRY, file.path()).unwrap()]
}

#[derive(Debug, Clone)]
enum Step {
    Program(u64, Vec<u8>),
    Erase(u64),
    Lock(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let data = prop::collection::vec(any::<u8>(), 1..100);
    prop::collection::vec(
        prop_oneof![
            (0..900u64, data).prop_map(|(at, data)| Step::Program(at, data)),
            (0..8u64).prop_map(Step::Erase),
            (6..8u64).prop_map(Step::Lock),
        ],
        0..12,
    )
}

fn take(chip: &mut Chip, steps: &[Step]) {
    for step in steps {
        let _ = match step {
            Step::Program(at, data) => chip.program(*at, data),
            Step::Erase(block) => chip.erase(EraseBlock(*block)),
            Step::Lock(block) => chip.set_locked(EraseBlock(*block), true),
        };
    }
}

/// States are equal only where the chip answers alike from then on: what is not cells
/// counts, and which erase block cells are in.
#[test]
fn a_state_is_more_than_its_cells() {
    let plain = &chips()[0];
    let hash = |change: &dyn Fn(&mut Chip)| {
        let mut chip = plain.clone();
        change(&mut chip);
        chip.state_hash().unwrap()
    };
    let faults = |chip: &mut Chip| {
        chip.set_faults(Some("read-error@0:once".parse().unwrap()));
    };
    let swap = |first: u64, second: u64| {
        move |chip: &mut Chip| {
            chip.load(first, &[1; 128]).unwrap();
            chip.load(second, &[2; 128]).unwrap();
        }
    };
    let all = [
        hash(&|_| {}),
        hash(&|chip| chip.set_locked(EraseBlock(1), true).unwrap()),
        hash(&|chip| chip.set_locked(EraseBlock(2), true).unwrap()),
        hash(&Chip::power_off),
        hash(&faults),
        hash(&|chip| {
            faults(chip);
            assert_eq!(chip.read(0, &mut [0]), Err(Errno::IO));
        }),
        hash(&swap(0, 128)),
        hash(&swap(128, 0)),
    ];
    let distinct: std::collections::BTreeSet<u128> = all.into_iter().collect();
    assert_eq!(distinct.len(), all.len(), "{all:x?}");
    // Counters and the clock are no part of it.
    let read = hash(&|chip| {
        chip.read(0, &mut [0; 8]).unwrap();
    });
    assert_eq!(all[0], read);
}

/// Whatever was refused is counted as a failure, once, and as nothing else.
#[test]
fn each_operation_that_is_refused_counts_as_one_failure() {
    let mut chip = Chip::new(GEOMETRY);
    chip.set_locked(EraseBlock(0), true).unwrap();
    assert_eq!(chip.erase(EraseBlock(0)), Err(Errno::ROFS));
    assert_eq!(chip.counters().failures(), 1);
    assert_eq!(chip.program(0, &[0]), Err(Errno::ROFS));
    assert_eq!(chip.counters().failures(), 2);
    assert_eq!(chip.read(1024, &mut [0]), Err(Errno::INVAL));
    assert_eq!(chip.counters().failures(), 3);
    let counters = chip.counters();
    let done = [counters.erases(), counters.programs(), counters.reads()];
    assert_eq!(done, [0; 3]);
}

proptest! {
    #[test]
    fn a_fork_is_independent_and_a_restore_brings_all_back(
        before in steps(), ours in steps(), theirs in steps()
    ) {
        for mut chip in chips() {
            take(&mut chip, &before);
            let fork = chip.clone();
            let (held, hash, counters) =
                (cells(&chip), chip.state_hash().unwrap(), format!("{:?}", chip.counters()));
            prop_assert_eq!(fork.state_hash().unwrap(), hash);
            let mut other = fork.clone();
            take(&mut other, &theirs);
            take(&mut chip, &ours);
            prop_assert_eq!(&cells(&fork), &held);
            let differing = cells(&chip).iter().zip(&held).filter(|(a, b)| a != b).count();
            prop_assert_eq!(chip.differences(&fork).unwrap().bytes, differing as u64);
            chip.restore(&fork);
            prop_assert_eq!(&cells(&chip), &held);
            prop_assert_eq!(chip.state_hash().unwrap(), hash);
            prop_assert_eq!(format!("{:?}", chip.counters()), counters);
            prop_assert!(chip.differences(&fork).unwrap().is_empty());
            // The same steps lead to the same state, however it came about.
            take(&mut chip, &theirs);
            prop_assert_eq!(chip.state_hash().unwrap(), other.state_hash().unwrap());
        }
    }

    /// A cut that is armed, and the same tear left on a fork of the moment before.
    #[test]
    fn an_armed_cut_leaves_what_the_journal_s_tear_leaves(
        steps in steps(), number in 1..20u64, model in 0..Model::ALL.len(), variant in 0..12u32
    ) {
        let tear = Tear::new(Model::ALL[model], variant);
        let start = chips().remove(0);
        let mut whole = start.clone();
        whole.record();
        take(&mut whole, &steps);
        let journal = whole.take_journal();
        let mut cut = start.clone();
        cut.cut_power(PowerCut::new(number, tear));
        take(&mut cut, &steps);
        let Some(operation) = journal.operation(number) else {
            prop_assert!(cut.is_powered() && cut.strike().is_none());
            return Ok(());
        };
        let strike = cut.strike().unwrap();
        prop_assert_eq!(strike.operation, operation);
        let mut replayed = start.clone();
        for earlier in 1..number {
            let operation = journal.operation(earlier).unwrap();
            replayed.repeat(operation, journal.data(earlier).unwrap()).unwrap();
        }
        let fits = replayed.leave_torn(operation, journal.data(number).unwrap(), tear).unwrap();
        prop_assert_eq!(strike.fits, fits);
        prop_assert_eq!(cells(&cut), cells(&replayed));
    }
}

#[test]
fn a_chip_is_a_value_that_goes_between_threads() {
    fn is_one<T: Clone + std::fmt::Debug + Send + Sync + 'static>(value: &T) -> T {
        value.clone()
    }
    let mut chip = is_one(&Chip::new(GEOMETRY));
    chip.program(0, &[0; 4]).unwrap();
    let fork = is_one(&chip);
    let there = std::thread::spawn(move || cells(&fork)).join().unwrap();
    assert_eq!(there, cells(&chip));
    assert!(format!("{chip:?}").contains("operations: 1"), "{chip:?}");
}

#[test]
fn memory_grows_with_differing_blocks_only() {
    let mut memory = MemoryStorage::new(GEOMETRY);
    memory.load(0, &[7; 1024]).unwrap();
    let mut fork = memory.clone();
    fork.program(0, &[0]).unwrap();
    let shared = |n: u64| memory.identity(EraseBlock(n)) == fork.identity(EraseBlock(n));
    assert!(!shared(0), "the one that changed was copied");
    assert!((1..8).all(shared), "the others are the same memory");
}

#[test]
fn without_power_nothing_answers_until_it_is_back() {
    let mut chip = Chip::new(GEOMETRY);
    chip.program(0, &[0; 64]).unwrap();
    assert_eq!(chip.operations(), 2, "two write buffers");
    chip.cut_power(PowerCut::new(2, Tear::new(Model::Words, 3)));
    assert_eq!(chip.program(128, &[0; 96]), Err(Errno::NODEV));
    let strike = chip.strike().unwrap();
    assert_eq!(strike.operation.kind, OperationKind::Program);
    assert_eq!(
        (strike.operation.offset_bytes, strike.operation.length_bytes),
        (160, 32)
    );
    assert_eq!(chip.read(0, &mut [0]), Err(Errno::NODEV));
    assert_eq!(chip.program(0, &[0]), Err(Errno::NODEV));
    assert_eq!(chip.erase(EraseBlock(0)), Err(Errno::NODEV));
    assert_eq!(chip.set_locked(EraseBlock(0), true), Err(Errno::NODEV));
    let mut left = [0; 96];
    chip.peek(128, &mut left).unwrap();
    assert_eq!(left.iter().take_while(|cell| **cell == 0).count(), 38);
    chip.power_on();
    assert_eq!(chip.read(0, &mut [0]), Ok(1));
    assert_eq!(chip.erase(EraseBlock(1)), Ok(()), "a cut strikes once");
}

#[test]
fn a_cut_of_the_plan_strikes_where_and_when_it_says() {
    let mut chip = Chip::new(GEOMETRY);
    let plan = "power-cut@0x100+0x80:tear=p5:once:after=1";
    chip.set_faults(Some(plan.parse().unwrap()));
    assert_eq!(
        chip.faults().unwrap().to_string(),
        "power-cut@0x100+0x80:tear=p5:once:after=1"
    );
    chip.program(0, &[0; 200]).unwrap();
    assert_eq!(chip.program(0x100, &[0; 40]), Err(Errno::NODEV));
    let mut left = [0; 40];
    chip.peek(0x100, &mut left).unwrap();
    assert_eq!(left.iter().take_while(|cell| **cell == 0).count(), 37);
    chip.power_on();
    chip.program(0x100, &[0; 40]).unwrap();
    assert_eq!(chip.faults().unwrap().struck(), 1);
}

#[rstest]
#[case("read-error@1:tear=b")]
#[case("power-cut:tear=zz")]
#[case("power-cut:errno=EIO")]
fn a_plan_that_makes_no_sense_is_refused(#[case] text: &str) {
    assert!(text.parse::<FaultPlan>().is_err());
}

#[test]
fn unstable_bits_change_until_the_erase_and_belong_to_the_chip() {
    let mut chip = Chip::new(GEOMETRY);
    chip.cut_power(PowerCut::new(1, Tear::new(Model::UnstableProgram, 1)));
    assert_eq!(chip.program(0, &[0x0f; 8]), Err(Errno::NODEV));
    chip.power_on();
    assert!(chip.distorts_reads());
    let mut fork = chip.clone();
    let reads = |chip: &mut Chip| {
        let mut seen = Vec::new();
        for _ in 0..32 {
            let mut buf = [0; 8];
            chip.read(0, &mut buf).unwrap();
            assert_eq!((buf[0], buf[7]), (0x0f, 0xff));
            assert_eq!(buf[2] & 0x0f, 0x0f);
            seen.push(buf[2]);
        }
        seen
    };
    let seen = reads(&mut chip);
    assert!(seen.iter().any(|byte| *byte != seen[0]), "{seen:?}");
    assert_eq!(reads(&mut fork), seen, "the same run reads the same");
    // Programmed to 0 it is 0; erased it is 1.
    chip.program(2, &[0x0f, 0x0f]).unwrap();
    assert!(reads(&mut chip).iter().all(|byte| *byte == 0x0f));
    fork.erase(EraseBlock(0)).unwrap();
    assert!(!fork.distorts_reads());
}

#[test]
#[should_panic(expected = "take them away before")]
fn a_fault_plan_is_never_replaced_in_silence() {
    let mut chip = Chip::new(GEOMETRY);
    chip.set_faults(Some("read-error@1".parse().unwrap()));
    chip.set_faults(Some("read-error@2".parse().unwrap()));
}

#[test]
fn the_storage_can_be_had_back() {
    let mut chip = Chip::new(GEOMETRY);
    chip.program(5, &[1]).unwrap();
    let mut byte = [0];
    chip.into_storage().read(5, &mut byte).unwrap();
    assert_eq!(byte, [1]);
}

#[test]
fn watchers_stay_with_their_chip_and_hear_of_a_restore_and_of_power() {
    use std::sync::{Arc, Mutex};
    #[derive(Default)]
    struct Ear(Mutex<Vec<(u64, u64)>>);
    impl Watcher for Ear {
        fn changed(&self, _: &dyn Storage, at: u64, length: u64) {
            self.0.lock().unwrap().push((at, length));
        }
        fn power_gone(&self) {
            self.0.lock().unwrap().push((u64::MAX, 0));
        }
    }
    let ear = Arc::new(Ear::default());
    let as_watcher: Arc<dyn Watcher> = Arc::clone(&ear) as _;
    let mut chip = chips().remove(0);
    chip.watch(Arc::downgrade(&as_watcher));
    let mut fork = chip.clone();
    fork.erase(EraseBlock(3)).unwrap();
    assert!(ear.0.lock().unwrap().is_empty(), "nobody watches a fork");
    chip.restore(&fork);
    chip.cut_power(PowerCut::new(1, Tear::BEFORE));
    assert_eq!(chip.erase(EraseBlock(0)), Err(Errno::NODEV));
    assert_eq!(*ear.0.lock().unwrap(), [(384, 128), (u64::MAX, 0)]);
}

#[test]
fn once_only_flash_and_units_are_kept_to() {
    let mut chip = Chip::new(GEOMETRY);
    chip.set_programming(Programming::words(4).buffers(64).once());
    assert_eq!(chip.program(2, &[0; 4]), Err(Errno::INVAL));
    assert_eq!(chip.program(4, &[0; 3]), Err(Errno::INVAL));
    chip.program(4, &[0xfe; 8]).unwrap();
    assert_eq!(chip.program(8, &[0xfc; 4]), Err(Errno::IO));
    assert_eq!(chip.counters().failures(), 3);
}

#[test]
#[should_panic(expected = "do not fit erase blocks of 128")]
fn impossible_programming_is_refused() {
    Chip::new(GEOMETRY).set_programming(Programming::words(3));
}

#[test]
fn a_program_that_never_ends_does_end() {
    let mut chip = Chip::new(GEOMETRY);
    chip.limit_accesses(Some(10));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        loop {
            chip.read(0, &mut [0]).unwrap();
        }
    }));
    let Err::<std::convert::Infallible, _>(payload) = ended;
    assert!(Chip::is_endless(&*payload));
}
