//! Holds all that lies in a capture's folders against each other, before anything
//! is made of it.

use super::assign::{self, Assignment, Known, Taken};
use super::check::{self, Check, Given, Inspected};
use super::decode::{self, Form};
use super::diagnose;
use super::error::ImportError;
use super::evidence::{self, Evidence};
use super::found::{Candidate, CaptureFolder};
use super::layout::KnownLayout;
use super::oob::OobPages;
use super::record::Fate;
use crate::backup::Origin;
use crate::backup::capture_format::{MD5_SUMS, RECORD, TABLE};
use crate::layout::{place_if_all_fit, read_flash_table};
use crate::mtd::MtdInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// What is to be imported, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportRequest<'a> {
    /// The folders with the captured files; several hold rounds of one capture.
    pub(crate) folders: &'a [PathBuf],
    /// Name and text of a layout, where the user gave one.
    pub(crate) layout: Option<(&'a str, &'a [u8])>,
    /// File and partition (`mtdN` or its name), where the user said which is which.
    pub(crate) maps: &'a [(String, String)],
    /// Take the 0d before each 0a away in files where a terminal put them.
    pub(crate) undo_crlf: bool,
    /// Leave out-of-band bytes behind such pages out of files that have them.
    pub(crate) omit_oob: Option<OobPages>,
}

/// A capture that is right as far as can be told.
#[derive(Debug)]
pub(crate) struct Capture {
    /// All MTD devices of the layout.
    pub(crate) layout: Vec<MtdInfo>,
    /// What stands in the manifest of a backup made of it.
    pub(crate) origin: Origin,
    /// Files that are no part of it.
    pub(crate) foreign: Vec<String>,
    /// Which file became which partition's image, where it is not called `mtdN.bin`.
    pub(crate) taken: Vec<String>,
    pub(super) missing: BTreeMap<u32, String>,
    skipped: BTreeSet<u32>,
    images: BTreeMap<u32, Inspected>,
    files: BTreeMap<u32, (PathBuf, Form)>,
    holes: BTreeMap<u32, Vec<(u64, u64)>>,
}

impl Capture {
    /// What the capture was to hold, as `/dev/mtdN`: a partition may be called mtd5.
    pub(super) fn wanted(&self) -> Vec<String> {
        let wanted = |info: &&MtdInfo| !self.skipped.contains(&info.index.0);
        let devices = self.layout.iter().filter(wanted);
        devices.map(|info| format!("/dev/{}", info.index)).collect()
    }

    pub(super) fn sha256_of(&self, mtd: u32) -> Option<&str> {
        self.images
            .get(&mtd)
            .and_then(|image| image.sha256.as_deref())
    }

    /// Offset and length of what the device could not read of a partition, in bytes.
    pub(super) fn holes_of(&self, mtd: u32) -> &[(u64, u64)] {
        self.holes.get(&mtd).map_or(&[], Vec::as_slice)
    }

    /// The file of a partition, and what it has to go through.
    pub(super) fn file_of(&self, mtd: u32) -> Option<(&PathBuf, Form)> {
        self.files.get(&mtd).map(|(path, form)| (path, *form))
    }
}

/// All that was found.
pub(super) struct Found {
    pub(super) folders: Vec<CaptureFolder>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) given: Vec<Given>,
    pub(super) assignment: Assignment,
    /// N of images that something was done to, and what undoes it.
    pub(super) undone: BTreeMap<u32, Form>,
    problems: Vec<String>,
}

/// Looks at a capture.
pub(crate) fn inspect(
    request: &ImportRequest<'_>,
    interrupt: &AtomicBool,
) -> Result<Capture, ImportError> {
    let mut found = Found::in_folders(request.folders)?;
    found
        .problems
        .extend(check::texts(&found.folders, &found.given));
    found.look_at_sums();
    // Before the layout: a torn table is better told by its digest.
    found.stop_at_problems()?;
    let mut layout = found.layout(request.layout)?;
    found.assign(&layout.devices, request.maps)?;
    let images = found.check_images(&layout.devices, request, interrupt)?;
    found.stop_at_problems()?;
    let evidence = found.evidence(&mut layout)?;
    let (missing, skipped) = found.missing(&layout.devices);
    let origin = found.origin(&layout, &images, &skipped, evidence);
    let file = |(mtd, taken): (&u32, &Taken)| {
        let path = found.candidates[taken.candidate].path.clone();
        (*mtd, (path, found.form_of(*mtd, taken)))
    };
    Ok(Capture {
        foreign: found.foreign(&layout.devices, request.layout),
        taken: found.taken(&layout.devices),
        files: found.assignment.files.iter().map(file).collect(),
        holes: images.keys().filter_map(|mtd| found.holes(*mtd)).collect(),
        layout: layout.devices,
        origin,
        missing,
        skipped,
        images,
    })
}

impl Found {
    fn in_folders(paths: &[PathBuf]) -> Result<Self, ImportError> {
        let mut folders = Vec::new();
        for (path, number) in paths.iter().zip(0..) {
            folders.push(CaptureFolder::open(path, number)?);
        }
        let take = |folder: &mut CaptureFolder| std::mem::take(&mut folder.candidates);
        let candidates: Vec<Candidate> = folders.iter_mut().flat_map(take).collect();
        let take = |folder: &mut CaptureFolder| std::mem::take(&mut folder.problems);
        let problems: Vec<String> = folders.iter_mut().flat_map(take).collect();
        if candidates.is_empty() && problems.is_empty() {
            let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
            return Err(ImportError::NoImages {
                folder: names.join(" and "),
                packed: Vec::new(),
            });
        }
        let given = check::given(&folders);
        Ok(Self {
            folders,
            candidates,
            given,
            assignment: Assignment::default(),
            undone: BTreeMap::new(),
            problems,
        })
    }

    /// The script's digests must be there where its record says so.
    fn look_at_sums(&mut self) {
        for folder in &self.folders {
            let made = folder.records.iter().any(|(_, record)| record.md5sum);
            if made && folder.sums.is_empty() {
                let what = format!("{MD5_SUMS} is missing, which the device had made");
                self.problems.push(what);
            }
        }
    }

    fn stop_at_problems(&mut self) -> Result<(), ImportError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ImportError::Wrong {
            problems: std::mem::take(&mut self.problems),
        })
    }

    fn assign(
        &mut self,
        devices: &[MtdInfo],
        maps: &[(String, String)],
    ) -> Result<(), ImportError> {
        let maps = self.maps(devices, maps)?;
        let records = self.folders.iter().any(|folder| !folder.records.is_empty());
        let known = Known {
            devices,
            maps: &maps,
            by_number: records || self.folders.iter().any(|f| f.manifest.is_some()),
            skipped: &self.not_asked_for(devices),
        };
        let assigned = assign::assign(&self.candidates, &known);
        let assigned = assigned.map_err(|source| ImportError::Read {
            what: self.folders[0].path.display().to_string(),
            source,
        })?;
        self.problems.extend(assigned.problems.iter().cloned());
        self.stop_at_problems()?;
        if !assigned.questions.is_empty() {
            return Err(ImportError::NeedsMap {
                questions: assigned.questions,
            });
        }
        if assigned.files.is_empty() {
            return Err(ImportError::NoImages {
                folder: self.folders[0].path.display().to_string(),
                packed: self.packed(),
            });
        }
        self.assignment = assigned;
        Ok(())
    }

    /// What somebody said: candidate and N.
    fn maps(
        &self,
        devices: &[MtdInfo],
        maps: &[(String, String)],
    ) -> Result<BTreeMap<usize, u32>, ImportError> {
        let mut known = BTreeMap::new();
        for (file, partition) in maps {
            let bad = |why: String| ImportError::BadMap {
                map: format!("{file}={partition}"),
                why,
            };
            let is_it =
                |one: &Candidate| one.file == *file || one.path.as_os_str() == file.as_str();
            let mut fitting = (0..).zip(&self.candidates).filter(|(_, one)| is_it(one));
            let (Some((at, _)), None) = (fitting.next(), fitting.next()) else {
                return Err(bad(format!("there is no file {file}, or several")));
            };
            let is_it =
                |info: &&MtdInfo| info.index.to_string() == *partition || info.name == *partition;
            let mut fitting = devices.iter().filter(is_it);
            let (Some(info), None) = (fitting.next(), fitting.next()) else {
                return Err(bad(format!(
                    "there is no partition {partition}, or several"
                )));
            };
            if known.values().any(|mtd| *mtd == info.index.0) {
                return Err(bad(format!("{} has a file already", info.id())));
            }
            if known.insert(at, info.index.0).is_some() {
                return Err(bad(format!("{file} is another partition's already")));
            }
        }
        Ok(known)
    }

    fn not_asked_for(&self, devices: &[MtdInfo]) -> BTreeSet<u32> {
        let numbers = devices.iter().map(|info| info.index.0);
        numbers
            .filter(|mtd| matches!(self.fate(*mtd), Some(Fate::Skipped)))
            .collect()
    }

    /// What the records say of a partition; where there are several rounds, the one
    /// that has an image of it.
    pub(super) fn fate(&self, mtd: u32) -> Option<&Fate> {
        let records = self.folders.iter().flat_map(|folder| &folder.records);
        let fates = records.filter_map(|(_, record)| record.fates.get(&mtd));
        fates.min_by_key(|fate| match fate {
            Fate::Image { .. } => 0,
            Fate::Left(_) => 1,
            Fate::Skipped => 2,
        })
    }

    fn holes(&self, mtd: u32) -> Option<(u32, Vec<(u64, u64)>)> {
        match self.fate(mtd) {
            Some(Fate::Image { holes, .. }) if !holes.is_empty() => Some((mtd, holes.clone())),
            _ => None,
        }
    }

    /// How a file that is taken becomes an image.
    pub(super) fn form_of(&self, mtd: u32, taken: &Taken) -> Form {
        let undone = self.undone.get(&mtd).copied();
        undone.unwrap_or(self.candidates[taken.candidate].form)
    }

    fn check_images(
        &mut self,
        devices: &[MtdInfo],
        request: &ImportRequest<'_>,
        interrupt: &AtomicBool,
    ) -> Result<BTreeMap<u32, Inspected>, ImportError> {
        let mut images = BTreeMap::new();
        let by_number: BTreeMap<_, _> = devices.iter().map(|info| (info.index.0, info)).collect();
        let mut problems = Vec::new();
        let all = self.given.clone();
        let given = check::Index::new(&all);
        for (mtd, taken) in self.assignment.files.clone() {
            let Some(info) = by_number.get(&mtd).copied() else {
                continue;
            };
            if let Some(problem) = self.length_problem(info, &taken, request)? {
                problems.push(problem);
                continue;
            }
            let check = Check {
                candidates: &self.candidates,
                given: &given,
                interrupt,
            };
            let form = self.form_of(mtd, &taken);
            let image = check.image(&taken, form, info, &mut problems)?;
            problems.extend(self.lacks_its_digest(mtd, &taken, &image));
            images.insert(mtd, image);
        }
        self.problems.extend(problems);
        Ok(images)
    }

    /// The script makes a digest of each image where it makes any.
    fn lacks_its_digest(&self, mtd: u32, taken: &Taken, image: &Inspected) -> Option<String> {
        let candidate = &self.candidates[taken.candidate];
        let mut records = self.folders[candidate.folder].records.iter();
        let stored = |record: &super::record::Record| {
            let fate = record.fates.get(&mtd);
            record.md5sum && !matches!(fate, Some(Fate::Left(_) | Fate::Skipped))
        };
        let lacks = !image.has_md5_to_compare && records.any(|(_, record)| stored(record));
        lacks.then(|| format!("{MD5_SUMS} has no line for {}", candidate.file))
    }

    /// What is wrong with a file's length, and why; what can be undone is, if told.
    fn length_problem(
        &mut self,
        info: &MtdInfo,
        taken: &Taken,
        request: &ImportRequest<'_>,
    ) -> Result<Option<String>, ImportError> {
        let candidate = &self.candidates[taken.candidate];
        let (file, bytes) = (&candidate.file, candidate.size_bytes);
        if let Some(why) = &candidate.broken {
            let done = if candidate.form == Form::Text {
                "converted"
            } else {
                "unpacked"
            };
            return Ok(Some(format!("{file} cannot be {done}: {why}")));
        }
        let size_bytes = info.size_bytes;
        let is_plain = candidate.form == Form::Plain;
        let with_oob = |pages: &OobPages| pages.raw_bytes(size_bytes) == Some(bytes);
        if let (Some(pages), true) = (request.omit_oob.filter(with_oob), is_plain) {
            self.undone.insert(info.index.0, Form::Oob(pages));
            return Ok(None);
        }
        if bytes != size_bytes {
            let read = |source| ImportError::Read {
                what: candidate.path.display().to_string(),
                source,
            };
            let mut stream = decode::open(&candidate.path, candidate.form).map_err(read)?;
            let counted = diagnose::count(stream.as_mut(), size_bytes).map_err(read)?;
            let found = counted.diagnose(size_bytes);
            if found.crlf && request.undo_crlf && is_plain {
                self.undone.insert(info.index.0, Form::CrLf);
                return Ok(None);
            }
            let what = if bytes < size_bytes { "short" } else { "long" };
            let why = match found.text.as_str() {
                "" => String::new(),
                text => format!("; {text}"),
            };
            return Ok(Some(format!(
                "{file} is too {what}: {bytes:#x} bytes, and {} has {size_bytes:#x}{why}",
                info.id()
            )));
        }
        let complete = |folder: &CaptureFolder| folder.records.iter().any(|(_, r)| r.complete);
        Ok(match self.fate(info.index.0) {
            Some(Fate::Image { size_bytes, .. }) if *size_bytes != bytes => Some(format!(
                "{file} has {bytes:#x} bytes; {RECORD} says {size_bytes:#x}"
            )),
            None if complete(&self.folders[candidate.folder]) => {
                Some(format!("{RECORD} does not mention {}", info.id()))
            }
            _ => None,
        })
    }

    /// What the bytes say; bytes against an assumed layout end the import. A partition
    /// table among them tells places that nobody else told.
    fn evidence(&self, layout: &mut KnownLayout) -> Result<Evidence, ImportError> {
        let mut evidence = Evidence::default();
        for info in &layout.devices.clone() {
            let taken = self.assignment.files.get(&info.index.0);
            let is_wanted = [evidence::FIS, evidence::FCONFIG].contains(&info.name.as_str());
            let Some(taken) = taken.filter(|_| is_wanted) else {
                continue;
            };
            if info.size_bytes > evidence::SIZE_BYTES_MAX {
                continue;
            }
            let path = &self.candidates[taken.candidate].path;
            let mut data = Vec::new();
            decode::open(path, self.form_of(info.index.0, taken))
                .and_then(|s| s.take(evidence::SIZE_BYTES_MAX).read_to_end(&mut data))
                .map_err(|source| ImportError::Read {
                    what: path.display().to_string(),
                    source,
                })?;
            match info.name.as_str() {
                evidence::FIS => {
                    if let Some(Ok(table)) = read_flash_table(&data) {
                        place_if_all_fit(&mut layout.devices, &table);
                    }
                    evidence::of_fis(&data, &layout.devices, &mut evidence);
                }
                _ => evidence::of_fconfig(&data, &mut evidence),
            }
        }
        if layout.assumed && evidence.contradicts_layout {
            return Err(ImportError::NeedsLayout {
                why: format!(
                    "{TABLE} is not in the folder, and it cannot be the Clear iSpot's: {}",
                    evidence.against.join("; ")
                ),
                beside: self.layouts_beside(),
            });
        }
        Ok(evidence)
    }
}
