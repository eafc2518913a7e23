//! Backs up a device from Rust, and proves the backup:
//!
//!     cargo run --example back_up -- FOLDER           this machine's flash
//!     cargo run --example back_up -- FOLDER ROOT      a copied tree with proc/mtd and dev/mtdN

use mtdkeep::backend::LinuxBackend;
use mtdkeep::backup::{self, Folder, Request, Work};
use mtdkeep::mtd::MtdBackend as _;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = words.next().ok_or("which folder shall the backup go to?")?;
    println!("{}", run(&folder, words.next())?);
    Ok(())
}

/// Backs up every partition into `folder`; what there is to say of it.
pub fn run(folder: &Path, root: Option<PathBuf>) -> Result<String, Box<dyn Error>> {
    let device = LinuxBackend::new(root);
    let folder = Folder::open_or_create(folder)?;
    // A handler of signals may set it: then the backup ends so that it can be resumed.
    let interrupt = AtomicBool::new(false);
    let work = Work {
        interrupt: &interrupt,
        ..Work::default()
    };

    // All partitions, or those named in `Request::partitions`.
    let summary = backup::backup(&device, &folder, &Request::default(), &work)?;

    // Success means that every byte of every image is what the device gave. This
    // reads both once more and compares them.
    let report = backup::verify(&folder, Some(&device), &work)?;
    if let Some(finding) = report.findings.first() {
        return Err(finding.message().into());
    }
    Ok(format!(
        "{} partitions of {}, {} of them whole and compared with the flash",
        summary.manifest.images().len(),
        device.description(),
        report.images_right
    ))
}
