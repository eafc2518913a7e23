//! A directory in memory, with the harness's faults in front, that knows what
//! would be left after a power cut.
//!
//! Two states are kept: what a reader sees now, and what is surely on the medium:
//! names as of the last sync of the folder, contents as of each file's last sync.
//! A cut at operation N makes that and every later operation fail.

use crate::backup::{Directory, Entry, FileId, NewFile};
use mtd_harness::fault::DestinationFaults;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct File {
    seen: Vec<u8>,
    synced: Vec<u8>,
}

type Names = BTreeMap<String, Arc<Mutex<File>>>;

#[derive(Default)]
struct State {
    seen: Names,
    durable: Names,
    operations: u64,
    cut_at: Option<u64>,
    free_bytes: Option<u64>,
    faults: DestinationFaults,
    /// What the medium has of a file of that name, once it is read from there.
    rotten: BTreeMap<String, Vec<u8>>,
    /// Sabotage for canaries: each write loses its last byte's lowest bit.
    lies: bool,
}

impl State {
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.cut_at {
            Some(cut_at) if self.operations > cut_at => Err(io::Error::other("power cut")),
            _ => Ok(()),
        }
    }

    fn file(&self, name: &str) -> io::Result<Arc<Mutex<File>>> {
        let file = self.seen.get(name);
        file.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The folder; clones share it.
#[derive(Clone, Default)]
pub(crate) struct MemoryFolder(Arc<Mutex<State>>);

impl MemoryFolder {
    pub(crate) fn with_faults(faults: DestinationFaults) -> Self {
        let folder = Self::default();
        folder.0.lock().unwrap().faults = faults;
        folder
    }

    pub(crate) fn with_cut_at(self, operations: u64) -> Self {
        self.0.lock().unwrap().cut_at = Some(operations);
        self
    }

    pub(crate) fn with_free_bytes(self, free_bytes: u64) -> Self {
        self.0.lock().unwrap().free_bytes = Some(free_bytes);
        self
    }

    pub(crate) fn lying(self) -> Self {
        self.0.lock().unwrap().lies = true;
        self
    }

    /// The medium stored a wrong bit; it shows when the system forgot the file.
    pub(crate) fn rot(&self, name: &str, at: usize) {
        let mut bytes = self.files()[name].clone();
        bytes[at] ^= 1;
        self.0.lock().unwrap().rotten.insert(name.into(), bytes);
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// What a reader sees.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let contents = |(name, file): (&String, &Arc<Mutex<File>>)| {
            (name.clone(), file.lock().unwrap().seen.clone())
        };
        self.0.lock().unwrap().seen.iter().map(contents).collect()
    }

    /// What is surely there after a power cut.
    pub(crate) fn durable_files(&self) -> BTreeMap<String, Vec<u8>> {
        let contents = |(name, file): (&String, &Arc<Mutex<File>>)| {
            (name.clone(), file.lock().unwrap().synced.clone())
        };
        self.0
            .lock()
            .unwrap()
            .durable
            .iter()
            .map(contents)
            .collect()
    }

    /// A faultless folder with these files, all of them on the medium.
    pub(crate) fn holding(files: BTreeMap<String, Vec<u8>>) -> Self {
        let names: Names = files
            .into_iter()
            .map(|(name, bytes)| {
                let file = File {
                    seen: bytes.clone(),
                    synced: bytes,
                };
                (name, Arc::new(Mutex::new(file)))
            })
            .collect();
        let folder = Self::default();
        {
            let mut state = folder.0.lock().unwrap();
            state.durable = names.clone();
            state.seen = names;
        }
        folder
    }
}

impl Directory for MemoryFolder {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn was_created(&self) -> bool {
        false
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().free_bytes.unwrap_or(1 << 40))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let state = self.0.lock().unwrap();
        let entries = state.seen.iter().map(|(name, file)| Entry {
            name: name.clone(),
            size_bytes: Some(file.lock().unwrap().seen.len() as u64),
        });
        Ok(entries.collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        state.faults.on_create()?;
        let file = Arc::new(Mutex::new(File::default()));
        state.seen.insert(name.into(), Arc::clone(&file));
        let folder = self.clone();
        Ok(Box::new(Writer { folder, file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let file = self.0.lock().unwrap().file(name)?;
        let bytes = file.lock().unwrap().seen.clone();
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn id(&self, name: &str) -> io::Result<FileId> {
        let file = self.0.lock().unwrap().file(name)?;
        Ok(id_of(&file))
    }

    fn forget(&self, name: &str) {
        let mut state = self.0.lock().unwrap();
        if let (Some(bytes), Ok(file)) = (state.rotten.remove(name), state.file(name)) {
            file.lock().unwrap().seen = bytes;
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        state.faults.on_rename()?;
        let file = state.file(from)?;
        state.seen.remove(from);
        state.seen.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        let removed = state.seen.remove(name);
        removed
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operation()?;
        state.faults.on_sync()?;
        state.durable = state.seen.clone();
        Ok(())
    }
}

/// A file is the same as long as it is shared; nobody has its place until the
/// last who holds it lets go.
fn id_of(file: &Arc<Mutex<File>>) -> FileId {
    FileId {
        device: 1,
        inode: Arc::as_ptr(file) as u64,
        size_bytes: file.lock().unwrap().seen.len() as u64,
    }
}

struct Writer {
    folder: MemoryFolder,
    file: Arc<Mutex<File>>,
}

impl Write for Writer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut state = self.folder.0.lock().unwrap();
        state.operation()?;
        let count = state.faults.on_write(buf.len())?;
        let mut file = self.file.lock().unwrap();
        file.seen.extend_from_slice(&buf[..count]);
        if let (true, Some(last)) = (state.lies, file.seen.last_mut()) {
            *last &= 0xFE;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Writer {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.folder.0.lock().unwrap();
        state.operation()?;
        state.faults.on_sync()?;
        let mut file = self.file.lock().unwrap();
        file.synced = file.seen.clone();
        Ok(())
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(id_of(&self.file))
    }
}
