//! `mtdkeep list`.

use crate::backup::size;
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, DEVICE, Job, OptionSpec, RESULT, Takes, full_only, option};
use crate::mtd::{MtdInfo, NodeState, oddities};
use crate::printable::printable;
use serde::Serialize;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, DEVICE, RESULT],
    examples: &[
        "mtdkeep list",
        "mtdkeep list --json",
        "mtdkeep --simulate list",
    ],
    ..CommandSpec::new(
        "list",
        "List the device's partitions, and what is odd about them",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[full_only(option(
    "layout",
    Takes::Nothing,
    "Print the layout in the form that --simulate=FILE and --layout FILE take",
))];

#[derive(Serialize)]
struct Body {
    device: String,
    partitions: Vec<Partition>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Partition {
    mtd: u32,
    name: String,
    size_bytes: u64,
    size_source: String,
    erase_block_bytes: Option<u64>,
    erase_block_source: Option<String>,
    offset_bytes: Option<u64>,
    offset_source: Option<String>,
    contradictions: Vec<String>,
    chip: Option<u32>,
    chip_bytes: Option<u64>,
    parent: Option<u32>,
    node: String,
    writeable: Option<bool>,
    writeable_source: Option<String>,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let device = device::parse(given)?;
    #[cfg(feature = "full")]
    if given.flag("layout") {
        return Ok(Box::new(move |output| layout(&device, output)));
    }
    Ok(Box::new(move |output| run(&device, output)))
}

fn run(device: &DeviceArgs, output: &Output) -> Result<Exit, CliError> {
    let backend = device::open(device, output)?;
    let devices = backend.devices()?;
    let notes = oddities(&devices);
    let width = devices.iter().map(|d| d.name.chars().count()).max();
    let width = width.unwrap_or(0).max("NAME".len());
    // A size that is no number of KiB is longer than others.
    let sizes = devices.iter().map(|d| size(d.size_bytes).len()).max();
    let width = (width, sizes.unwrap_or(0).max(9));
    output.line(&format!(
        "{:<5}  {:<name$}  {:>sizes$}  {:>11}  {:>10}  {:<7}  ACCESS",
        "MTD",
        "NAME",
        "SIZE",
        "ERASE BLOCK",
        "OFFSET",
        "NODE",
        name = width.0,
        sizes = width.1,
    ));
    for info in &devices {
        output.line(&row(info, width));
    }
    if devices.iter().any(|info| {
        info.offset
            .is_some_and(|offset| offset.source.is_inferred())
    }) {
        output.sentence(INFERRED);
    } else if let Some(told) = who_tells(&devices) {
        output.sentence(&told);
    }
    for note in &notes {
        output.sentence(&format!("note: {note}"));
    }
    let body = Body {
        device: backend.description(),
        partitions: devices.into_iter().map(partition).collect(),
        notes,
    };
    output.document("list", Exit::Done, &body);
    Ok(Exit::Done)
}

/// The layout as a text that other commands take.
#[cfg(feature = "full")]
fn layout(device: &DeviceArgs, output: &Output) -> Result<Exit, CliError> {
    if output.is_json() {
        return Err(CliError::Other {
            exit: Exit::Usage,
            message: "--layout prints a text".into(),
            help: Some("leave --json or --layout away; `list --json` has all of it".into()),
        });
    }
    let devices = device::open(device, output)?.devices()?;
    let (chips, partitions) = crate::layout::facts(&devices);
    for line in crate::layout::render(&chips, &partitions).lines() {
        output.line(line);
    }
    Ok(Exit::Done)
}

const INFERRED: &str = "note: offsets with ? are inferred: nobody told them; they are right \
                        only if the partitions follow each other on one chip";

/// Who tells the offsets, where that is not the kernel or the simulation itself.
fn who_tells(devices: &[MtdInfo]) -> Option<String> {
    use crate::mtd::FactSource;
    let sources = devices.iter().filter_map(|info| Some(info.offset?.source));
    let mut words: Vec<String> = Vec::new();
    for source in sources {
        let word = source.to_string();
        let is_known = matches!(source, FactSource::Sysfs | FactSource::Simulation);
        if !is_known && !words.contains(&word) {
            words.push(word);
        }
    }
    (!words.is_empty()).then(|| format!("note: offsets are told by: {}", words.join(", ")))
}

/// Names and sizes are as wide as that.
fn row(info: &MtdInfo, (name, sizes): (usize, usize)) -> String {
    let offset = match info.offset {
        Some(offset) if offset.source.is_inferred() => format!("{:#x}?", offset.bytes),
        Some(offset) => format!("{:#x}", offset.bytes),
        None => "unknown".into(),
    };
    let access = match info.writeable {
        Some(true) => "read-write",
        Some(false) => "read-only",
        None => "unknown",
    };
    format!(
        "{:<5}  {:<name$}  {:>sizes$}  {:>11}  {offset:>10}  {:<7}  {access}",
        info.index.to_string(),
        printable(&info.name),
        size(info.size_bytes),
        match info.erase_block_assumed {
            true => "unknown".into(),
            false => size(info.erase_block_bytes),
        },
        node_word(&info.node),
    )
}

fn node_word(node: &NodeState) -> &str {
    match node {
        NodeState::Present => "present",
        NodeState::Missing => "missing",
        _ => "wrong",
    }
}

fn partition(info: MtdInfo) -> Partition {
    Partition {
        mtd: info.index.0,
        size_bytes: info.size_bytes,
        size_source: info.size_source.to_string(),
        erase_block_bytes: Some(info.erase_block_bytes).filter(|_| !info.erase_block_assumed),
        erase_block_source: (!info.erase_block_assumed)
            .then(|| info.erase_block_source.to_string()),
        offset_bytes: info.offset_bytes(),
        offset_source: info.offset.map(|offset| offset.source.to_string()),
        contradictions: info.contradictions,
        chip: info.chip,
        chip_bytes: info.chip_bytes,
        parent: info.parent.map(|parent| parent.0),
        node: match &info.node {
            NodeState::Wrong(what) => format!("wrong: {what}"),
            other => node_word(other).into(),
        },
        writeable: info.writeable,
        writeable_source: info.writeable_source.map(|source| source.to_string()),
        name: info.name,
    }
}
