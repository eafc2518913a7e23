//! The medium for old bytes, with the power of the device that is restored: a cut of
//! either is a cut of both.
//!
//! Names and contents are on the medium as of their last sync; what lies between may be
//! there or not, or in part ([`Loss`]).

use crate::backup::{Directory, Entry, FileId, NewFile};
use mtd_harness::profile::SimulatedDevice;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing of it.
    All,
    /// All of it is there after all.
    Nothing,
    /// Names are there, and the first half of what was written under them.
    Half,
}

impl Loss {
    pub(super) const ALL: [Self; 3] = [Self::All, Self::Nothing, Self::Half];
}

/// What goes wrong with it while there is power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A call fails with this error.
    Fails(io::ErrorKind),
    /// A write stores half of what it says.
    Tears,
    /// A write stores something else.
    Spoils,
    /// A write or a read does less than it was asked for, and says so: no fault.
    Short,
    /// A signal interrupts a write or a read: no fault.
    Interrupted,
}

#[derive(Debug, Clone, Default)]
struct File {
    seen: Vec<u8>,
    /// As of its last sync.
    synced: Vec<u8>,
}

type Names = BTreeMap<String, usize>;

#[derive(Default)]
struct State {
    files: Vec<File>,
    seen: Names,
    durable: Names,
    calls: u64,
    cut_at: Option<u64>,
    trouble: Option<(u64, Trouble)>,
    /// Calls that change nothing, and the one of them that fails.
    looks: u64,
    blind_at: Option<(u64, Trouble)>,
    full: bool,
    /// Whose power goes with it.
    device: Option<SimulatedDevice>,
}

/// A folder in memory; clones share it.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

fn off() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl State {
    /// A call that changes something.
    fn call(&mut self) -> io::Result<Option<Trouble>> {
        self.powered()?;
        self.calls += 1;
        if self.cut_at == Some(self.calls) {
            if let Some(device) = &self.device {
                device.system.with_chip(0, |chip| chip.power_off());
            }
            return Err(off());
        }
        match self.trouble {
            Some((at, Trouble::Fails(kind))) if at == self.calls => Err(kind.into()),
            Some((at, trouble)) if at == self.calls => Ok(Some(trouble)),
            _ => Ok(None),
        }
    }

    /// A call that changes nothing.
    fn look(&mut self) -> io::Result<Option<Trouble>> {
        self.powered()?;
        self.looks += 1;
        match self.blind_at {
            Some((at, Trouble::Fails(kind))) if at == self.looks => Err(kind.into()),
            Some((at, trouble)) if at == self.looks => Ok(Some(trouble)),
            _ => Ok(None),
        }
    }

    fn powered(&self) -> io::Result<()> {
        let is_on = |device: &SimulatedDevice| device.system.with_chip(0, |chip| chip.is_powered());
        match self.device.as_ref().is_none_or(is_on) {
            true => Ok(()),
            false => Err(off()),
        }
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.powered()?;
        let file = self.seen.get(name);
        file.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk {
    /// Of the device's own power.
    pub(super) fn of(device: &SimulatedDevice) -> Self {
        Self::holding(&BTreeMap::new(), Some(device))
    }

    /// With these files, all of them on the medium.
    pub(super) fn holding(
        files: &BTreeMap<String, Vec<u8>>,
        device: Option<&SimulatedDevice>,
    ) -> Self {
        let mut state = State {
            device: device.cloned(),
            ..State::default()
        };
        for (name, bytes) in files {
            state.seen.insert(name.clone(), state.files.len());
            state.files.push(File {
                seen: bytes.clone(),
                synced: bytes.clone(),
            });
        }
        state.durable = state.seen.clone();
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn cut_at(&self, call: u64) {
        self.0.lock().unwrap().cut_at = Some(call);
    }

    pub(super) fn trouble_at(&self, call: u64, trouble: Trouble) {
        self.0.lock().unwrap().trouble = Some((call, trouble));
    }

    /// The same of the calls that change nothing.
    pub(super) fn blind_at(&self, look: u64, trouble: Trouble) {
        self.0.lock().unwrap().blind_at = Some((look, trouble));
    }

    /// How many calls there were that change nothing.
    pub(super) fn looks(&self) -> u64 {
        self.0.lock().unwrap().looks
    }

    /// Lets it have no room, or room again.
    pub(super) fn fill(&self, full: bool) {
        self.0.lock().unwrap().full = full;
    }

    /// How many calls there were that change something.
    pub(super) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// What is there after the power cut.
    pub(super) fn after(&self, loss: Loss) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        let names = match loss {
            Loss::All => &state.durable,
            Loss::Nothing | Loss::Half => &state.seen,
        };
        let contents = |file: &File| match loss {
            Loss::All => file.synced.clone(),
            Loss::Nothing => file.seen.clone(),
            Loss::Half if file.seen == file.synced => file.seen.clone(),
            Loss::Half => file.seen[..file.seen.len() / 2].to_vec(),
        };
        let files = names.iter();
        files
            .map(|(name, file)| (name.clone(), contents(&state.files[*file])))
            .collect()
    }
}

/// A hash of what lies there.
pub(super) fn hash(files: &BTreeMap<String, Vec<u8>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

impl Directory for Disk {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn was_created(&self) -> bool {
        false
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let full = self.0.lock().unwrap().full;
        Ok(if full { 100 } else { 1 << 30 })
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut state = self.0.lock().unwrap();
        state.look()?;
        let entries = state.seen.iter().map(|(name, file)| Entry {
            name: name.clone(),
            size_bytes: Some(state.files[*file].seen.len() as u64),
        });
        Ok(entries.collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        let file = state.files.len();
        state.files.push(File::default());
        state.seen.insert(name.into(), file);
        Ok(Box::new(Open {
            disk: self.clone(),
            file,
            at: 0,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.0.lock().unwrap();
        state.look()?;
        let file = state.file(name)?;
        Ok(Box::new(Open {
            disk: self.clone(),
            file,
            at: 0,
        }))
    }

    fn id(&self, name: &str) -> io::Result<FileId> {
        let state = self.0.lock().unwrap();
        let file = state.file(name)?;
        Ok(FileId {
            device: 1,
            inode: file as u64,
            size_bytes: state.files[file].seen.len() as u64,
        })
    }

    fn forget(&self, _: &str) {}

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        let file = state.file(from)?;
        state.seen.remove(from);
        state.seen.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        state.file(name)?;
        state.seen.remove(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        state.durable = state.seen.clone();
        Ok(())
    }
}

struct Open {
    disk: Disk,
    file: usize,
    at: usize,
}

impl Read for Open {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.0.lock().unwrap();
        let most = match state.look()? {
            Some(Trouble::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Trouble::Short) => buf.len().div_ceil(2),
            _ => buf.len(),
        };
        let left = &state.files[self.file].seen[self.at..];
        let count = left.len().min(most);
        buf[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Open {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.0.lock().unwrap();
        let half = buf.len().div_ceil(2);
        let trouble = state.call()?;
        let (stored, said) = match trouble {
            Some(Trouble::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Trouble::Tears) => (&buf[..buf.len() / 2], buf.len()),
            Some(Trouble::Short) => (&buf[..half], half),
            _ => (buf, buf.len()),
        };
        let seen = &mut state.files[self.file].seen;
        seen.extend_from_slice(stored);
        if let (Some(Trouble::Spoils), Some(last)) = (trouble, seen.last_mut()) {
            *last ^= 1;
        }
        Ok(said)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Open {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.0.lock().unwrap();
        state.call()?;
        let file = &mut state.files[self.file];
        file.synced = file.seen.clone();
        Ok(())
    }

    fn id(&self) -> io::Result<FileId> {
        let size_bytes = self.disk.0.lock().unwrap().files[self.file].seen.len() as u64;
        Ok(FileId {
            device: 1,
            inode: self.file as u64,
            size_bytes,
        })
    }
}
