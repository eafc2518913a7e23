mod wear;

use super::*;
use crate::Geometry;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;
use std::io::Write;
use std::sync::{Arc, Mutex};

const ISPOT: Geometry = Geometry {
    size_bytes: 16 << 20,
    erase_block_bytes: 128 << 10,
};

fn plan(spec: &str) -> FaultPlan {
    spec.parse()
        .unwrap_or_else(|error| panic!("{spec}: {error}"))
}

#[rstest]
#[case("read-error@0x1a0000:once")]
#[case("read-error@0x1a0000+0x20000:times=3:after=2:errno=ETIME")]
#[case("read-error")]
#[case("bit-flip@0x42000.3")]
#[case("bit-flip@0x42000+0x100:once:seed=9")]
#[case("short-read:seed=7")]
#[case("program-error@0x0:errno=EINVAL,erase-error@0x20000")]
#[case("size@mtd3=0x5e0000:after=40")]
#[case("read-error:errno=52")]
fn the_text_form_comes_back(#[case] spec: &str) {
    assert_eq!(plan(spec).to_string(), spec);
}

#[rstest]
#[case("read-error@4096:always", "read-error@0x1000")]
#[case(
    " bit-flip@16.0:persistent , bit-flip@17.7:transient",
    "bit-flip@0x10.0,bit-flip@0x11.7:once"
)]
#[case("read-error@0x10+1:errno=EIO", "read-error@0x10")]
fn other_ways_to_write_it(#[case] spec: &str, #[case] canonical: &str) {
    assert_eq!(plan(spec).to_string(), canonical);
}

#[rstest]
#[case("", "an empty fault")]
#[case("read-error,,", "an empty fault")]
#[case("reed-error@1", "there is no `reed-error`")]
#[case("read-error@", "`` is no place")]
#[case("read-error@-1", "`-1` is no place")]
#[case("read-error@+1", "`+1` is no place")]
#[case("read-error@0x+1", "`0x+1` is no place")]
#[case("read-error@1+0", "`1+0` is no place")]
#[case("read-error@0xffffffffffffffff+2", "is no place")]
#[case("read-error@0x1.3", "`0x1.3` is no place")]
#[case("bit-flip@0x1.8", "a bit from 0 to 7")]
#[case("bit-flip@0x1.3:errno=EIO", "this fault gives no error")]
#[case("size@mtd3", "size@mtdN=BYTES")]
#[case("size@3=5", "size@mtdN=BYTES")]
#[case("read-error:twice", "`twice` is no option")]
#[case("read-error:times=many", "`times=many` is no option")]
#[case("read-error:errno=EFUN", "`errno=EFUN` is no option")]
fn texts_that_are_no_plan(#[case] spec: &str, #[case] message: &str) {
    let error = spec.parse::<FaultPlan>().unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn a_read_error_strikes_where_and_as_often_as_it_says() {
    let mut plan = plan("read-error@0x100+0x10:times=2:after=1:errno=ETIME");
    let mut buf = [0; 0x10];
    let mut read = |offset| plan.on_read(offset, &mut buf);
    assert_eq!(read(0xf0), Ok(0x10), "ends just before the place");
    assert_eq!(read(0x110), Ok(0x10), "begins just after it");
    assert_eq!(
        read(0xf1),
        Ok(0x10),
        "touches it, but the first one goes well"
    );
    assert_eq!(read(0xf1), Err(Errno::TIME));
    assert_eq!(read(0x10f), Err(Errno::TIME));
    assert_eq!(read(0x10f), Ok(0x10), "two are all");
    assert_eq!(plan.struck(), 2);
    assert_eq!(plan.bytes_changed(), 0);
}

#[test]
fn a_failed_read_leaves_the_buffer_alone() {
    let mut plan = plan("bit-flip@0x0.0,read-error@0x3");
    let mut buf = [0x55; 8];
    assert_eq!(plan.on_read(0, &mut buf), Err(Errno::IO));
    assert_eq!(buf, [0x55; 8]);
}

#[test]
fn a_bit_flip_stays_until_its_erase_block_is_erased() {
    let mut plan = plan("bit-flip@0x20001.7");
    let read = |plan: &mut FaultPlan| {
        let mut buf = [0; 4];
        plan.on_read(0x20000, &mut buf).unwrap();
        buf
    };
    assert_eq!(read(&mut plan), [0, 0x80, 0, 0]);
    plan.on_erase(0, 0x20000).unwrap();
    assert_eq!(read(&mut plan), [0, 0x80, 0, 0]);
    plan.on_erase(0x20000, 0x20000).unwrap();
    assert_eq!(read(&mut plan), [0; 4]);
    assert_eq!(plan.bytes_changed(), 2);
}

#[test]
fn a_transient_bit_flip_is_gone_when_read_again() {
    let mut plan = plan("bit-flip@0x1.7:transient");
    let mut buf = [0; 2];
    plan.on_read(0, &mut buf).unwrap();
    assert_eq!(buf, [0, 0x80]);
    let mut buf = [0; 2];
    plan.on_read(0, &mut buf).unwrap();
    assert_eq!(buf, [0, 0]);
}

#[test]
fn a_random_bit_flip_stays_in_its_place() {
    let mut plan = plan("bit-flip@0x10+0x4:seed=3");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let mut buf = [0; 0x20];
        plan.on_read(0, &mut buf).unwrap();
        assert_eq!(buf.iter().map(|b| b.count_ones()).sum::<u32>(), 1);
        assert!(buf[0x10..0x14].iter().any(|&b| b != 0));
        seen.insert(buf);
    }
    assert_eq!(seen.len(), 32, "each bit of the four bytes has its turn");
}

#[test]
fn program_and_erase_fail_apart() {
    let mut plan = plan("program-error@0x100:once,erase-error@0x20000:once:errno=EINVAL");
    assert_eq!(plan.on_erase(0, 0x20000), Ok(true));
    assert_eq!(plan.on_program(0, 0x100), Ok(true));
    assert_eq!(plan.on_program(0, 0x101), Err(Errno::IO));
    assert_eq!(plan.on_program(0, 0x101), Ok(true));
    assert_eq!(plan.on_erase(0x20000, 0x20000), Err(Errno::INVAL));
    assert_eq!(plan.on_erase(0x20000, 0x20000), Ok(true));
}

#[test]
fn a_size_change_comes_due_once() {
    let mut plan = plan("size@mtd3=0x5e0000:after=2");
    for due in [0, 0, 1, 0] {
        let changes = plan.take_size_changes();
        assert_eq!(changes.len(), due);
        assert!(
            changes
                .iter()
                .all(|c| (c.index, c.size_bytes) == (3, 0x5e_0000))
        );
        plan.on_read(0, &mut [0]).unwrap();
    }
}

#[test]
fn seeds_give_every_kind_of_plan() {
    let plans: Vec<_> = (0..1000)
        .map(|seed| FaultPlan::random(seed, ISPOT))
        .collect();
    let all: String = plans.iter().map(|case| format!("{},", case.plan)).collect();
    for name in [
        "read-error",
        "short-read",
        "bit-flip",
        "program-error",
        "erase-error",
        "once",
    ] {
        assert!(all.contains(name), "{name}");
    }
    assert!(plans.iter().any(|case| case.may_change_data));
    assert!(plans.iter().any(|case| case.plan == FaultPlan::default()));
    let all: String = (0..1000)
        .map(|seed| format!("{},", random_destination(seed, 16 << 20)))
        .collect();
    for name in [
        "no-space",
        "io-error",
        "short-write",
        "permission-denied",
        "sync",
        "rename",
    ] {
        assert!(all.contains(name), "{name}");
    }
}

/// These texts stand in users' test logs: they must replay for good.
#[test]
fn a_seed_means_the_same_plan_in_every_version() {
    assert_eq!(FaultPlan::random(1, ISPOT).plan.to_string(), SEED_1);
    assert_eq!(
        random_destination(8, 16 << 20).to_string(),
        DESTINATION_SEED
    );
}

/// How a patient reader fares against one seed: retries, keeps what it has.
/// None: it gave up with an error.
fn read_all(chip: &mut crate::Chip) -> Option<Vec<u8>> {
    let size = chip.geometry().size_bytes as usize;
    let mut bytes = vec![0; size];
    let mut at = 0;
    let mut errors = 0;
    while at < size {
        let end = (at + 4096).min(size);
        match chip.read(at as u64, &mut bytes[at..end]) {
            Ok(count) => (at, errors) = (at + count, 0),
            Err(_) if errors < 2 => errors += 1,
            Err(_) => return None,
        }
    }
    Some(bytes)
}

/// No error and no bit flip means the truth; over a chip, for 10,000 seeds.
#[test]
fn ten_thousand_plans_over_a_chip() {
    let geometry = Geometry {
        size_bytes: 32 << 10,
        erase_block_bytes: 8 << 10,
    };
    let pristine: Vec<u8> = (0..geometry.size_bytes)
        .map(|i| (i ^ (i >> 8)) as u8)
        .collect();
    let mut chip = crate::Chip::new(geometry);
    chip.load(0, &pristine).unwrap();
    let [mut given_up, mut changed, mut survived] = [0; 3];
    for seed in 0..10_000 {
        let case = FaultPlan::random(seed, geometry);
        let text = case.plan.to_string();
        chip.set_faults(None);
        chip.set_faults(Some(case.plan));
        let answer = read_all(&mut chip);
        let plan = chip.faults().unwrap();
        match answer {
            None => given_up += 1,
            Some(bytes) if bytes == pristine => survived += u32::from(plan.struck() > 0),
            Some(_) => {
                assert!(case.may_change_data, "seed {seed}: {text}");
                assert!(plan.bytes_changed() > 0, "seed {seed}: {text}");
                changed += 1;
            }
        }
    }
    // The suite means something only if each of these happens often.
    assert!(
        given_up > 500 && changed > 500 && survived > 500,
        "{given_up} {changed} {survived}"
    );
    chip.set_faults(None);
    assert_eq!(
        read_all(&mut chip),
        Some(pristine),
        "the cells were never touched"
    );
}

const SEED_1: &str = "short-read:times=2:after=10:seed=6330,short-read@0x57efae:seed=36512,\
    read-error@0xa46ade+0xcb4:once:seed=39502,short-read:times=2:after=1:seed=40653";
const DESTINATION_SEED: &str = "rename-error:after=8";

#[rstest]
#[case("no-space@0x3e8")]
#[case("io-error@0x10:once:errno=EINTR,short-write:seed=4")]
#[case("permission-denied:once:after=3,sync-error,rename-error:times=2")]
fn the_text_form_of_a_destination_comes_back(#[case] spec: &str) {
    let faults: DestinationFaults = spec.parse().unwrap();
    assert_eq!(faults.to_string(), spec);
}

#[rstest]
#[case("full@3", "there is no `full`")]
#[case("no-space@many", "`many` is no place")]
#[case("sync-error@3", "this fault has none")]
#[case("short-write:errno=EIO", "gives no error")]
fn texts_that_are_no_destination(#[case] spec: &str, #[case] message: &str) {
    let error = spec.parse::<DestinationFaults>().unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn a_writer_fills_up_over_all_its_files() {
    let faults = Arc::new(Mutex::new("no-space@10".parse().unwrap()));
    let mut first = FaultyWriter::new(Vec::new(), Arc::clone(&faults));
    let mut second = FaultyWriter::new(Vec::new(), Arc::clone(&faults));
    first.write_all(b"123456").unwrap();
    let error = second.write_all(b"123456").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    assert_eq!(first.into_inner(), b"123456");
    assert_eq!(second.into_inner(), b"1234");
    assert_eq!(faults.lock().unwrap().written_bytes(), 10);
}

#[test]
fn an_error_that_strikes_once_lets_the_rest_pass() {
    let faults = Arc::new(Mutex::new("io-error@4:once:errno=EINTR".parse().unwrap()));
    let mut writer = FaultyWriter::new(Vec::new(), Arc::clone(&faults));
    // `write_all` takes EINTR as a reason to go on.
    writer.write_all(b"12345678").unwrap();
    assert_eq!(writer.get_ref(), b"12345678");
    assert_eq!(faults.lock().unwrap().struck(), 1);
}

#[test]
fn creating_syncing_and_renaming_fail_apart() {
    let mut faults: DestinationFaults =
        "permission-denied:once:after=1,sync-error:once,rename-error:once:errno=ENOSPC"
            .parse()
            .unwrap();
    assert_eq!(faults.on_create(), Ok(()));
    assert_eq!(faults.on_create(), Err(Errno::ACCESS));
    assert_eq!(faults.on_create(), Ok(()));
    assert_eq!(faults.on_rename(), Err(Errno::NOSPC));
    assert_eq!(faults.on_rename(), Ok(()));
    let mut writer = FaultyWriter::new(Vec::<u8>::new(), Arc::new(Mutex::new(faults)));
    let mut synced = 0;
    assert!(
        writer
            .sync(|_| {
                synced += 1;
                Ok(())
            })
            .is_err()
    );
    assert_eq!(synced, 0, "a failed sync must not have synced");
    writer
        .sync(|_| {
            synced += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(synced, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = text.parse::<FaultPlan>();
        let _ = text.parse::<DestinationFaults>();
    }

    #[test]
    fn texts_near_the_grammar_come_back(
        text in "(read-error|bit-flip|short-read|size|erase-error)(@(mtd[0-9]=)?[0-9a-fx]{1,6}([.+][0-9a-fx]{1,3})?)?(:(once|after=[0-9]{1,3}|seed=[0-9]{1,3}|times=[0-9]|errno=E[A-Z]{2}))?",
    ) {
        if let Ok(plan) = text.parse::<FaultPlan>() {
            prop_assert_eq!(plan.to_string().parse::<FaultPlan>().unwrap(), plan);
        }
    }

    /// Whatever a plan does, what it delivers without an error and without a
    /// bit flip is the truth, at least one byte of it, and replays.
    #[test]
    fn random_plans_keep_their_word(seed in any::<u64>(), reads in prop::collection::vec((0u64..16 << 20, 1usize..5000), 1..40)) {
        let case = FaultPlan::random(seed, ISPOT);
        prop_assert_eq!(&case.plan.to_string().parse::<FaultPlan>().unwrap_or_default(), &case.plan);
        let (mut plan, mut twin) = (case.plan.clone(), case.plan);
        for (offset, length) in reads {
            let pristine: Vec<u8> = (0..length).map(|i| (offset as usize + i) as u8).collect();
            let (mut buf, mut again) = (pristine.clone(), pristine.clone());
            let changed_before = plan.bytes_changed();
            let answer = plan.on_read(offset, &mut buf);
            prop_assert_eq!(answer, twin.on_read(offset, &mut again));
            prop_assert_eq!(&buf, &again);
            if let Ok(count) = answer {
                prop_assert!((1..=length).contains(&count));
                prop_assert_eq!(&buf[count..], &pristine[count..]);
                let differs = buf != pristine;
                prop_assert!(!differs || case.may_change_data);
                prop_assert!(!differs || plan.bytes_changed() > changed_before);
            }
        }
    }

    #[test]
    fn random_destinations_lose_nothing_silently(seed in any::<u64>(), chunks in prop::collection::vec(0usize..3000, 1..30)) {
        let total: usize = chunks.iter().sum();
        let faults = random_destination(seed, total as u64);
        let mut writer = FaultyWriter::new(Vec::new(), Arc::new(Mutex::new(faults)));
        let mut expected = Vec::new();
        let mut failed = false;
        for chunk in chunks {
            let bytes: Vec<u8> = (0..chunk).map(|i| (expected.len() + i) as u8).collect();
            failed |= writer.write_all(&bytes).is_err();
            if failed { break; }
            expected.extend(bytes);
        }
        prop_assert!(failed || writer.get_ref() == &expected);
        prop_assert!(writer.get_ref().starts_with(&expected));
    }
}
