//! What has come, and what is answered.
//!
//! Invariants: one device at a time, each run of its script with a number of its own,
//! so that what another one says later is refused; nothing is done before each
//! partition of the table has come and was proven, or its device said why not.

use super::asked::{About, Algorithm, Pass};
use super::coming::{Coming, Fate, Proven, block_bytes};
use crate::backup::capture_format::{FOLDER_MADE, MD5_SUMS, RECORD, RECORD_HEAD, TABLE};
use crate::backup::contents::script_image;
use crate::backup::manifest::PART;
use crate::backup::{BackupError, Directory, SUMS, file_error};
use crate::mtd::{parse_proc_mtd, total_bytes};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// A transfer that is silent for so long does not keep another device away.
const BUSY_TIME: Duration = Duration::from_secs(10);

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Ok,
    Session(u32),
    At(u64),
    Again,
    Differs,
    No(String),
}

impl Reply {
    /// As the script reads it.
    pub(super) fn text(&self) -> String {
        let words = match self {
            Self::Ok => "ok".into(),
            Self::Session(number) => format!("ok {number}"),
            Self::At(offset) => format!("at {offset}"),
            Self::Again => "again".into(),
            Self::Differs => "differs".into(),
            Self::No(why) => format!("no {why}"),
        };
        format!("mtdkeep: {words}\n")
    }
}

fn no(why: &str) -> Reply {
    Reply::No(why.into())
}

/// Bytes that are coming.
struct Transfer {
    id: u64,
    mtd: u32,
    pass: Pass,
    last: Instant,
}

pub(super) struct Store<'a> {
    folder: &'a dyn Directory,
    session: u32,
    table: Vec<u8>,
    coming: BTreeMap<u32, Coming>,
    transfer: Option<Transfer>,
    transfers: u64,
    /// All is there.
    pub(super) is_done: bool,
    /// Why it cannot go on here.
    pub(super) failed: Option<BackupError>,
}

impl<'a> Store<'a> {
    /// `session` is the number before the first device's.
    pub(super) fn new(folder: &'a dyn Directory, session: u32) -> Self {
        Self {
            folder,
            session,
            table: Vec::new(),
            coming: BTreeMap::new(),
            transfer: None,
            transfers: 0,
            is_done: false,
            failed: None,
        }
    }

    /// How many partitions there are, and how many bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        let sizes = self.coming.values().map(|one| one.info.size_bytes);
        (self.coming.len(), total_bytes(sizes))
    }

    /// A partition's name.
    pub(super) fn name(&self, mtd: u32) -> Option<&str> {
        self.coming.get(&mtd).map(|one| one.info.name.as_str())
    }

    /// A device begins.
    pub(super) fn hello(&mut self, table: &[u8]) -> Reply {
        let is_busy = |transfer: &Transfer| transfer.last.elapsed() < BUSY_TIME;
        if self.is_done || self.transfer.as_ref().is_some_and(is_busy) {
            return no("another device is sending");
        }
        let entries = match parse_proc_mtd(table) {
            Ok(entries) if !entries.is_empty() => entries,
            Ok(_) => return no("the device has no MTD"),
            Err(_) => return no("the table did not come whole"),
        };
        match self.begin_folder(table) {
            Ok(true) => {}
            Ok(false) => return no("the folder on the PC has files of another device"),
            Err(error) => return self.failure("cannot use", TABLE, error),
        }
        self.coming.clear();
        let held = match self.held() {
            Ok(held) => held,
            Err(error) => return self.failure("cannot look at", TABLE, error),
        };
        let needed = total_bytes(entries.iter().map(|entry| {
            let held = held.get(&entry.index.0).copied().unwrap_or(0);
            entry.size_bytes.saturating_sub(held)
        }));
        if self.folder.free_bytes().is_ok_and(|free| free < needed) {
            return no("the PC has not enough free space");
        }
        for entry in entries {
            let held = held.get(&entry.index.0).copied().unwrap_or(0);
            let held = if held > entry.size_bytes { 0 } else { held };
            self.coming.insert(entry.index.0, Coming::new(entry, held));
        }
        self.table = table.to_vec();
        self.transfer = None;
        self.session = self.session.wrapping_add(1);
        Reply::Session(self.session)
    }

    /// Stores the table, or compares it with that of what lies there.
    fn begin_folder(&self, table: &[u8]) -> io::Result<bool> {
        match self.folder.open(TABLE) {
            Ok(mut file) => {
                let mut stored = Vec::new();
                io::Read::read_to_end(&mut file, &mut stored)?;
                Ok(stored == table)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.store(TABLE, table)?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn store(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let part = format!("{name}{PART}");
        let mut file = self.folder.create(&part)?;
        file.write_all(text)?;
        file.sync()?;
        self.folder.rename(&part, name)
    }

    /// How much of each partition an earlier device, or run, has sent: nothing is known
    /// of it, so all of it is proven anew.
    fn held(&self) -> io::Result<BTreeMap<u32, u64>> {
        let mut held = BTreeMap::new();
        for entry in self.folder.list()? {
            let (Some(bytes), name) = (entry.size_bytes, entry.name.as_str()) else {
                continue;
            };
            if [RECORD, MD5_SUMS, SUMS].contains(&name) {
                // They tell of another sending.
                self.folder.remove(name)?;
            } else if let Some(mtd) = script_image(name) {
                self.folder.rename(name, &format!("{name}{PART}"))?;
                held.insert(mtd, bytes);
            } else if let Some(mtd) = name.strip_suffix(PART).and_then(script_image) {
                held.entry(mtd).or_insert(bytes);
            }
        }
        Ok(held)
    }

    /// Answers what a device says of a partition; bytes come by [`Store::begin`].
    pub(super) fn about(&mut self, session: u32, mtd: u32, about: &About<'_>) -> Reply {
        let folder = self.folder;
        if let Some(said) = self.said_already(session, mtd, about) {
            return said;
        }
        let coming = match self.coming_of(session, mtd) {
            Ok(coming) => coming,
            Err(reply) => return reply,
        };
        let proven = match *about {
            About::At(pass) => return Reply::At(coming.at(pass)),
            About::Hole {
                pass,
                offset,
                length,
            } => match fits(coming, pass, offset, length) {
                Ok(()) => match coming.hole(folder, pass, offset, length) {
                    Ok(()) => return Reply::At(coming.at(pass)),
                    Err(error) => Err(error),
                },
                Err(reply) => return reply,
            },
            About::Digest(algorithm, hex)
                if coming.is_whole(Pass::First) && coming.holes.is_empty() =>
            {
                coming.prove(folder, algorithm, hex).map(Some)
            }
            About::Twice if coming.is_whole(Pass::First) && coming.is_whole(Pass::Second) => {
                coming.twice(folder).map(Some)
            }
            About::Unproven if coming.is_whole(Pass::First) && !coming.holes.is_empty() => {
                let lost = coming.holes.iter().map(|(_, length)| length).sum::<u64>();
                match lost == coming.info.size_bytes {
                    true => coming.give_up(folder, Fate::Left("reading the flash failed")),
                    false => coming.settle(folder, None, None),
                }
                .map(|()| None)
            }
            About::Left(why) => coming.give_up(folder, Fate::Left(why)).map(|()| None),
            About::Skipped => coming.give_up(folder, Fate::Skipped).map(|()| None),
            _ => return no("not all of it came"),
        };
        match proven {
            Ok(None | Some(Proven::Same)) => Reply::Ok,
            Ok(Some(Proven::Again)) => Reply::Again,
            Ok(Some(Proven::Differs)) => Reply::Differs,
            Err(error) => {
                let file = coming.file();
                self.failure("cannot store", &file, error)
            }
        }
    }

    /// What was answered to the same words before: that answer may have been lost.
    fn said_already(&self, session: u32, mtd: u32, about: &About<'_>) -> Option<Reply> {
        let coming = self.coming.get(&mtd).filter(|_| session == self.session)?;
        let is_proof = matches!(about, About::Digest(..) | About::Twice);
        match (&coming.fate, about) {
            (None, _) if is_proof && coming.is_to_come_anew() => Some(Reply::Again),
            (Some(Fate::Image { same, .. }), _) if is_proof => Some(match same {
                Some(false) => Reply::Differs,
                _ => Reply::Ok,
            }),
            (Some(Fate::Image { same: None, .. } | Fate::Left(_)), About::Unproven)
            | (Some(Fate::Left(_)), About::Left(_))
            | (Some(Fate::Skipped), About::Skipped) => Some(Reply::Ok),
            _ => None,
        }
    }

    fn coming_of(&mut self, session: u32, mtd: u32) -> Result<&mut Coming, Reply> {
        if session != self.session || self.is_done {
            return Err(no("another device is sending now"));
        }
        match self.coming.get_mut(&mtd) {
            Some(coming) if coming.fate.is_none() => Ok(coming),
            Some(_) => Err(no("it came already")),
            None => Err(no("the table has no such partition")),
        }
    }

    /// Bytes are about to come; the number of their transfer, and how many come at once.
    pub(super) fn begin(
        &mut self,
        session: u32,
        mtd: u32,
        pass: Pass,
        offset: u64,
        length: u64,
    ) -> Result<(u64, u64), Reply> {
        let coming = self.coming_of(session, mtd)?;
        fits(coming, pass, offset, length)?;
        let block = block_bytes(&coming.info);
        self.transfers += 1;
        self.transfer = Some(Transfer {
            id: self.transfers,
            mtd,
            pass,
            last: Instant::now(),
        });
        Ok((self.transfers, block))
    }

    /// Something came, though not enough to be stored.
    pub(super) fn touch(&mut self, id: u64) -> bool {
        match &mut self.transfer {
            Some(transfer) if transfer.id == id => {
                transfer.last = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// The next bytes of a transfer.
    pub(super) fn put(&mut self, id: u64, offset: u64, bytes: &[u8]) -> Result<(), Reply> {
        let transfer = self.transfer.as_mut().filter(|one| one.id == id);
        let Some(transfer) = transfer else {
            return Err(no("it is sent anew by now"));
        };
        transfer.last = Instant::now();
        let (mtd, pass, session) = (transfer.mtd, transfer.pass, self.session);
        let folder = self.folder;
        let coming = self.coming_of(session, mtd)?;
        match coming.put(folder, pass, offset, bytes) {
            Ok(()) => Ok(()),
            Err(error) => {
                let file = coming.file();
                Err(self.failure("cannot store", &file, error))
            }
        }
    }

    /// A transfer is over; how far its partition came.
    pub(super) fn end(&mut self, id: u64) -> Reply {
        match self.transfer.take_if(|one| one.id == id) {
            Some(one) => match self.coming.get(&one.mtd) {
                Some(coming) => Reply::At(coming.at(one.pass)),
                None => no("the table has no such partition"),
            },
            None => no("it is sent anew by now"),
        }
    }

    /// The device says that this was all.
    pub(super) fn done(&mut self, session: u32) -> Reply {
        if session != self.session || self.coming.is_empty() {
            return no("another device is sending now");
        }
        if let Some(missing) = self.coming.values().find(|one| one.fate.is_none()) {
            return Reply::No(format!("{} did not come", missing.info.index));
        }
        let is_image = |one: &Coming| matches!(one.fate, Some(Fate::Image { .. }));
        if !self.coming.values().any(is_image) {
            return no("nothing came");
        }
        match self.finish() {
            Ok(()) => {
                self.is_done = true;
                Reply::Ok
            }
            Err(error) => self.failure("cannot store", RECORD, error),
        }
    }

    /// The texts, as `import` reads them; the record last.
    fn finish(&self) -> io::Result<()> {
        let mut sums = [
            (Algorithm::Md5, MD5_SUMS, String::new()),
            (Algorithm::Sha256, SUMS, String::new()),
        ];
        for one in self.coming.values() {
            let Some(Fate::Image {
                digest: Some((algorithm, hex)),
                ..
            }) = &one.fate
            else {
                continue;
            };
            for (_, _, text) in sums.iter_mut().filter(|sums| sums.0 == *algorithm) {
                // The device's node: it is the device that made the digest.
                *text += &format!("{hex}  /dev/{}\n", one.info.index);
            }
        }
        for (_, name, text) in sums.iter().filter(|sums| !sums.2.is_empty()) {
            self.store(name, text.as_bytes())?;
        }
        self.store(RECORD, self.record().as_bytes())?;
        self.folder.sync()
    }

    fn record(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("{RECORD_HEAD}\ntool mtdkeep {version}\n{FOLDER_MADE}\nmd5sum no\n");
        for one in self.coming.values() {
            let index = one.info.index;
            match &one.fate {
                Some(Fate::Image { same, .. }) => {
                    let same = match same {
                        Some(true) => " same",
                        Some(false) => " differs",
                        None => "",
                    };
                    text += &format!("image {index} {}{same}\n", one.info.size_bytes);
                    for (offset, length) in &one.holes {
                        text += &format!("hole {index} {offset} {length}\n");
                    }
                }
                Some(Fate::Left(why)) => text += &format!("left {index} {why}\n"),
                _ => text += &format!("skipped {index}\n"),
            }
        }
        text + "complete\n"
    }

    /// The folder does not take it: the end of it all.
    fn failure(&mut self, operation: &'static str, file: &str, source: io::Error) -> Reply {
        let reply = Reply::No(format!("the PC {operation} it: {source}"));
        self.failed
            .get_or_insert(*file_error(self.folder, operation, file, source));
        reply
    }
}

/// Whether bytes lie in the partition, and leave no gap.
fn fits(coming: &Coming, pass: Pass, offset: u64, length: u64) -> Result<(), Reply> {
    let is_inside = offset
        .checked_add(length)
        .is_some_and(|end| end <= coming.info.size_bytes);
    if !is_inside || offset > coming.at(pass) {
        return Err(no("these bytes do not follow what came"));
    }
    if pass == Pass::Second && !coming.is_whole(Pass::First) {
        return Err(no("not all of it came"));
    }
    Ok(())
}
