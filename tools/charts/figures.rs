//! What each chart shows of the benchmarks' JSON.

use super::bars::{Bar, Chart};
use serde_json::Value;

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

pub fn peers(report: &Value) -> String {
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

pub fn sizes(report: &Value) -> String {
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

pub fn device_time(fixture: &Value) -> String {
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

/// A bar of a comparison in rounds.
fn standing(of: &Value, label: String, own: bool) -> Bar {
    let ratio = number(of, "/of_limit/median");
    let speed = of
        .pointer("/gigabytes_per_second")
        .and_then(Value::as_f64)
        .map_or_else(String::new, |speed| format!("  ({speed:.2} GB/s)"));
    Bar {
        label,
        value: ratio,
        spread: Some((number(of, "/of_limit/low"), number(of, "/of_limit/high"))),
        text: format!("{ratio:.2}{speed}"),
        aim: of.pointer("/aim").and_then(Value::as_f64),
        own,
    }
}

/// Each against a limit of its own, which stands in its label.
fn against_own_limit(report: &Value, path: &str) -> Vec<Bar> {
    let one = |of: &Value| {
        let label = format!("{} / {}", word(of, "/name"), word(of, "/limit"));
        standing(of, label, true)
    };
    list(report, path).iter().map(one).collect()
}

pub fn chip(report: &Value) -> String {
    let mut bars = against_own_limit(report, "/chip");
    // Erasing drops the erase block's memory; its own ratio says nothing, and the
    // one with the program after it says it all.
    bars.retain(|bar| !bar.label.starts_with("erase /"));
    let chart = Chart {
        title: "The simulated chip against the machine: 128 KiB at a time over 16 MiB",
        subtitle: "Time as a multiple of the limit's in the same round; medians and quartiles; \
                   dashed: the aim",
        foot: origin(report),
        bars,
        left: 330.0,
        logarithmic: false,
    };
    chart.svg()
}

pub fn parsers(report: &Value) -> String {
    let chart = Chart {
        title: "Parsers against the least that reading such a text takes",
        subtitle: "Time as a multiple of the limit's in the same round; medians and quartiles",
        foot: origin(report),
        bars: against_own_limit(report, "/parsers"),
        left: 330.0,
        logarithmic: false,
    };
    chart.svg()
}

pub fn sandbox(report: &Value) -> String {
    let one = |of: &Value| standing(of, word(of, "/name").into(), true);
    let mut bars: Vec<Bar> = list(report, "/programs").iter().map(one).collect();
    for bar in &mut bars {
        bar.own = !bar.label.contains(" under ");
    }
    let chart = Chart {
        title: "Programs in the sandbox against the same outside it",
        subtitle: "Time as a multiple of plain files, or of no sandbox, in the same round; \
                   dashed: the aim; logarithmic",
        foot: origin(report),
        bars,
        left: 330.0,
        logarithmic: true,
    };
    chart.svg()
}

/// Of all that was measured, what differs: the pipeline at one buffer, because it
/// never reads less than an erase block.
pub fn pipeline(report: &Value) -> String {
    let shown = |name: &str| {
        let looped = name.starts_with("loop, none") || name.starts_with("loop, both");
        looped || (name.starts_with("backup, ") && name.ends_with(", 131072"))
    };
    let label = |name: &str| {
        let mut label = name.trim_end_matches(", 131072").replace(", ", " · ");
        label = label.replace("loop · none", "loop · no digest");
        for (bytes, read) in [
            (" 1048576", " 1 MiB"),
            (" 262144", " 256 KiB"),
            (" 65536", " 64 KiB"),
            (" 16384", " 16 KiB"),
            (" 4096", " 4 KiB"),
            (" 512", " 512 B"),
        ] {
            label = label.replace(bytes, read);
        }
        label
    };
    let bars = list(report, "/files")
        .iter()
        .filter(|of| shown(word(of, "/name")))
        .map(|of| {
            let name = word(of, "/name");
            standing(of, label(name), name.starts_with("backup"))
        });
    let chart = Chart {
        title: "The pipeline as a library: 16 MiB of flash into eleven files",
        subtitle: "Time as a multiple of a plain loop without digest, 1 MiB a read; grey: that \
                   loop with reads of so many bytes; medians and quartiles",
        foot: origin(report),
        bars: bars.collect(),
        left: 240.0,
        logarithmic: false,
    };
    chart.svg()
}

/// Instructions as the bars, because they are exact; the emulator's time in words.
pub fn virtual_ispot(report: &Value) -> String {
    let bars = list(report, "/jobs").iter().map(|job| {
        let ratio = number(job, "/of_loop");
        let millions = number(job, "/instructions") / 1e6;
        let by_time = number(job, "/seconds_of_loop/median");
        Bar {
            label: word(job, "/name").into(),
            value: ratio,
            spread: None,
            text: format!("{ratio:.2}  ({millions:.0} M; {by_time:.2})"),
            aim: job.pointer("/aim_of_loop").and_then(Value::as_f64),
            own: word(job, "/name").starts_with("mtdkeep"),
        }
    });
    let chart = Chart {
        title: "16 MiB as ARM code in the virtual iSpot",
        subtitle: "Instructions, as a multiple of the article's loop; logarithmic; dashed: the aim; \
                   in brackets: millions; multiple by time",
        foot: format!(
            "{}, {}, {}; mtdkeep {}, {} bytes; {}",
            word(report, "/emulator"),
            word(report, "/guest_kernel"),
            word(report, "/busybox"),
            word(report, "/machine/mtdkeep"),
            number(report, "/program_bytes"),
            word(report, "/machine/date"),
        ),
        bars: bars.collect(),
        left: 240.0,
        logarithmic: true,
    };
    chart.svg()
}
