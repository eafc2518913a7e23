//! The states that one power cut in a run can leave.

use super::cursor::{Cursor, entry};
use super::id::Step;
use super::tears::Tears;
use crate::chip::Journal;
use crate::power::{Operation, Tear};
use crate::{Chip, Errno};

/// Every state that a power cut in a run can leave, one by one: before and in each
/// operation, and after the last one. The chips have power; nobody has worked on them
/// since.
///
/// ```
/// use mtd_chip::cut::{States, Tears};
/// use mtd_chip::{Chip, EraseBlock, Geometry};
///
/// let start = Chip::new(Geometry { size_bytes: 4096, erase_block_bytes: 1024 });
/// let mut run = start.clone();
/// run.record();
/// run.program(0, b"two")?;
/// run.erase(EraseBlock(0))?;
/// let journal = run.take_journal();
/// assert_eq!(journal.len(), 2);
///
/// let mut states = States::new(&start, &journal, &Tears::all());
/// let (step, first) = states.next().unwrap()?;
/// assert_eq!(step.to_string(), "1b"); // the first operation, before
/// assert!(first.differences(&start)?.is_empty());
/// assert_eq!(states.count(), 73);
/// # Ok::<(), mtd_chip::Errno>(())
/// ```
pub struct States<'a> {
    journal: &'a Journal,
    tears: Tears,
    cursor: Cursor,
    /// What is left to be tried on the operation in hand; None: not asked for yet.
    left: Option<std::vec::IntoIter<Tear>>,
    index: u64,
    chosen: Box<dyn Fn(u64) -> bool + Send + 'a>,
    ended: bool,
}

impl<'a> States<'a> {
    /// Of a run that started on `start` and was recorded in `journal`.
    pub fn new(start: &Chip, journal: &'a Journal, tears: &Tears) -> Self {
        Self::chosen(start, journal, tears, |_| true)
    }

    /// Only those whose number, from 0 on, `chosen` takes.
    pub(crate) fn chosen(
        start: &Chip,
        journal: &'a Journal,
        tears: &Tears,
        chosen: impl Fn(u64) -> bool + Send + 'a,
    ) -> Self {
        Self {
            journal,
            tears: tears.clone(),
            cursor: Cursor::new(start),
            left: None,
            index: 0,
            chosen: Box::new(chosen),
            ended: false,
        }
    }

    /// How many states there are to try, those included that turn out to be equal or
    /// not to exist.
    pub fn count_of(journal: &Journal, tears: &Tears, word_bytes: u32) -> u64 {
        let operations = 1..=journal.len();
        let each = operations.map(|number| match entry(journal, number) {
            Some((operation, data)) => tears.count(operation, data, word_bytes),
            None => 0,
        });
        each.sum::<u64>() + 1
    }

    /// What is to be tried on the operation in hand; none where none of it is chosen.
    fn tears_of(&mut self, operation: Operation, data: &[u8]) -> Vec<Tear> {
        let word_bytes = self.cursor.word_bytes();
        let end = self.index + self.tears.count(operation, data, word_bytes);
        if !(self.index..end).any(&self.chosen) {
            self.index = end;
            return Vec::new();
        }
        self.tears.of(operation, data, word_bytes).collect()
    }

    fn take(&mut self) -> Result<Option<(Step, Chip)>, Errno> {
        while !self.ended {
            let number = self.cursor.operation();
            let step = |tear| Step {
                operation: number,
                tear,
            };
            let Some((operation, data)) = entry(self.journal, number) else {
                self.ended = true;
                let last = || (step(Tear::BEFORE), self.cursor.before(self.journal));
                return Ok((self.chosen)(self.index).then(last));
            };
            if self.left.is_none() {
                self.left = Some(self.tears_of(operation, data).into_iter());
            }
            let Some(tear) = self.left.as_mut().and_then(Iterator::next) else {
                self.cursor.advance(self.journal)?;
                self.left = None;
                continue;
            };
            self.index += 1;
            if !(self.chosen)(self.index - 1) {
                continue;
            }
            if let Some(chip) = self.cursor.torn(self.journal, tear)? {
                return Ok(Some((step(tear), chip)));
            }
        }
        Ok(None)
    }
}

impl Iterator for States<'_> {
    type Item = Result<(Step, Chip), Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultPlan;
    use crate::{EraseBlock, Geometry};

    /// A fault that struck in the work has struck in each state from there on, and in
    /// none before; that after the last operation is one of them.
    #[test]
    fn each_state_has_the_faults_as_they_were_then() {
        let mut start = Chip::new(Geometry {
            size_bytes: 4096,
            erase_block_bytes: 1024,
        });
        start.set_faults(Some("erase-error@0:after=1:once".parse().unwrap()));
        let mut run = start.clone();
        run.record();
        run.erase(EraseBlock(0)).unwrap();
        run.erase(EraseBlock(0)).unwrap_err();
        run.program(0, &[0]).unwrap();
        let journal = run.take_journal();
        let struck = |chip: &Chip| chip.faults().map(FaultPlan::struck);
        let mut seen = std::collections::BTreeMap::new();
        let tears = Tears::atomic();
        for state in States::new(&start, &journal, &tears) {
            let (step, chip) = state.unwrap();
            assert_eq!(
                struck(&chip),
                struck(
                    &Cursor::new(&start)
                        .reach(&journal, step)
                        .unwrap()
                        .ok()
                        .unwrap()
                )
            );
            seen.insert(step.operation, struck(&chip));
        }
        let last = journal.len() + 1;
        let operations: Vec<u64> = seen.keys().copied().collect();
        assert_eq!(operations, (1..=last).collect::<Vec<_>>());
        assert_eq!((seen[&1], seen[&last]), (Some(0), Some(1)), "{seen:?}");
        let all: Vec<_> = seen.values().collect();
        assert!(all.is_sorted(), "{seen:?}");
    }
}
