//! One connection: a head, what follows it, an answer.

use super::asked::{About, Asked, Form, HEAD_BYTES_MAX, Head, Parsed, asked, parse};
use super::decode::{decode, text_bytes_max};
use super::store::{Reply, Store};
use crate::serve::{host, is_same_token};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a head may take.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// A table, or a piece as text, is no longer.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// Is told what goes on.
pub(crate) trait Watcher: Sync {
    /// Something happened, in words.
    fn tell(&self, text: &str);
    /// Something that whoever started it should know.
    fn warn(&self, text: &str) {
        let _ = text;
    }
}

/// What all connections share.
pub(super) struct Handler<'a> {
    pub(super) store: Mutex<Store<'a>>,
    pub(super) token: &'a str,
    pub(super) script: &'a (dyn Fn(&str, u16) -> String + Sync),
    pub(super) watcher: &'a dyn Watcher,
    pub(super) silence: Duration,
    /// Time since some beginning.
    pub(super) clock: &'a (dyn Fn() -> Duration + Sync),
    pub(super) ended: AtomicBool,
    pub(super) connections: AtomicUsize,
}

/// Why a connection is over before its answer.
pub(super) struct Gone;

impl<'a> Handler<'a> {
    pub(super) fn store(&self) -> MutexGuard<'_, Store<'a>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attend(&self, stream: &TcpStream, peer: IpAddr) -> Result<(), Gone> {
        let mut input = Vec::new();
        let since = (self.clock)();
        let head = loop {
            match parse(&input) {
                Parsed::Head(head) => break head,
                Parsed::Refused => return self.answer(stream, None, "400 Bad Request\n"),
                Parsed::More => {}
            }
            let mut buffer = [0; HEAD_BYTES_MAX];
            // From its first byte to its last: a stranger's drip holds no place.
            let spent = (self.clock)().saturating_sub(since);
            let left = HEAD_TIME.checked_sub(spent).ok_or(Gone)?;
            let count = self.receive(stream, &mut buffer, left, None)?;
            if count == 0 {
                return Err(Gone);
            }
            input.extend_from_slice(&buffer[..count]);
        };
        let mut body = Body {
            ready: input.split_off(head.length),
            left_bytes: head.body_bytes,
            stream,
        };
        body.ready
            .truncate(usize::try_from(head.body_bytes).unwrap_or(usize::MAX));
        let (token, path) = head.target.split_once('/').unwrap_or_default();
        let found = asked(path).filter(|_| is_same_token(token, self.token));
        let Some(found) = found else {
            return self.answer(stream, None, "404 Not Found\n");
        };
        let text = match self.reply(&found, &mut body, stream, peer)? {
            Said::Script(text) => text,
            Said::Reply(reply) => reply.text(),
        };
        self.answer(stream, Some(&head), &text)
    }

    fn reply(
        &self,
        asked: &Asked<'_>,
        body: &mut Body<'_>,
        stream: &TcpStream,
        peer: IpAddr,
    ) -> Result<Said, Gone> {
        let reply = match asked {
            Asked::Script => {
                let here = stream.local_addr().map_err(|_| Gone)?;
                return Ok(Said::Script((self.script)(&host(here.ip()), here.port())));
            }
            Asked::Hello => self.hello(body, peer)?,
            Asked::Of(
                session,
                mtd,
                About::Bytes {
                    pass,
                    form,
                    offset,
                    length,
                },
            ) => {
                let begun = self.store().begin(*session, *mtd, *pass, *offset, *length);
                match begun {
                    Ok(block) => self.bytes(body, *form, block, (*offset, *length))?,
                    Err(reply) => reply,
                }
            }
            Asked::Of(session, mtd, about) => {
                let reply = self.store().about(*session, *mtd, about);
                self.tell_of(*mtd, about, &reply);
                reply
            }
            Asked::Done(session) => self.store().done(*session),
        };
        if let Reply::No(why) = &reply {
            self.watcher.warn(&format!("{peer} was refused: {why}"));
        }
        Ok(Said::Reply(reply))
    }

    /// A device that introduces itself by its table.
    fn hello(&self, body: &mut Body<'_>, peer: IpAddr) -> Result<Reply, Gone> {
        let table = self.text(body, TEXT_BYTES_MAX)?;
        let mut store = self.store();
        let reply = store.hello(&table);
        if matches!(reply, Reply::Session(_)) {
            let (count, bytes) = store.size();
            let bytes = crate::backup::size(bytes);
            self.tell(&format!("{peer} has {count} partitions, {bytes}"));
        }
        Ok(reply)
    }

    /// A stretch (offset and length) of a partition that the store has begun to take:
    /// its number there, and the erase block's size.
    fn bytes(
        &self,
        body: &mut Body<'_>,
        form: Form,
        (id, block): (u64, u64),
        (offset, length): (u64, u64),
    ) -> Result<Reply, Gone> {
        let refused = match form {
            Form::Raw => self.raw(body, id, block, offset, length)?,
            form => self.encoded(body, form, id, offset, length)?,
        };
        let end = self.store().end(id);
        Ok(refused.unwrap_or(end))
    }

    fn tell(&self, text: &str) {
        self.watcher.tell(text);
    }

    fn tell_of(&self, mtd: u32, about: &About<'_>, reply: &Reply) {
        let store = self.store();
        let name = crate::printable::printable(store.name(mtd).unwrap_or_default());
        drop(store);
        let text = match (about, reply) {
            (About::Digest(..), Reply::Ok) => "came, and is what the device digests",
            (About::Twice, Reply::Ok) => "came twice, the same bytes each time",
            (About::Unproven, Reply::Ok) => "came with holes",
            (About::Left(why), Reply::Ok) => {
                self.watcher
                    .warn(&format!("mtd{mtd} ({name}) does not come: {why}"));
                return;
            }
            (_, Reply::Again) => "differs from the device's flash, and is sent anew",
            (_, Reply::Differs) => "differs again: the flash changes while it is read",
            _ => return,
        };
        self.tell(&format!("mtd{mtd} ({name}) {text}"));
    }

    /// Bytes as they are, an erase block at a time; what is left of one that does not
    /// come whole is dropped. A refusal, where there is one.
    fn raw(
        &self,
        body: &mut Body<'_>,
        id: u64,
        block: u64,
        offset: u64,
        length: u64,
    ) -> Result<Option<Reply>, Gone> {
        if body.left_bytes != length {
            return Ok(Some(Reply::No("the length is another one".into())));
        }
        let mut piece = vec![0; usize::try_from(block.min(length)).unwrap_or(0)];
        let mut at = offset;
        while at < offset + length {
            // To the block's end, wherever it begins.
            let end = (at - at % block + block).min(offset + length);
            let piece = &mut piece[..(end - at) as usize];
            let mut filled = 0;
            while filled < piece.len() {
                let count = match body.read(self, &mut piece[filled..], Some(id)) {
                    Ok(0) | Err(Gone) => return Ok(None),
                    Ok(count) => count,
                };
                filled += count;
            }
            if let Err(reply) = self.store().put(id, at, piece) {
                return Ok(Some(reply));
            }
            at = end;
        }
        Ok(None)
    }

    /// Bytes as text, all or nothing.
    fn encoded(
        &self,
        body: &mut Body<'_>,
        form: Form,
        id: u64,
        offset: u64,
        length: u64,
    ) -> Result<Option<Reply>, Gone> {
        let max = text_bytes_max(length).min(TEXT_BYTES_MAX);
        if body.left_bytes > max {
            return Ok(Some(Reply::No("that is too long for its bytes".into())));
        }
        let text = self.text(body, max)?;
        let bytes = decode(form, &text).filter(|bytes| bytes.len() as u64 == length);
        Ok(match bytes {
            // Where the device stopped reading, there is less: told by how far it came.
            None => None,
            Some(bytes) => self.store().put(id, offset, &bytes).err(),
        })
    }

    /// All of a short body.
    fn text(&self, body: &mut Body<'_>, bytes_max: u64) -> Result<Vec<u8>, Gone> {
        if body.left_bytes > bytes_max {
            return Err(Gone);
        }
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match body.read(self, &mut buffer, None)? {
                0 => return Ok(text),
                count => text.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// The next bytes of a connection; 0 at its end. Whoever is silent for `time` is
    /// gone, and so is a transfer whose place another one took.
    fn receive(
        &self,
        mut stream: &TcpStream,
        buffer: &mut [u8],
        time: Duration,
        id: Option<u64>,
    ) -> Result<usize, Gone> {
        let since = (self.clock)();
        loop {
            match stream.read(buffer) {
                Ok(count) => {
                    let is_mine = id.is_none_or(|id| self.store().touch(id));
                    return if is_mine { Ok(count) } else { Err(Gone) };
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    _ => return Err(Gone),
                },
            }
            let spent = (self.clock)().saturating_sub(since);
            if self.ended.load(Ordering::Relaxed) || spent > time {
                return Err(Gone);
            }
        }
    }

    fn answer(&self, mut stream: &TcpStream, head: Option<&Head>, text: &str) -> Result<(), Gone> {
        let status = if head.is_some() {
            "200 OK"
        } else {
            text.trim_end()
        };
        let mut answer = match head {
            Some(head) if !head.is_versioned => String::new(),
            _ => format!(
                "HTTP/1.0 {status}\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                text.len()
            ),
        };
        answer += text;
        stream.write_all(answer.as_bytes()).map_err(|_| Gone)?;
        let _ = stream.shutdown(Shutdown::Write);
        // A connection that is closed at once may lose what is still on the way.
        let since = Instant::now();
        let mut buffer = [0; 4096];
        while since.elapsed() < Duration::from_secs(2) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        Ok(())
    }
}

/// What is answered.
enum Said {
    Script(String),
    Reply(Reply),
}

/// What follows a head.
struct Body<'a> {
    /// What came with the head.
    ready: Vec<u8>,
    /// How much of the body was not read yet, with what is ready.
    left_bytes: u64,
    stream: &'a TcpStream,
}

impl Body<'_> {
    /// The next bytes; 0 at the end, and where the device stopped before it.
    fn read(
        &mut self,
        handler: &Handler<'_>,
        buffer: &mut [u8],
        id: Option<u64>,
    ) -> Result<usize, Gone> {
        let left = usize::try_from(self.left_bytes).unwrap_or(usize::MAX);
        let room_bytes = buffer.len().min(left);
        let buffer = &mut buffer[..room_bytes];
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match self.ready.is_empty() {
            false => {
                let count = buffer.len().min(self.ready.len());
                buffer[..count].copy_from_slice(&self.ready[..count]);
                self.ready.drain(..count);
                count
            }
            true => handler.receive(self.stream, buffer, handler.silence, id)?,
        };
        self.left_bytes -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
