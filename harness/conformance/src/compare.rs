//! Holds one run's lines against another's, line by line.

use super::run::{Line, Report};
use super::script::{Cases, Section, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which lines a way of running the cases can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them: a process of its own.
    Everything,
    /// Not those that need a real process: calls in this one.
    InProcess,
    /// Not MTD's own ioctls nor what follows from them: QEMU's user mode
    /// answers ioctls of type `M` by itself. Calls that a `~` says it answers
    /// otherwise must be answered otherwise.
    QemuUser,
}

/// What is to be true of lines that carry a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// The other run was made on QEMU's chip too: they agree like all others.
    Agree,
    /// Silicon, or a simulation of it: each answers what its mark says, and that
    /// is not what QEMU's chip answered, or the mark is not needed.
    AsSilicon,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many lines agree.
    pub agree: usize,
    /// How many differ as their mark says.
    pub marked: usize,
    /// How many lines are outside the scope.
    pub left_out: usize,
    /// What is wrong, in words, one text for each line.
    pub wrong: Vec<String>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for wrong in &self.wrong {
            writeln!(f, "{wrong}")?;
        }
        write!(
            f,
            "{} lines agree, {} differ as marked, {} left out, {} wrong",
            self.agree,
            self.marked,
            self.left_out,
            self.wrong.len()
        )
    }
}

/// The lines of a run's printed text; comments and empty lines are passed over.
/// A line that is none of ours is an error.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let meant = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().filter(meant).map(parse_line).collect()
}

fn parse_line(text: &str) -> Result<Line, String> {
    let bad = || format!("not a line of a conformance run: {text:?}");
    let (id, rest) = text.split_once("  ").ok_or_else(bad)?;
    let (words, answer) = rest.split_once(" -> ").ok_or_else(bad)?;
    let (answer, mark) = match answer.rsplit_once("  !") {
        Some((answer, mark)) => (answer, Some(mark.to_owned())),
        None => (answer, None),
    };
    Ok(Line {
        id: id.into(),
        words: words.into(),
        answer: answer.into(),
        mark,
    })
}

/// Compares a run with the stored lines. Every line in scope must be in both,
/// with the same words and, but for marks, the same answer.
pub fn compare(
    golden: &[Line],
    actual: &Report,
    cases: &Cases,
    scope: Scope,
    marks: Marks,
) -> Comparison {
    let mut outcome = Comparison::default();
    let wanted = wanted(cases, scope, marks);
    let wanted_of = |line: &Line| wanted.get(&*line.id).copied().unwrap_or(Wanted::Same);
    let stored: BTreeMap<&str, &Line> = golden.iter().map(|line| (&*line.id, line)).collect();
    let mut seen = BTreeSet::new();
    for line in &actual.lines {
        seen.insert(line.id.as_str());
        match (wanted_of(line), stored.get(line.id.as_str())) {
            (Wanted::Nothing, _) => {}
            (wanted, Some(golden)) => judge(golden, line, wanted, &mut outcome),
            (_, None) => {
                let text = format!("{line}\n    not in the stored lines");
                outcome.wrong.push(text);
            }
        }
    }
    for line in golden {
        if matches!(wanted_of(line), Wanted::Nothing | Wanted::Otherwise) {
            outcome.left_out += 1;
        } else if !seen.contains(line.id.as_str()) {
            outcome.wrong.push(format!("{line}\n    not in this run"));
        }
    }
    outcome
}

/// What a line of the run is to be, given the stored line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    Same,
    /// This, which the stored line is not.
    Silicon(&'a str),
    /// Anything but the stored line.
    Otherwise,
    /// The line is out of scope.
    Nothing,
}

fn judge(golden: &Line, actual: &Line, wanted: Wanted<'_>, outcome: &mut Comparison) {
    let right = match wanted {
        Wanted::Silicon(answer) => answer,
        _ => &*golden.answer,
    };
    let same = actual.answer == right;
    let fault = match wanted {
        _ if golden.words != actual.words || golden.mark != actual.mark => {
            format!("is another call in this run: {actual}")
        }
        Wanted::Silicon(_) if right == golden.answer => {
            "is what silicon answers: its mark is not needed".into()
        }
        Wanted::Silicon(_) if same => {
            outcome.marked += 1;
            return;
        }
        Wanted::Silicon(_) => format!("here: {}\n    silicon: {right}", actual.answer),
        Wanted::Otherwise if same => "is what user mode answers: its mark is not needed".into(),
        Wanted::Otherwise | Wanted::Nothing => return,
        Wanted::Same if same => {
            outcome.agree += 1;
            return;
        }
        Wanted::Same => format!("here: {}", actual.answer),
    };
    outcome.wrong.push(format!("{golden}\n    {fault}"));
}

/// What is wanted of lines that are not simply to be the same.
fn wanted(cases: &Cases, scope: Scope, marks: Marks) -> BTreeMap<&str, Wanted<'_>> {
    let of = |section: &Section, step: &'_ Step| match (scope, &step.mark) {
        (Scope::InProcess, _) if section.native => Some(Wanted::Nothing),
        (Scope::QemuUser, _) if step.mtd_ioctl => Some(Wanted::Nothing),
        (Scope::QemuUser, _) if step.user_mode.is_some() => Some(Wanted::Otherwise),
        (_, Some(_)) if marks == Marks::AsSilicon => None,
        _ => Some(Wanted::Same),
    };
    let mut all = BTreeMap::new();
    for (section, step) in cases.calls() {
        let silicon = step
            .mark
            .as_ref()
            .map(|mark| Wanted::Silicon(&mark.silicon));
        let wanted = of(section, step).or(silicon);
        all.insert(&*step.id, wanted.unwrap_or(Wanted::Same));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::script::Roles;
    use super::*;

    const GOLDEN: &str = "# a comment\n\
        s.001  read r 4 -> 4\n\
        s.002  read r 4 hex -> 4: 55*4  !bits\n\
        s.003  ioctl r MEMGETINFO -> 0\n";

    fn cases() -> Cases {
        let mut cases = Cases::default();
        let file = "@reason bits because\nsection s\nread r 4\nread r 4 hex !bits = 4: 00*4\n\
                    ioctl r MEMGETINFO";
        cases.add(file, &Roles::default()).unwrap();
        cases
    }

    fn run(text: &str, marks: Marks, scope: Scope) -> Comparison {
        let cases = cases();
        let actual = Report {
            lines: parse(text).unwrap(),
            skipped: Vec::new(),
        };
        compare(&parse(GOLDEN).unwrap(), &actual, &cases, scope, marks)
    }

    #[test]
    fn a_line_survives_printing_and_parsing() {
        let lines = parse(GOLDEN).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[1].to_string(),
            "s.002  read r 4 hex -> 4: 55*4  !bits"
        );
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn the_same_run_agrees_unless_silicon_answers_otherwise() {
        let same = run(GOLDEN, Marks::Agree, Scope::Everything);
        assert_eq!((same.agree, same.wrong.len()), (3, 0));
        let silicon = run(GOLDEN, Marks::AsSilicon, Scope::Everything);
        assert_eq!((silicon.agree, silicon.wrong.len()), (2, 1));
    }

    #[test]
    fn a_mark_that_is_not_needed_is_found() {
        let golden = GOLDEN.replace("55*4", "00*4");
        let cases = cases();
        let actual = Report {
            lines: parse(&golden).unwrap(),
            skipped: Vec::new(),
        };
        let stored = parse(&golden).unwrap();
        let outcome = compare(
            &stored,
            &actual,
            &cases,
            Scope::Everything,
            Marks::AsSilicon,
        );
        assert!(outcome.wrong[0].contains("not needed"), "{outcome}");
    }

    #[test]
    fn differences_are_found() {
        let other = GOLDEN.replace("55*4", "00*4");
        let marked = run(&other, Marks::AsSilicon, Scope::Everything);
        assert_eq!((marked.agree, marked.marked, marked.wrong.len()), (2, 1, 0));
        let wrong = GOLDEN.replace("-> 0", "-> ENOSYS");
        assert_eq!(run(&wrong, Marks::Agree, Scope::Everything).wrong.len(), 1);
        let outside = run(&wrong, Marks::Agree, Scope::QemuUser);
        assert_eq!((outside.wrong.len(), outside.left_out), (0, 1));
    }

    #[test]
    fn calls_that_user_mode_answers_otherwise_must_be() {
        let mut cases = Cases::default();
        let file = "@reason mode because\nsection s\nread r 4 ~mode";
        cases.add(file, &Roles::default()).unwrap();
        let stored = parse("s.001  read r 4 -> EBADF").unwrap();
        let outcome = |text: &str, scope| {
            let report = Report {
                lines: parse(text).unwrap(),
                skipped: Vec::new(),
            };
            compare(&stored, &report, &cases, scope, Marks::Agree)
        };
        let same = "s.001  read r 4 -> EBADF";
        assert_eq!(outcome(same, Scope::Everything).agree, 1);
        assert_eq!(outcome(same, Scope::QemuUser).wrong.len(), 1);
        let other = outcome("s.001  read r 4 -> 4", Scope::QemuUser);
        assert_eq!((other.left_out, other.wrong.len()), (1, 0));
    }

    #[test]
    fn lines_too_few_or_too_many_are_found() {
        let fewer = GOLDEN.replace("s.001  read r 4 -> 4\n", "");
        assert_eq!(run(&fewer, Marks::Agree, Scope::Everything).wrong.len(), 1);
        let more = GOLDEN.to_owned() + "s.004  read r 4 -> 4\n";
        assert_eq!(run(&more, Marks::Agree, Scope::Everything).wrong.len(), 1);
    }
}
