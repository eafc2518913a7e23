//! Stores of others under every power cut: `cargo run --release -- --help`.
//!
//! Each is as it stands on crates.io. What is found here is not confirmed by its authors:
//! a driver of ours may ask what the store does not promise. Each driver says what it
//! takes the promise to be, and where that is written.

mod stores;

use mtd_chip::Chip;
use mtd_chip::cut::{
    CutId, ExploreError, Explorer, Model, Progress, Replay, ReplayError, Report, Subject, Tears,
};
use std::sync::Arc;
use std::time::Duration;

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Cuts, each in the recovery from the one before.
    pub cuts: u32,
    /// States at most.
    pub states: u64,
    /// Threads; None: as many as there are cores.
    pub threads: Option<usize>,
    /// Stops after this time.
    pub time: Option<Duration>,
    /// Tries bits that read differently each time, in place of all other tears.
    pub unstable: bool,
}

/// What is asked of a store.
type Explore = dyn Fn(Limits, &mut dyn FnMut(Progress)) -> Result<Report, ExploreError>;
type Again = dyn Fn(&CutId) -> Result<(CutId, Replay), ReplayError>;
type ReplayOne = dyn Fn(&CutId) -> Result<Replay, ReplayError>;

/// One store under one work.
pub struct Case {
    /// The store, and what of it.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The flash it is on, and what is promised.
    pub about: &'static str,
    /// States in which the promise is known not to hold, each by its id.
    pub fails: &'static [&'static str],
    explore: Box<Explore>,
    again: Box<Again>,
    replay: Box<ReplayOne>,
}

impl Case {
    /// Puts the store through what `limits` allow.
    pub fn explore(
        &self,
        limits: Limits,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, ExploreError> {
        (self.explore)(limits, progress)
    }

    /// Replays an id, and the shortest one that fails as it does.
    pub fn again(&self, id: &CutId) -> Result<(CutId, Replay), ReplayError> {
        (self.again)(id)
    }

    /// Replays an id.
    pub fn replay(&self, id: &CutId) -> Result<Replay, ReplayError> {
        (self.replay)(id)
    }
}

/// What tells one store from another.
struct About {
    name: &'static str,
    version: &'static str,
    about: &'static str,
    fails: &'static [&'static str],
    /// No more cuts than these make sense for it.
    cuts_max: u32,
}

fn case<S: Subject + Send + 'static>(about: About, chip: Chip, subject: S, tears: Tears) -> Case {
    let subject = Arc::new(subject);
    let (chip_too, subject_too, tears_too) = (chip.clone(), Arc::clone(&subject), tears.clone());
    let (chip_again, subject_again) = (chip.clone(), Arc::clone(&subject));
    let cuts_max = about.cuts_max;
    Case {
        name: about.name,
        version: about.version,
        about: about.about,
        fails: about.fails,
        explore: Box::new(move |limits, progress| {
            let mut search = Explorer::new(&chip, &*subject)
                .tears(match limits.unstable {
                    true => Tears::only([Model::UnstableProgram, Model::UnstableErase]),
                    false => tears.clone(),
                })
                .cuts(limits.cuts.min(cuts_max))
                .states(limits.states)
                .progress(progress);
            if let Some(threads) = limits.threads {
                search = search.threads(threads);
            }
            if let Some(time) = limits.time {
                search = search.time(time);
            }
            search.run()
        }),
        again: Box::new(move |id| {
            let search = Explorer::new(&chip_too, &*subject_too).tears(tears_too.clone());
            let short = search.shrink(id)?;
            let replay = search.replay(&short)?;
            Ok((short, replay))
        }),
        replay: Box::new(move |id| Explorer::new(&chip_again, &*subject_again).replay(id)),
    }
}

/// All stores that are tried.
pub fn cases() -> Vec<Case> {
    vec![
        stores::sequential_storage::map(),
        stores::sequential_storage::queue(),
        stores::ekv::database(),
        stores::esp_nvs::nvs(),
        stores::tickv::atomic(),
        stores::tickv::torn(),
        stores::savegame::savegame(),
        stores::wasefire::promised(),
        stores::wasefire::zeroed(),
        #[cfg(feature = "littlefs")]
        stores::littlefs::files(),
    ]
}
