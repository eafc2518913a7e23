//! Runs a command, or a shell, in the virtual iSpot.
//!
//! `cargo run -p mtd-virtual-device -- --help`

#[cfg(target_os = "linux")]
mod program {
    use mtd_harness::profile;
    use mtd_virtual_device::{
        BootFrom, Clock, Error, Outcome, VirtualDevice, boards::ISPOT, quote,
    };
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    const HELP: &str = "\
Boots a Linux with an emulated 16 MiB NOR chip laid out like the iSpot's, runs
COMMAND in it, and ends with COMMAND's exit status.

Usage: virtual-ispot [OPTIONS] COMMAND...
       virtual-ispot [OPTIONS] --shell

One COMMAND word is a shell command line; several are a program and its arguments.

  --image FILE             the chip's bytes (16 MiB; only read); without it, those
                           of the simulated iSpot, seed 1
  --save FILE              write the chip's bytes afterwards; an existing FILE is
                           refused
  --put FILE=GUESTPATH     put a file into the guest, with its permissions
  --get GUESTPATH=FILE     bring a file or folder back
  --env NAME=VALUE         set a variable of the command
  --flash                  boot from the chip, as a real board: puts boot stub and
                           kernel into the partitions RedBoot and linux. Without
                           it a kernel boots from RAM, and no byte of the image
                           changes but by what COMMAND does
  --no-sysfs               without /sys, as on the device
  --mknod10                with nodes for mtd10, other than on the device
  --time-limit SECONDS     600 unless set; a shell has none
  --instructions           the guest's clock counts instructions:
                           `timed NAME COMMAND...` in the guest notes what a
                           command takes, and standard error gets the figures
  --console                print the console to standard error afterwards
  --shell                  a shell on this terminal; `exit` ends it
  --help                   this text

Exit status: COMMAND's; 125 if the virtual iSpot itself failed; 2 for wrong usage.
";

    #[derive(Default)]
    struct Options {
        image: Option<PathBuf>,
        save: Option<PathBuf>,
        put: Vec<(PathBuf, String)>,
        get: Vec<(String, PathBuf)>,
        env: Vec<(String, String)>,
        flash: bool,
        no_sysfs: bool,
        mknod10: bool,
        time_limit: Option<Duration>,
        instructions: bool,
        console: bool,
        shell: bool,
        command: Vec<String>,
    }

    pub fn main() -> i32 {
        let options = match parse(std::env::args().skip(1)) {
            Ok(Some(options)) => options,
            Ok(None) => {
                print!("{HELP}");
                return 0;
            }
            Err(message) => {
                eprintln!("virtual-ispot: {message}; --help tells more");
                return 2;
            }
        };
        match run(&options) {
            Ok(status) => status,
            Err(error) => {
                eprintln!("virtual-ispot: {error}");
                125
            }
        }
    }

    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options::default();
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                options.command.push(word);
                options.command.extend(words);
                break;
            }
            if word == "--" {
                options.command.extend(words);
                break;
            }
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--help" => return Ok(None),
                "--image" => options.image = Some(value()?.into()),
                "--save" => options.save = Some(value()?.into()),
                "--put" => {
                    // Host paths may hold a "=", guest paths seldom do.
                    let value = value()?;
                    let (file, guest) =
                        value.rsplit_once('=').ok_or("--put wants FILE=GUESTPATH")?;
                    options.put.push((file.into(), guest.into()));
                }
                "--get" => {
                    let value = value()?;
                    let (guest, file) =
                        value.split_once('=').ok_or("--get wants GUESTPATH=FILE")?;
                    options.get.push((guest.into(), file.into()));
                }
                "--env" => {
                    let value = value()?;
                    let (name, value) = value.split_once('=').ok_or("--env wants NAME=VALUE")?;
                    options.env.push((name.into(), value.into()));
                }
                "--time-limit" => {
                    let seconds = value()?
                        .parse()
                        .map_err(|_| "--time-limit wants whole seconds")?;
                    options.time_limit = Some(Duration::from_secs(seconds));
                }
                "--flash" => options.flash = true,
                "--no-sysfs" => options.no_sysfs = true,
                "--mknod10" => options.mknod10 = true,
                "--instructions" => options.instructions = true,
                "--console" => options.console = true,
                "--shell" => options.shell = true,
                _ => return Err(format!("unknown option {word}")),
            }
        }
        match (options.shell, options.command.is_empty()) {
            (false, true) => Err("no COMMAND".into()),
            (true, false) => Err("--shell and a COMMAND exclude each other".into()),
            (true, true) if options.time_limit.is_some() => Err("--shell has no time limit".into()),
            _ => Ok(Some(options)),
        }
    }

    fn run(options: &Options) -> Result<i32, Box<dyn std::error::Error>> {
        if let Some(path) = options.save.as_deref().filter(|path| path.exists()) {
            return Err(format!(
                "{} exists and was left alone; nothing was started",
                path.display()
            )
            .into());
        }
        let image = match &options.image {
            Some(path) => std::fs::read(path).map_err(|error| at(path, &error))?,
            None => profile::ispot(1).chip_bytes(0),
        };
        let mut ispot = prepare(VirtualDevice::new(&ISPOT, image)?, options)?;
        let outcome = if options.shell {
            ispot.shell()
        } else {
            ispot.run(&command_line(&options.command))
        };
        // The chip is worth keeping even when the run failed.
        if let Some(path) = &options.save {
            let mut file = std::fs::File::create_new(path).map_err(|error| at(path, &error))?;
            file.write_all(ispot.chip())
                .map_err(|error| at(path, &error))?;
        }
        hand_over(options, &outcome?)
    }

    fn prepare(
        mut ispot: VirtualDevice,
        options: &Options,
    ) -> Result<VirtualDevice, Box<dyn std::error::Error>> {
        for (file, guest) in &options.put {
            let bytes = std::fs::read(file).map_err(|error| at(file, &error))?;
            let permissions = std::fs::metadata(file)?.permissions().mode();
            ispot = ispot.put(guest, bytes, permissions)?;
        }
        for (guest, _) in &options.get {
            ispot = ispot.get(guest);
        }
        for (name, value) in &options.env {
            ispot = ispot.env(name, value);
        }
        ispot = ispot.boot_from(if options.flash {
            BootFrom::Flash
        } else {
            BootFrom::Ram
        });
        if options.no_sysfs {
            ispot = ispot.without_sysfs();
        }
        if options.mknod10 {
            ispot = ispot.with_all_nodes();
        }
        if options.instructions {
            ispot = ispot.timed_by(Clock::Instructions);
        }
        if let Some(limit) = options.time_limit {
            ispot = ispot.time_limit(limit);
        }
        Ok(ispot)
    }

    fn hand_over(options: &Options, outcome: &Outcome) -> Result<i32, Box<dyn std::error::Error>> {
        if options.console {
            eprint!("{}", outcome.console);
        }
        for timed in &outcome.times {
            let count = timed.instructions.unwrap_or_default();
            eprintln!("{count:>13} {}", timed.name);
        }
        std::io::stdout().write_all(&outcome.stdout)?;
        std::io::stderr().write_all(&outcome.stderr)?;
        let mut failure: Option<Error> = None;
        for (guest, file) in &options.get {
            if let Err(error) = outcome.copy_out(guest, file) {
                eprintln!("virtual-ispot: {error}");
                failure = Some(error);
            }
        }
        match failure {
            // A failed command explains a missing file better than we can.
            Some(_) if outcome.status == 0 => Ok(125),
            _ => Ok(outcome.status),
        }
    }

    fn command_line(words: &[String]) -> String {
        match words {
            [line] => line.clone(),
            words => {
                let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
                quoted.join(" ")
            }
        }
    }

    fn at(path: &Path, error: &std::io::Error) -> String {
        format!("{}: {error}", path.display())
    }
}

#[cfg(target_os = "linux")]
fn main() {
    std::process::exit(program::main());
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("virtual-ispot: needs a Linux host");
    std::process::exit(125);
}
