//! Makes several hundred calls on this machine's MTD interface and prints each
//! answer as one line: what a kernel says, for comparison with another one or
//! with a simulation. See `mtd_conformance`.
//!
//! Without `--allow-writing` it only reads, and opens nothing for writing.

use mtd_conformance::Errno;
use mtd_conformance::compare::{self, Marks, Scope};
use mtd_conformance::native::Native;
use mtd_conformance::run::{Report, Runner};
use mtd_conformance::script::{Cases, Roles, Step};
use mtd_conformance::{Permit, Target};
use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
Makes several hundred calls on the MTD interface of this machine and prints
each answer as one line.

usage: mtd-conformance [OPTIONS]

  --allow-writing mtdN[,mtdM…]  make also the calls that write to these
                        partitions, or would if the kernel did not refuse.
                        Only the scratch partition is written to; its contents
                        are read first and put back at the end. If the program
                        is killed they are lost: take a backup first
  --scratch mtdN        the partition to write to: writeable, 8 erase blocks
                        [default: mtd4]
  --read-only mtdN      a partition that Linux forces read-only [default: mtd9]
  --nodeless mtdN       one that has no nodes [default: mtd10]
  --folder DIR          where temporary nodes are made [default: /tmp]
  --save FILE           keep the scratch partition's contents in this new file
                        as well, before anything is written
  --compare FILE        print no lines but how they differ from a stored run
  --simulated           with --compare: this chip clears bits and keeps locks,
                        so marked lines are to answer as silicon does
  --qemu-user           with --compare: pass over ioctls of MTD and what follows
                        from them (QEMU's user mode answers them by itself)
  -h, --help            this text

exit status: 0 done, 1 differs, 2 usage, 4 no MTD here or contents not restored
";

struct Options {
    roles: Roles,
    permit: Permit,
    save: Option<String>,
    compare: Option<String>,
    scope: Scope,
    marks: Marks,
}

fn index(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("mtd").unwrap_or(text);
    number
        .parse()
        .map_err(|_| format!("{text:?} is no MTD device; say for example mtd4"))
}

/// None: help was asked for.
fn options(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        roles: Roles::default(),
        permit: Permit::default(),
        save: None,
        compare: None,
        scope: Scope::Everything,
        marks: Marks::Agree,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--allow-writing" => {
                for part in value()?.split(',') {
                    options.permit.0.push(index(part)?);
                }
            }
            "--scratch" => options.roles.scratch = index(&value()?)?,
            "--read-only" => options.roles.read_only = index(&value()?)?,
            "--nodeless" => options.roles.nodeless = index(&value()?)?,
            "--folder" => options.roles.folder = value()?,
            "--save" => options.save = Some(value()?),
            "--compare" => options.compare = Some(value()?),
            "--simulated" => options.marks = Marks::AsSilicon,
            "--qemu-user" => options.scope = Scope::QemuUser,
            _ => return Err(format!("unknown option {word}; --help lists them")),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("mtd-conformance: {why}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("mtd-conformance: {why}");
            ExitCode::from(4)
        }
    }
}

fn run(mut options: Options) -> Result<bool, String> {
    let mut target = Native;
    let listed = target.text("/proc/mtd").unwrap_or_default();
    options.roles.absent = listed.lines().count().saturating_sub(1) as u32;
    let cases = Cases::all(&options.roles).map_err(|error| error.to_string())?;
    let golden = match &options.compare {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            Some(compare::parse(&text)?)
        }
        None => None,
    };
    let mut out = std::io::stdout().lock();
    if golden.is_none() {
        header(&mut out, &cases).map_err(|error| error.to_string())?;
    }
    let mut runner = Runner::new(&mut target, &options.roles).map_err(|e| e.to_string())?;
    let mut printed = Ok(());
    let report = runner.run(
        &cases,
        &options.permit,
        &mut |line| {
            if golden.is_none() && printed.is_ok() {
                printed = writeln!(out, "{line}");
            }
        },
        &mut |number, bytes| keep(options.save.as_deref(), &options.roles, number, bytes),
    );
    let report: Report = report.map_err(|error| error.to_string())?;
    printed.map_err(|error| format!("stdout: {error}"))?;
    for (name, why) in &report.skipped {
        eprintln!("section {name} left out: {why}");
    }
    eprintln!("{}", report.summary());
    let Some(golden) = golden else {
        return Ok(true);
    };
    let outcome = compare::compare(&golden, &report, &cases, options.scope, options.marks);
    writeln!(out, "{outcome}").map_err(|error| format!("stdout: {error}"))?;
    Ok(outcome.wrong.is_empty())
}

fn header(out: &mut impl Write, cases: &Cases) -> std::io::Result<()> {
    let uname = rustix::system::uname();
    let (release, machine) = (uname.release(), uname.machine());
    writeln!(out, "# mtd-conformance on Linux {release:?}, {machine:?}")?;
    for (name, reason) in &cases.reasons {
        let marks = |step: &Step| step.mark.as_ref().is_some_and(|mark| mark.name == *name);
        if cases.calls().any(|(_, step)| marks(step)) {
            writeln!(out, "# !{name}: {reason}")?;
        }
    }
    Ok(())
}

/// Writes the scratch partition's contents to a new file, to the disk.
fn keep(path: Option<&str>, roles: &Roles, number: u32, bytes: &[u8]) -> Result<(), Errno> {
    let Some(path) = path.filter(|_| number == roles.scratch) else {
        return Ok(());
    };
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| {
        let raw = error.raw_os_error();
        raw.map_or(Errno::IO, Errno::from_raw_os_error)
    })
}
