//! A server in a thread, and a client.

use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{DigestChoice, Work};
use mtdkeep::serve::{Content, Server, Until, Watcher};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

pub(crate) const TOKEN: &str = "letmein";

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
struct Told(Arc<Mutex<Vec<String>>>);

impl Watcher for Told {
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
        let (flag, told) = (Arc::clone(&stop), Told(Arc::clone(&said)));
        let thread = std::thread::spawn(move || {
            let work = Work {
                interrupt: &flag,
                ..Work::default()
            };
            let mut content = content(&work);
            let ended = server.run(&mut content, until, &work, &told).unwrap();
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
        let answer = self.client().get(name, "").unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.head);
        answer.body
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

/// The simulated iSpot.
pub(crate) fn ispot() -> SimulatedBackend {
    SimulatedBackend::new(mtd_harness::profile::ispot(1))
}

/// The bytes of its mtdN.
pub(crate) fn flash(backend: &SimulatedBackend, mtd: u32) -> Vec<u8> {
    backend.device().partition_bytes(mtd)
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut digests = mtdkeep::backup::Digests::new(DigestChoice::Sha256);
    digests.update(bytes);
    digests.finish().sha256.unwrap()
}
