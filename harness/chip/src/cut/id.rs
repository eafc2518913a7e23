//! The text that replays one state: `cut:812.c41e.07d2.17w3.4b.9f3a`.
//!
//! The parts: how many operations the whole run has, a digest of the chip it starts on,
//! one of what its operations are and which cells they are on, the cuts (each an operation,
//! counted from 1 on in the run that it is in, and what it left), and a digest of all
//! before it.

use crate::Chip;
use crate::chip::Journal;
use crate::power::{OperationKind, Tear};
use std::fmt;
use std::str::FromStr;
use twox_hash::XxHash3_128;

/// One cut of a path: the operation, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Step {
    /// Which operation of the run, the first being 1; one more than there are: after all
    /// of them.
    pub operation: u64,
    /// What is left of it.
    pub tear: Tear,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.operation, self.tear)
    }
}

/// One state that power cuts lead to, as a text that replays it on any machine.
///
/// ```
/// use mtd_chip::cut::{CutId, Step};
/// use mtd_chip::{Chip, Geometry};
///
/// let chip = Chip::new(Geometry { size_bytes: 4096, erase_block_bytes: 1024 });
/// let run = |offset_bytes| {
///     let mut run = chip.clone();
///     run.record();
///     run.program(offset_bytes, b"data")?;
///     Ok::<_, mtd_chip::Errno>(run.take_journal())
/// };
/// let step = Step { operation: 1, tear: "p3".parse()? };
/// let id = CutId::new(&chip, &run(0)?, [step])?;
/// assert_eq!(id.to_string().parse::<CutId>()?, id);
/// assert_eq!(id.steps(), [step]);
/// // A run that works on other cells:
/// let why = id.check(&chip, &run(64)?).unwrap_err().to_string();
/// assert!(why.contains("search again"), "{why}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CutId {
    operations: u64,
    chip: u16,
    work: u16,
    steps: Vec<Step>,
}

/// What an id looks like.
const SAMPLE: &str = "cut:812.c41e.07d2.17w3.9f3a";

/// Why an id cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not an id at all.
    #[error("`{0}` is no id of a power cut; one looks like {SAMPLE}")]
    NotOne(String),
    /// Some of it is missing or changed.
    #[error(
        "the id `{0}` is mistyped or cut off: its last part does not fit the rest; copy all of it"
    )]
    MistypedOrCutOff(String),
    /// The run has another length.
    #[error(
        "this run has {found} operations, the id is of a run with {expected}; it belongs to \
         another program, or to another version of it: search again"
    )]
    OtherProgram {
        /// How many operations there are.
        found: u64,
        /// How many there were.
        expected: u64,
    },
    /// As many operations, but others.
    #[error(
        "the id was found with other operations than this program does (another kind, place or \
         length of at least one of them); it belongs to another program, or to another version \
         of it: search again"
    )]
    OtherOperations,
    /// The chip is another one, or holds something else at the start.
    #[error("the id is of a chip with another geometry, programming or contents at the start")]
    OtherChip,
    /// A cut beyond the last operation.
    #[error(
        "{} has {found} operations, the id asks for {asked}",
        if *cut == 1 { "this run".to_owned() } else { format!("the recovery before cut {cut}") }
    )]
    NoSuchOperation {
        /// Which cut of the path, the first being 1.
        cut: usize,
        /// How many operations there are.
        found: u64,
        /// Which one it asks for.
        asked: u64,
    },
    /// A tear that the operation does not have.
    #[error("the operation of cut {step} ({operation}) has no such tear")]
    NoSuchTear {
        /// The cut.
        step: Step,
        /// What the operation is.
        operation: String,
    },
}

impl CutId {
    /// The state that these cuts lead to, in a run with these operations that starts on
    /// this chip.
    ///
    /// # Errors
    /// Cells of the chip that cannot be read.
    pub fn new(
        start: &Chip,
        journal: &Journal,
        steps: impl IntoIterator<Item = Step>,
    ) -> Result<Self, crate::Errno> {
        Ok(Self {
            operations: journal.len(),
            chip: start.start_digest()?,
            work: work_digest(journal),
            steps: steps.into_iter().collect(),
        })
    }

    /// The same run and chip, another path.
    pub(crate) fn with_steps(&self, steps: &[Step]) -> Self {
        Self {
            steps: steps.to_vec(),
            ..*self
        }
    }

    /// The cuts, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many operations the run has that the first cut is in.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Whether it is of a run with these operations that starts on this chip, and asks for
    /// none that it does not have. Of each operation the kind, the place and the length are
    /// compared, not the data.
    ///
    /// # Errors
    /// [`IdError::OtherChip`], [`IdError::OtherProgram`], [`IdError::OtherOperations`],
    /// [`IdError::NoSuchOperation`].
    pub fn check(&self, start: &Chip, journal: &Journal) -> Result<(), IdError> {
        let operations = journal.len();
        if start.start_digest() != Ok(self.chip) {
            return Err(IdError::OtherChip);
        }
        if let Some(first) = self.steps.first() {
            if first.operation > operations + 1 {
                return Err(IdError::NoSuchOperation {
                    cut: 1,
                    found: operations,
                    asked: first.operation,
                });
            }
        }
        if operations != self.operations {
            return Err(IdError::OtherProgram {
                found: operations,
                expected: self.operations,
            });
        }
        match work_digest(journal) == self.work {
            true => Ok(()),
            false => Err(IdError::OtherOperations),
        }
    }
}

fn digest(bytes: &[u8]) -> u16 {
    XxHash3_128::oneshot(bytes) as u16
}

/// What tells a run's operations from those of others, on any machine.
fn work_digest(journal: &Journal) -> u16 {
    let operations = (1..).map_while(|number| journal.operation(number));
    let bytes = operations.flat_map(|operation| {
        let kind = match operation.kind {
            OperationKind::Program => b'p',
            OperationKind::Erase => b'e',
        };
        let place = operation.offset_bytes.to_le_bytes().into_iter();
        let length = operation.length_bytes.to_le_bytes();
        std::iter::once(kind).chain(place).chain(length)
    });
    digest(&bytes.collect::<Vec<u8>>())
}

impl Chip {
    /// What tells a chip at the start of a run from others, on any machine.
    fn start_digest(&self) -> Result<u16, crate::Errno> {
        let geometry = self.geometry();
        let programming = self.programming();
        let mut text = format!("{geometry:?} {programming:?} ");
        if self.erase_regions().len() > 1 {
            text += &format!("{:?} ", self.erase_regions());
        }
        let mut text = text.into_bytes();
        text.extend_from_slice(&self.cells_hash()?.to_le_bytes());
        Ok(digest(&text))
    }
}

impl fmt::Display for CutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operations,
            chip,
            work,
            ..
        } = self;
        let mut text = format!("cut:{operations}.{chip:04x}.{work:04x}");
        for step in &self.steps {
            text += &format!(".{step}");
        }
        write!(f, "{text}.{:04x}", digest(text.as_bytes()))
    }
}

impl FromStr for CutId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        let not_one = || IdError::NotOne(text.to_owned());
        let body = text.strip_prefix("cut:").ok_or_else(not_one)?;
        let torn = || IdError::MistypedOrCutOff(text.to_owned());
        let (_, check) = body.rsplit_once('.').ok_or_else(torn)?;
        let before = &text[..text.len() - check.len() - 1];
        if check != format!("{:04x}", digest(before.as_bytes())) {
            return Err(torn());
        }
        let mut parts = before["cut:".len()..].split('.');
        let mut next = || parts.next().ok_or_else(torn);
        let operations = next()?.parse().map_err(|_| not_one())?;
        let hex = |part: &str| u16::from_str_radix(part, 16).map_err(|_| not_one());
        let chip = hex(next()?)?;
        let work = hex(next()?)?;
        let step = |part: &str| {
            let letter = part.find(|c: char| !c.is_ascii_digit())?;
            Some(Step {
                operation: part[..letter].parse().ok().filter(|n| *n > 0)?,
                tear: part[letter..].parse().ok()?,
            })
        };
        let steps: Option<Vec<_>> = parts.map(step).collect();
        Ok(Self {
            operations,
            chip,
            work,
            steps: steps.ok_or_else(not_one)?,
        })
    }
}
