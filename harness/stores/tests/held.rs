//! The short form, for CI: every store is explored a little, and what is known not to hold
//! replays from its id. A store that holds where it did not, or the other way round, shows
//! in the long form (`cargo run --release`), whose table is docs/power-cuts.md.

use stores::{Limits, cases};

const LIMITS: Limits = Limits {
    cuts: 2,
    states: 4_000,
    threads: Some(2),
    time: None,
    unstable: false,
};

#[test]
fn every_store_is_explored() {
    for case in cases() {
        let report = case.explore(LIMITS, &mut |_| {});
        let report = report.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert!(report.states() > 250, "{}:\n{report}", case.name);
        // Every failure that the short form meets replays, with the same words.
        for failure in report.failures.iter().take(1) {
            let (_, replay) = case.again(&failure.id).expect("its own id");
            assert!(replay.verdict.is_err(), "{} {}", case.name, failure.id);
        }
    }
}

#[test]
fn what_is_known_not_to_hold_replays_from_its_id() {
    let mut known = 0;
    for case in cases() {
        for id in case.fails {
            let parsed = id.parse().unwrap_or_else(|error| panic!("{id}: {error}"));
            let (_, replay) = case
                .again(&parsed)
                .unwrap_or_else(|error| panic!("{id}: {error}"));
            assert!(replay.verdict.is_err(), "{}: {id} holds now", case.name);
            known += 1;
        }
    }
    assert!(known >= 5);
}

#[test]
fn an_id_of_one_store_is_refused_by_another() {
    let cases = cases();
    let id = cases[0].fails[0].parse().unwrap();
    for other in &cases[1..] {
        assert!(other.again(&id).is_err(), "{}", other.name);
    }
}

/// Each id that the tables of docs/power-cuts.md show is of the store whose row it is in,
/// and replays.
#[test]
fn every_id_of_the_tables_replays() {
    let guide = include_str!("../../../docs/power-cuts.md");
    let mut replayed = 0;
    for case in cases() {
        // A row begins with the name and the version.
        let start = format!("| {} {} |", case.name, case.version);
        let rows = guide.lines().filter(|line| line.starts_with(&start));
        let shown = rows.flat_map(|row| row.split('`').filter(|part| part.starts_with("cut:")));
        for id in shown {
            let parsed = id.parse().unwrap_or_else(|error| panic!("{id}: {error}"));
            let replay = case.replay(&parsed);
            let replay = replay.unwrap_or_else(|error| panic!("{}, {id}: {error}", case.name));
            let why = replay.verdict.expect_err(id);
            println!("{} {id}: {why}", case.name);
            replayed += 1;
        }
    }
    assert!(replayed >= 14, "{replayed}");
}
