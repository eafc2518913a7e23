//! Runs the script that `mtdkeep script` prints, under a shell.

use crate::cli::support::{mtdkeep, text};
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use mtd_harness::tree::{Tree, TreeBuilder};
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A small device whose names are what names can be; mtd2 has one that reads
/// like another's number.
const SMALL: &str = "dev:    size   erasesize  name
mtd0: 00040000 00020000 \"RedBoot\"
mtd1: 00020000 00020000 \"param\"
mtd2: 0001f000 00020000 \"FIS directory\"
mtd3: 00001000 00001000 \"it's $(a) \\n `trap` <b>\"
";

/// A small device with seeded contents.
pub(crate) fn small(seed: u64) -> SimulatedDevice {
    profile::from_layout(&Layout::from_proc_mtd(SMALL).unwrap(), seed)
}

/// A device as a tree, a place for the script's folder, and the script.
pub(crate) struct Bench {
    pub(crate) device: SimulatedDevice,
    pub(crate) tree: Tree,
    pub(crate) outer: TempDir,
    /// The options of the script that lies in `outer`.
    printed_with: RefCell<Option<Vec<String>>>,
}

impl Bench {
    pub(crate) fn new(device: SimulatedDevice) -> Self {
        let tree = TreeBuilder::default()
            .without_sys()
            .all_nodes()
            .build(&device);
        Self {
            device,
            tree: tree.unwrap(),
            outer: tempfile::tempdir().unwrap(),
            printed_with: RefCell::default(),
        }
    }

    /// The folder that the script fills.
    pub(crate) fn folder(&self) -> PathBuf {
        self.outer.path().join("web root's/mtd_backup")
    }

    /// Prints the script with options and runs it.
    pub(crate) fn run(&self, shell: &[&str], options: &[&str]) -> Output {
        self.command(shell, options).output().unwrap()
    }

    /// The script, printed anew only for other options: under an emulator that
    /// takes longer than running it.
    fn script(&self, options: &[&str]) -> PathBuf {
        let (folder, script) = (self.folder(), self.outer.path().join("capture.sh"));
        let _ = fs::create_dir_all(folder.parent().unwrap());
        let wanted: Vec<String> = options.iter().map(|word| (*word).into()).collect();
        let before = self.printed_with.replace(Some(wanted.clone()));
        if before != Some(wanted) {
            fs::write(&script, printed(&folder, options)).unwrap();
        }
        script
    }

    /// The command that runs the script.
    pub(crate) fn command(&self, shell: &[&str], options: &[&str]) -> Command {
        let script = self.script(options);
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .arg(&script)
            .env("MTDKEEP_ROOT", self.tree.root())
            .stdin(Stdio::null());
        command
    }

    /// The command that runs the script with shell functions in the place of
    /// programs: a BusyBox may prefer its own applets to what PATH has.
    pub(crate) fn command_with(&self, shell: &[&str], options: &[&str], stubs: &str) -> Command {
        let script = self.script(options);
        let stubs_file = self.outer.path().join("stubs.sh");
        fs::write(&stubs_file, stubs).unwrap();
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .args(["-c", ". \"$STUBS\"; . \"$SCRIPT\""])
            .env("STUBS", stubs_file)
            .env("SCRIPT", script)
            .env("MTDKEEP_ROOT", self.tree.root())
            .stdin(Stdio::null());
        command
    }

    /// Every image in a folder must be its partition, byte for byte.
    pub(crate) fn assert_images(&self, folder: &Path, numbers: &[u32]) {
        for &number in numbers {
            let file = folder.join(format!("mtd{number}.bin"));
            let image = fs::read(&file).unwrap();
            assert!(image == self.device.partition_bytes(number), "{file:?}");
        }
    }
}

/// The script, as printed.
pub(crate) fn printed(folder: &Path, options: &[&str]) -> Vec<u8> {
    let assert = mtdkeep()
        .args(["script", "--output-dir"])
        .arg(folder)
        .args(options)
        .assert()
        .code(0)
        .stderr("");
    assert.get_output().stdout.clone()
}

/// Code and standard error, for a failed assertion.
pub(crate) fn shown(output: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}
