//! The PC's end: connections, each in a thread of its own, and the files behind one
//! lock.
//!
//! Faults tolerated: whatever connects and says nothing, or something else: it learns
//! nothing without the token, and its place is free again after a few seconds, however
//! slowly it says that. A device
//! that is slow has all the time it needs as long as bytes come; one that is cut off
//! loses an erase block at most.

use super::connection::{HEAD_TIME, Handler, Watcher};
use super::store::Store;
use crate::backup::{BackupError, Directory, Failure};
use crate::serve::{host, is_near, own_addresses};
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many clients at once.
const CONNECTIONS_MAX: usize = 32;
/// How long one look at a socket, or for a client, waits.
const LOOK: Duration = Duration::from_millis(100);

/// A PC's end that has its address.
pub(crate) struct Receiver {
    listener: TcpListener,
    token: String,
    /// The address was named, and is none of a private network.
    is_public: bool,
    /// How long a device may send nothing.
    silence: Duration,
}

impl Receiver {
    /// Takes an address.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(address: SocketAddr, token: String) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            is_public: !is_near(address.ip()) && !address.ip().is_unspecified(),
            listener,
            token,
            silence: Duration::from_secs(60),
        })
    }

    /// With another time after which a device that sends nothing is gone.
    #[cfg(test)]
    pub(crate) fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Whether everybody may come.
    pub(crate) fn is_public(&self) -> bool {
        self.is_public
    }

    /// The addresses under which a device reaches it, with the port, as far as known.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn addresses(&self) -> io::Result<Vec<(String, u16)>> {
        let address = self.listener.local_addr()?;
        let hosts: Vec<IpAddr> = match address.ip() {
            all if all.is_unspecified() => own_addresses().into_iter().map(Into::into).collect(),
            one => vec![one],
        };
        let shown = hosts.into_iter().map(|one| (host(one), address.port()));
        Ok(shown.collect())
    }

    /// Takes what one device sends into `folder`, in the form of a capture, until all of
    /// it has come. `script` makes the text that a device at that host and port runs.
    ///
    /// # Errors
    /// [`BackupError::Interrupted`] where `interrupt` is set; what the folder's file
    /// system says. What has come stays, and the next run goes on there.
    pub(crate) fn run(
        &self,
        folder: &dyn Directory,
        script: &(dyn Fn(&str, u16) -> String + Sync),
        interrupt: &AtomicBool,
        watcher: &dyn Watcher,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let clock = move || began.elapsed();
        let handler = Handler {
            store: Mutex::new(Store::new(folder, first_session())),
            token: &self.token,
            script,
            watcher,
            silence: self.silence,
            clock: &clock,
            ended: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        };
        std::thread::scope(|scope| {
            loop {
                let store = handler.store();
                let is_over = store.is_done || store.failed.is_some();
                drop(store);
                if is_over || interrupt.load(Ordering::Relaxed) {
                    // The last answers are on their way.
                    handler.ended.store(true, Ordering::Relaxed);
                    return;
                }
                // Where all places are taken, the next one waits for the first that is free.
                if handler.connections.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
                    std::thread::sleep(LOOK / 5);
                    continue;
                }
                match self.listener.accept() {
                    Ok((stream, peer)) if self.is_welcome(&stream, peer) => {
                        let handler = &handler;
                        handler.connections.fetch_add(1, Ordering::Relaxed);
                        scope.spawn(move || {
                            // Whoever hangs up is nobody's concern.
                            let _ = handler.attend(&stream, peer.ip());
                            let _ = stream.shutdown(Shutdown::Both);
                            handler.connections.fetch_sub(1, Ordering::Relaxed);
                        });
                    }
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(LOOK / 5),
                }
            }
        });
        let store = handler
            .store
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        match (store.failed, store.is_done) {
            (Some(error), _) => Err(error.into()),
            (None, true) => Ok(()),
            (None, false) => Err(BackupError::Interrupted.into()),
        }
    }

    fn is_welcome(&self, stream: &std::net::TcpStream, peer: SocketAddr) -> bool {
        let here = stream.local_addr().map(|here| here.ip());
        let is_ready = stream.set_nonblocking(false).is_ok()
            && stream.set_read_timeout(Some(LOOK)).is_ok()
            && stream.set_write_timeout(Some(HEAD_TIME)).is_ok();
        is_ready && (self.is_public || (is_near(peer.ip()) && here.is_ok_and(is_near)))
    }
}

/// The number of the first device's run. It differs from run to run, so that a script of
/// an earlier one is not taken for this one's.
fn first_session() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| (now.as_millis() % 1_000_000_000) as u32)
}
