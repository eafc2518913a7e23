//! What a test of a whole program looks like with the sandbox: any program or script,
//! unchanged and without root, against the simulated device's nodes. Copy `run` into a
//! `#[test]`.
//!
//!     cargo run --example sandbox_in_a_test

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err("the sandbox knows x86-64 and aarch64".into());
    }
    run()
}

/// The test.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub fn run() -> Result<(), Box<dyn Error>> {
    use mtd_harness::profile;
    use mtd_harness::sandbox::Sandbox;
    use std::process::{Command, Stdio};

    let device = profile::ispot(7);
    let before = device.partition_bytes(4);
    let sandbox = Sandbox::builder(device.clone()).build()?;

    // The program under test: what somebody types on the device.
    let mut script = Command::new("sh");
    script
        .args(["-c", "grep -c ^mtd /proc/mtd; dd if=/dev/mtd1 2>/dev/null"])
        .stdout(Stdio::piped());
    let outcome = sandbox.run(&mut script)?;
    assert!(outcome.status.success());
    let mut expected = b"11\n".to_vec();
    expected.extend(device.partition_bytes(1));
    assert_eq!(outcome.stdout, expected);

    // What it wrote to flash is there, and nowhere else: the block device erases
    // and programs, as on Linux.
    let mut script = Command::new("sh");
    script.args([
        "-c",
        "printf mark | dd of=/dev/mtdblock4 conv=notrunc 2>/dev/null",
    ]);
    assert!(sandbox.run(&mut script)?.status.success());
    let after = device.partition_bytes(4);
    assert_eq!(&after[..4], b"mark");
    assert_eq!(after[4..], before[4..]);
    Ok(())
}

/// Elsewhere there is no sandbox.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub fn run() -> Result<(), Box<dyn Error>> {
    Err("the sandbox knows Linux on x86-64 and aarch64".into())
}
