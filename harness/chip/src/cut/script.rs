//! Stores that are told what to do: the work, the model and the checks are here.
//!
//! The **model** is the set of contents that the store may have: one, but for the ask
//! under way, which may have taken place or not. Every answer narrows it; an answer that no
//! contents give is a failure. So a value that was acknowledged must be there, one in
//! flight is old or new but not both in turn, and nothing else ever appears.

use super::error::ExploreError;
use super::explore::Explorer;
use super::report::Report;
use super::subject::{Subject, Track};
use super::tears::Tears;
use super::work::{Ask, Work};
use crate::Chip;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::sync::Arc;

/// What a store may hold: keys with values, and a queue. A clone shares the values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Contents {
    map: BTreeMap<u8, Arc<[u8]>>,
    queue: VecDeque<Arc<[u8]>>,
}

impl Contents {
    /// What the contents are once this is done.
    fn apply(&mut self, ask: &Ask) {
        match ask {
            Ask::Set(key, value) => drop(self.map.insert(*key, value.as_slice().into())),
            Ask::Remove(key) => drop(self.map.remove(key)),
            Ask::Push(value) => self.queue.push_back(value.as_slice().into()),
            Ask::Pop => drop(self.queue.pop_front()),
            Ask::Get(_) | Ask::Compact => {}
        }
    }

    /// What these contents answer; None: it is no question.
    fn answer(&self, ask: &Ask) -> Option<Option<&[u8]>> {
        match ask {
            Ask::Get(key) => Some(self.map.get(key).map(|value| &**value)),
            Ask::Pop => Some(self.queue.front().map(|value| &**value)),
            _ => None,
        }
    }
}

/// All contents that a store may have, never none. A search keeps one of these for each
/// change of each run: a clone shares them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Possible(Arc<Vec<Contents>>);

impl Default for Possible {
    fn default() -> Self {
        Self(Arc::new(vec![Contents::default()]))
    }
}

/// Whether an ask can change what a store holds.
fn changes(ask: &Ask) -> bool {
    !matches!(ask, Ask::Get(_) | Ask::Compact)
}

impl Possible {
    /// An ask is under way.
    fn begin(&mut self, ask: &Ask) {
        if !changes(ask) {
            return;
        }
        let mut all = self.0.to_vec();
        for contents in &*self.0 {
            let mut other = contents.clone();
            other.apply(ask);
            if !all.contains(&other) {
                all.push(other);
            }
        }
        self.0 = Arc::new(all);
    }

    /// It is acknowledged, with the answer where it is a question; `before` is what was
    /// possible when it began.
    fn end(
        &mut self,
        ask: &Ask,
        before: &Self,
        found: Option<Option<&[u8]>>,
    ) -> Result<(), String> {
        let fits = |contents: &Contents| found.is_none() || contents.answer(ask) == found;
        if !changes(ask) && before.0.iter().all(fits) {
            self.0 = Arc::clone(&before.0);
            return Ok(());
        }
        let mut left: Vec<Contents> = Vec::new();
        for contents in before.0.iter().filter(|contents| fits(contents)) {
            let mut after = contents.clone();
            after.apply(ask);
            if !left.contains(&after) {
                left.push(after);
            }
        }
        if left.is_empty() {
            let possible = before
                .0
                .iter()
                .map(|contents| contents.answer(ask).flatten());
            let mut texts: Vec<_> = possible.map(shown).collect();
            texts.sort();
            texts.dedup();
            return Err(format!(
                "{ask}: {} was found, {} was promised",
                shown(found.flatten()),
                texts.join(" or ")
            ));
        }
        self.0 = Arc::new(left);
        Ok(())
    }
}

fn shown(value: Option<&[u8]>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(value) if value.len() > 8 => {
            let head: String = value[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{head}… ({} bytes)", value.len())
        }
        Some(value) => {
            let all: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\"{all}\"")
        }
    }
}

/// What a store is told to do, one by one.
pub struct Script<'t> {
    asks: std::slice::Iter<'t, Ask>,
    promise: &'t mut Track<Possible>,
    /// What is under way, what was possible before it, and what it found.
    now: Option<(&'t Ask, Possible)>,
    found: Option<Option<Vec<u8>>>,
    failure: Option<String>,
    /// Pops until there is nothing more.
    drains: bool,
    session: Session,
    /// How many asks there have been.
    asked: u32,
}

/// How often the store has been opened, in the words of a cut.
#[derive(Debug, Clone, Copy)]
enum Session {
    Work,
    AfterACut,
    OnceMore,
}

impl Session {
    fn opening(self) -> &'static str {
        match self {
            Self::Work => "while opening",
            Self::AfterACut => "while opening after the cut",
            Self::OnceMore => "while opening once more",
        }
    }

    fn asking(self, number: u32, ask: &Ask) -> String {
        match self {
            Self::Work => format!("in ask {number}: {ask}"),
            Self::AfterACut => format!("in ask {number} after the cut: {ask}"),
            Self::OnceMore => format!("in ask {number}, opened once more: {ask}"),
        }
    }
}

impl<'t> Script<'t> {
    fn new(
        session: Session,
        asks: &'t [Ask],
        drains: bool,
        promise: &'t mut Track<Possible>,
    ) -> Self {
        promise.say(|| session.opening().to_owned());
        Self {
            asks: asks.iter(),
            promise,
            now: None,
            found: None,
            failure: None,
            drains,
            session,
            asked: 0,
        }
    }

    /// The next thing to do; the one before is done with that, and acknowledged. None:
    /// that was all.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator would be taken to pieces by adapters, and acknowledge too early"
    )]
    pub fn next(&mut self) -> Option<Ask> {
        let was_last_pop = self.drains && self.found == Some(None);
        self.acknowledge();
        if self.failure.is_some() {
            return None;
        }
        let ask = match self.drains && !was_last_pop {
            true => &Ask::Pop,
            false => {
                self.drains = false;
                let ask = self.asks.next();
                if ask.is_none() {
                    self.promise.say(|| "after the last ask".to_owned());
                }
                ask?
            }
        };
        self.asked += 1;
        let (session, asked) = (self.session, self.asked);
        self.promise.say(|| session.asking(asked, ask));
        let before = self.promise.get().clone();
        self.promise.update(|possible| possible.begin(ask));
        self.now = Some((ask, before));
        Some(ask.clone())
    }

    /// What a [`Ask::Get`] or [`Ask::Pop`] found.
    pub fn found(&mut self, value: Option<impl AsRef<[u8]>>) {
        self.found = Some(value.map(|value| value.as_ref().to_vec()));
    }

    fn acknowledge(&mut self) {
        let found = self.found.take();
        let Some((ask, before)) = self.now.take() else {
            return;
        };
        let is_question = matches!(ask, Ask::Get(_) | Ask::Pop);
        if is_question && found.is_none() {
            self.failure = Some(format!("{ask}: the driver told no answer (Script::found)"));
            return;
        }
        let found = found.as_ref().map(|found| found.as_deref());
        let mut result = Ok(());
        self.promise
            .update(|possible| result = possible.end(ask, &before, found));
        self.failure = result.err();
    }

    /// The end of a session that ended so.
    fn finish(mut self, ended: Result<(), String>) -> Result<(), String> {
        let during = self.now.as_ref().map(|(ask, _)| ask.to_string());
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match (ended, during) {
            (Err(why), Some(ask)) => Err(format!("{ask}: {why}")),
            (Err(why), None) => Err(format!("opening: {why}")),
            (Ok(()), _) => {
                let ask = self.next();
                match (self.failure, ask) {
                    (Some(failure), _) => Err(failure),
                    (None, Some(ask)) => Err(format!("{ask}: the driver ended before it")),
                    (None, None) => Ok(()),
                }
            }
        }
    }
}

/// A store under a [`Work`], as a [`Subject`].
///
/// After a cut it is opened, asked for everything, worked with a little, then opened and
/// asked for everything once more.
pub struct Scripted<D> {
    work: Work,
    /// What is asked after a cut, and when the store is opened once more.
    after: [Vec<Ask>; 2],
    driver: D,
}

impl<D> Scripted<D> {
    /// A driver opens its store on the chip, does what [`Script::next`] says until that
    /// is None, and tells what it found by [`Script::found`].
    pub fn new<E: Display>(work: Work, driver: D) -> Self
    where
        D: Fn(&mut Chip, &mut Script<'_>) -> Result<(), E> + Sync,
    {
        Self {
            after: [work.after_a_cut(), work.look_again()],
            work,
            driver,
        }
    }

    fn session<E: Display>(
        &self,
        chip: &mut Chip,
        promise: &mut Track<Possible>,
        session: Session,
        asks: &[Ask],
    ) -> Result<(), String>
    where
        D: Fn(&mut Chip, &mut Script<'_>) -> Result<(), E> + Sync,
    {
        let drains = match session {
            Session::Work => false,
            Session::AfterACut | Session::OnceMore => self.work.has_queue(),
        };
        let mut script = Script::new(session, asks, drains, promise);
        let ended = (self.driver)(chip, &mut script);
        script.finish(ended.map_err(|error| error.to_string()))
    }
}

impl<D, E> Subject for Scripted<D>
where
    D: Fn(&mut Chip, &mut Script<'_>) -> Result<(), E> + Sync,
    E: Display,
{
    type Promise = Possible;

    fn work(&self, chip: &mut Chip, promise: &mut Track<Possible>) -> Result<(), String> {
        self.session(chip, promise, Session::Work, self.work.asks())
    }

    fn recover(&self, chip: &mut Chip, promise: &mut Track<Possible>) -> Result<(), String> {
        let [after, again] = &self.after;
        self.session(chip, promise, Session::AfterACut, after)?;
        self.session(chip, promise, Session::OnceMore, again)
            .map_err(|why| format!("opened once more, {why}"))
    }
}

/// Puts a store through every cut of a work and every tear whose cells read the same each
/// time ([`Tears::stable`]): see [`Scripted`] for what is checked, and [`Explorer`] for more
/// cuts, other tears, budgets. Bits that read differently each time are no part of it,
/// because few stores promise anything of them: [`Tears::all`] has them, too.
///
/// # Errors
/// A store that fails without a cut, or is not deterministic.
///
/// ```
/// use mtd_chip::cut::{Ask, Script, Work, every_cut};
/// use mtd_chip::{Chip, EraseBlock, Errno, Geometry};
///
/// // A "store" of one byte for each key: nothing but the cell itself.
/// fn store(chip: &mut Chip, script: &mut Script) -> Result<(), Errno> {
///     while let Some(ask) = script.next() {
///         match ask {
///             Ask::Set(key, value) => {
///                 chip.erase(EraseBlock(key.into()))?;
///                 chip.program(u64::from(key) * 256, &value)?;
///             }
///             Ask::Get(key) => {
///                 let mut cell = [0];
///                 chip.read(u64::from(key) * 256, &mut cell)?;
///                 script.found((cell != [0xff]).then_some(cell));
///             }
///             _ => {}
///         }
///     }
///     Ok(())
/// }
///
/// let chip = Chip::new(Geometry { size_bytes: 1024, erase_block_bytes: 256 });
/// let work = Work::of([Ask::Set(0, vec![1]), Ask::Set(1, vec![2]), Ask::Set(0, vec![3])]);
/// let report = every_cut(&chip, work, store)?;
/// // The third ask erases an acknowledged value before the new one is there.
/// assert!(report.failures[0].why.contains("was promised"), "{report}");
/// # Ok::<(), mtd_chip::cut::ExploreError>(())
/// ```
pub fn every_cut<D, E>(start: &Chip, work: Work, driver: D) -> Result<Report, ExploreError>
where
    D: Fn(&mut Chip, &mut Script<'_>) -> Result<(), E> + Sync,
    E: Display,
{
    Explorer::new(start, &Scripted::new(work, driver))
        .tears(Tears::stable())
        .run()
}
