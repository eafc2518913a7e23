//! Draws the charts of `docs/benchmarks.md` from what the benchmarks wrote.
//!
//!     cargo run --example charts
//!
//! Reads `docs/benchmarks/*.json` (docs/benchmarks.md says what makes them) and
//! `fixtures/device-time.json`; writes `docs/benchmarks/*.svg`. The same JSON gives
//! the same bytes. Each chart carries machine, versions and date, because a figure
//! without them says nothing.

mod bars;
mod figures;

use serde_json::Value;
use std::fs;
use std::path::Path;

type Draw = fn(&Value) -> String;

/// A chart's name, the JSON that it is drawn from, and how.
const CHARTS: [(&str, &str, Draw); 8] = [
    ("chip", "docs/benchmarks/chip.json", figures::chip),
    (
        "pipeline",
        "docs/benchmarks/pipeline.json",
        figures::pipeline,
    ),
    ("parsers", "docs/benchmarks/parsers.json", figures::parsers),
    ("sandbox", "docs/benchmarks/sandbox.json", figures::sandbox),
    ("peers", "docs/benchmarks/peers.json", figures::peers),
    ("sizes", "docs/benchmarks/peers.json", figures::sizes),
    (
        "device-time",
        "fixtures/device-time.json",
        figures::device_time,
    ),
    (
        "virtual-ispot",
        "docs/benchmarks/virtual-ispot.json",
        figures::virtual_ispot,
    ),
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, json, draw) in CHARTS {
        let text = fs::read_to_string(root.join(json));
        let text = text.unwrap_or_else(|error| panic!("{json}: {error}"));
        let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{json}: {error}"));
        let file = format!("docs/benchmarks/{name}.svg");
        fs::write(root.join(&file), draw(&report)).expect("docs can be written");
        println!("{file}");
    }
}
