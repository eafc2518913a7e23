//! What the tests share.

use mtd_harness::chip::EraseBlock;
use mtd_harness::profile::{Contents, LazyStorage, SimulatedDevice, ispot};
use mtd_harness::sandbox::{Builder, Outcome, Sandbox};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The same contents in every test.
pub const SEED: u64 = 1;

/// A simulated device, its sandbox, and a folder that both sides see.
pub struct Bench {
    pub device: SimulatedDevice,
    pub sandbox: Sandbox,
    pub folder: tempfile::TempDir,
}

/// An iSpot's contents, made once for all tests: a sandbox copies them all, and
/// without optimisation making them takes longer than most tests.
struct MadeOnce;

impl Contents for MadeOnce {
    fn fill(&self, block: EraseBlock, cells: &mut [u8]) {
        static CONTENTS: LazyLock<Vec<u8>> = LazyLock::new(|| ispot(SEED).chip_bytes(0));
        let start = block.0 as usize * cells.len();
        cells.copy_from_slice(&CONTENTS[start..][..cells.len()]);
    }
}

/// An iSpot with those contents.
pub fn device() -> SimulatedDevice {
    let device = ispot(SEED);
    device.system.with_chip(0, |chip| {
        let storage = LazyStorage::new(chip.geometry(), Box::new(MadeOnce));
        drop(chip.replace_storage(Box::new(storage)));
    });
    device
}

/// An iSpot with a folder at /var/wwwroot.
pub fn bench() -> Bench {
    bench_with(|builder| builder)
}

/// The same, built otherwise.
pub fn bench_with(change: impl FnOnce(Builder) -> Builder) -> Bench {
    let device = device();
    let folder = tempfile::tempdir().unwrap();
    let builder = Sandbox::builder(device.clone()).map("/var/wwwroot", folder.path());
    let sandbox = change(builder).build().unwrap_or_else(|e| panic!("{e}"));
    Bench {
        device,
        sandbox,
        folder,
    }
}

impl Bench {
    /// Runs a command line of /bin/sh, in the shared folder.
    pub fn sh(&self, line: &str) -> Outcome {
        self.run("sh", &["-c", line])
    }

    /// Runs a program with its streams piped.
    pub fn run(&self, program: &str, args: &[&str]) -> Outcome {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.sandbox
            .run(&mut command)
            .unwrap_or_else(|e| panic!("{program} {args:?}: {e}"))
    }

    /// Runs a command line that must succeed without a word on standard error;
    /// answers what it printed.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let outcome = self.sh(line);
        let (stdout, stderr) = (text(&outcome.stdout), text(&outcome.stderr));
        assert!(
            outcome.status.success() && stderr.is_empty(),
            "{line}: {:?}\n{stdout}{stderr}{:?}",
            outcome.status,
            outcome.warnings
        );
        stdout
    }

    /// Runs a command line that must fail; answers its standard error.
    #[track_caller]
    pub fn fails(&self, line: &str) -> String {
        let outcome = self.sh(line);
        let stderr = text(&outcome.stderr);
        assert!(!outcome.status.success(), "{line} succeeded\n{stderr}");
        stderr
    }

    /// The pristine bytes of a partition.
    pub fn flash(&self, index: u32) -> Vec<u8> {
        self.device.partition_bytes(index)
    }

    /// A file in the shared folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs a test of this program inside a sandbox, where it sees the nodes.
#[track_caller]
pub fn inside(bench: &Bench, test: &str) {
    let me = std::env::current_exe().unwrap();
    let args = ["--ignored", "--exact", "--nocapture", test];
    let outcome = bench.run(me.to_str().unwrap(), &args);
    let told = text(&outcome.stdout) + &text(&outcome.stderr);
    assert!(
        outcome.status.success() && told.contains("1 passed"),
        "{told}{:?}",
        outcome.warnings
    );
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends or receives one descriptor over a socket.
pub fn pass(socket: i32, fd: Option<i32>) -> i32 {
    let mut byte = 0u8;
    let mut control = [0u64; 4];
    let mut data = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: every pointer is to a local that outlives the calls; `control` has
    // room for one descriptor.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        if let Some(fd) = fd {
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<i32>().write_unaligned(fd);
            assert_eq!(libc::sendmsg(socket, &message, 0), 1);
            return fd;
        }
        assert_eq!(libc::recvmsg(socket, &mut message, 0), 1);
        libc::CMSG_DATA(libc::CMSG_FIRSTHDR(&message))
            .cast::<i32>()
            .read_unaligned()
    }
}
