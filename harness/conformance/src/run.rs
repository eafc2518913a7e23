//! Runs the cases on a target: one line of text for each call.

use super::expression::{BadExpression, Names};
use super::script::{BadCase, Cases, Roles, Section, Step};
use super::{Fd, OpenRequest, Permit, Target, answer};
use crate::Errno;
use std::collections::BTreeMap;
use std::fmt;

/// One call with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `read.007`.
    pub id: String,
    /// The call in the words of the case.
    pub words: String,
    /// What the target answered.
    pub answer: String,
    /// The mark of a call that some chips answer otherwise.
    pub mark: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {} -> {}", self.id, self.words, self.answer)?;
        match &self.mark {
            Some(mark) => write!(f, "  !{mark}"),
            None => Ok(()),
        }
    }
}

/// All answers, and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the calls.
    pub lines: Vec<Line>,
    /// Name of each section that was left out, and why.
    pub skipped: Vec<(String, String)>,
}

/// What stopped a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A mistake in the case files.
    #[error("the case files have a mistake: {0}")]
    Case(#[from] BadCase),
    /// `/proc/mtd` cannot be read, or lists no device of the needed index.
    #[error("{0}; a kernel with MTD, or a device that stands in for it, is needed")]
    NoMtd(String),
    /// A section's contents could not be prepared.
    #[error("section {section}: preparing the contents of mtd{index}: {errno}; {after}")]
    Prepare {
        /// The section.
        section: String,
        /// The MTD device.
        index: u32,
        /// What the kernel said.
        errno: Errno,
        /// What became of the contents.
        after: String,
    },
    /// The scratch partition's contents could not be saved or put back.
    #[error("{step} the contents of mtd{index}: {errno}; {after}")]
    Contents {
        /// `saving` or `putting back`.
        step: &'static str,
        /// The MTD device.
        index: u32,
        /// What the kernel said.
        errno: Errno,
        /// What became of the contents, what to do.
        after: String,
    },
}

/// Gets a partition's index and contents before the first call that could
/// change them; an error stops the run before anything is written.
pub type Keep<'a> = dyn FnMut(u32, &[u8]) -> Result<(), Errno> + 'a;

/// A run: the target, its devices' sizes, and what has been answered so far.
pub struct Runner<'t> {
    pub(super) target: &'t mut dyn Target,
    pub(super) roles: Roles,
    pub(super) names: Names,
    pub(super) handles: BTreeMap<String, Fd>,
    /// First reads of partitions, for later comparison.
    pub(super) remembered: BTreeMap<String, Vec<u8>>,
    sizes: BTreeMap<u32, Names>,
    saved: BTreeMap<u32, Vec<u8>>,
}

const READ_ONLY: OpenRequest = OpenRequest {
    read: true,
    write: false,
    flags: Vec::new(),
};

impl<'t> Runner<'t> {
    /// A run on a target whose `/proc/mtd` can be read.
    pub fn new(target: &'t mut dyn Target, roles: &Roles) -> Result<Self, RunError> {
        let text = target
            .text("/proc/mtd")
            .map_err(|errno| RunError::NoMtd(format!("/proc/mtd: {errno}")))?;
        let word_max = match target.pointer_bytes() {
            4 => u32::MAX.into(),
            _ => u64::MAX,
        };
        Ok(Self {
            target,
            roles: roles.clone(),
            names: Names::default(),
            handles: BTreeMap::new(),
            remembered: BTreeMap::new(),
            sizes: sizes(&text, word_max),
            saved: BTreeMap::new(),
        })
    }

    /// Runs every section that the permit and the target allow, and puts back
    /// the contents of the partitions that were written to. `each` sees every
    /// line as soon as it is there; `keep` gets the contents of a partition
    /// before the first call that could change them.
    pub fn run(
        &mut self,
        cases: &Cases,
        permit: &Permit,
        each: &mut dyn FnMut(&Line),
        keep: &mut Keep<'_>,
    ) -> Result<Report, RunError> {
        let mut report = Report::default();
        let mut outcome = Ok(());
        for section in &cases.sections {
            if let Some(why) = self.reason_to_skip(section, permit) {
                report.skipped.push((section.name.clone(), why));
                continue;
            }
            outcome = self.section(section, keep, &mut |line| {
                each(&line);
                report.lines.push(line);
            });
            if outcome.is_err() {
                break;
            }
        }
        let restored = self.put_back();
        outcome.and(restored).map(|()| report)
    }

    fn reason_to_skip(&mut self, section: &Section, permit: &Permit) -> Option<String> {
        if let Some(index) = section.aims.iter().find(|index| !permit.allows(**index)) {
            return Some(format!("it aims at mtd{index}: not permitted"));
        }
        if !self.sizes.contains_key(&section.on) {
            return Some(format!("no mtd{} here", section.on));
        }
        if section.native && self.target.process().is_none() {
            return Some("it needs a real process".into());
        }
        None
    }

    fn section(
        &mut self,
        section: &Section,
        keep: &mut Keep<'_>,
        each: &mut dyn FnMut(Line),
    ) -> Result<(), RunError> {
        self.names = self.sizes[&section.on];
        self.save(section, keep)?;
        self.remembered.clear();
        for step in &section.steps {
            if step.words[0].starts_with('@') {
                self.prepare(section, step)?;
                continue;
            }
            let answer = self.call(&step.words).map_err(|error| BadCase {
                line: step.words.join(" "),
                why: error.0,
            })?;
            each(Line {
                id: step.id.clone(),
                words: step.words.join(" "),
                answer,
                mark: step.mark.as_ref().map(|mark| mark.name.clone()),
            });
        }
        for fd in std::mem::take(&mut self.handles).into_values() {
            // Whatever the answer, the descriptor is gone.
            let _ = self.target.close(fd);
        }
        Ok(())
    }

    /// `@fill BLOCK BYTES` puts bytes at the start of an erase block, 0xFF after
    /// them; `@remember PATH` reads a node whole, for `same@`.
    fn prepare(&mut self, section: &Section, step: &Step) -> Result<(), RunError> {
        let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
        let failed = |errno| RunError::Prepare {
            section: section.name.clone(),
            index: section.on,
            errno,
            after: "the run ends here and puts the contents back".into(),
        };
        let bad = |why: String| {
            RunError::Case(BadCase {
                line: step.words.join(" "),
                why,
            })
        };
        match words[..] {
            ["@remember", path] => {
                let bytes = self.read_node(path).map_err(failed)?;
                self.remembered.insert(path.into(), bytes);
                Ok(())
            }
            ["@fill", block, data] if section.aims.contains(&section.on) => {
                let parse = |error: BadExpression| bad(error.to_string());
                let block_bytes = self.names.erase_block_bytes as usize;
                let start = self.names.length(&format!("{block}*block"));
                let start = start.map_err(parse)?;
                let mut bytes = self.names.bytes(data).map_err(parse)?;
                bytes.resize(bytes.len().max(1).next_multiple_of(block_bytes), 0xff);
                self.write_node(section.on, start, &bytes).map_err(failed)
            }
            _ => Err(bad(
                "no such preparation, or the section does not aim".into()
            )),
        }
    }

    fn save(&mut self, section: &Section, keep: &mut Keep<'_>) -> Result<(), RunError> {
        for &index in &section.aims {
            if self.saved.contains_key(&index) {
                continue;
            }
            let failed = |errno| RunError::Contents {
                step: "saving",
                index,
                errno,
                after: "nothing was written to it".into(),
            };
            let bytes = self
                .read_node(&format!("/dev/mtd{index}"))
                .map_err(failed)?;
            keep(index, &bytes).map_err(failed)?;
            self.saved.insert(index, bytes);
        }
        Ok(())
    }

    /// Writes the saved contents of changed partitions and reads them again.
    fn put_back(&mut self) -> Result<(), RunError> {
        for (index, bytes) in std::mem::take(&mut self.saved) {
            let failed = |errno| RunError::Contents {
                step: "putting back",
                index,
                errno,
                after: "it holds test data now; write the saved contents to it".into(),
            };
            let path = format!("/dev/mtd{index}");
            if self.read_node(&path).map_err(failed)? == bytes {
                continue;
            }
            self.write_node(index, 0, &bytes).map_err(failed)?;
            if self.read_node(&path).map_err(failed)? != bytes {
                return Err(failed(Errno::IO));
            }
        }
        Ok(())
    }

    fn read_node(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.target.open(path, &READ_ONLY)?;
        let mut bytes = Vec::new();
        let mut buf = vec![0; 1 << 16];
        let outcome = loop {
            match self.target.read(fd, &mut buf, None) {
                Ok(0) => break Ok(()),
                Ok(count) => bytes.extend_from_slice(&buf[..count]),
                Err(errno) => break Err(errno),
            }
        };
        self.target.close(fd)?;
        outcome.map(|()| bytes)
    }

    /// Writes through the block node, which erases as needed, so that preparing
    /// needs no ioctl.
    fn write_node(&mut self, index: u32, start: usize, bytes: &[u8]) -> Result<(), Errno> {
        let request = OpenRequest {
            write: true,
            ..READ_ONLY
        };
        let fd = self
            .target
            .open(&format!("/dev/mtdblock{index}"), &request)?;
        let mut outcome = Ok(());
        let mut done = 0;
        while done < bytes.len() && outcome.is_ok() {
            let offset = Some((start + done) as i64);
            outcome = match self.target.write(fd, &bytes[done..], offset) {
                Ok(0) => Err(Errno::IO),
                Ok(count) => {
                    done += count;
                    Ok(())
                }
                Err(errno) => Err(errno),
            };
        }
        let flushed = self.target.fsync(fd);
        self.target.close(fd)?;
        outcome.and(flushed)
    }

    /// The handle of this name, if it could be opened.
    pub(super) fn handle(&self, name: &str) -> Option<Fd> {
        self.handles.get(name).copied()
    }
}

impl Report {
    /// How many lines there are for each answer's kind: for people who look.
    pub fn summary(&self) -> String {
        let refused = self.lines.iter().filter(|line| {
            line.answer.starts_with('E') && line.answer.chars().all(|c| c.is_ascii_uppercase())
        });
        format!(
            "{} lines, {} of them errors; {} sections left out",
            self.lines.len(),
            refused.count(),
            self.skipped.len()
        )
    }
}

/// Size and erase-block size of each MTD device in a `/proc/mtd`.
fn sizes(text: &str, word_max: u64) -> BTreeMap<u32, Names> {
    let mut sizes = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let index = words.next().and_then(|word| {
            let number = word.strip_prefix("mtd")?.strip_suffix(':')?;
            number.parse().ok()
        });
        let mut hex = || u64::from_str_radix(words.next()?, 16).ok();
        let (size_bytes, block) = (hex(), hex().and_then(|block| u32::try_from(block).ok()));
        // An MTD device without erase blocks is RAM or ROM.
        if let (Some(index), Some(size_bytes), Some(erase_block_bytes @ 1..)) =
            (index, size_bytes, block)
        {
            let names = Names {
                size_bytes,
                erase_block_bytes,
                word_max,
            };
            sizes.insert(index, names);
        }
    }
    sizes
}

/// An answer as text, or the error's name.
pub(super) fn text<T>(result: Result<T, Errno>, show: impl FnOnce(T) -> String) -> String {
    answer::result(result, show)
}
