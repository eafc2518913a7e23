//! What is printed of a search and of one state.

use super::super::report::Report;
use super::log_store::{Flaw, drive};
use super::{chip, work};
use crate::cut::*;

fn failure(letter: &str, number: u64) -> (Step, Option<Failure>) {
    let step = Step {
        operation: number,
        tear: letter.parse().unwrap(),
    };
    let id = CutId::new(&chip(), &Journal::default(), [step]).unwrap();
    let failure = Failure {
        id,
        during: None,
        why: format!("{number}"),
    };
    (step, Some(failure))
}

/// A bug that one model shows is not hidden by a thousand failures of another.
#[test]
fn one_failure_of_each_model_is_told_first_and_the_rest_counted() {
    let mut report = Report::new(3);
    report.levels.push(Level::default());
    for number in 1..=1000 {
        let (step, failure) = failure("u0", number);
        report.note(step, failure);
    }
    for (letter, number) in [("v0", 1001), ("w1", 1002), ("w2", 1003), ("r0", 1004)] {
        let (step, failure) = failure(letter, number);
        report.note(step, failure);
    }
    let text = report.to_string();
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("cut:"))
        .collect();
    let parts = told.iter().map(|id| id.split('.').nth(3).unwrap());
    let expected = [
        "1002w1", "1004r0", "1u0", "1001v0", "2u0", "3u0", "4u0", "5u0", "6u0", "7u0",
    ];
    assert_eq!(parts.collect::<Vec<_>>(), expected, "{text}");
    let rest = "and 994 more: 1 words, 993 unstable program";
    assert_eq!(text.lines().last(), Some(rest));
    // All of them told: nothing is left to count.
    let mut report = Report::new(3);
    report.levels.push(Level::default());
    let (step, failure) = failure("w1", 1);
    report.note(step, failure);
    assert_eq!(report.rest(), None);
}

#[test]
fn a_cut_is_told_with_what_was_under_way_and_what_it_left() {
    let (chip, store) = (chip(), Scripted::new(work(), drive(Flaw::HeaderFirst)));
    let search = || Explorer::new(&chip, &store).tears(Tears::stable());
    let report = search().run().unwrap();
    let failure = &report.failures[0];
    let during = failure.during.as_deref().unwrap();
    assert!(during.starts_with("in ask "), "{during}");
    let replay = search().replay(&failure.id).unwrap();
    let text = replay.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], replay.cuts[0]);
    assert!(lines[0].ends_with(during), "{text}");
    assert_eq!(lines[1], failure.why);
    assert_eq!(lines[2], "the cells that the cut left there:");
    let row = lines[3].split_whitespace();
    let cells: Vec<u8> = row
        .clone()
        .skip(1)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let at = u64::from_str_radix(row.clone().next().unwrap(), 16).unwrap();
    let mut left = vec![0; cells.len()];
    replay.left.peek(at, &mut left).unwrap();
    assert_eq!((cells.len(), cells), (16, left));
    // A cut in the recovery, and one behind all that there is.
    let told = |steps: &[(u64, &str)]| {
        let steps = steps.iter().map(|(operation, tear)| Step {
            operation: *operation,
            tear: tear.parse().unwrap(),
        });
        let run = search().work().unwrap();
        search()
            .replay(&CutId::new(&chip, &run.journal, steps).unwrap())
            .unwrap()
    };
    let second = told(&[(3, "b"), (1, "b")]);
    assert!(second.cuts[1].contains("after the cut"), "{second}");
    let end = told(&[(report.operations + 1, "b")]);
    assert!(end.cuts[0].ends_with("after the last ask"), "{end}");
    assert!(
        end.to_string().ends_with("all that was promised held\n"),
        "{end}"
    );
}
