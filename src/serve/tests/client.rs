//! A client of a few lines that sees every byte; for the tests of the program too.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const TOKEN: &str = "letmein";

/// GET on a connection of its own; a status that is not 200 is a failure.
pub(crate) fn get(address: SocketAddr, name: &str) -> Vec<u8> {
    let answer = Client::connect(address).unwrap().get(name, "").unwrap();
    assert_eq!(answer.status, 200, "{name}: {}", answer.head);
    answer.body
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// What a line of the head says.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&start))
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        // Nothing here takes that long; a hang shall fail and not hang.
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// GET of a name below the token, with more lines in the head.
    pub(crate) fn get(&mut self, name: &str, lines: &str) -> io::Result<Answer> {
        self.ask(&format!(
            "GET /{TOKEN}/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n"
        ))
    }

    pub(crate) fn ask(&mut self, request: &str) -> io::Result<Answer> {
        self.stream.write_all(request.as_bytes())?;
        self.answer(request.starts_with("HEAD"))
    }

    /// The next answer.
    pub(crate) fn answer(&mut self, head_only: bool) -> io::Result<Answer> {
        let head = String::from_utf8(self.until(b"\r\n\r\n")?).unwrap();
        let mut answer = Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: Vec::new(),
        };
        if !head_only {
            let length: usize = answer.line("Content-Length").unwrap().parse().unwrap();
            answer.body = self.exactly(length)?;
        }
        Ok(answer)
    }

    pub(crate) fn send(&mut self, request: &str) -> io::Result<()> {
        self.stream.write_all(request.as_bytes())
    }

    /// What comes up to a mark, and with it.
    pub(crate) fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let found = self.received.windows(mark.len()).position(|it| it == mark);
            if let Some(at) = found {
                return Ok(self.received.drain(..at + mark.len()).collect());
            }
            self.more()?;
        }
    }

    pub(crate) fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < count {
            self.more()?;
        }
        Ok(self.received.drain(..count).collect())
    }

    /// Reads on; an end is an error.
    pub(crate) fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.received.extend(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// What came that was not asked for yet, or not understood.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }
}
