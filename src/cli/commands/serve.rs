//! `mtdkeep serve`.

use super::backup::{DIGEST, PARTITION, digests};
#[cfg(feature = "full")]
use crate::backup::{self, Access, Directory as _, Folder};
use crate::backup::{DigestChoice, size};
use crate::cli::Exit;
use crate::cli::common::device::{self, DeviceArgs};
#[cfg(feature = "full")]
use crate::cli::common::folder;
use crate::cli::common::{self, partitions, signals};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::names;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::{
    CommandSpec, DEVICE, Job, LAYOUT, OperandSpec, OptionSpec, RESULT, Takes, option,
};
use crate::serve::{Content, Server, Until, Watcher, is_plain_token, parse_address, random_token};
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "DIR",
        help: "A backup to serve instead of a device's flash",
        required: false,
        rest: false,
    }),
    options: &[OPTIONS, &[PARTITION, DIGEST], &[LAYOUT], DEVICE, RESULT],
    details: "\
Streams straight from flash; nothing is stored, and flash is only read. The
page has all links; backup.tar is everything in one. The addresses that are
printed have a word in them that nobody can guess: who knows it gets this
device's secrets. Only this machine and private networks are let in, unless
--listen names another address.
",
    examples: &[
        "mtdkeep serve",
        "mtdkeep serve --once --listen 192.168.1.1:80",
        "mtdkeep serve --simulate",
        "mtdkeep serve --clean /var/wwwroot/mtd_backup",
    ],
    ..CommandSpec::new(
        "serve",
        "Let a browser or a program fetch a backup, straight from flash",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "listen",
        Takes::Value("ADDR:PORT"),
        "Where to listen [default: 0.0.0.0:8080, all own addresses]",
    ),
    option("once", Takes::Nothing, "End when all was fetched"),
    option(
        "token",
        Takes::Value("WORD"),
        "The word in the address [default: a random one]",
    ),
    option(
        "no-token",
        Takes::Nothing,
        "No word in the address: everybody who reaches it gets all",
    ),
    option(
        "clean",
        Takes::Nothing,
        "Remove DIR, and end, when a client has proven what he fetched",
    ),
];

/// Not 80: a device's own pages are there.
const PORT: u16 = 8080;

struct Args {
    device: DeviceArgs,
    partitions: Vec<String>,
    digests: DigestChoice,
    /// Of a backup, instead of the device.
    #[cfg(feature = "full")]
    folder: Option<PathBuf>,
    listen: SocketAddr,
    token: Option<String>,
    until: Until,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    #[cfg_attr(not(feature = "full"), allow(unused_mut))]
    let mut device = device::parse(given)?;
    #[cfg(feature = "full")]
    device.set_layout(given.path("layout"))?;
    let wrong = |text: &str| Err(UsageError(text.into()));
    let folder = given.operand().map(PathBuf::from);
    if folder.is_some() && !cfg!(feature = "full") {
        return Err(names::not_in_this_build("serve DIR"));
    }
    let partitions = given.texts("partition")?;
    let digest = given.value("digest");
    if folder.is_some() && (device.is_named() || !partitions.is_empty() || digest.is_some()) {
        return wrong("serve takes a backup or a device, and a backup is served as it is");
    }
    let clean = given.flag("clean");
    if clean && folder.is_none() {
        return wrong("--clean is for a backup: serve --clean DIR");
    }
    let once = given.flag("once");
    let (token, no_token) = (given.text("token")?, given.flag("no-token"));
    if token.is_some() && no_token {
        return wrong("--token and --no-token exclude each other");
    }
    if token.as_ref().is_some_and(|word| !is_plain_token(word)) {
        return wrong("--token takes letters, digits, - and _, 64 at most");
    }
    let token = match token {
        None if !no_token => Some(String::new()),
        other => other,
    };
    let listen = match given.text("listen")? {
        None => (Ipv4Addr::UNSPECIFIED, PORT).into(),
        Some(word) => match parse_address(&word) {
            Some(address) => address,
            None => return wrong("--listen takes an address with a port: 192.168.1.1:8080"),
        },
    };
    let args = Args {
        device,
        partitions,
        digests: match digest {
            Some(word) => digests(&word)?,
            None => DigestChoice::default(),
        },
        #[cfg(feature = "full")]
        folder,
        listen,
        token,
        until: match (clean, once) {
            (true, _) => Until::Verified,
            (_, true) => Until::Fetched,
            _ => Until::Stopped,
        },
    };
    Ok(Box::new(move |output| run(&args, output)))
}

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    addresses: Vec<String>,
    fetched: bool,
    verified: bool,
    removed: bool,
}

/// A line for each file that went out whole.
struct OutputWatcher<'a>(&'a Output);

impl Watcher for OutputWatcher<'_> {
    fn sent(&self, peer: &str, file: &str, bytes: u64) {
        self.0
            .line(&format!("{peer} has got {} of {file}", size(bytes)));
    }

    fn warn(&self, text: &str) {
        self.0.warn(text);
    }
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    #[cfg(feature = "full")]
    if let Some(path) = &args.folder {
        let access = match args.until {
            Until::Verified => Access::Change,
            _ => Access::Look,
        };
        let folder = folder::open(path, access, output)?;
        let mut content = Content::of_folder(&folder)?;
        let remove = || match args.until {
            Until::Verified => remove(&folder, output),
            _ => Ok(false),
        };
        return serve(args, &mut content, &remove, interrupt, output);
    }
    let backend = device::open(&args.device, output)?;
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let now = SystemTime::now();
    let content = Content::of_device(backend.as_ref(), &args.partitions, args.digests, now, &work);
    serve(args, &mut content?, &|| Ok(false), interrupt, output)
}

/// Removes a backup that was proven elsewhere.
#[cfg(feature = "full")]
fn remove(folder: &Folder, output: &Output) -> Result<bool, CliError> {
    let cleaned = backup::clean::clean(folder)?;
    if cleaned.takes_folder() {
        folder.remove_if_empty();
    }
    let folder = folder.describe();
    output.line(&format!("{folder} was removed: it was proven elsewhere"));
    Ok(true)
}

fn serve(
    args: &Args,
    content: &mut Content,
    at_end: &dyn Fn() -> Result<bool, CliError>,
    interrupt: &AtomicBool,
    output: &Output,
) -> Result<Exit, CliError> {
    let failed = |what: String, source: std::io::Error| CliError::Other {
        exit: Exit::Io,
        message: format!("{what}: {source}"),
        help: Some("choose another address or port with --listen".into()),
    };
    let token = match &args.token {
        Some(word) if word.is_empty() => {
            Some(random_token().map_err(|e| failed("no random token".into(), e))?)
        }
        other => other.clone(),
    };
    let server = Server::bind(args.listen, token)
        .map_err(|source| failed(format!("cannot listen on {}", args.listen), source))?;
    let (count, bytes) = content.size();
    output.line(&format!("serving {}, {}:", partitions(count), size(bytes)));
    let addresses = server.addresses();
    for address in &addresses {
        output.line(&format!("  {address}"));
        #[cfg(feature = "full")]
        output.aside(&format!("serving at {address}"));
    }
    // Nobody else knows the word in it.
    output.check()?;
    output.line("who has this address can read this device's secrets; Ctrl-C ends it");
    if server.is_public() {
        output.warn("this address is none of a private network: anybody may reach it");
    }
    let progress = Progress::new(output, Lines::None);
    let work = common::work(interrupt, &progress);
    let is_done = server.run(content, args.until, &work, &OutputWatcher(output))?;
    let removed = is_done && at_end()?;
    let (exit, outcome) = match (is_done, content.is_partial()) {
        (false, _) => (Exit::Interrupted, "interrupted"),
        (true, true) => (Exit::Partial, "partial"),
        (true, false) => (Exit::Done, "done"),
    };
    if is_done {
        output.line("all was fetched");
    }
    let body = Body {
        outcome,
        addresses,
        fetched: content.is_fetched(),
        verified: content.is_verified(),
        removed,
    };
    output.document("serve", exit, &body);
    Ok(exit)
}
