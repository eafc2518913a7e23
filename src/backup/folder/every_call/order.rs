//! What is on the medium before what: a call that is left out fails nothing, and shows
//! in the order of the others alone.

use super::*;
use crate::backup::SUMS;

/// Each file is synced before it gets its name, and the name before anything follows.
#[rstest]
fn what_gets_a_name_is_synced_and_so_is_the_name(
    #[values(Work::Backup, Work::Resume, Work::Import)] work: Work,
) {
    let place = calmly(|| Workplace::new(work));
    let (done, calls) = faults::with(Plan::default(), || place.run(work));
    assert!(done);
    let changes = [Call::Write, Call::Sync, Call::Rename, Call::SyncFolder];
    let order: Vec<Call> = calls.into_iter().filter(|c| changes.contains(c)).collect();
    let renames = order
        .iter()
        .enumerate()
        .filter(|(_, c)| **c == Call::Rename);
    let renames: Vec<usize> = renames.map(|(at, _)| at).collect();
    assert!(renames.len() > 3, "{order:?}");
    for at in renames {
        let last = |call| order[..at].iter().rposition(|other| *other == call);
        assert!(last(Call::Write) < last(Call::Sync), "{at}: {order:?}");
        assert_eq!(order[at + 1], Call::SyncFolder, "{at}: {order:?}");
    }
}

/// Where there are no locks: the mark is another run's by now, and so is the folder.
#[test]
fn who_lost_the_mark_names_no_image() {
    let dry = calmly(|| Workplace::new(Work::Backup));
    let (_, calls) = faults::with(Plan::default(), || dry.run(Work::Backup));
    let creates = calls
        .iter()
        .enumerate()
        .filter(|(_, c)| **c == Call::Create);
    // The first is the mark's.
    let (first_image, _) = creates.into_iter().nth(1).unwrap();
    let place = calmly(|| Workplace::new(Work::Backup));
    let mark = place.path().join(UNFINISHED);
    let act = move || {
        let other = mark.with_extension("other");
        fs::write(&other, "{}").unwrap();
        fs::rename(other, mark).unwrap();
    };
    let plan = Plan {
        before: Some((first_image, Box::new(act))),
        ..Plan::default()
    };
    let (done, _) = faults::with(plan, || place.run(Work::Backup));
    assert!(!done && !place.path().join("mtd0.bin").exists());
}

/// With CRC-32 alone there is no `SHA256SUMS`, and an earlier run's would say of other
/// bytes that they are right.
#[test]
fn sums_of_an_earlier_run_that_cannot_go_are_no_success() {
    let place = calmly(|| Workplace::new(Work::Resume));
    let path = place.path();
    // Else removing that fails first.
    fs::remove_file(path.join("mtd1.bin.part")).unwrap();
    let request = Request {
        digests: DigestChoice::Crc32,
        now: UNIX_EPOCH,
        ..Request::default()
    };
    let make = || {
        let folder = opened(&path, Folder::open(&path, Access::Change))?;
        let backend = SimulatedBackend::new(device(1));
        backup::backup(&backend, &folder, &request, &backup::Work::default())
    };
    let plan = Plan {
        cannot: vec![(Call::Remove, Errno::ACCESS)],
        ..Plan::default()
    };
    assert!(path.join(SUMS).exists());
    assert!(faults::with(plan, make).0.is_err());
    calmly(make).unwrap();
    assert!(!path.join(SUMS).exists());
}
