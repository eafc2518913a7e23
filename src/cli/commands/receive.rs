//! `mtdkeep receive`.

use super::backup::PARTITION;
use super::fetch;
use crate::capture::{SendRequest, render_send};
use crate::cli::Exit;
use crate::cli::common::{layout, signals, staging};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::Lines;
use crate::cli::spec::{CommandSpec, Job, OperandSpec, OptionSpec, RESULT, Takes, VERBOSE, option};
use crate::receive::{Receiver, Watcher};
use crate::serve::{is_plain_token, parse_address, random_token};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "PORT DIR",
        help: "Where to listen, PORT or ADDR:PORT; and the folder for the backup",
        required: true,
        rest: false,
    }),
    operands_max: 2,
    options: &[OPTIONS, &[VERBOSE], RESULT],
    details: "\
For a device with a shell and a network and no more, such as one that answers
to telnet: prints what to type there. The device sends its flash with nc, or
with a wget that knows --post-data, and nothing is stored on it. Each image is
compared with the SHA-256 or MD5 that the device makes of its flash afterwards;
where it has neither, the flash is sent twice. What is cut off goes on where it
was; files lie in DIR.receiving until they are a backup.
Only private networks are let in, unless ADDR is another one, and only with
the word in the address.
",
    examples: &[
        "mtdkeep receive 8090 my-router",
        "mtdkeep receive 192.168.1.2:8090 my-router --layout boot.log",
    ],
    ..CommandSpec::new(
        "receive",
        "Take a backup that a device sends which has no more than a shell",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    PARTITION,
    fetch::LAYOUT,
    option(
        "token",
        Takes::Value("WORD"),
        "The word in the address [default: a random one]",
    ),
];

struct Args {
    listen: SocketAddr,
    folder: PathBuf,
    partitions: Vec<String>,
    layout: Option<PathBuf>,
    token: Option<String>,
    verbose: bool,
}

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let [listen, folder]: [OsString; 2] = given
        .operands()
        .try_into()
        .map_err(|_| UsageError("PORT and DIR are needed: where to listen, and where to".into()))?;
    let listen = listen.to_string_lossy();
    let port = listen.parse().ok().filter(|port: &u16| *port > 0);
    let address = port.map(|port| (Ipv4Addr::UNSPECIFIED, port).into());
    let Some(listen) = address.or_else(|| parse_address(&listen)) else {
        return Err(UsageError(format!(
            "{listen:?} is no PORT and no ADDR:PORT"
        )));
    };
    let token = given.text("token")?;
    if token.as_ref().is_some_and(|word| !is_plain_token(word)) {
        return Err(UsageError(
            "--token takes letters, digits, - and _, 64 at most".into(),
        ));
    }
    let args = Args {
        listen,
        folder: folder.into(),
        partitions: given.texts("partition")?,
        layout: given.path("layout"),
        token,
        verbose: given.flag("verbose"),
    };
    // Before a device comes and gets one.
    script(&args, "host", 1, "token").map_err(|error| UsageError(error.to_string()))?;
    Ok(Box::new(move |output| run(&args, output)))
}

fn script(
    args: &Args,
    host: &str,
    port: u16,
    token: &str,
) -> Result<String, crate::capture::ScriptError> {
    render_send(&SendRequest {
        host,
        port,
        token,
        partitions: &args.partitions,
    })
}

struct OutputWatcher<'a>(&'a Output);

impl Watcher for OutputWatcher<'_> {
    fn tell(&self, text: &str) {
        self.0.sentence(text);
    }

    fn warn(&self, text: &str) {
        self.0.warn(text);
    }
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let text = args.layout.as_deref().map(layout::read).transpose()?;
    let text = text
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_slice()));
    let target = staging::check_target(&args.folder)?;
    let failed = |what: String, source: std::io::Error| CliError::Other {
        exit: Exit::Io,
        message: format!("{what}: {source}"),
        help: Some("choose another port, or ADDR:PORT".into()),
    };
    let token = match &args.token {
        Some(word) => word.clone(),
        None => random_token().map_err(|e| failed("no random token".into(), e))?,
    };
    let receiver = Receiver::bind(args.listen, token.clone())
        .map_err(|source| failed(format!("cannot listen on {}", args.listen), source))?;
    let addresses = receiver
        .addresses()
        .map_err(|source| failed("cannot tell the address".into(), source))?;
    tell_how(&addresses, &token, output);
    // Nobody else knows the word in it.
    output.check()?;
    if receiver.is_public() {
        output.warn("this address is none of a private network: anybody may reach it");
    }
    let path = staging::beside(&target, "receiving");
    let folder = staging::open(&path, &target, output)?;
    let make = |host: &str, port| script(args, host, port, &token).unwrap_or_default();
    let came = receiver.run(&folder, &make, interrupt, &OutputWatcher(output));
    came.map_err(|failure| staging::left(*failure.error, &folder))?;
    drop(folder);
    let lines = Lines::of(args.verbose);
    let made = staging::import(&path, &args.folder, text, lines, interrupt, output)?;
    Ok(made.made().tell_origin("receive", output))
}

/// What to type on the device, for each address of this machine.
fn tell_how(addresses: &[(String, u16)], token: &str, output: &Output) {
    output.line("on the device, one of these:");
    for (host, port) in addresses {
        let bare = host.trim_matches(['[', ']']);
        output.line(&format!(
            "  wget -q -O - http://{host}:{port}/{token}/send.sh | sh"
        ));
        output.line(&format!(
            "  echo GET /{token}/send.sh | nc {bare} {port} | sh"
        ));
        output.aside(&format!("receiving at http://{host}:{port}/{token}/"));
    }
    if let Some((host, port)) = addresses.first() {
        output.line("or paste there what this prints here:");
        output.line(&format!(
            "  mtdkeep script --send {host}:{port} --token {token}"
        ));
    }
    output.line("waiting; Ctrl-C ends it, and what has come stays");
}
