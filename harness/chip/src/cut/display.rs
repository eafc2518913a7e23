//! A replay and a report in words.

use super::replay::Replay;
use super::report::{Failure, Report};
use crate::power::Model;
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a row of cells that is told, and rows at most.
const ROW_BYTES: u64 = 16;
const ROWS_MAX: usize = 8;

impl fmt::Display for Replay {
    /// The cuts, the verdict, and the cells that the last cut left where it struck.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cuts.iter().try_for_each(|cut| writeln!(f, "{cut}"))?;
        match &self.verdict {
            Ok(()) => writeln!(f, "all that was promised held")?,
            Err(why) => writeln!(f, "{why}")?,
        }
        match self.struck {
            Some(struck) => {
                let end = struck.offset_bytes + u64::from(struck.length_bytes);
                self.cells(f, struck.offset_bytes, end)
            }
            None => Ok(()),
        }
    }
}

impl Replay {
    /// Rows of cells as hexdump has them: of equal ones the first, then a star.
    fn cells(&self, f: &mut fmt::Formatter<'_>, start: u64, end: u64) -> fmt::Result {
        writeln!(f, "the cells that the cut left there:")?;
        let start = start - start % ROW_BYTES;
        let end = end.next_multiple_of(ROW_BYTES);
        let end = end.min(self.left.geometry().size_bytes);
        let (mut shown, mut last, mut is_starred) = (0, Vec::new(), false);
        for at in (start..end).step_by(ROW_BYTES as usize) {
            let mut row = vec![0; ROW_BYTES.min(end - at) as usize];
            if shown == ROWS_MAX || self.left.peek(at, &mut row).is_err() {
                return writeln!(f, "  …");
            }
            if row == last {
                if !is_starred {
                    writeln!(f, "  *")?;
                }
                is_starred = true;
                continue;
            }
            let bytes: String = row.iter().map(|byte| format!(" {byte:02x}")).collect();
            writeln!(f, "  {at:08x} {bytes}")?;
            (shown, last, is_starred) = (shown + 1, row, false);
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    /// The id, when the first cut came where that is known, and what did not hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, during, why } = self;
        writeln!(f, "{id}")?;
        if let Some(during) = during {
            let first = if id.steps().len() > 1 { "first " } else { "" };
            writeln!(f, "  {first}cut {during}")?;
        }
        writeln!(f, "  {why}")
    }
}

impl Report {
    /// How many failures are printed one by one.
    pub const SHOWN: usize = 10;

    /// The failures that were kept, those first that tell most: the first of each model,
    /// then the others in the order in which they were met; of both, cells that read the
    /// same each time before those that do not.
    pub fn by_weight(&self) -> Vec<&Failure> {
        let mut met: BTreeMap<Option<Model>, u64> = BTreeMap::new();
        let weigh = |failure| {
            let model = Failure::model(failure);
            let before = met.entry(model).or_default();
            *before += 1;
            let is_unstable = model.is_some_and(Model::is_unstable);
            ((*before > 1, is_unstable), failure)
        };
        let mut weighed: Vec<_> = self.failures.iter().map(weigh).collect();
        weighed.sort_by_key(|(weight, _)| *weight);
        weighed.into_iter().map(|(_, failure)| failure).collect()
    }

    /// How many failures are not among the [`Report::SHOWN`], by model: `and 7 more: 5
    /// bytes, 2 zeros`; None: they all are.
    pub fn rest(&self) -> Option<String> {
        let shown = self.by_weight();
        let shown = &shown[..shown.len().min(Self::SHOWN)];
        let more = |(model, (_, failed)): (&Model, &(u64, u64))| {
            let told = shown.iter().filter(|one| one.model() == Some(*model));
            (*model, failed - told.count() as u64)
        };
        let mut more: Vec<_> = self.models.iter().map(more).collect();
        more.retain(|(_, failed)| *failed > 0);
        more.sort_by_key(|(model, _)| model.is_unstable());
        let all: u64 = more.iter().map(|(_, failed)| failed).sum();
        let each: Vec<_> = more
            .iter()
            .map(|(model, failed)| format!("{failed} {model}"))
            .collect();
        (all > 0).then(|| format!("and {all} more: {}", each.join(", ")))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} operations, {} distinct states in {:.1} s ({:.0} a second): {} failed",
            self.operations,
            self.states(),
            self.took.as_secs_f64(),
            self.states_per_second(),
            self.failed()
        )?;
        for (cuts, level) in (1..).zip(&self.levels) {
            let all = if level.tried == level.candidates {
                "all".to_owned()
            } else {
                format!("a sample of {}", level.tried)
            };
            writeln!(
                f,
                "  cuts: {cuts}; {all} of {} states tried, {} distinct, {} failed",
                level.candidates, level.distinct, level.failed
            )?;
        }
        if self.is_cut_short {
            writeln!(f, "  the time was over before all was tried")?;
        }
        for (model, (states, failed)) in &self.models {
            writeln!(f, "  {model:<17}{states:>9} states {failed:>8} failed")?;
        }
        for (mark, times) in &self.marks {
            writeln!(f, "  reached `{mark}` {times} times")?;
        }
        for failure in self.by_weight().into_iter().take(Self::SHOWN) {
            write!(f, "{failure}")?;
        }
        match self.rest() {
            Some(more) => writeln!(f, "{more}"),
            None => Ok(()),
        }
    }
}
