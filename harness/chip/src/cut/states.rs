//! The states that one power cut in a run can leave.

use super::id::Step;
use super::tears::Tears;
use crate::chip::Journal;
use crate::power::{Operation, OperationKind, Tear};
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
    start: Chip,
    /// The chip before `operation`.
    chip: Chip,
    operation: u64,
    /// What is left to be tried on it; None: not asked for yet.
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
            start: start.clone(),
            chip: start.clone(),
            operation: 1,
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

    /// The chip before the operation in hand, or after the last one, as it was then.
    fn before(&self) -> Chip {
        let mut chip = self.chip.clone();
        chip.restore_ambient(self.journal, self.operation);
        chip
    }

    fn advance(&mut self) -> Result<(), Errno> {
        if let Some((operation, data)) = entry(self.journal, self.operation) {
            self.chip.repeat(operation, data)?;
        }
        self.operation += 1;
        self.left = None;
        Ok(())
    }

    /// What a tear leaves of the operation in hand; None where it has no such tear.
    fn torn(&self, operation: Operation, data: &[u8], tear: Tear) -> Result<Option<Chip>, Errno> {
        let mut chip = self.before();
        Ok(chip.leave_torn(operation, data, tear)?.then_some(chip))
    }

    /// The chip that one step leaves; [`Missing`] tells what the run does not have.
    pub(crate) fn at(
        start: &Chip,
        journal: &Journal,
        step: Step,
    ) -> Result<Result<Chip, Missing>, Errno> {
        States::new(start, journal, &Tears::atomic()).reach(step)
    }

    /// The same, from where this stands on: for steps in their order.
    pub(crate) fn reach(&mut self, step: Step) -> Result<Result<Chip, Missing>, Errno> {
        if self.operation > step.operation {
            *self = States::new(&self.start, self.journal, &self.tears);
        }
        while self.operation < step.operation {
            if self.operation > self.journal.len() {
                return Ok(Err(Missing::Operation));
            }
            self.advance()?;
        }
        match entry(self.journal, step.operation) {
            Some((operation, data)) => {
                let torn = self.torn(operation, data, step.tear)?;
                Ok(torn.ok_or(Missing::Tear(operation)))
            }
            None if step.tear == Tear::BEFORE => Ok(Ok(self.before())),
            None => Ok(Err(Missing::Operation)),
        }
    }

    /// What is to be tried on the operation in hand; none where none of it is chosen.
    fn tears_of(&mut self, operation: Operation, data: &[u8]) -> Vec<Tear> {
        let word_bytes = self.chip.programming().word_bytes;
        let end = self.index + self.tears.count(operation, data, word_bytes);
        if !(self.index..end).any(&self.chosen) {
            self.index = end;
            return Vec::new();
        }
        self.tears.of(operation, data, word_bytes).collect()
    }

    fn take(&mut self) -> Result<Option<(Step, Chip)>, Errno> {
        while !self.ended {
            let Some((operation, data)) = entry(self.journal, self.operation) else {
                self.ended = true;
                let step = Step {
                    operation: self.operation,
                    tear: Tear::BEFORE,
                };
                return Ok((self.chosen)(self.index).then(|| (step, self.before())));
            };
            if self.left.is_none() {
                self.left = Some(self.tears_of(operation, data).into_iter());
            }
            let Some(tear) = self.left.as_mut().and_then(Iterator::next) else {
                self.advance()?;
                continue;
            };
            self.index += 1;
            if !(self.chosen)(self.index - 1) {
                continue;
            }
            if let Some(chip) = self.torn(operation, data, tear)? {
                let operation = self.operation;
                return Ok(Some((Step { operation, tear }, chip)));
            }
        }
        Ok(None)
    }
}

/// What a run does not have.
pub(crate) enum Missing {
    Operation,
    Tear(Operation),
}

fn entry(journal: &Journal, number: u64) -> Option<(Operation, &[u8])> {
    let operation = journal.operation(number)?;
    let data = journal.data(number)?;
    debug_assert!(operation.kind == OperationKind::Erase || !data.is_empty());
    Some((operation, data))
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
                struck(&States::at(&start, &journal, step).unwrap().ok().unwrap())
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
