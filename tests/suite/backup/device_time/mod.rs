//! The device time of fixed jobs, exactly: one more read or erase fails here.
//!
//! A change that is meant to cost the chip more or less makes the fixture anew, and
//! its commit says why:
//!
//!     MTDKEEP_GOLDEN=write cargo test --test suite device_time::fixed_jobs

mod jobs;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod restores;

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
    let mut now = jobs::run();
    // Where there is no sandbox, what it would count is as it stands there.
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    now.restores.extend(fixture().restores);
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    now.restores.extend(restores::run());
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

    // A restore writes the erase blocks that differ, and those alone.
    for (what, blocks, erases) in [
        ("nothing differs", 0, 0),
        ("one file's erase block differs", 1, 1),
        ("one file's two erase blocks differ", 2, 2),
        ("one erase block has bits to clear only", 1, 0),
        ("all of it differs", 8, 8),
    ] {
        let mut all = costs.restores.iter();
        let found = all.find(|cost| cost.job == format!("restore system, {what}"));
        let cost = found.unwrap_or_else(|| panic!("no restore {what:?}"));
        assert_eq!((cost.erases, cost.failures), (erases, 0), "{what}");
        assert!(cost.bytes_programmed <= blocks * (128 << 10), "{what}");
        assert_eq!(cost.bytes_programmed == 0, blocks == 0, "{what}");
    }
}
