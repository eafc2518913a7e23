//! One client: reads requests, writes answers, never waits.

use super::answer::{Answer, answer};
use super::body::{Body, Step};
use super::content::Content;
use super::context::Context;
use super::request::{HEAD_BYTES_MAX, Parsed, parse};
use crate::backup::{BackupError, Work};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::time::{Duration, Instant};

/// How long a head may take, and how long a connection may be silent between two.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent.
const SEND_TIME: Duration = Duration::from_secs(30);
/// How long it is waited, after the last byte, for the client to close: a connection
/// that is closed at once may lose what is still on the way.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Bytes from the client.
    Read,
    /// Room for bytes to the client.
    Write,
    /// Images that are to be read first.
    Digests,
    /// Nothing; it is over.
    Over,
}

/// What a connection is about.
enum State {
    /// The next head is read.
    Head,
    /// An answer whose text is not known yet.
    Waiting(usize),
    Sending(Body),
    /// All is sent; what the client still says is thrown away.
    Ending,
    Over,
}

pub(super) struct Connection {
    socket: OwnedFd,
    pub(super) peer: String,
    state: State,
    input: Vec<u8>,
    output: Vec<u8>,
    /// What of `output` is still to be sent.
    from: usize,
    to: usize,
    stays: bool,
    /// The next request came with the one before.
    has_next: bool,
    /// The name of what is being sent, and how many bytes of it.
    sending: Option<(String, u64)>,
    /// It has got a file, and may ask for more.
    is_client: bool,
    /// When it last came on: a head began, or the client took something.
    pub(super) since: Instant,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd, peer: String, now: Instant) -> Self {
        Self {
            socket,
            peer,
            state: State::Head,
            input: Vec::new(),
            output: Vec::new(),
            from: 0,
            to: 0,
            stays: true,
            has_next: false,
            sending: None,
            is_client: false,
            since: now,
        }
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub(super) fn need(&self) -> Need {
        match self.state {
            State::Over => Need::Over,
            _ if self.from < self.to || self.has_next => Need::Write,
            State::Head | State::Ending => Need::Read,
            State::Waiting(_) => Need::Digests,
            State::Sending(_) => Need::Write,
        }
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        let is_between = matches!(self.state, State::Head | State::Ending);
        is_between && self.from == self.to && !self.has_next
    }

    /// Whether it is waited for where all was fetched: an answer is under way, or who got
    /// a file may ask for more. Who never got one keeps nobody waiting.
    pub(super) fn is_waited_for(&self) -> bool {
        (self.is_client || !self.is_idle()) && !matches!(self.state, State::Over)
    }

    /// When its time is over, if nothing happens.
    pub(super) fn deadline(&self) -> Instant {
        let time = match self.state {
            State::Waiting(_) => Duration::from_secs(24 * 3600),
            State::Ending => LINGER_TIME,
            _ if self.is_idle() => HEAD_TIME,
            _ => SEND_TIME,
        };
        self.since + time
    }

    /// Does what can be done now, a piece at most; the name and length of what was sent
    /// whole, if something was.
    pub(super) fn step(
        &mut self,
        context: &Context<'_>,
        content: &mut Content,
        work: &Work<'_>,
        now: Instant,
    ) -> Option<(String, u64)> {
        if self.from < self.to {
            self.send(now);
            if self.from < self.to {
                return None;
            }
        }
        match std::mem::replace(&mut self.state, State::Head) {
            State::Over => self.state = State::Over,
            State::Ending => {
                self.state = State::Ending;
                self.throw_away();
            }
            State::Head => self.read(context, content, now),
            State::Waiting(length) => self.answer(length, context, content, now),
            State::Sending(mut body) => {
                let buffer_bytes = content.buffer_bytes(work.buffer_bytes);
                let made = match self.make_buffer(buffer_bytes) {
                    true => body.fill(content, &mut self.output, work),
                    false => return None,
                };
                match made {
                    Ok(Step::Filled(count)) => {
                        (self.from, self.to) = (0, count);
                        self.state = State::Sending(body);
                        self.send(now);
                    }
                    Ok(Step::Wait) => {
                        // The images first; the length does not matter any more.
                        self.state = State::Sending(body);
                        self.since = now;
                        context.wait();
                    }
                    Ok(Step::End) => {
                        self.end_answer(now);
                        return self.sending.take();
                    }
                    // Cut: whoever counts knows that it is not all.
                    Err(error) => {
                        if !matches!(*error, BackupError::Interrupted) {
                            context.warn(&error.to_string());
                        }
                        self.state = State::Over;
                    }
                }
            }
        }
        None
    }

    /// A buffer for pieces; false, and the end, where there is no memory for one.
    fn make_buffer(&mut self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.output.len());
        if self.output.try_reserve_exact(missing).is_err() {
            self.state = State::Over;
            return false;
        }
        self.output.resize(self.output.len() + missing, 0);
        true
    }

    fn end_answer(&mut self, now: Instant) {
        // An idle connection holds no buffer.
        self.output = Vec::new();
        (self.from, self.to) = (0, 0);
        self.since = now;
        self.is_client |= self.sending.is_some();
        self.state = State::Head;
        self.has_next = self.stays && parse(&self.input) != Parsed::More;
        if !self.stays {
            self.end();
        }
    }

    /// Nothing more is sent, but what is on the way shall arrive.
    fn end(&mut self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
        self.state = State::Ending;
    }

    fn send(&mut self, now: Instant) {
        let piece = &self.output[self.from..self.to];
        match rustix::net::send(&self.socket, piece, SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.from += count;
                self.since = now;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                (self.from, self.to) = (0, 0);
                self.state = State::Over;
            }
        }
    }

    fn throw_away(&mut self) {
        let mut buffer = [0; 512];
        match rustix::net::recv(&self.socket, &mut buffer, RecvFlags::empty()) {
            Ok((_, 1..)) | Err(Errno::AGAIN | Errno::INTR) => {}
            _ => self.state = State::Over,
        }
    }

    fn read(&mut self, context: &Context<'_>, content: &mut Content, now: Instant) {
        // What came with the request before is looked at first.
        if !std::mem::take(&mut self.has_next) {
            let mut buffer = [0; HEAD_BYTES_MAX];
            let room = HEAD_BYTES_MAX - self.input.len().min(HEAD_BYTES_MAX);
            match rustix::net::recv(&self.socket, &mut buffer[..room], RecvFlags::empty()) {
                Ok((_, 0)) => self.state = State::Over,
                Ok((_, count)) => {
                    if self.input.is_empty() {
                        // A head has its time from its first byte on.
                        self.since = now;
                    }
                    self.input.extend(&buffer[..count]);
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => self.state = State::Over,
            }
            if matches!(self.state, State::Over) {
                return;
            }
        }
        let length = match parse(&self.input) {
            Parsed::More => return,
            Parsed::Request(request) => request.length,
            Parsed::Refused(_) => self.input.len(),
        };
        self.answer(length, context, content, now);
    }

    /// Answers the request in the first bytes of the input.
    fn answer(
        &mut self,
        length: usize,
        context: &Context<'_>,
        content: &mut Content,
        now: Instant,
    ) {
        let made = match parse(&self.input) {
            Parsed::Request(request) => answer(&request, context.token(), content),
            Parsed::Refused(status) => Some(Answer::refused(status)),
            Parsed::More => return,
        };
        let Some(answer) = made else {
            self.state = State::Waiting(length);
            context.wait();
            return;
        };
        self.input.drain(..length);
        self.input.shrink_to_fit();
        self.stays = answer.stays;
        self.sending = answer.name;
        self.output = answer.head.into_bytes();
        (self.from, self.to) = (0, self.output.len());
        self.state = State::Sending(answer.body);
        self.send(now);
    }
}

#[cfg(all(test, feature = "full"))]
pub(super) mod tests {
    use super::*;
    use crate::backend::SimulatedBackend;
    use crate::backup::DigestChoice;
    use crate::serve::context::Watcher;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::cell::Cell;
    use std::time::SystemTime;

    struct Nobody;
    impl Watcher for Nobody {}

    /// What a connection is told, without a word and with nobody who is told.
    pub(in crate::serve) fn context() -> Context<'static> {
        Context {
            token: None,
            watcher: &Nobody,
            waits: Cell::new(false),
        }
    }

    /// A new connection, and its client's end of the line.
    pub(in crate::serve) fn connected(peer: &str, now: Instant) -> (Connection, OwnedFd) {
        let (client, socket) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::NONBLOCK,
            None,
        )
        .unwrap();
        (Connection::new(socket, peer.into(), now), client)
    }

    /// The iSpot, with CRC-32 alone.
    pub(in crate::serve) fn ispot() -> Content {
        let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
        let (choice, work) = (DigestChoice::Crc32, Work::default());
        Content::of_device(&device, &[], choice, SystemTime::UNIX_EPOCH, &work).unwrap()
    }

    /// A head that comes a byte a second keeps its place for a head's time and no longer,
    /// whatever else it sends. The time is the test's.
    #[test]
    fn a_head_that_drips_has_its_time_from_the_first_byte_on() {
        let (began, work) = (Instant::now(), Work::default());
        let (mut content, context) = (ispot(), context());
        let (mut connection, client) = connected("stranger", began);
        let first = began + Duration::from_secs(5);
        for (second, byte) in b"GET /mtd0.bin HTTP/1.1\r\nHost: 127.0.0.1"
            .iter()
            .enumerate()
        {
            let now = first + Duration::from_secs(second as u64);
            rustix::io::write(&client, &[*byte]).unwrap();
            connection.step(&context, &mut content, &work, now);
            assert_eq!(connection.need(), Need::Read);
            assert_eq!(connection.deadline(), first + HEAD_TIME, "second {second}");
        }
    }
}
