//! The device time of fixed jobs, exactly: one more read or erase fails here.
//!
//! A change that is meant to cost the chip more or less makes the fixture anew, and
//! its commit says why:
//!
//!     MTDKEEP_GOLDEN=write cargo test --test suite device_time::fixed_jobs

mod jobs;

use jobs::Costs;
use std::path::Path;

const FIXTURE: &str = "fixtures/device-time.json";

fn fixture() -> Costs {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).expect("as this test wrote it")
}

#[test]
fn fixed_jobs_cost_exactly_what_the_fixture_says() {
    let now = jobs::run();
    if std::env::var_os("MTDKEEP_GOLDEN").is_some_and(|value| value == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
        std::fs::write(&path, now.to_json()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        return;
    }
    let differences = now.differences_to(&fixture());
    assert!(
        differences.is_empty(),
        "{}\nif that is meant: run this test with MTDKEEP_GOLDEN=write, and say why in the commit",
        differences.join("\n")
    );
}

/// A comparison that cannot fail is none.
#[test]
fn one_more_of_anything_is_named_with_both_figures() {
    let before = fixture();
    assert!(before.differences_to(&before).is_empty());
    let figures = before.jobs[0].figures();
    for (at, (what, value)) in figures.into_iter().enumerate() {
        let mut now = before.clone();
        let job = &mut now.jobs[0];
        *[
            &mut job.virtual_ns,
            &mut job.reads,
            &mut job.bytes_read,
            &mut job.programs,
            &mut job.bytes_programmed,
            &mut job.erases,
            &mut job.lock_changes,
            &mut job.failures,
        ][at] += 1;
        let expected = format!(
            "{}: {what} now {}, in the fixture {value}",
            before.jobs[0].job,
            value + 1
        );
        assert_eq!(now.differences_to(&before), [expected]);
    }
    let mut fewer = before.clone();
    let gone = fewer.jobs.remove(1);
    assert!(fewer.differences_to(&before)[0].contains(&gone.job));
    assert!(before.differences_to(&fewer)[0].contains(&gone.job));
}

/// What the fixture is to show: the pipeline asks for no byte twice, and
/// comparing first spares erases.
#[test]
fn the_fixture_says_what_is_claimed_of_it() {
    let costs = fixture();
    let cost = |job: &str| {
        let found = costs.jobs.iter().find(|cost| cost.job == job);
        found.unwrap_or_else(|| panic!("no job {job:?}"))
    };
    let whole = cost("read all partitions, 128 KiB a call");
    assert_eq!(whole.bytes_read, 16 << 20);
    let same = "rewrite linux_2 with the same bytes";
    assert_eq!(cost(&format!("{same}, only where it differs")).erases, 0);
    assert_eq!(cost(&format!("{same}, every erase block")).erases, 9);
    assert!(costs.jobs.iter().all(|cost| cost.failures == 0));
}
