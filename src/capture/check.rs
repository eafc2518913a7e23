//! Each file that is taken against all digests at hand, whoever made them.
//!
//! A digest is of the file that it names, as it lies there or as the image that comes
//! out of it; of the image of the partition whose node or number it names; or of
//! nothing that is here. Invariant: none that is of a file is passed over, and one that
//! does not fit is a problem.

use super::assign::Taken;
use super::decode::{self, Form};
use super::error::ImportError;
use super::found::{Candidate, CaptureFolder};
use super::names;
use super::own_manifest;
use super::sums::{self, Algorithm, Running, Sum};
use super::text_mode;
use crate::backup::{DigestChoice, Digests};
use crate::mtd::MtdInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

const BUFFER_BYTES: usize = 256 << 10;

/// A digest that is known, and where from.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) sum: Sum,
    /// The folder in which it lies.
    folder: usize,
    /// The file in which it stands.
    pub(super) file: String,
    /// The device made it: of its node, or by the script on it.
    pub(super) by_device: bool,
    /// What it is of, as far as the folder shows.
    of: Of,
}

/// What a digest is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// A file of that name, in one of the folders.
    File(usize, String),
    /// A partition with that number.
    Number(u32),
    /// A partition with a name of those letters.
    Words(Vec<String>),
}

/// One image that was read.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    pub(super) sha256: Option<String>,
    /// The digests that it has.
    pub(super) has: Vec<Given>,
    /// There is an MD5 of it, whether it fits or not.
    pub(super) has_md5_to_compare: bool,
    /// What its bytes show of a transfer that changed them and kept their number.
    pub(super) changed: Option<String>,
}

/// All digests at hand.
pub(super) fn given(folders: &[CaptureFolder]) -> Vec<Given> {
    let mut all = Vec::new();
    for (folder, number) in folders.iter().zip(0..) {
        let entries: BTreeSet<&str> = folder.entries.iter().map(|e| e.name.as_str()).collect();
        let of = |sum: &Sum| match names::read(sum.base()) {
            // A backslash may be a name's own.
            _ if entries.contains(sum.name.as_str()) => Of::File(number, sum.name.clone()),
            _ if entries.contains(sum.base()) && !sum.is_of_node() => {
                Of::File(number, sum.base().to_owned())
            }
            _ if devfs_number(&sum.name).is_some() => {
                Of::Number(devfs_number(&sum.name).unwrap_or_default())
            }
            name if name.several => Of::Words(Vec::new()),
            name => name.number.map_or(Of::Words(name.words), Of::Number),
        };
        let by_script = folder.records.iter().any(|(_, record)| record.md5sum);
        for file in &folder.sums {
            all.extend(file.sums.iter().map(|sum| {
                let sum = named(sum, &file.file);
                Given {
                    by_device: sum.is_of_node() || (by_script && sum.algorithm == Algorithm::Md5),
                    of: of(&sum),
                    sum,
                    folder: number,
                    file: file.file.clone(),
                }
            }));
        }
        if let Some((manifest, file)) = &folder.manifest {
            let sums = own_manifest::sums(manifest);
            all.extend(sums.into_iter().map(|sum| Given {
                of: of(&sum),
                sum,
                folder: number,
                file: (*file).into(),
                by_device: false,
            }));
        }
    }
    all
}

/// N of `/dev/mtd/N`, and of the block node beside it.
fn devfs_number(node: &str) -> Option<u32> {
    let number = node.strip_prefix("/dev/mtd/");
    let number = number.or_else(|| node.strip_prefix("/dev/mtdblock/"));
    number?.parse().ok()
}

/// A digest without a name is of the file that its own file is called after.
fn named(sum: &Sum, file: &str) -> Sum {
    let mut sum = sum.clone();
    if sum.name.is_empty() || sum.name == "-" {
        sum.name = sums::called_after(file).unwrap_or_default().to_owned();
    }
    sum
}

/// All digests by what they are of: there may be as many as files.
pub(super) struct Index<'a> {
    given: &'a [Given],
    places: BTreeMap<Of, Vec<usize>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(given: &'a [Given]) -> Self {
        let mut places: BTreeMap<Of, Vec<usize>> = BTreeMap::new();
        for (at, one) in given.iter().enumerate() {
            let keys = match &one.of {
                Of::Words(words) => words.iter().map(|w| Of::Words(vec![w.clone()])).collect(),
                of => vec![of.clone()],
            };
            for key in keys {
                places.entry(key).or_default().push(at);
            }
        }
        Self { given, places }
    }

    /// The digests of the image of `info`, and of the file that it is in.
    pub(super) fn of(&self, candidate: Option<&Candidate>, info: &MtdInfo) -> Vec<&'a Given> {
        let file = candidate.map(|one| Of::File(one.folder, one.file.clone()));
        let keys = [
            file,
            Some(Of::Number(info.index.0)),
            Some(Of::Words(vec![names::plain(&info.name)])),
        ];
        let places = keys
            .into_iter()
            .flatten()
            .filter_map(|key| self.places.get(&key));
        let places: BTreeSet<usize> = places.flatten().copied().collect();
        places.into_iter().map(|at| &self.given[at]).collect()
    }
}

/// Reads what is taken, and compares it.
pub(super) struct Check<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) given: &'a Index<'a>,
    pub(super) interrupt: &'a AtomicBool,
}

impl Check<'_> {
    /// One image; what does not fit is added to `problems`.
    pub(super) fn image(
        &self,
        taken: &Taken,
        form: Form,
        info: &MtdInfo,
        problems: &mut Vec<String>,
    ) -> Result<Inspected, ImportError> {
        let candidate = &self.candidates[taken.candidate];
        let of_it = self.given.of(Some(candidate), info);
        let wanted: Vec<Algorithm> = of_it.iter().map(|given| given.sum.algorithm).collect();
        let image = self.digests(candidate, form, &wanted)?;
        let raw = match form {
            Form::Plain => None,
            _ if of_it.is_empty() => None,
            _ => Some(self.digests(candidate, Form::Plain, &wanted)?),
        };
        let mut inspected = Inspected {
            sha256: image.get(&Algorithm::Sha256).cloned(),
            has: Vec::new(),
            has_md5_to_compare: wanted.contains(&Algorithm::Md5),
            changed: None,
        };
        for given in of_it {
            let Sum {
                algorithm, digest, ..
            } = &given.sum;
            let fits = |made: &BTreeMap<Algorithm, String>| made.get(algorithm) == Some(digest);
            if fits(&image) {
                inspected.has.push(given.clone());
            } else if raw.as_ref().is_some_and(fits) {
                // It shows that the file arrived, not what the device had.
                let mut given = given.clone();
                given.by_device = false;
                inspected.has.push(given);
            } else {
                let is = image.get(algorithm).map_or("none", String::as_str);
                // An error must not rest on a guess.
                let or = match given.sum.is_named || !algorithm.has_a_double() {
                    true => "",
                    false => " (if that is no BLAKE2, BLAKE3 or SHA-3, which are as long)",
                };
                problems.push(format!(
                    "{} has {} {is}; {} says {digest} of {}{or}",
                    candidate.file,
                    algorithm.word(),
                    given.file,
                    given.sum.name
                ));
            }
        }
        let is_proven = inspected.has.iter().any(|given| given.by_device);
        if matches!(form, Form::Plain | Form::Gzip) && !is_proven {
            let open = || decode::open(&candidate.path, form);
            let found = text_mode::traces(open).map_err(|source| ImportError::Read {
                what: candidate.path.display().to_string(),
                source,
            })?;
            inspected.changed = found.map(|what| format!("{}: {what}", candidate.file));
        }
        Ok(inspected)
    }

    fn digests(
        &self,
        candidate: &Candidate,
        form: Form,
        wanted: &[Algorithm],
    ) -> Result<BTreeMap<Algorithm, String>, ImportError> {
        let read = |source| ImportError::Read {
            what: candidate.path.display().to_string(),
            source,
        };
        let mut buffer = Vec::new();
        let no_memory = |_| read(std::io::ErrorKind::OutOfMemory.into());
        buffer.try_reserve_exact(BUFFER_BYTES).map_err(no_memory)?;
        buffer.resize(BUFFER_BYTES, 0);
        let mut stream = decode::open(&candidate.path, form).map_err(read)?;
        let mut running = Running::new(wanted);
        let mut digests = Digests::new(DigestChoice::Both);
        loop {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(ImportError::Interrupted);
            }
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    running.update(&buffer[..count]);
                    digests.update(&buffer[..count]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read(error)),
            }
        }
        let values = digests.finish();
        let mut made = running.finish();
        made.extend(values.sha256.map(|digest| (Algorithm::Sha256, digest)));
        made.extend(values.crc32.map(|digest| (Algorithm::Crc32, digest)));
        Ok(made)
    }
}

/// Texts of a capture that do not have the digest which was made of them.
pub(super) fn texts(folders: &[CaptureFolder], given: &[Given]) -> Vec<String> {
    let mut problems = Vec::new();
    for given in given {
        let folder = &folders[given.folder];
        let records = folder.records.iter().map(|(text, _)| text);
        let mut named = records.chain(&folder.tables).peekable();
        // A browser numbers the texts of a second capture: each digest has one of them.
        let base = given.sum.base();
        let all: Vec<_> = named
            .by_ref()
            .filter(|(file, _)| file == base || is_numbered(file, base))
            .collect();
        let fits = |text: &[u8]| {
            let mut running = Running::new(&[given.sum.algorithm]);
            running.update(text);
            let mut digests = Digests::new(DigestChoice::Sha256);
            digests.update(text);
            let made = running.finish();
            let made = made.get(&given.sum.algorithm).cloned();
            made.or(digests.finish().sha256).as_deref() == Some(&given.sum.digest)
        };
        // A download may have changed the line ends of a text.
        let unix =
            |text: &[u8]| -> Vec<u8> { text.iter().copied().filter(|b| *b != b'\r').collect() };
        let fits = |(_, text): &&(String, Vec<u8>)| fits(text) || fits(&unix(text));
        if !all.is_empty() && !all.iter().any(fits) {
            let word = given.sum.algorithm.word();
            problems.push(format!("{base} does not have the {word} in {}", given.file));
        }
    }
    problems
}

/// Whether `file` is `base` with a number, as browsers and wget give it: `capture
/// (1).txt`, `capture.txt.1`.
fn is_numbered(file: &str, base: &str) -> bool {
    let (stem, ending) = base.rsplit_once('.').unwrap_or((base, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let by_wget = file
        .strip_prefix(base)
        .and_then(|rest| rest.strip_prefix('.'));
    let by_browser = file.strip_prefix(stem).and_then(|rest| {
        let rest = rest.trim_start().strip_prefix('(')?;
        let (number, rest) = rest.split_once(')')?;
        (rest.trim_start_matches('.') == ending).then_some(number)
    });
    by_wget.is_some_and(is_number) || by_browser.is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_browser_gives_are_known() {
        for file in ["capture (1).txt", "capture.txt.1", "capture(12).txt"] {
            assert!(is_numbered(file, "capture.txt"), "{file}");
        }
        assert!(is_numbered("MD5SUMS (1)", "MD5SUMS"));
        for file in [
            "capture.txt",
            "capture.txt.bak",
            "capture (x).txt",
            "other (1).txt",
        ] {
            assert!(!is_numbered(file, "capture.txt"), "{file}");
        }
    }
}
