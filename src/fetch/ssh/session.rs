//! A shell on the device, over one ssh, and what its commands print.
//!
//! All goes over one login: a slow device takes seconds for each, and asks for a
//! password each time. Commands go to the shell's standard input, one after the other;
//! each one's output stands between two marks that begin with a random word, so that
//! neither a banner on standard output nor the flash's own bytes are taken for one.
//!
//! ```text
//! \nWORD b N\n  bytes of standard output  \nWORD e N STATUS\n  standard error  \nWORD z N\n
//! ```
//!
//! Invariants: a command's bytes are told from the next one's by N; the end of ssh
//! before the last mark is a loss, whatever came; a stop that the user asked for is
//! heard within a quarter of a second.

use super::advice;
use crate::fetch::wire::Fault;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How much is read of ssh at once.
const CHUNK_BYTES: usize = 128 << 10;
/// How much ssh may bring before it is taken.
const PIPE_BYTES: usize = 1 << 20;
/// How many of ssh's last lines are kept for advice.
const LINES_KEPT: usize = 20;
/// What a command says in error may be so long.
const ERRORS_BYTES_MAX: usize = 64 << 10;
/// How long ssh's last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A banner is no longer.
const BANNER_BYTES_MAX: usize = 1 << 20;

/// How ssh is called.
#[derive(Clone)]
pub(crate) struct SshCommand {
    /// The program and the words before the host.
    pub(crate) words: Vec<OsString>,
    /// `user@host`, or the host alone.
    pub(crate) host: String,
    /// Is told each line that ssh says on standard error.
    pub(crate) said: Arc<dyn Fn(&str) + Send + Sync>,
    /// How long no shell may answer at first: until that is said, and until the end.
    pub(crate) silence: [Duration; 2],
}

/// A password has to be typed in that time; a menu in a shell's place never answers.
pub(crate) const SILENCE: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(300)];

/// A part of a command's output.
pub(super) enum Received {
    /// So many bytes of it.
    Data(usize),
    /// All came; its exit status, and what it said on standard error.
    End { status: u32, errors: String },
}

pub(super) struct Session {
    child: Child,
    /// None once the shell is to end.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Arc<Mutex<VecDeque<String>>>,
    /// Has nothing to receive any more when all of standard error was read.
    listened: Option<mpsc::Receiver<()>>,
    interrupt: &'static AtomicBool,
    command: SshCommand,
    /// Since when a first answer is waited for, and whether that was said.
    waits: Option<(Instant, bool)>,
    word: String,
    number: u64,
    /// What came and was not taken yet: from `start` to `end`.
    pending: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether a command's output is not read to its end.
    open: bool,
}

impl Session {
    /// Starts ssh and a shell behind it; `word` is random.
    pub(super) fn new(
        command: &SshCommand,
        word: String,
        interrupt: &'static AtomicBool,
    ) -> Result<Self, Fault> {
        let (program, words) = command.words.split_first().ok_or_else(|| Fault::Hopeless {
            why: "no ssh program is named".into(),
            help: "set MTDKEEP_SSH to the name of a program, or leave it away".into(),
        })?;
        let spawned = Command::new(program)
            .args(words)
            .arg(&command.host)
            // For a login shell of any kind.
            .arg("exec sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|error| Fault::Hopeless {
            why: format!("cannot start {}: {error}", program.to_string_lossy()),
            help: "install an ssh client, or name one in MTDKEEP_SSH".into(),
        })?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let missing = || Fault::Lost("ssh has no standard streams".into());
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        // So that ssh goes on while what it brought is digested; where that is not allowed,
        // it waits more often.
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE_BYTES);
        let listened = listen(errors, stderr.clone(), command.said.clone());
        let mut session = Self {
            child,
            stdin: Some(stdin),
            stdout,
            stderr,
            listened,
            interrupt,
            command: command.clone(),
            waits: Some((Instant::now(), false)),
            word,
            number: 0,
            pending: Vec::new(),
            start: 0,
            end: 0,
            open: false,
        };
        session.write("LC_ALL=C; export LC_ALL; exec 3>&1\n")?;
        let hello = session.run("echo ready")?;
        session.waits = None;
        match hello.trim_ascii() {
            b"ready" => Ok(session),
            _ => Err(Fault::Hopeless {
                why: "what answers there is no shell".into(),
                help: "log in by hand, and look whether `echo ready` prints that word".into(),
            }),
        }
    }

    /// Runs a command to its end; its standard output, which must be short. A command
    /// that fails is no error here.
    pub(super) fn run(&mut self, command: &str) -> Result<Vec<u8>, Fault> {
        Ok(self.run_whole(command)?.0)
    }

    /// The same, with its exit status and what it said on standard error.
    pub(super) fn run_whole(&mut self, command: &str) -> Result<(Vec<u8>, u32, String), Fault> {
        self.start(command)?;
        let mut all = Vec::new();
        let mut chunk = vec![0; 16 << 10];
        loop {
            match self.read(&mut chunk)? {
                Received::Data(count) => all.extend_from_slice(&chunk[..count]),
                Received::End { status, errors } => return Ok((all, status, errors)),
            }
            if all.len() > 16 << 20 {
                return Err(Fault::Lost("a short answer does not end".into()));
            }
        }
    }

    /// Starts a command; its output comes with [`Session::read`].
    pub(super) fn start(&mut self, command: &str) -> Result<(), Fault> {
        self.finish()?;
        self.number += 1;
        let (word, number) = (&self.word, self.number);
        // Standard error comes behind the output, so that neither can be taken for a
        // part of the other.
        let text = format!(
            "echo; echo {word} b {number}; E=$( {{ {command}\n}} </dev/null 2>&1 >&3 3>&- ); \
             R=$?; echo; echo {word} e {number} $R; echo \"$E\"; echo; echo {word} z {number}\n"
        );
        self.write(&text)?;
        self.open = true;
        self.skip_to(format!("\n{word} b {number}\n", word = self.word).as_bytes())
    }

    /// The next bytes of the command's standard output, or its end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<Received, Fault> {
        if !self.open {
            return Err(Fault::Lost("no command is running".into()));
        }
        let mark = format!("\n{} e {} ", self.word, self.number);
        loop {
            let pending = &self.pending[self.start..self.end];
            let (ready, ended) = match position(pending, mark.as_bytes()) {
                Some(0) => return self.end(mark.len()),
                Some(at) => (at, true),
                None => (pending.len().saturating_sub(mark.len() - 1), false),
            };
            if ready > 0 && (ended || ready >= buf.len() || pending.len() < CHUNK_BYTES) {
                let count = ready.min(buf.len());
                buf[..count].copy_from_slice(&pending[..count]);
                self.start += count;
                return Ok(Received::Data(count));
            }
            self.fill()?;
        }
    }

    /// What follows the mark of a command's end.
    fn end(&mut self, mark_bytes: usize) -> Result<Received, Fault> {
        let last = format!("\n{} z {}\n", self.word, self.number);
        let mut end = None;
        while end.is_none() {
            end = position(&self.pending[self.start..self.end], last.as_bytes());
            if end.is_none() {
                if self.end - self.start > ERRORS_BYTES_MAX {
                    return Err(Fault::Lost("what a command says does not end".into()));
                }
                self.fill()?;
            }
        }
        let from = self.start + mark_bytes;
        let to = self.start + end.unwrap_or_default();
        let text = String::from_utf8_lossy(&self.pending[from..to]).into_owned();
        self.start = to + last.len();
        self.open = false;
        let (status, errors) = text.split_once('\n').unwrap_or((&text, ""));
        Ok(Received::End {
            status: status.trim().parse().unwrap_or(u32::MAX),
            errors: errors.trim().to_owned(),
        })
    }

    /// Reads a command's output to its end, where something is left of it that may be
    /// waited for; else it is a loss, and a new login costs less.
    fn finish(&mut self) -> Result<(), Fault> {
        const WORTH_WAITING_BYTES: usize = 1 << 20;
        let mut chunk = vec![0; 4096];
        let mut dropped = 0;
        while self.open {
            if let Received::Data(count) = self.read(&mut chunk)? {
                dropped += count;
                if dropped > WORTH_WAITING_BYTES {
                    return Err(Fault::Lost("a stream was left before its end".into()));
                }
            }
        }
        Ok(())
    }

    fn skip_to(&mut self, mark: &[u8]) -> Result<(), Fault> {
        let mut skipped = 0;
        loop {
            let pending = &self.pending[self.start..self.end];
            if let Some(at) = position(pending, mark) {
                self.start += at + mark.len();
                return Ok(());
            }
            let past = pending.len().saturating_sub(mark.len() - 1);
            self.start += past;
            skipped += past;
            if skipped > BANNER_BYTES_MAX {
                return Err(Fault::Lost("what answers there is no shell".into()));
            }
            self.fill()?;
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Fault> {
        let written = match &mut self.stdin {
            Some(stdin) => stdin
                .write_all(text.as_bytes())
                .and_then(|()| stdin.flush()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|_| self.loss())
    }

    /// Waits for more of ssh's output.
    fn fill(&mut self) -> Result<(), Fault> {
        // Little is left where much is wanted.
        self.pending.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.pending.len() < self.end + CHUNK_BYTES {
            self.pending.resize(self.end + CHUNK_BYTES, 0);
        }
        loop {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            let mut wanted = libc::pollfd {
                fd: self.stdout.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one structure, and a count of one.
            if unsafe { libc::poll(&mut wanted, 1, 250) } > 0 {
                break;
            }
            self.look_at_the_silence()?;
        }
        let read = loop {
            match self.stdout.read(&mut self.pending[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.end += count;
        match count {
            0 => Err(self.loss()),
            _ => Ok(()),
        }
    }

    /// A wait for a first answer has its end, and is no riddle until then.
    fn look_at_the_silence(&mut self) -> Result<(), Fault> {
        let Some((since, is_said)) = &mut self.waits else {
            return Ok(());
        };
        let [note, end] = self.command.silence;
        if since.elapsed() >= end {
            return Err(Fault::Hopeless {
                why: "no shell answers there".into(),
                help: "log in by hand: does a menu, or a question, come before the shell?".into(),
            });
        }
        if since.elapsed() >= note && !std::mem::replace(is_said, true) {
            (self.command.said)("no shell has answered yet; Ctrl-C ends the waiting");
        }
        Ok(())
    }

    /// ssh has ended, or will not go on.
    fn loss(&mut self) -> Fault {
        if self.interrupt.load(Ordering::Relaxed) {
            return Fault::Stopped;
        }
        self.stdin = None;
        let _ = self.child.kill();
        let status = self.child.wait().ok().and_then(|status| status.code());
        // Its last words. What ssh left running (a shared connection's keeper) may hold
        // the stream for ever, so that they are not waited for without end.
        if let Some(listened) = self.listened.take() {
            let _ = listened.recv_timeout(LAST_WORDS);
        }
        let lines = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        advice::of(lines.iter().map(String::as_str), status, self.number > 1)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what ssh says, and keeps its last lines.
fn listen(
    stderr: ChildStderr,
    kept: Arc<Mutex<VecDeque<String>>>,
    said: Arc<dyn Fn(&str) + Send + Sync>,
) -> Option<mpsc::Receiver<()>> {
    let (ended, listened) = mpsc::channel::<()>();
    let listen = move || {
        // Dropped at the end.
        let _ended = ended;
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if !text.is_empty() {
                said(&text);
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(text);
        }
    };
    std::thread::Builder::new()
        .spawn(listen)
        .ok()
        .map(|_| listened)
}

/// Where a mark stands first.
fn position(text: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something that takes all and answers nothing, or says it again as a terminal does.
    #[rstest::rstest]
    #[case("exec sleep 1000")]
    #[case("exec cat")]
    fn what_is_no_shell_is_not_waited_for_without_end(#[case] script: &str) {
        static NO: AtomicBool = AtomicBool::new(false);
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let tells = told.clone();
        let command = SshCommand {
            // The host is a word that the shell does not look at.
            words: vec!["sh".into(), "-c".into(), script.into()],
            host: "device".into(),
            said: Arc::new(move |line| tells.lock().unwrap().push(line.into())),
            silence: [Duration::ZERO, Duration::from_millis(600)],
        };
        let session = Session::new(&command, "word".into(), &NO).map(drop);
        assert!(
            matches!(&session, Err(Fault::Hopeless { why, .. }) if why.contains("no shell")),
            "{session:?}"
        );
        assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    }
}
