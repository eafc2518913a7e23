//! Runs any program against a simulated iSpot:
//! `cargo run -p mtd-harness --example sandbox -- dd if=/dev/mtd1 of=param.bin`

use std::process::ExitCode;

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn main() -> ExitCode {
    eprintln!("sandbox: needs Linux on x86-64 or aarch64");
    ExitCode::from(127)
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn main() -> ExitCode {
    use mtd_harness::profile::ispot;
    use mtd_harness::sandbox::Sandbox;
    use std::process::Command;

    let mut words = std::env::args().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: sandbox PROGRAM ARGS…");
        return ExitCode::from(2);
    };
    let started = Sandbox::builder(ispot(1))
        .log_to(|line| eprintln!("{line}"))
        .build()
        .and_then(|sandbox| sandbox.run(Command::new(program).args(words)));
    match started {
        Ok(outcome) => ExitCode::from(outcome.status.code().unwrap_or(1) as u8),
        Err(error) => {
            eprintln!("sandbox: {error}");
            ExitCode::from(127)
        }
    }
}
