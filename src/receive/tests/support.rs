//! A PC's end in a thread.

use super::device::{Device, TABLE, TOKEN};
use crate::backup::{Failure, Folder};
use crate::receive::{Receiver, Watcher};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

struct Quiet;

impl Watcher for Quiet {
    fn tell(&self, _: &str) {}
}

/// A PC's end that receives into a new folder, and a device that has introduced itself. The
/// folder goes with the first of them.
pub(crate) fn begun() -> (tempfile::TempDir, PathBuf, Receiving, Device) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("f");
    let receiving = Receiving::into(&folder);
    let device = Device::greet(receiving.address, TABLE);
    (outer, folder, receiving, device)
}

/// A PC's end that runs until all has come, or until it is stopped.
pub(crate) struct Receiving {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Receiving {
    pub(crate) fn into(folder: &Path) -> Self {
        Self::patient(folder, Duration::from_secs(60))
    }

    /// With a time after which a silent device is gone.
    pub(crate) fn patient(folder: &Path, silence: Duration) -> Self {
        let receiver = Receiver::bind("127.0.0.1:0".parse().unwrap(), TOKEN.into());
        let receiver = receiver.unwrap().with_silence(silence);
        let (host, port) = receiver.addresses().unwrap().remove(0);
        let folder = Folder::open_or_create(folder).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let script = |host: &str, port: u16| format!("script for {host} {port}\n");
        let run = move || receiver.run(&folder, &script, &flag, &Quiet);
        Self {
            address: format!("{host}:{port}").parse().unwrap(),
            stop,
            thread: Some(std::thread::spawn(run)),
        }
    }

    /// Waits for its end, which comes by itself or now.
    pub(crate) fn end(mut self, by_itself: bool) -> Result<(), Failure> {
        self.stop.store(!by_itself, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
