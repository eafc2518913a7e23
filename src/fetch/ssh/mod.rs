//! A device with an ssh server and a shell, as every BusyBox has one. Nothing of ours
//! is there, and nothing is left there.

mod advice;
mod mounts;
mod nand;
mod probe;
mod session;

pub(crate) use session::{SILENCE, SshCommand};

use super::remote::{Proof, RemoteBackend};
use super::wire::{Fault, Patience, Source};
use crate::mtd::{Errno, MtdError, MtdIndex, MtdInfo, Node, OwnDigest};
use probe::Tools;
use session::{Received, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

/// What a first look at a device gave.
pub(crate) struct Connected {
    /// The device, to be [fetched](super::fetch).
    pub(crate) backend: RemoteBackend,
    /// What will prove its images.
    pub(crate) proof: Proof,
    /// What is worth a warning, in words.
    pub(crate) notes: Vec<String>,
}

/// Logs in and looks what is there. `word` is a random one, of letters and digits;
/// `layout` the name and the text of a file that tells more of the layout.
///
/// # Errors
/// [`MtdError::Unreachable`]; what [`MtdBackend::devices`](crate::mtd::MtdBackend) has.
pub(crate) fn connect(
    command: SshCommand,
    word: &str,
    layout: Option<(&str, &[u8])>,
    patience: Patience,
    interrupt: &'static AtomicBool,
) -> Result<Connected, MtdError> {
    let mut source = SshSource {
        command,
        word: format!("mtdkeep-{word}"),
        interrupt,
        session: None,
        nodes: BTreeMap::new(),
        tools: Tools::default(),
        nand: BTreeSet::new(),
        pieces: None,
        table: None,
    };
    let (mut failures, at_first) = (0, patience.at_first());
    let answer = loop {
        let word = source.word.clone();
        let asked = source
            .session()
            .and_then(|session| session.run(&probe::commands(&word)));
        match asked {
            Ok(answer) => break answer,
            Err(fault) => {
                source.reset();
                failures += 1;
                let again = matches!(&fault, Fault::Lost(why) if at_first.after(failures, why));
                if !again {
                    return Err(unreachable(&source, fault));
                }
            }
        }
    };
    let probed = probe::understand(&answer, &source.word, layout)?;
    source.table = Some(probed.table);
    source.nodes = probed.nodes;
    source.tools = probed.tools;
    source.nand = probed.nand;
    let proof = match probed.tools {
        Tools {
            sha256sum: true, ..
        } => Proof::OwnDigest("SHA-256"),
        Tools { md5sum: true, .. } => Proof::OwnDigest("MD5"),
        _ => Proof::ReadTwice,
    };
    let backend = RemoteBackend::new(
        probed.description,
        probed.devices,
        Box::new(source),
        patience,
    );
    Ok(Connected {
        backend,
        proof,
        notes: probed.notes,
    })
}

fn unreachable(source: &SshSource, fault: Fault) -> MtdError {
    let (why, help) = match fault {
        Fault::Hopeless { why, help } => (why, help),
        Fault::Lost(why) => (
            why,
            "look whether the device is there, and log in by hand".into(),
        ),
        Fault::Stopped => ("interrupted".into(), "start the same command again".into()),
        Fault::Device(errno) => (errno.to_string(), "log in by hand".into()),
    };
    MtdError::Unreachable {
        from: source.name(),
        why,
        help,
    }
}

struct SshSource {
    command: SshCommand,
    word: String,
    interrupt: &'static AtomicBool,
    session: Option<Session>,
    nodes: BTreeMap<MtdIndex, String>,
    tools: Tools,
    /// Which of them are NAND.
    nand: BTreeSet<MtdIndex>,
    /// The stream, where it is one of those and nanddump is there.
    pieces: Option<(MtdInfo, nand::Pieces)>,
    /// Its `/proc/mtd`, once it is known.
    table: Option<Vec<u8>>,
}

impl SshSource {
    fn has_nanddump_for(&self, device: &MtdInfo) -> bool {
        self.tools.nanddump && self.nand.contains(&device.index)
    }

    fn session(&mut self) -> Result<&mut Session, Fault> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let mut new = Session::new(&self.command, self.word.clone(), self.interrupt)?;
                self.recognise(&mut new)?;
                new
            }
        };
        Ok(self.session.insert(session))
    }

    /// After a loss: the device may have started its other system, or its address may be
    /// another device's by now, whose mtdN is not what was asked for.
    fn recognise(&self, session: &mut Session) -> Result<(), Fault> {
        let Some(table) = &self.table else {
            return Ok(());
        };
        match session.run("cat /proc/mtd")?.trim_ascii() == table.trim_ascii() {
            true => Ok(()),
            false => Err(Fault::Hopeless {
                why: "what answers there now has other partitions than before the loss".into(),
                help: "look which device, or which of its systems, is there; then fetch into a \
                       new folder"
                    .into(),
            }),
        }
    }

    /// A command that opens a device as descriptor 4 and does something with it. A
    /// private node is gone again before that.
    fn with_device(&self, device: MtdIndex, act: &str) -> String {
        match self.nodes.get(&device) {
            Some(node) => format!("( exec 4<{node}; {act} <&4 )"),
            None => {
                let (word, minor) = (&self.word, device.char_minor());
                // /tmp may be mounted nodev; /dev never is.
                format!(
                    "( umask 077; O=; for p in /tmp /dev; do d=$p/.{word}; \
                     mkdir $d 2>/dev/null || continue; \
                     if mknod $d/n c 90 {minor} && ( : <$d/n ) 2>/dev/null; then exec 4<$d/n; \
                     O=y; fi; rm -f $d/n; rmdir $d; [ -z \"$O\" ] || break; done; \
                     [ \"$O\" ] || {{ echo no node >&2; exit 9; }}; {act} <&4 )"
                )
            }
        }
    }
}

impl Source for SshSource {
    fn name(&self) -> String {
        format!("ssh {}", self.command.host)
    }

    fn check(&mut self, device: &MtdInfo) -> Result<Result<(), MtdError>, Fault> {
        let command = self.with_device(device.index, "true");
        let (status, errors) = {
            let session = self.session()?;
            session.start(&command)?;
            loop {
                if let Received::End { status, errors } = session.read(&mut [0; 64])? {
                    break (status, errors);
                }
            }
        };
        if status == 0 {
            return Ok(Ok(()));
        }
        let node = Node::character(device.index);
        Ok(Err(if self.nodes.contains_key(&device.index) {
            MtdError::Device {
                operation: crate::mtd::Operation::Open,
                device: device.id(),
                offset_bytes: None,
                length_bytes: None,
                source: errno(&errors),
            }
        } else {
            MtdError::NodeMissing {
                device: device.id(),
                path: node.to_string().into(),
                why: "no private node could be made there (that needs root)".into(),
                fix: format!("on the device, as root: {}", node.mknod_line()),
            }
        }))
    }

    fn start(
        &mut self,
        device: &MtdInfo,
        offset_bytes: u64,
        length_bytes: Option<u64>,
    ) -> Result<(), Fault> {
        const BLOCK_BYTES_MAX: u64 = 64 << 10;
        if self.has_nanddump_for(device) {
            let pieces = nand::Pieces::new(device, offset_bytes, length_bytes);
            self.pieces = Some((device.clone(), pieces));
            return Ok(());
        }
        self.pieces = None;
        // The largest power of two in both, so that nothing else is read.
        let both = offset_bytes | length_bytes.unwrap_or(0);
        let block = 1_u64.checked_shl(both.trailing_zeros()).unwrap_or(u64::MAX);
        let block = block.min(BLOCK_BYTES_MAX);
        let act = match (offset_bytes, length_bytes) {
            (0, None) => "cat".to_owned(),
            (_, None) => format!("dd bs={block} skip={}", offset_bytes / block),
            (_, Some(length)) => format!(
                "dd bs={block} skip={} count={}",
                offset_bytes / block,
                length / block
            ),
        };
        let command = self.with_device(device.index, &act);
        self.session()?.start(&command)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        if let Some((device, mut pieces)) = self.pieces.take() {
            if let Some((offset, length)) = pieces.wanted() {
                let act = nand::command(Some((offset, length)));
                let command = self.with_device(device.index, &act);
                pieces.ask(self.session()?, &command, length)?;
            }
            let count = pieces.take(buf);
            self.pieces = Some((device, pieces));
            return Ok(count);
        }
        match self.session()?.read(buf)? {
            Received::Data(count) => Ok(count),
            Received::End { status: 0, .. } => Ok(0),
            Received::End { errors, .. } => Err(Fault::Device(errno(&errors))),
        }
    }

    fn own_digest(&mut self, device: &MtdInfo) -> Result<Option<OwnDigest>, Fault> {
        let (tool, digits) = match self.tools {
            Tools {
                sha256sum: true, ..
            } => ("sha256sum", 64),
            Tools { md5sum: true, .. } => ("md5sum", 32),
            _ => return Ok(None),
        };
        let act = match self.has_nanddump_for(device) {
            // Of the same bytes, with 0xFF for bad blocks.
            true => format!("{{ {} 2>/dev/null | {tool}; }}", nand::command(None)),
            false => tool.into(),
        };
        let command = self.with_device(device.index, &act);
        let answer = self.session()?.run(&command)?;
        let answer = String::from_utf8_lossy(&answer);
        let digest = answer.trim().get(..digits).map(str::to_ascii_lowercase);
        let digest = digest.filter(|digest| digest.bytes().all(|b| b.is_ascii_hexdigit()));
        // What cannot be read has none.
        Ok(digest.map(|digest| match digits {
            64 => OwnDigest::Sha256(digest),
            _ => OwnDigest::Md5(digest),
        }))
    }

    fn reset(&mut self) {
        self.session = None;
        self.pieces = None;
    }
}

/// What a program's words say. The words are the C library's.
fn errno(said: &str) -> Errno {
    const WORDS: &[(&str, Errno)] = &[
        ("Input/output error", Errno::IO),
        ("I/O error", Errno::IO),
        ("Permission denied", Errno::ACCESS),
        ("ermission denied", Errno::ACCESS),
        ("Operation not permitted", Errno::PERM),
        ("No such device or address", Errno::NXIO),
        ("No such device", Errno::NODEV),
        ("No such file", Errno::NOENT),
        ("Bad message", Errno::BADMSG),
        ("Device or resource busy", Errno::BUSY),
        ("Resource busy", Errno::BUSY),
    ];
    let known = WORDS.iter().find(|(words, _)| said.contains(words));
    known.map_or(Errno::IO, |(_, errno)| *errno)
}
