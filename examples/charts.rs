//! Draws the charts of `docs/benchmarks.md` from what the benchmarks wrote.
//!
//!     cargo run --example charts
//!
//! Reads `docs/benchmarks/peers.json` (made by `cargo bench --bench peers --
//! --json docs/benchmarks/peers.json`) and `fixtures/device-time.json`; writes
//! `docs/benchmarks/{peers,sizes,device-time}.svg`. The same JSON gives the same
//! bytes. Each chart carries machine, versions and date, because a figure
//! without them says nothing.

use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const WIDTH: f64 = 900.0;
const ROW: f64 = 30.0;
const RIGHT: f64 = 150.0;
const HEAD: f64 = 66.0;
const FOOT: f64 = 46.0;

/// One bar.
struct Bar {
    label: String,
    value: f64,
    /// From where to where half of all runs lie.
    spread: Option<(f64, f64)>,
    /// What stands behind the bar.
    text: String,
    /// A mark that the value should not pass.
    aim: Option<f64>,
    own: bool,
}

struct Chart<'a> {
    title: &'a str,
    subtitle: &'a str,
    foot: String,
    bars: Vec<Bar>,
    /// Width of the labels.
    left: f64,
    /// Powers of ten instead of equal steps.
    logarithmic: bool,
}

impl Chart<'_> {
    /// The largest value, and the smallest that a logarithmic axis shows.
    fn range(&self) -> (f64, f64) {
        let reach = |bar: &Bar| {
            bar.spread
                .map_or(bar.value, |(_, high)| high.max(bar.value))
        };
        let most = self.bars.iter().map(reach).fold(0.0, f64::max);
        let least = self
            .bars
            .iter()
            .map(|bar| bar.value)
            .filter(|value| *value > 0.0);
        (least.fold(f64::MAX, f64::min) / 2.0, most)
    }

    fn at(&self, value: f64) -> f64 {
        let (least, most) = self.range();
        let part = match self.logarithmic {
            true => (value.max(least) / least).ln() / (most / least).ln(),
            false => value / most,
        };
        self.left + part * (WIDTH - self.left - RIGHT)
    }

    fn svg(&self) -> String {
        let height = HEAD + ROW * self.bars.len() as f64 + FOOT;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        text(&mut svg, 16.0, 26.0, "start", "17", "#111", self.title);
        text(&mut svg, 16.0, 46.0, "start", "13", "#444", self.subtitle);
        for (row, bar) in self.bars.iter().enumerate() {
            self.row(&mut svg, HEAD + ROW * row as f64, bar);
        }
        text(
            &mut svg,
            16.0,
            height - 16.0,
            "start",
            "11",
            "#666",
            &self.foot,
        );
        svg += "</svg>\n";
        svg
    }

    fn row(&self, svg: &mut String, top: f64, bar: &Bar) {
        let (middle, end) = (top + ROW / 2.0, self.at(bar.value));
        let colour = if bar.own { "#1f6fb2" } else { "#9aa5b1" };
        text(
            svg,
            self.left - 8.0,
            middle + 4.5,
            "end",
            "13",
            "#111",
            &bar.label,
        );
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            self.left,
            top + 5.0,
            (end - self.left).max(1.0),
            ROW - 10.0
        );
        let mut behind = end;
        if let Some((low, high)) = bar.spread {
            let (low, high) = (self.at(low), self.at(high));
            let _ = writeln!(
                svg,
                "<path d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {0:.1}v8M{high:.1} {0:.1}v8\" \
                 stroke=\"#111\" fill=\"none\"/>",
                middle - 4.0
            );
            behind = behind.max(high);
        }
        if let Some(aim) = bar.aim {
            let at = self.at(aim);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {:.1}v{:.1}\" stroke=\"#c0392b\" stroke-width=\"2\" \
                 stroke-dasharray=\"4 2\"/>",
                top + 1.0,
                ROW - 2.0
            );
            behind = behind.max(at);
        }
        text(
            svg,
            behind + 6.0,
            middle + 4.5,
            "start",
            "12",
            "#111",
            &bar.text,
        );
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, size: &str, colour: &str, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
         fill=\"{colour}\">{words}</text>"
    );
}

fn number(of: &Value, path: &str) -> f64 {
    let found = of.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no number at {path} in {of}"))
}

fn word<'a>(of: &'a Value, path: &str) -> &'a str {
    let found = of.pointer(path).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {path} in {of}"))
}

fn list<'a>(of: &'a Value, path: &str) -> &'a [Value] {
    let found = of.pointer(path).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("no list at {path}"))
}

/// What every chart of wall time says of where it comes from.
fn origin(report: &Value) -> String {
    format!(
        "{}, {} CPUs, {:.0} GiB, {}; mtdkeep {}; {}; everything in memory",
        word(report, "/machine/cpu"),
        number(report, "/machine/cpus"),
        number(report, "/machine/memory_mib") / 1024.0,
        word(report, "/machine/kernel"),
        word(report, "/machine/mtdkeep"),
        word(report, "/machine/date"),
    )
}

fn peers(report: &Value) -> String {
    let bars = list(report, "/peers").iter().map(|peer| {
        let ratio = number(peer, "/of_cp/median");
        Bar {
            label: word(peer, "/name").into(),
            value: ratio,
            spread: Some((number(peer, "/of_cp/low"), number(peer, "/of_cp/high"))),
            text: format!("{ratio:.2}  ({:.1} ms)", number(peer, "/wall_ms/median")),
            aim: peer.pointer("/aim_of_cp").and_then(Value::as_f64),
            own: word(peer, "/name").starts_with("mtdkeep"),
        }
    });
    let subtitle = format!(
        "Whole processes, wall time as a multiple of cp in the same round; medians and quartiles \
         of {} rounds; dashed: the aim; logarithmic",
        number(report, "/rounds")
    );
    let chart = Chart {
        title: "16 MiB in eleven files: what a backup costs on a PC",
        subtitle: &subtitle,
        foot: origin(report),
        bars: bars.collect(),
        left: 240.0,
        logarithmic: true,
    };
    chart.svg()
}

fn sizes(report: &Value) -> String {
    let bars = list(report, "/sizes").iter().map(|size| {
        let each = number(size, "/wall_ms_per_mib");
        let mib = number(size, "/size_mib");
        let per = |path: &str| number(size, path) / mib;
        Bar {
            label: match mib {
                mib if mib >= 1024.0 => format!("{:.0} GiB chip", mib / 1024.0),
                mib => format!("{mib:.0} MiB chip"),
            },
            value: each,
            spread: Some((per("/wall_ms/low"), per("/wall_ms/high"))),
            text: format!(
                "{each:.2} ms, peak {:.1} MiB",
                number(size, "/peak_kib") / 1024.0
            ),
            aim: None,
            own: true,
        }
    });
    let chart = Chart {
        title: "backup --simulate=FILE: time per MiB of chip, and peak memory",
        subtitle: "Whole process with both digests; flat is linear",
        foot: origin(report),
        bars: bars.collect(),
        left: 240.0,
        logarithmic: false,
    };
    chart.svg()
}

fn device_time(fixture: &Value) -> String {
    let bars = list(fixture, "/jobs").iter().map(|job| {
        let seconds = number(job, "/virtual_ns") / 1e9;
        let operations = ["/reads", "/programs", "/erases"].map(|path| number(job, path));
        Bar {
            label: word(job, "/job")
                .replace("rewrite linux_2 with ", "rewrite: ")
                .replace("read all partitions", "read all"),
            value: seconds,
            spread: None,
            text: format!(
                "{seconds:.2} s  {}r {}p {}e",
                operations[0], operations[1], operations[2]
            ),
            aim: None,
            own: true,
        }
    });
    let chart = Chart {
        title: "Virtual device time of fixed jobs on the simulated iSpot",
        subtitle: "A model, exact and the same everywhere; not a speed. Logarithmic. \
                   r, p, e: read, program and erase operations",
        foot: format!(
            "{}: typical times of its data sheet, added up",
            word(fixture, "/chip")
        ),
        bars: bars.collect(),
        left: 410.0,
        logarithmic: true,
    };
    chart.svg()
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| -> Value {
        let text = fs::read_to_string(root.join(file));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let report = read("docs/benchmarks/peers.json");
    let charts = [
        ("peers", peers(&report)),
        ("sizes", sizes(&report)),
        (
            "device-time",
            device_time(&read("fixtures/device-time.json")),
        ),
    ];
    for (name, svg) in charts {
        let file = format!("docs/benchmarks/{name}.svg");
        fs::write(root.join(&file), svg).expect("docs can be written");
        println!("{file}");
    }
}
