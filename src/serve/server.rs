//! The loop: one thread, one poll, at most [`CONNECTIONS_MAX`] clients.
//!
//! Faults tolerated: whatever a client sends or does not send. A slow one costs its
//! place and one buffer until its time is over, or until somebody else wants in and
//! there is no other place; a silent one gives its place to the next. Memory does not
//! grow with what is served.

use super::address::{self, is_near, own};
use super::connection::{Connection, Need};
use super::content::Content;
use super::context::{Context, Watcher};
use crate::backup::{BackupError, Failure, Work};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How many clients at once; each may hold a buffer as large as an erase block.
pub(crate) const CONNECTIONS_MAX: usize = if cfg!(feature = "full") { 128 } else { 8 };

/// How long it is waited at most before somebody's wish to stop is seen.
const LOOK_TIME: Duration = Duration::from_millis(500);

/// Where it is full, a client that took nothing for so long gives its place to the next
/// one; it can go on later where it was.
const STALL_TIME: Duration = Duration::from_secs(2);

/// When it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// When somebody asks it to.
    Stopped,
    /// When all was fetched.
    Fetched,
    /// When a client has said that what he fetched is right.
    Verified,
}

/// A server that has its address.
pub(crate) struct Server {
    listener: OwnedFd,
    address: SocketAddr,
    token: Option<String>,
    /// The address was named, and is none of a private network.
    is_public: bool,
}

impl Server {
    /// Takes an address. Who has no `token` gets nothing; without one everybody gets
    /// everything.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(address: SocketAddr, token: Option<String>) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let listener = rustix::net::socket(family, SocketType::STREAM, None)?;
        prepare(&listener)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        rustix::net::bind(&listener, &address)?;
        rustix::net::listen(&listener, CONNECTIONS_MAX as i32)?;
        let bound = rustix::net::getsockname(&listener)?;
        Ok(Self {
            address: SocketAddr::try_from(bound)?,
            is_public: !is_near(address.ip()) && !address.ip().is_unspecified(),
            listener,
            token,
        })
    }

    /// Whether it listens to everybody.
    pub(crate) fn is_public(&self) -> bool {
        self.is_public
    }

    /// The addresses under which its page is, as far as known.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let port = self.address.port();
        let hosts: Vec<IpAddr> = match self.address.ip() {
            IpAddr::V4(all) if all.is_unspecified() => own().into_iter().map(Into::into).collect(),
            one => vec![one],
        };
        let shown = |host: IpAddr| {
            let start = format!("http://{}:{port}/", address::host(host));
            match &self.token {
                Some(token) => start + token + "/",
                None => start,
            }
        };
        hosts.into_iter().map(shown).collect()
    }

    /// Serves until the end that is wanted, or until `work.interrupt` is set; whether
    /// that end came.
    ///
    /// # Errors
    /// The system's, of the loop itself: what a client does is none.
    pub(crate) fn run(
        &self,
        content: &mut Content,
        until: Until,
        work: &Work<'_>,
        watcher: &dyn Watcher,
    ) -> Result<bool, Failure> {
        let mut connections: Vec<Connection> = Vec::new();
        let context = Context {
            token: self.token.as_deref(),
            watcher,
            waits: Cell::new(false),
        };
        let mut buffer = Vec::new();
        let mut changes = 0;
        loop {
            if work.interrupt.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let is_done = match until {
                Until::Stopped => false,
                Until::Fetched => content.is_fetched(),
                Until::Verified => content.is_verified(),
            };
            if is_done && !connections.iter().any(Connection::is_waited_for) {
                return Ok(true);
            }
            let ready = self
                .poll(&connections, context.waits.get())
                .map_err(network)?;
            if context.waits.replace(false) {
                let bytes = content.buffer_bytes(work.buffer_bytes);
                let buffer = crate::backup::buffer::grow(&mut buffer, bytes)?;
                if let Err(error) = content.read_on(buffer, work) {
                    watcher.warn(&error.to_string());
                    connections.retain(|connection| connection.need() != Need::Digests);
                }
            }
            let now = Instant::now();
            let piece = Work {
                buffer_bytes: piece_bytes(work.buffer_bytes, connections.len()),
                ..*work
            };
            for (connection, is_ready) in connections.iter_mut().zip(&ready[1..]) {
                if *is_ready || connection.need() == Need::Digests {
                    let sent = connection.step(&context, content, &piece, now);
                    if let Some((file, bytes)) = sent {
                        watcher.sent(&connection.peer, &file, bytes);
                    }
                }
            }
            connections.retain(|one| one.need() != Need::Over && one.deadline() > now);
            if content.changes() > changes {
                changes = content.changes();
                watcher
                    .warn("a partition gave other bytes than before: it changes while it is read");
            }
            if ready[0] {
                self.accept(&mut connections, now);
            }
        }
    }

    /// Waits for what the connections need; which of them can go on, and first whether
    /// a client wants to come in.
    fn poll(&self, connections: &[Connection], is_busy: bool) -> io::Result<Vec<bool>> {
        let entry = |fd: &OwnedFd, events| libc::pollfd {
            fd: fd.as_raw_fd(),
            events,
            revents: 0,
        };
        let has_room =
            connections.len() < CONNECTIONS_MAX || least(connections, Instant::now()).is_some();
        let mut entries = Vec::with_capacity(connections.len() + 1);
        entries.push(entry(
            &self.listener,
            if has_room { libc::POLLIN } else { 0 },
        ));
        entries.extend(connections.iter().map(|connection| {
            let events = match connection.need() {
                Need::Read => libc::POLLIN,
                Need::Write => libc::POLLOUT,
                _ => 0,
            };
            entry(connection.socket(), events)
        }));
        let time = match is_busy {
            true => 0,
            false => LOOK_TIME.as_millis() as libc::c_int,
        };
        // Not rustix's, which calls ppoll: ARM has that since Linux 2.6.32 only.
        // SAFETY: the list is as long as is said, and lives until the call is over.
        let answer = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as _, time) };
        if answer < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            entries.iter_mut().for_each(|entry| entry.revents = 0);
        }
        Ok(entries.iter().map(|entry| entry.revents != 0).collect())
    }

    /// Whether somebody is let in who came to one of this machine's addresses.
    fn lets_in(&self, peer: IpAddr, here: IpAddr) -> bool {
        self.is_public || (is_near(peer) && is_near(here))
    }

    /// Lets a client in, in place of the one that was silent longest where it is full.
    fn accept(&self, connections: &mut Vec<Connection>, now: Instant) {
        let is_full = connections.len() == CONNECTIONS_MAX;
        let goes = is_full.then(|| least(connections, now)).flatten();
        if is_full && goes.is_none() {
            // Whoever would have gone has come on since that was asked: who is outside
            // waits on, and is not let in to be thrown out.
            return;
        }
        let Ok((socket, Some(peer))) = rustix::net::acceptfrom(&self.listener) else {
            return;
        };
        let ip = |any| SocketAddr::try_from(any).map(|address: SocketAddr| address.ip());
        let (Ok(peer), Ok(here)) = (ip(peer), rustix::net::getsockname(&socket).and_then(ip))
        else {
            return;
        };
        if !self.lets_in(peer, here) || prepare(&socket).is_err() {
            return;
        }
        if let Some(at) = goes {
            drop(connections.remove(at));
        }
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        connections.push(Connection::new(socket, address::host(peer), now));
    }
}

/// How much is read and sent at once. A client that has taken all sleeps, and each piece
/// wakes it, which on many machines costs more than the piece's bytes: so where there is
/// memory and few want it, pieces are large.
fn piece_bytes(wanted_bytes: usize, connections: usize) -> usize {
    const FEW: usize = 8;
    match cfg!(feature = "full") && connections <= FEW {
        true => wanted_bytes.max(512 << 10),
        false => wanted_bytes,
    }
}

/// Who goes first where it is full: of those that say nothing, or else of those that
/// take nothing, the one that has been so longest. A client that takes a byte now and
/// then takes nothing here: its system tells of room when there is some for a packet.
fn least(connections: &[Connection], now: Instant) -> Option<usize> {
    let goes = |one: &Connection| {
        let is_stalled = one.need() == Need::Write && now - one.since > STALL_TIME;
        (one.is_idle() || is_stalled).then_some((!one.is_idle(), one.since))
    };
    let found = connections.iter().enumerate();
    let found = found.filter_map(|(at, one)| Some((goes(one)?, at)));
    found.min().map(|(_, at)| at)
}

/// No call on it waits, and no program that is started gets it.
fn prepare(socket: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::fcntl_setfl(socket, rustix::fs::OFlags::NONBLOCK)?;
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)
}

fn network(source: io::Error) -> Failure {
    BackupError::Folder {
        operation: "cannot wait for",
        folder: "clients".into(),
        source,
    }
    .into()
}

#[cfg(all(test, feature = "full"))]
mod tests;
