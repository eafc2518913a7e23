//! What a program has told, and between which operations on flash it did.

use crate::chip::{Storage, Watcher};
use crate::mtd::MtdSystem;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// More of a program's words are not kept.
const BYTES_MAX: usize = 1 << 20;

/// Listens to a program's standard output. Whoever changes flash stops for that, so
/// what it told before is in the pipe by then.
pub(super) struct CapturedOutput {
    heard: Arc<Heard>,
    ours: Mutex<Option<(OwnedFd, JoinHandle<()>)>>,
}

struct Heard {
    pipe: OwnedFd,
    words: Mutex<Words>,
}

#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    /// How much was told before each operation, the first of them first.
    before: Vec<usize>,
}

impl Heard {
    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is in the pipe; false at its end.
    fn take(&self, words: &mut Words) -> bool {
        let mut buf = [0u8; 4096];
        loop {
            // SAFETY: the buffer is a local of that length.
            let count =
                unsafe { libc::read(self.pipe.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
            match usize::try_from(count) {
                Ok(0) => return false,
                Ok(count) => {
                    let room = BYTES_MAX - words.bytes.len();
                    words.bytes.extend_from_slice(&buf[..count.min(room)]);
                }
                Err(_) => return true,
            }
        }
    }
}

impl Watcher for Heard {
    fn changed(&self, _: &dyn Storage, _: u64, _: u64) {
        let mut words = self.words();
        self.take(&mut words);
        let told = words.bytes.len();
        words.before.push(told);
    }
}

impl CapturedOutput {
    /// Listens, from now on, along with the first chip.
    pub fn listen(system: &MtdSystem) -> io::Result<Self> {
        let mut fds = [0; 2];
        // SAFETY: room for two descriptors.
        if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made both descriptors for us.
        let [read, write] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: plain numbers. The program's end stays as it is.
        unsafe { libc::fcntl(read.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let heard = Arc::new(Heard {
            pipe: read,
            words: Mutex::default(),
        });
        let watcher: Arc<dyn Watcher> = Arc::clone(&heard) as _;
        system.with_chip(0, |chip| chip.watch(Arc::downgrade(&watcher)));
        let theirs = Arc::clone(&heard);
        let thread = std::thread::Builder::new().name("sandbox-told".into());
        let thread = thread.spawn(move || hear_all(&theirs))?;
        Ok(Self {
            heard,
            ours: Mutex::new(Some((write, thread))),
        })
    }

    /// The program's end of the pipe.
    pub fn pipe(&self) -> io::Result<Stdio> {
        let ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ours.as_ref().map(|(end, _)| end.try_clone());
        Ok(end.transpose()?.map_or_else(Stdio::null, Stdio::from))
    }

    /// The program has ended: takes the rest.
    pub fn finish(&self) {
        let ours = self
            .ours
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((end, thread)) = ours {
            drop(end);
            let _ = thread.join();
        }
    }

    /// All that it told.
    pub fn all(&self) -> Vec<u8> {
        self.heard.words().bytes.clone()
    }

    /// What it told after so many operations were done, in pieces.
    pub fn by_operation(&self) -> Vec<(u64, Vec<u8>)> {
        let words = self.heard.words();
        let ends = words.before.iter().copied().chain([words.bytes.len()]);
        let mut at = 0;
        let pieces = (0u64..).zip(ends).map(|(done, end)| {
            let piece = words.bytes[at..end].to_vec();
            at = end;
            (done, piece)
        });
        pieces.filter(|(_, piece)| !piece.is_empty()).collect()
    }
}

/// Keeps the pipe from filling up.
fn hear_all(heard: &Heard) {
    loop {
        let mut wait = libc::pollfd {
            fd: heard.pipe.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the structure is a local.
        unsafe { libc::poll(&mut wait, 1, -1) };
        let mut words = heard.words();
        if !heard.take(&mut words) {
            return;
        }
    }
}

/// A file that holds this, for a program's standard input.
pub(super) fn memory_file(bytes: &[u8]) -> io::Result<Stdio> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"told".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
