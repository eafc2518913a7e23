//! A device that is somewhere else, in tests.

use crate::cli::support::program;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// mtd0 has 4 KiB, mtd1 one, mtd2 two: seven in all.
pub(crate) const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00001000 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
mtd2: 00000800 00000400 \"data\"
";

/// A folder with the table and an ssh that is a script.
pub(crate) struct Somewhere {
    outer: TempDir,
    ssh: PathBuf,
}

impl Somewhere {
    /// `script` is run by a shell, with the words that ssh would get. In it `$DEVICE` is
    /// a command line that runs a program on the device, and `$LAST` ssh's last word.
    pub(crate) fn new(script: &str, sandbox: &str) -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("table"), TABLE).unwrap();
        let ssh = outer.path().join("ssh");
        let me = program();
        let me = me.get_program().to_str().unwrap();
        let table = outer.path().join("table");
        let device = format!(
            "{me} sandbox -q --simulate={} {sandbox} --",
            table.display()
        );
        let text = format!(
            "#!/bin/sh\ncd {} || exit 255\nfor LAST; do :; done\nDEVICE='{device}'\n{script}\n",
            outer.path().display()
        );
        fs::write(&ssh, text).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        Self { outer, ssh }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.outer.path().join(name)
    }

    /// Fetches into a folder `b`.
    pub(crate) fn fetch(&self, options: &[&str]) -> Output {
        self.command(options).output().unwrap()
    }

    /// That command, to be started.
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        let mut command = program();
        command
            .args(["fetch", "ssh://root@device"])
            .arg(self.path("b"))
            .args(options)
            .env("MTDKEEP_SSH", &self.ssh);
        command
    }

    /// The images are the device's flash, and the backup is good.
    pub(crate) fn assert_is_the_flash(&self) {
        let layout = mtd_harness::layout::Layout::from_proc_mtd(TABLE).unwrap();
        let device = mtd_harness::profile::from_layout(&layout, 1);
        for info in device.system.devices() {
            let image = fs::read(self.path("b").join(format!("mtd{}.bin", info.index))).unwrap();
            assert!(
                image == device.partition_bytes(info.index),
                "{}",
                info.index
            );
        }
        assert_good(&self.path("b"));
    }
}

pub(crate) fn assert_good(folder: &Path) {
    let status = program().args(["verify", "-q"]).arg(folder).status();
    assert_eq!(status.unwrap().code(), Some(0));
}
