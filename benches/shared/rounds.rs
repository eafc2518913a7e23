//! Several pieces of work in turn, each against the first one of its round.

use super::Spread;
use serde::Serialize;
use std::time::Instant;

/// Work that is compared. The first that enters is the limit of all.
pub struct Contest<'a> {
    name: String,
    /// How many bytes each of them handles, where that is the same for all.
    bytes: Option<u64>,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    name: String,
    aim: Option<f64>,
    /// Does the work and tells the seconds that count.
    work: Box<dyn FnMut() -> f64 + 'a>,
}

/// How one piece of work came out.
#[derive(Serialize)]
pub struct Standing {
    pub name: String,
    /// What the ratio is to.
    pub limit: String,
    /// Wall time by that of the limit in the same round.
    pub of_limit: Spread,
    /// At most so much, where the project has set itself a limit.
    pub aim: Option<f64>,
    /// Of the median round.
    pub gigabytes_per_second: Option<f64>,
}

impl<'a> Contest<'a> {
    pub fn new(name: impl Into<String>, bytes: Option<u64>) -> Self {
        Self {
            name: name.into(),
            bytes,
            entries: Vec::new(),
        }
    }

    /// Work of which all counts.
    pub fn enter(
        &mut self,
        name: impl Into<String>,
        aim: Option<f64>,
        mut work: impl FnMut() + 'a,
    ) {
        self.enter_timed(name, aim, move || {
            let began = Instant::now();
            work();
            began.elapsed().as_secs_f64()
        });
    }

    /// Work that tells itself how many seconds count.
    pub fn enter_timed(
        &mut self,
        name: impl Into<String>,
        aim: Option<f64>,
        work: impl FnMut() -> f64 + 'a,
    ) {
        self.entries.push(Entry {
            name: name.into(),
            aim,
            work: Box::new(work),
        });
    }

    /// Runs and prints. Each round begins with another one, so that a machine that
    /// slows down slows all; the first round warms caches and is not counted.
    pub fn run(mut self, rounds: usize) -> Vec<Standing> {
        let count = self.entries.len();
        let mut seconds = vec![Vec::with_capacity(rounds); count];
        for round in 0..=rounds {
            for turn in 0..count {
                let at = (round + turn) % count;
                let own = (self.entries[at].work)();
                if round > 0 {
                    seconds[at].push(own);
                }
            }
        }
        println!(
            "{}: {rounds} rounds; time by the limit's: median (quartiles)",
            self.name
        );
        let limit = &self.entries[0].name;
        let standing = |(entry, own): (&Entry<'_>, &Vec<f64>)| {
            let ratios = own.iter().zip(&seconds[0]);
            let median = Spread::of(own.iter().copied()).median;
            Standing {
                name: entry.name.clone(),
                limit: limit.clone(),
                of_limit: Spread::of(ratios.map(|(own, limit)| own / limit)),
                aim: entry.aim,
                gigabytes_per_second: self.bytes.map(|bytes| bytes as f64 / median / 1e9),
            }
        };
        let standings: Vec<_> = self.entries.iter().zip(&seconds).map(standing).collect();
        standings.iter().for_each(Standing::print);
        standings
    }
}

impl Standing {
    fn print(&self) {
        let Spread {
            low, median, high, ..
        } = self.of_limit;
        print!("  {median:>6.2} ({low:.2} to {high:.2})  {}", self.name);
        if self.name == self.limit {
            print!(", the limit");
        }
        if let Some(aim) = self.aim {
            print!(" (aim: at most {aim:.2})");
        }
        if let Some(speed) = self.gigabytes_per_second {
            print!(", {speed:.2} GB/s");
        }
        println!();
    }
}
