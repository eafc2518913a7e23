//! Random layouts, and each form in which people could have one.

use crate::layout::{ChipFacts, FactSources, PartitionFacts, render};
use crate::mtd::{FactSource, MtdIndex, PartitionOffset};
use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus as SmallRng;
use std::fmt::Write as _;

pub(crate) const BLOCK: u64 = 0x1000;

#[derive(Debug, Clone)]
pub(crate) struct Chip {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) chip: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) start: u64,
    pub(crate) size_bytes: u64,
    pub(crate) read_only: bool,
}

/// Partitions chip by chip; those of a partition come right behind it.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) chips: Vec<Chip>,
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Own,
    BootLog,
    CommandLine,
    MtdList,
    Table,
}

pub(crate) const FORMS: [Form; 5] = [
    Form::Own,
    Form::BootLog,
    Form::CommandLine,
    Form::MtdList,
    Form::Table,
];

impl Model {
    /// Chips with partitions anywhere, over each other, inside each other, with numbers
    /// that have gaps.
    pub(crate) fn random(rng: &mut SmallRng) -> Self {
        let count = rng.random_range(1..=3);
        let mut model = Self {
            chips: Vec::new(),
            parts: Vec::new(),
        };
        let mut number = 0;
        for chip in 0..count {
            let blocks = rng.random_range(4..40_u64);
            model.chips.push(Chip {
                name: format!("spi{chip}.0"),
                size_bytes: blocks * BLOCK,
            });
            for _ in 0..rng.random_range(1..5) {
                let whole = (0, blocks * BLOCK);
                model.add(rng, chip, None, whole, &mut number, 0);
            }
        }
        model
    }

    fn add(
        &mut self,
        rng: &mut SmallRng,
        chip: usize,
        parent: Option<usize>,
        outer: (u64, u64),
        number: &mut u32,
        depth: u32,
    ) {
        // Mostly on erase blocks.
        let unit = if rng.random_range(0..8) == 0 {
            0x100
        } else {
            BLOCK
        };
        let units = (outer.1 / unit).max(1);
        let first = rng.random_range(0..units);
        let last = rng.random_range(first..units);
        let start = outer.0 + first * unit;
        let size_bytes = ((last - first + 1) * unit).min(outer.0 + outer.1 - start);
        let at = self.parts.len();
        let name = match rng.random_range(0..6) {
            0 => format!("part {at} with blanks"),
            1 => format!("p{at}:;,=[]"),
            2 => format!("\u{fc}n\u{ef}code{at}"),
            _ => format!("p{at}"),
        };
        self.parts.push(Part {
            number: *number,
            name,
            chip,
            parent,
            start,
            size_bytes,
            read_only: rng.random_range(0..4) == 0,
        });
        *number += rng.random_range(1..3);
        let inside = if depth < 2 { rng.random_range(0..3) } else { 0 };
        for _ in 0..inside {
            self.add(rng, chip, Some(at), (start, size_bytes), number, depth + 1);
        }
    }

    /// From where a partition counts in texts.
    fn base(&self, part: &Part) -> u64 {
        part.parent.map_or(0, |parent| self.parts[parent].start)
    }

    fn parts_in(&self, chip: usize, parent: Option<usize>) -> usize {
        let is_in = |part: &&Part| part.chip == chip && part.parent == parent;
        self.parts.iter().filter(is_in).count()
    }

    pub(crate) fn text(&self, form: Form) -> String {
        match form {
            Form::Own => self.own(),
            Form::BootLog => self.boot_log(),
            Form::CommandLine => self.command_line(),
            Form::MtdList => self.mtd_list(),
            Form::Table => self.table(),
        }
    }

    fn own(&self) -> String {
        let chip = |chip: &Chip| ChipFacts {
            name: chip.name.clone(),
            size_bytes: Some(chip.size_bytes),
            erase_block_bytes: Some(BLOCK),
        };
        let part = |part: &Part| PartitionFacts {
            line: 0,
            index: Some(MtdIndex(part.number)),
            name: part.name.clone(),
            chip: Some(part.chip),
            parent: part.parent,
            offset: Some(PartitionOffset {
                bytes: part.start,
                source: FactSource::User,
            }),
            size_bytes: Some(part.size_bytes),
            erase_block_bytes: None,
            read_only: part.read_only.then_some(true),
            sources: FactSources::default(),
        };
        let chips: Vec<_> = self.chips.iter().map(chip).collect();
        render(&chips, &self.parts.iter().map(part).collect::<Vec<_>>())
    }

    fn boot_log(&self) -> String {
        let mut text = String::new();
        for chip in &self.chips {
            let kbytes = chip.size_bytes / 1024;
            let _ = writeln!(text, "spi-nor {}: w25q128 ({kbytes} Kbytes)", chip.name);
        }
        let mut chip = usize::MAX;
        for (at, part) in self.parts.iter().enumerate() {
            if part.chip != chip {
                chip = part.chip;
                let (count, name) = (self.parts_in(chip, None), &self.chips[chip].name);
                let _ = writeln!(text, "Creating {count} MTD partitions on \"{name}\":");
            }
            let start = part.start - self.base(part);
            let end = start + part.size_bytes;
            let _ = writeln!(text, "0x{start:012x}-0x{end:012x} : \"{}\"", part.name);
            if part.read_only {
                let _ = writeln!(
                    text,
                    "mtd: partition \"{}\" doesn't end on an erase/write block -- force read-only",
                    part.name
                );
            }
            let inside = self.parts_in(chip, Some(at));
            if inside > 0 {
                let _ = writeln!(
                    text,
                    "Creating {inside} MTD partitions on \"{}\":",
                    part.name
                );
            }
        }
        text
    }

    fn command_line(&self) -> String {
        let mut chips = Vec::new();
        for (chip, known) in self.chips.iter().enumerate() {
            let parts = self.parts.iter().filter(|part| part.chip == chip);
            let parts = parts.map(|part| {
                let read_only = if part.read_only { "ro" } else { "" };
                let (size, start) = (part.size_bytes, part.start);
                format!("{size:#x}@{start}({}){read_only}", part.name)
            });
            let parts: Vec<_> = parts.collect();
            chips.push(format!("{}:{}", known.name, parts.join(",")));
        }
        // In quotes, because names may hold blanks.
        format!(
            "Kernel command line: quiet \"mtdparts={}\" root=x\n",
            chips.join(";")
        )
    }

    fn mtd_list(&self) -> String {
        let mut text = "List of MTD devices:\n".to_owned();
        for (chip, known) in self.chips.iter().enumerate() {
            let (name, size) = (&known.name, known.size_bytes);
            let _ = writeln!(
                text,
                "* {name}\n  - type: NOR flash\n  - block size: {BLOCK:#x} bytes"
            );
            let _ = writeln!(text, "  - 0x000000000000-0x{size:012x} : \"{name}\"");
            for part in self.parts.iter().filter(|part| part.chip == chip) {
                let mut depth = 1;
                let mut up = part.parent;
                while let Some(outer) = up {
                    depth += 1;
                    up = self.parts[outer].parent;
                }
                let (indent, start) = ("  ".repeat(depth + 1), part.start - self.base(part));
                let end = start + part.size_bytes;
                let _ = writeln!(
                    text,
                    "{indent}- 0x{start:012x}-0x{end:012x} : \"{}\"",
                    part.name
                );
            }
        }
        text
    }

    fn table(&self) -> String {
        let mut text = "dev:    size   erasesize  name\n".to_owned();
        for part in &self.parts {
            let (number, size) = (part.number, part.size_bytes);
            let _ = writeln!(
                text,
                "mtd{number}: {size:08x} {BLOCK:08x} \"{}\"",
                part.name
            );
        }
        text
    }
}

/// What programs put before a line.
const STAMPS: [&str; 6] = [
    "[    1.123456] ",
    "[Thu Feb 22 23:37:30 2024] ",
    "[    1.123456][    T1] ",
    "Jan  1 00:00:08 OpenWrt kern.notice kernel: [    0.57] ",
    "[2024-02-22 23:37:30] <5>",
    "Feb 22 23:37:30 ",
];

/// A text as it was pasted: time stamps, line ends of another system, a prompt around it,
/// quotation marks of a text processor, a mail's `>` before each line.
pub(crate) fn pasted(text: &str, rng: &mut SmallRng) -> String {
    let (crlf, stamps, curly) = (rng.random(), rng.random::<bool>(), rng.random::<bool>());
    let stamp = STAMPS[rng.random_range(0..STAMPS.len())];
    let before = if rng.random_range(0..4) == 0 {
        "> "
    } else {
        ""
    };
    let mut out = String::new();
    if rng.random() {
        out += "\u{feff}root@device:~# dmesg\n";
    }
    for line in text.lines() {
        let mut line = line.to_owned();
        if stamps && !line.starts_with([' ', '*']) {
            line = format!("{stamp}{line}");
        }
        if curly {
            line = line.replacen('"', "\u{201c}", 1);
        }
        out += before;
        out += &line;
        out += if crlf { "\r\n" } else { "\n" };
    }
    if rng.random() {
        out += "root@device:~# \n";
    }
    out
}
