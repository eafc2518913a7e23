//! Which file is of which partition: by what its name says and by its size, by
//! [`Asked`](Basis::Asked) where somebody said it, and never by a guess.
//!
//! Invariants: no file is taken for two partitions, no two files for one (of two with
//! the same bytes one is taken, and the other named); where name and size do not tell,
//! or say two things, it is a question.

use super::decode;
use super::found::Candidate;
use super::names::{self, Name};
use crate::mtd::{MtdIndex, MtdInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

/// Why a file is taken for a partition's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Basis {
    /// Somebody said so.
    Asked,
    /// Its name has the number, and the partition's name as well.
    NumberAndName,
    /// Its name has the number.
    Number,
    /// Its name has the partition's name, and nothing else tells it.
    Name,
}

/// A file that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Which of the candidates.
    pub(super) candidate: usize,
    pub(super) basis: Basis,
}

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// By N of mtdN.
    pub(super) files: BTreeMap<u32, Taken>,
    /// What only somebody else can tell.
    pub(super) questions: Vec<String>,
    pub(super) problems: Vec<String>,
    /// Candidates with the same bytes as the one that is taken: (it, N).
    pub(super) same: Vec<(usize, u32)>,
    /// Candidates for nothing.
    pub(super) unused: Vec<usize>,
}

/// What is known beside the files.
pub(super) struct Known<'a> {
    pub(super) devices: &'a [MtdInfo],
    /// What somebody said: candidate and N.
    pub(super) maps: &'a BTreeMap<usize, u32>,
    /// Whoever named the files named them by numbers: this program or its script.
    pub(super) by_number: bool,
    /// What nobody had asked the capture for.
    pub(super) skipped: &'a BTreeSet<u32>,
}

/// What a file's name comes to.
enum Claim {
    Of(u32, Basis),
    Nothing,
    Question(String),
    Problem(String),
}

/// Finds out which file is whose.
pub(super) fn assign(candidates: &[Candidate], known: &Known<'_>) -> io::Result<Assignment> {
    let mut result = Assignment::default();
    let index = Index::of(known.devices);
    let mut claims: BTreeMap<u32, Vec<Taken>> = BTreeMap::new();
    let mut unclaimed = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let claim = match known.maps.get(&at) {
            Some(mtd) => Claim::Of(*mtd, Basis::Asked),
            None => claim(candidate, known, &index),
        };
        match claim {
            Claim::Of(mtd, basis) => claims.entry(mtd).or_default().push(Taken {
                candidate: at,
                basis,
            }),
            Claim::Nothing => unclaimed.push(at),
            Claim::Question(what) => result.questions.push(what),
            Claim::Problem(what) => result.problems.push(what),
        }
    }
    for (mtd, claims) in claims {
        let size_bytes = index.by_number.get(&mtd).map_or(0, |info| info.size_bytes);
        result.settle(candidates, size_bytes, mtd, claims)?;
    }
    for at in unclaimed {
        result.by_size(candidates, known, at);
    }
    Ok(result)
}

/// The devices by what files are called after: there may be thousands of both.
struct Index<'a> {
    by_number: BTreeMap<u32, &'a MtdInfo>,
    by_name: BTreeMap<String, Vec<&'a MtdInfo>>,
}

impl<'a> Index<'a> {
    fn of(devices: &'a [MtdInfo]) -> Self {
        let mut by_name: BTreeMap<String, Vec<&MtdInfo>> = BTreeMap::new();
        for info in devices {
            by_name
                .entry(names::plain(&info.name))
                .or_default()
                .push(info);
        }
        by_name.remove("");
        Self {
            by_number: devices.iter().map(|info| (info.index.0, info)).collect(),
            by_name,
        }
    }

    /// The devices whose name is in a file's.
    fn named(&self, name: &Name) -> Vec<&'a MtdInfo> {
        let words: BTreeSet<&String> = name.words.iter().collect();
        let found = words.into_iter().filter_map(|word| self.by_name.get(word));
        found.flatten().copied().collect()
    }
}

fn claim(candidate: &Candidate, known: &Known<'_>, index: &Index<'_>) -> Claim {
    let (file, name) = (&candidate.file, &candidate.name);
    let named = index.named(name);
    if name.several {
        return Claim::Question(format!("{file} has several numbers in its name"));
    }
    let Some(number) = name.number else {
        return match &named[..] {
            [] => Claim::Nothing,
            [info] => Claim::Of(info.index.0, Basis::Name),
            several => by_name_and_size(candidate, several),
        };
    };
    let Some(info) = index.by_number.get(&number) else {
        return Claim::Problem(format!("{file} is of no partition in the layout"));
    };
    if named.iter().any(|other| other.index == info.index) {
        return Claim::Of(number, Basis::NumberAndName);
    }
    match named
        .iter()
        .find(|other| contradicts(other, info, candidate))
    {
        Some(other) if !known.by_number => Claim::Question(format!(
            "{file} has the number of {} and the name of {}",
            info.id(),
            other.id()
        )),
        _ => Claim::Of(number, Basis::Number),
    }
}

/// A partition may itself be called mtd5: then a file mtd5.bin is of mtd5, unless its
/// size says the other.
fn contradicts(other: &MtdInfo, info: &MtdInfo, candidate: &Candidate) -> bool {
    let is_called_a_number = names::read(&other.name).number.is_some();
    let fits_only_the_number =
        candidate.size_bytes == info.size_bytes && candidate.size_bytes != other.size_bytes;
    !(is_called_a_number && fits_only_the_number)
}

/// Several partitions have the name: the size may tell them apart.
fn by_name_and_size(candidate: &Candidate, named: &[&MtdInfo]) -> Claim {
    let fits = |info: &&&MtdInfo| info.size_bytes == candidate.size_bytes;
    let fitting: Vec<&&MtdInfo> = named.iter().filter(fits).collect();
    match fitting[..] {
        [info] => Claim::Of(info.index.0, Basis::Name),
        _ => Claim::Question(format!(
            "{} has the name of {}",
            candidate.file,
            list(named.iter().copied(), " and of ")
        )),
    }
}

fn list<'a>(devices: impl Iterator<Item = &'a MtdInfo>, between: &str) -> String {
    let names: Vec<String> = devices.map(|info| info.id().to_string()).collect();
    names.join(between)
}

impl Assignment {
    /// One file for a partition, out of those whose names say that they are its.
    fn settle(
        &mut self,
        candidates: &[Candidate],
        size_bytes: u64,
        mtd: u32,
        mut claims: Vec<Taken>,
    ) -> io::Result<()> {
        // What somebody said, then the names that say most, then the program's own.
        let own = |taken: &Taken| !names::is_own(&candidates[taken.candidate].file, mtd);
        claims.sort_by_key(|taken| (taken.basis, own(taken), taken.candidate));
        let asked = claims.iter().filter(|taken| taken.basis == Basis::Asked);
        if asked.count() == 1 {
            let others = claims.split_off(1);
            self.unused
                .extend(others.iter().map(|taken| taken.candidate));
        }
        let (first, others) = match claims.split_first() {
            Some((first, others)) => (*first, others),
            None => return Ok(()),
        };
        for other in others {
            let (a, b) = (&candidates[first.candidate], &candidates[other.candidate]);
            let has_its_size = |one: &Candidate| one.size_bytes == size_bytes;
            let why = match (has_its_size(a), has_its_size(b)) {
                (true, true) => match first_difference(a, b)? {
                    None => {
                        self.same.push((other.candidate, mtd));
                        continue;
                    }
                    Some(at) => format!("they differ first at {at:#x}"),
                },
                (true, false) => format!("only {} has its size", a.file),
                (false, true) => format!("only {} has its size", b.file),
                (false, false) => "neither has its size".to_owned(),
            };
            self.questions.push(format!(
                "{} and {} are both called like {}: {why}",
                a.path.display(),
                b.path.display(),
                MtdIndex(mtd)
            ));
        }
        self.files.insert(mtd, first);
        Ok(())
    }

    /// A file whose name says nothing, but whose size is that of a partition without a
    /// file, is asked for.
    fn by_size(&mut self, candidates: &[Candidate], known: &Known<'_>, at: usize) {
        let candidate = &candidates[at];
        let fits = |info: &&MtdInfo| {
            info.size_bytes == candidate.size_bytes
                && info.size_bytes > 0
                && !self.files.contains_key(&info.index.0)
                && !known.skipped.contains(&info.index.0)
        };
        let fitting: Vec<&MtdInfo> = known.devices.iter().filter(fits).collect();
        if fitting.is_empty() {
            self.unused.push(at);
            return;
        }
        self.questions.push(format!(
            "{} has the size of {}, and its name does not say of what it is",
            candidate.file,
            list(fitting.into_iter(), " and of ")
        ));
    }
}

/// Where the images in two files differ first.
fn first_difference(a: &Candidate, b: &Candidate) -> io::Result<Option<u64>> {
    let (mut a, mut b) = (
        decode::open(&a.path, a.form)?,
        decode::open(&b.path, b.form)?,
    );
    let (mut one, mut other) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut at = 0;
    loop {
        let (got, its) = (fill(&mut a, &mut one)?, fill(&mut b, &mut other)?);
        let pairs = one[..got].iter().zip(&other[..its]);
        let common = got.min(its);
        match pairs.into_iter().position(|(a, b)| a != b) {
            Some(place) => return Ok(Some(at + place as u64)),
            None if got != its => return Ok(Some(at + common as u64)),
            None if got == 0 => return Ok(None),
            None => at += got as u64,
        }
    }
}

fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut taken = stream.take(buffer.len() as u64);
    let mut into = io::Cursor::new(buffer);
    io::copy(&mut taken, &mut into).map(|count| count as usize)
}

#[cfg(test)]
mod tests {
    use super::super::decode::Form;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn devices(partitions: &[(&str, u64)]) -> Vec<MtdInfo> {
        let device = |((name, size), n): (&(&str, u64), u32)| {
            MtdInfo::new(MtdIndex(n), *name, *size, 0x1000)
        };
        partitions.iter().zip(0..).map(device).collect()
    }

    fn candidate(folder: &std::path::Path, file: &str, data: &[u8]) -> Candidate {
        let path = folder.join(file);
        std::fs::write(&path, data).unwrap();
        Candidate {
            folder: 0,
            file: file.into(),
            path,
            name: names::read(file),
            form: Form::Plain,
            size_bytes: data.len() as u64,
            broken: None,
            text_lines: None,
        }
    }

    fn assigned(partitions: &[(&str, u64)], files: &[(&str, &[u8])]) -> Assignment {
        let folder = tempfile::tempdir().unwrap();
        let candidates: Vec<Candidate> = files
            .iter()
            .map(|(file, data)| candidate(folder.path(), file, data))
            .collect();
        let known = Known {
            devices: &devices(partitions),
            maps: &BTreeMap::new(),
            by_number: false,
            skipped: &BTreeSet::new(),
        };
        assign(&candidates, &known).unwrap()
    }

    const THREE: &[(&str, u64)] = &[("u-boot", 4), ("env", 2), ("factory", 2)];

    #[rstest]
    #[case::number("mtd1_backup.bin", 1, Basis::Number)]
    #[case::both("mtd1_env.bin", 1, Basis::NumberAndName)]
    #[case::name("factory.bin", 2, Basis::Name)]
    #[case::lost_letters("uboot.img", 0, Basis::Name)]
    fn told(#[case] file: &str, #[case] mtd: u32, #[case] basis: Basis) {
        let found = assigned(THREE, &[(file, &[1; 2])]);
        let taken = Taken {
            candidate: 0,
            basis,
        };
        assert_eq!(found.files.get(&mtd), Some(&taken), "{found:?}");
        assert!(found.questions.is_empty() && found.problems.is_empty());
    }

    #[rstest]
    #[case::contradiction(&["mtd1_factory.bin"], "has the number of mtd1 (env) and the name of mtd2")]
    #[case::numbers(&["mtd1-mtd2.bin"], "several numbers")]
    #[case::size_alone(&["dump.bin"], "the size of mtd1 (env) and of mtd2 (factory)")]
    #[case::other_bytes(&["mtd1.bin", "mtd1.img"], "differ first at 0x0")]
    fn asked(#[case] files: &[&str], #[case] says: &str) {
        let data = [[1; 2], [2; 2]];
        let files: Vec<(&str, &[u8])> =
            files.iter().zip(&data).map(|(f, d)| (*f, &d[..])).collect();
        let found = assigned(THREE, &files);
        assert!(found.questions[0].contains(says), "{found:?}");
    }

    #[test]
    fn of_two_files_with_the_same_bytes_one_is_taken_and_the_other_named() {
        let found = assigned(
            THREE,
            &[("OpenWrt.mtd1.bin", &[7; 2]), ("mtd1.bin", &[7; 2])],
        );
        assert_eq!(found.files[&1].candidate, 1, "{found:?}");
        assert_eq!(found.same, [(0, 1)]);
        assert!(found.questions.is_empty());
        // LuCI's is cut off: which one is meant is asked, not guessed.
        let found = assigned(THREE, &[("OpenWrt.mtd1.bin", &[7; 1]), ("mtd1", &[7; 2])]);
        assert!(
            found.questions[0].contains("only mtd1 has its size"),
            "{found:?}"
        );
    }

    #[test]
    fn a_partition_may_be_called_like_anothers_number() {
        let odd = &[("mtd1", 4), ("data", 2), ("/yaffs1", 3)][..];
        let found = assigned(odd, &[("mtd1.bin", &[1; 2]), ("yaffs1.img", &[1; 3])]);
        assert_eq!(found.files[&1].basis, Basis::Number, "{found:?}");
        assert_eq!(found.files[&2].basis, Basis::Name);
        // Its size says that it is the partition of that name.
        let found = assigned(odd, &[("mtd1.bin", &[1; 4])]);
        assert!(
            found.questions[0].contains("the name of mtd0 (mtd1)"),
            "{found:?}"
        );
    }

    #[test]
    fn the_same_name_twice_is_told_apart_by_size_alone() {
        let twice = &[("data", 4), ("data", 2), ("data", 2)][..];
        assert_eq!(assigned(twice, &[("data.bin", &[1; 4])]).files.len(), 1);
        let found = assigned(twice, &[("data.bin", &[1; 2])]);
        assert!(
            found.files.is_empty() && found.questions.len() == 1,
            "{found:?}"
        );
    }

    #[test]
    fn what_has_nothing_to_do_with_it_stays_out() {
        let found = assigned(THREE, &[("notes.txt", b"hello"), ("mtd7.bin", b"xx")]);
        assert_eq!(found.unused, [0]);
        assert!(
            found.problems[0].contains("mtd7.bin is of no partition"),
            "{found:?}"
        );
    }

    proptest! {
        /// Whatever the files are called: no file for two partitions, no two for one
        /// without a word, and none that is passed over in silence.
        #[test]
        fn nothing_is_mapped_silently(
            files in prop::collection::btree_map(
                "(a-)?(mtd[0-3]|mtdblock[0-3]|env|u-boot|data|x)(_env|_data)?(\\.bin|\\.img)?",
                1_usize..4, 1..6),
        ) {
            let partitions = &[("u-boot", 3), ("env", 2), ("data", 2), ("data", 1)][..];
            let files: Vec<(String, Vec<u8>)> =
                files.into_iter().map(|(f, size)| (f, vec![size as u8; size])).collect();
            let borrowed: Vec<(&str, &[u8])> =
                files.iter().map(|(f, d)| (f.as_str(), &d[..])).collect();
            let found = assigned(partitions, &borrowed);
            let mut taken: Vec<usize> = found.files.values().map(|t| t.candidate).collect();
            taken.sort_unstable();
            let before = taken.len();
            taken.dedup();
            prop_assert_eq!(taken.len(), before);
            let questions = format!("{:?}{:?}", found.questions, found.problems);
            for (at, (file, _)) in files.iter().enumerate() {
                let told = taken.contains(&at)
                    || found.unused.contains(&at)
                    || found.same.iter().any(|(other, _)| *other == at)
                    || questions.contains(file.as_str());
                prop_assert!(told, "{file} was passed over: {found:?}");
            }
        }
    }
}
