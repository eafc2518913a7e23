//! What the words of a command line mean. A parser only tells them apart
//! ([`Words`]); what they mean, which belong together and which are wrong is
//! decided here, once for both parsers.

use super::args::{
    BackupArgs, Command, Global, ImportArgs, Invocation, Profile, SandboxArgs, ScriptArgs,
    UsageError,
};
use super::spec::{self, CommandSpec, Takes};
use crate::backup::DigestChoice;
use std::ffi::OsString;
use std::path::PathBuf;

/// A command line's words, told apart by a parser.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) command: &'static CommandSpec,
    pub(crate) operands: Vec<OsString>,
    /// Each option's name with its value; several times where it was.
    pub(crate) options: Vec<(&'static str, Option<OsString>)>,
}

impl Words {
    /// What the words mean.
    pub(crate) fn interpret(mut self) -> Result<Invocation, UsageError> {
        self.check_repeats()?;
        let global = self.global()?;
        let command = self.command(&global)?;
        if matches!(
            command,
            Command::Clean { .. }
                | Command::Script(_)
                | Command::Import(_)
                | Command::Completions { .. }
                | Command::Man { .. }
        ) && (global.is_simulated() || global.root.is_some())
        {
            return Err(UsageError(format!(
                "{} looks at no device: leave --simulate, --image and --root away",
                self.command.name
            )));
        }
        Ok(Invocation { global, command })
    }

    /// Only options that take several values may come several times: otherwise
    /// one of them would silently do nothing.
    fn check_repeats(&self) -> Result<(), UsageError> {
        let known = self.command.options.iter().chain(spec::GLOBAL);
        for option in known.filter(|option| !matches!(option.takes, Takes::Values(_))) {
            let name = option.name;
            if self.options.iter().filter(|(n, _)| *n == name).count() > 1 {
                return Err(UsageError(format!("--{name} was given twice")));
            }
        }
        Ok(())
    }

    fn global(&mut self) -> Result<Global, UsageError> {
        let simulate = self.take("simulate").map(|value| match value {
            None => Profile::Ispot,
            Some(name) if name == "ispot" => Profile::Ispot,
            Some(file) => Profile::ProcMtd(file.into()),
        });
        let seed = match self.value("seed") {
            Some(word) => Some(number("seed", &word)?),
            None => None,
        };
        let faults = match self.value("faults") {
            Some(word) => Some(text("faults", word)?),
            None => None,
        };
        // The sandbox has no other device than a simulated one.
        let simulate = match self.command.name {
            "sandbox" if simulate.is_none() && !self.has("image") => Some(Profile::Ispot),
            _ => simulate,
        };
        let global = Global {
            simulate,
            seed,
            faults,
            image: self.value("image").map(PathBuf::from),
            root: self.value("root").map(PathBuf::from),
            json: self.flag("json"),
            quiet: self.flag("quiet"),
        };
        global.check()?;
        Ok(global)
    }

    fn command(&mut self, global: &Global) -> Result<Command, UsageError> {
        Ok(match self.command.name {
            "list" => Command::List,
            "backup" => Command::Backup(BackupArgs {
                output: self.value("output").map(PathBuf::from),
                partitions: self.partitions()?,
                read_again: self.flag("read-again"),
                digests: self.digests()?,
            }),
            "verify" => {
                let device = self.flag("device");
                let (folder, simulated) = (self.folder()?, global.is_simulated());
                if !device && (simulated || global.root.is_some()) {
                    return Err(UsageError(
                        "verify looks at a device only with --device: add it, or leave \
                         --simulate, --image and --root away"
                            .into(),
                    ));
                }
                Command::Verify { folder, device }
            }
            "clean" => Command::Clean {
                dry_run: self.flag("dry-run"),
                folder: self.folder()?,
            },
            "nodes" => Command::Nodes {
                create: self.flag("create"),
            },
            "image" => {
                if global.simulate.is_none() {
                    return Err(UsageError(
                        "image writes a simulated chip: add --simulate".into(),
                    ));
                }
                let output = self.value("output").map(PathBuf::from);
                Command::Image {
                    output: output.ok_or_else(|| UsageError("image needs --output FILE".into()))?,
                }
            }
            "sandbox" => Command::Sandbox(self.sandbox(global)?),
            "script" => Command::Script(ScriptArgs {
                output: self.value("output-dir").map(PathBuf::from),
                partitions: self.partitions()?,
                read_again: self.flag("read-again"),
            }),
            "import" => Command::Import(ImportArgs {
                layout: self.value("layout").map(PathBuf::from),
                output: self.value("output").map(PathBuf::from),
                folder: self.folder()?,
            }),
            "completions" => Command::Completions {
                shell: text("SHELL", self.operand()?)?,
            },
            "man" => Command::Man {
                command: match self.operands.pop() {
                    Some(word) => Some(text("COMMAND", word)?),
                    None => None,
                },
            },
            other => return Err(UsageError(format!("there is no command {other:?}"))),
        })
    }

    fn sandbox(&mut self, global: &Global) -> Result<SandboxArgs, UsageError> {
        if global.json {
            return Err(UsageError(
                "sandbox prints nothing of its own on standard output: leave --json away".into(),
            ));
        }
        let mut args = SandboxArgs {
            program: std::mem::take(&mut self.operands),
            keep: self.flag("keep"),
            save: self.value("save").map(PathBuf::from),
            read_only: self.flag("read-only"),
            stats: self.flag("stats"),
            trace: self.flag("trace"),
            ..SandboxArgs::default()
        };
        while let Some(word) = self.value("map") {
            args.maps.push(map(&word)?);
        }
        while let Some(word) = self.value("with-node") {
            args.nodes.push(text("with-node", word)?);
        }
        if let Some(word) = self.value("kernel") {
            args.kernel = Some(version_number(&text("kernel", word)?)?);
        }
        Ok(args)
    }

    fn partitions(&mut self) -> Result<Vec<String>, UsageError> {
        let mut partitions = Vec::new();
        while let Some(word) = self.value("partition") {
            partitions.push(text("partition", word)?);
        }
        Ok(partitions)
    }

    fn digests(&mut self) -> Result<DigestChoice, UsageError> {
        let Some(word) = self.value("digest") else {
            return Ok(DigestChoice::default());
        };
        match word.to_str() {
            Some("both") => Ok(DigestChoice::Both),
            Some("crc32") => Ok(DigestChoice::Crc32),
            Some("sha256") => Ok(DigestChoice::Sha256),
            _ => Err(UsageError(format!(
                "--digest takes both, crc32 or sha256, not {:?}",
                word.to_string_lossy()
            ))),
        }
    }

    fn folder(&mut self) -> Result<PathBuf, UsageError> {
        self.operand().map(PathBuf::from)
    }

    fn operand(&mut self) -> Result<OsString, UsageError> {
        self.operands
            .pop()
            .ok_or_else(|| missing_operand(self.command))
    }

    /// Takes the first occurrence of an option, with its value.
    fn take(&mut self, name: &str) -> Option<Option<OsString>> {
        let at = self.options.iter().position(|(n, _)| *n == name)?;
        Some(self.options.remove(at).1)
    }

    fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(n, _)| *n == name)
    }

    fn value(&mut self, name: &str) -> Option<OsString> {
        self.take(name).flatten()
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }
}

impl Global {
    /// Whether the device is not a real one.
    pub fn is_simulated(&self) -> bool {
        self.simulate.is_some() || self.image.is_some()
    }

    fn check(&self) -> Result<(), UsageError> {
        let wrong = |text: &str| Err(UsageError(text.into()));
        if self.root.is_some() && self.is_simulated() {
            return wrong(
                "--root is for real devices and copies of them, --simulate and --image for simulated ones: use one",
            );
        }
        if self.seed.is_some() && (self.simulate.is_none() || self.image.is_some()) {
            return wrong("--seed is for the contents of --simulate");
        }
        if self.faults.is_some() && !self.is_simulated() {
            return wrong("--faults is for the flash of --simulate or --image");
        }
        Ok(())
    }
}

/// Says that an operand is missing.
pub(crate) fn missing_operand(command: &CommandSpec) -> UsageError {
    let name = command.operand.map_or("", |operand| operand.name);
    UsageError(format!(
        "{name} is missing\n\nUsage: {}",
        super::help::usage(command)
    ))
}

/// `INSIDE=DIR`.
fn map(word: &OsString) -> Result<(PathBuf, PathBuf), UsageError> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bytes = word.as_bytes();
    let halves = bytes.iter().position(|byte| *byte == b'=');
    let halves = halves.map(|at| (&bytes[..at], &bytes[at + 1..]));
    match halves {
        Some((inside, outside)) if inside.starts_with(b"/") && !outside.is_empty() => Ok((
            OsStr::from_bytes(inside).into(),
            OsStr::from_bytes(outside).into(),
        )),
        _ => Err(UsageError(format!(
            "--map takes INSIDE=DIR with an absolute INSIDE, such as /var/wwwroot=out, not {:?}",
            word.to_string_lossy()
        ))),
    }
}

/// `2.6.24`, `5.10`.
fn version_number(word: &str) -> Result<(u16, u16, u16), UsageError> {
    let mut numbers = word.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next();
    match (next(), next(), next(), next()) {
        (Some(Some(major)), Some(Some(minor)), None, _) => Ok((major, minor, 0)),
        (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
            Ok((major, minor, patch))
        }
        _ => Err(UsageError(format!(
            "--kernel takes a version such as 2.6.24, not {word:?}"
        ))),
    }
}

fn number(option: &str, word: &OsString) -> Result<u64, UsageError> {
    word.to_str()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| {
            UsageError(format!(
                "--{option} takes a whole number, not {:?}",
                word.to_string_lossy()
            ))
        })
}

fn text(what: &str, word: OsString) -> Result<String, UsageError> {
    word.into_string()
        .map_err(|word| UsageError(format!("{what}: {word:?} is not valid UTF-8")))
}
