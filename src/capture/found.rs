//! What lies in a capture's folders: the texts that tell of it, known by what is in
//! them whatever they are called, and every other file, which may be an image.
//!
//! A browser calls the second `MD5SUMS` "MD5SUMS (1)", people call theirs what they
//! like: so a table is what reads as one, a record what begins as one, a list of
//! digests what has nothing but digests.

use super::decode::{self, Form};
use super::error::ImportError;
use super::names::{self, Name};
use super::record::{self, Record};
use super::sums::{self, Sum};
use crate::backup::capture_format::{
    MD5_SUMS, RECORD, RECORD_BYTES_MAX, RECORD_HEAD, RECORD_PART, TABLE,
};
use crate::backup::contents::{self, script_image};
use crate::backup::html::manifest_copy;
use crate::backup::litter::is_litter;
use crate::backup::{
    Access, BackupError, Directory as _, Entry, Folder, INDEX, MANIFEST, Manifest, SUMS, UNFINISHED,
};
use crate::layout::{self, encoding};
use crate::mtd::parse_proc_mtd;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A file that may be an image.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Which of the folders it lies in.
    pub(super) folder: usize,
    pub(super) file: String,
    pub(super) path: PathBuf,
    /// What its name says.
    pub(super) name: Name,
    pub(super) form: Form,
    /// How many bytes of flash it has; its own length where that cannot be told.
    pub(super) size_bytes: u64,
    /// Why it cannot be unpacked or converted.
    pub(super) broken: Option<String>,
    /// Of a text: its lines, and those that nothing shows to be right.
    pub(super) text_lines: Option<(usize, usize)>,
}

/// A file with digests.
#[derive(Debug)]
pub(super) struct SumsFile {
    pub(super) file: String,
    pub(super) sums: Vec<Sum>,
}

/// A text as it lies there.
pub(super) type Text = (String, Vec<u8>);

/// One folder of a capture.
pub(super) struct CaptureFolder {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
    /// Each with its text.
    pub(super) records: Vec<(Text, Record)>,
    pub(super) tables: Vec<Text>,
    pub(super) page: Option<String>,
    pub(super) sums: Vec<SumsFile>,
    /// Of a backup whose images are not all there under their names, or the copy of it
    /// that a backup's page has; and the file in which it stands.
    pub(super) manifest: Option<(Manifest, &'static str)>,
    pub(super) candidates: Vec<Candidate>,
    /// Files that read as a layout, and of which forms; whose, nobody said.
    pub(super) layouts: Vec<(String, String)>,
    /// What is certainly no part of it.
    pub(super) foreign: Vec<String>,
    /// What must be said of digests that are not compared.
    pub(super) uncompared: Vec<String>,
    pub(super) problems: Vec<String>,
    folder: Folder,
}

impl CaptureFolder {
    /// Looks at a folder, `number` of all that belong together.
    pub(super) fn open(path: &Path, number: usize) -> Result<Self, ImportError> {
        let read = |source| ImportError::Read {
            what: path.display().to_string(),
            source,
        };
        let folder = Folder::open(path, Access::Look).map_err(|source| {
            if source.kind() == io::ErrorKind::WouldBlock {
                let folder = path.display().to_string();
                return ImportError::Backup(BackupError::Busy { folder }.into());
            }
            read(source)
        })?;
        let entries = folder.list().map_err(read)?;
        let mut found = Self {
            path: path.into(),
            entries: entries.clone(),
            records: Vec::new(),
            tables: Vec::new(),
            page: None,
            sums: Vec::new(),
            manifest: None,
            candidates: Vec::new(),
            layouts: Vec::new(),
            foreign: Vec::new(),
            uncompared: Vec::new(),
            problems: Vec::new(),
            folder,
        };
        found.refuse_a_backup()?;
        for entry in &entries {
            found.take(entry, number)?;
        }
        Ok(found)
    }

    fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// A backup's folder is none to import; but a manifest whose images are elsewhere, or
    /// have other names, tells what they should be.
    fn refuse_a_backup(&mut self) -> Result<(), ImportError> {
        let refuse = |finished| {
            Err(ImportError::IsBackup {
                folder: self.folder.describe(),
                finished,
            })
        };
        if self.has(UNFINISHED) {
            return refuse(false);
        }
        if !self.has(MANIFEST) {
            return Ok(());
        }
        let Ok(manifest) = Manifest::parse(&self.text(MANIFEST)?) else {
            return refuse(true);
        };
        if manifest.images.iter().all(|image| self.has(&image.file)) {
            return refuse(true);
        }
        self.manifest = Some((manifest, MANIFEST));
        Ok(())
    }

    fn text(&self, name: &str) -> Result<Vec<u8>, ImportError> {
        contents::read_text(&self.folder, name, RECORD_BYTES_MAX.max(16 << 20))
            .map_err(|error| ImportError::Backup(error.into()))
    }

    fn take(&mut self, entry: &Entry, number: usize) -> Result<(), ImportError> {
        let name = entry.name.as_str();
        let Some(size_bytes) = entry.size_bytes else {
            match script_image(name) {
                Some(_) => self.problems.push(format!("{name} is no regular file")),
                None => self.foreign.push(name.to_owned()),
            }
            return Ok(());
        };
        if is_litter(name) || name == MANIFEST {
            return Ok(());
        }
        let may_be_text = size_bytes <= RECORD_BYTES_MAX && script_image(name).is_none();
        if may_be_text && self.take_text(name)? {
            return Ok(());
        }
        self.take_candidate(name, size_bytes, number)
    }

    /// Takes a text that tells of the capture; false where it is none.
    fn take_text(&mut self, name: &str) -> Result<bool, ImportError> {
        let bytes = encoding::utf8(&self.text(name)?).into_owned();
        let as_text = std::str::from_utf8(&bytes).ok();
        let as_text = as_text.filter(|text| !text.contains('\0'));
        let is_record = bytes.starts_with(RECORD_HEAD.as_bytes());
        match name {
            // Until the end of a run the record has its other name.
            RECORD_PART if self.has(RECORD) => return Ok(true),
            RECORD | RECORD_PART => return Ok(self.take_record(name, bytes)),
            _ if is_record => return Ok(self.take_record(name, bytes)),
            TABLE => {
                self.tables.push((name.into(), bytes));
                return Ok(true);
            }
            INDEX => {
                let page = String::from_utf8_lossy(&bytes).into_owned();
                let copy = manifest_copy(&page).and_then(|text| Manifest::parse(&text).ok());
                if let (Some(copy), None) = (copy, &self.manifest) {
                    self.manifest = Some((copy, INDEX));
                }
                self.page = Some(page);
                return Ok(true);
            }
            _ => {}
        }
        if parse_proc_mtd(&bytes).is_ok_and(|entries| !entries.is_empty()) {
            self.tables.push((name.into(), bytes));
            return Ok(true);
        }
        let known = [MD5_SUMS, SUMS].contains(&name);
        let Some(text) = as_text.or(known.then_some("torn")) else {
            return Ok(false);
        };
        let may_be_a_dump =
            decode::form_of(&self.path.join(name), false).is_ok_and(|form| form == Form::Text);
        Ok(!may_be_a_dump && self.take_sums(name, text))
    }

    /// Takes a list of digests; false where it is none. A layout is kept in mind.
    fn take_sums(&mut self, name: &str, text: &str) -> bool {
        let known = [MD5_SUMS, SUMS].contains(&name);
        let reading = layout::read(text.as_bytes()).ok();
        let reading = reading.filter(|reading| !reading.partitions.is_empty());
        if let Some(reading) = &reading {
            self.layouts.push((name.into(), reading.forms()));
        }
        let has_another_kind = sums::has_another_kind(text);
        if has_another_kind {
            self.uncompared.push(uncompared(name, "they are"));
        }
        match sums::parse(name, text) {
            Ok(sums) if !sums.is_empty() && sums::is_of_another_kind(name) => {
                self.uncompared
                    .push(uncompared(name, "by its name they are"));
            }
            Ok(sums) if !sums.is_empty() || known => self.sums.push(SumsFile {
                file: name.into(),
                sums,
            }),
            // All that is in it was named.
            _ if has_another_kind => {}
            Err(line) if sums::is_called_so(name) => {
                self.problems
                    .push(format!("line {line} of {name} is torn or foreign"));
            }
            Err(line) if reading.is_none() && sums::has_digests(text) => {
                self.uncompared.push(format!(
                    "the digests in {name} were not compared: line {line} is none and has no form \
                     that is known here"
                ))
            }
            _ => return false,
        }
        true
    }

    fn take_record(&mut self, name: &str, text: Vec<u8>) -> bool {
        match record::parse(&String::from_utf8_lossy(&text)) {
            Ok(record) => self.records.push(((name.into(), text), record)),
            Err(line) => {
                self.problems
                    .push(format!("line {line} of {name} is torn or foreign"));
            }
        }
        true
    }

    fn take_candidate(
        &mut self,
        file: &str,
        length_bytes: u64,
        folder: usize,
    ) -> Result<(), ImportError> {
        let path = self.path.join(file);
        let name = names::read(file);
        let form = decode::form_of(&path, name.is_packed).map_err(|source| ImportError::Read {
            what: path.display().to_string(),
            source,
        })?;
        let mut candidate = Candidate {
            folder,
            file: file.into(),
            path,
            name,
            form,
            size_bytes: length_bytes,
            broken: None,
            text_lines: None,
        };
        candidate.measure(length_bytes);
        self.candidates.push(candidate);
        Ok(())
    }
}

fn uncompared(name: &str, why: &str) -> String {
    format!(
        "the digests in {name} were not compared: {why} BLAKE2, BLAKE3, SHA-3 or the CRC of \
         cksum, which are not known here"
    )
}

impl Candidate {
    /// Finds out how many bytes of flash it has.
    fn measure(&mut self, length_bytes: u64) {
        let measured = match self.form {
            Form::Plain | Form::CrLf | Form::Oob(_) => return,
            Form::Gzip => self.unpacked_bytes(),
            Form::Text => decode::open_file(&self.path)
                .and_then(decode::of_text)
                .map(|dump| {
                    self.text_lines = Some((dump.lines, dump.unchecked));
                    dump.bytes.len() as u64
                }),
        };
        match measured {
            Ok(bytes) => self.size_bytes = bytes,
            Err(error) => {
                self.size_bytes = length_bytes;
                self.broken = Some(match error.kind() {
                    io::ErrorKind::UnexpectedEof if self.form == Form::Gzip => {
                        "it is cut off, or something stands behind what is packed".into()
                    }
                    _ => error.to_string(),
                });
            }
        }
    }

    fn unpacked_bytes(&self) -> io::Result<u64> {
        let stream = decode::open(&self.path, self.form)?;
        // Zeros pack a thousandfold: no flash is larger, and nothing is stored.
        const LIMIT_BYTES: u64 = 1 << 40;
        io::copy(&mut stream.take(LIMIT_BYTES), &mut io::sink())
    }
}
