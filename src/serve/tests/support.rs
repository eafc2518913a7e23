//! A server in a thread.

use super::client::{self, Client, TOKEN};
use crate::backend::SimulatedBackend;
use crate::backup::{DigestChoice, Work};
use crate::serve::{Content, Server, Until, Watcher};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::SystemTime;

/// How it ended: whether by itself, and whether all was fetched.
pub(crate) type End = (bool, bool);

/// A server that runs until it is stopped, or ends by itself.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<End>>,
    pub(crate) said: Arc<Mutex<Vec<String>>>,
}

/// Keeps what it is told.
struct Recorded(Arc<Mutex<Vec<String>>>);

impl Watcher for Recorded {
    fn sent(&self, _: &str, file: &str, bytes: u64) {
        self.0
            .lock()
            .unwrap()
            .push(format!("sent {bytes} of {file}"));
    }

    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(format!("warning: {text}"));
    }
}

impl Serving {
    /// Serves what `content` makes, in the server's own thread.
    pub(crate) fn start(
        until: Until,
        token: Option<&str>,
        content: impl FnOnce(&Work<'_>) -> Content + Send + 'static,
    ) -> Self {
        let local = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(local, token.map(String::from)).unwrap();
        let address = server.addresses()[0].clone();
        let address = address.trim_start_matches("http://");
        let address = address.split('/').next().unwrap().parse().unwrap();
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (flag, watcher) = (Arc::clone(&stop), Recorded(Arc::clone(&said)));
        let thread = std::thread::spawn(move || {
            let work = Work {
                interrupt: &flag,
                ..Work::default()
            };
            let mut content = content(&work);
            let ended = server.run(&mut content, until, &work, &watcher).unwrap();
            (ended, content.is_fetched())
        });
        Self {
            address,
            stop,
            thread: Some(thread),
            said,
        }
    }

    /// A simulated device, until it is stopped.
    pub(crate) fn of(backend: &SimulatedBackend) -> Self {
        Self::of_some(backend, &[], Until::Stopped)
    }

    pub(crate) fn of_some(backend: &SimulatedBackend, partitions: &[&str], until: Until) -> Self {
        let backend = backend.clone();
        let wanted: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        Self::start(until, Some(TOKEN), move |work| {
            let (both, now) = (DigestChoice::Both, SystemTime::UNIX_EPOCH);
            Content::of_device(&backend, &wanted, both, now, work).unwrap()
        })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// GET on a connection of its own; a status that is not 200 is a failure.
    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        client::get(self.address, name)
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Ends it, or waits for its own end.
    pub(crate) fn end(mut self, by_itself: bool) -> End {
        self.stop.store(!by_itself, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

/// The simulated iSpot.
pub(crate) fn ispot() -> SimulatedBackend {
    SimulatedBackend::new(mtd_harness::profile::ispot(1))
}

/// The bytes of its mtdN.
pub(crate) fn flash(backend: &SimulatedBackend, mtd: u32) -> Vec<u8> {
    backend.device().partition_bytes(mtd)
}
