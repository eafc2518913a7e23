//! What the benchmarks share: options, figures, where they ran. Each benchmark
//! uses a part of it.

#![allow(dead_code, reason = "each benchmark uses a part")]

pub mod machine;
pub mod process;
pub mod rounds;
pub mod servers;

use criterion::Criterion;
use machine::Machine;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The benchmarks' own options, beside Criterion's.
pub struct Options {
    /// Where the figures go.
    pub json: Option<PathBuf>,
    /// Only to see whether it runs.
    pub short: bool,
    rounds: Option<usize>,
    /// Whether there are none that Criterion would refuse.
    pub fit_for_criterion: bool,
}

impl Options {
    /// Cargo puts `--bench` in front of what the user wrote; what is none of ours
    /// is Criterion's.
    pub fn of_process() -> Self {
        let mut options = Self {
            json: None,
            short: false,
            rounds: None,
            fit_for_criterion: true,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            options.fit_for_criterion &=
                !["--json", "--rounds", "--short"].contains(&word.as_str());
            match word.as_str() {
                "--json" => options.json = Some(words.next().expect("--json FILE").into()),
                "--rounds" => {
                    let count = words.next().and_then(|word| word.parse().ok());
                    options.rounds = Some(count.filter(|n| *n > 0).expect("--rounds N"));
                }
                // `--test` is what `cargo test --benches` says.
                "--short" | "--test" => options.short = true,
                _ => {}
            }
        }
        options
    }

    /// How many rounds: what was asked for, else two for a short run, else this.
    pub fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.short { 2 } else { usual })
    }

    /// Writes the figures where they are wanted.
    pub fn write_json(&self, report: &impl Serialize) {
        let Some(path) = &self.json else {
            return;
        };
        let mut text = serde_json::to_string_pretty(report).expect("numbers and texts");
        text.push('\n');
        std::fs::write(path, text).expect("the report can be written");
        println!("\nwritten: {}", path.display());
    }
}

#[derive(Serialize)]
struct Report<F> {
    machine: Machine,
    rounds: usize,
    #[serde(flatten)]
    figures: F,
}

/// A benchmark in both its forms: Criterion's report, where the options are fit for
/// it, then the ratios of so many rounds, which are `figures`' and go to the JSON.
pub fn run<F: Serialize>(
    criterion_groups: fn(),
    usual_rounds: usize,
    figures: impl FnOnce(usize) -> F,
) {
    let options = Options::of_process();
    if options.fit_for_criterion {
        criterion_groups();
        Criterion::default().configure_from_args().final_summary();
    }
    let rounds = options.rounds(usual_rounds);
    options.write_json(&Report {
        machine: Machine::now(),
        rounds,
        figures: figures(rounds),
    });
}

/// Quartiles: half of all runs lie between low and high.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub fastest: f64,
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |part: usize| values[(values.len() - 1) * part / 4];
        Self {
            fastest: at(0),
            low: at(1),
            median: at(2),
            high: at(3),
        }
    }
}

/// A folder in memory where there is one.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary folder")
}
