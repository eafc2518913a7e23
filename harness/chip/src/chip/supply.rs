//! Test controls of power, of notes, and of how the chip is programmed.

use super::{Chip, Journal};
use crate::Programming;
use crate::power::{Endless, PowerCut, Strike};

impl Chip {
    /// Arms a power cut, in place of any armed before. Operations are counted from now
    /// on: those that are refused (a lock, a fault) do not count.
    ///
    /// When it strikes, the operation under way is left as the cut says and fails with
    /// ENODEV, and so does every later access, until [`Chip::power_on`]. Watchers are
    /// told ([`Watcher::power_gone`](crate::Watcher::power_gone)).
    pub fn cut_power(&mut self, cut: PowerCut) {
        let operation = self.power.operations.saturating_add(cut.operation.max(1));
        self.power.armed = Some(PowerCut { operation, ..cut });
    }

    /// Switches the power off now, between two operations.
    pub fn power_off(&mut self) {
        self.lose_power(None);
    }

    /// Switches the power on again: cells and locks are as they were left, no cut is
    /// armed. See [`Chip::power_up`] for locks that do not survive.
    pub fn power_on(&mut self) {
        self.power.is_off = false;
        self.power.armed = None;
    }

    /// Whether there is power.
    pub fn is_powered(&self) -> bool {
        !self.power.is_off
    }

    /// The last power cut that struck an operation.
    pub fn strike(&self) -> Option<Strike> {
        self.power.strike
    }

    /// How many operations the chip has done (program commands and erases) since it was
    /// made; [`Chip::reset_counters`] does not change that.
    pub fn operations(&self) -> u64 {
        self.power.operations
    }

    /// Whether reads can give something else than the cells, or nothing: faults,
    /// unstable bits, no power.
    pub fn distorts_reads(&self) -> bool {
        self.faults.is_some() || self.unstable.is_some() || self.power.is_off
    }

    /// Takes notes of every operation from now on.
    pub fn record(&mut self) {
        self.journal = Some(Box::default());
    }

    /// The notes since [`Chip::record`]; no more are taken. Empty where none were.
    pub fn take_journal(&mut self) -> Journal {
        let ambient = self.ambient();
        let mut journal = *self.journal.take().unwrap_or_default();
        journal.end(ambient);
        journal
    }

    /// The notes so far, where some are taken.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.as_deref()
    }

    /// Serves so many accesses (reads, programs, erases) from now on; one more is a panic,
    /// so that a program under test that never ends does end. None: any number.
    pub fn limit_accesses(&mut self, most: Option<u64>) {
        self.power.accesses_left = most;
    }

    /// Whether a panic's payload is that of [`Chip::limit_accesses`].
    pub(crate) fn is_endless(payload: &(dyn std::any::Any + Send)) -> bool {
        payload.is::<Endless>()
    }

    /// How the chip is programmed.
    pub fn programming(&self) -> Programming {
        self.programming
    }

    /// Describes another way of programming; the 28F128J3A's by default.
    ///
    /// # Panics
    /// If words, write buffers and units do not divide each other and the erase blocks.
    pub fn set_programming(&mut self, programming: Programming) {
        let problem = programming.problem(self.regions.smallest_bytes());
        assert!(problem.is_none(), "{}", problem.unwrap_or_default());
        self.programming = programming;
    }
}
