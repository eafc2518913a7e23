//! What a device tells of itself through a shell, before anything of its flash is read.
//!
//! The texts become a folder that looks like the device's `proc` and `sys`, of which
//! [`LinuxBackend`] makes devices as it does of a copied tree: one reading of these
//! texts for all.
//!
//! Invariant: a name in the answer leads nowhere but into that folder.

use super::{mounts, nand};
use crate::backend::LinuxBackend;
use crate::layout;
use crate::mtd::{MtdBackend as _, MtdError, MtdIndex, MtdInfo, Node, NodeState, infer_offsets};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Files of several lines that are asked for by name.
const TEXTS: &[&str] = &["/proc/mtd", "/proc/cpuinfo"];
/// And of one.
const LINES: &[&str] = &["/proc/cmdline", "/proc/device-tree/model"];
/// The SHA-256 of nothing. Where a device has it, MD5 is not asked for.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// What sysfs has of each device.
const ATTRIBUTES: &str = "size offset flags type";

/// What was found.
pub(super) struct Probed {
    pub(super) description: String,
    pub(super) devices: Vec<MtdInfo>,
    /// The node of each device that has one.
    pub(super) nodes: BTreeMap<MtdIndex, String>,
    /// Its `/proc/mtd`, as it came.
    pub(super) table: Vec<u8>,
    pub(super) tools: Tools,
    /// Which of them are NAND, as far as sysfs tells.
    pub(super) nand: BTreeSet<MtdIndex>,
    /// What is worth a warning, in words.
    pub(super) notes: Vec<String>,
}

/// Programs that the device has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) sha256sum: bool,
    pub(super) md5sum: bool,
    /// As [`nand::is_known`] wants it.
    pub(super) nanddump: bool,
}

/// The commands whose output [`understand`] reads; each part begins with a line
/// `WORD f NAME`. What a shell can do itself starts no program: a small device takes
/// ten milliseconds for each.
pub(super) fn commands(word: &str) -> String {
    let (texts, lines) = (TEXTS.join(" "), LINES.join(" "));
    format!(
        "for f in {texts}; do if [ -r $f ]; then echo; echo {word} f $f; cat $f; fi; done; \
         for f in {lines}; do if [ -r $f ]; then v=; read -r v <$f; echo; echo {word} f $f; \
         echo \"$v\"; fi; done; \
         for d in /sys/class/mtd/mtd*; do case $d in *ro|*'*') continue;; esac; \
         for a in {ATTRIBUTES}; do if [ -r $d/$a ]; then v=; read -r v <$d/$a; echo; \
         echo {word} f $d/$a; echo \"$v\"; fi; done; \
         l=`readlink $d 2>/dev/null`; if [ \"$l\" ]; then echo; echo {word} l $d; echo \"$l\"; \
         fi; done; \
         echo; echo {word} t mounts; cat /proc/mounts; \
         echo; echo {word} t dmesg; dmesg 2>/dev/null; \
         echo; echo {word} t sha256sum; v=`sha256sum </dev/null`; echo \"$v\"; \
         case $v in {OF_NOTHING}*) ;; *) echo; echo {word} t md5sum; md5sum </dev/null ;; esac; \
         echo; echo {word} t nanddump; nanddump --help 2>&1; \
         echo; echo {word} t nodes; l=; \
         for n in /dev/mtd[0-9]* /dev/mtd/[0-9]* /dev/mtd/mtd[0-9]*; \
         do [ -c $n ] && l=\"$l $n\"; done; \
         [ -z \"$l\" ] || ls -ln $l 2>/dev/null || ls -l $l"
    )
}

/// Reads the answer to [`commands`]; `layout` is the text of a file with more about
/// the layout, and its name.
pub(super) fn understand(
    answer: &[u8],
    word: &str,
    layout: Option<(&str, &[u8])>,
) -> Result<Probed, MtdError> {
    let parts = parts(answer, word);
    let tree = tempfile::tempdir().map_err(|error| no_room(&error))?;
    let text = |name: &str| -> &[u8] {
        let found = parts
            .iter()
            .find(|part| part.kind == 't' && part.name == name);
        found.map_or(&[], |part| part.text)
    };
    for part in &parts {
        put(tree.path(), part).map_err(|error| no_room(&error))?;
    }
    let backend = LinuxBackend::new(Some(tree.path().into()));
    let mut devices = backend.devices().map_err(of_the_device)?;
    let nodes = nodes(&String::from_utf8_lossy(text("nodes")));
    devices
        .iter_mut()
        .for_each(|device| correct(device, &nodes));
    let mut notes = Vec::new();
    if let Some((name, text)) = layout {
        place(&mut devices, name, text, &mut notes);
    }
    if let Ok(reading) = layout::read(text("dmesg")) {
        if reading.form == layout::Form::BootLog {
            layout::place_if_all_fit(&mut devices, &reading);
        }
    }
    infer_offsets(&mut devices);
    let nand = of_nand(&parts, &devices);
    let nanddump = nand::is_known(&String::from_utf8_lossy(text("nanddump")));
    notes.extend(about_nand(&nand, nanddump));
    let file = |name: &str| -> &[u8] {
        let found = parts.iter().find(|part| part.name == name);
        found.map_or(&[], |part| part.text)
    };
    notes.extend(mounts::written(
        &String::from_utf8_lossy(text("mounts")),
        &String::from_utf8_lossy(file("/proc/cmdline")),
        &devices,
    ));
    let has = |name, digest: &[u8]| text(name).trim_ascii_start().starts_with(digest);
    let description = backend.description();
    Ok(Probed {
        description: description
            .strip_suffix(" (below another root)")
            .unwrap_or(&description)
            .to_owned(),
        devices,
        nodes,
        table: file("/proc/mtd").to_vec(),
        tools: Tools {
            // Of nothing: a program of that name that does something else is none.
            sha256sum: has("sha256sum", OF_NOTHING.as_bytes()),
            md5sum: has("md5sum", b"d41d8cd98f00b204e9800998ecf8427e"),
            nanddump,
        },
        nand,
        notes,
    })
}

/// An error of the tree, said of the device that it was copied from.
fn of_the_device(error: MtdError) -> MtdError {
    match error {
        MtdError::NoMtd { source, .. } => MtdError::NoMtd {
            path: "/proc/mtd".into(),
            other_root: false,
            source,
        },
        MtdError::NoDevices { .. } => MtdError::Unreachable {
            from: "the device".into(),
            why: "its /proc/mtd lists no MTD device".into(),
            help: "its kernel has MTD but found no flash: look at its boot log".into(),
        },
        MtdError::BadTable { source, .. } => MtdError::BadTable {
            path: "/proc/mtd".into(),
            source,
        },
        other => other,
    }
}

/// What the folder says of itself and not of the device.
fn correct(device: &mut MtdInfo, nodes: &BTreeMap<MtdIndex, String>) {
    device.node = match nodes.contains_key(&device.index) {
        true => NodeState::Present,
        false => NodeState::Missing,
    };
    device.block_node = NodeState::Missing;
    // More may be known below.
    if device
        .offset
        .is_some_and(|offset| offset.source.is_inferred())
    {
        device.offset = None;
    }
}

/// A part of the answer.
struct Part<'a> {
    kind: char,
    name: &'a str,
    text: &'a [u8],
}

fn parts<'a>(answer: &'a [u8], word: &str) -> Vec<Part<'a>> {
    let mark = format!("\n{word} ");
    let mut parts = Vec::new();
    let mut rest = answer;
    while let Some(at) = rest
        .windows(mark.len())
        .position(|window| window == mark.as_bytes())
    {
        rest = &rest[at + mark.len()..];
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let after = rest.get(line.len() + 1..).unwrap_or_default();
        let end = after
            .windows(mark.len())
            .position(|window| window == mark.as_bytes())
            .unwrap_or(after.len());
        if let Some((kind, name)) = std::str::from_utf8(line)
            .ok()
            .and_then(|l| l.split_once(' '))
        {
            parts.push(Part {
                kind: kind.chars().next().unwrap_or(' '),
                name,
                text: &after[..end],
            });
        }
        rest = after;
    }
    parts
}

/// Puts a file or a link of sysfs into the tree.
fn put(tree: &Path, part: &Part<'_>) -> io::Result<()> {
    let is_named = TEXTS.iter().chain(LINES).any(|name| *name == part.name);
    let wanted = is_named || is_of_sysfs(part.name);
    if !wanted || !matches!(part.kind, 'f' | 'l') {
        return Ok(());
    }
    let path = tree.join(part.name.trim_start_matches('/'));
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    if part.kind == 'f' {
        std::fs::create_dir_all(folder)?;
        return std::fs::write(path, part.text);
    }
    // Where the link leads is what the folder with its attributes lies under.
    let target = String::from_utf8_lossy(part.text).trim().to_owned();
    let inside = target.strip_prefix("../../").filter(|target| {
        target.starts_with("devices/") && !target.split('/').any(|name| name == "..")
    });
    if let Some(inside) = inside {
        let real = tree.join("sys").join(inside);
        if let Some(around) = real.parent() {
            std::fs::create_dir_all(around)?;
        }
        if path.is_dir() && !real.exists() {
            // A parent may be there already, with its own attributes to come.
            std::fs::rename(&path, &real)?;
            std::os::unix::fs::symlink(&target, &path)?;
        } else if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?;
                std::fs::rename(entry.path(), real.join(entry.file_name()))?;
            }
            std::fs::remove_dir(&path)?;
            std::os::unix::fs::symlink(&target, &path)?;
        }
    }
    Ok(())
}

/// `/sys/class/mtd/mtdN`, or an attribute there.
fn is_of_sysfs(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("/sys/class/mtd/mtd") else {
        return false;
    };
    let (number, attribute) = rest.split_once('/').unwrap_or((rest, ""));
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (attribute.is_empty() || ATTRIBUTES.split(' ').any(|known| known == attribute))
}

/// Nodes that are what they are called: character, 90, 2N.
fn nodes(listing: &str) -> BTreeMap<MtdIndex, String> {
    let mut nodes = BTreeMap::new();
    for line in listing.lines().filter(|line| line.starts_with('c')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let major = format!("{},", Node::character(MtdIndex(0)).major);
        let Some(at) = words.iter().position(|word| word.starts_with(&major)) else {
            continue;
        };
        // `90, 6`, or `90,6` where the columns are narrow.
        let minor = match words[at].strip_prefix(&major) {
            Some("") => words.get(at + 1).copied(),
            minor => minor,
        };
        let (Some(minor), Some(path)) = (minor.and_then(|m| m.parse::<u32>().ok()), words.last())
        else {
            continue;
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
        if minor % 2 == 0 && path.starts_with("/dev/") && path.bytes().all(plain) {
            nodes
                .entry(MtdIndex(minor / 2))
                .or_insert((*path).to_owned());
        }
    }
    nodes
}

fn place(devices: &mut [MtdInfo], name: &str, text: &[u8], notes: &mut Vec<String>) {
    match layout::read(text) {
        Ok(reading) => {
            let placed = layout::place(devices, &reading);
            let conflicts = placed.conflicts.iter();
            notes.extend(conflicts.map(|conflict| format!("{name}: {conflict}")));
        }
        Err(error) => notes.push(format!("{name}: {error}")),
    }
}

fn of_nand(parts: &[Part<'_>], devices: &[MtdInfo]) -> BTreeSet<MtdIndex> {
    let is_nand = |device: &&MtdInfo| {
        let name = format!("/sys/class/mtd/{}/type", device.index);
        let part = parts.iter().find(|part| part.name == name);
        part.is_some_and(|part| part.text.trim_ascii().ends_with(b"nand"))
    };
    let nand = devices.iter().filter(is_nand);
    nand.map(|device| device.index).collect()
}

/// What is not proven of them, whatever comes.
fn about_nand(nand: &BTreeSet<MtdIndex>, nanddump: bool) -> Option<String> {
    let names: Vec<String> = nand.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let what = match nanddump {
        true => "read with the device's nanddump: bad blocks stand as 0xFF, and OOB is not kept",
        false => {
            "and the device has no nanddump: bad blocks, and what ECC could not correct, are not \
             told apart from other bytes, and OOB is not kept"
        }
    };
    (!nand.is_empty()).then(|| format!("{names}: NAND, {what}"))
}

fn no_room(error: &io::Error) -> MtdError {
    MtdError::Unreachable {
        from: "the temporary folder".into(),
        why: error.to_string(),
        help: "make room there, or name another one in TMPDIR".into(),
    }
}
